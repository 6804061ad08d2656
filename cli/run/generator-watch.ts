import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { evenly } from '../../lib/results/memory-record.ts';
import type { GeneratorFigures, SamplesRecord } from '../../lib/results/record-schema.ts';

/** What the load generator took of this machine, at one time. */
export interface GeneratorSample {
  atMs: number;
  /** Processor time since it started. */
  cpuMs: number;
  residentBytes: number;
  /** Memory of the service, where its process is known and was there. */
  serviceBytes?: number | undefined;
}

/** Watches a run: what the generator took so far, and the samples for charts. */
export interface GeneratorWatch {
  /** Ends the watch. */
  end: () => void;
  figures: () => GeneratorFigures | undefined;
  /** At most a few hundred samples, evenly over the time; undefined where nothing could be read. */
  samples: (run: string) => SamplesRecord | undefined;
}

const sampleEveryMs = 500;
const windowMs = 5000;
/** In a window in which it takes more of all cores it may have measured itself. */
const maxBusy = 0.9;
/** More such windows than this share make a run invalid. */
const maxTooBusy = 0.1;
/** A tick of /proc, which is 10 ms on every Linux (proc(5), sysconf(_SC_CLK_TCK)). */
const tickMs = 10;

const sampleOf = (pid: number, atMs: number): GeneratorSample | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    // Behind the name, which may hold blanks, come fields 3 and on: utime and stime are 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (kib === undefined) return undefined;
    return { atMs, cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs, residentBytes: Number(kib) * 1024 };
  } catch {
    // It has ended, or this is no Linux.
    return undefined;
  }
};

/** What samples come to; undefined without two, for the first is of a process that has just begun. */
export const generatorFigures = (samples: readonly GeneratorSample[], cores: number): GeneratorFigures | undefined => {
  const last = samples.at(-1);
  if (!last || samples.length < 2) return undefined;
  const shares = samples.flatMap((from, index) => {
    const to = samples.slice(index).find(({ atMs }) => atMs >= from.atMs + windowMs);
    return to ? [(to.cpuMs - from.cpuMs) / (to.atMs - from.atMs) / cores] : [];
  });
  return {
    cores,
    cpuSeconds: last.cpuMs / 1000,
    residentBytes: Math.max(...samples.map(({ residentBytes }) => residentBytes)),
    ...(shares.length > 0 && {
      busiestShare: Math.max(...shares),
      tooBusyShare: shares.filter((share) => share > maxBusy).length / shares.length,
    }),
  };
};

/** Why a run says nothing of the service, for its generator was too busy; undefined where it was not. */
export const generatorProblem = ({ cores, busiestShare, tooBusyShare = 0 }: GeneratorFigures): string | undefined =>
  tooBusyShare > maxTooBusy
    ? `INVALID: k6 took more than ${maxBusy * 100} % of the ${cores} cores for ${Math.round(tooBusyShare * 100)} % of the time (at most ${Math.round((busiestShare ?? 0) * 100)} %), so that it may have measured itself; give less load, or more machines`
    : undefined;

/** What the generator took, in a line. */
export const generatorLine = ({ cores, cpuSeconds, residentBytes, busiestShare }: GeneratorFigures): string => {
  const busiest = busiestShare === undefined ? '' : `, ${Math.round(busiestShare * 100)} % of ${cores} cores at most`;
  return `generator: ${cpuSeconds.toFixed(1)} s of processor time${busiest}, ${Math.round(residentBytes / 2 ** 20)} MiB`;
};

// oxlint-disable-next-line unicorn/no-null -- JSON has no undefined
const unknown = null;

/** Samples as a record of lists. */
const samplesRecord = (
  run: string,
  startedAtMs: number,
  all: readonly GeneratorSample[],
  cores: number,
): SamplesRecord => {
  const kept = evenly(all);
  const [first] = kept;
  return {
    type: 'samples',
    version: 1,
    run,
    startedAt: new Date(startedAtMs).toISOString(),
    atMs: kept.map(({ atMs }) => Math.round(atMs - (first?.atMs ?? 0))),
    cores,
    generatorShare: kept.map(({ atMs, cpuMs }, index) => {
      const before = kept[index - 1];
      return before === undefined
        ? unknown
        : Math.round(((cpuMs - before.cpuMs) / (atMs - before.atMs) / cores) * 1000) / 1000;
    }),
    generatorBytes: kept.map(({ residentBytes }) => residentBytes),
    ...(kept.some(({ serviceBytes }) => serviceBytes !== undefined) && {
      serviceBytes: kept.map(({ serviceBytes }) => serviceBytes ?? unknown),
    }),
  };
};

/** Watches the process of the generator from now on, and the memory of the service where its process is known. */
export const watchGenerator = (pid: number, servicePid?: number): GeneratorWatch => {
  const samples: GeneratorSample[] = [];
  const startedAtMs = Date.now();
  const take = (): void => {
    const sample = sampleOf(pid, performance.now());
    if (sample)
      samples.push(
        servicePid === undefined ? sample : { ...sample, serviceBytes: sampleOf(servicePid, 0)?.residentBytes },
      );
    // Hours of samples become as many of half as many, twice as far apart.
    if (samples.length > 2 * maxSamples) samples.splice(0, samples.length, ...samples.filter((_, at) => at % 2 === 0));
  };
  take();
  const timer = setInterval(take, sampleEveryMs).unref();
  return {
    end: () => clearInterval(timer),
    figures: () => generatorFigures(samples, availableParallelism()),
    samples: (run) =>
      samples.length === 0 ? undefined : samplesRecord(run, startedAtMs, samples, availableParallelism()),
  };
};

const maxSamples = 10_000;

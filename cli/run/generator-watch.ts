import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { GeneratorFigures } from '../../lib/results/record-schema.ts';

/** What the load generator took of this machine, at one time. */
export interface GeneratorSample {
  atMs: number;
  /** Processor time since it started. */
  cpuMs: number;
  residentBytes: number;
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

/** Watches a process from now on; the returned function ends that and tells what it took. */
export const watchGenerator = (pid: number): (() => GeneratorFigures | undefined) => {
  const samples: GeneratorSample[] = [];
  const take = (): void => {
    const sample = sampleOf(pid, performance.now());
    if (sample) samples.push(sample);
    // Hours of samples become as many of half as many, twice as far apart.
    if (samples.length > 2 * maxSamples) samples.splice(0, samples.length, ...samples.filter((_, at) => at % 2 === 0));
  };
  take();
  const timer = setInterval(take, sampleEveryMs).unref();
  return () => {
    clearInterval(timer);
    return generatorFigures(samples, availableParallelism());
  };
};

const maxSamples = 10_000;

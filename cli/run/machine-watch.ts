import { readdirSync, readFileSync } from 'node:fs';
import type { Saturation } from '../../lib/results/record-schema.ts';

/** Counters of a machine at one time; what its system does not show is undefined. */
export interface MachineReading {
  atMs: number;
  /** Processor time of the processors that this process may use, milliseconds in all (proc(5), /proc/stat). */
  processors?: ProcessorTime | undefined;
  /** Processor time of this process and of all that descend from it, k6 and the reference target's commands too. */
  ownMs?: number | undefined;
  /** Time in which something waited for a processor (/proc/pressure/cpu). */
  waitedMs?: number | undefined;
  /** Processes that run or wait for a processor now. */
  runnable?: number | undefined;
  /** Of the CPU limit of the control group that this process is in: its periods, and those in which it stopped the group. */
  limited?: LimitedPeriods | undefined;
}

export interface ProcessorTime {
  count: number;
  totalMs: number;
  idleMs: number;
  /** Of programs and of the system for them, without interrupts, which belong to nobody. */
  programsMs: number;
  /** Taken by other guests of the hypervisor. */
  stolenMs: number;
}

export interface LimitedPeriods {
  periods: number;
  stopped: number;
}

/** A program and its processor time since it started. */
export interface ProgramTime {
  name: string;
  ms: number;
}

/** A tick of /proc, which is 10 ms on every Linux (proc(5), sysconf(_SC_CLK_TCK)). */
const tickMs = 10;
const sampleEveryMs = 500;
const maxReadings = 10_000;
/** The start of k6 and of this process is no load of others, but disturbs what is read meanwhile. */
const startMs = 1000;
/** With less idle time than this share, processors had nothing left to give. */
const minIdleShare = 0.05;
/** Others that took less of the processors than this share did not saturate them. */
const minOthersShare = 0.25;
const minWaitedShare = 0.1;
/** Linux counts the time of waiting anew every two seconds (kernel/sched/psi.c). */
const minPressureMs = 4000;
const maxStolenShare = 0.1;
const maxStoppedShare = 0.25;
/** A machine that was saturated for a shorter time, or for a smaller share of it, is no reason for a warning. */
const minSaturatedMs = 950;
const minSaturatedShare = 0.1;

/** Numbers of a list such as `0-3,8`. */
const numbersOf = (list: string): Set<number> =>
  new Set(
    list.split(',').flatMap((range) => {
      const [first = NaN, last = first] = range.split('-').map(Number);
      return first >= 0 ? Array.from({ length: last - first + 1 }, (_, index) => first + index) : [];
    }),
  );

/** Processor time in /proc/stat, of those processors that /proc/self/status allows; undefined where there is none. */
export const processorTime = (stat: string, status: string): ProcessorTime | undefined => {
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
  const numbers = allowed === undefined ? undefined : numbersOf(allowed);
  const time = { count: 0, totalMs: 0, idleMs: 0, programsMs: 0, stolenMs: 0 };
  for (const [, number, ticks = ''] of stat.matchAll(/^cpu(\d+) +(.*)$/gm)) {
    if (numbers?.has(Number(number)) === false) continue;
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, stolen = 0] = ticks
      .split(' ')
      .map((each) => Number(each) * tickMs);
    time.count++;
    time.totalMs += user + nice + system + idle + iowait + irq + softirq + stolen;
    time.idleMs += idle + iowait;
    time.programsMs += user + nice + system;
    time.stolenMs += stolen;
  }
  return time.totalMs > 0 ? time : undefined;
};

/** Two counters of a file of `name value` lines; undefined where one is missing. */
export const limitedPeriods = (cpuStat: string): LimitedPeriods | undefined => {
  const [periods, stopped] = ['nr_periods', 'nr_throttled'].map(
    (name) => new RegExp(`^${name} (\\d+)$`, 'm').exec(cpuStat)?.[1],
  );
  return periods === undefined || stopped === undefined
    ? undefined
    : { periods: Number(periods), stopped: Number(stopped) };
};

/**
 * Where a control group and those above it count how often their CPU limits stopped them, by /proc/self/cgroup (cgroups(7)). A
 * container may see its own group as the root whatever that file says.
 */
export const limitFiles = (cgroup: string): string[] => {
  const files = new Set<string>();
  for (const [, controllers = '', group = '/'] of cgroup.matchAll(/^\d+:(.*?):(.*)$/gm)) {
    const isFirstVersion = controllers.split(',').includes('cpu');
    if (controllers !== '' && !isFirstVersion) continue;
    for (const root of isFirstVersion ? [`/sys/fs/cgroup/${controllers}`, '/sys/fs/cgroup/cpu'] : ['/sys/fs/cgroup']) {
      const names = group.split('/').filter((name) => name !== '');
      for (let length = names.length; length >= 0; length--) {
        files.add([root, ...names.slice(0, length), 'cpu.stat'].join('/'));
      }
    }
  }
  return [...files];
};

/** What happened between two readings, as shares of the time. */
const between = (from: MachineReading, to: MachineReading) => {
  const ms = to.atMs - from.atMs;
  const [before, after] = [from.processors, to.processors];
  const totalMs = before && after ? after.totalMs - before.totalMs : 0;
  const shareOf = (part: (time: ProcessorTime) => number): number | undefined =>
    before && after && totalMs > 0 ? Math.max(0, part(after) - part(before)) / totalMs : undefined;
  const ofPrograms = shareOf(({ programsMs }) => programsMs);
  const ownMs = from.ownMs === undefined || to.ownMs === undefined ? undefined : to.ownMs - from.ownMs;
  const periods = from.limited && to.limited ? to.limited.periods - from.limited.periods : 0;
  return {
    ms,
    processors: after?.count ?? 0,
    runnable: to.runnable,
    idle: shareOf(({ idleMs }) => idleMs),
    stolen: shareOf(({ stolenMs }) => stolenMs) ?? 0,
    others:
      ofPrograms === undefined || ownMs === undefined
        ? 0
        : Math.min(ofPrograms, Math.max(0, ofPrograms - ownMs / totalMs)),
    stopped: periods > 0 ? ((to.limited?.stopped ?? 0) - (from.limited?.stopped ?? 0)) / periods : 0,
  };
};

type Interval = ReturnType<typeof between>;

/** Whether others had the processors, and more wanted one than there are. */
const isTaken = ({ idle = 1, others, runnable = 0, processors }: Interval): boolean =>
  idle < minIdleShare && others >= minOthersShare && runnable > processors;

const kinds = {
  othersShare: { holds: isTaken, share: ({ others }: Interval) => others },
  stolenShare: { holds: ({ stolen }: Interval) => stolen > maxStolenShare, share: ({ stolen }: Interval) => stolen },
  stoppedShare: {
    holds: ({ stopped }: Interval) => stopped > maxStoppedShare,
    share: ({ stopped }: Interval) => stopped,
  },
} as const;

const msOf = (intervals: readonly Interval[]): number => intervals.reduce((sum, { ms }) => sum + ms, 0);

const meanOf = (intervals: readonly Interval[], value: (interval: Interval) => number): number =>
  intervals.reduce((sum, each) => sum + value(each) * each.ms, 0) / msOf(intervals);

/** The share of the time in which something waited; undefined where that is not shown or the time is too short for it. */
const waitedShareOf = (from: MachineReading | undefined, to: MachineReading | undefined): number | undefined => {
  if (from?.waitedMs === undefined || to?.waitedMs === undefined || to.atMs - from.atMs < minPressureMs)
    return undefined;
  return (to.waitedMs - from.waitedMs) / (to.atMs - from.atMs);
};

/**
 * How others saturated the processors, by readings from the start of a run to its end; undefined where they did not, or where
 * there is too little to know.
 */
export const saturationOf = (readings: readonly MachineReading[]): Saturation | undefined => {
  const [first] = readings;
  const read = first === undefined ? [] : readings.filter(({ atMs }) => atMs >= first.atMs + startMs);
  const intervals = read.slice(1).map((to, index) => between(read[index] ?? to, to));
  const watchedMs = msOf(intervals);
  const waitedShare = waitedShareOf(read[0], read.at(-1));
  const isMuch = (some: readonly Interval[]): boolean =>
    msOf(some) >= Math.max(minSaturatedMs, minSaturatedShare * watchedMs);
  const shares: Partial<Record<keyof typeof kinds, number>> = {};
  const found = new Set<Interval>();
  for (const [name, { holds, share }] of Object.entries(kinds)) {
    const some = intervals.filter(holds);
    if (!isMuch(some)) continue;
    // Processors that were busy while hardly anything waited disturbed nobody.
    if (holds === isTaken && (waitedShare ?? 1) < (minWaitedShare * msOf(some)) / watchedMs) continue;
    shares[name as keyof typeof kinds] = meanOf(some, share);
    for (const each of some) found.add(each);
  }
  if (found.size === 0) return undefined;
  const saturated = [...found];
  return {
    seconds: msOf(saturated) / 1000,
    watchedSeconds: watchedMs / 1000,
    ...shares,
    ...(waitedShare !== undefined && { waitedShare }),
    ...(saturated.every(({ runnable }) => runnable !== undefined) && {
      runnable: meanOf(saturated, ({ runnable = 0 }) => runnable),
    }),
  };
};

/** The program that took most of the processors' time from one look to another, and at least a tenth of it. */
export const busiestOf = (
  before: ReadonlyMap<number, ProgramTime>,
  after: ReadonlyMap<number, ProgramTime>,
  processorsMs: number,
): Saturation['busiest'] => {
  const taken = [...after].map(([pid, { name, ms }]) => ({ pid, name, ms: ms - (before.get(pid)?.ms ?? 0) }));
  const [most] = taken.toSorted((a, b) => b.ms - a.ms);
  if (most === undefined || most.ms < processorsMs / 10) return undefined;
  return { pid: most.pid, name: most.name, share: most.ms / processorsMs };
};

const readOrUndefined = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined;
  }
};

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** The name of a process, its own processor time, and that of its children that have ended. */
const timesOf = (pid: number): { name: string; ownMs: number; endedMs: number } | undefined => {
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // Behind the name, which may hold blanks and parentheses, come fields 3 and on: 14 to 17 are times.
  const [user = 0, system = 0, ofUser = 0, ofSystem = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map((ticks) => Number(ticks) * tickMs);
  const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
  return { name, ownMs: user + system, endedMs: ofUser + ofSystem };
};

/** A process and all that descend from it; undefined where the system does not show the children of processes. */
const familyOf = (pid: number): number[] | undefined => {
  const family = [pid];
  // Grows while it is walked.
  for (const each of family) {
    for (const thread of namesIn(`/proc/${each}/task`)) {
      const children = readOrUndefined(`/proc/${each}/task/${thread}/children`);
      if (children === undefined && each === pid && thread === String(pid)) return undefined;
      family.push(...(children ?? '').split(' ').filter(Boolean).map(Number));
    }
  }
  return family;
};

/** Processor time of this process and of all that descend from it, milliseconds, with what has ended and been waited for. */
export const ownMs = (): number | undefined => {
  const family = familyOf(process.pid);
  return family?.reduce((sum, pid) => {
    const times = timesOf(pid);
    return sum + (times === undefined ? 0 : times.ownMs + times.endedMs);
  }, 0);
};

const otherPrograms = (): Map<number, ProgramTime> => {
  const own = new Set(familyOf(process.pid));
  const programs = new Map<number, ProgramTime>();
  for (const pid of namesIn('/proc').map(Number)) {
    if (!(pid > 0) || own.has(pid)) continue;
    const times = timesOf(pid);
    if (times !== undefined) programs.set(pid, { name: times.name, ms: times.ownMs });
  }
  return programs;
};

/** A number in a file, by a pattern whose group it is. */
const numberIn = (text: string | undefined, pattern: RegExp): number | undefined => {
  const found = pattern.exec(text ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
};

/** Watches the machine from now on; the returned function ends that and returns how others saturated it, where they did. */
export const watchMachine = (): (() => Saturation | undefined) => {
  if (process.platform !== 'linux') return () => undefined;
  const readings: MachineReading[] = [];
  const limits = limitFiles(readOrUndefined('/proc/self/cgroup') ?? '').filter(
    (file) => limitedPeriods(readOrUndefined(file) ?? '') !== undefined,
  );
  const take = (): void => {
    const stat = readOrUndefined('/proc/stat') ?? '';
    const waitedMicroseconds = numberIn(readOrUndefined('/proc/pressure/cpu'), /^some .*total=(\d+)$/m);
    // Of several limits, the one that stopped its group most.
    const limited = limits
      .flatMap((file) => limitedPeriods(readOrUndefined(file) ?? '') ?? [])
      .toSorted((a, b) => b.stopped - a.stopped)[0];
    readings.push({
      atMs: performance.now(),
      processors: processorTime(stat, readOrUndefined('/proc/self/status') ?? ''),
      ownMs: ownMs(),
      waitedMs: waitedMicroseconds === undefined ? undefined : waitedMicroseconds / 1000,
      runnable: numberIn(stat, /^procs_running (\d+)$/m),
      limited,
    });
    // Hours of readings become half as many, twice as far apart.
    if (readings.length > 2 * maxReadings) {
      readings.splice(0, readings.length, ...readings.filter((_, at) => at % 2 === 0));
    }
  };
  const programs = otherPrograms();
  take();
  const timer = setInterval(take, sampleEveryMs).unref();
  return () => {
    clearInterval(timer);
    take();
    const saturation = saturationOf(readings);
    if (saturation?.othersShare === undefined) return saturation;
    const processorsMs = (readings.at(-1)?.processors?.totalMs ?? Infinity) - (readings[0]?.processors?.totalMs ?? 0);
    const busiest = busiestOf(programs, otherPrograms(), processorsMs);
    return { ...saturation, ...(busiest && { busiest }) };
  };
};

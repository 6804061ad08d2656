import { readFileSync } from 'node:fs';

/** Processor time of a machine, in ticks of any length (proc(5), /proc/stat). */
export interface MachineTicks {
  total: number;
  idle: number;
  /** Taken by other guests of the hypervisor. */
  stolen: number;
}

/** What a machine's processors did from one time to another, as shares. */
export interface MachineLoad {
  busyShare: number;
  stolenShare: number;
}

/** Busier than this a machine had nothing left to give. */
const maxBusyShare = 0.95;
const maxStolenShare = 0.1;

/** The first line of /proc/stat; undefined where there is none, as on other systems than Linux. */
export const readTicks = (stat: string): MachineTicks | undefined => {
  const [user, nice, system, idle, iowait = 0, irq = 0, softirq = 0, stolen = 0] = (
    /^cpu +(.*)$/m.exec(stat)?.[1] ?? ''
  )
    .split(' ')
    .map(Number);
  if (user === undefined || nice === undefined || system === undefined || idle === undefined) return undefined;
  return { total: user + nice + system + idle + iowait + irq + softirq + stolen, idle: idle + iowait, stolen };
};

/** The load from one reading to a later one; undefined where no time lies between them. */
export const machineLoad = (from: MachineTicks, to: MachineTicks): MachineLoad | undefined => {
  const total = to.total - from.total;
  if (!(total > 0)) return undefined;
  return { busyShare: 1 - (to.idle - from.idle) / total, stolenShare: (to.stolen - from.stolen) / total };
};

const percent = (share: number): string => `${Math.round(Math.min(1, Math.max(0, share)) * 100)} %`;

/** A warning where the machine was saturated, of which k6 itself took a share; undefined where it was not. */
export const saturationWarning = ({ busyShare, stolenShare }: MachineLoad, k6Share: number): string | undefined => {
  if (stolenShare > maxStolenShare) {
    return `warning: the hypervisor gave ${percent(stolenShare)} of this machine's processor time to others: times may be the machine's, not the service's`;
  }
  if (busyShare <= maxBusyShare || k6Share > busyShare / 2) return undefined;
  return `warning: this machine's processors were ${percent(busyShare)} busy, ${percent(k6Share)} by k6 and the rest by other processes (a service on this machine among them): times may be the machine's, not the service's`;
};

const ticksNow = (): MachineTicks | undefined => {
  try {
    return readTicks(readFileSync('/proc/stat', 'latin1'));
  } catch {
    return undefined;
  }
};

/** In a shorter time the start of k6 alone keeps a small machine busy, milliseconds. */
const minWatchedMs = 5000;

/** Watches the machine from now on; the returned function gives its load until then, where that can be seen. */
export const watchMachine = (): (() => MachineLoad | undefined) => {
  const startedAt = performance.now();
  const from = ticksNow();
  return () => {
    if (performance.now() - startedAt < minWatchedMs) return undefined;
    const to = ticksNow();
    return from && to && machineLoad(from, to);
  };
};

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { codeOf } from '../../lib/text/errors.ts';

/** What the system says of a process now. */
export interface ProcessFigures {
  /** Memory that is held, bytes; that of its children left out. */
  residentBytes: number;
  /** Processes that descend from it; one that has ended and was not waited for counts too, for it is a leak. */
  children: number;
  /** Tells it from a later process with the same id. */
  startedAtTicks: number;
}

/** The figures of a process, read from /proc (proc(5)), or why there are none. */
export const processFigures = (pid: number): ProcessFigures | string => {
  if (!existsSync('/proc/self/stat')) {
    return `figures of a process are read from /proc, which this platform (${process.platform}) does not have`;
  }
  const kibibytes = /^VmRSS:\s*(\d+) kB$/m.exec(readProc(`${pid}/status`) ?? '')?.[1];
  const stat = readStat(pid);
  // One that has ended but was not waited for still has a status, without memory.
  if (kibibytes === undefined || stat === undefined) return `process ${pid} is gone`;
  const { startedAtTicks } = stat;
  return { residentBytes: Number(kibibytes) * 1024, children: descendants(pid), startedAtTicks };
};

/** What is wrong with the id of a process that was given as an option, in a sentence. */
export const processIdProblems = (text: string): string[] => {
  const expected = '--target-pid: expected the id of a running process, such as 4711';
  if (!/^[1-9]\d{0,9}$/.test(text)) return [`${expected}; received ${JSON.stringify(text)}`];
  const found = processFigures(Number(text));
  return typeof found === 'string' ? [`${expected}; ${found}`] : [];
};

const readProc = (name: string): string | undefined => {
  try {
    return readFileSync(`/proc/${name}`, 'latin1');
  } catch (error) {
    // It ended meanwhile: ESRCH where that was between open and read.
    if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
};

const readStat = (pid: number | string): { parent: number; startedAtTicks: number } | undefined => {
  const text = readProc(`${pid}/stat`);
  if (text === undefined) return undefined;
  // The name in parentheses may hold blanks and parentheses; what follows the last one is field 3 and on.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), startedAtTicks: Number(fields[19]) };
};

const descendants = (pid: number): number => {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? readStat(name)?.parent : undefined;
    if (parent !== undefined) childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
  }
  const found = [...(childrenOf.get(pid) ?? [])];
  // Grows while it is walked.
  for (const child of found) found.push(...(childrenOf.get(child) ?? []));
  return found.length;
};

import type { LeakJudgement } from '../memory/leak.ts';
import type { MemoryReading } from '../memory/reading.ts';
import type { FindingKind } from './case.ts';

/** What must not happen to the service's memory under load. */
export const leak = {
  name: 'leak',
  section: 'recovery test: memory limits',
  expected: "the service's memory does not grow with the sessions it has served",
};

/** What must not be left when all sessions have gone. */
export const leftovers = {
  name: 'leftovers',
  section: 'recovery test: memory limits',
  expected: 'no session and no process is left when all clients have gone',
};

/** What a judgement of the memory comes to; undefined where it is inconclusive, which is no data. */
export const leakFinding = ({ verdict }: LeakJudgement): FindingKind | undefined =>
  verdict === 'INCONCLUSIVE' ? undefined : verdict === 'LEAK' ? 'breaking' : 'conforming';

const more = (name: string, was: number | undefined, is: number | undefined): string[] => {
  if (was === undefined) return [];
  if (is === undefined) return [`the number of ${name} is not told any more, ${was} before the load`];
  return is > was ? [`${is} ${name}, ${was} before the load`] : [];
};

/** Whether a service tells what may be left over. */
export const countsLeftovers = ({ activeSessions, children }: MemoryReading): boolean =>
  activeSessions !== undefined || children !== undefined;

/** What is left of the load in a service, in words; undefined where nothing is. */
export const leftOver = (before: MemoryReading, after: MemoryReading): string | undefined => {
  const left = [
    ...more('sessions', before.activeSessions, after.activeSessions),
    ...more('child processes', before.children, after.children),
  ];
  return left.length === 0 ? undefined : left.join('; ');
};

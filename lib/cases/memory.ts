import type { LeakJudgement } from '../memory/leak.ts';
import type { MemoryReading } from '../memory/reading.ts';
import type { Judgement } from './case.ts';

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

/** The load under which memory was watched. */
export interface WatchedLoad {
  sessions: number;
  failed: number;
  firstFailure: string | undefined;
  /** How many of those that failed took too long. */
  tooSlow: number;
  restarted: boolean;
}

/** More of the load than this share may not fail: it would be another load. */
const maxFailed = 0.1;

/** What a judgement of the memory comes to; without a kind where it is inconclusive, which is no data. */
export const leakFinding = (
  { verdict, detail }: Pick<LeakJudgement, 'verdict' | 'detail'>,
  { sessions, failed, firstFailure, tooSlow, restarted }: WatchedLoad,
): Judgement => {
  const all = sessions + failed;
  const failures = failed === 0 ? '' : `${failed} of ${all} sessions failed, the first by ${firstFailure}`;
  if (restarted)
    return { kind: 'breaking', received: `the service was started anew under load${failures && `; ${failures}`}` };
  // Sessions that fail are no growth of memory; other criteria judge them.
  if (failed > all * maxFailed) {
    const isSlow = failed - tooSlow <= all * maxFailed;
    const why = isSlow ? 'the service was too slow for this load' : 'too many sessions failed to judge the memory';
    return { kind: undefined, received: `${why}: ${failures}` };
  }
  const kind = verdict === 'INCONCLUSIVE' ? undefined : verdict === 'LEAK' ? 'breaking' : 'conforming';
  return { kind, received: failures === '' ? detail : `${detail}; ${failures}` };
};

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

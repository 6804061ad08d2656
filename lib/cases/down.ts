import { describeOutcome } from '../session/outcome.ts';
import type { SessionResult } from '../session/session.ts';
import type { Judged } from './case.ts';
import type { Pace } from './pace.ts';

const section = 'recovery test: service down';

/** What is asked where a service is down, or goes down, by name. */
export const downCases = {
  refused: { name: 'refused', section, expected: 'a connection is refused within 5 s where nothing listens' },
  closes: { name: 'closes', section, expected: 'sessions in the middle of output see their close within 10 s' },
  down: { name: 'down', section, expected: 'while the service is down a new connection is refused within 5 s' },
  recovery: { name: 'recovery', section, expected: 'new sessions succeed once the service is back' },
};

const refusedMs = 5000;

/** What it means how a connection to nothing ended. */
export const evaluateRefused = ({ outcome, durationMs }: Pick<SessionResult, 'outcome' | 'durationMs'>): Judged => {
  const received = `${describeOutcome(outcome)}, after ${Math.round(durationMs)} ms`;
  if (outcome.kind === 'timeout' && outcome.phase === 'connect') return ['deviating', received];
  if (outcome.kind !== 'connect-failed') return ['breaking', received];
  const isQuick = durationMs <= refusedMs;
  return [isQuick && /refused/.test(outcome.reason) ? 'conforming' : 'deviating', received];
};

/** How a session in the middle of output ended, and whether it did before the service was stopped. */
export interface StreamEnd {
  result: SessionResult;
  isEarly: boolean;
}

/** What it means how the sessions ended that were in the middle of output; undefined is one that has not. */
export const evaluateCloses = (ends: readonly (StreamEnd | undefined)[], pace: Pace): Judged => {
  const codes = new Set<number>();
  for (const end of ends) {
    if (!end) return ['breaking', 'a session saw no end'];
    const { outcome } = end.result;
    if (outcome.kind !== 'closed' || end.isEarly) {
      const [kind, received] = pace.evaluateFailure(end.result);
      return [kind, end.isEarly ? `before the service was stopped: ${received}` : received];
    }
    codes.add(outcome.code);
  }
  return ['conforming', `${ends.length} sessions closed (${[...codes].join(', ')})`];
};

/** What it means how the last session ended that was tried once the service was to be back. */
export const evaluateBack = (
  result: SessionResult,
  tookMs: number,
  failure: string | undefined,
  pace: Pace,
): Judged => {
  if (result.outcome.kind === 'ok') {
    return ['conforming', `a session succeeded after ${tookMs} ms, and as many as before together`];
  }
  const [kind, received] = pace.evaluateFailure(result);
  return [kind, `${received}, after ${tookMs} ms${failure === undefined ? '' : `: ${failure}`}`];
};

import { describeOutcome, type Outcome } from '../session/outcome.ts';
import type { SessionResult } from '../session/session.ts';
import type { FindingKind } from './case.ts';

const section = 'recovery test: service down';

/** What is asked where a service is down, or goes down, by name. */
export const downCases = {
  refused: { name: 'refused', section, expected: 'a connection is refused within 5 s where nothing listens' },
  closes: { name: 'closes', section, expected: 'sessions in the middle of output see their close within 10 s' },
  down: { name: 'down', section, expected: 'while the service is down a new connection is refused within 5 s' },
  recovery: { name: 'recovery', section, expected: 'new sessions succeed once the service is back' },
};

const refusedMs = 5000;

type Judged = [kind: FindingKind, received: string];

/** What it means how a connection to nothing ended. */
export const evaluateRefused = ({ outcome, durationMs }: Pick<SessionResult, 'outcome' | 'durationMs'>): Judged => {
  const received = `${describeOutcome(outcome)}, after ${Math.round(durationMs)} ms`;
  if (outcome.kind === 'timeout' && outcome.phase === 'connect') return ['deviating', received];
  if (outcome.kind !== 'connect-failed' || durationMs > refusedMs) return ['breaking', received];
  return [/refused/.test(outcome.reason) ? 'conforming' : 'deviating', received];
};

/** What it means how the sessions ended that were in the middle of output; undefined is one that has not. */
export const evaluateCloses = (ends: readonly ({ outcome: Outcome; isEarly: boolean } | undefined)[]): Judged => {
  const codes = new Set<number>();
  for (const end of ends) {
    if (!end) return ['breaking', 'a session saw no end'];
    const { outcome, isEarly } = end;
    if (isEarly) return ['breaking', `before the service was stopped: ${describeOutcome(outcome)}`];
    if (outcome.kind !== 'closed') return ['breaking', describeOutcome(outcome)];
    codes.add(outcome.code);
  }
  return ['conforming', `${ends.length} sessions closed (${[...codes].join(', ')})`];
};

/** What it means how the last session ended that was tried once the service was to be back. */
export const evaluateBack = (outcome: Outcome, tookMs: number, failure: string | undefined): Judged =>
  outcome.kind === 'ok'
    ? ['conforming', `a session succeeded after ${tookMs} ms, and as many as before together`]
    : ['breaking', `${describeOutcome(outcome)}, after ${tookMs} ms${failure === undefined ? '' : `: ${failure}`}`];

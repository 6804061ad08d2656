import { describeOutcome, type Outcome } from '../results/outcome.ts';
import type { Finding } from './case.ts';

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
export const judgeRefused = ({ outcome, durationMs }: { outcome: Outcome; durationMs: number }): Finding => {
  const received = `${describeOutcome(outcome)}, after ${Math.round(durationMs)} ms`;
  if (outcome.kind !== 'connect-failed' || durationMs > refusedMs) return { kind: 'breaking', received };
  return { kind: /refused/.test(outcome.reason) ? 'conforming' : 'deviating', received };
};

/** What it means how the sessions ended that were in the middle of output; undefined is one that has not. */
export const judgeCloses = (ends: readonly (Outcome | undefined)[]): Finding => {
  const odd = ends.find((outcome) => outcome?.kind !== 'closed');
  if (ends.every((outcome) => outcome?.kind === 'closed')) {
    const codes = [...new Set(ends.map((outcome) => (outcome?.kind === 'closed' ? outcome.code : 0)))];
    return { kind: 'conforming', received: `${ends.length} sessions closed (${codes.join(', ')})` };
  }
  return { kind: 'breaking', received: odd ? describeOutcome(odd) : 'a session that saw no end' };
};

import { describeOutcome } from '../session/outcome.ts';
import type { SessionResult } from '../session/session.ts';
import type { Judged } from './case.ts';
import type { Pace } from './pace.ts';

const section = 'protocol: session limit';

/** What is asked of a service whose session limit is reached, by name. */
export const limitCases = {
  fill: { name: 'limit-fill', section, expected: 'as many sessions as the limit says are accepted' },
  vanished: {
    name: 'slot-after-vanished',
    section,
    expected: 'a client that went without a close frame leaves its slot',
  },
  closed: { name: 'slot-after-close', section, expected: 'a session that was closed in order leaves its slot' },
  beyond: {
    name: 'beyond-limit',
    section,
    expected: 'the sessions beyond the limit are refused by an error and close 1008',
  },
  refused: { name: 'slot-after-refused', section, expected: 'a session that was refused takes no slot' },
  health: { name: 'health-count', section, expected: '/health counts the sessions that are open' },
  undisturbed: { name: 'undisturbed', section, expected: 'the sessions inside the limit go on undisturbed' },
};

/** A case of them. */
export type LimitCase = (typeof limitCases)[keyof typeof limitCases];

/** What the end of a session beyond the limit means. */
const evaluateRefusal = (result: SessionResult, early: SessionResult | undefined, pace: Pace): Judged => {
  const { outcome, closeCode } = result;
  const received = describeOutcome(outcome);
  const closed = closeCode === undefined ? 'and no close' : `and close ${closeCode}`;
  if (outcome.kind === 'rejected' && pace.mayAnswerAfter(result.waitedMs)) {
    return [undefined, `could not tell, the service is slow: ${received}, ${closed} within ${result.waitedMs} ms`];
  }
  if (outcome.kind === 'rejected' && outcome.reason === 'session limit') {
    return [closeCode === 1008 ? 'conforming' : 'deviating', `${received}, ${closed}`];
  }
  if (outcome.kind === 'rejected') return ['deviating', `${received}, ${closed}`];
  if (outcome.kind === 'closed' && outcome.code !== 1006 && outcome.code !== 1001) {
    return ['deviating', `${received}, without an error before`];
  }
  if (outcome.kind === 'connect-failed' && /\b(429|503|403)\b|bad handshake/.test(outcome.reason)) {
    return ['deviating', `refused in the opening handshake: ${outcome.reason}`];
  }
  // What was greeted has a session, however slow that then is.
  const isAccepted = outcome.kind === 'ok' || (outcome.kind === 'timeout' && result.connectedMs !== undefined);
  if (isAccepted && early) {
    return [
      undefined,
      `could not tell: accepted, but a session inside the limit had left its slot: ${describeOutcome(early.outcome)}`,
    ];
  }
  return isAccepted ? ['breaking', 'accepted'] : pace.evaluateFailure(result);
};

const severest: readonly Judged[0][] = ['breaking', 'bypass', 'deviating', undefined, 'conforming'];

/**
 * What the ends of several sessions beyond the limit mean: the worst of them. `early` is one inside the limit that had ended by
 * then, and left its slot.
 */
export const evaluateRefusals = (
  results: readonly SessionResult[],
  early: SessionResult | undefined,
  pace: Pace,
): Judged => worst(results.map((each) => evaluateRefusal(each, early, pace)));

const worst = (all: readonly Judged[]): Judged =>
  all.toSorted(([a], [b]) => severest.indexOf(a) - severest.indexOf(b))[0] ?? ['breaking', 'nothing'];

/** Whether as many came in as the limit says, with one slot left; `full` is how one was refused before. */
export const evaluateFill = (guests: number, limit: number, full: SessionResult | undefined): Judged =>
  full === undefined
    ? ['conforming', `${guests} of ${limit}, and there is a slot left`]
    : ['breaking', `${guests} of ${limit}, then ${describeOutcome(full.outcome)}`];

/** Whether `/health` counts the sessions that are open. */
export const evaluateCount = (counted: number, open: number): Judged => [
  counted === open ? 'conforming' : 'breaking',
  `${counted} with ${open} open`,
];

/**
 * Whether all sessions inside the limit could run a command and close in order; `working` says that they had one under way,
 * line after line, while others were refused.
 */
export const evaluateEnds = (ends: readonly SessionResult[], working: boolean, pace: Pace): Judged => {
  if (ends.length === 0) return ['breaking', 'no session was left inside the limit'];
  const failed = ends.filter(({ outcome }) => outcome.kind !== 'ok');
  return failed.length > 0
    ? worst(failed.map((each) => pace.evaluateFailure(each)))
    : [
        'conforming',
        `${ends.length} sessions ${working ? 'lost no line of a command meanwhile' : 'were idle meanwhile, for none takes a command with sleep'}, ran a last one and closed`,
      ];
};

const mostSessions = 200;

/** Why a limit can't be tried, or undefined; 0 is one that is not known. */
export const limitProblem = (limit: number, active: number): string | undefined =>
  limit - active >= 1 && limit <= mostSessions
    ? undefined
    : `expected a limit of at most ${mostSessions} sessions and a free slot; it is ${limit || 'not known'}, ${active} open: give --max-sessions, or --limited-url`;

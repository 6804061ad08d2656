import { describeOutcome } from '../session/outcome.ts';
import type { SessionResult } from '../session/session.ts';
import type { Finding, FindingKind } from './case.ts';

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
const evaluateRefusal = ({ outcome, closeCode }: SessionResult): Finding => {
  const received = describeOutcome(outcome);
  const closed = closeCode === undefined ? 'and no close' : `and close ${closeCode}`;
  if (outcome.kind === 'rejected' && outcome.reason === 'session limit') {
    return { kind: closeCode === 1008 ? 'conforming' : 'deviating', received: `${received}, ${closed}` };
  }
  if (outcome.kind === 'rejected') return { kind: 'deviating', received: `${received}, ${closed}` };
  if (outcome.kind === 'closed' && outcome.code !== 1006 && outcome.code !== 1001) {
    return { kind: 'deviating', received: `${received}, without an error before` };
  }
  if (outcome.kind === 'connect-failed' && /\b(429|503|403)\b|bad handshake/.test(outcome.reason)) {
    return { kind: 'deviating', received: `refused in the opening handshake: ${outcome.reason}` };
  }
  return { kind: 'breaking', received: outcome.kind === 'ok' ? 'accepted' : received };
};

const severest: readonly FindingKind[] = ['breaking', 'bypass', 'deviating', 'conforming'];

type Judged = [kind: FindingKind, received: string];

/** What the ends of several sessions beyond the limit mean: the worst of them. */
export const evaluateRefusals = (results: readonly SessionResult[]): Judged => {
  const findings = results.map(evaluateRefusal);
  const kind = severest.find((each) => findings.some((finding) => finding.kind === each)) ?? 'breaking';
  return [kind, findings.find((finding) => finding.kind === kind)?.received ?? 'nothing'];
};

/** Whether as many came in as the limit says, with one slot left; `full` is why one was refused before. */
export const evaluateFill = (guests: number, limit: number, full: string | undefined): Judged =>
  full === undefined
    ? ['conforming', `${guests} of ${limit}, and there is a slot left`]
    : ['breaking', `${guests} of ${limit}, then ${full}`];

/** Whether `/health` counts the sessions that are open. */
export const evaluateCount = (counted: number, open: number): Judged => [
  counted === open ? 'conforming' : 'breaking',
  `${counted} with ${open} open`,
];

/**
 * Whether all sessions inside the limit could run a command and close in order; `working` says that they had one under way,
 * line after line, while others were refused.
 */
export const evaluateEnds = (ends: readonly SessionResult[], working: boolean): Judged => {
  if (ends.length === 0) return ['breaking', 'no session was left inside the limit'];
  const disturbed = ends.find(({ outcome }) => outcome.kind !== 'ok');
  return disturbed
    ? ['breaking', `${disturbed.outcome.kind === 'timeout' ? 'too slow: ' : ''}${describeOutcome(disturbed.outcome)}`]
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

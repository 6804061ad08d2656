import { describeOutcome } from '../results/outcome.ts';
import type { SessionResult } from '../session/session.ts';
import type { Finding } from './case.ts';

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

/** What the end of a session beyond the limit means. */
export const judgeRefusal = ({ outcome, closeCode }: SessionResult): Finding => {
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

/** The worst of several findings. */
export const worstOf = (findings: readonly Finding[]): Finding | undefined => {
  const order: readonly Finding['kind'][] = ['breaking', 'bypass', 'deviating', 'conforming'];
  return order
    .map((kind) => findings.find((finding) => finding.kind === kind))
    .find((finding) => finding !== undefined);
};

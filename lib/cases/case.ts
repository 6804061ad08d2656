import { describeOutcome, type Outcome } from '../session/outcome.ts';
import type { Script, Session, SessionResult } from '../session/session.ts';

/**
 * What a case can come to: as expected; otherwise, but harmless; a way past the allow-list; or something lost: the
 * connection, an answer, a process, the service.
 */
export const findingKinds = ['conforming', 'deviating', 'bypass', 'breaking'] as const;
export type FindingKind = (typeof findingKinds)[number];

/** What a case came to, and what came, in a sentence. */
export interface Finding {
  kind: FindingKind;
  received: string;
}

/** A finding; or why there is none, where a case could not tell, as of a service that was too slow. */
export type Judgement = Finding | { kind: undefined; received: string };

/** A judgement, as what reports one takes it. */
export type Judged = [kind: Judgement['kind'], received: string];

/** How a session ended, as its judgement needs it. */
export type Ended = Pick<SessionResult, 'outcome' | 'waitedMs'>;

/** One question to a service, asked in a session of its own. */
export interface Case {
  /** In kebab-case, for it is the value of a tag. */
  name: string;
  /** Where it is written what must happen, such as `JSON-RPC 2.0 §4.1`. */
  section: string;
  /** What must happen, in words. */
  expected: string;
  /** Asks, and returns what came. */
  script: (session: Session) => Script<Judgement>;
  /** What it means that the session ended before the script did; undefined where that is breaking. */
  ended?: (outcome: Outcome) => Finding | undefined;
}

/** A case under way: the script to run over a session, and what the session's result then means. */
export interface CaseRun {
  script: (session: Session) => Script;
  /** `evaluateFailure` says what a failure means (`Pace`); without it every one is breaking. */
  finding: (ended: Ended, evaluateFailure?: (ended: Ended) => Judged) => Judgement;
}

/** Prepares a case for one session. */
export const runCase = (each: Case): CaseRun => {
  let found: Judgement | undefined;
  return {
    *script(session) {
      found = yield* each.script(session);
    },
    finding: (result, evaluateFailure = ({ outcome }) => ['breaking', describeOutcome(outcome)]) => {
      const { outcome } = result;
      if (found && outcome.kind === 'ok') return found;
      const [kind, received] = evaluateFailure(result);
      if (!found) return each.ended?.(outcome) ?? { kind, received };
      // It has its answer, and closing took too long.
      if (kind === undefined) return { kind: found.kind, received: `${found.received}; closing: ${received}` };
      // A service that never answers a ping (RFC 6455 §5.5.2) would hide every other finding.
      if (outcome.kind === 'timeout' && outcome.phase === 'drain') {
        return {
          kind: found.kind === 'conforming' ? 'deviating' : found.kind,
          received: `${found.received}; then no pong to the ping before closing`,
        };
      }
      // The case had its answer, but then the session could not be closed in order.
      return { kind, received: `${found.received}; then ${received}` };
    },
  };
};

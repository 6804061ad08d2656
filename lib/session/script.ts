import type { Outcome, Phase } from './outcome.ts';

/** What a script waits for; made by the session's own methods. */
export interface Wait {
  phase: Phase;
  until: () => boolean;
  /** Absolute, on the socket's clock. */
  deadline?: number;
  /** The deadline ends the wait and is no failure. */
  elapses?: boolean;
  /** Ends in a timeout when no message comes for `messageTimeoutMs`. */
  progress?: boolean;
}

/** A step of a script, or a whole one: a generator that the session resumes. */
export type Script<Result = void> = Generator<Wait, Result, void>;

/** Thrown inside a script to end its session with an outcome. */
export class SessionEnd extends Error {
  readonly outcome: Outcome;
  /** Of a timeout, how long was waited, milliseconds. */
  readonly waitedMs: number | undefined;
  constructor(outcome: Outcome, waitedMs?: number) {
    super(outcome.kind);
    this.outcome = outcome;
    this.waitedMs = waitedMs;
  }
}

/** Lets time pass up to a point on the socket's clock, or until something holds. */
export const sleepUntil = function* (deadline: number, until = (): boolean => false): Script {
  yield { phase: 'session', until, deadline, elapses: true };
};

/** What steps come to that would otherwise end the session. */
export const outcomeOf = function* (steps: Script<unknown>): Script<Outcome> {
  try {
    yield* steps;
    return { kind: 'ok' };
  } catch (error) {
    if (error instanceof SessionEnd) return error.outcome;
    throw error;
  }
};

import { describeOutcome, type Outcome, type Phase } from '../session/outcome.ts';
import type { SessionResult } from '../session/session.ts';
import type { Ended, Judged } from './case.ts';

/** A service hangs that is silent for this many times as long as its slowest answer took; until then it may be slow. */
export const timesSlowest = 3;
/** The same of output, for which scripts that have a limit of their own wait some seconds. */
const timesSlowestOutput = 2;

/** How fast a service was seen to answer, which tells one that hangs from one that is slow. */
export class Pace {
  /** Its slowest greeting, response and first output, milliseconds; undefined where none came. */
  private greetingMs: number | undefined;
  private responseMs: number | undefined;
  private outputMs: number | undefined;

  /** Learns from a session, whatever its outcome. */
  learn({ connectedMs, respondedMs, commands }: Pick<SessionResult, 'connectedMs' | 'respondedMs' | 'commands'>): void {
    this.greetingMs = slower(this.greetingMs, connectedMs);
    this.responseMs = slower(this.responseMs, respondedMs);
    for (const { ackMs, firstOutputMs } of commands) {
      this.responseMs = slower(this.responseMs, ackMs);
      this.outputMs = slower(this.outputMs, firstOutputMs);
    }
  }

  /** The slowest answer to a request, milliseconds; 0 where none came. */
  get slowestMs(): number {
    return Math.max(this.greetingMs ?? 0, this.responseMs ?? 0);
  }

  /** Whether a session ended by a timeout that may be slowness alone. */
  mayBeSlow({ outcome, waitedMs }: Ended): boolean {
    if (outcome.kind !== 'timeout') return false;
    const slowestMs = this.slowestIn(outcome.phase);
    const times = outcome.phase === 'message' ? timesSlowestOutput : timesSlowest;
    return waitedMs === undefined || slowestMs === undefined || waitedMs < times * slowestMs;
  }

  /** Whether what did not follow within this time may be slow alone; false where nothing was waited for. */
  mayAnswerAfter(waitedMs: number | undefined): boolean {
    if (waitedMs === undefined) return false;
    return this.responseMs === undefined || waitedMs < timesSlowest * this.responseMs;
  }

  /** What it means that a session failed: that the service broke something, or that the case could not tell. */
  evaluateFailure(ended: Ended): Judged {
    return this.mayBeSlow(ended)
      ? [undefined, `${this.whyNotTold(ended.outcome)}: ${describeOutcome(ended.outcome)}`]
      : ['breaking', describeOutcome(ended.outcome)];
  }

  private whyNotTold(outcome: Outcome): string {
    const slowestMs = outcome.kind === 'timeout' ? this.slowestIn(outcome.phase) : undefined;
    return slowestMs === undefined || slowestMs < 1
      ? 'could not tell, the service is slow or hangs'
      : `could not tell, the service is slow (${Math.round(slowestMs)} ms for an answer that came)`;
  }

  private slowestIn(phase: Phase): number | undefined {
    if (phase === 'connect' || phase === 'connected') return this.greetingMs;
    if (phase === 'acknowledgement' || phase === 'drain') return this.responseMs;
    // What lasts until the session's time is over was not silent.
    return phase === 'message' ? this.outputMs : undefined;
  }
}

const slower = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);

import type { SessionLimits, SessionResult } from '../session/session.ts';
import { Pace } from './pace.ts';

/** Longest wait for an answer of what only tries whether there is a service, milliseconds; longer of a slow one. */
const tryMs = 5000;

/** What hangs costs a case the whole of its limit, so after this many further ones wait by what the service was seen to take. */
const maxHangs = 3;
const leastWaitMs = 5000;
const timesSlowest = 10;

/** How long cases wait: as long as the settings say, and less once a service has shown that it hangs. */
export class CasePatience {
  readonly pace = new Pace();
  private readonly general: SessionLimits;
  private hangs = 0;

  constructor(general: SessionLimits) {
    this.general = general;
  }

  get limits(): SessionLimits {
    const { ackTimeoutMs } = this.general;
    if (this.hangs < maxHangs) return this.general;
    return this.within(Math.min(ackTimeoutMs, Math.max(leastWaitMs, timesSlowest * this.pace.slowestMs)));
  }

  get ofTries(): SessionLimits {
    return this.within(Math.min(this.general.ackTimeoutMs, Math.max(tryMs, timesSlowest * this.pace.slowestMs)));
  }

  learn(result: SessionResult): void {
    this.pace.learn(result);
    if (result.outcome.kind === 'timeout') this.hangs++;
  }

  private within(ackTimeoutMs: number): SessionLimits {
    return { ...this.general, ackTimeoutMs };
  }
}

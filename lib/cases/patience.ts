import type { SessionLimits, SessionResult } from '../session/session.ts';

/** Longest wait for an answer of what only tries whether there is a service, milliseconds. */
const tryMs = 5000;

/** What hangs costs a case the whole of its limit, so after this many further ones wait by what the service was seen to take. */
const maxHangs = 3;
const leastWaitMs = 5000;
const timesSlowest = 10;

/** How long cases wait: as long as the settings say, and less once a service has shown that it hangs. */
export class CasePatience {
  private readonly general: SessionLimits;
  private hangs = 0;
  private slowestMs = 0;

  constructor(general: SessionLimits) {
    this.general = general;
  }

  get limits(): SessionLimits {
    const { ackTimeoutMs } = this.general;
    if (this.hangs < maxHangs) return this.general;
    return this.within(Math.min(ackTimeoutMs, Math.max(leastWaitMs, timesSlowest * this.slowestMs)));
  }

  get ofTries(): SessionLimits {
    return this.within(Math.min(this.general.ackTimeoutMs, tryMs));
  }

  learn({ outcome, connectedMs = 0, commands }: SessionResult): void {
    if (outcome.kind === 'timeout') this.hangs++;
    this.slowestMs = Math.max(this.slowestMs, connectedMs, ...commands.map(({ ackMs = 0 }) => ackMs));
  }

  private within(ackTimeoutMs: number): SessionLimits {
    return { ...this.general, ackTimeoutMs };
  }
}

/** How often a VU looks how late its timers are handled, milliseconds. */
export const lagEveryMs = 250;

/** Later than this is too late, milliseconds: a tenth of the 5 s that a simple command may take. */
const maxLateMs = 500;
const looks = 10;
const maxLate = 5;

/** What a VU knows of how late its timers were handled: whether the last looks were mostly too late. */
export class LagWindow {
  private readonly late: boolean[] = [];

  /** Takes how late a timer was; returns whether more than half of the last ten were too late. */
  add(lagMs: number): boolean {
    this.late.push(lagMs > maxLateMs);
    if (this.late.length > looks) this.late.shift();
    return this.late.filter(Boolean).length > maxLate;
  }
}

/**
 * Whether a VU looks at its lag: the first 64, and one in 64 of the others. They share processors and scheduler with all, so
 * some tell as much as all.
 */
export const looksAtLag = (vu: number): boolean => vu <= 64 || vu % 64 === 0;

/** Why a run says nothing of the service, for its generator came too late. */
export const lagProblem = (lagMs: number): string =>
  `INVALID: k6 handled its timers more than ${maxLateMs} ms late for seconds on end, at last ${Math.round(lagMs)} ms: this machine has no processor time left, so that the times would be its own; give less load, or more machines`;

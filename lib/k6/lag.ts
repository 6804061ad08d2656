import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { LagWindow, lagEveryMs, lagProblem, looksAtLag } from '../load/lag.ts';
import { now } from './clock.ts';
import { countGeneratorFailures } from './metrics.ts';

const lag = looksAtLag(__VU) ? new Trend('generator_lag', true) : undefined;
const recent = lag && new LagWindow();
let chain = 0;
let lookedAt = 0;
let isTold = false;

/**
 * Looks every 250 ms how late a timer is handled, by timers of the session that begins; the last session to begin has the
 * looks. Where they are too late for seconds the run is INVALID.
 */
export const watchLag = (later: (ms: number, callback: () => void) => void): void => {
  if (!lag || !recent) return;
  const mine = ++chain;
  const look = (ms: number): void => {
    const dueAt = now() + ms;
    later(ms, () => {
      if (mine !== chain) return;
      lookedAt = now();
      const lateMs = Math.max(0, lookedAt - dueAt);
      lag.add(lateMs);
      if (recent.add(lateMs) && !isTold) {
        isTold = true;
        countGeneratorFailures(1);
        exec.test.fail(lagProblem(lateMs));
      }
      look(lagEveryMs);
    });
  };
  // A session may be over before the next look is due.
  look(now() - lookedAt >= lagEveryMs ? 1 : lagEveryMs);
};

/** Ends the looks of a session whose timers go on. */
export const endLag = (): void => {
  chain++;
};

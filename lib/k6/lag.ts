import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { LagWindow, lagEveryMs, lagProblem, looksAtLag } from '../load/lag.ts';
import { now } from './clock.ts';
import { countGeneratorFailures } from './metrics.ts';

/** Calls back once, after `ms` milliseconds. */
type Later = (ms: number, callback: () => void) => void;

const lag = looksAtLag(__VU) ? new Trend('generator_lag', true) : undefined;
const recent = lag && new LagWindow();
let lookedAt = 0;
let isTold = false;

/** Takes how late a timer of this VU was handled; where they are too late for seconds the run is INVALID. */
export const look = (lateMs: number): void => {
  lookedAt = now();
  lag?.add(lateMs);
  if (recent?.add(lateMs) !== true || isTold) return;
  isTold = true;
  countGeneratorFailures(1);
  exec.test.fail(lagProblem(lateMs));
};

/** Whether a look is due: the last one was 250 ms ago. */
export const lookIsDue = (at: number): boolean => lag !== undefined && at - lookedAt >= lagEveryMs;

/** How long a timer may run before a look, milliseconds. */
export const mostUnseenMs = lag ? lagEveryMs : Infinity;

/** Looks every 250 ms until the returned function is called, for sessions that share a VU. */
export const watchLag = (later: Later): (() => void) => {
  let isOver = lag === undefined;
  const wait = (ms: number): void => {
    const dueAt = now() + ms;
    later(ms, () => {
      if (isOver) return;
      look(Math.max(0, now() - dueAt));
      wait(lagEveryMs);
    });
  };
  if (!isOver) wait(1);
  return () => {
    isOver = true;
  };
};

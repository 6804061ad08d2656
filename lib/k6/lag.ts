import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { LagWindow, lagEveryMs, lagProblem, looksAtLag } from '../load/lag.ts';
import { now } from './clock.ts';
import { countGeneratorFailures } from './metrics.ts';

/** Calls back once, after so many milliseconds; what a socket's timers do. */
export type Later = (ms: number, callback: () => void) => void;

const lag = looksAtLag(__VU) ? new Trend('generator_lag', true) : undefined;
const recent = lag && new LagWindow();
let lookedAt = 0;
let isTold = false;

/** Takes how late a timer of this VU was handled; where they are too late for seconds the run is INVALID. */
const look = (lateMs: number): void => {
  lookedAt = now();
  lag?.add(lateMs);
  if (recent?.add(lateMs) !== true || isTold) return;
  isTold = true;
  countGeneratorFailures(1);
  exec.test.fail(lagProblem(lateMs));
};

/** Like `later`, but measures how late it is; where it is long, every 250 ms on the way. */
export const laterWithLooks: (later: Later) => Later = (later) => {
  if (!lag) return later;
  return (ms, callback) => {
    const endAt = now() + ms;
    const wait = (): void => {
      const startedAt = now();
      const leftMs = endAt - startedAt;
      const stepMs = Math.max(1, Math.min(leftMs, lagEveryMs));
      later(stepMs, () => {
        const at = now();
        // Several timers of a VU need no look each.
        if (at - lookedAt >= lagEveryMs / 2) look(Math.max(0, at - startedAt - stepMs));
        if (leftMs > lagEveryMs) wait();
        else callback();
      });
    };
    wait();
  };
};

/** Looks once, as a session begins, unless that was done in the last 250 ms: sessions may be too short for a look of their own. */
export const lookAtBegin = (later: Later): void => {
  if (!lag || now() - lookedAt < lagEveryMs) return;
  const dueAt = now() + 1;
  later(1, () => look(Math.max(0, now() - dueAt)));
};

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

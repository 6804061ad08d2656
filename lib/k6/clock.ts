import { sleep } from 'k6';
import exec from 'k6/execution';

let instance: typeof exec.instance | undefined;

/** Milliseconds since the test began, on k6's steady clock. k6 makes the object anew at each look, so it is kept. */
export const now = (): number => (instance ??= exec.instance).currentTestRunDuration;

/**
 * Whether k6 is ending the run. It then closes connections itself, k6/ws with 1001 and k6/websockets with 1000, and a handler can't tell
 * that from a close of the service; but no sleep lasts any more.
 */
export const isRunOver = (): boolean => {
  const before = now();
  sleep(0.005);
  return now() - before < 4;
};

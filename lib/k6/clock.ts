import exec from 'k6/execution';

let instance: typeof exec.instance | undefined;

/** Milliseconds since the test began, on k6's steady clock. k6 makes the object anew at each look, so it is kept. */
export const now = (): number => (instance ??= exec.instance).currentTestRunDuration;

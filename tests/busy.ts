import { availableParallelism, loadavg } from 'node:os';
import path from 'node:path';
import { packageRoot } from '../cli/shared/package-root.ts';
import { withLock } from '../cli/shared/lock.mjs';

/**
 * Runs what keeps all processors busy for seconds and is judged by how far it gets. Of all test files one at a time does so:
 * two beside each other would starve each other.
 */
export const alone = <Result>(work: () => Promise<Result>): Promise<Result> =>
  withLock(path.join(packageRoot, 'runtime/build/busy-test.lock'), work);

/** Processes that want a processor, for each there is, while these tests run alone. */
const usualLoad = 3;

/** How many times as long work takes where others keep this machine busy, 1 to 4, by the load when the tests began. */
export const slowness: number = Math.min(4, Math.max(1, (loadavg()[0] ?? 0) / availableParallelism() / usualLoad));

/** How many tests may run beside each other: fewer on a machine that is busy, where each would starve the others. */
export const atOnce = (most: number): number => Math.max(2, Math.floor(most / slowness));

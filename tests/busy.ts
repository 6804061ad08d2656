import path from 'node:path';
import { packageRoot } from '../cli/shared/package-root.ts';
import { withLock } from '../cli/shared/lock.mjs';

/**
 * Runs what keeps all processors busy for seconds and is judged by how far it gets. Of all test files one at a time does so:
 * two beside each other would starve each other.
 */
export const alone = <Result>(work: () => Promise<Result>): Promise<Result> =>
  withLock(path.join(packageRoot, 'runtime/build/busy-test.lock'), work);

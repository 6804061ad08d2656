import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** Makes a directory that goes when the test ends. */
export const temporaryDirectory = (t: TestContext): string => {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'ws-stress-test-')));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
};

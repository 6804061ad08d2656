import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after } from 'node:test';
import { buildSync } from 'esbuild';
import { packageRoot } from '../cli/shared/package-root.ts';

/**
 * Bundles a TypeScript program of `tests/fixtures/` for Node and returns the path of the bundle, which goes with the test
 * file's process: for programs that are started many times, since compiling takes longer than most of them run.
 */
export const compiledProgram = (file: string): string => {
  const base = path.join(packageRoot, 'runtime/build');
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(path.join(base, 'test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const outfile = path.join(folder, path.basename(file).replace(/\.ts$/, '.mjs'));
  buildSync({
    entryPoints: [path.join(packageRoot, 'tests/fixtures', file)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  return outfile;
};

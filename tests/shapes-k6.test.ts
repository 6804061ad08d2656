import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { packageRoot } from '../cli/shared/package-root.ts';
import { readsAlike } from './fixtures/reads-alike.ts';
import { k6Path, runProgram } from './k6.ts';

test('numbers, shapes and forms are read in k6 as in Node, and by shapes as by a parser', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const script = path.join(folder, 'reads-alike.js');
  const { outputFiles } = await build({
    stdin: {
      contents: `import { readsAlike } from './tests/fixtures/reads-alike.ts';
        export default () => console.log(JSON.stringify(readsAlike()));
        export const handleSummary = () => ({});`,
      resolveDir: packageRoot,
      loader: 'ts',
    },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2023',
  });
  await writeFile(script, outputFiles[0]?.text ?? '');
  const args = ['run', '--quiet', '--no-usage-report', '--address', '', '--log-format', 'raw', script];
  const { code, stderr } = await runProgram(await k6Path(), args);
  assert.equal(code, 0, stderr);
  const ofK6 = JSON.parse(stderr) as ReturnType<typeof readsAlike>;
  const ofNode = readsAlike();
  assert.deepEqual(ofK6.differences, []);
  assert.deepEqual(ofNode.differences, []);
  assert.deepEqual(ofK6.all, ofNode.all);
  assert.ok(ofNode.all.length > 1000, `${ofNode.all.length} texts`);
});

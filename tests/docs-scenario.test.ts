import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { k6Build } from '../build.mjs';
import { packageRoot } from '../cli/shared/package-root.ts';
import { startTarget } from '../reference-target/server.ts';
import { runBundle } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

void test('the example of docs/write-a-scenario.md', async (t) => {
  const directory = temporaryDirectory(t);
  const entry = path.join(packageRoot, 'docs/examples/pause-and-resume.ts');
  await build({ ...(await k6Build(directory)), entryPoints: { 'pause-and-resume': entry } });
  const bundle = path.join(directory, 'pause-and-resume.js');
  // As thresholds.json would have it, once it names the scenario.
  const criteria = path.join(directory, 'thresholds.json');
  const every = { 'session_success{round:each}': ['rate==1'], timeouts: ['count==0'] };
  writeFileSync(criteria, JSON.stringify({ version: 1, scenarios: { '*': every } }));

  await t.test('it passes against a service that obeys', async (t) => {
    const target = await startTarget({ port: 0 });
    t.after(() => target.close());
    const { code, result, stderr } = await runBundle(bundle, target.url, { STRESS_THRESHOLDS: criteria });
    assert.deepEqual(result?.outcomes, { ok: 3 }, stderr);
    const [findings] = result?.findings ?? [];
    assert.deepEqual(
      findings,
      { test: 'pause-and-resume', conforming: 1, deviating: 0, bypass: 0, breaking: 0 },
      stderr,
    );
    assert.equal(code, 0, stderr);
  });

  await t.test('it fails against one that ignores PAUSE', async (t) => {
    const target = await startTarget({ port: 0, faults: ['ignore-pause'] });
    t.after(() => target.close());
    const { code, result, stderr } = await runBundle(bundle, target.url, { STRESS_THRESHOLDS: criteria });
    assert.deepEqual(result?.outcomes, { ok: 1, 'output-mismatch': 2 }, stderr);
    assert.equal(code, 99, stderr);
  });
});

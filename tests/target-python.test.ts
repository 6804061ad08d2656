import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { targetFor } from './target-client.ts';

const script = fileURLToPath(new URL('fixtures/websocket_stress_test.py', import.meta.url));
const missing = spawnSync('python3', ['-c', 'import websockets']).status !== 0;

void test(
  "the document's own script passes against the defaults",
  { skip: missing && 'python3 or its package websockets is not there', timeout: 60_000 },
  async (t) => {
    const target = await targetFor(t);
    const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
      execFile('python3', [script, target.url], (error, stdout, stderr) => {
        resolve({ code: error?.code ?? 0, output: `${stdout}${stderr}` });
      });
    });
    assert.equal(code, 0, output);
    for (const pattern of [
      /✓ Success: True/,
      /✓ Successful: 5\/5\n/,
      /✓ Successful: 10\/10\n/,
      /✓ Successful: 20\/20\n/,
      /✓ Process paused\n✓ Process resumed\n✓ Process cancelled\n/,
      /✓ Processed 10000 output lines\n/,
      /All tests completed\n$/,
    ]) {
      assert.match(output, pattern);
    }
    assert.equal(target.stats().activeSessions, 0);
  },
);

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, k6Path, runCli, runProgram } from './k6.ts';

void test('--throw changes no verdict: plain k6 honours it, ws-stress refuses it, and neither blames the service', async (t) => {
  const target = await startTarget({ port: 0, token: 'the-right-token' });
  t.after(() => target.close());
  const k6 = await k6Path();
  const run = async (token: string, url: string, ...args: string[]): Promise<{ code: number | null; text: string }> => {
    const env = { ...cleanEnv(), STRESS_URL: url, STRESS_TOKEN: token };
    const { code, stdout, stderr } = await runProgram(k6, ['run', ...args, path.join(packageRoot, 'dist/single.js')], {
      env,
    });
    return { code, text: /(?:PASS|FAIL|INVALID|NOT RUN): .*/.exec(stdout)?.[0] ?? stderr };
  };
  for (const [token, url, verdict] of [
    ['the-right-token', target.url, /^PASS/],
    ['another-token', target.url, /^NOT RUN/],
    ['the-right-token', 'ws://127.0.0.1:1/ws', /^NOT RUN/],
  ] as const) {
    const usual = await run(token, url);
    assert.match(usual.text, verdict);
    assert.deepEqual(await run(token, url, '--throw'), usual);
  }
  const refused = await runCli(['run', 'single', '--url', target.url, '--token', 'the-right-token', '--', '--throw']);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /--throw/);
  assert.doesNotMatch(refused.stdout + refused.stderr, /FAIL|PASS/);
});

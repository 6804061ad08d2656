import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { LagWindow, looksAtLag } from '../lib/load/lag.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, k6Path } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

void test('a VU’s timers are too late where more than half of its last ten looks were', () => {
  const window = new LagWindow();
  const take = (count: number, lagMs: number): boolean[] => Array.from({ length: count }, () => window.add(lagMs));
  assert.ok(take(5, 501).every((isTooLate) => !isTooLate));
  assert.ok(
    take(10, 500).every((isTooLate) => !isTooLate),
    'late up to the limit is borne',
  );
  assert.deepEqual(take(6, 501), [false, false, false, false, false, true]);
  assert.deepEqual(take(5, 0).at(-1), false);
});

void test('the first 64 VUs look, and one in 64 of the others', () => {
  const looking = Array.from({ length: 6400 }, (_, index) => index + 1).filter(looksAtLag);
  assert.equal(looking.length, 64 + 99);
});

void test('a run whose generator is held up for seconds is INVALID, exit 110', async (t) => {
  const folder = temporaryDirectory(t);
  const result = path.join(folder, 'run.json');
  const commands = path.join(folder, 'commands.json');
  const waits = { name: 'waits', class: 'simple', command: 'sleep 14', proof: {} };
  writeFileSync(commands, JSON.stringify({ version: 1, commands: [waits] }));
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  const settings = { STRESS_URL: target.url, STRESS_RESULT: result, STRESS_COMMANDS: commands, STRESS_VUS: '1' };
  const e = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const args = ['run', '--quiet', '--no-usage-report', '--address', '', ...e, 'dist/concurrent.js'];
  const k6 = spawn(await k6Path(), args, { cwd: packageRoot, env: cleanEnv(), stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  k6.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(k6, 'exit') as Promise<[code: number | null]>;
  while (!said.includes('starting concurrent') && k6.exitCode === null) await sleep(20);
  // Held up far longer than it runs on, like a machine without processor time.
  for (let held = 0; held < 8 && k6.exitCode === null; held++) {
    await sleep(150);
    k6.kill('SIGSTOP');
    await sleep(1300);
    k6.kill('SIGCONT');
  }
  const [code] = await ended;
  assert.equal(code, 110, said);
  assert.match(said, /INVALID: k6 handled its timers more than 500 ms late for seconds on end/);
  const record = JSON.parse(readFileSync(result, 'utf8')) as RunRecord;
  assert.equal(record.verdict, 'INVALID');
  assert.ok((record.lag?.maxMs ?? 0) > 500);
});

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { cleanEnv, cliPath, k6Path, runCli, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const commandSet = JSON.stringify({
  version: 1,
  commands: [{ name: 'here', class: 'simple', command: 'echo here', proof: { lines: ['here'] } }],
});

void test('a relative path is one of the process’s own directory, whatever PWD says, with ws-stress and with plain k6', async (t) => {
  const directory = temporaryDirectory(t);
  const [here, elsewhere] = [path.join(directory, 'here'), path.join(directory, 'elsewhere')];
  for (const each of [here, elsewhere]) mkdirSync(each);
  writeFileSync(path.join(here, 'both.json'), commandSet);
  writeFileSync(path.join(elsewhere, 'both.json'), '{}');
  writeFileSync(path.join(elsewhere, 'other.json'), commandSet);
  const bundle = path.join(packageRoot, 'dist/concurrent.js');
  const url = 'ws://127.0.0.1:1/ws/mcp';
  const options = { cwd: here, env: { ...cleanEnv(), PWD: elsewhere } };
  const k6 = await k6Path();
  const plainK6 = (file: string) =>
    runProgram(k6, ['inspect', '--include-system-env-vars', '-e', `STRESS_COMMANDS=${file}`, bundle], options);

  const inspected = await plainK6('both.json');
  assert.equal(inspected.code, 0, inspected.stderr);
  const absent = await plainK6('other.json');
  assert.match(absent.stderr, /STRESS_COMMANDS: .*can't read other\.json/);

  const run = await runCli(['run', 'concurrent', '--url', url, '--vus', '1', '--commands', 'both.json'], options);
  assert.match(run.stderr, /No service answers at ws:\/\/127\.0\.0\.1:1\//);
});

void test('a current folder that is gone is reported as that', { skip: process.platform === 'win32' }, async (t) => {
  const folder = path.join(temporaryDirectory(t), 'gone');
  mkdirSync(folder);
  const shell = `rmdir "${folder}" && exec "${process.execPath}" "${cliPath}" run single`;
  const { code, stderr } = await runProgram('sh', ['-c', shell], { cwd: folder, env: cleanEnv() });
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^ws-stress: the current folder is not there any more: change to one that is, and try again\n$/);
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scenarioNames } from '../cli/shared/scenarios.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { cleanEnv, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
const ws = (...args: string[]) => runProgram(process.execPath, [cli, ...args]);

const complete = async (...words: string[]): Promise<string[]> => {
  const { code, stdout, stderr } = await ws('__complete', ...words);
  assert.equal(code, 0, stderr);
  return stdout.split('\n').slice(0, -1);
};

void test('commands, options, their values and scenario names complete what is begun', async () => {
  assert.deepEqual(await complete('re'), ['recovery', 'report']);
  assert.deepEqual(await complete('recovery', 're'), ['replay', 'retire']);
  assert.deepEqual(await complete('help', 'k8s', ''), ['render', 'help']);
  assert.deepEqual(await complete('run', ''), [...scenarioNames(), ':file']);
  assert.deepEqual(await complete('run', '--vus', '5', 'conc'), ['concurrent', ':file']);
  assert.deepEqual(await complete('run', 'single', '--ju'), ['--junit']);
  assert.deepEqual(await complete('run', 'single', '--junit', ''), [':file']);
  assert.deepEqual(await complete('run', 'single', '--junit', 'x', '--ju'), []);
  assert.deepEqual(await complete('report', '--folder', ''), [':folder']);
  assert.deepEqual(await complete('run', 'single', '--trace', ''), ['off', 'failures']);
  assert.deepEqual(await complete('completion', ''), ['bash', 'zsh', 'fish']);
  assert.deepEqual(await complete('nothing', ''), []);
  assert.ok(!(await complete('')).includes('__complete'));
});

void test('values of options, kept failures and runs complete too', async (t) => {
  const folder = temporaryDirectory(t);
  const run = path.join(folder, 'runs/nightly-1');
  mkdirSync(run, { recursive: true });
  writeFileSync(path.join(run, 'run.json'), '{}');
  const command = { name: 'echo', class: 'simple', command: 'echo a', proof: { lines: ['a'] } };
  mkdirSync(path.join(folder, 'recovery'));
  const kept = {
    version: 1,
    name: 'echo-lost',
    state: 'active',
    test: 'single',
    command,
    fault: { kind: 'output-mismatch', detail: 'expected 1 line, received 0' },
    settings: {},
    firstSeen: { run: 'nightly-1', at: '2026-01-01T00:00:00.000Z' },
    lastSeen: { run: 'nightly-1', at: '2026-01-01T00:00:00.000Z' },
    counts: { failed: 1, sessions: 1, held: 0, heldInARow: 0 },
  };
  writeFileSync(path.join(folder, 'recovery/echo-lost.json'), JSON.stringify(kept));

  assert.deepEqual(await complete('run', 'suite', '--commands', ''), ['posix', 'python', ':file']);
  assert.deepEqual(await complete('run', 'suite', '--only', 'con'), ['concurrent', 'conformance']);
  assert.deepEqual(await complete('run', 'suite', '--skip', 'concurrent,con'), ['concurrent,conformance']);
  assert.deepEqual(await complete('target', '--dialect', ''), ['deployed', 'documented']);
  assert.deepEqual(await complete('target', '--fault', 'lost-line'), ['lost-line-on-resume', 'lost-line']);
  assert.ok((await complete('target', '--fault', 'slow')).includes('slow:'));
  for (const each of ['show', 'retire', 'replay'])
    assert.deepEqual(await complete('recovery', each, '--folder', folder, 'e'), ['echo-lost'], each);
  for (const each of ['report', 'compare', 'export', 'baseline'])
    assert.deepEqual(await complete(each, '--folder', folder, 'n'), ['nightly-1', ':file'], each);
});

void test('runs of the default folder complete, or of the working directory where an earlier release left them', async (t) => {
  for (const [results, moved] of [
    ['stress-results/runs', true],
    ['runs', false],
  ] as const) {
    const cwd = temporaryDirectory(t);
    mkdirSync(path.join(cwd, results, 'nightly-1'), { recursive: true });
    writeFileSync(path.join(cwd, results, 'nightly-1/run.json'), '{"type":"run"}');
    const { stdout, stderr } = await runProgram(process.execPath, [cli, '__complete', 'report', 'n'], { cwd });
    assert.equal(stdout, 'nightly-1\n:file\n', stderr);
    // Completion moves nothing.
    assert.equal(existsSync(path.join(cwd, 'stress-results')), moved);
  }
});

void test('bash completes with the script', async (t) => {
  const base = temporaryDirectory(t);
  const { stdout: script } = await ws('completion', 'bash');
  writeFileSync(path.join(base, 'script'), script);
  mkdirSync(path.join(base, 'bin'));
  symlinkSync(cli, path.join(base, 'bin/ws-stress'));
  mkdirSync(path.join(base, 'some folder'));
  writeFileSync(path.join(base, 'some file.json'), '');
  const replies = (...words: string[]): string[] => {
    const line = `source ./script; complete -p ws-stress >&2; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
      COMP_CWORD=${words.length - 1}; _ws_stress; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...cleanEnv(), PATH: `${path.join(base, 'bin')}:${process.env.PATH}` };
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', line], { cwd: base, env, encoding: 'utf8' });
    assert.match(stderr, /complete -F _ws_stress ws-stress/);
    return stdout.split('\n').slice(0, -1);
  };
  assert.deepEqual(replies('ws-stress', 'concurr'), ['']);
  assert.deepEqual(replies('ws-stress', 'co'), ['conformance', 'compare', 'completion']);
  assert.deepEqual(replies('ws-stress', 'run', 'sui'), ['suite']);
  assert.deepEqual(replies('ws-stress', 'run', 'suite', '--with'), ['--with-target']);
  assert.deepEqual(replies('ws-stress', 'run', 'suite', '--junit', 'some'), ['some file.json', 'some folder']);
  assert.deepEqual(replies('ws-stress', 'run', 'suite', '--folder', 'some'), ['some folder']);
});

void test('other shells get a script too, and a shell that has none a message', async () => {
  for (const [shell, expected] of [
    ['zsh', /^#compdef ws-stress\n/],
    ['fish', /complete -c ws-stress/],
  ] as const) {
    assert.match((await ws('completion', shell)).stdout, expected);
  }
  const { code, stderr } = await ws('completion', 'bsh');
  assert.equal(code, 2);
  assert.match(stderr, /expected a shell \(bash, zsh, fish\), received bsh; did you mean bash\?/);
});

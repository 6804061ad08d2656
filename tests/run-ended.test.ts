import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { onAbort } from '../cli/run/interruption.ts';
import { runK6 } from '../cli/run/run-k6.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { proxyWithoutHttp } from './k6-cases.ts';
import { cleanEnv, cliPath, k6Path, runCli } from './k6.ts';
import { isAlive, until } from './target-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A run that goes on for a minute, in a process group of its own. */
interface LongRun {
  child: ChildProcess;
  base: string;
  /** k6's process. */
  k6: number;
  /** The temporary folder of this run, as k6 was given it. */
  folder: string;
  output: () => string;
  ended: Promise<number | null>;
  record: () => RunRecord;
}

const quickCommand = {
  version: 1,
  commands: [{ name: 'quick', class: 'simple', command: 'echo done', proof: { lines: ['done'] } }],
};

const recordIn = (base: string): RunRecord => {
  const [id = ''] = readdirSync(path.join(base, 'stress-results/runs'));
  return JSON.parse(readFileSync(path.join(base, 'stress-results/runs', id, 'run.json'), 'utf8')) as RunRecord;
};

const startRun = async (t: TestContext, ...more: string[]): Promise<LongRun> => {
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  const base = temporaryDirectory(t);
  const commands = path.join(base, 'commands.json');
  writeFileSync(commands, JSON.stringify(quickCommand));
  // Tells its process id and what it was given, and becomes k6.
  const k6 = path.join(base, 'k6');
  const script = `[ "$1" = version ] && { echo 'k6 v2.2.0'; exit; }
{ echo $$; echo "$*"; env; } >"$K6_PID_FILE"
exec '${await k6Path()}' "$@"
`;
  writeFileSync(k6, `#!/bin/sh\n${script}`);
  chmodSync(k6, 0o755);
  const pidFile = path.join(base, 'k6.pid');
  const load = more.length > 0 ? more : ['--vus', '2', '--duration', '60s'];
  const args = [cliPath, 'run', 'concurrent', '--url', target.url, '--commands', commands, ...load];
  const child = spawn(process.execPath, args, {
    cwd: base,
    env: { ...cleanEnv(), K6_BIN: k6, K6_PID_FILE: pidFile },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  t.after(() => child.kill('SIGKILL'));
  // Apart, for which of the two comes first is chance.
  let [errors, stdout] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const output = (): string => errors + stdout;
  const hasRecords = (): boolean => {
    const [id] = existsSync(path.join(base, 'stress-results/runs'))
      ? readdirSync(path.join(base, 'stress-results/runs'))
      : [];
    const file = path.join(base, 'stress-results/runs', id ?? '', 'records.ndjson');
    return id !== undefined && existsSync(file) && readFileSync(file, 'utf8').includes('\n');
  };
  await until('records', hasRecords).catch((error: unknown) => assert.fail(`${String(error)}: ${output()}`));
  const given = readFileSync(pidFile, 'utf8');
  const folder = /\/[^\s=,]*ws-stress-run-\w+/.exec(given)?.[0] ?? assert.fail(`no temporary folder in ${given}`);
  return {
    child,
    base,
    k6: Number.parseInt(given),
    folder,
    output,
    ended,
    record: () => recordIn(base),
  };
};

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const) {
  void test(`${signal} to the process group, twice at once: the summary of k6 is kept, verdict INVALID, exit 105`, async (t) => {
    const run = await startRun(t);
    process.kill(-run.child.pid!, signal);
    setTimeout(() => process.kill(-run.child.pid!, signal), 50);
    assert.equal(await run.ended, 105, run.output());
    const { verdict, cutShort, criteria } = run.record();
    assert.deepEqual([verdict, cutShort], ['INVALID', true]);
    assert.ok(criteria.length > 0, 'the record is of k6');
    assert.match(run.output(), /INVALID: the run was cut short[^\n]*\n$/);
  });
}

void test('whoever reads the output is gone: the run has its verdict all the same', async (t) => {
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  const base = temporaryDirectory(t);
  const child = spawn(process.execPath, [cliPath, 'run', 'single', '--url', target.url], {
    cwd: base,
    env: { ...cleanEnv(), K6_BIN: await k6Path() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  child.stderr.destroy();
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.equal(recordIn(base).verdict, 'PASS');
});

void test('k6 crashes: the exit code is not that of Go, which means wrong options here', async (t) => {
  const run = await startRun(t);
  process.kill(run.k6, 'SIGABRT');
  assert.equal(await run.ended, 110, run.output());
  assert.equal(run.record().verdict, 'INVALID');
});

void test('k6 is killed: its sessions are kept, and the verdict is INVALID, exit 110', async (t) => {
  const run = await startRun(t);
  process.kill(run.k6, 'SIGKILL');
  assert.equal(await run.ended, 110, run.output());
  const record = run.record();
  assert.equal(record.verdict, 'INVALID');
  assert.ok((record.outcomes.ok ?? 0) > 0 && record.total.successful > 0, JSON.stringify(record));
  assert.match(run.output(), /no run record of k6: [^\n]*SIGKILL ended k6[^]*\nINVALID: [^\n]*\n$/);
  assert.equal(existsSync(run.folder), false, 'the temporary folder is gone');
});

void test('ws-stress is killed: k6 ends the run, writes its record and deletes the temporary folder', async (t) => {
  const run = await startRun(t);
  run.child.kill('SIGKILL');
  await until('k6 has ended', async () => !(await isAlive(run.k6)));
  await until('the temporary folder is gone', () => !existsSync(run.folder));
  assert.equal(run.record().verdict, 'INVALID');
});

void test('the folder of the run vanishes: the verdict stays, and what is known is written again', async (t) => {
  const run = await startRun(t, '--vus', '2', '--duration', '3s');
  rmSync(path.join(run.base, 'stress-results/runs'), { recursive: true });
  assert.equal(await run.ended, 0, run.output());
  assert.match(run.output(), /PASS: [^\n]*\n$/);
  assert.equal(run.record().verdict, 'PASS');
});

void test('a folder that takes no files: what could not be written is named, the verdict is printed, exit 0', async (t) => {
  const run = await startRun(t, '--vus', '2', '--duration', '3s');
  rmSync(path.join(run.base, 'stress-results/runs'), { recursive: true });
  writeFileSync(path.join(run.base, 'stress-results/runs'), 'a file');
  mkdirSync(path.join(run.base, 'stress-results/history/runs.jsonl'), { recursive: true });
  assert.equal(await run.ended, 0, run.output());
  assert.match(run.output(), /run\.json could not be written: [^]*history: [^]*no report: [^]*\nPASS: [^\n]*\n$/);
});

void test('a /health without name or version leaves both out of the run record', async (t) => {
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  for (const health of ['{"status":"ok"}', '{"service":5,"version":null}', 'null']) {
    const proxy = await proxyWithoutHttp(target.port, health);
    t.after(() => proxy.close());
    const base = temporaryDirectory(t);
    const { code, stdout, stderr } = await runCli(['run', 'single', '--url', proxy.url], {
      cwd: base,
      env: { ...cleanEnv(), K6_BIN: await k6Path() },
    });
    assert.equal(code, 0, stdout + stderr);
    assert.deepEqual(recordIn(base).service, {});
  }
});

/** Signals as a run gets them, and a program in place of k6. */
const fakeRun = (t: TestContext, program: string) => {
  const [first, again] = [new AbortController(), new AbortController()];
  const base = temporaryDirectory(t);
  const ready = path.join(base, 'ready');
  const ended = runK6({
    path: 'sh',
    args: ['-c', program, 'sh', ready],
    env: process.env,
    interruption: { first: first.signal, again: again.signal, end: () => {} },
    temporary: undefined,
  });
  return { first, again, ended, isReady: () => existsSync(ready) };
};

void test('a second interruption ends by force a k6 that does not end', async (t) => {
  const { first, again, ended, isReady } = fakeRun(t, `trap '' INT TERM; : >"$1"; while :; do sleep 0.1; done`);
  await until('it runs', isReady);
  first.abort('SIGTERM');
  again.abort('SIGTERM');
  const { code, signal } = await ended;
  assert.deepEqual([code, signal], [105, 'SIGKILL']);
});

void test('the exit code and the standard streams of k6 are its own, and an interruption before it is one too', async (t) => {
  assert.equal((await fakeRun(t, 'exit 42').ended).code, 42);
  const { first, ended, isReady } = fakeRun(t, `trap 'exit 7' INT; : >"$1"; while :; do sleep 0.1; done`);
  await until('it runs', isReady);
  first.abort('SIGINT');
  assert.equal((await ended).code, 7);
  let heard = 0;
  onAbort(first.signal, () => heard++);
  assert.equal(heard, 1, 'a signal that has come already');
});

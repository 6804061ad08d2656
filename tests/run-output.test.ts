import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { lineCounter, printProgress } from '../cli/run/run-progress.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { findingLine, sessionLine } from './records.ts';
import { runRecord } from './run-records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const cli = path.join(packageRoot, 'cli/ws-stress.mjs');

const environment = async (): Promise<NodeJS.ProcessEnv> => ({
  ...cleanEnv(),
  K6_BIN: await k6Path(),
  K6_ADDRESS: 'localhost:0',
});

const wsStress = async (cwd: string, ...args: string[]) =>
  runProgram(process.execPath, [cli, ...args], { cwd, env: await environment() });

const isInstant = (text: string): boolean => !Number.isNaN(Date.parse(text));

const compile = (file: string): ValidateFunction => {
  const text = readFileSync(path.join(packageRoot, file), 'utf8');
  const ajv = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictTuples: false,
    allErrors: true,
    formats: { 'date-time': isInstant },
  });
  return ajv.compile(JSON.parse(text) as object);
};

const validRun = compile('schemas/run.schema.json');
const validRecord = compile('schemas/record.schema.json');

const onlyRun = (base: string): string => {
  const [id, ...others] = readdirSync(path.join(base, 'stress-results/runs'));
  assert.ok(id !== undefined && others.length === 0);
  return path.join(base, 'stress-results/runs', id);
};

const startFaulty = async (t: TestContext, faults: string[]): Promise<string> => {
  const target = await startTarget({ port: 0, faults });
  t.after(() => target.close());
  return target.url;
};

void test('ws-stress run says which default criteria a thresholds file has lost, by the flag that named it', async (t) => {
  const base = temporaryDirectory(t);
  const thresholds = path.join(base, 'mine.json');
  writeFileSync(thresholds, JSON.stringify({ version: 1, scenarios: { single: { session_success: ['rate==1'] } } }));
  const { code, stdout, stderr } = await wsStress(base, 'run', 'single', '--with-target', '--thresholds', thresholds);
  assert.equal(code, 0, stdout + stderr);
  const warnings = stderr.split('\n').filter((line) => line.includes('default criteria'));
  assert.equal(warnings.length, 1, stderr);
  assert.match(warnings[0] ?? '', /--thresholds .*mine\.json: .* single: protocol_violations, timeouts, unsettled, /);
  assert.match(warnings[0] ?? '', /Add "extends": "default"/);
});

void test('what ws-stress run prints into a log is short, 80 columns wide, and ends with the verdict', async (t) => {
  const base = temporaryDirectory(t);
  const [junit, markdown] = [path.join(base, 'junit.xml'), path.join(base, 'summary.md')];
  const args = ['--with-target', '--rounds', '2,3', '--junit', junit, '--markdown', markdown];
  const { code, stdout, stderr } = await wsStress(base, 'run', 'concurrent', ...args);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\n\nPASS: every criterion that was judged holds\n$/);
  assert.match(stdout, /\n {2}asked {2}STRESS_ROUNDS=2,3\n/);
  assert.ok(!stdout.includes('\u001b'), 'no colours');
  assert.doesNotMatch(stdout, /complete and \d+ interrupted|\[ +\d+% \]/, 'no progress bars');
  for (const line of `${stdout}${stderr}`.split('\n')) assert.ok(line.length <= 80, line);
  const folder = onlyRun(base);
  assert.ok(stderr.includes(`results: ${path.relative(base, folder)}`), stderr);
  assert.equal(readFileSync(junit, 'utf8'), readFileSync(path.join(folder, 'junit.xml'), 'utf8'));
  assert.equal(readFileSync(markdown, 'utf8'), readFileSync(path.join(folder, 'summary.md'), 'utf8'));
});

void test('a run that fails tells the first failures, and then its verdict; JUnit has the failure', async (t) => {
  const base = temporaryDirectory(t);
  const url = await startFaulty(t, ['exit-3']);
  const { code, stdout } = await wsStress(base, 'run', 'concurrent', '--url', url, '--rounds', '4');
  assert.equal(code, 99, stdout);
  assert.match(
    stdout,
    /Failed sessions\n {2}concurrent failed-exit: 4 sessions, the first 3\n[^]*\n\nFAIL: a criterion does not hold, or had no data\n$/,
  );
  assert.match(
    readFileSync(path.join(onlyRun(base), 'junit.xml'), 'utf8'),
    /<failure type="FAIL" message="4 of 4 sessions ended with exit code 3 \(expected: At least 90 % of sessions succeed; observed 0 %\)">/,
  );
});

void test('files for machines that can’t be written are refused before anything is run', async (t) => {
  const base = temporaryDirectory(t);
  writeFileSync(path.join(base, 'taken'), '');
  const args = ['--with-target', '--junit', path.join(base, 'taken/j.xml'), '--markdown', base];
  const { code, stderr } = await wsStress(base, 'run', 'single', ...args);
  assert.equal(code, 2);
  assert.match(stderr, /--junit: expected a file that can be written: ENOTDIR/);
  assert.match(stderr, /--markdown: expected a file that can be written: .* is a folder/);
  assert.ok(!existsSync(path.join(base, 'stress-results/runs')));
  const toStdout = await wsStress(base, 'run', 'single', '--with-target', '--junit', '-');
  assert.equal(toStdout.code, 2);
  assert.match(toStdout.stderr, /--junit: expected a file, received -: ws-stress export writes to stdout/);
});

void test('a result goes to what a link names, and the run is kept where it can’t be written', async (t) => {
  const base = temporaryDirectory(t);
  symlinkSync('named.json', path.join(base, 'link'));
  const { code, stderr } = await wsStress(base, 'run', 'single', '--with-target', '--result', 'link');
  assert.equal(code, 0, stderr);
  assert.ok(lstatSync(path.join(base, 'link')).isSymbolicLink());
  const folder = onlyRun(base);
  assert.equal(
    readFileSync(path.join(base, 'named.json'), 'utf8'),
    readFileSync(path.join(folder, 'run.json'), 'utf8'),
  );

  unlinkSync(path.join(base, 'link'));
  assert.equal(spawnSync('mkfifo', [path.join(base, 'link')]).status, 0);
  const failed = await wsStress(base, 'run', 'single', '--with-target', '--result', 'link');
  assert.equal(failed.code, 1, failed.stderr);
  assert.match(failed.stderr, /link could not be written: ENXIO[^]*ws-stress export \S+ writes/);
  assert.match(failed.stdout, /PASS: [^\n]*\n$/);
  assert.equal(readFileSync(path.join(base, 'stress-results/history/runs.jsonl'), 'utf8').trim().split('\n').length, 2);
});

void test('--live serves the report on loopback while a run lasts, and a browser that follows it keeps nothing alive', async (t) => {
  const base = temporaryDirectory(t);
  const url = await startFaulty(t, ['never-completes']);
  const args = [cli, 'run', 'single', '--url', url, '--live'];
  const child = spawn(process.execPath, args, {
    cwd: base,
    env: await environment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  let address: string | undefined;
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  while (address === undefined && child.exitCode === null) {
    await once(child.stderr, 'data');
    address = /live report, while the run lasts: (http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{48}\/)/.exec(stderr)?.[1];
  }
  assert.ok(address !== undefined, stderr);
  const page = await fetch(address);
  assert.equal(page.status, 200);
  assert.match(await page.text(), /<span class="verdict running">RUNNING<\/span>/);
  const events = await fetch(`${address}events`);
  assert.equal(events.headers.get('content-type'), 'text/event-stream');
  child.kill('SIGINT');
  const all = await events.text();
  assert.match(all, /^event: page\ndata: "<!doctype html>/m);
  assert.match(all, /verdict running/);
  assert.match(all, /event: end\ndata: ""\n\n$/);
  await ended;
  await assert.rejects(fetch(address), 'it ends with the run');

  const elsewhere = await wsStress(base, 'run', 'single', '--live', '--', '--console-output', 'records.ndjson');
  assert.equal(elsewhere.code, 2);
  assert.match(elsewhere.stderr, /--live: expected the records in the run's folder/);
});

void test('the schemas fit what runs leave, and refuse what is none', async (t) => {
  const types = new Set<string>();
  const runs = [['single'], ['command-validation'], ['memory', '--memory-duration', '500ms']];
  for (const args of runs) {
    const base = temporaryDirectory(t);
    await wsStress(base, 'run', ...args, '--with-target');
    const folder = onlyRun(base);
    const run: unknown = JSON.parse(readFileSync(path.join(folder, 'run.json'), 'utf8'));
    assert.ok(validRun(run), JSON.stringify(validRun.errors));
    assert.ok(!validRecord(run), 'a run record is no session, finding or memory record');
    for (const line of readFileSync(path.join(folder, 'records.ndjson'), 'utf8').trim().split('\n')) {
      const record = JSON.parse(line) as { type: string };
      types.add(record.type);
      assert.ok(validRecord(record), `${line}: ${JSON.stringify(validRecord.errors)}`);
      assert.ok(!validRun(record));
    }
  }
  assert.deepEqual([...types].toSorted(), ['finding', 'memory', 'session']);

  const session = JSON.parse(sessionLine({ kind: 'ok' })) as object;
  const finding = JSON.parse(findingLine('a')) as object;
  assert.ok(validRecord({ ...session, added: 1 }), 'members may be added');
  const wrong = [
    { version: 2 },
    { outcome: { kind: 'fine' } },
    { durationMs: 'long' },
    { durationMs: -1 },
    { startedAt: 'now' },
  ];
  for (const more of wrong) assert.ok(!validRecord({ ...session, ...more }), JSON.stringify(more));
  assert.ok(!validRecord({ ...finding, finding: 'fine' }));
  assert.ok(!validRecord({ ...finding, type: 'surprise' }));
  assert.ok(validRun(runRecord('r')));
  for (const more of [{ verdict: 'FINE' }, { version: 2 }, { criteria: [{}] }, { rounds: undefined }]) {
    assert.ok(!validRun(JSON.parse(JSON.stringify({ ...runRecord('r'), ...more }))), JSON.stringify(more));
  }
});

void test('a log is told that a run goes on, with the records so far', async (t) => {
  const file = path.join(temporaryDirectory(t), 'records.ndjson');
  const count = lineCounter(file);
  assert.equal(await count(), 0, 'a file that is not there yet');
  appendFileSync(file, 'a\nb\nbeg');
  assert.equal(await count(), 2);
  appendFileSync(file, 'in\n\n');
  assert.equal(await count(), 4);
  assert.equal(await count(), 4);

  const lines: string[] = [];
  let progress: { end: () => Promise<void> } | undefined;
  const told = new Promise<void>((resolve) => {
    progress = printProgress(
      file,
      {
        write: (text) => {
          lines.push(text);
          resolve();
        },
      },
      1,
    );
  });

  await told;
  await progress?.end();
  const before = lines.length;
  assert.match(lines[0] ?? '', /^running for \d+ s; records of sessions and cases so far: 4\n$/);
  await new Promise(setImmediate);
  assert.equal(lines.length, before, 'nothing more is said');
});

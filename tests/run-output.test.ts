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
import { expectedLoad, progressLine, recordReader, showProgress } from '../cli/run/run-progress.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import type { SessionRecord } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { freePort } from './free-port.ts';
import { cleanEnv, k6Path, runProgram, withoutBusyWarning } from './k6.ts';
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
  assert.match(stdout, /^\nPASS: all \d+ checks passed/);
  assert.match(stdout, /\n {2}round +ok +failed +sessions\/s +median +p95 +p99\n {2}1 {2}2 sessions at once +2 +0 /);
  assert.ok(stdout.split('\n').length <= 20, stdout);
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
  const { code, stdout, stderr } = await wsStress(base, 'run', 'concurrent', '--url', url, '--rounds', '4');
  assert.equal(code, 99, stdout);
  assert.match(stdout, /\n\nFAIL: a criterion does not hold, or had no data\n$/);
  const first = stdout.trimStart().split('\n').slice(0, 10).join('\n');
  assert.match(
    first,
    /^FAIL: 4 of 4 sessions ended with exit code 3; [^]*\n {4}expected +exit code 0\n {4}where +concurrent[^]*\n {4}do /,
  );
  assert.doesNotMatch(stderr, /thresholds on metrics/);
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

const recordOf = (more: Partial<SessionRecord>): string =>
  `${sessionLine({ kind: 'ok' }, { round: 1, session: 0, ...more })}\n`;

void test('what a file of records gains is counted once, by scenario', async (t) => {
  const file = path.join(temporaryDirectory(t), 'records.ndjson');
  const read = recordReader(file);
  assert.equal((await read()).sessions, 0, 'a file that is not there yet');
  const one = recordOf({});
  const failed = `${sessionLine({ kind: 'closed', code: 1006, detail: '' })}\n`;
  appendFileSync(file, `${one}${failed}INFO a line that is no record\n{"type":"session"\n${one.slice(0, 50)}`);
  const { sessions, failed: failures } = await read();
  assert.deepEqual([sessions, failures], [2, 1]);
  appendFileSync(file, one.slice(50));
  appendFileSync(file, recordOf({ case: 'a-case', round: undefined }));
  assert.equal((await read()).sessions, 3, 'a line that came in two parts; sessions of cases are none of rounds');
  assert.equal((await read()).sessions, 3, 'nothing new');
  appendFileSync(file, `${findingLine('a', { finding: 'breaking' })}\n${findingLine('b', { finding: 'not-run' })}\n`);
  const { scenario, cases, broken, sessions: ofNext } = await read();
  assert.deepEqual([scenario, cases, broken, ofNext], ['command-validation', 1, 1, 0]);
});

void test('a line of progress says what is done of what, what failed, how quick and how long, as far as it is known', async (t) => {
  const file = path.join(temporaryDirectory(t), 'records.ndjson');
  const startedAt = '2025-06-25T14:30:00.000Z';
  const lines = Array.from({ length: 20 }, () => recordOf({ startedAt, durationMs: 131, commands: [] })).join('');
  writeFileSync(
    file,
    `${lines}${sessionLine({ kind: 'closed', code: 1006, detail: '' }, { round: 1, session: 0, startedAt })}\n`,
  );
  const so = await recordReader(file)();
  const view = { scenario: 'concurrent', elapsedMs: 8400, nowMs: Date.parse(startedAt) + 8000 };
  const planned = expectedLoad('concurrent', {});
  assert.equal(
    progressLine({ ...view, load: planned, so }),
    'concurrent: 21 of 35 sessions, 1 failed, p95 131 ms, 8 s, about 5 s left',
  );
  const timed = expectedLoad('concurrent', { STRESS_VUS: '5', STRESS_DURATION: '30s' });
  assert.equal(
    progressLine({ ...view, load: timed, so }),
    'concurrent: 21 sessions, 1 failed, p95 131 ms, 8 s, about 22 s left',
  );
  const rated = expectedLoad('concurrent', { STRESS_RATE: '10', STRESS_DURATION: '30s' });
  assert.match(progressLine({ ...view, load: rated, so }), /: 21 of 300 sessions, .* about 22 s left$/);
  assert.equal(progressLine({ ...view, load: undefined, so }), 'concurrent: 21 sessions, 1 failed, p95 131 ms, 8 s');
  assert.match(progressLine({ ...view, load: planned, so, failuresOnly: true }), /^concurrent: 1 failed, /);
  assert.equal(progressLine({ ...view, load: planned }), 'concurrent: 8 s');
  const suite = expectedLoad('suite', {});
  assert.match(progressLine({ ...view, load: suite, so }), /^concurrent \(\d+ of \d+\): 21 of \d+ sessions, /);
});

/** What is written while a run's progress is shown, until it has said something, then warned, then ended. */
const shownProgress = async (t: TestContext, isTTY: boolean): Promise<string> => {
  const file = path.join(temporaryDirectory(t), 'records.ndjson');
  writeFileSync(file, recordOf({ commands: [] }));
  let written = '';
  let progress: ReturnType<typeof showProgress> | undefined;
  await new Promise<void>((resolve) => {
    const write = (text: string): void => {
      written += text;
      if (text.includes('1 of 35')) resolve();
    };
    const run = { scenario: 'concurrent', load: expectedLoad('concurrent', {}), file };
    progress = showProgress({ write, isTTY, columns: 30 }, run, 1);
  });
  progress?.above({ write: (text: string) => (written += text) }, 'a warning\n');
  await progress?.end();
  const before = written;
  await new Promise(setImmediate);
  assert.equal(written, before, 'nothing more is said');
  return written;
};

const clearLine = '\r\u001b[2K';

void test('on a terminal progress is one line that is rewritten, and gone at the end', async (t) => {
  const all = await shownProgress(t, true);
  assert.ok(all.startsWith(`${clearLine}concurrent: 1 of 35 sessions,`), all);
  assert.ok(all.includes(`${clearLine}a warning\n`), 'a warning is a line of its own');
  assert.ok(all.endsWith(clearLine));
  for (const line of all.split(clearLine)) assert.ok(line.length < 30, line);
  assert.equal(all.match(/\n/g)?.length, 1);
});

void test('in a log progress is a line each time, without control characters', async (t) => {
  const all = await shownProgress(t, false);
  assert.match(all, /^concurrent: 1 of 35 sessions, 0 failed, p95 [\d.]+ m?s, 0 s\n/);
  // oxlint-disable-next-line no-control-regex -- what must not be there
  assert.doesNotMatch(all, /[\u0000-\u0009\u000b-\u001f]/);
});

/** A program that runs others in a terminal of 80 x 24, and prints all that they write there. */
const pseudoTerminal = `
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    os.write(1, data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

const inTerminal = async (cwd: string, more: NodeJS.ProcessEnv, ...args: string[]) =>
  runProgram('python3', ['-c', pseudoTerminal, process.execPath, cli, ...args], {
    cwd,
    env: { ...(await environment()), TERM: 'xterm-256color', NO_COLOR: undefined, ...more },
  });

/** The lines that stay on a terminal of 80 columns, those that are rewritten left out. */
const staying = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf(clearLine) + (line.includes(clearLine) ? clearLine.length : 0)))
    .map((line) => line.replace(/\r$/, ''));

const hasPython = spawnSync('python3', ['-c', 'import pty, os; os.waitstatus_to_exitcode']).status === 0;
const skip = hasPython ? false : 'there is no Python 3.9 with pty';

void test(
  'a run in a terminal of 80 x 24 leaves a screen of lines, and shows how far it is meanwhile',
  { skip },
  async (t) => {
    const base = temporaryDirectory(t);
    const { code, stdout } = await inTerminal(base, {}, 'run', 'concurrent', '--with-target');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /concurrent: \d+ of 35 sessions, 0 failed, p95 [\d.]+ m?s, \d+ s/);
    assert.ok(stdout.includes('\u001b[32mPASS\u001b[0m'), 'the verdict has its colour');
    const lines = staying(withoutBusyWarning(stdout.replaceAll('\r\n', '\n')));
    assert.ok(lines.length <= 24, `${lines.length} lines\n${lines.join('\n')}`);
    // oxlint-disable-next-line no-control-regex -- a colour
    for (const line of lines) assert.ok(line.replaceAll(/\u001b\[\d+m/g, '').length <= 80, line);
  },
);

void test('NO_COLOR: a terminal gets no colours', { skip }, async (t) => {
  const url = await startFaulty(t, ['exit-3']);
  const args = ['run', 'concurrent', '--url', url, '--rounds', '2'];
  const { code, stdout } = await inTerminal(temporaryDirectory(t), { NO_COLOR: '1' }, ...args);
  assert.equal(code, 99, stdout);
  // oxlint-disable-next-line no-control-regex -- colours
  assert.doesNotMatch(stdout, /\u001b\[[\d;]*m/);
  assert.doesNotMatch(stdout, /thresholds on metrics/);
});

void test('a run in a terminal in which nothing ran says why once, in few lines', { skip }, async (t) => {
  const port = await freePort();
  const args = ['run', 'suite', '--url', `ws://127.0.0.1:${port}/ws`];
  const { code, stdout } = await inTerminal(temporaryDirectory(t), {}, ...args);
  assert.equal(code, 108, stdout);
  const lines = staying(stdout).filter((line) => line !== '');
  assert.ok(lines.length <= 12, stdout);
  assert.equal(stdout.match(/no service answers at/gi)?.length, 1, stdout);
});

void test('--k6-output shows what k6 prints: its summary and its messages about thresholds', async (t) => {
  const base = temporaryDirectory(t);
  const url = await startFaulty(t, ['exit-3']);
  const args = ['run', 'concurrent', '--url', url, '--rounds', '2'];
  const { stdout, stderr } = await wsStress(base, ...args, '--k6-output');
  assert.match(stdout, /\n {2}asked {2}STRESS_ROUNDS=2\n/);
  assert.match(stdout, /\n {2}FAIL +session_success rate>=0\.9 {3}\(0\)\n/);
  assert.match(stderr, /thresholds on metrics '[^\n]+' have been crossed/);
  const without = await wsStress(base, ...args);
  assert.doesNotMatch(without.stdout, /asked {2}STRESS/);
  assert.doesNotMatch(without.stderr, /thresholds on metrics/);
});

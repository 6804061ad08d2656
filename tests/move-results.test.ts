import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { moveResults } from '../cli/results/move-results.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, cliPath, runCli } from './k6.ts';
import { runRecord } from './run-records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const write = (file: string, text: string): void => {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
};

const record = (id: string): string => `${JSON.stringify(runRecord(id), undefined, 2)}\n`;
const line = (id: string): string => `${JSON.stringify(runRecord(id))}\n`;

const kept = (name: string): string =>
  JSON.stringify({
    version: 1,
    name,
    state: 'active',
    test: 'concurrent',
    command: { name: 'echo', class: 'simple', command: 'echo a', proof: { lines: ['a'] } },
    settings: {},
    fault: { kind: 'output-mismatch', detail: 'lost' },
    firstSeen: { run: 'r1', at: '2026-01-01T00:00:00.000Z' },
    lastSeen: { run: 'r1', at: '2026-01-01T00:00:00.000Z' },
    counts: { failed: 1, held: 0, heldInARow: 0, sessions: 1 },
  });

/** What earlier releases left in a working directory. */
const oldResults = (t: TestContext): string => {
  const cwd = temporaryDirectory(t);
  for (const id of ['r1', 'r2']) {
    write(path.join(cwd, 'runs', id, 'run.json'), record(id));
    write(path.join(cwd, 'runs', id, 'records.ndjson'), 'x\n');
  }
  write(path.join(cwd, 'history/runs.jsonl'), line('r1') + line('r2'));
  write(
    path.join(cwd, 'history/baseline.json'),
    '{"type":"baseline","version":1,"scenarios":[{"test":"concurrent","runs":["r1"]}]}',
  );
  write(path.join(cwd, 'history/trend-concurrent.svg'), '<svg xmlns="http://www.w3.org/2000/svg"></svg>');
  write(path.join(cwd, 'recovery/echo-lost.json'), kept('echo-lost'));
  write(path.join(cwd, 'recovery/index.json'), '{"version":1,"cases":[]}');
  mkdirSync(path.join(cwd, 'recovery/.lock'));
  write(path.join(cwd, 'HISTORY.md'), '# History of the tests\n\nWritten by `ws-stress history --write` from …\n');
  return cwd;
};

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .toSorted();

const moveIn = (cwd: string): Promise<string | undefined> => moveResults(cwd, path.join(cwd, 'stress-results'));

void test('results of an earlier release are found, moved into one folder, and used there; the message says so once', async (t) => {
  const cwd = oldResults(t);
  const before = filesIn(cwd).map((file) => [`stress-results/${file}`, readFileSync(path.join(cwd, file), 'utf8')]);
  const { code, stdout, stderr } = await runCli(['history'], { cwd });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^concurrent\b[^]*r1[^]*r2/);
  const told = stderr.replaceAll(/\s+/g, ' ');
  assert.match(
    told,
    /^Results are now kept in one folder: moved runs\/ \(2 runs\), history\/ \(3 files\), recovery\/ \(1 case\), HISTORY\.md into stress-results\/\. Change paths that name the old folders, as in \.gitignore or a CI job\. $/,
  );
  assert.deepEqual(readdirSync(cwd), ['stress-results']);
  assert.deepEqual(
    filesIn(cwd).map((file) => [file, readFileSync(path.join(cwd, file), 'utf8')]),
    before,
  );
  const again = await runCli(['recovery', 'list'], { cwd });
  assert.deepEqual([again.code, again.stderr], [0, '']);
  assert.match(again.stdout, /echo-lost/);
});

void test('paths into the old folders still name what was in them', async (t) => {
  const cwd = oldResults(t);
  const report = await runCli(['report', 'runs/r1'], { cwd });
  assert.equal(report.code, 0, report.stderr);
  assert.ok(existsSync(path.join(cwd, 'stress-results/runs/r1/report.html')));
  const other = oldResults(t);
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  const args = ['run', 'recovery', '--url', target.url, '--recovery', './recovery/index.json'];
  const run = await runCli(args, { cwd: other });
  assert.equal(run.code, 0, run.stdout + run.stderr);
  assert.ok(!existsSync(path.join(other, 'recovery')));
});

void test('with --folder nothing is moved', async (t) => {
  const cwd = oldResults(t);
  const before = filesIn(cwd);
  const { code, stdout, stderr } = await runCli(['history', '--folder', '.'], { cwd });
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /r2/);
  assert.deepEqual(filesIn(cwd), before);
});

void test('folders of these names that hold something else are left alone, without a word', async (t) => {
  const cwd = temporaryDirectory(t);
  write(path.join(cwd, 'runs/2026-01-01/events.out'), 'training');
  write(path.join(cwd, 'runs/other/run.json'), '{"type":"job"}');
  write(path.join(cwd, 'runs/broken/run.json'), '{"type":"run"');
  write(path.join(cwd, 'history/runs.jsonl'), '{"type":"session"}\n');
  write(path.join(cwd, 'history/baseline.json'), '{}');
  write(path.join(cwd, 'history/trend-x.svg'), 'no picture');
  write(path.join(cwd, 'recovery/plan.json'), '{"name":"other"}');
  write(path.join(cwd, 'recovery/.lock'), 'of another program');
  write(path.join(cwd, 'HISTORY.md'), '# Our history\n');
  const before = filesIn(cwd);
  assert.equal(await moveIn(cwd), undefined);
  assert.deepEqual(filesIn(cwd), before);
  assert.ok(!existsSync(path.join(cwd, 'stress-results')));
});

void test('what ws-stress does not know stays beside what it moves, such as a run that goes on', async (t) => {
  const cwd = oldResults(t);
  write(path.join(cwd, 'runs/r3/records.ndjson'), '{}\n');
  write(path.join(cwd, 'recovery/notes.txt'), 'mine');
  const told = (await moveIn(cwd)) ?? '';
  assert.match(
    told,
    /Not moved into stress-results\/: runs\/: 1 entry that ws-stress does not know; recovery\/: 1 entry/,
  );
  assert.deepEqual(filesIn(path.join(cwd, 'runs')), ['r3/records.ndjson']);
  assert.deepEqual(filesIn(path.join(cwd, 'recovery')), ['notes.txt']);
  assert.equal(await moveIn(cwd), undefined);
});

void test('nothing is replaced: what is in the new folder already stays, and so does the old', async (t) => {
  const cwd = oldResults(t);
  write(path.join(cwd, 'stress-results/runs/r1/run.json'), 'newer run');
  write(path.join(cwd, 'stress-results/history/runs.jsonl'), 'newer history\n');
  write(path.join(cwd, 'stress-results/recovery/echo-lost.json'), 'newer case');
  const told = (await moveIn(cwd)) ?? '';
  for (const name of ['runs/r1', 'history/runs.jsonl', 'recovery/echo-lost.json']) {
    assert.match(told, new RegExp(`${name}: .*${name} exists already`));
    assert.ok(existsSync(path.join(cwd, name)), name);
  }
  const read = (file: string): string => readFileSync(path.join(cwd, 'stress-results', file), 'utf8');
  assert.deepEqual(
    [read('runs/r1/run.json'), read('history/runs.jsonl'), read('recovery/echo-lost.json')],
    ['newer run', 'newer history\n', 'newer case'],
  );
  assert.equal(read('runs/r2/run.json'), record('r2'));
});

void test('links stay links and lead to what they led to', async (t) => {
  const cwd = oldResults(t);
  const elsewhere = temporaryDirectory(t);
  write(path.join(elsewhere, 'runs/far/run.json'), record('far'));
  write(path.join(cwd, 'archive/near/run.json'), record('near'));
  symlinkSync(path.join(elsewhere, 'runs/far'), path.join(cwd, 'runs/far'));
  symlinkSync('../archive/near', path.join(cwd, 'runs/near'));
  symlinkSync('r2', path.join(cwd, 'runs/latest'));
  symlinkSync('nowhere', path.join(cwd, 'runs/gone'));
  await moveIn(cwd);
  const runs = path.join(cwd, 'stress-results/runs');
  const read = (id: string): string => readFileSync(path.join(runs, id, 'run.json'), 'utf8');
  assert.deepEqual(['far', 'near', 'latest'].map(read), [record('far'), record('near'), record('r2')]);
  for (const id of ['far', 'near', 'latest']) assert.ok(lstatSync(path.join(runs, id)).isSymbolicLink());
  assert.equal(readlinkSync(path.join(cwd, 'runs/gone')), 'nowhere');

  const linked = temporaryDirectory(t);
  symlinkSync(path.join(elsewhere, 'runs'), path.join(linked, 'runs'));
  assert.match((await moveIn(linked)) ?? '', /moved the link runs into stress-results\//);
  assert.ok(!existsSync(path.join(linked, 'runs')));
  assert.equal(readFileSync(path.join(linked, 'stress-results/runs/far/run.json'), 'utf8'), record('far'));
});

void test('two commands that move at once lose nothing', async (t) => {
  const cwd = oldResults(t);
  for (let at = 0; at < 50; at++) write(path.join(cwd, `runs/more-${at}/run.json`), record(`more-${at}`));
  const before = filesIn(cwd).map((file) => `stress-results/${file}`);
  await Promise.all(Array.from({ length: 4 }, () => runCli(['history'], { cwd })));
  assert.deepEqual(filesIn(cwd), before);
});

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

/** Runs a command as a user to whom permissions apply. */
const asNobody = (cwd: string, ...args: string[]) =>
  spawnSync(process.execPath, [cliPath, ...args], {
    cwd,
    encoding: 'utf8',
    env: cleanEnv(),
    ...(isRoot && { uid: nobody, gid: nobody }),
  });

void test('results in a place that cannot be written to are read where they are, and the message says why', (t) => {
  const cwd = oldResults(t);
  const before = filesIn(cwd);
  chmodSync(cwd, 0o555);
  const { status, stdout, stderr } = asNobody(cwd, 'history');
  chmodSync(cwd, 0o755);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^concurrent\b[^]*r2/);
  assert.match(stderr, /results of an earlier release stay where they are: EACCES/);
  assert.deepEqual(filesIn(cwd), before);
});

void test('old folders whose entries cannot be taken out keep them, each with the reason', (t) => {
  const cwd = oldResults(t);
  chmodSync(cwd, 0o777);
  chmodSync(path.join(cwd, 'runs'), 0o555);
  const { status, stderr } = asNobody(cwd, 'history');
  chmodSync(path.join(cwd, 'runs'), 0o755);
  assert.equal(status, 0, stderr);
  assert.match(
    stderr.replaceAll(/\s+/g, ' '),
    /Not moved into stress-results\/: runs\/r1: EACCES[^;]*; runs\/r2: EACCES/,
  );
  for (const id of ['r1', 'r2']) assert.equal(readFileSync(path.join(cwd, 'runs', id, 'run.json'), 'utf8'), record(id));
});

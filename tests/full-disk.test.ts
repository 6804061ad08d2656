import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, cliPath, k6Path, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
const namespace = isRoot ? ['-m'] : ['-r', '-m'];
const mayMount =
  process.platform === 'linux' &&
  spawnSync('unshare', [...namespace, 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs /dev/shm']).status === 0;
const mounts = { skip: !mayMount && 'this system lets nobody mount a disk in a namespace of its own (unshare -m)' };

/** A run on a small disk of its own, as only its own processes see it, with a `/dev/shm` of its own. */
interface SmallDisk {
  /** Shell, before the run. */
  before?: string;
  /** Shell, once there are records. */
  during?: string;
  args?: readonly string[];
  /** What the command prints; it should print `done`. */
  prints?: string;
}

interface Ended {
  code: number;
  /** What the run printed. */
  output: string;
  /** What is on both disks afterwards, without what filled them. */
  files: string[];
}

const fill = 'head -c 32M /dev/zero 2>&- >';

/** A command of which the first is quick, so that there is a record, and the others wait until the disk is as it shall be. */
const commandsThat = (print: string, base: string): string => {
  const waits = `i=0; until [ -e ${base}/ready ] || [ $i -ge 200 ]; do sleep 0.1; i=$((i+1)); done`;
  const command = `mkdir ${base}/first 2>&- || { ${waits}; }; echo ${print}`;
  return JSON.stringify({
    version: 1,
    commands: [{ name: 'waits', class: 'simple', command, proof: { lines: ['done'] } }],
  });
};

const runOn = async (
  t: TestContext,
  { before = ':', during = ':', args = [], prints = 'done' }: SmallDisk,
): Promise<Ended> => {
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  const base = temporaryDirectory(t);
  const [disk, commandSet] = [path.join(base, 'disk'), path.join(base, 'commands.json')];
  mkdirSync(disk);
  writeFileSync(commandSet, commandsThat(prints, base));
  const script = `mount -t tmpfs -o size=8m tmpfs "$0" && mount -t tmpfs -o size=8m tmpfs /dev/shm && cd "$0" || exit 70
${before}
"$@" 2>&1 &
run=$!
records() { for each in stress-results/runs/*/records.ndjson /dev/shm/results/runs/*/records.ndjson; do [ -s "$each" ] && return; done; return 1; }
until records || ! kill -0 $run 2>&-; do sleep 0.05; done
${during}
: >'${base}/ready'
wait $run
echo "exit code $?"
rm -f full /dev/shm/full
find . /dev/shm -mindepth 1 ! -type d`;
  const load = ['--rounds', '1,1', '--commands', commandSet, ...args];
  const run = [process.execPath, cliPath, 'run', 'concurrent', '--url', target.url, ...load];
  const { stdout, stderr } = await runProgram('unshare', [...namespace, 'sh', '-c', script, disk, ...run], {
    env: { ...cleanEnv(), K6_BIN: await k6Path() },
  });
  const [, output = '', code, files = ''] =
    /^([^]*)exit code (\d+)\n([^]*)$/.exec(stdout) ?? assert.fail(stdout + stderr);
  // k6 says for each line that it could not log it.
  const told = output.replaceAll(/^Failed to write to log, .*\n/gm, '');
  return { code: Number(code), output: told, files: files.split('\n').filter(Boolean) };
};

const names = (files: readonly string[]): string[] => files.map((file) => path.basename(file)).toSorted();

const unwritten = [
  /run\.json could not be written: ENOSPC[^\n]*; free some space, or name a file on another disk\n/,
  /history: expected to append the run to [^\n]*runs\.jsonl: [^\n]*; ws-stress history lacks this run\n/,
  /junit\.xml and summary\.md could not be written: [^\n]*ENOSPC/,
  /no report: [^\n]*report\.html could not be written: ENOSPC/,
];

void test(
  'the disk fills up: the verdict is printed, and what could not be written is named; exit 0',
  mounts,
  async (t) => {
    const { code, output, files } = await runOn(t, { during: `${fill}full` });
    assert.match(output, /\nPASS: [^\n]*\n$/);
    assert.equal(code, 0, output);
    for (const each of unwritten) assert.match(output, each);
    assert.deepEqual(names(files), ['records.ndjson', 'runs.jsonl'], 'no temporary file stays');
  },
);

void test('the disk fills up: a file that was asked for is named too, exit 1', mounts, async (t) => {
  const { code, output, files } = await runOn(t, { during: `${fill}full`, args: ['--junit', 'asked.xml'] });
  assert.match(output, /\nasked\.xml could not be written: ENOSPC[^\n]*\n(?:[^]*\n)?PASS: [^\n]*\n$/);
  assert.equal(code, 1, output);
  assert.deepEqual(names(files), ['records.ndjson', 'runs.jsonl']);
});

void test('the disk fills up in a run that fails: the verdict stays FAIL, exit 99', mounts, async (t) => {
  const { code, output } = await runOn(t, { during: `${fill}full`, prints: 'something else' });
  assert.match(output, /\nFAIL: [^\n]*\n$/);
  assert.equal(code, 99, output);
});

void test('memory for the copy of the run record is full: all is written', mounts, async (t) => {
  const { code, output, files } = await runOn(t, { before: `${fill}/dev/shm/full` });
  assert.match(output, /\nPASS: [^\n]*\n$/);
  assert.doesNotMatch(output, /could not|failed to/);
  assert.equal(code, 0, output);
  const all = [
    'junit.xml',
    'records.ndjson',
    'report.html',
    'result.json',
    'run.json',
    'runs.jsonl',
    'samples.json',
    'summary.md',
  ];
  assert.deepEqual(names(files), all);
});

void test(
  'memory for the copy is full, and then the disk: the copy is elsewhere, the verdict stays',
  mounts,
  async (t) => {
    const { code, output, files } = await runOn(t, { before: `${fill}/dev/shm/full`, during: `${fill}full` });
    assert.match(output, /\nPASS: [^\n]*\n$/);
    assert.equal(code, 0, output);
    for (const each of unwritten) assert.match(output, each);
    assert.deepEqual(names(files), ['records.ndjson', 'runs.jsonl']);
  },
);

void test(
  'both fill up during a run: no record is left, which is named, and the run is INVALID, exit 110',
  mounts,
  async (t) => {
    const { code, output, files } = await runOn(t, { during: `${fill}full; ${fill}/dev/shm/full` });
    assert.match(
      output,
      /^no run record of k6: [^\n]*k6 ended with exit code 0[^\n]*\n[^]*\nINVALID: k6 ran to its end, but its results were lost[^\n]*\n$/,
    );
    assert.equal(code, 110, output);
    assert.deepEqual(names(files), ['records.ndjson', 'runs.jsonl']);
  },
);

void test('a working directory that is read-only is refused, and no hindrance with --folder', mounts, async (t) => {
  const readOnly = 'mount -o remount,ro .';
  const refused = await runOn(t, { before: readOnly });
  assert.match(refused.output, /--folder: expected a folder that can be written to: EROFS/);
  assert.deepEqual([refused.code, refused.files], [2, []]);
  const elsewhere = await runOn(t, { before: readOnly, args: ['--folder', '/dev/shm/results'] });
  assert.match(elsewhere.output, /\nPASS: [^\n]*\n$/);
  assert.equal(elsewhere.code, 0, elsewhere.output);
  assert.ok(elsewhere.files.every((file) => file.startsWith('/dev/shm/results/')));
  assert.equal(elsewhere.files.length, 8, elsewhere.files.join());
});

void test('a folder without permission is refused before anything runs', async (t) => {
  const base = temporaryDirectory(t);
  chmodSync(base, 0o555);
  // Permissions do not apply to root.
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [cliPath, 'run', 'single', '--url', 'ws://127.0.0.1:1/ws'],
    {
      cwd: base,
      encoding: 'utf8',
      env: { ...cleanEnv(), K6_BIN: await k6Path() },
      ...(isRoot && { uid: nobody, gid: nobody }),
    },
  );
  assert.match(stdout + stderr, /--folder: expected a folder that can be written to: EACCES/);
  assert.equal(status, 2);
  assert.deepEqual(readdirSync(base), []);
});

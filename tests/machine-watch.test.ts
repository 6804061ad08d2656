import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  busiestOf,
  limitFiles,
  limitedPeriods,
  ownMs,
  processorTime,
  saturationOf,
  type MachineReading,
} from '../cli/run/machine-watch.ts';
import { junitXml } from '../cli/results/junit.ts';
import { markdownSummary } from '../cli/results/markdown-summary.ts';
import { saturationText } from '../cli/results/verdict-text.ts';
import type { RunRecord, Saturation } from '../lib/results/record-schema.ts';
import { cleanEnv, cliPath, k6Path } from './k6.ts';
import { runRecord } from './run-records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

void test('processor time is read from /proc/stat, of the processors that the process may use', () => {
  const stat =
    'cpu  99 99 99 99\ncpu0 10 1 5 80 4 3 2 20 0 0\ncpu1 1 0 0 9 0 0 0 0 0 0\ncpu2 7 0 0 0 0 0 0 0 0 0\nintr 1';
  assert.deepEqual(processorTime(stat, 'Cpus_allowed:\tff\nCpus_allowed_list:\t0-1\n'), {
    count: 2,
    totalMs: 1350,
    idleMs: 930,
    programsMs: 170,
    stolenMs: 200,
  });
  assert.equal(processorTime(stat, 'Cpus_allowed_list:\t0,2-3\n')?.count, 2);
  assert.equal(processorTime(stat, '')?.count, 3);
  assert.equal(processorTime('no such thing', ''), undefined);
});

void test('the CPU limits of a control group and of those above it are found, in both versions of cgroups', () => {
  assert.deepEqual(limitedPeriods('usage_usec 5\nnr_periods 10\nnr_throttled 4\nthrottled_usec 7\n'), {
    periods: 10,
    stopped: 4,
  });
  assert.equal(limitedPeriods('usage_usec 5\n'), undefined);
  assert.deepEqual(limitFiles('0::/a.slice/b.scope\n'), [
    '/sys/fs/cgroup/a.slice/b.scope/cpu.stat',
    '/sys/fs/cgroup/a.slice/cpu.stat',
    '/sys/fs/cgroup/cpu.stat',
  ]);
  assert.deepEqual(limitFiles('5:memory:/x\n4:cpu,cpuacct:/\n'), [
    '/sys/fs/cgroup/cpu,cpuacct/cpu.stat',
    '/sys/fs/cgroup/cpu/cpu.stat',
  ]);
});

/** What is read of two processors, as shares of them. */
interface Load {
  seconds: number;
  own?: number;
  others?: number;
  interrupts?: number;
  stolen?: number;
  /** Share of the time. */
  waited?: number;
  runnable?: number;
  /** Share of the periods. */
  stopped?: number;
}

const readingsOf = (loads: readonly Load[], without: readonly (keyof MachineReading)[] = []): MachineReading[] => {
  const time = { count: 2, totalMs: 0, idleMs: 0, programsMs: 0, stolenMs: 0 };
  const sums = { atMs: 0, ownMs: 0, waitedMs: 0, periods: 0, stopped: 0 };
  const readings: MachineReading[] = [];
  const read = (runnable: number): void => {
    const { atMs, ownMs, waitedMs, periods, stopped } = sums;
    const all = { atMs, processors: { ...time }, ownMs, waitedMs, runnable, limited: { periods, stopped } };
    readings.push({ ...all, ...Object.fromEntries(without.map((name) => [name, undefined])), atMs });
  };
  read(1);
  for (const load of loads) {
    const { own = 0, others = 0, interrupts = 0, stolen = 0, waited = 0, runnable = 1, stopped = 0 } = load;
    for (let half = 0; half < load.seconds * 2; half++) {
      time.totalMs += 1000;
      time.programsMs += 1000 * (own + others);
      time.stolenMs += 1000 * stolen;
      time.idleMs += 1000 * (1 - own - others - interrupts - stolen);
      sums.atMs += 500;
      sums.ownMs += 1000 * own;
      sums.waitedMs += 500 * waited;
      sums.periods += 5;
      sums.stopped += 5 * stopped;
      read(runnable);
    }
  }
  return readings;
};

const taken: Load = { seconds: 10, own: 0.1, others: 0.9, waited: 0.6, runnable: 4 };
const quiet: Load = { seconds: 10, own: 0.3, others: 0.05, waited: 0.1, runnable: 2 };

const cases: {
  about: string;
  loads: Load[];
  without?: (keyof MachineReading)[];
  expected: (keyof Saturation)[];
}[] = [
  { about: 'others take nearly all', loads: [taken], expected: ['othersShare', 'waitedShare'] },
  { about: 'the same in two seconds', loads: [{ ...taken, seconds: 2 }], expected: ['othersShare'] },
  { about: 'the same without figures of waiting', loads: [taken], without: ['waitedMs'], expected: ['othersShare'] },
  { about: 'the same in too short a time to know', loads: [{ ...taken, seconds: 1.5 }], expected: [] },
  { about: 'the same without the own share', loads: [taken], without: ['ownMs'], expected: [] },
  { about: 'nothing to read', loads: [taken], without: ['processors', 'limited'], expected: [] },
  { about: 'only while it starts', loads: [{ ...taken, seconds: 1 }, quiet], expected: [] },
  {
    about: 'k6 and the target alone take all',
    loads: [{ ...taken, own: 0.97, others: 0.02, runnable: 9 }],
    expected: [],
  },
  {
    about: 'they take all with interrupts',
    loads: [{ ...taken, own: 0.6, others: 0.02, interrupts: 0.38 }],
    expected: [],
  },
  { about: 'others take what nobody else wants', loads: [{ ...taken, own: 0.01, others: 0.5 }], expected: [] },
  { about: 'all are busy, and hardly anything waits', loads: [{ ...taken, waited: 0.01 }], expected: [] },
  { about: 'no more want a processor than there are', loads: [{ ...taken, runnable: 2 }], expected: [] },
  { about: 'a machine with time to spare', loads: [quiet], expected: [] },
  {
    about: 'a second of a long run',
    loads: [
      { ...quiet, seconds: 30 },
      { ...taken, seconds: 1 },
    ],
    expected: [],
  },
  {
    about: 'a third of a long run',
    loads: [{ ...quiet, seconds: 20 }, taken],
    expected: ['othersShare', 'waitedShare'],
  },
  {
    about: 'the hypervisor takes a part',
    loads: [{ ...quiet, stolen: 0.3 }],
    expected: ['stolenShare', 'waitedShare'],
  },
  { about: 'the hypervisor takes little', loads: [{ ...quiet, stolen: 0.05 }], expected: [] },
  { about: 'a CPU limit stops it', loads: [{ ...quiet, stopped: 0.6 }], expected: ['stoppedShare', 'waitedShare'] },
  { about: 'a CPU limit stops it now and then', loads: [{ ...quiet, stopped: 0.2 }], expected: [] },
];

for (const { about, loads, without, expected } of cases) {
  void test(`${about} → ${expected.join(', ') || 'no warning'}`, () => {
    const found = saturationOf(readingsOf(loads, without)) ?? {};
    const names = Object.keys(found).filter((name) => name.endsWith('Share'));
    assert.deepEqual(names, expected);
  });
}

void test('the figures are of the time in which it was saturated, of what was watched', () => {
  const found = saturationOf(readingsOf([{ ...quiet, seconds: 5 }, taken]));
  assert.deepEqual([found?.seconds, found?.watchedSeconds, found?.runnable], [10, 14, 4]);
  assert.ok(Math.abs((found?.othersShare ?? 0) - 0.9) < 1e-6);
});

void test('the busiest of the other programs is named, one that took little is not', () => {
  const before = new Map([[7, { name: 'old', ms: 5000 }]]);
  const after = new Map([
    [7, { name: 'old', ms: 5500 }],
    [8, { name: 'new', ms: 4000 }],
  ]);
  assert.deepEqual(busiestOf(before, after, 10_000), { pid: 8, name: 'new', share: 0.4 });
  assert.equal(busiestOf(before, after, 100_000), undefined);
});

const saturation: Saturation = {
  seconds: 8.04,
  watchedSeconds: 10,
  othersShare: 0.924,
  stolenShare: 0.2,
  stoppedShare: 0.5,
  waitedShare: 0.6,
  runnable: 4,
  busiest: { pid: 4711, name: '::error::<b>|', share: 0.48 },
};

void test('a warning says what was seen and what to do', () => {
  const { stolenShare: _, stoppedShare: __, busiest: ___, waitedShare: ____, ...others } = saturation;
  assert.equal(
    saturationText(others),
    "This machine was short of processor time for 8.0 of 10.0 s: other processes took 92 % of it; 4.0 processes on average wanted a processor. Times and timeouts may be the machine's, not the service's. Run again without those processes, unless one of them is the service under test.",
  );
  assert.match(
    saturationText(saturation),
    /the hypervisor gave 20 % of it to other machines; the CPU limit of this container stopped its processes in 50 % of its periods; a process waited for a processor 60 % of the time\./,
  );
  assert.match(
    saturationText(saturation),
    /and run again on a machine that does not share its processors, and raise the CPU limit\.$/,
  );
  assert.ok(!saturationText(saturation).includes('::error'), 'a name of a process is no CI command');
});

void test('Markdown and JUnit have the warning once, next to the verdict', () => {
  const record: RunRecord = { ...runRecord('x'), saturation };
  const markdown = markdownSummary(record);
  assert.match(markdown, /^## PASS[^\n]*\n\n\*\*PASS: [^\n]*\*\*\n\nWarning: This machine was short of processor time/);
  assert.ok(!markdown.includes('<b>') && markdown.split('short of processor time').length === 2);
  assert.match(junitXml(record), /<property name="warning" value="This machine was short[^"]*&lt;b&gt;/);
});

void test(
  "short processes that a command starts count as the run's own, while it runs and once it has ended",
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async (t) => {
    const child = 'j=0; while [ $j -lt 20000 ]; do j=$((j+1)); done';
    // What sh itself counts, behind what its children took (POSIX, times).
    const script = `i=0; while [ $i -lt 15 ]; do sh -c '${child}'; i=$((i+1)); done; times; read _`;
    const before = ownMs() ?? assert.fail('no /proc');
    const command = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => command.kill('SIGKILL'));
    let told = '';
    command.stdout.setEncoding('utf8').on('data', (text: string) => (told += text));
    while (told.split('\n').length < 3) await once(command.stdout, 'data');
    const times = told.split('\n')[1]?.matchAll(/(\d+)m([\d.]+)s/g) ?? [];
    const takenMs = [...times].reduce(
      (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1000,
      0,
    );
    assert.ok(takenMs > 100, told);
    assert.ok((ownMs() ?? 0) - before >= takenMs - 50, told);
    command.stdin.end();
    await once(command, 'close');
    assert.ok((ownMs() ?? 0) - before >= takenMs - 50, told);
  },
);

const isPossible =
  process.platform === 'linux' && spawnSync('taskset', ['-c', '0', 'true']).status === 0
    ? false
    : 'needs Linux and taskset, to make a machine of one processor';

/** A scenario against the reference target on one processor, with other processes that keep it busy; what was printed and written. */
const runBeside = async (
  t: TestContext,
  busy: number,
): Promise<{ output: string; record: RunRecord; report: string }> => {
  const base = temporaryDirectory(t);
  // They end by themselves, should nobody end them.
  const loop = 'const end = Date.now() + 120_000; while (Date.now() < end);';
  const others = Array.from({ length: busy }, () =>
    spawn('taskset', ['-c', '0', process.execPath, '-e', loop], { stdio: 'ignore' }),
  );
  t.after(() => others.forEach((other) => other.kill('SIGKILL')));
  const load = ['--vus', '1', '--duration', '6s'];
  const args = ['-c', '0', process.execPath, cliPath, 'run', 'single', '--with-target', ...load];
  const run = spawn('taskset', args, {
    cwd: base,
    env: { ...cleanEnv(), K6_BIN: await k6Path() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => run.kill('SIGKILL'));
  let output = '';
  for (const stream of [run.stdout, run.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  await once(run, 'close');
  const [id = ''] = readdirSync(path.join(base, 'stress-results/runs'));
  const read = (name: string): string => readFileSync(path.join(base, 'stress-results/runs', id, name), 'utf8');
  return { output, record: JSON.parse(read('run.json')) as RunRecord, report: read('report.html') };
};

void test(
  'two other busy processes are named beside the verdict, on the terminal and in the report',
  { skip: isPossible },
  async (t) => {
    const { output, record, report } = await runBeside(t, 2);
    assert.ok((record.saturation?.othersShare ?? 0) >= 0.25, output);
    assert.match(
      output.replaceAll(/\s+/g, ' '),
      /warning: This machine was short of processor time for [0-9.]+ of [0-9.]+ s: other processes took \d+ % of it.*under test\. [A-Z ]+: [^:]*$/,
    );
    assert.match(report, /<h2>This machine was short of processor time[^]*?<p class="quiet">Warning\. /);
  },
);

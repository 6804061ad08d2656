import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { packageRoot } from '../cli/shared/package-root.ts';
import { readBaseline, writeBaseline } from '../cli/results/baseline-file.ts';
import { compareSides, type Comparison, type Side } from '../cli/results/compare-runs.ts';
import { comparisonDocument, comparisonText } from '../cli/results/compare-text.ts';
import { runFolder } from '../cli/results/run-folder.ts';
import { readRunValues, type MetricSample } from '../cli/results/run-values.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { runProgram } from './k6.ts';
import { sessionLine } from './records.ts';
import { runRecord } from './run-records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const sample = (values: number[], more: Partial<MetricSample> = {}): MetricSample => ({
  test: 'concurrent',
  name: 'session',
  unit: 'ms',
  better: 'lower',
  values,
  seen: values.length,
  ...more,
});

/** A side of runs, each with the values of one metric. */
const sideOf = (runs: number[][], record: Partial<RunRecord> = {}, more: Partial<MetricSample> = {}): Side => ({
  records: runs.map((_, at) => runRecord(`r${at}`, record)),
  values: runs.map((values) => ({ metrics: new Map([['m', sample(values, more)]]) })),
});

/** So many values around a middle, in the same pattern each time. */
const around = (middle: number, count = 50): number[] =>
  Array.from({ length: count }, (_, at) => middle * (0.8 + (0.4 * ((at * 7) % count)) / count));

const withSessions = (successful: number, failed: number): Partial<RunRecord> => {
  const [round] = runRecord('r').rounds;
  return { rounds: round ? [{ ...round, successful, failed }] : [] };
};

const metricOf = ({ metrics }: Comparison) => metrics[0];

void test('a metric that is worse by more than tolerance and chance is a regression, and the other way round better', () => {
  const worse = compareSides(sideOf([around(100)]), sideOf([around(150)]), 10);
  assert.equal(worse.verdict, 'regression');
  assert.equal(metricOf(worse)?.status, 'regression');
  assert.equal(Math.round(metricOf(worse)?.changePercent ?? 0), 50);
  const better = compareSides(sideOf([around(150)]), sideOf([around(100)]), 10);
  assert.equal(better.verdict, 'too few', 'one run on a side');
  assert.equal(metricOf(better)?.status, 'better');
});

/** Four runs, each with values around a middle. */
const four = (middle: number): number[][] => Array.from({ length: 4 }, (_, at) => around(middle + at));

const idsOf = ({ records }: Side): string[] => records.map(({ run }) => run);

const textOf = (a: Side, b: Side): string => {
  const told = { ...compareSides(a, b, 10), a: idsOf(a), b: idsOf(b), tolerancePercent: 10, notes: [] };
  const [sentence = ''] = comparisonText(told).split('\n\n');
  return sentence.replaceAll(/\s+/g, ' ');
};

void test('nothing got worse only with runs enough to tell; the plain sentence comes first', () => {
  const same = compareSides(sideOf(four(100)), sideOf(four(101)), 10);
  assert.equal(same.verdict, 'no regression');
  assert.equal(compareSides(sideOf(four(100)), sideOf(four(101).slice(1)), 10).verdict, 'too few');
  assert.match(textOf(sideOf(four(100)), sideOf(four(101))), /^Nothing got worse, 4 runs against 4 runs/);
  assert.match(textOf(sideOf(four(100).slice(1)), sideOf(four(101))), /^Too few runs to tell, 3 runs against 4 runs/);
  assert.match(
    textOf(sideOf(four(380)), sideOf(four(610))),
    /^Slower: median of session 380 → 609 ms, 4 runs against 4 runs$/,
  );
  assert.match(textOf(sideOf(four(610)), sideOf(four(380))), /^Nothing got worse, .*\. Faster: median of session/);
  assert.match(
    textOf(sideOf([around(100)], withSessions(50, 0)), sideOf([around(200)], withSessions(40, 10))),
    /^Less reliable: 100 → 80 % of sessions succeeded, and 1 more figure got worse, 1 run against 1 run; at least 4/,
  );
  assert.match(
    textOf(sideOf(four(100), withStatus('PASS')), sideOf(four(100), withStatus('FAIL'))),
    /^Failing: timeouts count==0, 4 runs against 4 runs$/,
  );
});

void test('where more is better, less is the regression', () => {
  const rate = { better: 'higher', unit: 'lines/s' } as const;
  const less = compareSides(sideOf([around(150)], {}, rate), sideOf([around(100)], {}, rate), 10);
  assert.equal(metricOf(less)?.status, 'regression');
  const more = compareSides(sideOf([around(100)], {}, rate), sideOf([around(150)], {}, rate), 10);
  assert.equal(metricOf(more)?.status, 'better');
});

const wide = (middle: number) => Array.from({ length: 12 }, (_, at) => middle + at * 40);

const metricStatus = (a: number[], b: number[], tolerance = 10) =>
  metricOf(compareSides(sideOf([a]), sideOf([b]), tolerance))?.status;

void test('no regression: within the tolerance, by chance, of little effect, or below a millisecond', () => {
  assert.equal(metricStatus(around(100, 1000), around(108, 1000)), 'within noise', 'within the tolerance');
  assert.equal(metricStatus(around(100, 1000), around(108, 1000), 5), 'regression', 'beyond a smaller one');
  assert.equal(metricStatus(wide(100), wide(150)), 'within noise', 'by chance');
  const long = Array.from({ length: 5000 }, (_, at) => at);
  assert.equal(
    metricStatus(
      long,
      long.map((each) => each + 500),
    ),
    'within noise',
    'of little effect',
  );
  assert.equal(metricStatus(around(0.5, 1000), around(1.2, 1000)), 'within noise', 'below a millisecond');
});

void test('too few values are told, and do not pass as no regression', () => {
  const few = compareSides(
    sideOf([[1, 2, 3, 4, 5, 6, 7, 8, 9]], withSessions(2, 0)),
    sideOf([around(900)], withSessions(2, 0)),
    10,
  );
  assert.equal(metricOf(few)?.status, 'too few');
  assert.equal(few.success[0]?.status, 'too few');
  assert.equal(few.verdict, 'too few');
  const told = { ...few, a: ['r1'], b: ['r2'], tolerancePercent: 10, notes: [] };
  assert.match(comparisonText(told), /session .* too few \(9, 50\)/);
  assert.match(
    comparisonText(told).replaceAll(/\s+/g, ' '),
    /^Too few runs to tell, .* 2 of 2 figures have fewer than 10 values or sessions to tell/,
  );
  assert.match(comparisonDocument(told), /too few \(9, 50\)/);
});

const successStatus = (a: [number, number], b: [number, number]) =>
  compareSides(sideOf([[]], withSessions(...a)), sideOf([[]], withSessions(...b)), 10).success[0]?.status;

void test('a success rate that falls by more than chance is a regression', () => {
  assert.equal(successStatus([50, 0], [40, 10]), 'regression');
  assert.equal(successStatus([40, 10], [50, 0]), 'better');
  assert.equal(successStatus([50, 0], [48, 2]), 'within noise');
  assert.equal(successStatus([3, 0], [0, 3]), 'too few');
});

const withStatus = (status: RunRecord['criteria'][number]['status']): Partial<RunRecord> => ({
  criteria: [{ test: 'concurrent', selector: 'timeouts', expression: 'count==0', status, observed: 0 }],
});

const criterionStatus = (a: Partial<RunRecord>, b: Partial<RunRecord>) => {
  const { criteria, verdict } = compareSides(sideOf([[]], a), sideOf([[]], b), 10);
  return [criteria[0]?.status, verdict === 'regression'];
};

void test('a criterion that held and does not is a regression; one that was not asked is told', () => {
  assert.deepEqual(criterionStatus(withStatus('PASS'), withStatus('FAIL')), ['regression', true]);
  assert.deepEqual(criterionStatus(withStatus('PASS'), withStatus('NO DATA')), ['regression', true]);
  assert.deepEqual(criterionStatus(withStatus('FAIL'), withStatus('PASS')), ['better', false]);
  assert.deepEqual(criterionStatus(withStatus('FAIL'), withStatus('FAIL')), ['same', false]);
  assert.deepEqual(criterionStatus(withStatus('PASS'), withStatus('NOT RUN')), ['other', false]);
  assert.deepEqual(criterionStatus(withStatus('PASS'), { criteria: [] }), ['other', false]);
});

void test('of repeated runs, the medians of runs must agree: one slow run among five is chance', () => {
  const usual = [100, 101, 99, 102, 98].map((each) => around(each));
  const oneSlow = [100, 101, 99, 102, 900].map((each) => around(each, each === 900 ? 500 : 50));
  const chance = metricOf(compareSides(sideOf(usual), sideOf(oneSlow), 10));
  assert.ok(chance && chance.p < 0.01 && (chance.runsP ?? 0) > 0.05);
  assert.equal(chance.status, 'within noise');
  const allSlow = metricOf(
    compareSides(sideOf(usual), sideOf([150, 151, 152, 149, 148].map((each) => around(each))), 10),
  );
  assert.equal(allSlow?.status, 'regression');
  assert.ok((allSlow.runsP ?? 1) < 0.01);
  const three = metricOf(compareSides(sideOf(usual.slice(2)), sideOf(oneSlow.slice(2)), 10));
  assert.equal(three?.runsP, undefined);
});

void test('a run held against itself is never a regression', () => {
  const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 60 });
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 6 }), fc.nat(50), fc.nat(50), (runs, ok, failed) => {
      const side = sideOf(runs, withSessions(ok, failed));
      const { verdict, metrics, criteria } = compareSides(side, side, 0);
      assert.notEqual(verdict, 'regression');
      for (const { delta, status } of metrics) {
        assert.equal(Math.abs(delta) < 1e-12, true);
        assert.ok(status === 'within noise' || status === 'too few');
      }
      assert.ok(criteria.every(({ status }) => status === 'same'));
    }),
  );
});

/** Leaves a run with sessions of these durations in a folder of results. */
const leaveRun = (base: string, id: string, durations: readonly number[], more: Partial<RunRecord> = {}): void => {
  const folder = runFolder(base, id);
  mkdirSync(folder.path, { recursive: true });
  const total = { ...runRecord(id).total, successful: durations.length };
  const { rounds } = withSessions(durations.length, 0);
  writeFileSync(folder.run, JSON.stringify(runRecord(id, { total, ...(rounds && { rounds }), ...more })));
  const lines = durations.map((durationMs, session) => sessionLine({ kind: 'ok' }, { round: 1, session, durationMs }));
  writeFileSync(folder.records, lines.map((line) => `${line}\n`).join(''));
};

const cli = (base: string, ...args: string[]) =>
  runProgram(process.execPath, [path.join(packageRoot, 'cli/ws-stress.mjs'), ...args], { cwd: path.dirname(base) });

/** The default folder of results of a working directory. */
const newResults = (t: TestContext): string => path.join(temporaryDirectory(t), 'stress-results');

const folderWith = (t: TestContext): string => {
  const base = newResults(t);
  leaveRun(base, 'r1', around(100));
  leaveRun(base, 'r2', around(101));
  leaveRun(base, 'slow', around(200));
  return base;
};

void test('ws-stress compare exits with 1 for a regression, 0 for none, and writes JSON and Markdown', async (t) => {
  const base = folderWith(t);
  const none = await cli(base, 'compare', 'r1', 'r2');
  assert.equal(none.code, 0, none.stderr);
  assert.match(none.stdout, /^Too few runs to tell, 1 run against 1 run: at least 4 runs on each side/);
  const worse = await cli(base, 'compare', 'r1', 'stress-results/runs/slow', '--markdown', 'slow.md');
  assert.equal(worse.code, 1, worse.stderr);
  assert.match(worse.stdout, /^ {2}session +[\d.]+ ms +[\d.]+ ms +\+100 % +1\.00 +<0\.0001 +– +regression$/m);
  assert.match(worse.stdout, /^Slower: median of session [\d.]+ → \d+ ms, 1 run against 1 run; at least 4/);
  const document = readFileSync(path.join(base, '../slow.md'), 'utf8');
  assert.match(document, /\*\*Slower: median of session /);
  assert.match(document, /^\| session \| .* \| regression \|$/m);
  const json = await cli(base, 'compare', 'r1', 'slow', '--json');
  assert.equal(json.code, 1);
  const told = JSON.parse(json.stdout) as { type: string; version: number; verdict: string };
  assert.deepEqual([told.type, told.version, told.verdict], ['comparison', 1, 'regression']);
  assert.equal((await cli(base, 'compare', 'r1', 'slow', '--tolerance', '150')).code, 0);
  assert.equal((await cli(base, 'compare', 'r1,r2', 'slow')).code, 1);
  assert.equal((await cli(newResults(t), 'compare', 'r1', 'slow', '--folder', base)).code, 1);
});

void test('runs that are not alike are refused with what differs, unless it is forced', async (t) => {
  const base = folderWith(t);
  const machine = runRecord('m').machine as NonNullable<RunRecord['machine']>;
  const cases: [string, Partial<RunRecord>, RegExp][] = [
    ['scenario', { test: 'single' }, /r1, other: scenario: concurrent, single/],
    ['setting', { settings: { STRESS_VUS: '60' } }, /STRESS_VUS: 50, 60/],
    ['one more setting', { settings: { STRESS_VUS: '50', STRESS_RATE: '5' } }, /STRESS_RATE: not set, 5/],
    ['machine', { machine: { ...machine, cores: 4 } }, /cores: 2, 4/],
    ['k6', { k6Version: '2.3.0' }, /k6: 2\.2\.0, 2\.3\.0/],
    ['address', { url: 'ws://elsewhere/ws/mcp' }, /address: ws:\/\/localhost:8003\/ws\/mcp, ws:\/\/elsewhere\/ws\/mcp/],
    ['cut short', { cutShort: true, verdict: 'FAIL' }, /cut short: no, yes/],
  ];
  for (const [what, more, told] of cases) {
    leaveRun(base, 'other', around(100), more);
    const refused = await cli(base, 'compare', 'r1', 'other');
    assert.equal(refused.code, 2, what);
    assert.match(refused.stderr, told);
    assert.match(refused.stderr, /use --force to compare them anyway/);
  }
  leaveRun(base, 'same', around(100), { settings: { STRESS_ROUNDS: '50', STRESS_PAUSE: '1s' } });
  assert.equal((await cli(base, 'compare', 'r1', 'same')).code, 0, 'a default spelled out differs in nothing');
  leaveRun(base, 'other', around(100), { k6Version: '2.3.0' });
  const forced = await cli(base, 'compare', 'r1', 'other', '--force');
  assert.equal(forced.code, 0, forced.stderr);
  assert.match(forced.stdout, /note: not alike: r1, other: k6: 2\.2\.0, 2\.3\.0/);
  leaveRun(base, 'r8', around(100), { machine: undefined as never });
  leaveRun(base, 'r9', around(100), { machine: undefined as never });
  const unknown = await cli(base, 'compare', 'r8', 'r9');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /cores: unknown, unknown/);
});

void test('runs that prove nothing are refused always', async (t) => {
  const base = folderWith(t);
  for (const verdict of ['INVALID', 'NOT RUN', 'NOT APPLICABLE'] as const) {
    leaveRun(base, 'other', around(100), { verdict });
    const refused = await cli(base, 'compare', 'r1', 'other', '--force');
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, new RegExp(`run other: its verdict is ${verdict}`));
  }
});

void test('what cannot be found or read is refused with 2, which no regression has', async (t) => {
  const base = folderWith(t);
  const refused = async (told: RegExp, ...args: string[]): Promise<void> => {
    const { code, stderr } = await cli(base, 'compare', ...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, told);
  };
  await refused(/expected one run, or two, received 0/);
  await refused(/expected one run, or two, received 3/, 'r1', 'r2', 'slow');
  await refused(/--tolerance: expected percent, such as 10, received "much"/, 'r1', 'r2', '--tolerance', 'much');
  await refused(/no such option: --tolerence/, 'r1', 'r2', '--tolerence', '3');
  await refused(/expected the id of a run .* received \.\.\/\.\.\/elsewhere/, 'r1', '../../elsewhere');
  await refused(/expected each run once on a side, received r1 twice/, 'r1,r1', 'r2');
  await refused(/received an empty one/, 'r1,', 'r2');
  await refused(
    /expected a baseline of concurrent at ws:\/\/localhost:8003\/ws\/mcp, 50 sessions at once, found none/,
    'r1',
  );
  writeFileSync(runFolder(base, 'r2').run, '{"type":"run"');
  await refused(/run\.json: expected a record/, 'r1', 'r2');
  await refused(/ENOTDIR/, 'r1', 'slow', '--markdown', 'stress-results/runs/r1/run.json/x.md');
});

void test('records that are missing or not of all sessions are told, and no durations of them compared', async (t) => {
  const base = folderWith(t);
  rmSync(runFolder(base, 'slow').records);
  const missing = await cli(base, 'compare', 'r1', 'slow');
  assert.equal(missing.code, 0, missing.stderr);
  assert.match(missing.stdout, /note: run slow: it has no session records: no durations of it are compared/);
  assert.match(missing.stdout, /session .* too few \(50, 0\)/);
  const { records } = runFolder(base, 'r2');
  writeFileSync(records, readFileSync(records, 'utf8').split('\n').slice(0, 20).join('\n'));
  const partial = await cli(base, 'compare', 'r1', 'r2');
  assert.match(partial.stdout, /note: run r2: it has records of 20 of 50 sessions/);
});

void test('of many values a sample is kept, the same each time, and its middle is that of all', async (t) => {
  const base = temporaryDirectory(t);
  const durations = Array.from({ length: 20_000 }, (_, at) => (at * 7919) % 20_000);
  leaveRun(base, 'r1', durations);
  const read = () => readRunValues(runFolder(base, 'r1').records, { total: { ...runRecord('r1').total } }, 500);
  const [first, second] = [await read(), await read()];
  assert.deepEqual(first, second);
  const session = first.metrics.get('concurrent\nsession');
  assert.equal(session?.values.length, 500);
  assert.equal(session.seen, 20_000);
  const mean = session.values.reduce((sum, each) => sum + each, 0) / 500;
  assert.ok(Math.abs(mean - 10_000) < 1300, `${mean}`);
});

void test('sessions of cases count by their controls only, and names without end are not kept', async (t) => {
  const file = path.join(temporaryDirectory(t), 'records.ndjson');
  const controls = [{ type: 'PAUSE', durationMs: 3 }];
  const lines = [sessionLine({ kind: 'ok' }, { case: 'pause', controls })];
  for (let at = 0; at < 500; at++) {
    lines.push(sessionLine({ kind: 'ok' }, { case: 'pause', controls: [{ type: `T${at}`, durationMs: 1 }] }));
  }
  writeFileSync(file, lines.join('\n'));
  const total = { ...runRecord('r1').total, successful: 0 };
  const { metrics, skipped } = await readRunValues(file, { total }, 10);
  assert.equal(metrics.size, 200);
  assert.deepEqual(metrics.get('concurrent\ncontrol PAUSE')?.values, [3]);
  assert.equal(metrics.get('concurrent\nsession'), undefined);
  assert.match(skipped ?? '', /more than 200 metrics/);
});

void test('a baseline is set, shown, kept for other scenarios, and used by compare', async (t) => {
  const base = folderWith(t);
  assert.match((await cli(base, 'baseline')).stdout, /no baseline is set/);
  const set = await cli(base, 'baseline', 'r1', 'stress-results/runs/r2');
  assert.equal(set.code, 0, set.stderr);
  const group = 'at ws://localhost:8003/ws/mcp, 50 sessions at once';
  assert.equal(set.stdout, `concurrent ${group}: r1, r2\n`);
  leaveRun(base, 'alone', [10], { test: 'single' });
  assert.equal((await cli(base, 'baseline', 'alone')).stdout, `concurrent ${group}: r1, r2\nsingle ${group}: alone\n`);
  assert.equal((await cli(base, 'compare', 'slow')).code, 1);
  assert.equal((await cli(base, 'compare', 'r2')).code, 0);
  rmSync(runFolder(base, 'r1').path, { recursive: true });
  const gone = await cli(base, 'compare', 'slow');
  assert.equal(gone.code, 2);
  assert.match(gone.stderr, /expected the id of a run/);
});

void test('what can be no baseline is refused, all of it, and the one before stays', async (t) => {
  const base = folderWith(t);
  await writeBaseline(base, [{ test: 'concurrent', runs: ['r1'] }]);
  leaveRun(base, 'invalid', [1], { verdict: 'INVALID' });
  leaveRun(base, 'other', [1], { settings: { STRESS_VUS: '9' } });
  const elsewhere = temporaryDirectory(t);
  leaveRun(elsewhere, 'far', [1]);
  const refused = await cli(base, 'baseline', 'r1', 'r1', 'invalid', 'other', '../x', path.join(elsewhere, 'runs/far'));
  assert.equal(refused.code, 2);
  for (const told of [
    /expected each run once, received r1 twice/,
    /run invalid: its verdict is INVALID/,
    /run other: expected a run like r1; STRESS_VUS: 50, 9/,
    /expected the id of a run .* received \.\.\/x/,
    /expected a run in .*runs, received .*far/,
  ]) {
    assert.match(refused.stderr, told);
  }
  assert.deepEqual(await readBaseline(base), [{ test: 'concurrent', runs: ['r1'] }]);
});

void test('a baseline is of one scenario, address and load; one of an earlier release is of any, until it is set anew', async (t) => {
  const base = folderWith(t);
  leaveRun(base, 'other', around(100), { settings: { STRESS_VUS: '9' } });
  leaveRun(base, 'far', around(100), { url: 'ws://far/ws' });
  leaveRun(base, 'same', around(100), { settings: { STRESS_ROUNDS: '50' } });
  await cli(base, 'baseline', 'r1');
  await cli(base, 'baseline', 'other');
  assert.deepEqual(
    (await readBaseline(base)).map(({ runs }) => runs),
    [['r1'], ['other']],
  );
  const against = async (run: string): Promise<string | undefined> =>
    /^A {2}(.*)$/m.exec((await cli(base, 'compare', run)).stdout)?.[1];
  assert.deepEqual([await against('slow'), await against('same'), await against('far')], ['r1', 'r1', undefined]);
  await writeBaseline(base, [{ test: 'concurrent', runs: ['r1'] }]);
  assert.equal(await against('slow'), 'r1');
  await cli(base, 'baseline', 'r2');
  assert.deepEqual(
    (await readBaseline(base)).map(({ runs }) => runs),
    [['r2']],
  );
});

void test('a broken baseline, another version of it, and ids that lead elsewhere are refused', async (t) => {
  const base = folderWith(t);
  mkdirSync(path.join(base, 'history'));
  const file = path.join(base, 'history', 'baseline.json');
  const baseline = { type: 'baseline', version: 1, scenarios: [{ test: 'concurrent', runs: ['r1'] }] };
  for (const [text, told] of [
    ['{', /expected a baseline/],
    [JSON.stringify({ ...baseline, version: 2 }), /version: expected 1, received 2/],
    [JSON.stringify({ ...baseline, scenarios: [{ test: 'concurrent', runs: ['../../x'] }] }), /the id of a run/],
  ] as const) {
    writeFileSync(file, text);
    const refused = await cli(base, 'compare', 'slow');
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, told);
  }
});

void test('hostile names are shown and not interpreted', () => {
  const name = '\u001b[2J<b>|`x`';
  const comparison = compareSides(sideOf([around(1)], {}, { name }), sideOf([around(1)], {}, { name }), 10);
  const told = { ...comparison, a: ['r1'], b: ['r2'], tolerancePercent: 10, notes: [name] };
  assert.ok(!comparisonText(told).includes('\u001b'));
  const document = comparisonDocument(told);
  assert.ok(!document.includes('<b>') && !document.includes('\u001b'));
});

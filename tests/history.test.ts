import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { historyDocument, pictureName, writeHistory } from '../cli/results/history-document.ts';
import { appendRun, historyFile, readHistory, rememberRun } from '../cli/results/history-file.ts';
import { historyOf, standingOf, type ScenarioHistory } from '../cli/results/history-summary.ts';
import { historyText, sparkline } from '../cli/results/history-text.ts';
import { percent } from '../lib/text/quantities.ts';
import { changesBetween } from '../cli/results/run-differences.ts';
import { runFolder } from '../cli/results/run-folder.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { compiledProgram } from './compiled-program.ts';
import { runProgram } from './k6.ts';
import { runRecord } from './run-records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const readAll = async (base: string): Promise<{ ids: string[]; problems: string[] }> => {
  const ids: string[] = [];
  const problems: string[] = [];
  for await (const read of readHistory(base)) {
    if ('problem' in read) problems.push(read.problem);
    else ids.push(read.record.run);
  }
  return { ids, problems };
};

const withHistory = (t: TestContext, text: string): string => {
  const base = path.join(temporaryDirectory(t), 'stress-results');
  mkdirSync(path.join(base, 'history'), { recursive: true });
  writeFileSync(historyFile(base), text);
  return base;
};

const lineOf = (run: string, more: Partial<RunRecord> = {}): string => `${JSON.stringify(runRecord(run, more))}\n`;

const summed = (...records: RunRecord[]): ScenarioHistory[] => {
  const history = historyOf(1000);
  for (const record of records) history.add(record);
  return history.scenarios();
};

const cli = (base: string, ...args: string[]) =>
  runProgram(process.execPath, [path.join(packageRoot, 'cli/ws-stress.mjs'), ...args], {
    cwd: path.dirname(base),
  });

void test('two processes that append at once lose no run', async (t) => {
  const base = temporaryDirectory(t);
  const script = compiledProgram('append-runs.ts');
  const ends = ['a', 'b'].map((name) =>
    once(spawn(process.execPath, [script, base, name, '200'], { cwd: packageRoot, stdio: 'inherit' }), 'exit'),
  );
  assert.deepEqual(await Promise.all(ends), [
    [0, null],
    [0, null],
  ]);
  const { ids, problems } = await readAll(base);
  assert.deepEqual(problems, []);
  assert.equal(ids.length, 400);
  assert.equal(new Set(ids).size, 400);
});

void test('a torn last line is told and skipped, and the next run does not run into it', async (t) => {
  const base = withHistory(t, lineOf('r1') + lineOf('r2').slice(0, 100));
  const torn = await readAll(base);
  assert.deepEqual(torn.ids, ['r1']);
  assert.match(torn.problems.join('\n'), /runs\.jsonl:2: expected a record.*the last line was torn/);
  await appendRun(base, runRecord('r3'));
  const after = await readAll(base);
  assert.deepEqual(after.ids, ['r1', 'r3']);
  assert.equal(after.problems.length, 1);
});

void test('broken lines in the middle, other versions and other records are told by number, and lose nothing else', async (t) => {
  const other = { ...runRecord('r9'), version: 2 };
  const wrong = { ...runRecord('r8'), startedAt: 'yesterday' };
  const lines = [
    lineOf('r1'),
    '{"type":"run","ver\n',
    `${JSON.stringify(other)}\n`,
    `${JSON.stringify(wrong)}\n`,
    '\n',
  ];
  const base = withHistory(t, `${lines.join('')}${lineOf('r2')}`);
  const { ids, problems } = await readAll(base);
  assert.deepEqual(ids, ['r1', 'r2']);
  const told = problems.join('\n');
  assert.match(told, /runs\.jsonl:2: expected a record, a JSON object; received no JSON/);
  assert.match(told, /runs\.jsonl:3: expected version 1 of the run record, received 2/);
  assert.match(told, /runs\.jsonl:4: the run record: startedAt: expected/);
  assert.equal(problems.length, 3);
});

void test('an empty history and none at all have no run; one that is no file throws', async (t) => {
  assert.deepEqual(await readAll(withHistory(t, '')), { ids: [], problems: [] });
  const base = temporaryDirectory(t);
  assert.deepEqual(await readAll(base), { ids: [], problems: [] });
  mkdirSync(historyFile(base), { recursive: true });
  await assert.rejects(readAll(base), /EISDIR/);
});

void test('a run that is in the history twice counts once', async (t) => {
  const base = withHistory(t, lineOf('r1') + lineOf('r2') + lineOf('r1', { verdict: 'FAIL' }));
  assert.deepEqual((await readAll(base)).ids, ['r1', 'r2']);
});

void test('a history that cannot be written is said, and the run goes on', async (t) => {
  const base = temporaryDirectory(t);
  writeFileSync(path.join(base, 'history'), 'a file in its place');
  const said = t.mock.method(console, 'error', () => {});
  await rememberRun(runFolder(base, 'r1'), runRecord('r1'));
  assert.match(
    String(said.mock.calls[0]?.arguments[0]),
    /^history: expected to append the run to .*; ws-stress history lacks this run$/,
  );
});

void test('a PASS is a success and a FAIL a failure; other verdicts are neither, and told', () => {
  const verdicts = ['PASS', 'FAIL', 'INVALID', 'NOT RUN', 'NOT APPLICABLE', 'INVALID', 'PASS'] as const;
  const [scenario] = summed(
    ...verdicts.map((verdict, at) =>
      runRecord(`r${at}`, { verdict, startedAt: `2025-06-25T14:3${at === 3 ? 9 : at}:00.000Z` }),
    ),
  );
  assert.ok(scenario);
  const { success, failure, executions, neither, lastUpdated } = scenario;
  assert.deepEqual({ success, failure, executions }, { success: 2, failure: 1, executions: 7 });
  assert.deepEqual(neither, { INVALID: 2, 'NOT RUN': 1, 'NOT APPLICABLE': 1 });
  assert.equal(lastUpdated, '2025-06-25T14:39:00.000Z');
  assert.match(historyText([scenario], 10), /neither: 2 INVALID, 1 NOT RUN, 1 NOT APPLICABLE/);
});

const standing = (success: number, failure: number) => {
  const { graduated, missing } = standingOf({ success, failure });
  return [graduated, missing];
};

void test('ten successes for each failure graduate a test, in ten runs or more', () => {
  assert.deepEqual(standing(9, 0), [false, 1]);
  assert.deepEqual(standing(10, 0), [true, 0]);
  assert.deepEqual(standing(9, 1), [false, 1]);
  assert.deepEqual(standing(10, 1), [true, 0]);
  assert.deepEqual(standing(19, 2), [false, 1]);
  assert.deepEqual(standing(20, 2), [true, 0]);
  assert.deepEqual(standing(0, 0), [false, 10]);
});

void test('what changed between runs is told: settings, criteria, bundle, versions, service, machine', () => {
  const before = runRecord('r1');
  const after = runRecord('r2', {
    settings: { STRESS_RATE: '5' },
    criteria: [
      { test: 'concurrent', selector: 'session_success', expression: 'rate>=0.95', status: 'PASS', observed: 1 },
      { test: 'concurrent', selector: 'unsettled', expression: 'count==0', status: 'PASS', observed: 0 },
    ],
    bundle: 'ffff',
    suiteVersion: '0.2.0',
    k6Version: '2.3.0',
    service: { name: 'cc_executor', version: '1.1.0' },
    machine: { system: 'linux 6.1 x64', cpu: 'AMD EPYC', cores: 4, memoryBytes: 8 * 2 ** 30 },
  });
  assert.deepEqual(
    changesBetween(before, after).map(({ what, before, after }) => `${what}: ${before} > ${after}`),
    [
      'setting STRESS_VUS: 50 > undefined',
      'setting STRESS_RATE: undefined > 5',
      'criterion concurrent session_success: rate>=0.9 > rate>=0.95',
      'criterion concurrent timeouts: count==0 > undefined',
      'criterion concurrent unsettled: undefined > count==0',
      'bundle: 09001a7b136f77db > ffff',
      'suite version: 0.1.0 > 0.2.0',
      'k6 version: 2.2.0 > 2.3.0',
      'service: cc_executor 1.0.0 > cc_executor 1.1.0',
      'machine: linux 6.1 x64, AMD EPYC, 2 cores, 8.0 GiB > linux 6.1 x64, AMD EPYC, 4 cores, 8.0 GiB',
    ],
  );
  assert.deepEqual(changesBetween(before, runRecord('r3')), []);
});

void test('only runs of the same scenario are held against each other', () => {
  const scenarios = summed(
    runRecord('r1'),
    runRecord('r2', { test: 'single', settings: {} }),
    runRecord('r3', { bundle: 'ffff' }),
  );
  const [concurrent, single] = scenarios;
  assert.deepEqual(
    concurrent?.evolution.map(({ from, to, changes }) => [from, to, changes.length]),
    [['r1', 'r3', 1]],
  );
  assert.deepEqual(single?.evolution, []);
});

void test('runs are grouped by address, scenario and load; a default equals the same value spelled out', () => {
  const groups = summed(
    runRecord('r1', { settings: {} }),
    runRecord('r2', { settings: { STRESS_ROUNDS: '5,10,20' } }),
    runRecord('r3', { url: 'wss://other:443/ws' }),
    runRecord('r4', { settings: { STRESS_VUS: '60' } }),
    runRecord('r5', { settings: { STRESS_ROUNDS: '60' } }),
    runRecord('r6', { url: 'ws://127.0.0.1:41001/ws/mcp', withTarget: true }),
    runRecord('r7', { url: 'ws://127.0.0.1:41002/ws/mcp', withTarget: true }),
  );
  assert.deepEqual(
    groups.map(({ address, load, runs }) => [address, load, runs.map(({ run }) => run).join()]),
    [
      ['ws://localhost:8003/ws/mcp', 'default (5, 10, 20 sessions at once)', 'r1,r2'],
      ['wss://other/ws', '50 sessions at once', 'r3'],
      ['ws://localhost:8003/ws/mcp', '60 sessions at once', 'r4,r5'],
      ['reference target', '50 sessions at once', 'r6,r7'],
    ],
  );
  const text = historyText(groups, 10);
  assert.match(text, /^concurrent at reference target\n {2}load {2}50 sessions at once$/m);
  const document = historyDocument(groups);
  assert.equal(new Set(document.match(/history\/trend-[^)]+/g)).size, 4);
});

const withP95 = (run: string, p95Ms: number) => runRecord(run, { total: { ...runRecord('r').total, p95Ms } });

void test('a group says first in a plain sentence what changed', () => {
  const slower = [380, 381, 379, 382, 610, 611, 609, 612].map((each, index) => withP95(`r${index}`, each));
  const [group] = summed(...slower, runRecord('other', { test: 'single' }));
  assert.deepEqual(group?.change, {
    status: 'worse',
    sentence: 'Slower: p95 of sessions 381 → 611 ms over 8 runs',
  });
  assert.match(historyText(summed(...slower), 3), /^concurrent at .*\n.*\n {2}Slower: p95 of sessions 381 → 611 ms/);
});

void test('of many runs the last are kept, and how many there were is told', () => {
  const history = historyOf(5);
  for (let at = 0; at < 200; at++) history.add(runRecord(`r${at}`, { bundle: String(at) }));
  const [scenario] = history.scenarios();
  assert.equal(scenario?.runs.length, 5);
  assert.equal(scenario?.evolution.length, 50);
  assert.equal(scenario?.earlierEvolution, 149);
  assert.equal(scenario?.executions, 200);
});

void test('the list keeps to 80 columns and lets nothing move the cursor', () => {
  const hostile = `\u001b[2J${'x'.repeat(90)}`;
  const [scenario] = summed(
    runRecord(`20261124-163104-18eced`),
    runRecord('y'.repeat(100), {
      test: 'concurrent',
      verdict: 'NOT APPLICABLE',
      service: { name: hostile, version: hostile },
      total: { ...runRecord('r').total, successful: 999_999, failed: 1, p95Ms: 9_999_999 },
    }),
  );
  const text = historyText(scenario ? [scenario] : [], 10);
  for (const line of text.split('\n')) assert.ok(line.length <= 80, `${line.length}: ${line}`);
  assert.ok(!text.includes('\u001b'));
  assert.match(text, /20261124-163104-18eced {2}PASS {13}100 % {5}28\.0 ms/);
  assert.match(text, /99\.9 %/);
});

void test('shares never round to all or nothing, and bars show low and high', () => {
  assert.equal(percent(1), '100 %');
  assert.equal(percent(0.99999), '99.9 %');
  assert.equal(percent(0.00001), '0.1 %');
  assert.equal(percent(0), '0 %');
  assert.equal(percent(undefined), '–');
  assert.equal(sparkline([0, 0.5, 1, undefined], 0, 1), '▁▅█·');
  assert.equal(sparkline([5, 5], 5, 5), '▁▁');
});

const hostileName = '../../a"]( <script>alert(1)</script> | `x`';

void test('HISTORY.md shows hostile texts as text, and its pictures are in history/', async (t) => {
  const base = temporaryDirectory(t);
  const scenarios = summed(
    runRecord('r1', { test: hostileName }),
    runRecord('r2', { test: hostileName, service: { name: '<img src=x>', version: '1|2\n# Heading' } }),
    runRecord('r3'),
  );
  const file = await writeHistory(base, scenarios);
  const text = readFileSync(file, 'utf8');
  assert.doesNotMatch(text, /<script|<img|^# Heading/m);
  assert.match(text, /service: cc\\_executor 1\.0\.0 → &lt;img src=x&gt; 1\\\|2\\\\n\\# Heading/);
  const pictures = readdirSync(path.join(base, 'history')).filter((name) => name.endsWith('.svg'));
  assert.equal(pictures.length, 2);
  for (const name of pictures) assert.ok(text.includes(`](history/${name})`), name);
  const svg = readFileSync(path.join(base, 'history', pictureName(hostileName)), 'utf8');
  assert.match(svg, /^<svg /);
  assert.doesNotMatch(svg, /<script/);
  assert.ok(existsSync(path.join(base, 'history', 'trend-concurrent.svg')));
  assert.match(text, /!\[concurrent: one run on 2025-06-25 14:30 with 100 % success and 28\.0 ms p95\]/);
});

void test('pictures of two scenarios never take each other’s file', () => {
  assert.notEqual(pictureName('a/b'), pictureName('a-b'));
  assert.notEqual(pictureName('a/b'), pictureName('a.b'));
  assert.match(pictureName('../../etc/passwd'), /^trend-[\w-]+\.svg$/);
  assert.match(pictureName('x'.repeat(5000)), /^.{1,100}$/);
});

void test('a document of no run says what it is all the same', () => {
  assert.match(historyDocument([]), /# History of the tests/);
});

void test('ws-stress history lists, filters, prints JSON and writes the document', async (t) => {
  const base = withHistory(t, lineOf('r1') + lineOf('r2', { test: 'single', verdict: 'FAIL' }) + lineOf('r3'));
  appendFileSync(historyFile(base), '{torn');
  const list = await cli(base, 'history');
  assert.equal(list.code, 0, list.stderr);
  assert.match(
    list.stdout,
    /^concurrent at ws:\/\/localhost:8003\/ws\/mcp\n {2}load {2}50 sessions at once\n {2}Too few runs to tell, 2 of 8: p95 of sessions 28\.0 → 28\.0 ms\n\n {2}success 2, failure 0, executions 2\n/,
  );
  assert.match(
    list.stdout,
    /^single at ws:\S+\n {2}load {2}50 sessions at once\n {2}One run so far[^\n]*\n\n {2}success 0, failure 1, executions 1\n/m,
  );
  assert.match(list.stderr, /runs\.jsonl:4: .*skipped/);
  const json = await cli(base, 'history', '--json', '--test', 'concurrent', '--last', '1');
  const told = JSON.parse(json.stdout) as { scenarios: { test: string; success: number; runs: { run: string }[] }[] };
  assert.deepEqual(
    told.scenarios.map(({ test, success, runs }) => [test, success, runs.map(({ run }) => run)]),
    [['concurrent', 2, ['r3']]],
  );
  const written = await cli(base, 'history', '--write', '--test', 'single');
  assert.equal(written.code, 0, written.stderr);
  const document = readFileSync(path.join(base, 'HISTORY.md'), 'utf8');
  assert.match(document, /^\| concurrent \| ws:.* \| 50 sessions at once \| 2 \| 0 \| 2 \|/m);
  assert.match(document, /^\| single \| ws:.* \| 50 sessions at once \| 0 \| 1 \| 1 \|/m);
});

void test('ws-stress history says what is wrong with its options, all of it, and where there is no run yet', async (t) => {
  const base = withHistory(t, lineOf('r1'));
  const wrong = await cli(base, 'history', 'extra', '--last', '0', '--test', '');
  assert.equal(wrong.code, 2);
  for (const part of [/received extra/, /--last: expected a number from 1 to 1000, received "0"/, /--test: expected a/])
    assert.match(wrong.stderr, part);
  const unknown = await cli(base, 'history', '--test', 'concurent');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /expected a scenario of the history \(concurrent\), received concurent.*concurrent/);
  assert.equal((await cli(base, 'history', '--lst', '3')).code, 2);
  const none = await cli(base, 'history', '--folder', 'elsewhere');
  assert.equal(none.code, 0);
  assert.match(none.stdout, /no run is in .*elsewhere.*runs\.jsonl yet/);
  assert.match((await cli(base, 'history', '--help')).stdout, /Usage: ws-stress history/);
});

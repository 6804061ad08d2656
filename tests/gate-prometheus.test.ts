import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { askNumber } from '../cli/gate/prometheus.ts';
import { agreements, bucketGrowth, questionsFor } from '../cli/gate/promql.ts';
import { defaultThresholds } from '../cli/shared/scenarios.ts';
import { knownScenarios } from '../lib/load/thresholds.ts';
import { evaluateWholeTest, wholeProfile, type WholeTest } from '../cli/gate/whole-test.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { readCriteria, readInputs } from '../lib/load/inputs.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { hasPrometheus, startMachines, startPrometheus, type Machine } from './prometheus.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const token = 'not-to-be-shown';
const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
const here: Machine = (command, args) => [command, [...args]];

interface World {
  prometheus: string;
  url: string;
  folder: string;
  machines: Machine[];
}

const commands = ['simple', 'timed'].map((name) => ({
  name,
  class: name,
  command: `echo ${name} {session}`,
  proof: { lines: [`${name} {session}`] },
}));

const thresholds = {
  version: 1,
  scenarios: {
    single: { session_success: ['rate==1'] },
    concurrent: {
      session_success: ['rate>=0.9'],
      'session_success{round:each}': ['rate==1'],
      'sessions{outcome:failed-exit}': ['count<3'],
      output_lines: ['count>10'],
      session_duration: ['p(95)<60000', 'avg<60000', 'max<60000', 'min<60000'],
      'command_duration{class:simple}': ['p(90)<60000', 'med<60000'],
      'command_duration{class:paced}': ['p(95)<60000'],
      unsettled: ['count==0'],
    },
  },
};

const startWorld = async (t: TestContext, machineCount: number, faults: string[] = []): Promise<World> => {
  const { host, machines } = startMachines(t, machineCount);
  const target = await startTarget({ host, port: 0, token, allow: ['echo'], faults });
  t.after(() => target.close());
  const folder = temporaryDirectory(t);
  writeFileSync(path.join(folder, 'commands.json'), JSON.stringify({ version: 1, commands }));
  writeFileSync(path.join(folder, 'thresholds.json'), JSON.stringify(thresholds));
  return { prometheus: await startPrometheus(t, host), url: target.url, folder, machines };
};

interface Session {
  type: string;
  outcome: { kind: string };
  durationMs: number;
  commands: { class: string; durationMs: number }[];
}

/** k6's arguments for a part of a test whose metrics go to Prometheus. */
// prettier-ignore
const marked = (id: string, instance: number): string[] => [
  'run', '--quiet', '--no-usage-report', '--address', '',
  '--out', 'experimental-prometheus-rw', '--tag', `testrun_name=${id}`, '--tag', `instance_id=${instance}`,
];

/** Runs one k6 of a test; returns its run record and session records. */
const runPart = async (
  { prometheus, url, folder }: World,
  machine: Machine,
  id: string,
  instance: number,
  more: { args?: string[]; histograms?: boolean } = {},
): Promise<{ code: number | null; stderr: string; record: RunRecord; sessions: Session[] }> => {
  const [result, records] = ['run.json', 'records.ndjson'].map((name) =>
    path.join(folder, `${id}-${instance}-${name}`),
  );
  const settings = {
    STRESS_URL: url,
    STRESS_TOKEN: token,
    STRESS_VUS: '60',
    STRESS_COMMANDS: path.join(folder, 'commands.json'),
    STRESS_THRESHOLDS: path.join(folder, 'thresholds.json'),
    STRESS_RECORDS: 'all',
    STRESS_RESULT: result,
  };
  const args = [
    ...marked(id, instance),
    '--console-output',
    records ?? '',
    '--log-format',
    'raw',
    ...(more.args ?? []),
    path.join(packageRoot, 'dist/concurrent.js'),
  ];
  const env = {
    ...cleanEnv(),
    ...settings,
    K6_PROMETHEUS_RW_SERVER_URL: `${prometheus}/api/v1/write`,
    // Several pushes a run: what is counted must be the last value and not the sum.
    K6_PROMETHEUS_RW_PUSH_INTERVAL: '200ms',
    ...(more.histograms !== false && { K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM: 'true' }),
  };
  const run = await runProgram(...machine(await k6Path(), args), { env });
  const lines = readFileSync(records ?? '', 'utf8')
    .trim()
    .split('\n');
  const all = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Session);
  return {
    ...run,
    record: JSON.parse(readFileSync(result ?? '', 'utf8')) as RunRecord,
    sessions: all.filter(({ type }) => type === 'session'),
  };
};

const segments = (index: number, count: number): string[] => {
  const bounds = Array.from({ length: count + 1 }, (_, at) => (at === 0 ? '0' : at === count ? '1' : `${at}/${count}`));
  return [
    `--execution-segment=${bounds[index]}:${bounds[index + 1]}`,
    `--execution-segment-sequence=${bounds.join(',')}`,
  ];
};

const runSplit = (world: World, id: string, machines: readonly Machine[]) =>
  Promise.all(
    machines.map((machine, index) =>
      runPart(world, machine, id, index + 1, { args: segments(index, machines.length) }),
    ),
  );

const wholeTest = (world: World, testId: string, instances: number): WholeTest => {
  const settings = { STRESS_VUS: '60', STRESS_THRESHOLDS: path.join(world.folder, 'thresholds.json') };
  const inputs = readInputs(settings, (file) => readFileSync(file, 'utf8'), defaultThresholds());
  const criteria = readCriteria(
    inputs,
    'concurrent',
    [{ name: 'concurrent', rounds: 1 }],
    knownScenarios(defaultThresholds(), ['concurrent']),
  );
  assert.deepEqual(inputs.problems, []);
  return {
    scenario: 'concurrent',
    testLabel: 'testrun_name',
    testId,
    instanceLabel: 'instance_id',
    instances,
    withinMs: 3_600_000,
    criteria,
    profile: wholeProfile('concurrent', inputs.settings),
  };
};

const gate = (world: World, id: string, instances: number, ...more: string[]) =>
  runProgram(process.execPath, [
    cli,
    'gate',
    '--prometheus',
    world.prometheus,
    '--scenario',
    'concurrent',
    '--test-id',
    id,
    '--instances',
    String(instances),
    '--vus',
    '60',
    '--thresholds',
    path.join(world.folder, 'thresholds.json'),
    ...more,
  ]);

/** The percentile of the sample at its nearest rank, which a histogram's bucket holds. */
const nearestRank = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)] ?? NaN;

const near = (observed: number | undefined, exact: number, what: string): void => {
  assert.ok(observed !== undefined, what);
  const ratio = observed / exact;
  assert.ok(
    ratio <= bucketGrowth * 1.0001 && ratio >= 1 / (bucketGrowth * 1.0001),
    `${what}: ${observed}, not ${exact}`,
  );
};

const observedOf = (criteria: RunRecord['criteria'], selector: string, expression: string): number | undefined =>
  criteria.find((each) => each.selector === selector && each.expression === expression)?.observed;

const options = {
  skip: !hasPrometheus && 'there is no prometheus to start; .ci/run installs one',
  timeout: 240_000,
};

test(
  'a test of three k6 processes is judged as one process would have: the same counts, percentiles within a bucket',
  options,
  async (t) => {
    const world = await startWorld(t, 3, ['exit-3@40']);
    const alone = await runPart(world, here, 'alone', 1);
    const connection = { url: world.prometheus, authorization: undefined };
    const one = await evaluateWholeTest(connection, wholeTest(world, 'alone', 1));
    // The target counts its faults over all of its connections: the forty-first is not of the second test.
    assert.equal(alone.code, 99, alone.stderr);
    assert.equal(one.result.verdict, alone.record.verdict);
    assert.deepEqual(one.result.outcomes, alone.record.outcomes);
    assert.deepEqual(
      one.result.criteria.map(({ selector, expression, status }) => [selector, expression, status]),
      alone.record.criteria.map(({ selector, expression, status }) => [selector, expression, status]),
    );
    const exact = [
      'session_success rate>=0.9',
      'session_success{round:1} rate==1',
      'output_lines count>10',
      'sessions{outcome:failed-exit} count<3',
      'unsettled count==0',
    ];
    for (const each of exact) {
      const [selector = '', expression = ''] = each.split(' ');
      assert.equal(
        observedOf(one.result.criteria, selector, expression),
        observedOf(alone.record.criteria, selector, expression),
        each,
      );
    }
    const average = observedOf(alone.record.criteria, 'session_duration', 'avg<60000') ?? NaN;
    assert.ok(Math.abs((observedOf(one.result.criteria, 'session_duration', 'avg<60000') ?? NaN) / average - 1) < 1e-9);

    const parts = await runSplit(world, 'split', world.machines);
    assert.deepEqual(
      parts.map(({ code }) => code),
      [99, 99, 99],
    );
    assert.ok(parts.every(({ sessions }) => sessions.length === 20));
    const whole = await evaluateWholeTest(connection, wholeTest(world, 'split', 3));
    const sessions = parts.flatMap((part) => part.sessions);
    assert.equal(whole.problem, undefined);
    assert.equal(
      whole.result.total.successful + whole.result.total.failed,
      alone.record.total.successful + alone.record.total.failed,
    );
    assert.equal(whole.result.total.successful, sessions.filter(({ outcome }) => outcome.kind === 'ok').length);
    const counted = sessions.filter(({ outcome }) => outcome.kind === 'ok' || outcome.kind === 'timeout');
    const durations = counted.map(({ durationMs }) => durationMs);
    const simple = counted
      .flatMap((each) => each.commands.filter((command) => command.class === 'simple'))
      .map(({ durationMs }) => durationMs);
    const { criteria } = whole.result;
    near(observedOf(criteria, 'session_duration', 'p(95)<60000'), nearestRank(durations, 0.95), 'p(95)');
    near(observedOf(criteria, 'session_duration', 'max<60000'), Math.max(...durations), 'max');
    near(observedOf(criteria, 'session_duration', 'min<60000'), Math.min(...durations), 'min');
    near(observedOf(criteria, 'command_duration{class:simple}', 'p(90)<60000'), nearestRank(simple, 0.9), 'p(90)');
    near(observedOf(criteria, 'command_duration{class:simple}', 'med<60000'), nearestRank(simple, 0.5), 'median');
    assert.ok((observedOf(criteria, 'session_duration', 'max<60000') ?? 0) >= Math.max(...durations));
    assert.equal(criteria.find(({ selector }) => selector.includes('paced'))?.status, 'NO DATA');

    // An hour after the last sample, which no look-back of Prometheus reaches.
    const atS = Math.ceil(Date.now() / 1000) + 3600;
    const later = { testLabel: 'testrun_name', testId: 'split', atS, withinS: 4000 };
    const [question] = questionsFor('session_duration', ['p(95)'], later);
    assert.equal(
      ((await askNumber(connection, question?.expression ?? '', atS)) ?? 0) * 1000,
      observedOf(criteria, 'session_duration', 'p(95)<60000'),
    );

    const told = await gate(world, 'split', 3);
    assert.equal(told.code, 99, told.stdout + told.stderr);
    assert.match(told.stdout, /PASS +session_success\{round:1\} rate==1 {3}\(1\)/);
    assert.match(told.stdout, /NO DATA +command_duration\{class:paced\} p\(95\)<60000/);
    assert.match(told.stdout, /FAIL: a criterion does not hold, or had no data/);
    assert.ok(!told.stdout.includes('target '));

    const fewer = await gate(world, 'split', 4);
    assert.equal(fewer.code, 110, fewer.stderr);
    assert.match(fewer.stderr, /expected 4 k6 processes \(--instances\); only 3 began, by instance_id: 1, 2, 3/);
    const more = await gate(world, 'split', 2);
    assert.equal(more.code, 108, more.stdout);
    assert.match(more.stderr, /expected 2 k6 processes \(--instances\); 3 began: 1, 2, 3/);
    const unmarked = await gate(world, 'split', 3, '--instance-label', 'pod');
    assert.equal(unmarked.code, 108);
    assert.match(unmarked.stderr, /expected each k6 process to have a pod of its own; some have none/);
  },
);

test('what is no whole test is refused, each for its reason', options, async (t) => {
  const world = await startWorld(t, 1);
  const [machine = here] = world.machines;
  const part = { args: segments(0, 2) };
  assert.equal((await runPart(world, machine, 'half', 1, part)).record.rounds[0]?.successful, 30);
  const half = await gate(world, 'half', 1);
  assert.equal(half.code, 110, half.stdout + half.stderr);
  assert.match(half.stdout, /INVALID: the run was cut short/);

  await runPart(world, machine, 'half', 1, part);
  const twice = await gate(world, 'half', 1);
  assert.equal(twice.code, 108, twice.stdout);
  assert.match(twice.stderr, /expected one test marked testrun_name="half"; there are two or more/);

  await runPart(world, machine, 'gauges', 1, { histograms: false });
  const gauges = await gate(world, 'gauges', 1);
  assert.equal(gauges.code, 108, gauges.stdout);
  assert.match(gauges.stderr, /expected native histograms; k6 sent k6_session_duration_p99, which can't be added up/);

  const none = await gate(world, 'no-such', 1);
  assert.equal(none.code, 108);
  assert.match(none.stderr, /expected a test marked testrun_name="no-such" in the last 1440 minutes \(--within\)/);
  const other = await gate(world, 'half', 1, '--scenario', 'single');
  assert.equal(other.code, 108);
  assert.match(other.stderr, /to be of single; it is also, or only, of concurrent/);
});

const isQuiet = ([unsettled, ...ended]: (number | undefined)[]): boolean =>
  unsettled === 56 && ended.every((count) => count === 4);

test('a k6 process that was killed leaves sessions without an end, which fail', options, async (t) => {
  const world = await startWorld(t, 1, ['never-completes@5-']);
  const connection = { url: world.prometheus, authorization: undefined };
  const settings = { STRESS_URL: world.url, STRESS_TOKEN: token, STRESS_VUS: '60' };
  const child = spawn(await k6Path(), [...marked('killed', 1), path.join(packageRoot, 'dist/concurrent.js')], {
    env: {
      ...cleanEnv(),
      ...settings,
      STRESS_COMMANDS: path.join(world.folder, 'commands.json'),
      K6_PROMETHEUS_RW_SERVER_URL: `${world.prometheus}/api/v1/write`,
      K6_PROMETHEUS_RW_PUSH_INTERVAL: '200ms',
      K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM: 'true',
    },
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  t.after(() => child.kill('SIGKILL'));
  const seen = (query: string) => askNumber(connection, query, Math.ceil(Date.now() / 1000) + 60);
  // Four sessions end, or nothing would be judged; the others never will. What k6 sends of one may be spread over two
  // pushes: killed between them it would have lost a part.
  const counts = async (): Promise<(number | undefined)[]> => {
    const atS = Math.ceil(Date.now() / 1000) + 60;
    const asked = agreements({ testLabel: 'testrun_name', testId: 'killed', atS, withinS: 239 });
    const ends = [
      'sum(last_over_time(k6_sessions_total[5m]))',
      ...asked.flatMap(({ samples, expected }) => [samples, expected]),
    ];
    return Promise.all([seen('sum(last_over_time(k6_unsettled_total[5m]))'), ...ends.map(seen)]);
  };
  while (!isQuiet(await counts())) await setImmediate();
  child.kill('SIGKILL');
  await ended;
  const killed = await gate(world, 'killed', 1);
  assert.equal(killed.code, 99, killed.stdout + killed.stderr);
  assert.match(killed.stdout, /FAIL +unsettled count==0 {3}\(5\d\)/);
});

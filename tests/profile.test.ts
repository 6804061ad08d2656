import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isComplete, placeOf, planLoad, scenarioOf, sessionsOf } from '../lib/load/profile.ts';
import { parseSettings } from '../lib/load/settings.ts';

const plan = (env: Record<string, string>) => {
  const { settings, problems } = parseSettings(env);
  assert.deepEqual(problems, []);
  return planLoad(settings, [{ name: 'concurrent', rounds: [5, 10, 20], takesLoad: true }]);
};

const executorsOf = (env: Record<string, string>): unknown[] =>
  Object.values(plan(env).scenarios).map(({ executor, vus, iterations, duration, rate, timeUnit, preAllocatedVUs }) =>
    Object.fromEntries(
      Object.entries({ executor, vus, iterations, duration, rate, timeUnit, preAllocatedVUs }).filter(
        ([, value]) => value !== undefined,
      ),
    ),
  );

test('the scenario’s own rounds, or those of STRESS_ROUNDS: a session a VU', () => {
  assert.deepEqual(
    executorsOf({}),
    [5, 10, 20].map((vus) => ({ executor: 'per-vu-iterations', vus, iterations: 1 })),
  );
  assert.deepEqual(executorsOf({ STRESS_ROUNDS: '3, 4' }).length, 2);
  assert.deepEqual(
    plan({}).rounds.map(({ label }) => label),
    ['5 sessions at once', '10 sessions at once', '20 sessions at once'],
  );
});

test('STRESS_VUS is one round; with a duration it opens sessions again and again', () => {
  assert.deepEqual(executorsOf({ STRESS_VUS: '50' }), [{ executor: 'per-vu-iterations', vus: 50, iterations: 1 }]);
  assert.deepEqual(executorsOf({ STRESS_VUS: '50', STRESS_DURATION: '1m' }), [
    { executor: 'constant-vus', vus: 50, duration: '60000ms' },
  ]);
});

test('STRESS_FLEET lets each VU carry so many sessions; the last one the rest', () => {
  const fleet = { STRESS_VUS: '25', STRESS_FLEET: '10' };
  assert.deepEqual(executorsOf(fleet), [{ executor: 'per-vu-iterations', vus: 3, iterations: 1 }]);
  assert.deepEqual(plan(fleet).rounds, [
    { test: 'concurrent', number: 1, label: '25 sessions at once, 10 a VU', sessions: 25 },
  ]);
  assert.deepEqual(
    [0, 1, 2].flatMap((iteration) => sessionsOf(iteration, 10, 25)),
    [...Array.from({ length: 25 }).keys()],
  );
  assert.deepEqual(sessionsOf(7, 3, undefined), [21, 22, 23]);
  assert.deepEqual(executorsOf({ STRESS_VUS: '20', STRESS_FLEET: '10', STRESS_DURATION: '5s' }), [
    { executor: 'constant-vus', vus: 2, duration: '5000ms' },
  ]);
  assert.deepEqual(
    executorsOf({ STRESS_FLEET: '4' }).map((each) => (each as { vus: number }).vus),
    [2, 3, 5],
  );
});

test('in a suite STRESS_FLEET carries the sessions of concurrent alone', () => {
  const { settings } = parseSettings({ STRESS_FLEET: '10' });
  const { scenarios, before } = planLoad(settings, [
    { name: 'concurrent', rounds: [5, 20], takesLoad: true },
    { name: 'high-output', takesLoad: false, rounds: [4] },
  ]);
  assert.deepEqual(
    Object.values(scenarios).map(({ vus }) => vus),
    [1, 2, 4],
  );
  assert.equal(before['high-output-round-1'], 3);
});

const problemsOf = (env: Record<string, string>): string => parseSettings(env).problems.join('\n');

test('STRESS_FLEET is refused with a rate, and where it does not divide the VUs of a duration', () => {
  assert.match(problemsOf({ STRESS_FLEET: '5', STRESS_RATE: '5', STRESS_DURATION: '5s' }), /without STRESS_RATE/);
  assert.match(problemsOf({ STRESS_FLEET: '4', STRESS_VUS: '10', STRESS_DURATION: '5s' }), /to divide STRESS_VUS/);
  assert.equal(problemsOf({ STRESS_FLEET: '5', STRESS_VUS: '10', STRESS_DURATION: '5s' }), '');
});

test('STRESS_RATE is an open model that owes rate × duration sessions, and ends between two starts', () => {
  const { owed, scenarios } = plan({ STRESS_RATE: '20', STRESS_DURATION: '1m' });
  assert.equal(owed, 1200);
  const round = scenarios['concurrent-round-1'];
  assert.deepEqual([round?.rate, round?.timeUnit, round?.duration], [20_000, '1000s', '59975ms']);
  assert.deepEqual([round?.preAllocatedVUs, round?.maxVUs], [200, 200]);
  assert.equal(scenarios['generator-watch']?.startTime, '60000ms');
  assert.equal(plan({ STRESS_RATE: '0.5', STRESS_DURATION: '10s' }).owed, 5);
  assert.equal(
    plan({ STRESS_RATE: '20', STRESS_DURATION: '1m', STRESS_VUS: '7' }).scenarios['concurrent-round-1']?.maxVUs,
    7,
  );
});

test('k6 is given longer than any session may take, so that it cuts none off', () => {
  for (const env of [
    { STRESS_VUS: '5', STRESS_DURATION: '1s' },
    { STRESS_RATE: '5', STRESS_DURATION: '2s' },
  ]) {
    const { gracefulStop } = plan({ ...env, STRESS_SESSION_TIMEOUT: '10s' }).scenarios['concurrent-round-1'] ?? {};
    assert.equal(gracefulStop, '100000ms');
  }
});

test('a round begins when the sessions of those before it have ended', () => {
  const { before } = plan({});
  assert.deepEqual(before, { 'concurrent-round-1': 0, 'concurrent-round-2': 5, 'concurrent-round-3': 15 });
  for (const place of [
    { test: 'process-control', round: 12 },
    { test: 'conformance', round: 'cases' as const },
  ]) {
    assert.deepEqual(placeOf(scenarioOf(place)), place);
  }
  assert.equal(placeOf('default'), undefined);
});

test('a run is complete when all its sessions were begun, or its time is over', () => {
  const [rounds, open, closed] = [
    plan({}),
    plan({ STRESS_RATE: '5', STRESS_DURATION: '2s' }),
    plan({ STRESS_VUS: '5', STRESS_DURATION: '2s' }),
  ];
  assert.deepEqual([isComplete(rounds, 35, 1), isComplete(rounds, 34, 1e9)], [true, false]);
  assert.deepEqual([isComplete(open, 10, 1), isComplete(open, 9, 1e9)], [true, false]);
  assert.deepEqual([isComplete(closed, 1, 2000), isComplete(closed, 1e9, 1999)], [true, false]);
});

test('property: k6 starts exactly the sessions that an open model owes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000_000 }), fc.integer({ min: 2, max: 7200 }), (thousandths, seconds) => {
      const { owed, scenarios } = plan({ STRESS_RATE: String(thousandths / 1000), STRESS_DURATION: `${seconds}s` });
      const { rate, duration } = scenarios['concurrent-round-1'] ?? {};
      const periodMs = 1_000_000 / Number(rate);
      const durationMs = Number.parseFloat(String(duration));
      assert.ok(durationMs >= 1000);
      // Starts are due at 0, 1, 2, … periods; k6 begins those that are due before the duration is over.
      assert.equal(Math.ceil(durationMs / periodMs), owed);
    }),
  );
});

const several = (env: Record<string, string>) =>
  planLoad(parseSettings(env).settings, [
    { name: 'single', takesLoad: false, rounds: [1] },
    { name: 'concurrent', rounds: [5, 10], takesLoad: true },
    { name: 'process-control', takesLoad: false, rounds: [1], casesMs: 60_000 },
    { name: 'conformance', takesLoad: false, rounds: [], casesMs: 30_000 },
  ]);

test('several tests run one after the other, cases after the rounds of their test', () => {
  const { before, cases, scenarios } = several({});
  assert.deepEqual(before, {
    'single-round-1': 0,
    'concurrent-round-1': 1,
    'concurrent-round-2': 6,
    'process-control-round-1': 16,
    'process-control-cases': 17,
    'conformance-cases': 18,
  });
  assert.deepEqual(cases, ['process-control', 'conformance']);
  const longest = Object.values(scenarios).map(({ maxDuration }) => Number.parseFloat(String(maxDuration)));
  assert.deepEqual(
    longest,
    longest.toSorted((a, b) => a - b),
    'each may wait for those before it',
  );
  assert.equal((longest[4] ?? 0) - (longest[3] ?? 0), 60_000);
});

const sizes = (env: Record<string, string>): unknown[] =>
  several(env).rounds.map(({ test: name, sessions }) => [name, sessions]);

test('among several tests the settings shape the rounds of concurrent alone', () => {
  const expected = [
    ['single', 1],
    ['concurrent', 50],
    ['process-control', 1],
  ];
  assert.deepEqual(sizes({ STRESS_VUS: '50' }), expected);
  assert.deepEqual(sizes({ STRESS_ROUNDS: '50' }), expected);
});

test('a test with cases alone has no rounds, whatever the settings say', () => {
  const { settings } = parseSettings({ STRESS_VUS: '50', STRESS_DURATION: '1m' });
  const { scenarios, rounds } = planLoad(settings, [{ name: 'memory', takesLoad: false, rounds: [], casesMs: 1000 }]);
  assert.deepEqual([Object.keys(scenarios), rounds], [['memory-cases'], []]);
});

test('for a duration, or at a rate, the sessions of the rounds alone are run', () => {
  for (const env of [
    { STRESS_VUS: '5', STRESS_DURATION: '2s' },
    { STRESS_RATE: '5', STRESS_DURATION: '2s' },
  ]) {
    const { cases } = planLoad(parseSettings(env).settings, [
      { name: 'process-control', takesLoad: false, rounds: [1], casesMs: 1000 },
    ]);
    assert.deepEqual(cases, []);
  }
});

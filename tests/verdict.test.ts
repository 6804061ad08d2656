import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricsOf } from '../lib/results/summary-data.ts';
import { summaryText } from '../lib/results/summary.ts';
import { runMarker } from '../lib/results/run.ts';
import { evaluateRun, type Metrics } from '../lib/results/verdict.ts';
import { parseThresholds } from '../lib/load/thresholds.ts';

const parsed = parseThresholds(
  {
    version: 1,
    scenarios: {
      '*': {
        'session_success{round:each}': ['rate>=0.9'],
        'command_duration{class:simple}': ['p(95)<5000'],
        dropped_iterations: ['count==0'],
      },
    },
  },
  [{ name: 'concurrent', rounds: 2 }],
  ['concurrent'],
  'concurrent',
);
assert.ok('criteria' in parsed);
const { criteria } = parsed;
const rounds = [
  { test: 'concurrent', number: 1, label: '10 sessions at once', sessions: 10 },
  { test: 'concurrent', number: 2, label: '20 sessions at once', sessions: 20 },
];
const profile = { rounds, cases: [] };

const good: Metrics = {
  session_success: { values: { rate: 1, passes: 30, fails: 0 } },
  session_duration: { values: { avg: 1000, min: 10, max: 2100, 'p(95)': 2050 } },
  'session_success{round:1}': { values: { rate: 1, passes: 10, fails: 0 } },
  'session_success{round:2}': { values: { rate: 1, passes: 20, fails: 0 } },
  'session_success{test:concurrent,round:1}': { values: { rate: 1, passes: 10, fails: 0 } },
  'session_success{test:concurrent,round:2}': { values: { rate: 1, passes: 20, fails: 0 } },
  'session_duration{test:concurrent,round:1}': { values: { avg: 900, min: 10, max: 2000, 'p(95)': 1990 } },
  'command_duration{class:simple}': { values: { 'p(95)': 12 } },
  'sessions{outcome:ok}': { values: { count: 30 } },
  'evidence{of:sessions}': { values: { count: 30 } },
  'evidence{of:session_success,round:1}': { values: { count: 10 } },
  'evidence{of:session_success,round:2}': { values: { count: 20 } },
  'evidence{of:command_duration,real:yes,class:simple}': { values: { count: 12 } },
};

const statuses = (metrics: Metrics, ran: 'whole' | 'cut short' | 'never' = 'whole') => {
  const { verdict, criteria: judged } = evaluateRun(criteria, metrics, profile, ran);
  return [verdict, ...judged.map(({ status }) => status)];
};

test('PASS: every criterion holds', () => {
  assert.deepEqual(statuses(good), ['PASS', 'PASS', 'PASS', 'PASS', 'PASS']);
});

test('FAIL: one criterion does not hold', () => {
  const metrics = { ...good, 'session_success{round:2}': { values: { rate: 0.85, passes: 17, fails: 3 } } };
  assert.deepEqual(statuses(metrics), ['FAIL', 'PASS', 'FAIL', 'PASS', 'PASS']);
});

test('NO DATA fails: a time without samples is 0, and 0 is under any limit', () => {
  const metrics = {
    ...good,
    'command_duration{class:simple}': { values: { 'p(95)': 0 } },
    'evidence{of:command_duration,real:yes,class:simple}': { values: { count: 0 } },
  };
  assert.deepEqual(statuses(metrics), ['FAIL', 'PASS', 'PASS', 'NO DATA', 'PASS']);
  assert.deepEqual(statuses({}), ['FAIL', 'NO DATA', 'NO DATA', 'NO DATA', 'NO DATA']);
});

test('NO DATA goes before k6’s own judgement, which an empty run satisfies', () => {
  const metrics = {
    ...good,
    'command_duration{class:simple}': { values: { 'p(95)': 0 }, held: { 'p(95)<5000': true } },
    'evidence{of:command_duration,real:yes,class:simple}': { values: { count: 0 }, held: { 'count>0': false } },
  };
  assert.equal(statuses(metrics)[3], 'NO DATA');
});

test('NO DATA where k6 tells no value to judge', () => {
  assert.equal(statuses({ ...good, 'command_duration{class:simple}': { values: { avg: 5 } } })[3], 'NO DATA');
});

test('INVALID: the generator dropped work, or a script failed', () => {
  assert.equal(statuses({ ...good, dropped_iterations: { values: { count: 1 } } })[0], 'INVALID');
  assert.equal(statuses({ ...good, 'sessions{outcome:script-error}': { values: { count: 1 } } })[0], 'INVALID');
});

test('INVALID: the run was cut short, unless a criterion failed already', () => {
  assert.equal(statuses(good, 'cut short')[0], 'INVALID');
  const failed = { ...good, 'session_success{round:2}': { values: { rate: 0.5, passes: 10, fails: 10 } } };
  assert.equal(statuses(failed, 'cut short')[0], 'FAIL');
  assert.equal(statuses({ ...good, generator_failures: { values: { count: 2 } } })[0], 'INVALID');
});

test('of a run that was cut short only what failed stands; what it closed itself does not', () => {
  const closed = 'sessions{outcome:closed}';
  const closes = parseThresholds(
    { version: 1, scenarios: { '*': { [closed]: ['count==0'] } } },
    [{ name: 'concurrent', rounds: 2 }],
    ['concurrent'],
    'concurrent',
  );
  assert.ok('criteria' in closes);
  const judged = evaluateRun(closes.criteria, { ...good, [closed]: { values: { count: 3 } } }, profile, 'cut short');
  assert.equal(judged.verdict, 'INVALID');
  assert.equal(judged.cutShort, true);
  assert.ok(judged.criteria.every(({ status }) => status === 'NOT RUN'));
});

test('NOT RUN: set-up ended the run', () => {
  assert.deepEqual(statuses({}, 'never'), ['NOT RUN', 'NOT RUN', 'NOT RUN', 'NOT RUN', 'NOT RUN']);
});

test('k6’s own judgement goes before the computed one', () => {
  const held = { 'rate>=0.9': false };
  const metrics = { ...good, 'session_success{round:1}': { values: { rate: 1, passes: 10, fails: 0 }, held } };
  assert.equal(statuses(metrics)[1], 'FAIL');
});

test('with k6’s own options there is one round, and criteria of others are NOT RUN', () => {
  const { verdict, criteria: judged } = evaluateRun(
    criteria,
    good,
    {
      rounds: [{ test: 'concurrent', number: 1, label: 'own', sessions: undefined }],
      cases: [],
    },
    'whole',
  );
  assert.deepEqual([verdict, judged[1]?.status], ['PASS', 'NOT RUN']);
});

test('both shapes of k6’s summary read alike', () => {
  const classic = {
    metrics: {
      session_success: {
        type: 'rate',
        values: { rate: 0.5, passes: 1, fails: 1 },
        thresholds: { 'rate>=0.9': { ok: false } },
      },
      session_duration: { type: 'trend', values: { avg: 2, 'p(95)': 3 } },
    },
  };
  const machine = {
    results: {
      metrics: [
        { name: 'session_success', type: 'rate', values: { rate: 0.5, matches: 1, total: 2 } },
        { name: 'session_duration', type: 'trend', values: { avg: 2, p95: 3, p90: null } },
      ],
    },
  };
  assert.deepEqual(metricsOf(classic).session_success?.held, { 'rate>=0.9': false });
  for (const data of [classic, machine]) {
    const metrics = metricsOf(data);
    assert.equal(metrics.session_success?.values.fails, 1);
    assert.equal(metrics.session_duration?.values['p(95)'], 3);
  }
  assert.deepEqual(metricsOf(null), {});
});

test('the summary shows rounds, failures, criteria and verdict, in 80 columns, without colour where none is wanted', () => {
  const marker = runMarker(Date.UTC(2025, 5, 25, 14, 30, 5));
  const run = { id: 'abc', marker, test: 'concurrent', startedAt: '2025-06-25T14:30:05.000Z' };
  assert.equal(run.marker, 'WEBSOCKET_STRESS_20250625_143005');
  const metrics = { ...good, 'sessions{outcome:closed}': { values: { count: 2 } } };
  const result = evaluateRun(criteria, metrics, profile, 'whole');
  const text = summaryText(
    'concurrent',
    run,
    'wss://h/ws?token=secret',
    'svc 1.0',
    { STRESS_ROUNDS: '10,20' },
    result,
    undefined,
    false,
  );
  assert.match(text, /WEBSOCKET_STRESS_20250625_143005 {2}concurrent {2}run abc/);
  assert.match(text, /1 {2}10 sessions at once +10 +0 +0\.90 s +0\.01 s +2\.00 s +1\.99 s/);
  assert.match(text, /2 {2}20 sessions at once +20 +0 +– +– +– +–/);
  assert.match(text, /sessions that were not ok: 2 closed/);
  assert.match(text, /PASS {5}session_success\{round:1\} rate>=0\.9 {3}\(1\)/);
  assert.match(text, /\n {2}PASS: every criterion that was judged holds\n/);
  assert.ok(!text.includes('secret') && !text.includes('\u001b'));
  assert.ok(
    text.split('\n').every((line) => line.length <= 80),
    'at most 80 columns',
  );
  assert.ok(summaryText('concurrent', run, 'ws://h', '', {}, result, undefined, true).includes('\u001b[32mPASS'));
  assert.match(
    summaryText('concurrent', run, 'ws://h', '', {}, evaluateRun(criteria, {}, profile, 'never'), undefined, false),
    /\n {2}NOT RUN: /,
  );
});

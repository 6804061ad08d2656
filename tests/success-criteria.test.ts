import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { scenariosOf } from '../cli/shared/scenarios.ts';
import { parseThresholds } from '../lib/load/thresholds.ts';
import { successCriteria } from '../lib/results/success-criteria.ts';
import { evaluateRun, type Metrics } from '../lib/results/verdict.ts';
import type { CriterionStatus } from '../lib/results/criterion-status.ts';
import type { Figures, JudgedCriterion } from '../lib/results/record-schema.ts';

const shipped: unknown = JSON.parse(readFileSync(new URL('../thresholds.json', import.meta.url), 'utf8'));

const scenarios = scenariosOf('suite');
const testNames = scenarios.map(({ name }) => name);

const criteriaOf = (tests: readonly string[]) => {
  const parsed = parseThresholds(
    shipped,
    tests.map((name) => ({ name, rounds: scenarios.find((each) => each.name === name)?.rounds.length === 0 ? 0 : 1 })),
    testNames,
    'suite',
  );
  assert.ok('criteria' in parsed, JSON.stringify(parsed));
  return parsed.criteria;
};

/** Every criterion of a suite of these tests as passed, but for those that `change` says otherwise of. */
const judged = (
  tests: readonly string[] = testNames,
  change: (criterion: JudgedCriterion) => CriterionStatus | undefined = () => undefined,
): JudgedCriterion[] =>
  criteriaOf(tests).map(({ test: name, selector, expression }) => {
    const criterion: JudgedCriterion = { test: name, selector, expression, observed: 1, status: 'PASS' };
    criterion.status = change(criterion) ?? 'PASS';
    return criterion;
  });

const statuses = (
  criteria: readonly JudgedCriterion[],
  tests: readonly string[] = testNames,
  rounds: readonly Figures[] = [],
): CriterionStatus[] => successCriteria(criteria, scenarios, tests, rounds).map(({ status }) => status);

const all = (status: CriterionStatus): CriterionStatus[] => Array.from({ length: 6 }, () => status);

test('six success criteria hold where everything holds', () => {
  assert.deepEqual(statuses(judged()), all('PASS'));
});

const failures: [what: string, of: (criterion: JudgedCriterion) => boolean, expected: number[]][] = [
  ['a single session', ({ test: name, selector }) => name === 'single' && selector.startsWith('session_success'), [0]],
  [
    'a round of concurrent',
    ({ test: name, selector }) =>
      name === 'concurrent' && selector.includes('round:1') && selector.startsWith('session_success'),
    [1],
  ],
  ['process control', ({ test: name, selector }) => name === 'process-control' && selector.startsWith('findings'), [2]],
  ['the latency of a control', ({ selector }) => selector.startsWith('control_duration'), [2]],
  ['high output', ({ test: name, selector }) => name === 'high-output' && selector.startsWith('session_success'), [3]],
  ['memory', ({ selector }) => selector.includes('case:leak'), [3]],
  ['a hang in concurrent', ({ selector }) => selector === 'timeouts{test:concurrent}', [4]],
  ['a lost session', ({ selector }) => selector === 'unsettled', [4]],
  ['the time to recover', ({ selector }) => selector.startsWith('recovery_duration'), []],
  [
    'what a service that goes down breaks',
    ({ test: name, selector }) => name === 'service-down' && selector.startsWith('findings{test:service-down,finding'),
    [4],
  ],
  [
    'what breaks the service',
    ({ test: name, selector }) => name === 'conformance' && selector.startsWith('findings'),
    [4],
  ],
  [
    'simple commands of concurrent',
    ({ test: name, selector }) => name === 'concurrent' && selector.startsWith('command_duration'),
    [5],
  ],
];

for (const [what, of, expected] of failures) {
  for (const status of ['FAIL', 'NO DATA', 'NOT RUN', 'NOT APPLICABLE'] as const) {
    test(`${what}: ${status} → that success criterion alone`, () => {
      const criteria = judged(testNames, (criterion) => (of(criterion) ? status : undefined));
      assert.ok(criteria.some((each) => each.status === status));
      assert.deepEqual(
        statuses(criteria),
        all('PASS').map((pass, index) => (expected.includes(index) ? status : pass)),
      );
    });
  }
}

const rounds = (failed: number, timedOut: number): Figures[] => [
  { test: 'high-output', label: '1 session', successful: 1, failed: 0, timedOut: 0 },
  { test: 'high-output', label: '4 sessions at once', successful: 0, failed, timedOut },
];

test('high output that merely took too long says nothing of memory: NO DATA; lost sessions or output do', () => {
  const slow = judged(testNames, ({ test: name, selector }) =>
    name === 'high-output' && /^(session_success|timeouts)/.test(selector) ? 'FAIL' : undefined,
  );
  const memoryOf = (criteria: readonly JudgedCriterion[], figures: Figures[]): CriterionStatus | undefined =>
    statuses(criteria, testNames, figures)[3];
  assert.equal(memoryOf(slow, rounds(4, 4)), 'NO DATA');
  assert.equal(memoryOf(slow, rounds(4, 3)), 'FAIL', 'one failed in another way');
  assert.equal(memoryOf(slow, rounds(0, 0)), 'FAIL');
  const lost = judged(testNames, ({ test: name, selector }) =>
    name === 'high-output' && /^(session_success|timeouts|sessions)/.test(selector) ? 'FAIL' : undefined,
  );
  assert.equal(memoryOf(lost, rounds(4, 4)), 'FAIL', 'a case lost its connection');
  const hung = judged(testNames, ({ selector }) => (selector === 'timeouts{test:high-output}' ? 'FAIL' : undefined));
  assert.ok(hung.some(({ status }) => status === 'FAIL'));
  assert.equal(memoryOf(hung, []), 'PASS', 'a timeout of a case is slowness');
});

test('the worst part decides, and is told', () => {
  const criteria = judged(testNames, ({ test: name, selector }) =>
    selector.includes('case:leak')
      ? 'NOT RUN'
      : name === 'high-output' && selector.startsWith('findings')
        ? 'FAIL'
        : undefined,
  );
  const [, , , memory] = successCriteria(criteria, scenarios, testNames, []);
  assert.deepEqual([memory?.status, memory?.decidedBy?.test], ['FAIL', 'high-output']);
});

test('a success criterion is NOT RUN where a test that it rests on was left out, and FAIL where another part failed', () => {
  const without = testNames.filter((name) => name !== 'memory' && name !== 'single');
  assert.deepEqual(statuses(judged(without), without), ['NOT RUN', 'PASS', 'PASS', 'NOT RUN', 'PASS', 'NOT RUN']);
  const failed = judged(without, ({ test: name }) => (name === 'high-output' ? 'FAIL' : undefined));
  assert.equal(statuses(failed, without)[3], 'FAIL');
});

const evidence = { 'evidence{of:sessions}': { values: { count: 1 } } };
const down = criteriaOf(['service-down']);
const recovery = 'findings{case:recovery,finding:breaking}';
const guard = 'evidence{of:findings,case:recovery}';
const real = 'evidence{of:findings,real:yes,case:recovery}';
const statusOf = (metrics: Metrics, selector = recovery): string | undefined =>
  evaluateRun(down, { ...evidence, ...metrics }, { rounds: [], cases: ['service-down'] }, 'whole').criteria.find(
    (each) => each.selector === selector,
  )?.status;
const count = (value: number) => ({ values: { count: value } });

test('a case that was excused is NOT RUN or NOT APPLICABLE, one that is missing has NO DATA', () => {
  assert.equal(statusOf({}), 'NO DATA');
  assert.equal(statusOf({ [guard]: count(1), [real]: count(1) }), 'PASS');
  assert.equal(statusOf({ [guard]: count(1), [real]: count(1), [recovery]: count(1) }), 'FAIL');
  for (const [as, status] of [
    ['not-run', 'NOT RUN'],
    ['not-applicable', 'NOT APPLICABLE'],
  ]) {
    const excused = { [guard]: count(1), [`excused{of:findings,as:${as},case:recovery}`]: count(1) };
    assert.equal(statusOf(excused), status);
    assert.equal(statusOf({ ...excused, [real]: count(1) }), 'PASS', 'what was asked after all is judged');
  }
});

test('counters over all sessions are excused with the cases that would have opened them, and only then', () => {
  const sessions = 'evidence{of:sessions}';
  assert.equal(statusOf({ [sessions]: count(0) }, 'timeouts'), 'NO DATA');
  assert.equal(statusOf({}, 'timeouts'), 'PASS');
  const excused = { 'excused{of:sessions,as:not-run}': count(1) };
  assert.equal(statusOf(excused, 'timeouts'), 'NOT RUN');
  assert.equal(statusOf({ ...excused, 'evidence{of:sessions,real:yes}': count(1) }, 'timeouts'), 'PASS');
});

test('a criterion over all cases passes only if all were asked, but for those that have a criterion of their own', () => {
  const [noneBroke, noneDeviates] = ['findings{finding:breaking}', 'findings{finding:deviating}'];
  const [all, asked, skipped] = [
    'evidence{of:findings}',
    'evidence{of:findings,real:yes}',
    'excused{of:findings,as:not-run}',
  ];
  const limit = criteriaOf(['session-limit']);
  const of = (criteria: typeof limit, test: string, metrics: Metrics, selector: string): string | undefined =>
    evaluateRun(criteria, { ...evidence, ...metrics }, { rounds: [], cases: [test] }, 'whole').criteria.find(
      (each) => each.selector === selector,
    )?.status;
  const partly = { [all]: count(7), [asked]: count(1), [skipped]: count(6), [noneBroke]: count(1) };
  assert.equal(of(limit, 'session-limit', partly, noneDeviates), 'NOT RUN');
  assert.equal(of(limit, 'session-limit', partly, noneBroke), 'FAIL');
  assert.equal(of(limit, 'session-limit', { [all]: count(7), [asked]: count(7) }, noneDeviates), 'PASS');

  const output = criteriaOf(['high-output']);
  const named = 'excused{of:findings,as:not-run,case:unread-memory}';
  const withoutMemory = { [all]: count(3), [asked]: count(2), [skipped]: count(1) };
  assert.equal(of(output, 'high-output', { ...withoutMemory, [named]: count(1) }, noneBroke), 'PASS');
  assert.equal(of(output, 'high-output', withoutMemory, noneBroke), 'NOT RUN');
});

/** The verdict over a scenario of cases alone, run by itself, by how many of its cases were asked, skipped and undecided. */
const verdictOfCases = (test: string, asked: number, skipped: Partial<Record<string, number>>): string => {
  const excusedAs = Object.entries(skipped).flatMap(([as, number = 0]) =>
    ['findings', 'sessions'].map((of) => [`excused{of:${of},as:${as}}`, count(number)] as const),
  );
  const all = asked + (skipped['not-run'] ?? 0) + (skipped['not-applicable'] ?? 0);
  const metrics = {
    ...Object.fromEntries(excusedAs),
    'evidence{of:findings}': count(all),
    'evidence{of:findings,real:yes}': count(asked),
    // Sessions that only find out that nothing can be asked are sessions.
    'evidence{of:sessions}': count(3),
    'evidence{of:sessions,real:yes}': count(3),
  };
  return evaluateRun(criteriaOf([test]), metrics, { rounds: [], cases: [test] }, 'whole').verdict;
};

for (const scenario of ['session-limit', 'command-validation', 'conformance']) {
  test(`${scenario} alone, nothing of it asked → NOT RUN or NOT APPLICABLE (exit 108), though its sessions were in order`, () => {
    assert.equal(verdictOfCases(scenario, 0, { 'not-run': 7 }), 'NOT RUN');
    assert.equal(verdictOfCases(scenario, 0, { 'not-applicable': 7 }), 'NOT APPLICABLE');
    assert.equal(verdictOfCases(scenario, 0, { 'not-run': 3, 'not-applicable': 4 }), 'NOT RUN');
    assert.equal(verdictOfCases(scenario, 1, { 'not-run': 6 }), 'NOT RUN', 'a part proves no criterion over all');
    assert.equal(verdictOfCases(scenario, 3, { 'not-applicable': 4 }), 'PASS');
    assert.equal(verdictOfCases(scenario, 7, {}), 'PASS');
  });

  test(`${scenario}: cases that could not tell leave no data, whatever the others found`, () => {
    assert.equal(verdictOfCases(scenario, 6, { inconclusive: 1 }), 'FAIL');
    assert.equal(verdictOfCases(scenario, 0, { inconclusive: 7 }), 'FAIL');
  });
}

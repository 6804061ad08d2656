import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { scenarioNames } from '../cli/shared/scenarios.ts';
import { k6Thresholds, parseThresholds, type Criterion } from '../lib/load/thresholds.ts';

const shipped: unknown = JSON.parse(readFileSync(new URL('../thresholds.json', import.meta.url), 'utf8'));

const parse = (scenarios: unknown, rounds = 3): ReturnType<typeof parseThresholds> =>
  parseThresholds({ version: 1, scenarios }, [{ name: 'concurrent', rounds }], scenarioNames(), 'concurrent');

const criteriaOf = (parsed: ReturnType<typeof parseThresholds>): Criterion[] => {
  assert.ok('criteria' in parsed, JSON.stringify(parsed));
  return parsed.criteria;
};

test('the shipped criteria are those that the tool promises', () => {
  const concurrent = k6Thresholds(
    criteriaOf(parseThresholds(shipped, [{ name: 'concurrent', rounds: 3 }], scenarioNames(), 'concurrent')),
  );
  assert.deepEqual(concurrent, {
    session_success: ['rate>=0.9'],
    'evidence{of:session_success,real:yes}': ['count>0'],
    protocol_violations: ['count==0'],
    'evidence{of:sessions}': ['count>0'],
    timeouts: ['count==0'],
    unsettled: ['count==0'],
    dropped_iterations: ['count==0'],
    'sessions{outcome:closed}': ['count==0'],
    'session_success{round:1}': ['rate>=0.9'],
    'evidence{of:session_success,round:1}': ['count>0'],
    'session_success{round:2}': ['rate>=0.9'],
    'evidence{of:session_success,round:2}': ['count>0'],
    'session_success{round:3}': ['rate>=0.9'],
    'evidence{of:session_success,round:3}': ['count>0'],
    'command_duration{round:1,class:simple}': ['p(95)<5000'],
    'evidence{of:command_duration,round:1,class:simple}': ['count>0'],
    'command_duration{round:2,class:simple}': ['p(95)<5000'],
    'evidence{of:command_duration,round:2,class:simple}': ['count>0'],
    'command_duration{round:3,class:simple}': ['p(95)<5000'],
    'evidence{of:command_duration,round:3,class:simple}': ['count>0'],
  });
  const single = k6Thresholds(
    criteriaOf(parseThresholds(shipped, [{ name: 'single', rounds: 1 }], scenarioNames(), 'concurrent')),
  );
  assert.deepEqual(single.session_success, ['rate==1']);
  assert.deepEqual(single['command_duration{class:simple}'], ['p(95)<5000']);
});

test('every criterion has a guard, and the guard of a time is that it had samples', () => {
  const criteria = criteriaOf(
    parse(
      {
        '*': {
          connect_duration: ['p(99.9)<100'],
          'session_duration{round:each}': ['max<9000'],
          output_lines: ['count>=1'],
          'timeouts{phase:drain,class:burst}': ['count==0'],
          'failure_duration{outcome:closed}': ['max<1'],
          'command_duration{class:simple}': ['max<1'],
        },
      },
      2,
    ),
  );
  assert.deepEqual(
    criteria.map(({ selector, guard }) => [selector, `${guard.selector} ${guard.expression}`]),
    [
      ['connect_duration', 'connect_duration max>0'],
      ['session_duration{round:1}', 'evidence{of:session_duration,round:1} count>0'],
      ['session_duration{round:2}', 'evidence{of:session_duration,round:2} count>0'],
      ['output_lines', 'evidence{of:session_success,real:yes} count>0'],
      ['timeouts{class:burst,phase:drain}', 'evidence{of:sessions,class:burst} count>0'],
      ['failure_duration{outcome:closed}', 'evidence{of:session_success,real:yes} count>0'],
      ['command_duration{class:simple}', 'evidence{of:command_duration,real:yes,class:simple} count>0'],
    ],
  );
});

test('commands are judged by name, and the guard is that this command ran', () => {
  const criteria = criteriaOf(
    parse(
      {
        concurrent: {
          'command_duration{command:third}': ['p(95)<5000'],
          'command_duration{round:each,command:third,class:slow-query}': ['max<9000'],
          'command_ack_duration{command:third}': ['max<1'],
          'output_lines{command:third}': ['count>=1'],
        },
      },
      1,
    ),
  );
  assert.deepEqual(
    criteria.map(({ selector, guard }) => [selector, `${guard.selector} ${guard.expression}`]),
    [
      ['command_duration{command:third}', 'evidence{of:command_duration,real:yes,command:third} count>0'],
      [
        'command_duration{round:1,class:slow-query,command:third}',
        'evidence{of:command_duration,round:1,class:slow-query,command:third} count>0',
      ],
      ['command_ack_duration{command:third}', 'command_ack_duration{command:third} max>0'],
      ['output_lines{command:third}', 'evidence{of:command_duration,real:yes,command:third} count>0'],
    ],
  );
});

const over = (scenarios: unknown, test = 'concurrent', extending = true): ReturnType<typeof parseThresholds> =>
  parseThresholds(
    { version: 1, ...(extending && { extends: 'default' }), scenarios },
    [{ name: test, rounds: 1 }],
    scenarioNames(),
    test,
    shipped,
  );

const expressionsOf = (parsed: ReturnType<typeof parseThresholds>): Record<string, string> =>
  Object.fromEntries(criteriaOf(parsed).map(({ selector, expression }) => [selector, expression]));

const problemsOf = (parsed: ReturnType<typeof parseThresholds>): string =>
  'problems' in parsed ? parsed.problems.join('\n') : '';

const lostOf = (scenarios: unknown, extending = false, test = 'single') => {
  const parsed = over(scenarios, test, extending);
  assert.ok('criteria' in parsed);
  return parsed.lost;
};

test('"extends": "default": a same selector replaces, an empty list removes, all others stay', () => {
  const byDefault = expressionsOf(over({}));
  assert.deepEqual(
    byDefault,
    expressionsOf(parseThresholds(shipped, [{ name: 'concurrent', rounds: 1 }], scenarioNames(), 'concurrent')),
  );
  const changed = expressionsOf(
    over({
      '*': { protocol_violations: ['count<2'] },
      concurrent: {
        'command_duration{class:simple,round:each}': ['p(95)<800'],
        timeouts: [],
        output_lines: ['count>0'],
      },
      single: { unsettled: [] },
    }),
  );
  const { timeouts: _, ...others } = byDefault;
  assert.deepEqual(changed, {
    ...others,
    protocol_violations: 'count<2',
    'command_duration{round:1,class:simple}': 'p(95)<800',
    output_lines: 'count>0',
  });
  const withoutAny = expressionsOf(over({ '*': { timeouts: [] } }));
  assert.deepEqual(withoutAny, others);
});

test('"extends" refuses what there is not: another base, and nothing to remove', () => {
  assert.match(
    problemsOf(over({ concurrent: { output_lines: [] } })),
    /concurrent › output_lines: there is nothing to remove/,
  );
  assert.match(
    problemsOf(over({ '*': { 'sessions{outcome:closed}': [] } })),
    /nothing to remove: .* under \*; it is under single, concurrent/,
  );
  const other = { version: 1, extends: './base.json', scenarios: {} };
  assert.match(
    problemsOf(parseThresholds(other, [{ name: 'single', rounds: 1 }], scenarioNames(), 'single', shipped)),
    /extends: expected "default"; received ".\/base.json"/,
  );
});

test('a file that does not extend the default says which criteria of it are lost, of the tests of the run', () => {
  const few = { '*': { session_success: ['rate>0.5'], timeouts: ['count<9'], unsettled: ['count==0'] } };
  assert.deepEqual(lostOf(few), [
    {
      tests: ['single'],
      selectors: [
        'protocol_violations',
        'dropped_iterations',
        'sessions{outcome:closed}',
        'command_duration{class:simple}',
      ],
    },
  ]);
  assert.deepEqual(lostOf(few, true), []);
  const { scenarios } = shipped as { scenarios: unknown };
  assert.deepEqual(lostOf(scenarios), []);
  const two = parseThresholds(
    { version: 1, scenarios: few },
    ['single', 'concurrent'].map((name) => ({ name, rounds: 1 })),
    scenarioNames(),
    'suite',
    shipped,
  );
  assert.ok('criteria' in two);
  assert.deepEqual(two.lost, [
    {
      tests: ['single', 'concurrent'],
      selectors: ['protocol_violations', 'dropped_iterations', 'sessions{outcome:closed}'],
    },
    { tests: ['single'], selectors: ['command_duration{class:simple}'] },
    { tests: ['concurrent'], selectors: ['session_success{round:each}', 'command_duration{round:each,class:simple}'] },
  ]);
});

test('a scenario’s selector replaces the same one under *, in either order', () => {
  const own = { session_success: ['rate==1'] };
  const all = { session_success: ['rate>0.5'], timeouts: ['count==0'] };
  for (const scenarios of [
    { '*': all, concurrent: own },
    { concurrent: own, '*': all },
  ]) {
    const expressions = criteriaOf(parse(scenarios)).map(({ expression }) => expression);
    assert.deepEqual(expressions.toSorted(), ['count==0', 'rate==1']);
  }
});

test('the order of tags and blanks make no other selector', () => {
  const criteria = criteriaOf(
    parse({
      '*': { 'command_duration{class:simple,round:each}': ['p(95)<1'] },
      concurrent: { 'command_duration{ round:each, class:simple }': ['p(95)<5000'] },
    }),
  );
  assert.deepEqual(
    criteria.map(({ selector, expression }) => `${selector} ${expression}`),
    [1, 2, 3].map((round) => `command_duration{round:${round},class:simple} p(95)<5000`),
  );
});

test('k6’s form with abortOnFail is passed on', () => {
  const criteria = criteriaOf(
    parse({ '*': { session_success: [{ threshold: ' rate>0.5 ', abortOnFail: true, delayAbortEval: '10s' }] } }),
  );
  assert.deepEqual(k6Thresholds(criteria).session_success, [
    { threshold: 'rate>0.5', abortOnFail: true, delayAbortEval: '10s' },
  ]);
});

const bad: [name: string, scenarios: unknown, message: RegExp][] = [
  ['unknown metric', { '*': { sesion_success: ['rate>0'] } }, /no such metric; did you mean session_success\?/],
  ['unknown scenario', { concurent: { timeouts: ['count==0'] } }, /no such scenario; did you mean concurrent\?/],
  ['unknown tag', { '*': { 'session_success{url:x}': ['rate>0'] } }, /no tag "url" on session_success/],
  [
    'a class that is none',
    { '*': { 'session_success{class:Easy}': ['rate>0'] } },
    /expected class to be a class .*such as simple/,
  ],
  [
    'no command',
    { '*': { 'command_duration{command:a/b}': ['max<1'] } },
    /expected command to be the name of a command/,
  ],
  [
    'sessions by command',
    { '*': { 'session_success{command:echo}': ['rate>0'] } },
    /no tag "command" on session_success/,
  ],
  ['unknown outcome', { '*': { 'sessions{outcome:bad}': ['count>0'] } }, /expected outcome to be ok/],
  ['scenario tag', { '*': { 'session_success{scenario:x}': ['rate>0'] } }, /use round instead/],
  ['a round that is none', { '*': { 'session_success{round:0}': ['rate>0'] } }, /each, or a number from 1/],
  ['a round too many', { '*': { 'session_success{round:4}': ['rate>0'] } }, /this run has 3 rounds/],
  ['by round, which is not', { '*': { 'connect_duration{round:1}': ['max<1'] } }, /are judged by round/],
  ['a tag twice', { '*': { 'session_success{class:simple,class:burst}': ['rate>0'] } }, /twice/],
  ['a selector that is none', { '*': { 'session_success{': ['rate>0'] } }, /no such metric/],
  ['aggregation of another type', { '*': { session_success: ['p(95)<5'] } }, /expected rate, an operator/],
  ['a percentile over 100', { '*': { session_duration: ['p(101)<5'] } }, /expected avg, min/],
  ['no operator', { '*': { session_duration: ['p(95)5'] } }, /expected avg, min/],
  ['no number', { '*': { timeouts: ['count==none'] } }, /expected count or rate/],
  ['no list', { '*': { timeouts: 'count==0' } }, /a list of at least one expression/],
  ['an empty list', { '*': { timeouts: [] } }, /a list of at least one expression/],
  ['no text', { '*': { timeouts: [5] } }, /expected an expression or/],
  [
    'unknown member of a threshold',
    { '*': { timeouts: [{ threshold: 'count==0', abort: true }] } },
    /unknown member abort/,
  ],
  ['no object', { '*': [] }, /expected {"metric"/],
  ['nothing for the scenario', { single: { session_success: ['rate==1'] } }, /no criterion for concurrent/],
];

for (const [name, scenarios, message] of bad) {
  test(`refused: ${name}`, () => {
    const parsed = parse(scenarios);
    assert.ok('problems' in parsed, 'is refused');
    assert.equal(parsed.problems.length, 1);
    assert.match(parsed.problems[0] ?? '', message);
  });
}

test('refused: a file that is no thresholds file, and all problems of one at once', () => {
  for (const file of [null, [], 'x', {}, { version: 2, scenarios: {} }, { version: 1 }]) {
    assert.ok('problems' in parseThresholds(file, [{ name: 'concurrent', rounds: 1 }], scenarioNames(), 'concurrent'));
  }
  const parsed = parse({ '*': { a: ['rate>0'], timeouts: ['x', 'y'] }, b: {} });
  assert.equal('problems' in parsed && parsed.problems.length, 4);
});

test('criteria over findings under * are about every scenario with cases, whether it has rounds or not', () => {
  const criteria = {
    version: 1,
    scenarios: { '*': { 'findings{finding:breaking}': ['count==0'], timeouts: ['count==0'] } },
  };
  const selectorsOf = (about: { rounds: number; hasCases?: boolean }): string[] =>
    criteriaOf(parseThresholds(criteria, [{ name: 'x', ...about }], ['x'], 'x')).map(({ selector }) => selector);
  assert.deepEqual(selectorsOf({ rounds: 1, hasCases: true }), ['findings{finding:breaking}', 'timeouts']);
  assert.deepEqual(selectorsOf({ rounds: 0 }), ['findings{finding:breaking}', 'timeouts']);
  assert.deepEqual(selectorsOf({ rounds: 1 }), ['timeouts']);
});

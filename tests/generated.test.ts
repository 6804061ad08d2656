import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { generatedFiles } from '../cli/generate/generate.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { parseCommandSet } from '../lib/commands/command-set.ts';
import { metricsTable } from '../lib/load/metrics.ts';
import { allScenarios } from '../cli/shared/scenarios.ts';
import { parseThresholds, tagValues } from '../lib/load/thresholds.ts';

const read = (file: string): string => readFileSync(path.join(packageRoot, file), 'utf8');

const isRegex = (text: string): boolean => {
  try {
    return RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
};

const compile = (file: string): ValidateFunction => {
  const ajv = new Ajv2020({ strict: true, strictTypes: true, allErrors: true, formats: { regex: isRegex } });
  return ajv.compile(JSON.parse(read(file)) as object);
};

const testNames = allScenarios().flatMap(({ name, scenarios }) => (scenarios ? [] : [name]));
const validThresholds = compile('schemas/thresholds.schema.json');
const validCommandSet = compile('schemas/command-set.schema.json');

/** Every scenario has a criterion here, for to have none is no fault of the file's form. */
const thresholdsFile = (selectors: unknown): object => ({
  version: 1,
  scenarios: { '*': { unsettled: ['count==0'] }, concurrent: selectors },
});

const thresholdsAccepted = (file: unknown): boolean => {
  const maxRounds = 100;
  const shipped: unknown = JSON.parse(read('thresholds.json'));
  return (
    'criteria' in parseThresholds(file, [{ name: 'concurrent', rounds: maxRounds }], testNames, 'concurrent', shipped)
  );
};

const commandSetAccepted = (set: unknown): boolean => 'commands' in parseCommandSet(JSON.stringify(set));

const agree = (
  schema: ValidateFunction,
  validator: (value: unknown) => boolean,
  value: unknown,
  expected?: boolean,
) => {
  const shown = JSON.stringify(value);
  const bySchema = schema(value);
  assert.equal(bySchema, expected ?? validator(value), `schema on ${shown}: ${JSON.stringify(schema.errors)}`);
  if (expected !== undefined) assert.equal(validator(value), expected, `validator on ${shown}`);
};

void test('the generated files are those that the tables make; if not: npm run generate', async () => {
  for (const [file, content] of await generatedFiles()) {
    assert.equal(read(file), content, `${file} is not what the tables make: run npm run generate`);
  }
});

void test('the criteria and command sets of the package fit their schemas', () => {
  const sets = [...['posix', 'python'].map((name) => `lib/commands/${name}.json`), 'docs/examples/commands.json'];
  for (const file of ['thresholds.json', 'docs/examples/thresholds.json']) {
    agree(validThresholds, thresholdsAccepted, JSON.parse(read(file)), true);
  }
  for (const file of [...sets, 'docs/examples/failing-command.json']) {
    agree(validCommandSet, commandSetAccepted, JSON.parse(read(file)), true);
  }
});

void test('every JSON file that names a schema names one that is there', () => {
  for (const folder of ['.', 'lib/commands', 'docs/examples']) {
    for (const file of readdirSync(path.join(packageRoot, folder)).filter((name) => name.endsWith('.json'))) {
      const { $schema } = JSON.parse(read(path.join(folder, file))) as { $schema?: string };
      if ($schema?.startsWith('.') === true) read(path.join(folder, $schema));
    }
  }
});

const goodThresholds: unknown[] = [
  { session_success: ['rate>0.9'] },
  { session_success: [' rate >= 0.95 ', 'rate!=0'] },
  { 'session_success{round:each}': ['rate>=0.9'] },
  { 'command_duration{class:simple, round:2}': ['p(99.9)<100', 'med<5'] },
  { 'command_duration{ round : 2 , class : high-output }': ['p(100)<100'] },
  { 'session_success{class:slow-query}': ['rate>0.9'] },
  { 'command_duration{command:third,round:each}': ['p(95)<5'], 'output_lines{command:My_cmd.2}': ['count>0'] },
  { 'sessions{outcome:protocol-violation,test:single}': ['count===0', 'rate<1'] },
  { 'timeouts{phase:drain}': [{ threshold: 'count<3', abortOnFail: true, delayAbortEval: '1m30s' }] },
  { dropped_iterations: ['count==0'], output_lines: ['count>-1'] },
  {},
];

const badThresholds: unknown[] = [
  [],
  { session_sucess: ['rate>0.9'] },
  { session_success: [] },
  { session_success: 'rate>0.9' },
  { session_success: ['rate'] },
  { session_success: ['rate>'] },
  { session_success: ['rate=>0.9'] },
  { session_success: ['rate>0.9 '.repeat(2)] },
  { session_success: ['p(95)<5'] },
  { session_success: ['rate>.9'] },
  { session_success: [{ abortOnFail: true }] },
  { session_success: [{ threshold: 'rate>0.9', abort: true }] },
  { session_success: [{ threshold: 'rate>0.9', abortOnFail: 'yes' }] },
  { session_success: [{ threshold: 'rate>0.9', delayAbortEval: 10 }] },
  { session_success: [{ threshold: 'rate>0.9', delayAbortEval: 'soon' }] },
  { session_success: [5] },
  { session_duration: ['p(101)<5'] },
  { session_duration: ['p()<5'] },
  { session_duration: ['rate<5'] },
  { session_duration: ['count<5'] },
  { unsettled: ['avg<5'] },
  { 'session_success{}': ['rate>0.9'] },
  { 'session_success{round:0}': ['rate>0.9'] },
  { 'session_success{round:every}': ['rate>0.9'] },
  { 'session_success{round:1,round:2}': ['rate>0.9'] },
  { 'session_success{round:1,class:simple,round:2}': ['rate>0.9'] },
  { 'session_success{scenario:round-1}': ['rate>0.9'] },
  { 'session_success{class:Easy}': ['rate>0.9'] },
  { 'session_success{class:-easy}': ['rate>0.9'] },
  { 'session_success{command:echo}': ['rate>0.9'] },
  { 'command_duration{command:a/b}': ['max<5'] },
  { 'command_duration{command:}': ['max<5'] },
  { 'session_success{test:nightly}': ['rate>0.9'] },
  { 'session_success{class:simple': ['rate>0.9'] },
  { 'session_success{class:simple,}': ['rate>0.9'] },
  { 'session_success{outcome:ok}': ['rate>0.9'] },
  { 'timeouts{round:each}': ['count==0'] },
  { 'dropped_iterations{test:single}': ['count>0'] },
];

const badThresholdFiles: unknown[] = [
  [],
  {},
  { version: 1 },
  { version: 2, scenarios: {} },
  { version: 1, scenarios: [] },
  { version: 1, scenarios: {}, thresholds: {} },
  { version: 1, scenarios: { nightly: {} } },
  { version: 1, scenarios: { '*': { unsettled: ['count==0'] }, single: null } },
  { version: 1, extends: 'defaults', scenarios: {} },
  { version: 1, extends: null, scenarios: {} },
  { version: 1, scenarios: { '*': { unsettled: ['count==0'], timeouts: [] } } },
];

const goodThresholdFiles: unknown[] = [
  { version: 1, extends: 'default', scenarios: {} },
  {
    version: 1,
    extends: 'default',
    scenarios: { '*': { timeouts: [] }, concurrent: { session_success: ['rate==1'] } },
  },
];

void test('thresholds: schema and validator accept and refuse the same', () => {
  for (const selectors of goodThresholds) agree(validThresholds, thresholdsAccepted, thresholdsFile(selectors), true);
  for (const selectors of badThresholds) agree(validThresholds, thresholdsAccepted, thresholdsFile(selectors), false);
  for (const file of badThresholdFiles) agree(validThresholds, thresholdsAccepted, file, false);
  for (const file of goodThresholdFiles) agree(validThresholds, thresholdsAccepted, file, true);
});

const oneOf = (...texts: string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const blank = oneOf('', '', '', ' ');
const tag = fc.tuple(
  oneOf('test', 'round', 'class', 'command', 'outcome', 'phase', 'scenario'),
  fc.oneof(oneOf('each', '1', '12', '0', 'x', 'X', 'a_b', ...testNames), oneOf(...Object.values(tagValues).flat())),
);
const spacedTag = fc
  .tuple(blank, tag, blank)
  .map(([before, [name, value], after]) => `${before}${name}:${value}${after}`);
const metric = oneOf(...Object.keys(metricsTable), 'no_such_metric');
const selector = fc
  .tuple(metric, fc.array(spacedTag, { maxLength: 3 }))
  .map(([name, tags]) => (tags.length === 0 ? name : `${name}{${tags.join(',')}}`));
const number = fc.oneof(oneOf('0', '0.9', '-1', '100', '.5', '1e3', ''), fc.nat().map(String));
const aggregation = fc.oneof(
  oneOf('count', 'rate', 'avg', 'min', 'max', 'med', 'value', 'p'),
  fc.oneof(number, oneOf('99.9', '100.0', '100.1', '007', '1.2.3')).map((percentile) => `p(${percentile})`),
);
const expression = fc
  .tuple(blank, aggregation, blank, oneOf('<', '<=', '>', '>=', '==', '===', '!=', '=', '=>'), blank, number, blank)
  .map((parts) => parts.join(''));

void test('thresholds: schema and validator agree on whatever selectors and expressions there are', () => {
  fc.assert(
    fc.property(selector, expression, (name, text) => {
      agree(validThresholds, thresholdsAccepted, thresholdsFile({ [name]: [text] }));
    }),
    { numRuns: 2000 },
  );
});

const commandSet = (changes: object): object => ({
  version: 1,
  commands: [{ name: 'n', class: 'simple', command: 'true', proof: {}, ...changes }],
});

const goodProofs: object[] = [
  {},
  { exitCode: -1 },
  { lines: [] },
  { lines: ['a', ''], pattern: '^a', maxLines: 0, minDurationMs: 0 },
  { each: '^a', count: 3 },
  { numbered: { line: '{i}', from: 0, to: 0 } },
  { numbered: { line: 'a {i} of {session}', from: 1, to: 10_000 } },
];

const badProofs: unknown[] = [
  null,
  [],
  'lines',
  { line: ['a'] },
  { exitCode: 'x' },
  { exitCode: 0.5 },
  { lines: 'a' },
  { lines: [1] },
  { lines: ['a'], numbered: { line: '{i}', from: 0, to: 1 } },
  { numbered: { line: 'a', from: 0, to: 1 } },
  { numbered: { line: '{i} {i}', from: 0, to: 1 } },
  { numbered: { line: '{i}', from: -1, to: 1 } },
  { numbered: { line: '{i}', from: 0 } },
  { numbered: { line: '{i}', from: 0, to: 1, step: 2 } },
  { pattern: '(' },
  { pattern: 5 },
  { each: '(' },
  { each: 5 },
  { count: -1 },
  { maxLines: -1 },
  { minDurationMs: 1.5 },
];

const badCommandSets: unknown[] = [
  [],
  {},
  { version: 1, commands: [] },
  { version: 2, commands: [{ name: 'n', class: 'simple', command: 'true', proof: {} }] },
  { ...commandSet({}), name: 'x' },
  { version: 1, commands: ['true'] },
  commandSet({ name: ' ' }),
  commandSet({ name: undefined }),
  commandSet({ command: '' }),
  commandSet({ class: 'Easy' }),
  commandSet({ class: 'not easy' }),
  commandSet({ class: 'x'.repeat(41) }),
  commandSet({ class: undefined }),
  commandSet({ proof: undefined }),
  commandSet({ timeout: 5 }),
];

void test('command sets: schema and validator accept and refuse the same', () => {
  for (const proof of goodProofs) agree(validCommandSet, commandSetAccepted, commandSet({ proof }), true);
  for (const name of ['simple', 'slow-query', 'x'.repeat(40)])
    agree(validCommandSet, commandSetAccepted, commandSet({ class: name }), true);
  for (const proof of badProofs) agree(validCommandSet, commandSetAccepted, commandSet({ proof }), false);
  // As JSON has it: a member that is undefined is not there.
  for (const set of badCommandSets) agree(validCommandSet, commandSetAccepted, JSON.parse(JSON.stringify(set)), false);
});

const classes = (count: number): object => ({
  version: 1,
  commands: Array.from({ length: count }, (_, index) => ({
    name: 'n',
    class: `c-${index}`,
    command: 'true',
    proof: {},
  })),
});

void test('command sets: only the validator counts classes', () => {
  agree(validCommandSet, commandSetAccepted, classes(20), true);
  assert.equal(validCommandSet(classes(21)), true);
  assert.equal(commandSetAccepted(classes(21)), false);
});

void test('command sets: only the validator knows that numbers run upwards', () => {
  const set = commandSet({ proof: { numbered: { line: '{i}', from: 2, to: 1 } } });
  assert.equal(validCommandSet(set), true);
  assert.equal(commandSetAccepted(set), false);
});

import { withoutMark } from '../../lib/text/byte-order-mark.ts';
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { settingsTable, type SettingRow } from '../../lib/load/settings.ts';
import { suggestion } from '../../lib/text/suggestion.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { runProblems } from '../run/run-inputs.ts';
import { scenarioNames } from '../shared/scenarios.ts';
import { scheduleProblems, scheduleSchema } from './schedule.ts';

/** Their archives are held in memory, half a megabyte each. */
const maxTests = 100;

const settings = v.record(v.string(), v.string());

const testSchema = () =>
  v.strictObject({
    name: v.pipe(
      v.string(),
      v.minLength(1),
      v.maxLength(300),
      // oxlint-disable-next-line no-control-regex -- a name with one can't be told from another by eye
      v.regex(/^[^\u0000-\u001f\u007f-\u009f]+$/),
      v.description('Name of the load test, by which it is found again'),
    ),
    scenario: v.pipe(v.picklist(scenarioNames()), v.description('What it runs')),
    settings: v.optional(v.pipe(settings, v.description('Its settings, beside those of the file'))),
    schedule: v.optional(
      v.nullable(
        v.pipe(scheduleSchema, v.description('When it runs; null removes the schedule, without it none is touched')),
      ),
    ),
  });

const fileOf = <Test extends v.GenericSchema>(test: Test) =>
  v.strictObject({
    $schema: v.optional(v.pipe(v.string(), v.description('The schema that an editor completes this file by'))),
    version: v.literal(1),
    project: v.pipe(
      v.number(),
      v.safeInteger(),
      v.minValue(1),
      v.description('Id of the project that the load tests belong to'),
    ),
    settings: v.optional(v.pipe(settings, v.description('Settings of every test'))),
    tests: v.pipe(v.array(test), v.minLength(1), v.maxLength(maxTests)),
  });

/** cloud.json: the load tests of a project in Grafana Cloud k6. */
export const cloudFileSchema = () => fileOf(testSchema());

/** A test of cloud.json, checked, with the settings of the file and its own. */
export type CloudTest = v.InferOutput<ReturnType<typeof testSchema>> & { settings: v.InferOutput<typeof settings> };

/** cloud.json, checked. */
export type CloudFile = Pick<v.InferOutput<ReturnType<typeof cloudFileSchema>>, 'project'> & { tests: CloudTest[] };

/** Settings that cloud.json can't give, and why. */
const refusedSettings = (): Map<string, string> =>
  new Map([
    ['STRESS_CLOUD_NAME', "the test's name is its name"],
    ['STRESS_CLOUD_PROJECT', 'the project stands above the tests'],
    ...settingsTable()
      .filter(({ secret }) => secret === true)
      .map(({ name }): [string, string] => [
        name,
        'a secret does not belong in a file: make it an environment variable of Grafana Cloud k6 (docs/cloud.md)',
      ]),
  ]);

/** The settings that cloud.json can give. */
export const cloudSettings = (): SettingRow[] => {
  const refused = refusedSettings();
  return settingsTable().filter(({ name }) => !refused.has(name));
};

const settingProblems = (given: Readonly<Record<string, string>>): string[] => {
  const refused = refusedSettings();
  const known = cloudSettings().map(({ name }): string => name);
  return Object.keys(given).flatMap((name) => {
    const why = refused.get(name);
    if (why !== undefined) return [`${name}: ${why}`];
    return known.includes(name) ? [] : [`${JSON.stringify(name)}: no such setting${suggestion(name, known)}`];
  });
};

const expectedBy = (issue: v.BaseIssue<unknown>): string => {
  const { type, requirement, expected, message } = issue;
  switch (type) {
    case 'min_value':
      return `at least ${String(requirement)}`;
    case 'min_length':
    case 'max_length':
      return `a length of at ${type === 'min_length' ? 'least' : 'most'} ${String(requirement)}`;
    case 'regex':
      return 'a text without control characters';
    case 'safe_integer':
    case 'integer':
      return 'a whole number';
    case 'iso_timestamp':
      return message;
    default:
      return expected === 'never' ? 'no such member' : (expected ?? 'another value');
  }
};

const issueText = (issue: v.BaseIssue<unknown>): string => {
  const path = v.getDotPath(issue);
  const received = issue.received.length > 100 ? `${issue.received.slice(0, 100)}…` : issue.received;
  const near =
    issue.type === 'picklist' && typeof issue.input === 'string' ? suggestion(issue.input, scenarioNames()) : '';
  return `${path === null ? '' : `${path}: `}expected ${expectedBy(issue)}; received ${received}${near}`;
};

const readTest = (
  value: unknown,
  shared: Readonly<Record<string, string>>,
): { test?: CloudTest; problems: string[]; name: string | undefined } => {
  const parsed = v.safeParse(testSchema(), value);
  const given = typeof value === 'object' && value !== null ? (value as { name?: unknown }).name : undefined;
  const name = typeof given === 'string' ? given : undefined;
  if (!parsed.success) return { problems: parsed.issues.map(issueText), name };
  const { scenario, schedule, settings: own = {} } = parsed.output;
  const test = { ...parsed.output, settings: { ...shared, ...own } };
  const unknown = settingProblems(own);
  // What the file's own settings are told of is not told again of each test.
  const known = new Set<string>(cloudSettings().map(({ name }) => name));
  const env = Object.fromEntries(Object.entries(test.settings).filter(([setting]) => known.has(setting)));
  return {
    test,
    name,
    problems: [
      ...unknown,
      ...runProblems(env, scenario, undefined),
      ...(schedule ? scheduleProblems(schedule).map((problem) => `schedule.${problem}`) : []),
    ],
  };
};

const twice = (names: readonly (string | undefined)[]): string[] =>
  [...new Set(names.filter((name, index) => name !== undefined && names.indexOf(name) !== index))].map(
    (name) => `tests: expected each name once; received ${JSON.stringify(name)} more than once`,
  );

/** Checks the text of a cloud.json; all that is wrong comes at once. */
export const parseCloudFile = (text: string): { file: CloudFile } | { problems: string[] } => {
  let value: unknown;
  try {
    value = JSON.parse(withoutMark(text));
  } catch (error) {
    return { problems: [`expected JSON: ${innermostMessage(error)}`] };
  }
  const top = v.safeParse(fileOf(v.unknown()), value);
  const { settings: givenShared, tests: givenTests } = (top.success ? top.output : (value ?? {})) as {
    settings?: unknown;
    tests?: unknown;
  };
  const shared = v.safeParse(settings, givenShared ?? {});
  const sharedSettings = shared.success ? shared.output : {};
  const read = (Array.isArray(givenTests) ? givenTests : []).map((each) => readTest(each, sharedSettings));
  const problems = [
    ...(top.success ? [] : top.issues.map(issueText)),
    ...settingProblems(sharedSettings).map((problem) => `settings: ${problem}`),
    ...read.flatMap(({ name, problems: ofTest }, index) =>
      ofTest.map((problem) => `tests.${index}${name === undefined ? '' : ` ${JSON.stringify(name)}`}: ${problem}`),
    ),
    ...twice(read.map(({ name }) => name)),
  ];
  if (problems.length > 0 || !top.success) return { problems };
  return { file: { project: top.output.project, tests: read.flatMap(({ test }) => (test ? [test] : [])) } };
};

/** Reads and checks a cloud.json. */
export const readCloudFile = (file: string): { file: CloudFile } | { problems: string[] } => {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return { problems: [`${file}: expected a file such as docs/examples/cloud.json: ${innermostMessage(error)}`] };
  }
  const parsed = parseCloudFile(text);
  return 'problems' in parsed ? { problems: parsed.problems.map((problem) => `${file}: ${problem}`) } : parsed;
};

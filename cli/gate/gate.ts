import { readFileSync } from 'node:fs';
import { readCriteria, readInputs } from '../../lib/load/inputs.ts';
import { knownScenarios } from '../../lib/load/thresholds.ts';
import { parseDuration } from '../../lib/load/settings.ts';
import { suggestion } from '../../lib/text/suggestion.ts';
import { summaryText, verdictLine } from '../../lib/results/summary.ts';
import type { RunResult } from '../../lib/results/record-schema.ts';
import { hide } from '../../lib/results/redact.ts';
import { secretsOfAuthorization } from '../../lib/results/secrets.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { httpAddressProblem } from '../shared/http-address.ts';
import { printable } from '../shared/printable.ts';
import { problemsIn } from '../shared/refusal.ts';
import { declareCommand, type Given, type Options, type SettingOption } from '../shared/command.ts';
import { helpEntry } from '../shared/help-entry.ts';
import { settingsNamed, spellingOf } from '../shared/settings-options.ts';
import { allScenarios, defaultThresholds } from '../shared/scenarios.ts';
import { GateError, type Connection } from './prometheus.ts';
import { bucketGrowth, isTooNear, questionsFor, untranslatable } from './promql.ts';
import { evaluateWholeTest, wholeProfile, type WholeTest } from './whole-test.ts';

/** The scenarios whose sessions can be split over several machines. */
const splittable = (): string[] => allScenarios().flatMap(({ name, rounds }) => (rounds.length > 0 ? [name] : []));

/** The settings of the run that its evaluation needs. */
const settings = (): SettingOption[] =>
  settingsNamed(
    ['STRESS_ROUNDS', 'STRESS_VUS', 'STRESS_DURATION', 'STRESS_RATE', 'STRESS_FLEET', 'STRESS_THRESHOLDS'],
    () => ({ group: 'As given to the test', isFlagOnly: true }),
  );

const growth = `${((bucketGrowth - 1) * 100).toFixed(1)} %`;

const options = {
  prometheus: { takes: 'url', description: 'Where Prometheus answers queries.', group: 'Test' },
  'test-id': { takes: 'id', description: 'The id of the test: the value of its label.', group: 'Test' },
  scenario: { takes: 'scenario', description: 'The scenario that was run; one that has rounds.', group: 'Test' },
  instances: {
    takes: 'n',
    description: 'How many k6 processes ran it; with fewer the test is INVALID.',
    group: 'Test',
  },
  'test-label': {
    takes: 'label',
    description: 'The label of the test id. Default: testrun_name, which the k6-operator sets.',
    group: 'Test',
  },
  'instance-label': {
    takes: 'label',
    description: 'The label that distinguishes k6 processes. Default: instance_id, which the k6-operator sets.',
    group: 'Test',
  },
  within: { takes: 'duration', description: 'How long ago the test may have begun. Default: 24h.', group: 'Test' },
  queries: { description: 'Print the PromQL of each criterion, and judge nothing.', group: 'Test' },
} as const satisfies Options;

const maxInstances = 1000;

const labelProblem = (flag: string, name: string): string | false =>
  !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) &&
  `${flag}: expected a label, such as instance_id; received ${JSON.stringify(name)}`;

const authorizationFrom = (
  env: Readonly<Record<string, string | undefined>>,
): { authorization: string | undefined; problems: string[] } => {
  const { PROMETHEUS_TOKEN: token, PROMETHEUS_USERNAME: name, PROMETHEUS_PASSWORD: password } = env;
  const basic = name && password && `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
  return {
    authorization: (token ? `Bearer ${token}` : basic) || undefined,
    problems: problemsIn(
      token && (name || password)
        ? 'PROMETHEUS_TOKEN: expected alone; PROMETHEUS_USERNAME or PROMETHEUS_PASSWORD is set too'
        : (name || password) && !basic && 'PROMETHEUS_USERNAME, PROMETHEUS_PASSWORD: expected both; one is not set',
      // A header's value holds no control characters (RFC 9110 §5.5).
      /[^\u0021-\u007e]/.test(token ?? '') &&
        'PROMETHEUS_TOKEN: expected a token of visible ASCII characters (not shown)',
    ),
  };
};

const readFile = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`: ${innermostMessage(error)}`, { cause: error });
  }
};

/** What is asked for, or everything that is wrong with it. */
const readAsked = (
  { values, asked, problems: typed }: Given<typeof options>,
  env: Readonly<Record<string, string | undefined>>,
): { test: WholeTest; connection: Connection; warnings: readonly string[] } | { problems: string[] } => {
  const url = values.prometheus;
  const testId = values['test-id'] ?? '';
  const scenario = values.scenario ?? '';
  const instances = values.instances ?? '';
  const testLabel = values['test-label'] ?? 'testrun_name';
  const instanceLabel = values['instance-label'] ?? 'instance_id';
  const within = values.within ?? '24h';
  const withinMs = parseDuration(within) ?? 0;
  const count = /^\d+$/.test(instances) ? Number(instances) : 0;
  const maxWithinMs = 31 * 24 * 3_600_000;
  const { authorization, problems: ofAuthorization } = authorizationFrom(env);
  const known = splittable().includes(scenario);
  const problems = [
    ...typed,
    ...problemsIn(
      url === undefined && values.queries !== true
        ? '--prometheus: expected an address such as http://localhost:9090; received none'
        : httpAddressProblem(
            '--prometheus',
            url,
            'http://localhost:9090',
            'PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD hold the name and the password',
          ),
      (testId.length === 0 || testId.length > 200) &&
        '--test-id: expected the id that marks the test, of 1 to 200 characters, such as nightly-42',
      !known &&
        `--scenario: expected one whose sessions can be split; received ${scenario || 'none'}${suggestion(scenario, splittable())} (${splittable().join(', ')})`,
      (count < 1 || count > maxInstances) &&
        `--instances: expected how many k6 processes ran the test, from 1 to ${maxInstances}; received ${instances || 'nothing'}`,
      labelProblem('--test-label', testLabel),
      labelProblem('--instance-label', instanceLabel),
      (withinMs < 1000 || withinMs > maxWithinMs) &&
        `--within: expected a duration from 1s to 744h, such as 6h; received ${JSON.stringify(within)}`,
    ),
    ...ofAuthorization,
  ];
  const inputs = readInputs(asked, readFile, defaultThresholds(), spellingOf({}, {}));
  const profile = inputs.problems.length > 0 ? undefined : wholeProfile(scenario, inputs.settings);
  if (profile !== undefined && profile.rounds.length > 1 && count > 1) {
    problems.push('--rounds: expected one round, for several k6 processes can run no more, such as --vus 300');
  }
  const criteria = known
    ? readCriteria(
        inputs,
        scenario,
        [{ name: scenario, rounds: profile?.rounds.length ?? 100 }],
        knownScenarios(defaultThresholds(), [scenario]),
      )
    : [];
  for (const { selector, expression, metric } of criteria) {
    const why = untranslatable({ metric, expression });
    if (why !== undefined) inputs.problems.push(`${selector} ${expression}: ${why}`);
  }
  problems.push(...inputs.problems);
  if (problems.length > 0 || profile === undefined) return { problems };
  return {
    test: { scenario, testLabel, testId, instanceLabel, instances: count, withinMs, criteria, profile },
    warnings: inputs.warnings,
    connection: { url: (url ?? '').replace(/\/+$/, ''), authorization },
  };
};

const exitCodes: Readonly<Record<RunResult['verdict'], number>> = {
  PASS: 0,
  'NOT APPLICABLE': 0,
  FAIL: 99,
  'NOT RUN': 108,
  INVALID: 110,
};

/** The PromQL of each criterion, for five minutes of samples: what a longer test needs differs in its times alone. */
const queriesText = ({ criteria, testLabel, testId }: WholeTest, nowMs: number): string => {
  const series = { testLabel, testId, atS: Math.ceil(nowMs / 1000), withinS: 239 };
  return criteria
    .flatMap(({ selector, expression }) => {
      const aggregation = /^[a-z]+(\([\d.]+\))?/.exec(expression)?.[0] ?? '';
      const asked = questionsFor(selector, [aggregation], series);
      return [`${selector} ${expression}`, ...asked.map(({ value, expression: promql }) => `  ${value}: ${promql}`)];
    })
    .map((line) => `${line}\n`)
    .join('');
};

const nearLines = ({ criteria }: RunResult, test: WholeTest): string[] =>
  criteria.flatMap(({ selector, expression, observed }, index) => {
    const metric = test.criteria[index]?.metric;
    if (metric === undefined || !isTooNear(metric, expression, observed)) return [];
    return [`  too near to tell: ${selector} ${expression}, for the histogram knows its percentiles to ${growth} only`];
  });

export const gateCommand = declareCommand({
  description: `Evaluates a test that several k6 processes ran as one: the criteria of thresholds.json, from what k6's output experimental-prometheus-rw wrote to Prometheus as native histograms. It needs --prometheus, --test-id, --scenario and --instances.

Exit code, as of ws-stress run: 0 pass, 99 a criterion failed or had no data, 108 nothing was judged, 110 invalid; 2 wrong options.`,
  options,
  settings,
  groups: ['Test', 'As given to the test', 'Help'],
  notes: () =>
    [
      'Environment:',
      helpEntry('PROMETHEUS_TOKEN', 'Bearer token for Prometheus.'),
      helpEntry('PROMETHEUS_USERNAME', 'With PROMETHEUS_PASSWORD: basic authentication.'),
    ].join('\n'),
  notDone: 'Nothing was judged',
  examples: [
    'ws-stress gate --prometheus http://localhost:9090 --test-id nightly-42 \\\n  --scenario concurrent --instances 3 --vus 300',
  ],
  act: async (given) => {
    const read = readAsked(given, process.env);
    if ('problems' in read) return given.refuse(read.problems);
    const { test, connection, warnings } = read;
    for (const warning of warnings) console.error(warning);
    if (given.values.queries === true) {
      process.stdout.write(queriesText(test, Date.now()));
      return 0;
    }
    try {
      const { run, result, problem } = await evaluateWholeTest(connection, test);
      const shown = { ...run, id: printable(run.id, 200) };
      const isColoured = process.stdout.isTTY && !process.env.NO_COLOR;
      process.stdout.write(
        summaryText(test.scenario, shown, undefined, '', given.asked, result, undefined, isColoured),
      );
      for (const line of nearLines(result, test)) console.log(line);
      if (problem !== undefined) console.error(problem);
      console.log(verdictLine(result, isColoured));
      return exitCodes[result.verdict];
    } catch (error) {
      if (!(error instanceof GateError)) throw error;
      const message = hide(error.message, secretsOfAuthorization(connection.authorization));
      console.error(`NOT RUN: nothing was judged: ${message}`);
      return exitCodes['NOT RUN'];
    }
  },
});

import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { rawConformanceCases } from '../../lib/cases/conformance-raw.ts';
import { scenariosOf } from '../shared/scenarios.ts';
import { parseSettings, shownUrl, type Settings } from '../../lib/load/settings.ts';
import { describeOutcome } from '../../lib/session/outcome.ts';
import { secretsOf } from '../../lib/results/redact.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { readRunRecord } from '../results/run-folder.ts';
import { readFailures, type Failures } from './closing-table.ts';
import { tellWhetherItWorks } from '../conformance/conformance-raw.ts';
import { runConformance } from '../conformance/conformance-run.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import shippedExpectations from './expected-findings.json' with { type: 'json' };
import {
  compareFindings,
  expectedText,
  parseExpected,
  type Difference,
  type ExpectedOfService,
  type RunFindings,
} from './expected-findings.ts';
import { helperActions, helperOptions, helperProblems, type HelperOptions } from './helper-options.ts';
import { startHelper } from './helper.ts';
import { runK6 } from './run-k6.ts';
import { packageRoot } from '../shared/package-root.ts';
import { printable } from '../shared/printable.ts';
import { runProblems } from './run-inputs.ts';
import {
  emptyOptions,
  helpEntry,
  optionProblem,
  refuse,
  settingsEnvironment,
  settingsOptions,
  type ParsedOption,
} from '../shared/parse-options.ts';
import { spellingOf } from '../shared/settings-options.ts';
import { ensureK6, type K6 } from '../setup/setup.ts';
import { realServiceDocument, type ShownFinding } from './verify-real-document.ts';

const help = (): string => `Usage: ws-stress verify-real --url URL [options] [settings of ws-stress run]

Runs everything against a real service, writes down what it showed, and holds it
to what is known of the service. Exit code: 0 where every finding is expected
and every expected one was found, 1 where something is new or missing, 2 for
wrong options; else k6's own (108 nothing was run, 110 invalid, …). Of a service
that is not known the verdict decides: 99 where a criterion does not hold, or a
frame breaks it.

${helpEntry('--url URL', 'The service: all commands, and sessions for everything.')}
${helpEntry('--limited-url URL', 'The same service with an allow-list and few sessions: what command-validation and session-limit ask.')}
${Object.entries(helperOptions)
  .map(([name, { takes, description }]) => helpEntry(`--${name} <${takes}>`, description))
  .join('\n')}
${helpEntry('--out FILE', 'The document. Default: docs/real-service.md in a checkout, else real-service.md here.')}
${helpEntry('--expect FILE', 'What is known of services, in place of cli/run/expected-findings.json.')}
${helpEntry('--update-expected', 'Write what was found into that file.')}
${helpEntry('--ca FILE', "Certificates (PEM) to trust in place of the system's.")}
${helpEntry('--help', 'Show this.')}

Memory is judged with --target-pid alone, and a service of a few sessions a
second needs --memory-duration 10m or more; the recovery after an outage takes
--stop-command and --start-command. What is not given is told as NOT RUN.
`;

/** k6's exit codes for a run that was judged. */
const judged = new Set([0, 99]);
/** Time after which a case over Node without an answer is a hang, milliseconds. */
const caseMs = 5_000;
/** How long a service that accepts no session is given to accept one again, milliseconds. */
const recoveryMs = 10_000;

const isCheckout = (): boolean => existsSync(path.join(packageRoot, 'tsconfig.json'));

/** An installed package is no place to write to. */
const defaultOut = (): string =>
  isCheckout() ? path.join(packageRoot, 'docs/real-service.md') : path.resolve('real-service.md');

const fileProblems = (flag: string, file: string): string[] => {
  try {
    const folder = path.dirname(file);
    if (existsSync(folder)) accessSync(folder, constants.W_OK);
    return [];
  } catch (error) {
    return [`${flag}: expected a file in a folder that can be written to: ${innermostMessage(error)}`];
  }
};

const readExpected = (file: string | undefined): ExpectedOfService[] =>
  parseExpected(file === undefined ? shippedExpectations : JSON.parse(readFileSync(file, 'utf8')));

const expectedProblems = (file: string | undefined): string[] => {
  try {
    readExpected(file);
    return [];
  } catch (error) {
    return [`--expect: expected a file such as cli/run/expected-findings.json: ${innermostMessage(error)}`];
  }
};

/** What a run of the suite left. */
interface SuiteRun {
  code: number;
  result: RunRecord | undefined;
  failures: Failures;
}

const runSuite = async (k6: K6, env: NodeJS.ProcessEnv, folder: string): Promise<SuiteRun> => {
  const resultFile = env.STRESS_RESULT ? path.resolve(env.STRESS_RESULT) : path.join(folder, 'result.json');
  const records = path.join(folder, 'records.ndjson');
  const bundle = path.join(packageRoot, 'dist', 'suite.js');
  const args = ['run', '--console-output', records, '--log-format', 'raw', bundle];
  const { code } = await runK6(k6.path, args, { ...env, STRESS_RESULT: resultFile, STRESS_RECORDS: 'failures' });
  const failures = existsSync(records) ? await readFailures(records) : { sessions: new Map(), findings: [], other: [] };
  const isDone = judged.has(code) && existsSync(resultFile);
  const result = isDone ? await readRunRecord(resultFile) : undefined;
  return { code, result, failures };
};

/** Asks what only Node can send; returns what does not conform, and how many cases were asked. */
const askFrames = async (
  { url, headers, insecure }: Settings,
  ca: string | undefined,
): Promise<{ findings: ShownFinding[]; asked: number }> => {
  const service = { url, headers, insecure, ...(ca !== undefined && { ca: readFileSync(ca, 'utf8') }) };
  const trouble = await tellWhetherItWorks(service, caseMs);
  const cases = rawConformanceCases();
  if (trouble !== undefined) {
    const received = `the service gives no session after the run: ${trouble}`;
    const [first] = cases;
    const findings = cases.map(({ name, section, expected }) => ({
      test: 'conformance',
      case: name,
      section,
      expected,
      finding: name === first?.name ? 'breaking' : 'not-run',
      received,
    }));
    return { findings, asked: 0 };
  }
  const report = await runConformance(cases, service, { caseMs, recoveryMs }, () => {});
  const findings = report.cases
    .filter(({ finding }) => finding !== 'conforming')
    .map(({ name, section, expected, received, finding }) => ({
      test: 'conformance',
      case: name,
      section,
      expected,
      finding: finding === 'NOT RUN' ? 'not-run' : finding,
      received: finding === 'NOT RUN' ? `the service is down after ${report.downAfter ?? 'the case before'}` : received,
    }));
  return { findings, asked: report.cases.filter(({ finding }) => finding !== 'NOT RUN').length };
};

const failureLines = ({ sessions }: Failures): string[] =>
  [...sessions.values()].flatMap(({ count, first }) => {
    const lines = first.map(
      ({ test, round, session, commands, outcome }) =>
        `${test}, round ${round}, session ${session}, ${commands[0]?.name ?? 'no command'}: ${describeOutcome(outcome)}`,
    );
    return count > first.length ? lines.concat(`… and ${count - first.length} more of this kind`) : lines;
  });

const differenceText = (service: string, expected: boolean, { met, ...difference }: Difference): string => {
  const lines = [
    ...difference.new.map((each) => `  new      ${printable(each, 300)}`),
    ...difference.missing.map((each) => `  missing  ${printable(each, 300)}`),
    ...difference.notAsked.map((each) => `  not asked  ${printable(each, 300)}`),
  ];
  return expected
    ? [`Expected of ${service}: ${met} came as expected`, ...lines].join('\n')
    : `${service} is not known to the file of --expect`;
};

const parse = (argv: string[]): Record<string, ParsedOption> | string => {
  const options = {
    ...settingsOptions(),
    'stop-command': { type: 'string' as const },
    'start-command': { type: 'string' as const },
    'target-pid': { type: 'string' as const },
    help: { type: 'boolean' as const },
    out: { type: 'string' as const },
    expect: { type: 'string' as const },
    'update-expected': { type: 'boolean' as const },
    ca: { type: 'string' as const },
  };
  try {
    return parseArgs({ args: argv, options }).values;
  } catch (error) {
    return optionProblem(error, Object.keys(options));
  }
};

/** `ws-stress verify-real`: everything against a real service, written down and held to what is known of it. */
export const verifyRealCommand = async (argv: string[]): Promise<number> => {
  const values = parse(argv);
  if (typeof values === 'string') return refuse([values]);
  if (values.help === true) {
    process.stdout.write(help());
    return 0;
  }
  const fileOf = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' && value !== '' ? path.resolve(value) : undefined;
  };
  const [ca, expect, out] = [fileOf('ca'), fileOf('expect'), fileOf('out') ?? defaultOut()];
  const update = values['update-expected'] === true;
  const asked = settingsEnvironment(values);
  const env: NodeJS.ProcessEnv = { ...process.env, ...asked, ...(ca !== undefined && { SSL_CERT_FILE: ca }) };
  const problems = [
    ...(env.STRESS_URL ? [] : ['--url: expected the address of a service, such as ws://localhost:8003/ws/mcp']),
    ...emptyOptions(values),
    ...(update && expect === undefined && !isCheckout()
      ? ['--update-expected: expected --expect FILE too, for an installed package is no place to write to']
      : []),
    ...helperProblems(values as HelperOptions, env, spellingOf(asked)),
    ...fileProblems('--out', out),
    ...expectedProblems(expect),
    ...runProblems(env, 'suite', ca, spellingOf(asked)),
  ];
  if (problems.length > 0) return refuse(problems);

  const k6 = await ensureK6();
  const actions = helperActions(values as HelperOptions);
  const helper = actions === undefined ? undefined : await startHelper(actions);
  const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-'));
  try {
    return await verify({ k6, env: { ...env, ...helper?.environment }, values, folder, ca, expect, out, update });
  } finally {
    await helper?.close();
    await rm(folder, { recursive: true, force: true });
  }
};

interface Verification {
  k6: K6;
  env: NodeJS.ProcessEnv;
  values: Readonly<Record<string, ParsedOption>>;
  folder: string;
  ca: string | undefined;
  expect: string | undefined;
  out: string;
  update: boolean;
}

const verify = async ({ k6, env, values, folder, ca, expect, out, update }: Verification): Promise<number> => {
  const startedAt = performance.now();
  const { code, result, failures } = await runSuite(k6, env, folder);
  for (const line of failures.other) console.error(line);
  if (!judged.has(code)) {
    console.error(`k6 ended with exit code ${code}: ${out} is left as it was`);
    return code;
  }
  if (result === undefined) {
    console.error(`expected k6 to write its result, and it did not: ${out} is left as it was`);
    return 1;
  }
  const { settings } = parseSettings(env);
  const tests = scenariosOf('suite')
    .map(({ name }) => name)
    .filter((name) => settings.only?.includes(name) !== false && !settings.skip?.includes(name));
  const frames = tests.includes('conformance') ? await askFrames(settings, ca ?? env.SSL_CERT_FILE) : undefined;
  const findings = [...failures.findings, ...(frames?.findings ?? [])];

  const { name = 'unknown', version = 'of unknown version' } = result.service ?? {};
  const known = readExpected(expect);
  const expected = known.find((each) => each.service === name && each.version === version);
  const run = {
    findings,
    criteria: result.criteria,
    failures: [...failures.sessions.values()].flatMap(({ first }) =>
      first.map(({ test, outcome }) => ({ test, outcome: describeOutcome(outcome) })),
    ),
    tests,
    mayLack: lacking(settings, values),
  };
  const isCompared = expected !== undefined || expect !== undefined || update;
  const difference = isCompared
    ? compareFindings(expected ?? { findings: [], sessions: [], criteria: [] }, run)
    : undefined;

  await mkdir(path.dirname(out), { recursive: true });
  await writeFile(
    out,
    realServiceDocument({
      service: `${name} ${version}`,
      url: shownUrl(settings.url),
      limitedUrl: settings.limitedUrl === undefined ? undefined : shownUrl(settings.limitedUrl),
      date: new Date().toISOString().slice(0, 10),
      k6: k6.version,
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      tookSeconds: (performance.now() - startedAt) / 1000,
      marker: result.marker,
      result,
      success: result.success ?? [],
      findings,
      framesAsked: frames?.asked ?? 0,
      failures: failureLines(failures),
      expected,
      difference,
      secrets: secretsOf(settings),
    }),
  );
  console.error(`written: ${out}`);

  if (difference === undefined) {
    console.error(`nothing is known of ${name} ${version}: the verdict decides`);
    const isBroken = frames?.findings.some(({ finding }) => finding === 'breaking') === true;
    return isBroken ? 99 : code;
  }
  console.log(differenceText(`${name} ${version}`, expected !== undefined, difference));
  if (update) {
    const file = expect ?? path.join(packageRoot, 'cli/run/expected-findings.json');
    const mine = { service: name, version, sessions: expected?.sessions ?? [], ...difference.updated };
    await writeFile(file, expectedText([...known.filter((each) => each !== expected), mine]));
    console.error(`written: ${file}`);
    return 0;
  }
  const differs = difference.new.length + difference.missing.length > 0;
  return expected === undefined || differs ? 1 : 0;
};

/** Whether what a test needs for some of its cases was not given. */
const lacking = (
  { limitedUrl }: Settings,
  { 'target-pid': pid, 'stop-command': stop }: Readonly<Record<string, ParsedOption>>,
): RunFindings['mayLack'] => {
  const lacks = new Set([
    ...(limitedUrl === undefined ? ['command-validation', 'session-limit'] : []),
    ...(pid === undefined ? ['memory', 'high-output'] : []),
    ...(stop === undefined ? ['service-down'] : []),
  ]);
  return (test) => lacks.has(test);
};

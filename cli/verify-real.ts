import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { scenarioNames } from '../lib/load/scenario-names.ts';
import { refusal, shownUrl } from '../lib/load/settings.ts';
import { describeOutcome, type Outcome } from '../lib/results/outcome.ts';
import type { RunIdentity } from '../lib/results/run.ts';
import type { Figures, RunResult } from '../lib/results/verdict.ts';
import { runK6 } from './k6-run.ts';
import { packageRoot } from './package-root.ts';
import { runProblems } from './run-inputs.ts';
import { optionProblem, settingsEnvironment, settingsOptions, type ParsedOption } from './settings-options.ts';
import { ensureK6, type K6 } from './setup.ts';

const help = `Usage: ws-stress verify-real --url ws://host:port/path [--out FILE] [settings of ws-stress run]

Runs every scenario (${scenarioNames.join(', ')}) against a real service and writes what it showed to FILE (default:
docs/real-service.md in a checkout, else real-service.md here). Exit code: 0 where every verdict is PASS, else the first other one's.
`;

type ResultFile = RunResult & { run?: RunIdentity; service?: { name?: string; version?: string } };

/** k6's exit code for a run that a signal ended. */
const aborted = 105;

interface Showing {
  scenario: string;
  exitCode: number;
  result: ResultFile | undefined;
  failures: string[];
}

const seconds = (ms: number | undefined): string => (ms === undefined ? '–' : (ms / 1000).toFixed(2));

const figuresRow = (name: string, { label, successful, failed, avgMs, minMs, maxMs, p95Ms }: Figures): string =>
  `| ${name} ${label} | ${successful} | ${failed} | ${[avgMs, minMs, maxMs, p95Ms].map(seconds).join(' | ')} |`;

const section = ({ scenario, exitCode, result, failures }: Showing): string => {
  if (result === undefined) return `## ${scenario}\n\nNo result: k6 ended with exit code ${exitCode}.\n`;
  const total = result.rounds.length > 1 ? [figuresRow('', { ...result.total, label: 'all rounds' })] : [];
  return [
    `## ${scenario}: ${result.verdict}`,
    '',
    `Exit code ${exitCode}${result.run ? `, \`${result.run.marker}\`` : ''}. Durations in seconds.`,
    '',
    '| round | successful | failed | average | min | max | p95 |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...result.rounds.map((figures, index) => figuresRow(`${index + 1}:`, figures)),
    ...total,
    '',
    '| criterion | observed | status |',
    '| --- | ---: | --- |',
    ...result.criteria.map(
      ({ selector, expression, observed, status }) =>
        `| \`${selector} ${expression}\` | ${observed === undefined ? '–' : Math.round(observed * 1000) / 1000} | ${status} |`,
    ),
    ...(failures.length > 0 ? ['', 'Failed sessions:', '', ...failures.map((failure) => `- ${failure}`)] : []),
    '',
  ].join('\n');
};

const readFailures = async (file: string): Promise<string[]> => {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.startsWith('{"type":"session"'));
  return lines
    .map((line) => JSON.parse(line) as { round: number; outcome: Outcome; commands: { name: string }[] })
    .filter(({ outcome }) => outcome.kind !== 'ok')
    .slice(0, 20)
    .map(
      ({ round, outcome, commands }) =>
        `round ${round}, ${commands[0]?.name ?? 'no command'}: ${describeOutcome(outcome)}`,
    );
};

const showScenario = async (k6: K6, scenario: string, env: NodeJS.ProcessEnv, folder: string): Promise<Showing> => {
  const resultFile = path.join(folder, `${scenario}.json`);
  const recordsFile = path.join(folder, `${scenario}.ndjson`);
  const bundle = path.join(packageRoot, 'dist', `${scenario}.js`);
  const args = ['run', '--console-output', recordsFile, '--log-format', 'raw', bundle];
  const exitCode = await runK6(k6.path, args, { ...env, STRESS_RESULT: resultFile, STRESS_RECORDS: 'all' });
  const result = await readFile(resultFile, 'utf8').then(
    (text) => JSON.parse(text) as ResultFile,
    () => undefined,
  );
  return { scenario, exitCode, result, failures: result === undefined ? [] : await readFailures(recordsFile) };
};

const document = (url: string, k6: K6, showings: readonly Showing[]): string => {
  const service = showings.map(({ result }) => result?.service).find((each) => each?.name !== undefined);
  const host = cpus();
  return [
    '# What a real service showed',
    '',
    'Written by `npm run verify:real`; every run replaces it. The figures are of that machine, and of what else it did.',
    '',
    `- Service: ${service?.name ?? 'unknown'} ${service?.version ?? ''} at \`${shownUrl(url)}\``,
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Load generator: k6 ${k6.version} on ${host.length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    '',
    ...showings.map(section),
  ].join('\n');
};

/** An installed package is no place to write to. */
const defaultOut = (): string =>
  existsSync(path.join(packageRoot, 'tsconfig.json'))
    ? path.join(packageRoot, 'docs/real-service.md')
    : 'real-service.md';

/** `ws-stress verify-real`: every scenario against a real service, written down; returns the exit code. */
export const verifyRealCommand = async (argv: string[]): Promise<number> => {
  let values: Record<string, ParsedOption>;
  try {
    const options = { ...settingsOptions(), help: { type: 'boolean' as const }, out: { type: 'string' as const } };
    values = parseArgs({ args: argv, options }).values;
  } catch (error) {
    console.error(`${refusal([optionProblem(error, [...Object.keys(settingsOptions()), 'help', 'out'])])}\n\n${help}`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const env = { ...process.env, ...settingsEnvironment(values) };
  const url = env.STRESS_URL ?? '';
  const problems = [
    ...(url === '' ? ['--url: expected the address of a service, such as ws://localhost:8003/ws/mcp'] : []),
    ...runProblems(env, 'concurrent', undefined),
  ];
  if (problems.length > 0) {
    console.error(refusal(problems));
    return 2;
  }
  const k6 = await ensureK6();
  const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-'));
  try {
    const showings: Showing[] = [];
    for (const scenario of scenarioNames) {
      const showing = await showScenario(k6, scenario, env, folder);
      if (showing.exitCode === aborted || showing.exitCode > 128) return showing.exitCode;
      showings.push(showing);
    }
    const out = path.resolve(typeof values.out === 'string' ? values.out : defaultOut());
    await mkdir(path.dirname(out), { recursive: true });
    if (showings.every(({ result }) => result === undefined || result.verdict === 'NOT RUN')) {
      console.error(`nothing was run; ${out} is left as it was`);
    } else {
      await writeFile(out, document(url, k6, showings));
      console.error(`written: ${out}`);
    }
    return showings.find(({ exitCode }) => exitCode !== 0)?.exitCode ?? 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

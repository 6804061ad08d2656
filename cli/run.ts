import path from 'node:path';
import { parseArgs } from 'node:util';
import { scenarioNames } from '../lib/load/scenario-names.ts';
import { refusal, suggestion } from '../lib/load/settings.ts';
import { startTarget } from '../target/server.ts';
import { runK6 } from './k6-run.ts';
import { packageRoot } from './package-root.ts';
import { runProblems } from './run-inputs.ts';
import { helpEntry, optionProblem, settingsEnvironment, settingsHelp, settingsOptions } from './settings-options.ts';
import { ensureK6 } from './setup.ts';

const help = (): string => `Usage: ws-stress run <scenario> [options] [-- k6 options]

Runs a scenario (${scenarioNames.join(', ')}) with k6 and exits with k6's exit code: 0 pass, 99 a criterion
failed, 108 nothing was run, 110 invalid. Wrong options: 2.

Options; each but the first three is a setting too, as a variable or by k6's -e:
${helpEntry('--with-target', 'Start the reference target on a free loopback port and run against it.')}
${helpEntry('--ca FILE', "Certificates (PEM) to trust in place of the system's.")}
${helpEntry('--help', 'Show this.')}
${settingsHelp()}

Example:
  ws-stress run concurrent --url ws://localhost:8003/ws/mcp --vus 50
`;

const refuse = (problems: readonly string[]): number => {
  console.error(refusal(problems));
  return 2;
};

/** `ws-stress run`: checks everything, sets k6 up, runs the scenario's bundle; returns the exit code. */
export const runCommand = async (argv: string[]): Promise<number> => {
  const split = argv.indexOf('--');
  const k6Args = split < 0 ? [] : argv.slice(split + 1);
  const options = {
    ...settingsOptions(),
    help: { type: 'boolean' as const },
    'with-target': { type: 'boolean' as const },
    ca: { type: 'string' as const },
  };
  let parsed;
  try {
    parsed = parseArgs({ args: split < 0 ? argv : argv.slice(0, split), options, allowPositionals: true });
  } catch (error) {
    return refuse([optionProblem(error, Object.keys(options))]);
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    process.stdout.write(help());
    return 0;
  }
  const [scenario = '', ...extra] = positionals;
  const ca = values.ca === undefined ? undefined : path.resolve(values.ca);
  const asked = settingsEnvironment(values);
  const env = { ...process.env, ...asked, ...(ca !== undefined && { SSL_CERT_FILE: ca }) };
  const withTarget = values['with-target'] === true;
  const problems = [
    ...(scenarioNames.includes(scenario)
      ? []
      : [
          `expected a scenario (${scenarioNames.join(', ')}), received ${scenario || 'none'}${suggestion(scenario, scenarioNames)}`,
        ]),
    ...(extra.length > 0 ? [`expected one scenario, received also ${extra.join(' ')}`] : []),
    ...(withTarget && asked.STRESS_URL !== undefined ? ['expected --with-target or --url, received both'] : []),
    ...(k6Args.includes('--no-thresholds') ? ['--no-thresholds: a run without criteria could not be judged'] : []),
    ...Object.entries(values)
      .filter(([, value]) => value === '')
      .map(([name]) => `--${name}: expected a value, received nothing`),
    ...runProblems(env, scenario, ca),
  ];
  if (problems.length > 0) return refuse(problems);

  const k6 = await ensureK6();
  const bundle = path.join(packageRoot, 'dist', `${scenario}.js`);
  if (!withTarget) return runK6(k6.path, ['run', ...k6Args, bundle], env);
  const target = await startTarget({ port: 0 });
  console.error(`reference target listening on ${target.url}`);
  try {
    return await runK6(k6.path, ['run', ...k6Args, bundle], { ...env, STRESS_URL: target.url });
  } finally {
    await target.close();
  }
};

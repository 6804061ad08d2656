import { suggestion } from '../lib/text/suggestion.ts';
import { messageOf } from '../lib/text/errors.ts';
import { packageVersion } from './shared/package-root.ts';
import { SetupError } from './setup/setup.ts';

type Command = (argv: string[]) => Promise<number>;

/** Each loads what it needs when it is called: starting takes half the time without what others need. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./run/run-command.ts')).runCommand,
  doctor: async () => (await import('./doctor/doctor-command.ts')).doctorCommand,
  conformance: async () => (await import('./conformance/conformance-command.ts')).conformanceCommand,
  report: async () => (await import('./results/report-command.ts')).reportCommand,
  export: async () => (await import('./results/export.ts')).exportCommand,
  history: async () => (await import('./results/history.ts')).historyCommand,
  baseline: async () => (await import('./results/baseline.ts')).baselineCommand,
  compare: async () => (await import('./results/compare.ts')).compareCommand,
  recovery: async () => (await import('./results/recovery-command.ts')).recoveryCommand,
  gate: async () => (await import('./gate/gate.ts')).gateCommand,
  k8s: async () => (await import('./k8s/render.ts')).k8sCommand,
  cloud: async () => (await import('./cloud/cloud.ts')).cloudCommand,
  list: async () => (await import('./list/list-command.ts')).listCommand,
  target: async () => (await import('./reference-target/target-command.ts')).targetCommand,
  setup: async () => (await import('./setup/setup.ts')).setupCommand,
  'verify-real': async () => (await import('./run/verify-real.ts')).verifyRealCommand,
};

const help = `Usage: ws-stress <command> [options]

Load and stress tests for services that run commands over a WebSocket with
JSON-RPC 2.0.

Commands:
  run <scenario>   run a scenario with k6 (ws-stress list names them)
  doctor           say what service answers, and what it can be put through
  conformance      report where a service differs from JSON-RPC 2.0 and RFC 6455
  report           write a run's report, one HTML file
  export           write a run as JUnit XML, Markdown or JSON
  history          list past runs, their trend, and how many succeeded
  baseline         set or show the runs that others are held against
  compare          hold runs against others: has anything become worse?
  recovery         list the failures that runs have left, replay or retire them
  gate             judge a test of several machines as one, from Prometheus
  k8s render       write a test run of several pods for the k6-operator
  cloud            put load tests into Grafana Cloud k6, and their schedules
  list             list the scenarios, their bundles and criteria
  target           start the reference target on loopback
  setup            find, build or fetch k6
  verify-real      run every scenario against a real service and write it down

ws-stress <command> --help tells more; ws-stress --version tells
the version.
`;

/** The ws-stress command line; returns the exit code. */
export const main = async (argv: string[]): Promise<number> => {
  const [name = '--help', ...rest] = argv;
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help);
    return 0;
  }
  if (name === '--version' || name === '-v') {
    console.log(packageVersion());
    return 0;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    console.error(`ws-stress: no such command: ${name}${suggestion(name, Object.keys(commands))}\n\n${help}`);
    return 2;
  }
  try {
    const command = await load();
    return await command(rest);
  } catch (error) {
    console.error(`ws-stress: ${messageOf(error)}`);
    return error instanceof SetupError ? error.exitCode : 1;
  }
};

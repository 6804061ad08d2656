import { scenarioNames } from '../lib/load/scenario-names.ts';
import { suggestion } from '../lib/load/settings.ts';
import { messageOf } from '../target/errors.ts';
import { conformanceCommand } from './conformance.ts';
import { doctorCommand } from './doctor.ts';
import { gateCommand } from './gate/gate.ts';
import { k8sCommand } from './k8s/render.ts';
import { listCommand } from './list.ts';
import { packageVersion } from './package-root.ts';
import { baselineCommand } from './results/baseline.ts';
import { compareCommand } from './results/compare.ts';
import { historyCommand } from './results/history.ts';
import { runCommand } from './run.ts';
import { SetupError, setupCommand } from './setup.ts';
import { targetCommand } from './target.ts';
import { verifyRealCommand } from './verify-real.ts';

const commands: Readonly<Record<string, (argv: string[]) => Promise<number>>> = {
  run: runCommand,
  doctor: doctorCommand,
  conformance: conformanceCommand,
  history: historyCommand,
  baseline: baselineCommand,
  compare: compareCommand,
  gate: gateCommand,
  k8s: k8sCommand,
  list: listCommand,
  target: targetCommand,
  setup: setupCommand,
  'verify-real': verifyRealCommand,
};

const help = `Usage: ws-stress <command> [options]

Load and stress tests for services that run commands over a WebSocket with JSON-RPC 2.0.

Commands:
  run <scenario>   run a scenario (${scenarioNames.join(', ')}) with k6
  doctor           say what service answers at an address, and what it can be put through
  conformance      ask a service what JSON-RPC 2.0 and RFC 6455 ask of it, and report where it differs
  history          list past runs, their trend, and how many succeeded and failed
  baseline         set or show the runs that others are held against
  compare          hold runs against others, or against the baseline: has anything become worse?
  gate             judge a test of several machines over all of them, from Prometheus
  k8s render       write manifests for the k6-operator: a test run of several pods, or a schedule of them
  list             list the scenarios, their bundles and criteria
  target           start the reference target on loopback
  setup            find, build or fetch k6
  verify-real      run every scenario against a real service and write down what it showed

ws-stress <command> --help tells more; ws-stress --version tells the version.
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
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    console.error(`ws-stress: no such command: ${name}${suggestion(name, Object.keys(commands))}\n\n${help}`);
    return 2;
  }
  try {
    return await command(rest);
  } catch (error) {
    console.error(`ws-stress: ${messageOf(error)}`);
    return error instanceof SetupError ? error.exitCode : 1;
  }
};

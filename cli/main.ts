import { suggestion } from '../lib/text/suggestion.ts';
import { messageOf } from '../lib/text/errors.ts';
import { cloudCommand } from './cloud/cloud.ts';
import { conformanceCommand } from './conformance/conformance-command.ts';
import { doctorCommand } from './doctor/doctor-command.ts';
import { gateCommand } from './gate/gate.ts';
import { k8sCommand } from './k8s/render.ts';
import { listCommand } from './list/list-command.ts';
import { packageVersion } from './shared/package-root.ts';
import { baselineCommand } from './results/baseline.ts';
import { compareCommand } from './results/compare.ts';
import { exportCommand } from './results/export.ts';
import { historyCommand } from './results/history.ts';
import { reportCommand } from './results/report-command.ts';
import { recoveryCommand } from './results/recovery-command.ts';
import { runCommand } from './run/run-command.ts';
import { SetupError, setupCommand } from './setup/setup.ts';
import { targetCommand } from './reference-target/target-command.ts';
import { verifyRealCommand } from './run/verify-real.ts';

const commands: Readonly<Record<string, (argv: string[]) => Promise<number>>> = {
  run: runCommand,
  doctor: doctorCommand,
  conformance: conformanceCommand,
  report: reportCommand,
  export: exportCommand,
  history: historyCommand,
  baseline: baselineCommand,
  compare: compareCommand,
  recovery: recoveryCommand,
  gate: gateCommand,
  k8s: k8sCommand,
  cloud: cloudCommand,
  list: listCommand,
  target: targetCommand,
  setup: setupCommand,
  'verify-real': verifyRealCommand,
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

import { plainLines } from '../lib/text/visible.ts';
import { withShownUrls } from '../lib/load/settings.ts';
import { messageOf } from '../lib/text/errors.ts';
import type { CommandEntry, CommandGroup } from './shared/command.ts';
import { runCommandLine } from './shared/command-line.ts';
import { packageVersion } from './shared/package-root.ts';
import { currentProject } from './shared/project.ts';
import { SetupError } from './setup/setup.ts';

const [tests, service, results, several, own, tool] = [
  'Run tests',
  'Look at a service',
  'Read results',
  'Use several machines or the cloud',
  'Write your own scenarios',
  'Set up',
];

/** Each loads what it needs when it is called: starting takes half the time without what others need. */
const commands: readonly CommandEntry[] = [
  {
    name: 'run',
    summary: 'run a scenario with k6',
    task: tests,
    load: async () => (await import('./run/run-command.ts')).runCommand,
  },
  {
    name: 'list',
    usesScenarios: true,
    summary: 'list the scenarios, their bundles and criteria',
    task: tests,
    load: async () => (await import('./list/list-command.ts')).listCommand,
  },
  {
    name: 'recovery',
    usesScenarios: true,
    summary: 'list kept failures, replay or retire them',
    task: tests,
    load: async () => (await import('./results/recovery-command.ts')).recoveryCommands,
  },
  {
    name: 'doctor',
    usesScenarios: true,
    summary: 'show what a service answers and which scenarios it can run',
    task: service,
    load: async () => (await import('./doctor/doctor-command.ts')).doctorCommand,
  },
  {
    name: 'conformance',
    summary: 'report where a service differs from JSON-RPC 2.0 and RFC 6455',
    task: service,
    load: async () => (await import('./conformance/conformance-command.ts')).conformanceCommand,
  },
  {
    name: 'report',
    summary: "write a run's report, one HTML file",
    task: results,
    load: async () => (await import('./report/report-command.ts')).reportCommand,
  },
  {
    name: 'export',
    summary: 'write a run as JUnit XML, Markdown or JSON',
    task: results,
    load: async () => (await import('./results/export.ts')).exportCommand,
  },
  {
    name: 'history',
    summary: 'list past runs, their trend, and how many succeeded',
    task: results,
    load: async () => (await import('./results/history.ts')).historyCommand,
  },
  {
    name: 'baseline',
    summary: 'set or show the runs that others are compared with',
    task: results,
    load: async () => (await import('./results/baseline.ts')).baselineCommand,
  },
  {
    name: 'compare',
    summary: 'compare runs: has anything become worse?',
    task: results,
    load: async () => (await import('./results/compare.ts')).compareCommand,
  },
  {
    name: 'gate',
    usesScenarios: true,
    summary: 'judge a test of several machines as one, from Prometheus',
    task: several,
    load: async () => (await import('./gate/gate.ts')).gateCommand,
  },
  {
    name: 'k8s',
    usesScenarios: true,
    summary: 'write a test run of several pods for the k6-operator',
    task: several,
    load: async () => (await import('./k8s/render.ts')).k8sCommands,
  },
  {
    name: 'cloud',
    usesScenarios: true,
    summary: 'create load tests and schedules in Grafana Cloud k6',
    task: several,
    load: async () => (await import('./cloud/cloud.ts')).cloudCommands,
  },
  {
    name: 'init',
    summary: 'make a project for scenarios of your own',
    task: own,
    load: async () => (await import('./init/init-command.ts')).initCommand,
  },
  {
    name: 'build',
    summary: 'check and bundle the scenarios of your project',
    task: own,
    load: async () => (await import('./build/build-command.ts')).buildCommand,
  },
  {
    name: 'setup',
    summary: 'find, build or download k6',
    task: tool,
    load: async () => (await import('./setup/setup.ts')).setupCommand,
  },
  {
    name: 'target',
    summary: 'start the reference target on loopback',
    task: tool,
    load: async () => (await import('./reference-target/target-command.ts')).targetCommand,
  },
  {
    name: 'completion',
    summary: 'print a completion script for bash, zsh or fish',
    task: tool,
    load: async () => (await import('./completion/completion-command.ts')).completionCommand,
  },
  {
    // What the completion scripts call; its arguments are the words of an unfinished command line.
    name: '__complete',
    summary: '',
    isHidden: true,
    load: () => printCandidates,
  },
];

const printCandidates = async (words: string[]): Promise<number> => {
  const { candidates } = await import('./completion/candidates.ts');
  for (const each of await candidates(program, words)) console.log(each);
  return 0;
};

const program: CommandGroup = {
  description: 'Load and stress tests for services that run commands over a WebSocket with JSON-RPC 2.0.',
  commands,
  footer: 'ws-stress --version prints the version.',
};

/**
 * Lets a command whose reader has gone, as in `ws-stress list | head`, end as it would have, without what is left to print: a
 * run still writes its results.
 */
const ignoreClosedPipes = (): void => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
};

/** The ws-stress command line; returns the exit code. */
export const main = async (argv: string[]): Promise<number> => {
  ignoreClosedPipes();
  if (argv[0] === '--version' || argv[0] === '-v') {
    console.log(packageVersion());
    return 0;
  }
  try {
    const { usesScenarios } = commands.find(({ name }) => name === argv[0]) ?? {};
    if (usesScenarios === true && currentProject() !== undefined && !argv.includes('--help') && !argv.includes('-h')) {
      await (await import('./build/project-build.ts')).ensureBuilt();
    }
    return await runCommandLine(['ws-stress'], program, argv);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === 'uv_cwd') {
      console.error('ws-stress: the current folder is not there any more: change to one that is, and try again');
      return 1;
    }
    console.error(`ws-stress: ${plainLines(withShownUrls(messageOf(error)))}`);
    return error instanceof SetupError ? error.exitCode : 1;
  }
};

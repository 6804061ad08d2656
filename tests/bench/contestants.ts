import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../cli/shared/package-root.ts';
import { cleanEnv, k6Path, runProgram } from '../k6.ts';
import type { Contestant } from './comparison.ts';
import type { Peer, Work } from './peers.ts';
import type { BenchServer } from './server.ts';

const longestMs = 300_000;
const quiet = { K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' };
const bench = (name: string): string => path.join(packageRoot, 'tests/bench', name);
const bundle = (scenario: string): string => path.join(packageRoot, 'dist', `${scenario}.js`);
const variables = (env: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);

/** How many sessions are done, in all and at once. */
export interface Load {
  sessions: number;
  atOnce: number;
  /** What each session prints, as the server's URL has it. */
  output: Readonly<Record<string, string | number>>;
}

/** What is measured of k6: sessions or lines per second, or the processor time of its whole process per session, µs. */
export type Measure = Work | 'processor-time';

/** Runs a program and prints, last, the processor time of the shell and of its children (POSIX `times`). */
const timed = '"$@"; code=$?; times; exit "$code"';

/** User and system time of a shell's children, µs, by the last line of `times`. */
const childrenTimeUs = (printed: string): number => {
  const [, ...found] = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*$/.exec(printed) ?? [];
  const [userMinutes, userSeconds, systemMinutes, systemSeconds] = found.map(Number);
  if (
    userMinutes === undefined ||
    userSeconds === undefined ||
    systemMinutes === undefined ||
    systemSeconds === undefined
  )
    throw new Error(`expected the shell to print processor times, received ${printed.slice(-200)}`);
  return ((userMinutes + systemMinutes) * 60 + userSeconds + systemSeconds) * 1e6;
};

/** Runs a client to its end and returns what was measured of it. It must have done all of the work, and verified it. */
const measured = async (
  server: BenchServer,
  measure: Measure,
  { sessions, output }: Load,
  client: { program: string; args: readonly string[]; env?: Readonly<Record<string, string>>; cwd?: string },
): Promise<number> => {
  await server.forget();
  const isTimed = measure === 'processor-time';
  const program = isTimed ? 'sh' : client.program;
  const args = isTimed ? ['-c', timed, 'sh', client.program, ...client.args] : client.args;
  const { code, stdout, stderr } = await runProgram(program, args, {
    env: { ...cleanEnv(), ...quiet, ...client.env, LC_ALL: 'C' },
    timeoutMs: longestMs,
    ...(client.cwd !== undefined && { cwd: client.cwd }),
  });
  if (code !== 0) throw new Error(`expected exit code 0, received ${code}: ${`${stdout}${stderr}`.slice(-800)}`);
  const { completed, spanMs, lines, outputMs } = await server.figures();
  const wanted = sessions * Number(output.lines ?? 1);
  if (completed !== sessions || lines !== wanted) {
    throw new Error(`expected ${sessions} sessions with ${wanted} lines, the server saw ${completed} with ${lines}`);
  }
  if (isTimed) return childrenTimeUs(stdout) / sessions;
  return measure === 'sessions' ? completed / (spanMs / 1000) : lines / (outputMs / 1000);
};

const k6Args = ({ sessions, atOnce }: Load): string[] => [
  'run',
  '--quiet',
  '--address',
  '',
  '--vus',
  String(atOnce),
  '--iterations',
  String(sessions),
];

/** A bundle of ours, with k6's own load options, as the plain script has them. */
export const ours = (
  server: BenchServer,
  measure: Measure,
  load: Load,
  scenario: string,
  settings: Readonly<Record<string, string | number>>,
  { name = 'websocket-mcp-stress', k6Options = [] as readonly string[] } = {},
): Contestant => ({
  name,
  run: async () =>
    measured(server, measure, load, {
      program: await k6Path(),
      args: [
        ...k6Args(load),
        ...variables({ STRESS_URL: server.url(load.output), ...settings }),
        ...k6Options,
        bundle(scenario),
      ],
    }),
});

/** A script that is run as it is. */
const script =
  (file: string, name: string) =>
  (server: BenchServer, measure: Measure, load: Load): Contestant => ({
    name,
    run: async () =>
      measured(server, measure, load, {
        program: await k6Path(),
        args: [
          ...k6Args(load),
          ...variables({ URL: server.url(load.output), LINES: load.output.lines ?? 1 }),
          bench(file),
        ],
      }),
  });

/** The plain k6/ws script. */
export const plain = script('plain.js', 'plain k6/ws script');

/** What k6 itself costs. */
export const floor = script('floor.js', 'k6/ws script that looks at nothing');

/** A peer, installed when it is first needed. */
export const peer = (server: BenchServer, work: Work, load: Load, folder: string, of: Peer): Contestant => {
  let installed: Promise<void> | undefined;
  return {
    name: of.name,
    run: async () => {
      await (installed ??= of.install(folder));
      const url = server.url(load.output);
      return measured(server, work, load, of.command(folder, { work, url, ...load }));
    },
  };
};

/** Resident memory of a process now, KiB; undefined where it is gone. */
const residentKiB = (pid: number | undefined): number | undefined => {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
};

/**
 * Resident memory per session, KiB, while `sessions` are open and wait for output: the median over the five seconds after the last one
 * has opened. Then ends the client.
 */
export const memoryOf = (
  server: BenchServer,
  name: string,
  sessions: number,
  args: () => string[],
  env: Readonly<Record<string, string>> = {},
): Contestant => ({
  name,
  run: async () => {
    const child = spawn(await k6Path(), ['run', '--quiet', '--address', '', '--summary-mode=disabled', ...args()], {
      env: { ...cleanEnv(), ...quiet, ...env },
      stdio: 'ignore',
    });
    const samples: number[] = [];
    try {
      const startedAt = Date.now();
      let fullAt: number | undefined;
      while (fullAt === undefined || Date.now() - fullAt < 5000) {
        if (child.exitCode !== null) throw new Error(`k6 ended with ${child.exitCode} before ${sessions} were open`);
        if (Date.now() - startedAt > longestMs) throw new Error(`expected ${sessions} open sessions in time`);
        await new Promise((resolve) => setTimeout(resolve, 100));
        if ((await server.open()) < sessions) continue;
        fullAt ??= Date.now();
        const resident = residentKiB(child.pid);
        if (resident !== undefined) samples.push(resident / sessions);
      }
    } finally {
      child.kill('SIGKILL');
    }
    while ((await server.open()) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    return samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? NaN;
  },
});

/** k6's arguments for sessions that wait, of a bundle of ours. */
export const waitingOurs =
  (server: BenchServer, vus: number, settings: Readonly<Record<string, string | number>>) => (): string[] => [
    '--vus',
    String(vus),
    '--iterations',
    String(vus),
    ...variables({ STRESS_URL: server.url({ hold: 200_000 }), STRESS_COMMANDS: bench('one-line.json'), ...settings }),
    bundle('concurrent'),
  ];

/** The same of the plain script. */
export const waitingPlain = (server: BenchServer, vus: number) => (): string[] => [
  '--vus',
  String(vus),
  '--iterations',
  String(vus),
  ...variables({ URL: server.url({ hold: 200_000 }) }),
  bench('plain.js'),
];

import { copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { k6Build } from '../../../build.mjs';
import { findOnPath } from '../../../cli/setup/k6-source.ts';
import { packageRoot } from '../../../cli/shared/package-root.ts';
import { cleanEnv, k6Path, runProgram } from '../../k6.ts';

const home = path.join(packageRoot, 'tests/bench/profile');

/** The scripts of the profile as one bundle, made as those of the scenarios are but with a socket in memory; returns its file. */
const bundle = async (folder: string): Promise<string> => {
  const options = await k6Build(folder, { profile: path.join(home, 'script.js') });
  await build({
    ...options,
    plugins: [
      {
        name: 'memory-socket',
        setup: (esbuild) =>
          esbuild.onResolve({ filter: /^k6\/ws$/ }, () => ({ path: path.join(home, 'memory-ws.js') })),
      },
      ...(options.plugins ?? []),
    ],
  });
  return path.join(folder, 'profile.js');
};

const runScript = async (
  k6: string,
  script: string,
  batches: number,
  env: Readonly<Record<string, string>> = {},
): Promise<string> => {
  const printed = path.join(path.dirname(script), 'profile.txt');
  // k6 appends.
  await rm(printed, { force: true });
  const variables = {
    BATCHES: `${batches}`,
    STRESS_URL: 'ws://127.0.0.1:1/ws/mcp',
    STRESS_COMMANDS: path.join(packageRoot, 'tests/bench/one-line.json'),
    ...env,
  };
  const args = [
    'run',
    '--quiet',
    '--address',
    '',
    '--summary-mode=disabled',
    '--vus',
    '1',
    '--iterations',
    `${batches}`,
  ];
  const toFile = ['--console-output', printed, '--log-format', 'raw'];
  const given = Object.entries(variables).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const quiet = { K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' };
  const { code, stderr } = await runProgram(k6, [...args, ...toFile, ...given, script], {
    env: { ...cleanEnv(), ...quiet },
  });
  if (code !== 0) throw new Error(`expected exit code 0 of k6, received ${code}: ${stderr.slice(-800)}`);
  return readFile(printed, 'utf8');
};

/** The parts of a session in the order in which they come. */
const parts = [
  'before the connection: command, tags',
  'opening: session and handlers',
  'greeting, sends execute',
  'response to execute',
  'process.started, ignored',
  'line of output',
  'completion, sends ping',
  'pong: drain, result, close',
  'after the connection: metrics',
];

interface Least {
  ours: number[];
  plain: number[];
  /** A session of nothing but looks at the clock. */
  nothing: number[];
  read: [number];
  parse: [number];
  tags: [number];
}

const sum = (figures: readonly number[]): number => figures.reduce((all, figure) => all + figure, 0);

const us = (value: number): string => `${value.toFixed(1)} µs`.padStart(10);
const percent = (value: number, whole: number): string => `${Math.round((100 * value) / whole)} %`.padStart(6);
const row = (name: string, cells: readonly string[]): string => `${name.padEnd(44)}${cells.join('')}`;

const table = ({ ours, plain, nothing, read, parse, tags }: Least, batches: number): string => {
  const without = (figures: readonly number[]): number[] =>
    figures.map((figure, at) => Math.max(0, figure - (nothing[at] ?? 0)));
  const [mine, theirs] = [without(ours), without(plain)];
  const [all, allTheirs] = [sum(mine), sum(theirs)];
  const pair = (name: string, a: number, b: number): string =>
    row(name, [us(a), percent(a, all), us(b), percent(b, allTheirs)]);
  return [
    row('JavaScript of one session', ['concurrent'.padStart(10), ''.padStart(6), 'plain'.padStart(10)]),
    ...parts.map((name, at) => pair(name, mine[at] ?? NaN, theirs[at] ?? NaN)),
    pair('in all', all, allTheirs),
    '',
    pair('of this: recognising messages, JSON.parse', read[0], parse[0]),
    row('more where tags differ from the last session', [us(tags[0])]),
    '',
    `The least of ${batches} batches of 100 sessions in one VU, without the clock's own ${us(nothing[0] ?? NaN).trim()}. The socket is in memory, so`,
    'what k6 itself does is not in it. All of it: npm run bench -- --only processor-time',
  ].join('\n');
};

/** Where the JavaScript of a session takes its time, by part, beside the plain script's: a table for people. */
export const profileByPart = async (folder: string, batches = 80): Promise<string> => {
  const printed = await runScript(await k6Path(), await bundle(folder), batches);
  // A session that fails prints why.
  if (!/^\{.*\}\s*$/.test(printed))
    throw new Error(`expected figures and no failure, received ${printed.slice(0, 800)}`);
  return table(JSON.parse(printed) as Least, batches);
};

/** The same by function, as `go tool pprof` shows it, of a k6 that is built on demand. Throws where there is no Go. */
export const profileByFunction = async (folder: string): Promise<string> => {
  if (findOnPath('go', process.env.PATH).length === 0) throw new Error('expected go on PATH, found none; install it');
  const source = path.join(folder, 'profile-k6');
  await mkdir(source, { recursive: true });
  // The k6 of all runs, by its own go.mod.
  for (const file of ['go.mod', 'go.sum'])
    await copyFile(path.join(packageRoot, 'runtime', file), path.join(source, file));
  await copyFile(path.join(home, 'main.go'), path.join(source, 'main.go'));
  const go = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram('go', args, {
      cwd: source,
      env: process.env,
      timeoutMs: 600_000,
    });
    if (code !== 0)
      throw new Error(`expected exit code 0 of "go ${args.join(' ')}", received ${code}: ${stderr.slice(-800)}`);
    return stdout;
  };
  const k6 = path.join(source, 'k6');
  await go('build', '-mod=readonly', '-o', k6, '.');
  const profile = path.join(folder, 'session.pprof');
  await runScript(k6, await bundle(folder), 400, { PROFILE: profile });
  const shown = await go('tool', 'pprof', '-top', '-nodecount=40', '-sample_index=samples', profile);
  return `${shown}\nA call into k6 counts with what it waits for. More: go tool pprof -http=: ${path.relative(process.cwd(), profile)}`;
};

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { ensureK6 } from '../cli/setup/setup.ts';
import { packageRoot } from '../cli/shared/package-root.ts';

/** What a run of k6 left. */
export interface K6Run {
  code: number | null;
  stdout: string;
  stderr: string;
  /** The run record; undefined where none was written. */
  result: RunRecord | undefined;
}

let k6: Promise<string> | undefined;

/** The k6 that `npm test` chose, or that set-up finds. */
export const k6Path = (): Promise<string> => (k6 ??= ensureK6().then(({ path: found }) => found));

/** The environment without settings of ours, k6's or a CI system's, so that none of the machine's reaches a test. */
export const cleanEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(STRESS|K6|SSL_CERT)_|^(GITHUB_ACTIONS|WS_STRESS_NOTIFY)$/.test(name),
    ),
  );

/** Runs a program to its end, which is bounded, with nothing on its standard input. */
export const runProgram = (
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; timeoutMs?: number } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? packageRoot,
      env: options.env ?? cleanEnv(),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 300_000,
      killSignal: 'SIGKILL',
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });

/** What a run printed, without the warning of a busy machine, which any run may print. */
export const withoutBusyWarning = (output: string): string =>
  output.replaceAll(/^warning: This machine was short of processor time.*\n(?: +.*\n)*/gm, '');

/** The command line as it is installed, out of dist/. */
export const cliPath: string = path.join(packageRoot, 'cli/ws-stress.mjs');

/** Runs `ws-stress` to its end, in an environment without settings unless they are given. */
export const runCli = (
  args: readonly string[],
  options: Parameters<typeof runProgram>[2] = {},
): ReturnType<typeof runProgram> => runProgram(process.execPath, [cliPath, ...args], options);

/** Runs `dist/<scenario>.js` (or a bundle's path) with plain k6 against an address. */
export const runBundle = async (
  scenario: string,
  url: string,
  settings: Readonly<Record<string, string>> = {},
  k6Args: readonly string[] = [],
): Promise<K6Run> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-test-'));
  try {
    const resultFile = path.join(folder, 'result.json');
    const variables = { STRESS_URL: url, STRESS_RESULT: resultFile, ...settings };
    const bundle = scenario.endsWith('.js') ? scenario : path.join(packageRoot, 'dist', `${scenario}.js`);
    const e = Object.entries(variables).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const args = ['run', '--quiet', '--no-usage-report', '--address', '', ...e, ...k6Args, bundle];
    const run = await runProgram(await k6Path(), args);
    const result = await readFile(resultFile, 'utf8').then(
      (text) => JSON.parse(text) as K6Run['result'],
      () => undefined,
    );
    return { ...run, result };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

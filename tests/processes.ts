import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

/** The top of the checkout. */
export const root: string = fileURLToPath(new URL('..', import.meta.url));

/** How a process ended, and what it wrote. */
export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The k6 that the tests run; `npm test` finds or builds one and names it in K6_BIN. */
export const k6Path = (): string => {
  const k6 = process.env.K6_BIN;
  if (k6 === undefined || k6 === '') throw new Error('expected a k6 in K6_BIN; run the tests with `npm test`');
  return k6;
};

/** The environment of a k6 that calls nobody and meets none of our own settings. */
export const k6Environment = (): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(STRESS|K6)_/.test(name))),
  K6_BIN: process.env.K6_BIN,
  K6_NO_USAGE_REPORT: 'true',
  K6_AUTO_EXTENSION_RESOLUTION: 'false',
  // Several run at once, and one port serves only one of them.
  K6_ADDRESS: 'localhost:0',
});

/** Runs a program to its end; what takes longer than `timeoutMs` is killed and fails. */
export const runProcess = (
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<Finished> =>
  new Promise((resolve, reject) => {
    const { timeoutMs = 60_000, cwd = root, env = k6Environment() } = options;
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const deadline = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(deadline);
      const shown = `${command} ${args.join(' ')}`;
      if (code === null) reject(new Error(`${shown}: ended by ${signal} within ${timeoutMs} ms\n${stdout}${stderr}`));
      else resolve({ code, stdout, stderr });
    });
  });

/** A directory that goes when the test ends. */
export const temporaryDirectory = (t: TestContext): string => {
  const directory = mkdtempSync(path.join(tmpdir(), 'ws-stress-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
};

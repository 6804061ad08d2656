import { spawn } from 'node:child_process';
import { codeOf } from '../../lib/text/errors.ts';

const GRACE_MS = 2_000;
const KEPT_OUTPUT_CHARACTERS = 64 * 1024;

export interface GroupOptions {
  signal: AbortSignal;
  timeoutMs: number;
  env: NodeJS.ProcessEnv;
  cwd?: string;
  onStderr?: (text: string) => void;
}

/** The last 64 KiB of stdout and stderr, and the problem unless the program exited with 0. */
export interface GroupResult {
  stdout: string;
  stderr: string;
  failure: string | undefined;
}

/**
 * Runs a program in its own process group, so that an abort or a timeout also ends its children. After an abort it throws
 * the signal's reason once they are gone.
 */
export const runGroup = async (command: string, args: string[], options: GroupOptions): Promise<GroupResult> => {
  const { signal, timeoutMs, env, cwd, onStderr } = options;
  signal.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = AbortSignal.any([signal, timeout]);
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });

  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-KEPT_OUTPUT_CHARACTERS);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-KEPT_OUTPUT_CHARACTERS);
    onStderr?.(text);
  });

  let killTimer: ReturnType<typeof setTimeout> | undefined;
  const end = (): void => {
    killGroup(child.pid, 'SIGTERM');
    killTimer = setTimeout(() => {
      killGroup(child.pid, 'SIGKILL');
      // A process that left the group may still hold the pipes open; nobody needs its output.
      child.stdout.destroy();
      child.stderr.destroy();
    }, GRACE_MS);
  };
  stop.addEventListener('abort', end, { once: true });
  try {
    const failure = await new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => resolve(`cannot be started (${error.message})`));
      child.once('close', (code, signalName) => {
        if (signalName !== null) resolve(`was ended by ${signalName}`);
        else resolve(code === 0 ? undefined : `exited with ${code}`);
      });
    });
    signal.throwIfAborted();
    return { stdout, stderr, failure: timeout.aborted ? `did not finish within ${timeoutMs / 1000} s` : failure };
  } finally {
    clearTimeout(killTimer);
    stop.removeEventListener('abort', end);
  }
};

const killGroup = (pid: number | undefined, signal: NodeJS.Signals): void => {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: it has ended on its own.
    if (codeOf(error) !== 'ESRCH') throw error;
  }
};

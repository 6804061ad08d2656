import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Time for a child to end after a signal before it is killed. */
const GRACE_MS = 10_000;

/** Ends the command with a message for the user and an exit code, without a stack trace. */
export class Failure extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a program to its end; returns its exit code and, with `capture`, its stdout.
 *
 * The program has its own process group: a signal reaches it once, although npm and a terminal may send several, and also
 * ends everything that it started. After a signal this throws a Failure with the exit code of that signal.
 */
export const run = async (command, args, { cwd, env = process.env, capture = false } = {}) => {
  const child = spawn(command, args, {
    cwd,
    env,
    detached: true,
    stdio: ['inherit', capture ? 'pipe' : 'inherit', 'inherit'],
  });
  let stdout = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => (stdout += text));

  const received = [];
  let killTimer;
  const forward = (signal) => {
    received.push(signal);
    if (received.length > 1) return;
    signalGroup(child.pid, signal);
    killTimer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE_MS);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, forward);
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', (error) => reject(new Failure(`cannot start ${command}: ${error.message}`)));
      child.once('close', (status, signal) => resolve(status ?? 128 + constants.signals[signal]));
    });
    const [signal] = received;
    if (signal !== undefined) throw new Failure(`interrupted by ${signal}`, 128 + constants.signals[signal]);
    return { code, stdout };
  } finally {
    clearTimeout(killTimer);
    for (const signal of signals) process.off(signal, forward);
  }
};

const signalGroup = (pid, signal) => {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: it has ended on its own.
    if (error.code !== 'ESRCH') throw error;
  }
};

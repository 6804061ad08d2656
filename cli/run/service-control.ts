import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../lib/text/errors.ts';
import type { TargetOptions } from '../../reference-target/options.ts';
import type { Target } from '../../reference-target/server.ts';
import { spawnGuarded } from '../shared/guarded-process.ts';
import { printable } from '../shared/printable.ts';
import { onAbort, type Interruption } from './interruption.ts';

/** What stops a service and starts it again. */
export interface ServiceControl {
  stop: () => Promise<void>;
  start: () => Promise<void>;
  /** Ends what it left running. */
  close: () => Promise<void>;
}

/** Somebody's own commands, for `sh -c`. */
export interface ServiceCommands {
  stopCommand: string;
  startCommand: string;
  /** Longest time a command may take to end; a start command that stays is not held to it. */
  timeoutMs?: number;
  /** Takes what the user should know: a start command that stayed and then failed, and what becomes of a stopped service. */
  warn: (text: string) => void;
  interruption?: Pick<Interruption, 'first' | 'again'>;
}

const commandTimeoutMs = 30_000;
/** A start command that is alive so long is a service that stays in the foreground. */
const staysMs = 500;
const graceMs = 2_000;
const readBackBytes = 4096;
const shownCharacters = 300;

/**
 * Controls a service by two commands. Each exits with 0 when it has done its work; the start command may stay instead, as a
 * service in the foreground, and is then ended with all that it started when this is closed. Their output goes nowhere, but
 * an error has the last line of stderr. A service that is stopped when this is closed is started again.
 */
export const serviceCommands = ({
  stopCommand,
  startCommand,
  timeoutMs = commandTimeoutMs,
  warn,
  interruption,
}: ServiceCommands): ServiceControl => {
  const alive = new Set<Group>();
  const killAll = (): void => alive.forEach((group) => group.signal('SIGKILL'));
  process.on('exit', killAll);
  /** How often the service was made to stop: an end after that was asked for. */
  let stops = 0;
  /** Whether it is stopped, or being stopped. */
  let isDown = false;
  /** Whether the start command is the service itself, as it still ran when the service was stopped. */
  let isForeground = false;
  let underWay: Promise<void> = Promise.resolve();
  /** The start command that ran last, and when it began. */
  let started: { group: Group; atMs: number } | undefined;

  const launch = (command: string): Group => {
    const group = startGroup(command);
    alive.add(group);
    void group.exited.then(() => alive.delete(group));
    return group;
  };

  const stop = async (): Promise<void> => {
    stops += 1;
    isDown = true;
    isForeground ||= started !== undefined && alive.has(started.group);
    const group = launch(stopCommand);
    const late = Symbol('late');
    const failure = await within(timeoutMs, group.exited, late);
    if (failure === undefined) return;
    if (failure !== late) {
      isDown = false;
      throw new Error(`--stop-command ${failure}`);
    }
    const ended = (await group.end()) ? 'was ended' : 'could not be ended (another user runs it)';
    throw new Error(`--stop-command did not finish within ${timeoutMs / 1000} s and ${ended}`);
  };

  const start = async (): Promise<void> => {
    const stopsBefore = stops;
    const group = launch(startCommand);
    started = { group, atMs: performance.now() };
    const stays = Symbol('stays');
    const failure = await within(staysMs, group.exited, stays);
    if (failure !== undefined && failure !== stays) throw new Error(`--start-command ${failure}`);
    isDown = false;
    if (failure === undefined) return;
    void group.exited.then((failure) => {
      if (failure !== undefined && stops === stopsBefore) warn(`--start-command ${failure}`);
    });
  };

  const leftStopped = `the service is left stopped; start it with: ${startCommand}`;
  const endsWithRun = `--start-command runs in the foreground and ends with the run: ${leftStopped}`;

  let isGivenUp = false;
  const tell = (text: string): void => {
    if (!isGivenUp) warn(text);
  };

  /** Lets a start command that may still be at work end. */
  const settle = async (): Promise<void> => {
    if (started === undefined || !alive.has(started.group)) return;
    const leftMs = started.atMs + timeoutMs - performance.now();
    if (leftMs <= 0) return;
    tell(`waiting for --start-command (at most ${Math.ceil(leftMs / 1000)} s)`);
    const stays = Symbol('stays');
    const failure = await within(leftMs, started.group.exited, stays);
    if (failure === stays) tell(endsWithRun);
    else if (failure !== undefined) tell(leftStopped);
    else tell('the service was started again');
  };

  /** Has the service started where it is stopped: a run that was interrupted does not do that any more. */
  const restore = async (): Promise<void> => {
    const isInterrupted = interruption?.first.aborted === true;
    await underWay.catch(() => {});
    if (isDown && isForeground) {
      tell(endsWithRun);
    } else if (isDown) {
      tell('the service is stopped; it is started again by --start-command');
      try {
        await start();
        if (started !== undefined && !alive.has(started.group)) tell('the service was started again');
      } catch (error) {
        tell(`${error instanceof Error ? error.message : String(error)}; ${leftStopped}`);
        return;
      }
      await settle();
    } else if (isInterrupted) {
      await settle();
    }
  };

  const restoreUnlessInterruptedAgain = async (): Promise<void> => {
    isGivenUp = await new Promise<boolean>((resolve) => {
      const end = interruption && onAbort(interruption.again, () => resolve(true));
      void restore().then(() => {
        end?.();
        resolve(false);
      });
    });
    const isStarting = started !== undefined && alive.has(started.group);
    if (isGivenUp && (isDown || isStarting)) warn(leftStopped);
  };

  const during = (action: () => Promise<void>) => async (): Promise<void> => {
    underWay = action();
    await underWay;
  };

  return {
    stop: during(stop),
    start: during(start),
    close: async () => {
      await restoreUnlessInterruptedAgain();
      stops += 1;
      await Promise.all([...alive].map((group) => group.end()));
      process.off('exit', killAll);
    },
  };
};

/** A shell and what it started, in a process group of their own. */
interface Group {
  /** Resolves when the shell has ended: to what went wrong, or undefined where it exited with 0. */
  exited: Promise<string | undefined>;
  /** Signals all of them; false where that is not allowed. */
  signal: (signal: NodeJS.Signals) => boolean;
  /** Ends all of them, by force after a while; false where that is not allowed. */
  end: () => Promise<boolean>;
}

const startGroup = (command: string): Group => {
  const log = openLog();
  const child = spawnGuarded('sh', ['-c', command], { stdio: ['ignore', 'ignore', log], ends: 'group' });
  const exited = exitOf(child).then((failure) => {
    const line = failure === undefined ? '' : lastLine(log);
    closeSync(log);
    return failure === undefined || line === '' ? failure : `${failure}: ${line}`;
  });
  const signal = (signal: NodeJS.Signals): boolean => {
    if (child.pid === undefined) return true;
    try {
      process.kill(-child.pid, signal);
      return true;
    } catch (error) {
      // ESRCH: all of them have ended. EPERM: all of them run as another user.
      if (codeOf(error) === 'ESRCH') return true;
      if (codeOf(error) === 'EPERM') return false;
      throw error;
    }
  };
  return {
    exited,
    signal,
    end: async () => {
      if (!signal('SIGTERM')) return false;
      await within(graceMs, exited, undefined);
      // Also those that outlived the shell.
      if (!signal('SIGKILL')) return false;
      await exited;
      return true;
    },
  };
};

/**
 * A file without a name for a command's stderr. No pipe, for a service that the command leaves in the background must not
 * lose its stderr when nobody reads any more.
 */
const openLog = (): number => {
  const file = join(tmpdir(), `ws-stress-${randomUUID()}.log`);
  const log = openSync(file, 'ax+', 0o600);
  unlinkSync(file);
  return log;
};

const lastLine = (log: number): string => {
  const { size } = fstatSync(log);
  const bytes = Buffer.alloc(Math.min(size, readBackBytes));
  const read = readSync(log, bytes, 0, bytes.length, size - bytes.length);
  const lines = bytes.toString('utf8', 0, read).trimEnd().split('\n');
  return printable(lines.at(-1) ?? '', shownCharacters);
};

const exitOf = (child: ChildProcess): Promise<string | undefined> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(`cannot be started (${error.message})`));
    child.once('exit', (code, signal) => {
      if (signal !== null) resolve(`was ended by ${signal}`);
      else resolve(code === 0 ? undefined : `exited with ${code}`);
    });
  });

/** What a promise resolves to, or `otherwise` where that takes longer. */
const within = async <T, U>(ms: number, promise: Promise<T>, otherwise: U): Promise<T | U> => {
  const timer = new AbortController();
  try {
    return await Promise.race([promise, sleep(ms, otherwise, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
};

/** Starts the reference target, which is loaded only now: most runs have a service of their own. */
export const startTarget = async (options: Partial<TargetOptions>): Promise<Target> => {
  const server = await import('../../reference-target/server.ts');
  return await server.startTarget(options);
};

/** A reference target that can go away and come back at the same address. */
export interface RestartableTarget extends ServiceControl {
  readonly url: string;
}

/** Another program may have been given the port meanwhile; it is tried again for so long. */
const portTimeoutMs = 5_000;

/**
 * Starts a reference target that can be stopped, as a service that is killed: every connection is dropped without a close
 * frame; and started again with the same options and port.
 */
export const restartableTarget = async (options: Partial<TargetOptions>): Promise<RestartableTarget> => {
  let target: Target | undefined = await startTarget(options);
  const { url, port } = target;
  const connections = new Set<Socket>();
  // A target closes its sessions in good order; what a killed one leaves has to be had from the sockets themselves.
  const onConnection = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    if (socket.localPort !== port) return;
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  };
  subscribe('net.server.socket', onConnection);
  let starting: Promise<Target> | undefined;
  return {
    url,
    stop: async () => {
      if (target === undefined) throw new Error('the reference target is stopped already');
      const stopping = target;
      target = undefined;
      for (const connection of connections) connection.destroy();
      await stopping.close();
    },
    start: async () => {
      if (target !== undefined) throw new Error('the reference target is running already');
      starting = startOnPort({ ...options, port });
      target = await starting;
    },
    close: async () => {
      // Whoever asked for the start hears of its failure.
      await starting?.catch(() => {});
      unsubscribe('net.server.socket', onConnection);
      await target?.close();
    },
  };
};

const startOnPort = async (options: Partial<TargetOptions>): Promise<Target> => {
  const deadline = performance.now() + portTimeoutMs;
  for (;;) {
    try {
      return await startTarget(options);
    } catch (error) {
      const taken = error instanceof Error && codeOf(error.cause) === 'EADDRINUSE';
      if (!taken || performance.now() > deadline) throw error;
      await sleep(100);
    }
  }
};

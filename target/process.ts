import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { codeOf, messageOf } from './errors.ts';
import { Guardian } from './guardian.ts';
import type { StreamName } from './output.ts';

/** How a process ended. */
export interface ProcessEnd {
  /** The exit code, or minus the number of the signal that ended it. */
  exitCode: number;
  /** From start to end of all output, in milliseconds. */
  durationMs: number;
}

/** What a process reports. */
export interface ProcessEvents {
  output(stream: StreamName, bytes: Buffer): void;
  outputEnd(stream: StreamName): void;
  /** The process has ended and all its output was reported. */
  end(result: ProcessEnd): void;
  /** The process could not be started; nothing else is reported. */
  failed(reason: string): void;
}

/** After SIGKILL the pipes may still be held by processes that left the group; they are not waited for longer than this. */
const pipesAfterKillMs = 500;

/** All process groups that are alive, to be killed with the target. */
export class ProcessTable {
  readonly #alive = new Set<RunningProcess>();
  readonly #guardian = new Guardian();

  /** Number of process groups alive. */
  get size(): number {
    return this.#alive.size;
  }

  /** Starts a command by the shell in a process group of its own; undefined where the system cannot. */
  start(command: string, events: ProcessEvents, killGraceMs: number): RunningProcess | undefined {
    let child: ChildProcess;
    try {
      child = spawn('/bin/sh', ['-c', command], {
        // A new group, so that signals reach all that the command starts (setsid: a terminal's Ctrl-C does not).
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: childEnvironment(),
      });
    } catch (error) {
      events.failed(messageOf(error));
      return undefined;
    }
    // Some failures are thrown, others reported a moment later.
    child.once('error', (error) => events.failed(error.message));
    if (child.pid === undefined) return undefined;
    const running = new RunningProcess(child, child.pid, events, killGraceMs);
    this.#alive.add(running);
    this.#guardian.add(running.pid);
    void running.gone.then(() => {
      this.#alive.delete(running);
      this.#guardian.remove(running.pid);
    });
    return running;
  }

  /** Ends all processes: SIGTERM, then SIGKILL after the grace period; resolves when none is left. */
  async endAll(graceMs: number): Promise<void> {
    await Promise.all([...this.#alive].map((running) => running.end(graceMs)));
    this.#guardian.close();
  }

  /** Kills all processes at once, for when there is no time left. */
  killAll(): void {
    for (const running of this.#alive) running.kill();
  }
}

/** One command under way: a shell and whatever it started, in a process group of their own. */
export class RunningProcess {
  readonly pid: number;
  /** Resolves when the group has ended and its pipes are closed. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #killGraceMs: number;
  #groupGone = false;
  #killAt = Infinity;
  #killTimer: NodeJS.Timeout | undefined;

  constructor(child: ChildProcess, pid: number, events: ProcessEvents, killGraceMs: number) {
    this.#child = child;
    this.pid = pid;
    this.#killGraceMs = killGraceMs;
    const startedAt = performance.now();
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]!.on('data', (bytes: Buffer) => events.output(stream, bytes));
      child[stream]!.on('end', () => events.outputEnd(stream));
    }
    // From when the leader is gone until its pipes are closed, only what it left keeps the group's number from another use.
    child.once('exit', () => this.#signal(0));
    this.gone = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        clearTimeout(this.#killTimer);
        this.#killAt = -Infinity;
        // What the command left in the background would be beyond every limit: it ends with the command.
        this.#signal('SIGKILL');
        this.#groupGone = true;
        events.end({ exitCode: code ?? -constants.signals[signal!], durationMs: performance.now() - startedAt });
        resolve();
      });
    });
  }

  /** Reads output or stops reading it; a process that nobody reads blocks as soon as its pipe is full. */
  set reading(wanted: boolean) {
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (wanted) stream?.resume();
      else stream?.pause();
    }
  }

  /** Stops the group where it is. */
  pause(): void {
    this.#signal('SIGSTOP');
  }

  /** Lets a stopped group go on. */
  resume(): void {
    this.#signal('SIGCONT');
  }

  /** Asks the group to end and kills it after the grace period; SIGTERM waits in a stopped process, so it is continued. */
  cancel(graceMs = this.#killGraceMs): void {
    this.#signal('SIGTERM');
    this.#signal('SIGCONT');
    // Even when the group is gone, a process that left it may hold the pipes open. Asking again must not put the end off.
    const killAt = performance.now() + graceMs;
    if (killAt >= this.#killAt) return;
    this.#killAt = killAt;
    clearTimeout(this.#killTimer);
    this.#killTimer = setTimeout(() => this.kill(), graceMs);
  }

  /** Cancels the group, of which no more output is wanted; resolves when it is gone. */
  async end(graceMs?: number): Promise<void> {
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.removeAllListeners('data').resume();
    this.cancel(graceMs);
    await this.gone;
  }

  /** Kills the group at once. */
  kill(): void {
    clearTimeout(this.#killTimer);
    this.#killAt = -Infinity;
    this.#signal('SIGKILL');
    this.#killTimer = setTimeout(() => this.#dropOutput(), pipesAfterKillMs);
  }

  #dropOutput(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** Signals the whole group; false if it is gone, after which its number is never used again. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    if (this.#groupGone) return false;
    try {
      process.kill(-this.pid, signal);
      return true;
    } catch (error) {
      const code = codeOf(error);
      // EPERM: a group of which every process has changed its user; it exists, but is out of reach.
      if (code !== 'ESRCH' && code !== 'EPERM') throw error;
      this.#groupGone = code === 'ESRCH';
      return false;
    }
  }
}

/** The target's own environment without the target's own secret. */
function childEnvironment(): NodeJS.ProcessEnv {
  const { WS_STRESS_TARGET_TOKEN: _, ...environment } = process.env;
  return environment;
}

import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { codeOf, messageOf } from '../lib/text/errors.ts';
import { Guardian } from './guardian.ts';
import type { StreamName } from './output.ts';
import { PipeMaker, type Pipe } from './pipes.ts';

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
  private readonly alive = new Set<RunningProcess>();
  private pipes: PipeMaker | undefined;
  private guardian: Guardian | undefined;

  /** Number of process groups alive. */
  get size(): number {
    return this.alive.size;
  }

  /** Starts a command by the shell in a process group of its own; undefined where the system cannot. */
  start(command: string, events: ProcessEvents, killGraceMs: number): RunningProcess | undefined {
    const pipes: Pipe[] = [];
    const fail = (reason: string): undefined => {
      for (const { reader } of pipes) reader.destroy();
      events.failed(reason);
    };
    try {
      this.guardian ??= new Guardian();
      const stdout = this.makePipe();
      pipes.push(stdout);
      const stderr = this.makePipe();
      pipes.push(stderr);
      const child = spawn('/bin/sh', ['-c', command], {
        // A new group, so that signals reach all that the command starts (setsid: a terminal's Ctrl-C does not).
        detached: true,
        stdio: ['ignore', stdout.writer, stderr.writer],
        env: childEnvironment(),
      });
      // Some failures are thrown, others reported a moment later.
      child.once('error', (error) => fail(error.message));
      if (child.pid === undefined) return undefined;
      const streams = { stdout: stdout.reader, stderr: stderr.reader };
      return this.keep(new RunningProcess(child, child.pid, streams, events, killGraceMs), this.guardian);
    } catch (error) {
      return fail(messageOf(error));
    } finally {
      for (const { writer } of pipes) closeSync(writer);
    }
  }

  /** Ends all processes: SIGTERM, then SIGKILL after the grace period; resolves when none is left. */
  async endAll(graceMs: number): Promise<void> {
    await Promise.all([...this.alive].map((running) => running.end(graceMs)));
  }

  /** Kills all processes at once and clears up. */
  close(): void {
    for (const running of this.alive) running.kill();
    this.guardian?.close();
    this.guardian = undefined;
    this.pipes?.close();
    this.pipes = undefined;
  }

  private makePipe(): Pipe {
    try {
      this.pipes ??= this.newPipeMaker();
      return this.pipes.make();
    } catch (error) {
      // Its folder may have fallen to a cleaner of temporary files; the next one begins anew.
      this.pipes?.close();
      this.pipes = undefined;
      if (codeOf(error) !== 'ENOENT') throw error;
      this.pipes = this.newPipeMaker();
      return this.pipes.make();
    }
  }

  private newPipeMaker(): PipeMaker {
    const maker = new PipeMaker();
    this.guardian?.remember(maker.folder);
    return maker;
  }

  private keep(running: RunningProcess, guardian: Guardian): RunningProcess {
    this.alive.add(running);
    guardian.add(running.pid);
    void running.gone.then(() => {
      this.alive.delete(running);
      guardian.remove(running.pid);
    });
    return running;
  }
}

/** One command under way: a shell and whatever it started, in a process group of their own. */
export class RunningProcess {
  readonly pid: number;
  /** Resolves when the group has ended and its pipes are closed. */
  readonly gone: Promise<void>;
  private readonly streams: readonly Socket[];
  private readonly killGraceMs: number;
  private groupGone = false;
  private killAt = Infinity;
  private killTimer: NodeJS.Timeout | undefined;

  constructor(
    child: ChildProcess,
    pid: number,
    streams: Readonly<Record<StreamName, Socket>>,
    events: ProcessEvents,
    killGraceMs: number,
  ) {
    this.pid = pid;
    this.killGraceMs = killGraceMs;
    this.streams = [streams.stdout, streams.stderr];
    const startedAt = performance.now();
    const exited = new Promise<number>((resolve) => {
      child.once('exit', (code, signal) => {
        // From now on until the pipes are closed, only what the leader left keeps the group's number from another use.
        this.signal(0);
        resolve(code ?? -constants.signals[signal ?? 'SIGKILL']);
      });
    });
    const closed = (['stdout', 'stderr'] as const).map((name) => {
      const stream = streams[name];
      stream.on('data', (bytes: Buffer) => events.output(name, bytes));
      stream.on('end', () => events.outputEnd(name));
      return new Promise((resolve) => {
        stream.once('close', resolve);
      });
    });
    this.gone = Promise.all([exited, ...closed]).then(([exitCode]) => {
      clearTimeout(this.killTimer);
      this.killAt = -Infinity;
      // What the command left in the background would be beyond every limit: it ends with the command.
      this.signal('SIGKILL');
      this.groupGone = true;
      events.end({ exitCode, durationMs: performance.now() - startedAt });
    });
  }

  /** Reads output or stops reading it; a process that nobody reads blocks as soon as its pipe is full. */
  set reading(wanted: boolean) {
    for (const stream of this.streams) {
      if (wanted) stream.resume();
      else stream.pause();
    }
  }

  /** Whether the group was asked to end. */
  get isEnding(): boolean {
    return this.killAt < Infinity;
  }

  /** Stops the group where it is. */
  pause(): void {
    this.signal('SIGSTOP');
  }

  /** Lets a stopped group go on. */
  resume(): void {
    this.signal('SIGCONT');
  }

  /** Asks the group to end and kills it after the grace period; SIGTERM waits in a stopped process, so it is continued. */
  cancel(graceMs = this.killGraceMs): void {
    this.signal('SIGTERM');
    this.signal('SIGCONT');
    // Even when the group is gone, a process that left it may hold the pipes open. Asking again must not put the end off.
    const killAt = performance.now() + graceMs;
    if (killAt >= this.killAt) return;
    this.killAt = killAt;
    clearTimeout(this.killTimer);
    this.killTimer = setTimeout(() => this.kill(), graceMs);
  }

  /** Cancels the group, of which no more output is wanted; resolves when it is gone. */
  async end(graceMs?: number): Promise<void> {
    for (const stream of this.streams) stream.removeAllListeners('data').resume();
    this.cancel(graceMs);
    await this.gone;
  }

  /** Kills the group at once. */
  kill(): void {
    clearTimeout(this.killTimer);
    this.killAt = -Infinity;
    this.signal('SIGKILL');
    this.killTimer = setTimeout(() => this.dropOutput(), pipesAfterKillMs);
  }

  private dropOutput(): void {
    for (const stream of this.streams) stream.destroy();
  }

  /** Signals the whole group; false if it is gone, after which its number is never used again. */
  private signal(signal: NodeJS.Signals | 0): boolean {
    if (this.groupGone) return false;
    try {
      process.kill(-this.pid, signal);
      return true;
    } catch (error) {
      const code = codeOf(error);
      // EPERM: a group of which every process has changed its user; it exists, but is out of reach.
      if (code !== 'ESRCH' && code !== 'EPERM') throw error;
      this.groupGone = code === 'ESRCH';
      return false;
    }
  }
}

/** The target's own environment without the target's own secret. */
const childEnvironment = (): NodeJS.ProcessEnv => {
  const { WS_STRESS_TARGET_TOKEN: _, ...environment } = process.env;
  return environment;
};

import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { codeOf, messageOf } from '../lib/text/errors.ts';
import { Descendants } from './descendants.ts';
import { Guardian } from './guardian.ts';
import type { StreamName } from './output.ts';
import { PipeMaker, type Pipe } from './pipes.ts';
import { shellEnvironment } from './shell-environment.ts';

/** How a process ended. */
export interface ProcessEnd {
  /** The exit code, or minus the number of the signal that ended it. */
  exitCode: number;
  /** From the start of the process to the end of its output, in milliseconds. */
  durationMs: number;
}

/** What a process reports. */
export interface ProcessEvents {
  output(stream: StreamName, bytes: Buffer): void;
  outputEnd(stream: StreamName): void;
  /** The process has ended and has reported all its output. */
  end(result: ProcessEnd): void;
  /** The process could not be started; nothing else is reported. */
  failed(reason: string): void;
}

/** Processes that left the group may hold the pipes open after SIGKILL; the target waits this long for them. */
const pipesAfterKillMs = 500;

/** Time between two looks for processes that left the group of their command, while commands run and after one has ended. */
const lookMs = 500;
const lookAfterEndMs = 100;
/** When the target ends: time between looks for what was killed, and the most looks. */
const lastLookMs = 5;
const lastLooks = 40;

/**
 * Waits for a line before it becomes the shell of the command, and ends if the target ends first: a command must not run
 * while the guardian does not know its process group.
 */
const waitThenRun = 'read -r line && exec /bin/sh -c "$1" </dev/null';

/** All processes of commands that are alive; they end with the target. */
export class ProcessTable {
  private readonly maxChildren: number;
  /** Each with the number of its command. */
  private readonly alive = new Map<RunningProcess, number>();
  private readonly descendants = new Descendants();
  private lastCommand = 0;
  /** Processes that left the group of their command, as last seen. */
  private strays = 0;
  private lookTimer: NodeJS.Timeout | undefined;
  private lookAt = Infinity;
  private pipes: PipeMaker | undefined;
  private guardian: Guardian | undefined;

  constructor(maxChildren: number) {
    this.maxChildren = maxChildren;
  }

  /** Process groups, and processes that left theirs. */
  get size(): number {
    return this.alive.size + this.strays;
  }

  /** Runs a command by the shell in its own process group; returns undefined if the system cannot start it. */
  start(command: string, events: ProcessEvents, killGraceMs: number): RunningProcess | undefined {
    const pipes: Pipe[] = [];
    const fail = (reason: string): undefined => {
      for (const { reader } of pipes) reader.destroy();
      events.failed(reason);
    };
    try {
      this.guardian ??= new Guardian(this.descendants.marker);
      const number = (this.lastCommand += 1);
      const stdout = this.makePipe();
      pipes.push(stdout);
      const stderr = this.makePipe();
      pipes.push(stderr);
      const child = spawn('/bin/sh', ['-c', waitThenRun, '/bin/sh', command], {
        // A new group, so that signals reach everything that the command starts but Ctrl-C in a terminal does not (setsid).
        detached: true,
        stdio: ['pipe', stdout.writer, stderr.writer],
        env: { ...shellEnvironment(process.env), ...this.descendants.environmentOf(number) },
      });
      // Node throws some failures and reports others a moment later.
      child.once('error', (error) => fail(error.message));
      // It may have been killed before it read its line.
      child.stdin?.on('error', () => {});
      if (child.pid === undefined) return undefined;
      const streams = { stdout: stdout.reader, stderr: stderr.reader };
      const running = new RunningProcess(child, child.pid, streams, events, killGraceMs);
      this.guardian.add(running.pid, () => child.stdin?.end('\n'));
      return this.keep(running, number, this.guardian);
    } catch (error) {
      return fail(messageOf(error));
    } finally {
      for (const { writer } of pipes) closeSync(writer);
    }
  }

  /** Sends SIGTERM to all groups, and SIGKILL after the grace period; resolves when none is left. */
  async endAll(graceMs: number): Promise<void> {
    await Promise.all([...this.alive.keys()].map((running) => running.end(graceMs)));
  }

  /** Kills all processes at once and removes the pipes. */
  close(): void {
    for (const running of this.alive.keys()) running.kill();
    clearTimeout(this.lookTimer);
    this.lookAt = Infinity;
    if (this.lastCommand > 0) this.killAll();
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
      // A cleaner of temporary files may have removed its folder; the next one makes a new folder.
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

  private keep(running: RunningProcess, number: number, guardian: Guardian): RunningProcess {
    this.alive.set(running, number);
    this.lookIn(lookMs);
    void running.gone.then(() => {
      this.alive.delete(running);
      guardian.remove(running.pid);
      this.lookIn(lookAfterEndMs);
    });
    return running;
  }

  private lookIn(ms: number): void {
    const at = performance.now() + ms;
    if (!this.descendants.isAvailable || at >= this.lookAt) return;
    clearTimeout(this.lookTimer);
    this.lookAt = at;
    this.lookTimer = setTimeout(() => this.look(), ms).unref();
  }

  /** Kills processes that left the group of their command: those whose command has ended, and those over the limit. */
  look(): void {
    this.lookAt = Infinity;
    const commands = new Set(this.alive.values());
    const found = this.descendants.strays(this.groups());
    let room = this.maxChildren - this.alive.size;
    let killed = false;
    for (const { pid, command } of found) {
      if (commands.has(command) && room > 0) {
        room -= 1;
        continue;
      }
      killProcess(pid);
      killed = true;
    }
    this.strays = found.length;
    // A process may have started another before it was killed.
    if (killed) this.lookIn(lookAfterEndMs);
    else if (this.size > 0) this.lookIn(lookMs);
  }

  /** Each process group with the number of its command. */
  private groups(): Map<number, number> {
    return new Map([...this.alive].map(([{ pid }, number]) => [pid, number]));
  }

  /** Kills every process of every command, whatever it does meanwhile. */
  private killAll(): void {
    const nowhere = new Int32Array(new SharedArrayBuffer(4));
    for (let looks = 0; looks < lastLooks; looks += 1) {
      const found = this.descendants.strays(new Map());
      this.strays = found.length;
      if (found.length === 0) return;
      for (const { pid } of found) killProcess(pid);
      Atomics.wait(nowhere, 0, 0, lastLookMs);
    }
  }
}

const killProcess = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has just ended, or has changed its user.
    if (!['ESRCH', 'EPERM'].includes(codeOf(error) ?? '')) throw error;
  }
};

/** A running command: a shell and everything it started, in one process group. */
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
        // The leader is gone: unless it left processes behind, the system may now give the group's number to another.
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
      // Background processes of the command would escape every limit, so they end with it.
      this.signal('SIGKILL');
      this.groupGone = true;
      events.end({ exitCode, durationMs: performance.now() - startedAt });
    });
  }

  /** Whether the target reads the output; otherwise the process blocks as soon as its pipe is full. */
  set reading(wanted: boolean) {
    for (const stream of this.streams) {
      if (wanted) stream.resume();
      else stream.pause();
    }
  }

  /** Whether the group was asked to end or has ended. */
  get isEnding(): boolean {
    return this.killAt < Infinity;
  }

  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  /** Asks the group to end and kills it after the grace period. */
  cancel(graceMs = this.killGraceMs): void {
    this.signal('SIGTERM');
    // A stopped process does not see SIGTERM.
    this.signal('SIGCONT');
    // A process that left the group may hold the pipes open after the group is gone. A second call must not delay the end.
    const killAt = performance.now() + graceMs;
    if (killAt >= this.killAt) return;
    this.killAt = killAt;
    clearTimeout(this.killTimer);
    this.killTimer = setTimeout(() => this.kill(), graceMs);
  }

  /** Cancels the group and discards its output; resolves when the group is gone. */
  async end(graceMs?: number): Promise<void> {
    for (const stream of this.streams) stream.removeAllListeners('data').resume();
    this.cancel(graceMs);
    await this.gone;
  }

  kill(): void {
    clearTimeout(this.killTimer);
    this.killAt = -Infinity;
    this.signal('SIGKILL');
    this.killTimer = setTimeout(() => this.dropOutput(), pipesAfterKillMs);
  }

  private dropOutput(): void {
    for (const stream of this.streams) stream.destroy();
  }

  /** Signals the whole group; returns false if it is gone, and never uses its number again. */
  private signal(signal: NodeJS.Signals | 0): boolean {
    if (this.groupGone) return false;
    try {
      process.kill(-this.pid, signal);
      return true;
    } catch (error) {
      const code = codeOf(error);
      // EPERM: every process of the group has changed its user, so it exists but is out of reach.
      if (code !== 'ESRCH' && code !== 'EPERM') throw error;
      this.groupGone = code === 'ESRCH';
      return false;
    }
  }
}

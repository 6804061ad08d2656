import type { Command } from '../commands/command.ts';
import { OutputCheck } from '../commands/output-check.ts';
import type { Incoming } from '../jsonrpc/messages.ts';
import { wholeLine } from './executions.ts';
import { utf8Bytes } from './prediction.ts';
import {
  executeAndComplete,
  executeRequest,
  ofAllSessions,
  startSession,
  succeeded,
  type Begin,
  type SessionEvents,
  type SessionOptions,
  type SessionResult,
  type SessionSocket,
} from './session.ts';

/** A session with more messages than these is the machine's, whose fast path takes lines. */
const mostMessages = 16;

/** Each session of a VU that the machine had to finish counts against being short, each that was short for it. */
let trust = 8;
const mostTrust = 8;

/** Begins a session that runs a command. */
export const beginCommand =
  (command: Command): Begin =>
  (socket, options, settled) =>
    startCommand(socket, command, options, settled);

/**
 * Runs a command over an opened WebSocket: what `startSession` does with `executeAndComplete`, at a third of the price where a session
 * goes as most do, in a few messages of known shapes with all as expected. At anything else the session machine is given what has
 * happened so far and goes on, so that only the machine judges failures.
 */
export const startCommand = (
  socket: SessionSocket,
  command: Command,
  options: SessionOptions,
  settled: (result: SessionResult) => void,
): SessionEvents => {
  const { shapes = ofAllSessions, limits } = options;
  if (!shapes.hasLearned || trust <= 0 || command.proof.minDurationMs !== undefined)
    return startSession(socket, executeAndComplete(command), options, settled);
  socket.wakeAfter(limits.ackTimeoutMs);
  return new ShortSession(socket, command, options, settled);
};

class ShortSession implements SessionEvents {
  private readonly socket: SessionSocket;
  private readonly command: Command;
  private readonly options: SessionOptions;
  private readonly settled: (result: SessionResult) => void;
  private readonly openedAt: number;
  /** The messages so far. */
  private readonly texts: string[] = [];
  /** When each came. */
  private readonly times: number[] = [];
  /** Goes on with the session, once it is anything else than short. */
  private machine?: SessionEvents;
  private request?: string;
  private connectedAt?: number;
  private ackAt?: number;
  private pid?: unknown;
  private firstOutputAt?: number;
  private completedAt?: number;
  private check?: OutputCheck;
  private lines?: number;
  private bytes?: number;
  private isDone?: true;

  constructor(
    socket: SessionSocket,
    command: Command,
    options: SessionOptions,
    settled: (result: SessionResult) => void,
  ) {
    this.socket = socket;
    this.command = command;
    this.options = options;
    this.settled = settled;
    this.openedAt = socket.now();
  }

  get isOver(): boolean {
    return this.machine === undefined ? this.isDone === true : this.machine.isOver;
  }

  message(text: string): void {
    const { machine } = this;
    if (machine !== undefined) {
      machine.message(text);
      return;
    }
    if (this.isDone) return;
    const { shapes = ofAllSessions } = this.options;
    const message = shapes.recognise(text);
    if (message === undefined || this.texts.length >= mostMessages || !this.takes(message, this.socket.now())) {
      this.goOn().message(text);
      return;
    }
    this.texts.push(text);
  }

  binary(bytes: number): void {
    this.goOn().binary(bytes);
  }

  pong(): void {
    if (this.machine !== undefined || this.completedAt === undefined) this.goOn().pong();
    else if (!this.isDone) this.finish(this.socket.now());
  }

  broken(reason: string): void {
    this.goOn().broken(reason);
  }

  closed(code: number, detail: string): void {
    if (!this.isDone) this.goOn().closed(code, detail);
  }

  wake(): void {
    if (!this.isDone) this.goOn().wake();
  }

  notify(): void {
    this.machine?.notify();
  }

  /** Takes a message that is as expected; returns whether it is. */
  private takes(message: Incoming, at: number): boolean {
    if (message.kind === 'notification') {
      const { method, params } = message;
      switch (method) {
        case 'connected':
          if (this.connectedAt !== undefined) return false;
          this.connectedAt = at;
          this.request = executeRequest(1, this.command, this.options.limits);
          this.socket.send(this.request);
          break;
        case 'process.output':
          if (this.ackAt === undefined || this.completedAt !== undefined || !this.takesOutput(params, at)) return false;
          break;
        case 'process.completed':
          if (this.ackAt === undefined || this.completedAt !== undefined || !this.isSuccess(params)) return false;
          this.completedAt = at;
          this.socket.ping();
          break;
        case 'process.error':
        case 'ping':
          return false;
        default:
          if (this.connectedAt === undefined) return false;
      }
    } else {
      if (message.kind !== 'result' || message.id !== 1 || this.request === undefined || this.ackAt !== undefined)
        return false;
      this.pid = (message.result as Record<string, unknown>).pid;
      if (typeof this.pid !== 'number') return false;
      this.ackAt = at;
    }
    this.times.push(at);
    return true;
  }

  private takesOutput(params: Record<string, unknown>, at: number): boolean {
    const line = wholeLine(params);
    if (line === undefined) return false;
    const check = (this.check ??= new OutputCheck(this.command.proof));
    if (check.line(line) !== undefined) return false;
    this.firstOutputAt ??= at;
    this.lines = (this.lines ?? 0) + 1;
    this.bytes = (this.bytes ?? 0) + utf8Bytes(params.data as string);
    return true;
  }

  private isSuccess({ pid, exit_code: exitCode, status }: Record<string, unknown>): boolean {
    const { proof } = this.command;
    return (
      pid === this.pid &&
      exitCode === (proof.exitCode ?? 0) &&
      (status === undefined || status === 'completed') &&
      (this.check ?? new OutputCheck(proof)).end() === undefined
    );
  }

  private finish(now: number): void {
    const { command, connectedAt = 0, ackAt = 0, firstOutputAt, completedAt = 0, lines = 0, bytes = 0 } = this;
    const { startedAt } = this.options;
    this.isDone = true;
    if (trust < mostTrust) trust++;
    this.socket.close(1000);
    const done: SessionResult['commands'][number] = {
      name: command.name,
      class: command.class,
      outcome: succeeded,
      durationMs: completedAt - startedAt,
      lines,
      bytes,
      ackMs: ackAt - connectedAt,
    };
    if (firstOutputAt !== undefined) {
      done.firstOutputMs = firstOutputAt - connectedAt;
      done.outputMs = completedAt - firstOutputAt;
    }
    this.settled({
      outcome: succeeded,
      openedMs: this.openedAt - startedAt,
      connectedMs: connectedAt - startedAt,
      durationMs: now - startedAt,
      respondedMs: ackAt - connectedAt,
      commands: [done],
      messagesReceived: this.texts.length,
      controls: [],
      greeting: this.texts[0] as string,
    });
  }

  /** Hands the session over to the machine, as if it had been there from the beginning. */
  private goOn(): SessionEvents {
    if (this.machine !== undefined) return this.machine;
    trust--;
    const { socket, texts, times, request, completedAt } = this;
    let replayedAt: number | undefined = this.openedAt;
    const replaying: SessionSocket = {
      // What was sent already is not sent again.
      send: (text) => {
        if (replayedAt === undefined || text !== request) socket.send(text);
      },
      ping: () => {
        if (replayedAt === undefined || completedAt === undefined) socket.ping();
      },
      sendBinary: (data) => socket.sendBinary(data),
      stall: (ms) => socket.stall(ms),
      close: (code) => socket.close(code),
      wakeAfter: (ms) => socket.wakeAfter(Math.max(1, ms - (replayedAt === undefined ? 0 : socket.now() - replayedAt))),
      now: () => replayedAt ?? socket.now(),
    };
    const machine = startSession(replaying, executeAndComplete(this.command), this.options, this.settled);
    this.machine = machine;
    for (const [at, text] of texts.entries()) {
      replayedAt = times[at] as number;
      machine.message(text);
    }
    replayedAt = undefined;
    return machine;
  }
}

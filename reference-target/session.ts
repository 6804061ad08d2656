import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { judge, evaluateFirstWord } from './allow-list.ts';
import type { Dialect } from './dialect.ts';
import type { Outgoing, OutgoingBody, Wire } from './fault-messages.ts';
import type { AppliedFaults, FaultName } from './faults.ts';
import { encodeLines } from './frames.ts';
import type { Counters } from './metrics.ts';
import type { TargetOptions } from './options.ts';
import { chunkBytes, OutputQueue, type OutputSink, type StreamName } from './output.ts';
import type { ProcessEnd, ProcessTable, RunningProcess } from './process.ts';
import { isObject, type Id } from '../lib/jsonrpc/messages.ts';
import type { ControlType } from '../lib/session/session.ts';
import { readMessage } from './request.ts';

/** The parts that all sessions of a target share. */
export interface SessionContext {
  readonly options: TargetOptions;
  readonly dialect: Dialect;
  readonly counters: Counters;
  readonly processes: ProcessTable;
  /** Names of the commands that may run; undefined allows every command. */
  readonly allowed: ReadonlySet<string> | undefined;
  /** Adds the faults that begin with a session's first execute to those it has. */
  firstExecuteFaults(current: AppliedFaults | undefined): AppliedFaults | undefined;
}

/** When a client does not read its answers and this many times the high-water mark waits, the target stops reading. */
const stopReadingFactor = 4;

/** JSON takes at most six bytes for a byte of output, as in \u0001. */
const escapedFactor = 6;

/** The most memory that all sessions of a target hold together for what waits: lines, output, answers and a message each. */
export const maxWaitingBytes = (options: TargetOptions): number => {
  const { maxSessions, maxLineBytes, highWaterBytes, maxMessageBytes } = options;
  // One line waits to be sent while another, of the other stream, is being read.
  const lines = 2 * maxLineBytes + chunkBytes * escapedFactor;
  return maxSessions * (lines + highWaterBytes * (1 + stopReadingFactor) + maxMessageBytes);
};

const controlTypes: readonly ControlType[] = ['PAUSE', 'RESUME', 'CANCEL'];
const ignoring = { PAUSE: 'ignore-pause', RESUME: 'ignore-resume', CANCEL: 'ignore-cancel' } as const;
const leftBehind = 'exec sleep 86400';

/** A running command of a session. */
interface Execution {
  process: RunningProcess;
  output: OutputQueue;
  paused: boolean;
  cancelled: boolean;
  timedOutAfterS: number | undefined;
  timer: NodeJS.Timeout | undefined;
  ended: ProcessEnd | undefined;
}

/** One WebSocket connection, opening handshake to close. */
export class Session {
  private readonly socket: WebSocket;
  private readonly stream: Socket;
  private readonly context: SessionContext;
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly sink: OutputSink;
  /** Every message goes through the faults; without faults, many lines of output are encoded at once. */
  private faults: AppliedFaults | undefined;
  private hasExecuted = false;
  private ended = false;
  /** At most one, unless a fault allows more. */
  private executions: readonly Execution[] = [];
  /** Ignores all messages from the client. */
  private deaf = false;
  private lastPongAt = performance.now();
  private readonly wire: Wire = {
    send: (data) => this.sendData(data),
    close: (code, reason) => this.close(code, reason),
    drop: () => this.terminate(),
    reset: () => {
      this.stream.resetAndDestroy();
      this.end();
    },
  };

  constructor(socket: WebSocket, stream: Socket, context: SessionContext, faults: AppliedFaults | undefined) {
    this.socket = socket;
    this.stream = stream;
    this.context = context;
    this.faults = faults;
    this.sink = this.newSink();
    socket.on('message', (data, isBinary) => this.receive(data, isBinary));
    socket.once('close', () => this.end());
    stream.on('drain', () => {
      for (const execution of this.executions) this.pump(execution);
      if (socket.isPaused) socket.resume();
    });
  }

  /** Sends `connected` and starts the session's timers. */
  start(): void {
    const { heartbeatMs, sessionTimeoutMs } = this.context.options;
    this.timers.push(
      setInterval(() => this.heartbeat(), this.faults?.number('heartbeat') ?? heartbeatMs),
      setTimeout(() => this.close(1008, 'Session timeout'), sessionTimeoutMs),
    );
    this.notify('connected', {
      session_id: randomUUID(),
      version: '1.0.0',
      capabilities: ['execute', 'control', 'stream'],
    });
  }

  /** Reports that the session limit is reached, and closes. */
  refuse(): void {
    const { dialect, counters } = this.context;
    counters.sessionsRefusedTotal += 1;
    this.deaf = true;
    if (this.has('limit-hang')) return;
    if (this.has('limit-drop')) return this.terminate();
    const message = 'Session limit exceeded';
    if (!this.has('limit-close-only')) this.failMessage(undefined, dialect.codes.sessionLimit, message);
    this.close(this.has('limit-wrong-code') ? 1000 : 1008, message);
  }

  /** Whether the connection is neither closed nor being closed. */
  get isOpen(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  /** Closes the connection and ends the session's process. */
  close(code: number, reason: string): void {
    this.socket.close(code, reason);
    // The client's close frame must be read for the closing handshake (RFC 6455 §7.1.2).
    if (this.socket.isPaused) this.socket.resume();
    this.end();
  }

  /** Drops the connection without a closing handshake. */
  terminate(): void {
    this.socket.terminate();
    this.end();
  }

  private has(fault: FaultName): boolean {
    return this.faults?.has(fault) === true;
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.faults?.end();
    for (const { timer } of this.executions) clearTimeout(timer);
    if (this.has('leak-children')) return this.leaveChildren();
    for (const execution of this.executions) void execution.process.end();
  }

  private leaveChildren(): void {
    const { processes, options } = this.context;
    for (const execution of this.executions) execution.process.reading = false;
    if (this.executions.length > 0 || !this.hasExecuted) return;
    processes.start(leftBehind, { output() {}, outputEnd() {}, end() {}, failed() {} }, options.killGraceMs);
  }

  private heartbeat(): void {
    if (performance.now() - this.lastPongAt > this.context.options.pongTimeoutMs) {
      this.close(1008, 'No pong');
      return;
    }
    this.notify('ping', { timestamp: Date.now() / 1000 });
  }

  private receive(data: RawData, isBinary: boolean): void {
    const { dialect, counters, options } = this.context;
    counters.messagesReceivedTotal += 1;
    // Messages may arrive until the client has seen the close frame.
    if (!this.isOpen || this.deaf) return;
    if (this.socket.bufferedAmount > options.highWaterBytes * stopReadingFactor) this.socket.pause();
    // ws passes a Buffer unless binaryType is changed.
    if (!Buffer.isBuffer(data)) throw new TypeError('Expected a message to be one Buffer');
    switch (this.faults?.onMessage(data, isBinary)) {
      case 'drop':
        return this.terminate();
      case 'hang':
        this.deaf = true;
        return;
      case undefined:
    }
    if (isBinary) {
      this.failMessage(undefined, dialect.codes.invalidRequest, 'Expected a text message, received a binary one');
      return;
    }
    const incoming = readMessage(data.toString('utf8'), dialect.strict);
    switch (incoming.kind) {
      case 'malformed':
        return this.failMessage(undefined, dialect.codes.malformed, incoming.reason);
      case 'invalid':
        return this.failMessage(incoming.id, dialect.codes.invalidRequest, incoming.reason);
      case 'call':
        return this.call(incoming.id, incoming.method, incoming.params);
    }
  }

  private call(id: Id | undefined, method: string, params: unknown): void {
    const { dialect } = this.context;
    switch (method) {
      case 'execute':
        return this.execute(id, params);
      case 'control':
        return this.scheduleControl(id, params);
      case 'hook_status':
        // JSON-RPC 2.0 §4.2; the other methods check their params themselves.
        if (dialect.strict && params !== undefined && (typeof params !== 'object' || params === null)) {
          return this.fail(id, dialect.codes.invalidParams, 'Expected params to be an object or an array');
        }
        return this.succeed(id, { enabled: false, message: 'The reference target has no hooks' });
      case 'pong':
        this.lastPongAt = performance.now();
        // The deployed service answers every notification but pong.
        if (id !== undefined && dialect.strict) this.succeed(id, {});
        return;
      default:
        return this.fail(id, dialect.codes.unknownMethod, `Unknown method: ${method.slice(0, 100)}`);
    }
  }

  private execute(id: Id | undefined, params: unknown): void {
    const { dialect, options, counters, processes } = this.context;
    const { codes } = dialect;
    if (!this.hasExecuted) {
      this.hasExecuted = true;
      this.faults = this.context.firstExecuteFaults(this.faults);
    }
    const wanted = readExecuteParams(params, options.maxCommandBytes);
    if (typeof wanted === 'string') return this.fail(id, codes.invalidParams, wanted);
    const rejection = this.rejection(wanted.command);
    if (rejection !== undefined) {
      this.fail(id, codes.notAllowed, rejection);
      if (this.has('rejection-closes')) this.close(1008, 'Command not allowed');
      return;
    }
    if (this.executions.length > 0 && !this.has('second-execute-runs')) {
      if (this.has('second-execute-kills')) {
        for (const execution of this.executions) {
          execution.paused = false;
          execution.process.kill();
        }
      }
      return this.fail(id, codes.alreadyRunning, 'A process is already running');
    }
    if (processes.size >= options.maxChildren) {
      return this.fail(id, codes.processLimit, `The limit of ${options.maxChildren} processes is reached`);
    }

    const output = new OutputQueue(options.maxLineBytes);
    const running = processes.start(
      wanted.command,
      {
        output: (stream, bytes) => {
          output.push(stream, bytes);
          this.pump(execution);
        },
        outputEnd: (stream) => {
          output.end(stream);
          this.pump(execution);
        },
        end: (result) => {
          execution.ended = result;
          this.pump(execution);
        },
        failed: (reason) => this.fail(id, codes.internal, `The process could not be started: ${reason}`),
      },
      options.killGraceMs,
    );
    if (running === undefined) return;
    const execution: Execution = {
      process: running,
      output,
      paused: false,
      cancelled: false,
      timedOutAfterS: undefined,
      timer: undefined,
      ended: undefined,
    };
    this.executions = [...this.executions, execution];
    counters.commandsTotal += 1;
    const { timeoutS } = wanted;
    if (timeoutS !== undefined && timeoutS > 0) {
      execution.timer = setTimeout(() => {
        execution.timedOutAfterS = timeoutS;
        this.cancel(execution);
      }, timeoutS * 1000);
    }
    const started = { status: 'started', pid: running.pid, pgid: running.pid };
    this.succeed(id, started, 'ack');
    this.notify('process.started', { ...started, exit_code: null, error: null });
  }

  /** The reason to refuse a command, or undefined. */
  private rejection(command: string): string | undefined {
    const { allowed } = this.context;
    if (command.trim() === '') return this.has('no-empty-check') ? undefined : 'Command cannot be empty';
    if (allowed === undefined || this.has('allow-list-ignored')) return undefined;
    const judgement = this.has('first-word-only') ? evaluateFirstWord(command, allowed) : judge(command, allowed);
    return judgement.allowed ? undefined : `Command not allowed: ${judgement.reason}`;
  }

  private scheduleControl(id: Id | undefined, params: unknown): void {
    const lateMs = this.faults?.number('slow-control');
    if (lateMs === undefined) this.control(id, params);
    else this.timers.push(setTimeout(() => this.control(id, params), lateMs));
  }

  private control(id: Id | undefined, params: unknown): void {
    const { dialect } = this.context;
    const type = readControlType(params);
    if (type === undefined) {
      const message = `Expected params.type to be one of ${controlTypes.join(', ')}`;
      return this.fail(id, dialect.codes.invalidParams, message);
    }
    const execution = this.executions.at(-1);
    const status = { PAUSE: 'paused', RESUME: 'resumed', CANCEL: dialect.cancelled }[type];
    // A process that is ending must not be stopped.
    if (execution === undefined || (type === 'PAUSE' && execution.process.isEnding)) {
      if (this.has('control-without-process-succeeds')) return this.succeed(id, { status });
      return this.fail(id, dialect.codes.noProcess, 'No process is running');
    }
    if (!this.has(ignoring[type])) this.apply(type, execution);
    const { pid } = execution.process;
    this.succeed(id, { status });
    this.notify(`process.${status}`, { status, pid, pgid: pid, exit_code: null, error: null });
    this.pump(execution);
  }

  private apply(type: ControlType, execution: Execution): void {
    if (type === 'CANCEL') {
      execution.cancelled = true;
      // SIGTERM would wait in a stopped process too, but right after SIGSTOP it might be delivered first.
      if (execution.paused && this.has('stuck-cancel')) return;
      // A paused execution sends nothing and does not end, so it blocks the next execute.
      if (this.has('cancel-leaves-running')) execution.paused = true;
      else this.cancel(execution);
      return;
    }
    execution.paused = type === 'PAUSE';
    if (execution.paused) execution.process.pause();
    else if (execution.cancelled && this.has('stuck-cancel')) this.cancel(execution);
    else this.resume(execution);
  }

  private resume({ process }: Execution): void {
    const lateMs = this.faults?.number('late-resume');
    if (lateMs === undefined) process.resume();
    else setTimeout(() => process.resume(), lateMs).unref();
  }

  /** Ends the session's processes as CANCEL does. */
  endProcesses(): void {
    for (const execution of this.executions) this.cancel(execution);
  }

  private cancel(execution: Execution): void {
    execution.paused = false;
    execution.process.cancel();
    this.pump(execution);
  }

  /** Sends the output as long as the client keeps up; otherwise stops reading the process, so that it blocks. */
  private pump(execution: Execution): void {
    if (this.ended || !this.executions.includes(execution)) return;
    const { output, process, paused, ended } = execution;
    if (!paused) output.drainInto(this.sink);
    const waiting = paused || output.hasBacklog;
    process.reading = !waiting;
    if (ended !== undefined && !waiting) this.complete(execution, ended);
  }

  private complete(execution: Execution, { exitCode, durationMs }: ProcessEnd): void {
    this.executions = this.executions.filter((other) => other !== execution);
    clearTimeout(execution.timer);
    // The deployed service reports nothing more about a process that it has cancelled.
    if (execution.cancelled && !this.context.dialect.completesAfterCancel) return;
    const { pid } = execution.process;
    const timedOut = execution.timedOutAfterS;
    this.notify('process.completed', {
      status: exitCode === 0 ? 'completed' : 'failed',
      pid,
      pgid: pid,
      exit_code: exitCode,
      error: timedOut === undefined ? null : `Timed out after ${timedOut} s`,
      execution_time: durationMs / 1000,
      early_completion_detected: false,
      early_completion_time: null,
      time_saved: 0,
      completion_marker: null,
    });
  }

  private newSink(): OutputSink {
    const { counters, options } = this.context;
    const stream = this.stream;
    const isFull = (): boolean => stream.writableLength >= options.highWaterBytes && !this.has('unbounded-buffer');
    const sendOutput = (
      type: StreamName,
      data: string,
      index: number | null,
      total: number | null,
      goesOn: boolean,
    ) => {
      counters.outputLinesTotal += 1;
      this.notify('process.output', { type, data, truncated: goesOn, chunk_index: index, total_chunks: total });
    };
    return {
      get full() {
        return isFull();
      },
      lines: (type, text, at) => {
        if (this.faults?.intercept !== undefined) {
          const end = text.indexOf('\n', at) + 1 || text.length;
          sendOutput(type, text.slice(at, end), null, null, false);
          return end;
        }
        const { frames, lines, next } = encodeLines(type, text, at);
        if (this.isOpen) {
          // Without compression ws writes at once, so frames written here stay in order with its own.
          stream.write(frames);
          counters.messagesSentTotal += lines;
          counters.outputLinesTotal += lines;
        }
        return next;
      },
      chunk: sendOutput,
    };
  }

  private succeed(id: Id | undefined, result: object, kind: 'ack' | 'response' = 'response'): void {
    this.answer(id, { result }, kind);
  }

  private fail(id: Id | undefined, code: number, message: string): void {
    this.answer(id, { error: { code, message, data: null } }, 'response');
  }

  /** Answers a message that is neither request nor notification. */
  private failMessage(id: Id | undefined, code: number, message: string): void {
    this.send('response', withId(this.context.dialect, id, { error: { code, message, data: null } }));
  }

  /** Answers a request, or a notification where the dialect does. */
  private answer(id: Id | undefined, body: OutgoingBody, kind: 'ack' | 'response'): void {
    const { dialect } = this.context;
    // JSON-RPC 2.0 §4.1: never answer a notification, not even with an error.
    if (id === undefined && dialect.strict) {
      if (body.error !== undefined && this.has('answers-notifications')) this.send(kind, { jsonrpc: '2.0', ...body });
      return;
    }
    this.send(kind, withId(dialect, id, body));
  }

  private notify(method: string, params: Record<string, unknown>): void {
    this.send('notification', { jsonrpc: '2.0', method, params });
  }

  private send(kind: Outgoing['kind'], body: OutgoingBody): void {
    const intercept = this.faults?.intercept;
    if (intercept === undefined) this.sendData(JSON.stringify(body));
    else intercept({ kind, body }, this.wire);
  }

  private sendData(data: string | Buffer): void {
    if (!this.isOpen) return;
    this.context.counters.messagesSentTotal += 1;
    this.socket.send(data);
  }
}

/** A response; if its id is unknown it has id null (JSON-RPC 2.0 §5), or no id in the deployed dialect. */
const withId = (dialect: Dialect, id: Id | undefined, body: OutgoingBody): OutgoingBody => {
  if (id === undefined && !dialect.strict) return { jsonrpc: '2.0', ...body };
  return { jsonrpc: '2.0', ...body, id: id ?? null };
};

const readExecuteParams = (
  params: unknown,
  maxCommandBytes: number,
): { command: string; timeoutS: number | undefined } | string => {
  if (!isObject(params)) return 'Expected params to be an object with a command';
  const { command, timeout } = params;
  if (typeof command !== 'string') return 'Expected params.command to be a string';
  if (command.includes('\0')) return 'Expected params.command without a NUL character';
  if (Buffer.byteLength(command) > maxCommandBytes)
    return `Expected params.command of at most ${maxCommandBytes} bytes`;
  if (timeout === undefined || timeout === null) return { command, timeoutS: undefined };
  if (typeof timeout !== 'number' || !Number.isInteger(timeout) || timeout < 0 || timeout > 2_147_483) {
    return 'Expected params.timeout to be a whole number of seconds from 0 (none) to 2147483';
  }
  return { command, timeoutS: timeout };
};

const readControlType = (params: unknown): ControlType | undefined => {
  const type = isObject(params) ? params['type'] : undefined;
  return controlTypes.find((known) => known === type);
};

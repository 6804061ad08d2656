import { Correlation, type Response } from '../jsonrpc/correlation.ts';
import {
  excerpt,
  isObject,
  parseMessage,
  serialiseNotification,
  serialiseRequest,
  type Incoming,
} from '../jsonrpc/messages.ts';
import type { Command } from '../commands/command.ts';
import type { Outcome, Phase } from './outcome.ts';
import type { CommandResult } from './execution.ts';
import { Execution, type CommandEnd } from './execution-steps.ts';
import { Executions } from './executions.ts';
import { classifyRejection, type Dialect, type Rejection, type Stage } from './rejection.ts';
import { SessionEnd, sleepUntil, type Script, type Wait } from './script.ts';
import { createTrace, type Trace } from './trace.ts';

export type { CommandEnd, Execution, Script, Wait };

/** What a session needs of the open WebSocket it lives on, and of a clock. */
export interface SessionSocket {
  /** Sends a text message. */
  send: (text: string) => void;
  /** Sends a binary message. */
  sendBinary: (data: ArrayBuffer) => void;
  /** Reads nothing for so many milliseconds, so that the service's sending is held up. */
  stall: (ms: number) => void;
  /** Sends a WebSocket ping (RFC 6455 §5.5.2). */
  ping: () => void;
  /** Starts the closing handshake (RFC 6455 §7.1.2). */
  close: (code: number) => void;
  /** Calls the session's `wake` once, after so many milliseconds, with the token. */
  wakeAfter: (ms: number, token: number) => void;
  /** Milliseconds on a steady clock. */
  now: () => number;
}

/** How long a session waits, milliseconds. */
export interface SessionLimits {
  /** For `connected`, for a response, and for the pong that ends the drain. */
  ackTimeoutMs: number;
  /** For the next message of a running command; heartbeats do not count. */
  messageTimeoutMs: number;
  /** For the session as a whole, from opening the connection. */
  sessionTimeoutMs: number;
  /** What the service is asked to limit a command to, seconds; absent where it is left to the service. */
  executeTimeoutS?: number;
}

/** What became of a session. Times are milliseconds from opening the connection. */
export interface SessionResult {
  outcome: Outcome;
  openedMs?: number;
  connectedMs?: number;
  durationMs: number;
  /** The slowest response to a request, from the request; absent where none came. */
  respondedMs?: number;
  /** How long was waited in vain, where a timeout ended it that shows it. */
  waitedMs?: number;
  commands: CommandResult[];
  messagesReceived: number;
  /** The acknowledged controls, each with the time from its request to its response. */
  controls: { type: ControlType; durationMs: number }[];
  /** The dialect its answers betrayed, where any did. */
  dialect?: Dialect;
  /** The code of the service's close, where it closed. */
  closeCode?: number;
  /** The params of `connected`: what the service says of itself. */
  greeting?: Record<string, unknown>;
  /** The first and last messages, where a trace was asked for. */
  trace?: string[];
  /** What a script threw that was no outcome: a bug. */
  bug?: unknown;
}

/** What can be done to a running process. */
export type ControlType = 'PAUSE' | 'RESUME' | 'CANCEL';

/** A command that the service accepted, or its refusal. */
export type Attempt = { execution: Execution; rejection?: never } | { execution?: never; rejection: Rejected };

/** An outcome that is a refusal. */
export type Rejected = Extract<Outcome, { kind: 'rejected' }>;

/** What a script does with a session. Each step that fails ends the session with its outcome. */
export interface Session {
  /** Sends `execute` and waits for its response. */
  execute: (command: Command) => Script<Execution>;
  /** Like `execute`, but a refusal is a value. */
  attempt: (command: Command) => Script<Attempt>;
  /** Sends `control` and waits for its result. */
  control: (type: ControlType) => Script<unknown>;
  /** Sends any request and waits for its response; an error is a value here. */
  request: (method: string, params?: object) => Script<Response>;
  /**
   * Sends a message as it is, valid or not, and then a request that must be answered; waits until there are so many
   * answers besides. From the first probe on the session takes whatever comes; returned is all of it.
   */
  probe: (message: string | ArrayBuffer, answers: number) => Script<Incoming[]>;
  /** Lets so many milliseconds pass. */
  sleep: (ms: number) => Script;
  /** Waits until a condition holds, which `notify` tells; so long the session does nothing but take what comes. */
  holds: (until: () => boolean) => Script;
  /** Reads nothing for so many milliseconds, a slow reader. */
  stall: (ms: number) => void;
}

/** Where the socket's events go. */
export interface SessionEvents {
  /** Whether the session has its outcome. */
  readonly isOver: boolean;
  message: (text: string) => void;
  binary: (bytes: number) => void;
  /** A pong came: ours where the transport can see its payload, any where it can't. */
  pong: () => void;
  /** The service broke the framing of RFC 6455, and the transport closes the connection. */
  broken: (reason: string) => void;
  /** The connection is closed; not called for the session's own close. */
  closed: (code: number, detail: string) => void;
  wake: (token: number) => void;
  /** Something outside has changed that the script may wait for. */
  notify: () => void;
}

const pong = serialiseNotification('pong', {});

/** How long after it refused a session a service is given to close it, milliseconds. */
const closeMs = 1000;

/** How long after a probe its answer may take at least, once a later request has been answered, milliseconds. */
const lateMs = 1000;
/** Of a slow service, this many times as long as its slowest response took. */
const timesLate = 5;

/** How long after a probe what must not be answered is waited for, milliseconds. */
const quietMs = 200;

const controlStatus: Readonly<Record<ControlType, readonly unknown[]>> = {
  PAUSE: ['paused'],
  RESUME: ['resumed'],
  CANCEL: ['canceled', 'cancelled'],
};

/** The result of a session whose connection could not be opened; one that was waited for in vain is a timeout. */
export const connectFailed = (reason: string, durationMs: number): SessionResult => ({
  ...(/i\/o timeout|deadline exceeded/.test(reason)
    ? { outcome: { kind: 'timeout', phase: 'connect', detail: reason }, waitedMs: durationMs }
    : { outcome: { kind: 'connect-failed', reason } }),
  durationMs,
  commands: [],
  controls: [],
  messagesReceived: 0,
});

/** What a session is started with. */
export interface SessionOptions {
  startedAt: number;
  limits: SessionLimits;
  trace: boolean;
}

/**
 * Runs a script over an opened WebSocket: waits for `connected`, resumes the script as messages and timers come,
 * drains (ping, pong) what is under way and closes. Whatever happens, `settled` is called exactly once and nothing
 * stays pending.
 */
export const startSession = (
  socket: SessionSocket,
  script: (session: Session) => Script,
  options: SessionOptions,
  settled: (result: SessionResult) => void,
): SessionEvents => {
  const machine = new SessionMachine(socket, script, options, settled);
  machine.notify();
  return machine;
};

/** One session's state; its methods are shared, for many sessions may live in one VU. */
class SessionMachine implements Session, SessionEvents {
  private readonly socket: SessionSocket;
  private readonly limits: SessionLimits;
  private readonly startedAt: number;
  private readonly openedAt: number;
  private readonly settled: (result: SessionResult) => void;
  private readonly correlation = new Correlation();
  private readonly executions: Executions;
  private controls: SessionResult['controls'] | undefined;
  private readonly main: Script;
  private readonly trace: Trace | undefined;
  private connectedAt: number | undefined;
  private greeting: Record<string, unknown> | undefined;
  private refused: Rejected | undefined;
  private closeCode: number | undefined;
  private respondedMs: number | undefined;
  private probedAt = 0;
  private waitedMs: number | undefined;
  private dialect: Dialect | undefined;
  /** What came since a probe, but for the responses to our own requests. */
  private probed: Incoming[] | undefined;
  /** Messages that the fast path did not take. */
  private received = 0;
  private takenAtLastLook = 0;
  private lastActivityAt: number;
  private armedFor = Infinity;
  private armed = 0;
  private isOpen = true;
  private ponged = false;
  /** A pong came that no ping of ours can have asked for (RFC 6455 §5.5.3). */
  private hasStrayPong = false;
  private draining = false;
  private done = false;
  private stepping = false;
  private wait: Wait | undefined;

  constructor(
    socket: SessionSocket,
    script: (session: Session) => Script,
    { startedAt, limits, trace }: SessionOptions,
    settled: (result: SessionResult) => void,
  ) {
    this.socket = socket;
    this.limits = limits;
    this.startedAt = startedAt;
    this.openedAt = this.lastActivityAt = socket.now();
    this.settled = settled;
    const kept = trace ? createTrace() : undefined;
    this.trace = kept;
    this.executions = new Executions(() => socket.now(), kept && ((text) => kept.add('<', text)));
    this.main = this.run(script);
  }

  get isOver(): boolean {
    return this.done;
  }

  // What the socket tells.

  message(text: string): void {
    // Nothing is done here that can be done once a session: this is where a million lines come by.
    const { take } = this.executions;
    if (take !== undefined && take(text)) return;
    if (this.done) return;
    this.received++;
    this.trace?.add('<', text);
    this.handle(parseMessage(text), text);
    this.step();
  }

  binary(bytes: number): void {
    this.received++;
    this.violate(`expected text messages, received a binary message of ${bytes} bytes`);
  }

  pong(): void {
    if (!this.draining) {
      this.hasStrayPong = true;
      return;
    }
    this.ponged = true;
    this.step();
  }

  broken(reason: string): void {
    this.isOpen = false;
    this.violate(reason);
  }

  closed(code: number, detail: string): void {
    this.isOpen = false;
    this.closeCode = code;
    if (this.refused) this.settle(this.refused);
    if (this.draining && code === 1000) this.settle({ kind: 'ok' });
    else this.settle({ kind: 'closed', code, detail });
  }

  wake(token: number): void {
    // k6 can't cancel a timer: an older one than the last is over.
    if (this.done || token !== this.armed) return;
    this.armedFor = Infinity;
    const { wait, limits } = this;
    const now = this.socket.now();
    const { taken } = this.executions;
    // The fast path notes no times.
    if (taken !== this.takenAtLastLook) this.lastActivityAt = now;
    this.takenAtLastLook = taken;
    if (now >= this.startedAt + limits.sessionTimeoutMs) {
      this.settle({ kind: 'timeout', phase: 'session', detail: `not at its end after ${limits.sessionTimeoutMs} ms` });
      return;
    }
    if (wait?.deadline !== undefined && now >= wait.deadline) {
      if (this.refused) this.settle(this.refused);
      else if (wait.elapses === true) this.wait = undefined;
      else this.timeout(wait.phase, limits.ackTimeoutMs, `nothing after ${limits.ackTimeoutMs} ms`);
    } else if (wait?.progress === true && now >= this.lastActivityAt + limits.messageTimeoutMs) {
      this.timeout(wait.phase, limits.messageTimeoutMs, `no message for ${limits.messageTimeoutMs} ms`);
    }
    this.step();
  }

  notify(): void {
    this.step();
  }

  // What a script asks for.

  *execute(command: Command): Script<Execution> {
    const { execution, rejection } = yield* this.attempt(command);
    if (rejection) throw new SessionEnd(rejection);
    return execution;
  }

  *attempt(command: Command): Script<Attempt> {
    const { executions } = this;
    const run = executions.begin(command);
    const { executeTimeoutS: timeout } = this.limits;
    const id = this.ask('execute', { command: command.command, ...(timeout !== undefined && { timeout }) });
    const { result, error } = yield* this.response(id);
    run.ackAt = this.socket.now();
    if (error) {
      const rejection = this.rejected('execute', error);
      executions.refuse(run, rejection);
      return { rejection };
    }
    const outcome = executions.accept(run, result);
    if (outcome) throw new SessionEnd(outcome);
    return { execution: new Execution(run, executions) };
  }

  *control(type: ControlType): Script<unknown> {
    const run = this.executions.current;
    const sentAt = this.socket.now();
    const id = this.ask('control', { type });
    const { result, error } = yield* this.response(id);
    const durationMs = this.socket.now() - sentAt;
    if (error) throw new SessionEnd(this.rejected('control', error));
    (this.controls ??= []).push({ type, durationMs });
    const status = isObject(result) ? result.status : undefined;
    if (!controlStatus[type].includes(status)) {
      const expected = controlStatus[type].join(' or ');
      const reason = `control ${type}: expected status ${expected}, received ${JSON.stringify(status)}`;
      throw new SessionEnd({ kind: 'protocol-violation', reason });
    }
    if (type === 'CANCEL') {
      this.dialect ??= status === 'canceled' ? 'deployed' : 'documented';
      if (run) run.canceled = String(status);
    }
    return result;
  }

  *request(method: string, params?: object): Script<Response> {
    const id = this.ask(method, params);
    return yield* this.response(id);
  }

  *probe(message: string | ArrayBuffer, answers: number): Script<Incoming[]> {
    const probed = (this.probed ??= []);
    this.probedAt = this.socket.now();
    if (typeof message === 'string') {
      this.send(message);
    } else {
      this.trace?.add('>', `${message.byteLength} bytes`);
      this.socket.sendBinary(message);
    }
    yield* this.request('ws-stress.are-you-there');
    const isAnswered = (): boolean =>
      answers > 0 && probed.filter(({ kind }) => kind !== 'notification').length >= answers;
    const mostMs = Math.max(lateMs, timesLate * (this.respondedMs ?? 0));
    yield* sleepUntil(this.socket.now() + (answers > 0 ? mostMs : quietMs), isAnswered);
    return [...probed];
  }

  sleep(ms: number): Script {
    return sleepUntil(this.socket.now() + ms);
  }

  *holds(until: () => boolean): Script {
    yield { phase: 'session', until };
  }

  stall(ms: number): void {
    const endsAt = this.socket.now() + ms;
    this.socket.stall(ms);
    // What was not read is no silence of the service's.
    this.lastActivityAt = Math.max(endsAt, this.socket.now());
  }

  // How it goes on.

  private *run(script: (session: Session) => Script): Script {
    yield { phase: 'connected', deadline: this.ackDeadline(), until: () => this.connectedAt !== undefined };
    yield* script(this);
    this.draining = true;
    this.socket.ping();
    yield { phase: 'drain', deadline: this.ackDeadline(), until: () => this.ponged };
    // A service that pongs unasked may have done so again, and k6 shows no payload: a response shows that it has read what we sent.
    if (this.hasStrayPong) yield* this.fence();
  }

  /** Waits for the response to a request that has none but an error; a service may leave it out for a second. */
  private *fence(): Script {
    const id = this.ask('ws-stress.are-you-there');
    yield* sleepUntil(this.socket.now() + lateMs, () => this.correlation.response(id) !== undefined);
  }

  private step(): void {
    if (this.stepping) return;
    this.stepping = true;
    try {
      while (!this.done && (this.wait === undefined || this.wait.until())) {
        const next = this.main.next();
        this.wait = next.value ?? undefined;
        if (next.done === true) this.settle({ kind: 'ok' });
      }
    } catch (error) {
      if (error instanceof SessionEnd) {
        this.waitedMs = error.waitedMs;
        this.settle(error.outcome);
      } else
        this.settle({ kind: 'script-error', detail: error instanceof Error ? error.message : String(error) }, error);
    }
    this.stepping = false;
    // The script's own step may have ended the session, or what it waits for have thrown.
    if (this.done) this.main.return();
    else this.arm();
  }

  private arm(): void {
    const { wait, limits } = this;
    const now = this.socket.now();
    let due = Math.min(this.startedAt + limits.sessionTimeoutMs, wait?.deadline ?? Infinity);
    // Looked at a few times in each period, for the fast path notes no times.
    if (wait?.progress === true) {
      due = Math.min(due, Math.min(this.lastActivityAt + limits.messageTimeoutMs, now + limits.messageTimeoutMs / 4));
    }
    if (due >= this.armedFor) return;
    this.armedFor = due;
    this.socket.wakeAfter(Math.max(1, Math.ceil(due - now)), ++this.armed);
  }

  private handle(message: Incoming, text: string): void {
    if (this.probed && this.isProbed(message)) {
      if (message.kind !== 'notification') this.responded(this.probedAt);
      this.probed.push(message);
      return;
    }
    if (message.kind === 'malformed') {
      this.violate(message.reason);
      return;
    }
    if (message.kind === 'request') {
      this.violate(`a request from the service: ${excerpt(text)}`);
      return;
    }
    if (message.kind === 'notification') {
      if (message.method === 'ping') {
        this.send(pong);
        return; // A heartbeat is no progress: it must not hide a hang.
      }
      this.lastActivityAt = this.socket.now();
      this.notified(message.method, message.params, text);
      return;
    }
    this.lastActivityAt = this.socket.now();
    if (message.kind === 'error' && this.connectedAt === undefined) {
      // How it closes belongs to the refusal.
      this.refused ??= this.rejected('opening', message.error);
      this.wait = { phase: 'connected', until: () => false, deadline: this.socket.now() + closeMs };
      return;
    }
    const violation = this.correlation.file(message);
    if (violation !== undefined) this.violate(violation);
  }

  /** Whether a message may be whatever it is, for a probe has asked for it. */
  private isProbed(message: Incoming): boolean {
    if (message.kind === 'notification') return message.method !== 'ping';
    return message.kind === 'malformed' || message.kind === 'request' || !this.correlation.awaits(message.id);
  }

  private notified(method: string, params: Record<string, unknown>, text: string): void {
    switch (method) {
      case 'connected':
        if (this.connectedAt !== undefined) this.violate('connected came a second time');
        this.connectedAt ??= this.socket.now();
        this.greeting ??= params;
        return;
      case 'process.output':
        this.endsBy(this.executions.output(params, text));
        return;
      case 'process.completed':
        this.endsBy(this.executions.completed(params, text));
        return;
      case 'process.error':
        this.executions.failed(params);
        return;
      default:
      // Every other notification is tolerated.
    }
  }

  private send(text: string): void {
    this.trace?.add('>', text);
    this.socket.send(text);
  }

  /** Sends a request; returns its id. */
  private ask(method: string, params?: object): number {
    const id = this.correlation.next(method);
    this.send(serialiseRequest(id, method, params));
    return id;
  }

  /** Waits for the response to a request that has just been sent. */
  private *response(id: number): Script<Response> {
    const sentAt = this.socket.now();
    yield {
      phase: 'acknowledgement',
      deadline: this.ackDeadline(),
      until: () => this.correlation.response(id) !== undefined,
    };
    this.responded(sentAt);
    return this.correlation.response(id) as Response;
  }

  private responded(sentAt: number): void {
    this.respondedMs = Math.max(this.respondedMs ?? 0, this.socket.now() - sentAt);
  }

  private ackDeadline(): number {
    return this.socket.now() + this.limits.ackTimeoutMs;
  }

  private rejected(stage: Stage, error: { code: number; message: string }): Rejected {
    const rejection: Rejection = classifyRejection(stage, error);
    this.dialect ??= rejection.dialect;
    return { kind: 'rejected', code: error.code, message: error.message, reason: rejection.reason };
  }

  private violate(reason: string): void {
    this.settle({ kind: 'protocol-violation', reason });
  }

  private timeout(phase: Phase, waitedMs: number, detail: string): void {
    this.waitedMs = waitedMs;
    this.settle({ kind: 'timeout', phase, detail });
  }

  private endsBy(outcome: Outcome | undefined): void {
    if (outcome) this.settle(outcome);
  }

  private settle(outcome: Outcome, bug?: unknown): void {
    if (this.done) return;
    this.done = true;
    this.executions.take = undefined;
    const { startedAt } = this;
    const now = this.socket.now();
    // Not where the connection is closed already: k6 deadlocks on a close within its close event.
    if (this.isOpen) this.socket.close(outcome.kind === 'protocol-violation' ? 1002 : 1000);
    // Assigned one by one: a spread is slow in k6.
    const result: SessionResult = {
      outcome,
      openedMs: this.openedAt - startedAt,
      durationMs: now - startedAt,
      commands: this.executions.results(outcome, startedAt),
      controls: this.controls ?? [],
      messagesReceived: this.received + this.executions.takenInAll,
    };
    if (this.respondedMs !== undefined) result.respondedMs = this.respondedMs;
    if (this.waitedMs !== undefined) result.waitedMs = this.waitedMs;
    if (this.connectedAt !== undefined) result.connectedMs = this.connectedAt - startedAt;
    if (this.closeCode !== undefined) result.closeCode = this.closeCode;
    if (this.greeting) result.greeting = this.greeting;
    if (this.dialect) result.dialect = this.dialect;
    if (this.trace) result.trace = this.trace.lines();
    if (bug !== undefined) result.bug = bug;
    this.settled(result);
    // Last, for a script's finally block may throw, and the result must not be lost with it.
    if (!this.stepping) this.main.return();
  }
}

import { Correlation, responseOf, type Request, type Response } from '../jsonrpc/correlation.ts';
import {
  excerpt,
  isObject,
  parseMessage,
  serialiseNotification,
  serialiseRequest,
  type Incoming,
} from '../jsonrpc/messages.ts';
import { Shapes } from '../jsonrpc/shapes.ts';
import type { Command } from '../commands/command.ts';
import type { Outcome, Phase } from './outcome.ts';
import type { CommandResult, ExecutionState } from './execution.ts';
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
  /** Calls the session's `wake` once, after so many milliseconds. */
  wakeAfter: (ms: number) => void;
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
  /** How long was waited in vain, where a timeout ended it that shows it, or no close followed a refusal. */
  waitedMs?: number;
  commands: CommandResult[];
  messagesReceived: number;
  /** The acknowledged controls, each with the time from its request to its response. */
  controls: { type: ControlType; durationMs: number }[];
  /** The dialect its answers betrayed, where any did. */
  dialect?: Dialect;
  /** The code of the service's close, where it closed. */
  closeCode?: number;
  /** The first and last messages of a session that failed, where a trace was asked for. */
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

/** Takes a message without parsing it, as long as it has something to compare it with; returns whether it did. */
export interface LineTaker {
  readonly take?: ((text: string) => boolean) | undefined;
}

/** Where the socket's events go. */
export interface SessionEvents {
  /** Whether the session has its outcome. */
  readonly isOver: boolean;
  /** Takes lines of output that it foresees; who has many messages may ask it first, before `message`. */
  readonly lines?: LineTaker;
  message: (text: string) => void;
  binary: (bytes: number) => void;
  /** A pong came: ours where the transport can see its payload, any where it can't. */
  pong: () => void;
  /** The service broke the framing of RFC 6455, and the transport closes the connection. */
  broken: (reason: string) => void;
  /** The connection is closed; not called for the session's own close. */
  closed: (code: number, detail: string) => void;
  wake: () => void;
  /** Something outside has changed that the script may wait for. */
  notify: () => void;
}

const pong = serialiseNotification('pong', {});

/** Recognises messages like earlier ones: of params and results it reads what a session looks at. */
export const createShapes = (): Shapes =>
  new Shapes(['pid', 'exit_code', 'status', 'type', 'data', 'chunk_index', 'total_chunks', 'error'], ['data']);

/** Those of this VU. */
export const ofAllSessions = createShapes();

/** The script of a session that executes a command, waits until it has completed and holds it to its proof. */
export const executeAndComplete = (command: Command) =>
  function* (session: Session): Script {
    const execution = yield* session.execute(command);
    yield* execution.completes();
  };

/** The request to execute a command, as text. */
export const executeRequest = (id: number, { command }: Command, { executeTimeoutS: timeout }: SessionLimits): string =>
  serialiseRequest(id, 'execute', timeout === undefined ? { command } : { command, timeout });

/** How long after it refused a session a service is given to close it, milliseconds. */
const closeMs = 1000;

/** How long after a probe its answer may take at least, once a later request has been answered, milliseconds. */
const lateMs = 1000;
/** Of a slow service, this many times as long as its slowest response took. */
const timesLate = 5;

/** How long after a probe what must not be answered is waited for, milliseconds. */
const quietMs = 200;

/** The outcome of what went well: one object, for there are many of it. */
export const succeeded: Outcome = { kind: 'ok' };

/** How much earlier than asked a timer may be, milliseconds. */
const earlyMs = 5;

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

/** A command whose request was sent. */
interface Sent {
  run: ExecutionState;
  request: Request;
}

/** Begins a session over an opened WebSocket. */
export type Begin = (
  socket: SessionSocket,
  options: SessionOptions,
  settled: (result: SessionResult) => void,
) => SessionEvents;

/** Begins a session that runs a script. */
export const beginScript =
  (script: (session: Session) => Script): Begin =>
  (socket, options, settled) =>
    startSession(socket, script, options, settled);

/** What a session is started with. */
export interface SessionOptions {
  startedAt: number;
  limits: SessionLimits;
  trace: boolean;
  /** Recognises messages like earlier ones; that of all sessions of this VU where absent. */
  shapes?: Shapes;
  /** Is given the message `connected`. */
  onGreeting?: (text: string) => void;
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
  private readonly executions: Executions;
  private readonly main: Script;
  private readonly correlation = new Correlation();
  /** When what happens now began: the clock is read once for each event. */
  private at: number;
  private lastActivityAt: number;
  private armedFor = Infinity;
  private wait: Wait;
  /** Messages that the fast path did not take. */
  private received = 0;
  private isOpen = true;
  private done = false;
  private stepping = false;
  // What few sessions need takes no memory before it is assigned (useDefineForClassFields).
  private connectedAt?: number;
  /** Absent once a script looks at messages itself: all are parsed then, and none is taken for another one. */
  private shapes?: Shapes | undefined;
  private trace?: Trace;
  private controls?: SessionResult['controls'];
  private onGreeting?: (text: string) => void;
  private refused?: Rejected;
  private closeCode?: number;
  private respondedMs?: number;
  private probedAt?: number;
  private waitedMs?: number | undefined;
  private dialect?: Dialect | undefined;
  /** What came since a probe, but for the responses to our own requests. */
  private probed?: Incoming[];
  private takenAtLastLook?: number;
  private draining?: 'pong' | 'response';
  private ponged?: true;
  /** A pong came that no ping of ours can have asked for (RFC 6455 §5.5.3). */
  private hasStrayPong?: true;

  constructor(
    socket: SessionSocket,
    script: (session: Session) => Script,
    { startedAt, limits, trace, shapes = ofAllSessions, onGreeting }: SessionOptions,
    settled: (result: SessionResult) => void,
  ) {
    this.socket = socket;
    this.limits = limits;
    this.startedAt = startedAt;
    this.openedAt = this.lastActivityAt = this.at = socket.now();
    this.settled = settled;
    this.shapes = shapes;
    shapes.begin();
    if (onGreeting) this.onGreeting = onGreeting;
    const kept = trace ? createTrace() : undefined;
    if (kept) this.trace = kept;
    this.executions = new Executions(socket, kept && ((text) => kept.add('<', text)));
    this.main = script(this);
    this.wait = { phase: 'connected', deadline: this.ackDeadline(), until: () => this.connectedAt !== undefined };
  }

  get isOver(): boolean {
    return this.done;
  }

  get lines(): LineTaker {
    return this.executions;
  }

  // What the socket tells.

  message(text: string): void {
    // Nothing is done here that can be done once a session: this is where a million lines come by.
    const { take } = this.executions;
    if (take !== undefined && take(text)) return;
    if (this.done) return;
    this.received++;
    if (this.trace !== undefined) this.trace.add('<', text);
    this.at = this.socket.now();
    const { shapes } = this;
    const message = shapes === undefined ? parseMessage(text) : shapes.read(text);
    if (this.handle(message, text)) this.step();
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
    this.look();
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

  wake(): void {
    const now = this.look();
    // No timer is canceled: this may be one that another has made needless. A timer of Node may be a little early.
    if (this.done || this.armedFor - now > earlyMs) return;
    this.armedFor = Infinity;
    const { wait, limits } = this;
    const { taken } = this.executions;
    // The fast path notes no times.
    if (taken !== (this.takenAtLastLook ?? 0)) this.lastActivityAt = now;
    this.takenAtLastLook = taken;
    if (now >= this.startedAt + limits.sessionTimeoutMs) {
      this.settle({ kind: 'timeout', phase: 'session', detail: `not at its end after ${limits.sessionTimeoutMs} ms` });
      return;
    }
    if (wait.deadline !== undefined && now >= wait.deadline) {
      if (this.refused) {
        this.waitedMs = closeMs;
        this.settle(this.refused);
      } else if (wait.elapses === true) this.wait = { phase: wait.phase, until: () => true };
      else this.timeout(wait.phase, limits.ackTimeoutMs, `nothing after ${limits.ackTimeoutMs} ms`);
    } else if (wait.progress === true && now >= this.lastActivityAt + limits.messageTimeoutMs) {
      this.timeout(wait.phase, limits.messageTimeoutMs, `no message for ${limits.messageTimeoutMs} ms`);
    }
    this.step();
    if (!this.done) this.arm();
  }

  notify(): void {
    this.look();
    this.step();
    if (!this.done) this.arm();
  }

  /** Reads the clock, as an event begins. */
  private look(): number {
    return (this.at = this.socket.now());
  }

  // What a script asks for.

  *execute(command: Command): Script<Execution> {
    // As attempt does, whose generator in between would cost as much as parsing a message.
    const sent = this.sendExecute(command);
    yield this.response(sent.request);
    const answered = this.answered(sent);
    if (answered instanceof Execution) return answered;
    throw new SessionEnd(answered);
  }

  *attempt(command: Command): Script<Attempt> {
    const sent = this.sendExecute(command);
    yield this.response(sent.request);
    const answered = this.answered(sent);
    return answered instanceof Execution ? { execution: answered } : { rejection: answered };
  }

  *control(type: ControlType): Script<unknown> {
    this.shapes = undefined;
    const run = this.executions.current;
    const sentAt = this.at;
    const request = this.ask('control', { type });
    yield this.response(request);
    const durationMs = this.at - sentAt;
    const { result, error } = responseOf(request);
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
    this.shapes = undefined;
    const request = this.ask(method, params);
    yield this.response(request);
    return responseOf(request);
  }

  *probe(message: string | ArrayBuffer, answers: number): Script<Incoming[]> {
    this.shapes = undefined;
    const probed = (this.probed ??= []);
    this.probedAt = this.at;
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
    yield* sleepUntil(this.at + (answers > 0 ? mostMs : quietMs), isAnswered);
    return [...probed];
  }

  sleep(ms: number): Script {
    return sleepUntil(this.at + ms);
  }

  *holds(until: () => boolean): Script {
    yield { phase: 'session', until };
  }

  stall(ms: number): void {
    const endsAt = this.at + ms;
    this.socket.stall(ms);
    // What was not read is no silence of the service's.
    this.lastActivityAt = Math.max(endsAt, this.look());
  }

  private sendExecute(command: Command): Sent {
    const run = this.executions.begin(command, this.at);
    const request = this.correlation.next('execute', this.at);
    this.send(executeRequest(request.id, command, this.limits));
    return { run, request };
  }

  /** What the response to `execute` says; ends the session where it contradicts what came before. */
  private answered({ run, request: { response } }: Sent): Execution | Rejected {
    const { executions } = this;
    run.ackAt = this.at;
    if (response?.kind === 'error') {
      const rejection = this.rejected('execute', response.error);
      executions.refuse(run, rejection, this.at);
      return rejection;
    }
    const outcome = executions.accept(run, response?.result);
    if (outcome) throw new SessionEnd(outcome);
    return new Execution(run, executions);
  }

  // How it goes on.

  /** Goes on with the session, as far as what it waits for has come; arms a timer for what it waits for then. */
  private step(): void {
    // Most messages change nothing that is waited for.
    if (this.stepping || this.done || !this.wait.until()) return;
    this.stepping = true;
    try {
      do this.wait = this.next();
      while (!this.done && this.wait.until());
    } catch (error) {
      if (error instanceof SessionEnd) {
        this.waitedMs = error.waitedMs;
        this.settle(error.outcome);
      } else
        this.settle({ kind: 'script-error', detail: error instanceof Error ? error.message : String(error) }, error);
    }
    this.stepping = false;
    // The script's own step may have ended the session, or what it waits for have thrown.
    if (!this.done) this.arm();
    else if (this.draining === undefined) this.main.return();
  }

  /** Resumes the script; behind its end drains the connection. Returns what is waited for next. */
  private next(): Wait {
    if (this.draining === undefined) {
      const { value, done } = this.main.next();
      if (done !== true) return value;
      this.draining = 'pong';
      this.socket.ping();
      return { phase: 'drain', deadline: this.ackDeadline(), until: () => this.ponged === true };
    }
    // A service that pongs unasked may have done so again, and k6 shows no payload: a response shows that it has read what we sent.
    // It has a second for it, for a service may leave out the response to a request that has none but an error.
    if (this.draining === 'pong' && this.hasStrayPong) {
      this.draining = 'response';
      const request = this.ask('ws-stress.are-you-there');
      return {
        phase: 'drain',
        deadline: this.at + lateMs,
        elapses: true,
        until: () => request.response !== undefined,
      };
    }
    this.settle(succeeded);
    return this.wait;
  }

  /** Has the socket wake the session when what it waits for is due, unless it does so before. */
  private arm(): void {
    const { wait, limits, at, armedFor } = this;
    const { deadline = Infinity } = wait;
    // Looked at a few times in each period, for the fast path notes no times.
    const look = wait.progress === true ? at + limits.messageTimeoutMs / 4 : Infinity;
    if (armedFor < Infinity && deadline >= armedFor && look >= armedFor) return;
    const end = Math.min(this.startedAt + limits.sessionTimeoutMs, deadline);
    const due = wait.progress === true ? Math.min(end, look, this.lastActivityAt + limits.messageTimeoutMs) : end;
    if (due >= armedFor) return;
    this.armedFor = due;
    this.socket.wakeAfter(Math.max(1, Math.ceil(due - at)));
  }

  /** Takes a message; returns whether a script may wait for what it brought. */
  private handle(message: Incoming, text: string): boolean {
    if (this.probed !== undefined && this.isProbed(message)) {
      if (message.kind !== 'notification') this.responded(this.probedAt as number);
      this.probed.push(message);
      return true;
    }
    const { kind } = message;
    if (kind === 'notification') {
      if (message.method === 'ping') {
        this.send(pong);
        return false; // A heartbeat is no progress: it must not hide a hang.
      }
      this.lastActivityAt = this.at;
      return this.notified(message.method, message.params, text);
    }
    if (kind === 'malformed') return this.violate(message.reason);
    if (kind === 'request') return this.violate(`a request from the service: ${excerpt(text)}`);
    this.lastActivityAt = this.at;
    if (kind === 'error' && this.connectedAt === undefined) {
      // How it closes belongs to the refusal.
      this.refused ??= this.rejected('opening', message.error);
      this.wait = { phase: 'connected', until: () => false, deadline: this.at + closeMs };
      this.arm();
      return false;
    }
    const filed = this.correlation.file(message);
    if (typeof filed === 'string') return this.violate(filed);
    this.responded(filed.sentAt);
    return true;
  }

  /** Whether a message may be whatever it is, for a probe has asked for it. */
  private isProbed(message: Incoming): boolean {
    if (message.kind === 'notification') return message.method !== 'ping';
    return message.kind === 'malformed' || message.kind === 'request' || !this.correlation.awaits(message.id);
  }

  private notified(method: string, params: Record<string, unknown>, text: string): boolean {
    switch (method) {
      case 'connected':
        if (this.connectedAt !== undefined) return this.violate('connected came a second time');
        this.connectedAt = this.at;
        this.onGreeting?.(text);
        return true;
      case 'process.output':
        return this.endsBy(this.executions.output(params, text, this.at));
      case 'process.completed':
        return this.endsBy(this.executions.completed(params, text, this.at));
      case 'process.error':
        this.executions.failed(params);
        return true;
      default:
        return false; // Every other notification is tolerated.
    }
  }

  private send(text: string): void {
    this.trace?.add('>', text);
    this.socket.send(text);
  }

  private ask(method: string, params?: object): Request {
    const request = this.correlation.next(method, this.at);
    this.send(serialiseRequest(request.id, method, params));
    return request;
  }

  private response(request: Request): Wait {
    return { phase: 'acknowledgement', deadline: this.ackDeadline(), until: () => request.response !== undefined };
  }

  private responded(sentAt: number): void {
    const ms = this.at - sentAt;
    if (this.respondedMs === undefined || ms > this.respondedMs) this.respondedMs = ms;
  }

  private ackDeadline(): number {
    return this.at + this.limits.ackTimeoutMs;
  }

  private rejected(stage: Stage, error: { code: number; message: string }): Rejected {
    const rejection: Rejection = classifyRejection(stage, error);
    this.dialect ??= rejection.dialect;
    return { kind: 'rejected', code: error.code, message: error.message, reason: rejection.reason };
  }

  private violate(reason: string): false {
    this.settle({ kind: 'protocol-violation', reason });
    return false;
  }

  private timeout(phase: Phase, waitedMs: number, detail: string): void {
    this.waitedMs = waitedMs;
    this.settle({ kind: 'timeout', phase, detail });
  }

  /** Ends the session where there is an outcome; returns whether it goes on. */
  private endsBy(outcome: Outcome | undefined): boolean {
    if (outcome) this.settle(outcome);
    return outcome === undefined;
  }

  private settle(outcome: Outcome, bug?: unknown): void {
    if (this.done) return;
    this.done = true;
    this.executions.end();
    const { startedAt } = this;
    const now = this.look();
    // Not where the connection is closed already: k6 deadlocks on a close within its close event.
    if (this.isOpen) this.socket.close(outcome.kind === 'protocol-violation' ? 1002 : 1000);
    // Assigned one by one: a spread is slow in k6.
    const result: SessionResult = {
      outcome,
      openedMs: this.openedAt - startedAt,
      durationMs: now - startedAt,
      commands: this.executions.results(outcome, startedAt, now),
      controls: this.controls ?? [],
      messagesReceived: this.received + this.executions.takenInAll,
    };
    if (this.respondedMs !== undefined) result.respondedMs = this.respondedMs;
    if (this.waitedMs !== undefined) result.waitedMs = this.waitedMs;
    if (this.connectedAt !== undefined) result.connectedMs = this.connectedAt - startedAt;
    if (this.closeCode !== undefined) result.closeCode = this.closeCode;
    if (this.dialect) result.dialect = this.dialect;
    if (this.trace && outcome.kind !== 'ok') result.trace = this.trace.lines();
    if (bug !== undefined) result.bug = bug;
    this.settled(result);
    // Last, for a script's finally block may throw, and the result must not be lost with it.
    if (!this.stepping && this.draining === undefined) this.main.return();
  }
}

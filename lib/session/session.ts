import { createCorrelation, type Response } from '../jsonrpc/correlation.ts';
import {
  excerpt,
  isObject,
  parseMessage,
  serialiseNotification,
  serialiseRequest,
  type Incoming,
} from '../jsonrpc/messages.ts';
import type { Command } from '../commands/command.ts';
import type { Outcome, Phase } from '../results/outcome.ts';
import type { CommandResult } from './execution.ts';
import { executionSteps, type CommandEnd, type Execution } from './execution-steps.ts';
import { createExecutions } from './executions.ts';
import { classifyRejection, type Dialect, type Rejection, type Stage } from './rejection.ts';
import { SessionEnd, sleepUntil, type Script, type Wait } from './script.ts';
import { createTrace } from './trace.ts';

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
  /** Waits until a condition holds, which `poke` tells; so long the session does nothing but take what comes. */
  holds: (until: () => boolean) => Script;
  /** Reads nothing for so many milliseconds, a slow reader. */
  stall: (ms: number) => void;
}

/** Where the socket's events go. */
export interface SessionEvents {
  message: (text: string) => void;
  binary: (bytes: number) => void;
  pong: () => void;
  /** The connection is closed; not called for the session's own close. */
  closed: (code: number, detail: string) => void;
  wake: (token: number) => void;
  /** Something outside has changed that the script may wait for. */
  poke: () => void;
}

const pong = serialiseNotification('pong', {});

/** How long after it refused a session a service is given to close it, milliseconds. */
const closeMs = 1000;

/** How long after a probe its answer may take, once a later request has been answered, milliseconds. */
const lateMs = 1000;

/** How long after a probe what must not be answered is waited for, milliseconds. */
const quietMs = 200;

const controlStatus: Readonly<Record<ControlType, readonly unknown[]>> = {
  PAUSE: ['paused'],
  RESUME: ['resumed'],
  CANCEL: ['canceled', 'cancelled'],
};

/** The result of a session whose connection could not be opened; one that was waited for in vain is a timeout. */
export const connectFailed = (reason: string, durationMs: number): SessionResult => ({
  outcome: /i\/o timeout|deadline exceeded/.test(reason)
    ? { kind: 'timeout', phase: 'connect', detail: reason }
    : { kind: 'connect-failed', reason },
  durationMs,
  commands: [],
  controls: [],
  messagesReceived: 0,
});

/**
 * Runs a script over an opened WebSocket: waits for `connected`, resumes the script as messages and timers come,
 * drains (ping, pong) what is under way and closes. Whatever happens, `settled` is called exactly once and nothing
 * stays pending.
 */
export const startSession = (
  socket: SessionSocket,
  script: (session: Session) => Script,
  options: { startedAt: number; limits: SessionLimits; trace: boolean },
  settled: (result: SessionResult) => void,
): SessionEvents => {
  const { startedAt, limits } = options;
  const sessionDeadline = startedAt + limits.sessionTimeoutMs;
  const correlation = createCorrelation();
  const trace = options.trace ? createTrace() : undefined;
  const openedAt = socket.now();
  const executions = createExecutions(socket.now);
  let connectedAt: number | undefined;
  const controls: SessionResult['controls'] = [];
  let greeting: Record<string, unknown> | undefined;
  let refused: Rejected | undefined;
  let closeCode: number | undefined;
  // What came since a probe, but for the responses to our own requests.
  let probed: Incoming[] | undefined;
  let dialect: Dialect | undefined;
  let received = 0;
  let takenAtLastLook = 0;
  let lastActivityAt = openedAt;
  let armedFor = Infinity;
  let armed = 0;
  let open = true;
  let ponged = false;
  let draining = false;
  let done = false;
  let stepping = false;
  let wait: Wait | undefined;

  const since = (at: number): number => at - startedAt;

  const settle = (outcome: Outcome, bug?: unknown): void => {
    if (done) return;
    done = true;
    const now = socket.now();
    // Not where the connection is closed already: k6 deadlocks on a close within its close event.
    if (open) socket.close(outcome.kind === 'protocol-violation' ? 1002 : 1000);
    settled({
      outcome,
      openedMs: since(openedAt),
      ...(connectedAt !== undefined && { connectedMs: since(connectedAt) }),
      durationMs: since(now),
      commands: executions.results(outcome, startedAt),
      controls,
      messagesReceived: received,
      ...(closeCode !== undefined && { closeCode }),
      ...(greeting && { greeting }),
      ...(dialect && { dialect }),
      ...(trace && { trace: trace.lines() }),
      ...(bug !== undefined && { bug }),
    });
    // Last, for a script's finally block may throw, and the result must not be lost with it.
    if (!stepping) main.return();
  };

  const violate = (reason: string): void => settle({ kind: 'protocol-violation', reason });

  const send = (text: string): void => {
    trace?.add('>', text);
    socket.send(text);
  };

  const rejected = (stage: Stage, error: { code: number; message: string }): Rejected => {
    const rejection: Rejection = classifyRejection(stage, error);
    dialect ??= rejection.dialect;
    return { kind: 'rejected', code: error.code, message: error.message, reason: rejection.reason };
  };

  const endsBy = (outcome: Outcome | undefined): void => {
    if (outcome) settle(outcome);
  };

  const notified = (method: string, params: Record<string, unknown>, text: string): void => {
    switch (method) {
      case 'connected':
        if (connectedAt !== undefined) violate('connected came a second time');
        connectedAt ??= socket.now();
        greeting ??= params;
        return;
      case 'process.output':
        endsBy(executions.output(params, text));
        return;
      case 'process.completed':
        endsBy(executions.completed(params, text));
        return;
      case 'process.error':
        executions.failed(params);
        return;
      default:
      // Every other notification is tolerated.
    }
  };

  /** Whether a message may be whatever it is, for a probe has asked for it. */
  const isProbed = (message: Incoming): boolean => {
    if (message.kind === 'notification') return message.method !== 'ping';
    return message.kind === 'malformed' || message.kind === 'request' || !correlation.awaits(message.id);
  };

  const handle = (message: Incoming, text: string): void => {
    if (probed && isProbed(message)) {
      probed.push(message);
      return;
    }
    if (message.kind === 'malformed') {
      violate(message.reason);
      return;
    }
    if (message.kind === 'request') {
      violate(`a request from the service: ${excerpt(text)}`);
      return;
    }
    if (message.kind === 'notification') {
      if (message.method === 'ping') {
        send(pong);
        return; // A heartbeat is no progress: it must not hide a hang.
      }
      lastActivityAt = socket.now();
      notified(message.method, message.params, text);
      return;
    }
    lastActivityAt = socket.now();
    if (message.kind === 'error' && connectedAt === undefined) {
      // How it closes belongs to the refusal.
      refused ??= rejected('opening', message.error);
      wait = { phase: 'connected', until: () => false, deadline: socket.now() + closeMs };
      return;
    }
    const violation = correlation.file(message);
    if (violation !== undefined) violate(violation);
  };

  const step = (): void => {
    if (stepping) return;
    stepping = true;
    try {
      // oxlint-disable-next-line no-unmodified-loop-condition -- settle() modifies it
      while (!done && (wait === undefined || wait.until())) {
        const next = main.next();
        wait = next.value ?? undefined;
        if (next.done === true) settle({ kind: 'ok' });
      }
    } catch (error) {
      if (error instanceof SessionEnd) settle(error.outcome);
      else settle({ kind: 'script-error', detail: error instanceof Error ? error.message : String(error) }, error);
    }
    stepping = false;
    // The script's own step may have ended the session, or what it waits for have thrown.
    if (done) main.return();
    else arm();
  };

  const arm = (): void => {
    const now = socket.now();
    let due = Math.min(sessionDeadline, wait?.deadline ?? Infinity);
    // Looked at a few times in each period, for the fast path notes no times.
    if (wait?.progress === true) {
      due = Math.min(due, Math.min(lastActivityAt + limits.messageTimeoutMs, now + limits.messageTimeoutMs / 4));
    }
    if (due >= armedFor) return;
    armedFor = due;
    socket.wakeAfter(Math.max(1, Math.ceil(due - now)), ++armed);
  };

  const timeout = (phase: Phase, detail: string): void => settle({ kind: 'timeout', phase, detail });

  const wake = (token: number): void => {
    // k6 can't cancel a timer: an older one than the last is over.
    if (done || token !== armed) return;
    armedFor = Infinity;
    const now = socket.now();
    if (executions.taken() !== takenAtLastLook) lastActivityAt = now;
    takenAtLastLook = executions.taken();
    if (now >= sessionDeadline) {
      timeout('session', `not at its end after ${limits.sessionTimeoutMs} ms`);
      return;
    }
    if (wait?.deadline !== undefined && now >= wait.deadline) {
      if (refused) settle(refused);
      else if (wait.elapses === true) wait = undefined;
      else timeout(wait.phase, `nothing after ${limits.ackTimeoutMs} ms`);
    } else if (wait?.progress === true && now >= lastActivityAt + limits.messageTimeoutMs) {
      timeout(wait.phase, `no message for ${limits.messageTimeoutMs} ms`);
    }
    step();
  };

  const ackDeadline = (): number => socket.now() + limits.ackTimeoutMs;

  const respond = function* (method: string, params?: object, observe?: () => void): Script<Response> {
    const id = correlation.next(method);
    send(serialiseRequest(id, method, params));
    yield {
      phase: 'acknowledgement',
      deadline: ackDeadline(),
      until: () => correlation.response(id) !== undefined,
    };
    observe?.();
    return correlation.response(id) as Response;
  };

  const attempt = function* (command: Command): Script<Attempt> {
    const run = executions.begin(command);
    const { executeTimeoutS: timeout } = limits;
    const params = { command: command.command, ...(timeout !== undefined && { timeout }) };
    const response = yield* respond('execute', params, () => (run.ackAt = socket.now()));
    if (response.error) {
      const rejection = rejected('execute', response.error);
      executions.refuse(run, rejection);
      return { rejection };
    }
    const outcome = executions.accept(run, response.result);
    if (outcome) throw new SessionEnd(outcome);
    return { execution: executionSteps(run, executions, socket.now) };
  };

  const session: Session = {
    attempt,
    *execute(command) {
      const { execution: accepted, rejection } = yield* attempt(command);
      if (rejection) throw new SessionEnd(rejection);
      return accepted;
    },
    *control(type) {
      const run = executions.current();
      const sentAt = socket.now();
      let durationMs = 0;
      const response = yield* respond('control', { type }, () => (durationMs = socket.now() - sentAt));
      if (response.error) throw new SessionEnd(rejected('control', response.error));
      controls.push({ type, durationMs });
      const status = isObject(response.result) ? response.result.status : undefined;
      if (!controlStatus[type].includes(status)) {
        const expected = controlStatus[type].join(' or ');
        const reason = `control ${type}: expected status ${expected}, received ${JSON.stringify(status)}`;
        throw new SessionEnd({ kind: 'protocol-violation', reason });
      }
      if (type === 'CANCEL') {
        dialect ??= status === 'canceled' ? 'deployed' : 'documented';
        if (run) run.canceled = String(status);
      }
      return response.result;
    },
    request: (method, params) => respond(method, params),
    *probe(message, answers) {
      probed ??= [];
      if (typeof message === 'string') {
        send(message);
      } else {
        trace?.add('>', `${message.byteLength} bytes`);
        socket.sendBinary(message);
      }
      yield* respond('ws-stress.are-you-there');
      const replies = (): number => probed?.filter(({ kind }) => kind !== 'notification').length ?? 0;
      yield* sleepUntil(socket.now() + (answers > 0 ? lateMs : quietMs), () => answers > 0 && replies() >= answers);
      return [...probed];
    },
    sleep: (ms) => sleepUntil(socket.now() + ms),
    *holds(until) {
      yield { phase: 'session', until };
    },
    stall: (ms) => socket.stall(ms),
  };

  const main = (function* (): Script {
    yield { phase: 'connected', deadline: ackDeadline(), until: () => connectedAt !== undefined };
    yield* script(session);
    draining = true;
    socket.ping();
    yield { phase: 'drain', deadline: ackDeadline(), until: () => ponged };
  })();

  const events: SessionEvents = {
    message: (text) => {
      if (done) return;
      received++;
      trace?.add('<', text);
      if (executions.take(text)) return;
      handle(parseMessage(text), text);
      step();
    },
    binary: (bytes) => {
      received++;
      violate(`expected text messages, received a binary message of ${bytes} bytes`);
    },
    pong: () => {
      ponged = true;
      step();
    },
    closed: (code, detail) => {
      open = false;
      closeCode = code;
      if (refused) settle(refused);
      if (draining && code === 1000) settle({ kind: 'ok' });
      else settle({ kind: 'closed', code, detail });
    },
    wake,
    poke: step,
  };
  step();
  return events;
};

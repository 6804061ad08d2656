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
import { checkOutput } from '../commands/output-check.ts';
import type { Outcome, Phase } from '../results/outcome.ts';
import { createLineAssembly } from './line-assembly.ts';
import { learnTemplate, type MessageTemplate } from './prediction.ts';
import { classifyRejection, type Dialect, type Rejection, type Stage } from './rejection.ts';
import { createTrace } from './trace.ts';

/** What a session needs of the open WebSocket it lives on, and of a clock. */
export interface SessionSocket {
  /** Sends a text message. */
  send: (text: string) => void;
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
}

/** What became of one command. Times are milliseconds; undefined where it did not come so far. */
export interface CommandResult {
  name: string;
  class: string;
  outcome: Outcome;
  /** Response time: from opening the connection (a session's later commands: from the request) to its end. */
  durationMs: number;
  /** From the request to its response. */
  ackMs?: number;
  /** From the request to the first message of output. */
  firstOutputMs?: number;
  /** Lines received on stdout and stderr. */
  lines: number;
}

/** What became of a session. Times are milliseconds from opening the connection. */
export interface SessionResult {
  outcome: Outcome;
  openedMs?: number;
  connectedMs?: number;
  durationMs: number;
  commands: CommandResult[];
  messagesReceived: number;
  /** The dialect its answers betrayed, where any did. */
  dialect?: Dialect;
  /** The first and last messages, where a trace was asked for. */
  trace?: string[];
  /** What a script threw that was no outcome: a bug. */
  bug?: unknown;
}

/** What a script waits for; made by the session's own methods. */
export interface Wait {
  phase: Phase;
  until: () => boolean;
  /** Absolute, on the socket's clock. */
  deadline?: number;
  /** The deadline ends the wait and is no failure. */
  elapses?: boolean;
  /** Ends in a timeout when no message comes for `messageTimeoutMs`. */
  progress?: boolean;
}

/** A step of a script, or a whole one: a generator that the session resumes. */
export type Script<Result = void> = Generator<Wait, Result, void>;

/** A command under way. */
export interface Execution {
  /** Process id that the service reported, where it did. */
  readonly pid: number | undefined;
  /** Lines received so far on stdout and stderr. */
  readonly lines: number;
  /** Waits until the process has completed, then holds it to the command's proof; ends the session where it fails. */
  completes: () => Script;
}

/** What a script does with a session. Each step that fails ends the session with its outcome. */
export interface Session {
  /** Sends `execute` and waits for its response. */
  execute: (command: Command) => Script<Execution>;
  /** Sends `control` and waits for its result. */
  control: (type: 'PAUSE' | 'RESUME' | 'CANCEL') => Script<unknown>;
  /** Sends any request and waits for its response; an error is a value here. */
  request: (method: string, params?: object) => Script<Response>;
  /** Lets so many milliseconds pass. */
  sleep: (ms: number) => Script;
}

/** Where the socket's events go. */
export interface SessionEvents {
  message: (text: string) => void;
  binary: (bytes: number) => void;
  pong: () => void;
  /** The connection is closed; not called for the session's own close. */
  closed: (code: number, detail: string) => void;
  wake: (token: number) => void;
}

/** Thrown inside a script to end its session with an outcome. */
class SessionEnd extends Error {
  readonly outcome: Outcome;
  constructor(outcome: Outcome) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

const pong = serialiseNotification('pong', {});

const maxLearning = 8;

/** The result of a session whose connection could not be opened; one that was waited for in vain is a timeout. */
export const connectFailed = (reason: string, durationMs: number): SessionResult => ({
  outcome: /i\/o timeout|deadline exceeded/.test(reason)
    ? { kind: 'timeout', phase: 'connect', detail: reason }
    : { kind: 'connect-failed', reason },
  durationMs,
  commands: [],
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
  const runs: ExecutionState[] = [];
  let connectedAt: number | undefined;
  let current: ExecutionState | undefined;
  let dialect: Dialect | undefined;
  let received = 0;
  let fast = 0;
  let fastAtLastLook = 0;
  let lastActivityAt = openedAt;
  let armedFor = Infinity;
  let armed = 0;
  let open = true;
  let ponged = false;
  let draining = false;
  let done = false;
  let stepping = false;
  let wait: Wait | undefined;

  // The fast path: the whole text of the message due next, and what the following ones are made of.
  let predicted: string | undefined;
  let template: MessageTemplate | undefined;

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
      commands: runs.map((run) => commandResult(run, run.outcome ?? outcome, startedAt, now)),
      messagesReceived: received,
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

  const rejected = (stage: Stage, error: { code: number; message: string }): Outcome => {
    const rejection: Rejection = classifyRejection(stage, error);
    dialect ??= rejection.dialect;
    return { kind: 'rejected', code: error.code, message: error.message, reason: rejection.reason };
  };

  const nextLine = (): void => {
    const progress = current?.check.numbered;
    predicted =
      template && progress && current?.assembly.pending() === undefined && progress.next <= progress.to
        ? template.head + progress.next + template.tail
        : undefined;
  };

  const output = (params: Record<string, unknown>, text: string): void => {
    const run = current;
    if (!run) {
      violate(`process.output without a running command: ${excerpt(text)}`);
      return;
    }
    const assembled = run.assembly.add(params);
    if (assembled.stream === undefined) {
      violate(assembled.violation);
      return;
    }
    run.firstOutputAt ??= socket.now();
    run.lines += assembled.lines.length;
    if (assembled.stream === 'stderr' || run.mismatch !== undefined) return;
    for (const line of assembled.lines) run.mismatch ??= run.check.line(line);
    const progress = run.check.numbered;
    if (!progress || run.mismatch !== undefined) {
      template = undefined;
    } else if (assembled.lines.length === 1 && run.learned < maxLearning && progress.next <= progress.to) {
      run.learned++;
      template = learnTemplate(text, params.data as string, progress);
    }
    nextLine();
  };

  const completed = (params: Record<string, unknown>, text: string): void => {
    const { pid, exit_code: exitCode, status } = params;
    if (!current) {
      violate(`process.completed without a running command: ${excerpt(text)}`);
      return;
    }
    if (typeof pid === 'number' && current.pid !== undefined && pid !== current.pid) {
      violate(`process.completed of another process: expected pid ${current.pid}, received ${pid}`);
      return;
    }
    const pending = current.assembly.pending();
    if (pending !== undefined) {
      violate(`process.completed in the middle of a line: ${pending}`);
      return;
    }
    current.completedAt = socket.now();
    current.completedPid = pid;
    current.failed = typeof status === 'string' && status !== 'completed';
    current.exitCode = typeof exitCode === 'number' ? exitCode : null;
    current = undefined;
    predicted = template = undefined;
  };

  const notified = (method: string, params: Record<string, unknown>, text: string): void => {
    switch (method) {
      case 'connected':
        if (connectedAt !== undefined) violate('connected came a second time');
        connectedAt ??= socket.now();
        return;
      case 'process.output':
        output(params, text);
        return;
      case 'process.completed':
        completed(params, text);
        return;
      case 'process.error':
        if (current) current.serviceError = String(params.error);
        return;
      default:
      // Every other notification is tolerated.
    }
  };

  const handle = (message: Incoming, text: string): void => {
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
      settle(rejected('opening', message.error));
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
    arm();
  };

  const arm = (): void => {
    if (done) return;
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
    if (fast !== fastAtLastLook) lastActivityAt = now;
    fastAtLastLook = fast;
    if (now >= sessionDeadline) {
      timeout('session', `not at its end after ${limits.sessionTimeoutMs} ms`);
      return;
    }
    if (wait?.deadline !== undefined && now >= wait.deadline) {
      if (wait.elapses === true) wait = undefined;
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

  const session: Session = {
    *execute(command) {
      const run = createExecution(command, socket.now(), runs.length === 0);
      runs.push(run);
      current = run;
      const response = yield* respond('execute', { command: command.command }, () => (run.ackAt = socket.now()));
      if (response.error) {
        run.outcome = rejected('execute', response.error);
        current = undefined;
        throw new SessionEnd(run.outcome);
      }
      const { result } = response;
      if (isObject(result) && typeof result.pid === 'number') {
        run.pid = result.pid;
        if (typeof run.completedPid === 'number' && run.completedPid !== run.pid) {
          const reason = `process.completed of another process: expected pid ${run.pid}, received ${run.completedPid}`;
          throw new SessionEnd({ kind: 'protocol-violation', reason });
        }
      }
      return {
        get pid() {
          return run.pid;
        },
        get lines() {
          return run.lines;
        },
        *completes() {
          yield {
            phase: 'message',
            progress: true,
            until: () => run.completedAt !== undefined || run.serviceError !== undefined,
          };
          run.outcome = judge(run);
          if (run.outcome.kind !== 'ok') throw new SessionEnd(run.outcome);
        },
      };
    },
    *control(type) {
      const response = yield* respond('control', { type });
      if (response.error) throw new SessionEnd(rejected('control', response.error));
      return response.result;
    },
    request: (method, params) => respond(method, params),
    *sleep(ms) {
      yield { phase: 'session', until: () => false, deadline: socket.now() + ms, elapses: true };
    },
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
      if (text === predicted) {
        const run = current as ExecutionState;
        const progress = run.check.numbered as { next: number; to: number };
        const { head, tail } = template as MessageTemplate;
        run.lines++;
        fast++;
        predicted = ++progress.next <= progress.to ? head + progress.next + tail : undefined;
        return;
      }
      trace?.add('<', text);
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
      if (draining && code === 1000) settle({ kind: 'ok' });
      else settle({ kind: 'closed', code, detail });
    },
    wake,
  };
  step();
  return events;
};

interface ExecutionState {
  command: Command;
  first: boolean;
  sentAt: number;
  check: ReturnType<typeof checkOutput>;
  assembly: ReturnType<typeof createLineAssembly>;
  lines: number;
  learned: number;
  outcome?: Outcome;
  pid?: number;
  ackAt?: number;
  firstOutputAt?: number;
  completedAt?: number;
  completedPid?: unknown;
  /** Its status was something else than `completed`. */
  failed?: boolean;
  exitCode?: number | null;
  mismatch?: string | undefined;
  serviceError?: string;
}

const createExecution = (command: Command, sentAt: number, first: boolean): ExecutionState => ({
  command,
  first,
  sentAt,
  check: checkOutput(command.proof),
  assembly: createLineAssembly(),
  lines: 0,
  learned: 0,
});

const judge = (run: ExecutionState): Outcome => {
  const { exitCode: expected = 0, minDurationMs = 0 } = run.command.proof;
  if (run.serviceError !== undefined) {
    return { kind: 'failed-exit', code: null, detail: `process.error: ${excerpt(run.serviceError)}` };
  }
  if (run.exitCode !== expected) {
    const code = run.exitCode ?? null;
    return { kind: 'failed-exit', code, detail: `expected exit code ${expected}, received ${code}` };
  }
  if (expected === 0 && run.failed === true) {
    return {
      kind: 'failed-exit',
      code: 0,
      detail: 'expected status completed with exit code 0, received another status',
    };
  }
  const mismatch = run.mismatch ?? run.check.end();
  if (mismatch !== undefined) return { kind: 'output-mismatch', detail: mismatch };
  const tookMs = (run.completedAt ?? run.sentAt) - run.sentAt;
  if (tookMs < minDurationMs) {
    const detail = `expected at least ${minDurationMs} ms from the request to completion, received ${tookMs.toFixed(1)} ms`;
    return { kind: 'output-mismatch', detail };
  }
  return { kind: 'ok' };
};

const commandResult = (run: ExecutionState, outcome: Outcome, startedAt: number, now: number): CommandResult => ({
  name: run.command.name,
  class: run.command.class,
  outcome,
  durationMs: (run.completedAt ?? now) - (run.first ? startedAt : run.sentAt),
  ...(run.ackAt !== undefined && { ackMs: run.ackAt - run.sentAt }),
  ...(run.firstOutputAt !== undefined && { firstOutputMs: run.firstOutputAt - run.sentAt }),
  lines: run.lines,
});

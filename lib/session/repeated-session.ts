import type { Command } from '../commands/command.ts';
import type { Shape } from '../jsonrpc/shapes.ts';
import { matches } from '../jsonrpc/shapes.ts';
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

/** A session with more messages than these is not remembered. */
const mostMessages = 16;

/** So many sessions in a row that go otherwise than remembered, and none is expected to any more. */
const mostDeviations = 8;

/** A message of a remembered session: of output the very same text is due, of others one of the same shape. */
type Step =
  | { role: 'output'; text: string; shape?: never }
  | { role: 'connected' | 'response' | 'completed' | 'other'; text?: never; shape: Shape };

/** How a session with a command went that succeeded. */
interface Course {
  steps: readonly Step[];
  request: string;
  lines: number;
  bytes: number;
  /** Sessions that went otherwise, less those that did not. */
  deviations: number;
}

const courses = new WeakMap<Command, Course>();

/** Begins a session that runs a command. */
export const beginCommand =
  (command: Command): Begin =>
  (socket, options, settled) =>
    startCommand(socket, command, options, settled);

/**
 * Runs a command over an opened WebSocket, just as `startSession` does with `executeAndComplete`, at a sixth of the price where the
 * session goes like one before: the same messages but for their numbers and ids, and the same output, which was held to the proof then.
 * At anything else the session machine is given what has happened so far and goes on, so that only the machine judges failures.
 */
const startCommand: (
  ...given: [SessionSocket, Command, SessionOptions, (result: SessionResult) => void]
) => SessionEvents = (socket, command, options, settled) => {
  const course = courses.get(command);
  if (course === undefined && isShort(command)) return new ObservedSession(socket, command, options, settled);
  if (course === undefined || course.deviations >= mostDeviations)
    return startSession(socket, executeAndComplete(command), options, settled);
  return new RepeatedSession(socket, command, course, options, settled);
};

/** Whether a command's output may be few enough lines to be remembered. */
const isShort = ({ proof: { lines = [], numbered, count = 0 } }: Command): boolean =>
  Math.max(lines.length, count, numbered ? numbered.to - numbered.from : 0) < mostMessages;

/** A session of the machine's whose messages are remembered, if it succeeds and all of them have known shapes. */
class ObservedSession implements SessionEvents {
  private readonly machine: SessionEvents;
  private readonly texts: string[] = [];

  constructor(
    socket: SessionSocket,
    command: Command,
    options: SessionOptions,
    settled: (result: SessionResult) => void,
  ) {
    this.machine = startSession(socket, executeAndComplete(command), options, (result) => {
      if (result.outcome.kind === 'ok' && result.messagesReceived <= mostMessages)
        remember(command, this.texts, result, options);
      settled(result);
    });
  }

  get isOver(): boolean {
    return this.machine.isOver;
  }

  message(text: string): void {
    if (this.texts.length < mostMessages) this.texts.push(text);
    this.machine.message(text);
  }

  binary(bytes: number): void {
    this.machine.binary(bytes);
  }

  pong(): void {
    this.machine.pong();
  }

  broken(reason: string): void {
    this.machine.broken(reason);
  }

  closed(code: number, detail: string): void {
    this.machine.closed(code, detail);
  }

  wake(): void {
    this.machine.wake();
  }

  notify(): void {
    this.machine.notify();
  }
}

/** Remembers a session that took just one response, and where nothing came out of the usual order. */
const remember = (
  command: Command,
  texts: readonly string[],
  { commands: [done] }: SessionResult,
  { shapes = ofAllSessions, limits }: SessionOptions,
): void => {
  const steps: Step[] = [];
  let order = '';
  for (const text of texts) {
    const shape = shapes.shapeOf(text);
    if (shape === undefined) return;
    const role = roleOf(shape);
    if (role !== 'other') order += `${role} `;
    steps.push(role === 'output' ? { role, text } : { role, shape });
  }
  const isUsual = /^connected response (?:output )*completed $/.test(order);
  if (!isUsual || done === undefined || command.proof.minDurationMs !== undefined) return;
  const request = executeRequest(1, command, limits);
  courses.set(command, { steps, request, lines: done.lines, bytes: done.bytes, deviations: 0 });
};

const roleOf = ({ message }: Shape): Step['role'] => {
  if (message.kind === 'result') return 'response';
  switch (message.method) {
    case 'connected':
      return 'connected';
    case 'process.output':
      return 'output';
    case 'process.completed':
      return 'completed';
    default:
      return 'other';
  }
};

/** A session that goes like one before, as long as it does. */
class RepeatedSession implements SessionEvents {
  private readonly socket: SessionSocket;
  private readonly command: Command;
  private readonly course: Course;
  private readonly options: SessionOptions;
  private readonly settled: (result: SessionResult) => void;
  private readonly openedAt: number;
  /** Each message so far and when it came, in turn. */
  private readonly log: (string | number)[] = [];
  private step = 0;
  private connectedAt?: number;
  private ackAt?: number;
  private firstOutputAt?: number;
  private completedAt?: number;
  private pid?: unknown;
  private isDone?: true;
  /** Goes on with the session, once it goes otherwise. */
  private machine?: SessionEvents;

  constructor(
    socket: SessionSocket,
    command: Command,
    course: Course,
    options: SessionOptions,
    settled: (result: SessionResult) => void,
  ) {
    this.socket = socket;
    this.command = command;
    this.course = course;
    this.options = options;
    this.settled = settled;
    this.openedAt = socket.now();
    socket.wakeAfter(options.limits.ackTimeoutMs);
  }

  get isOver(): boolean {
    return this.machine === undefined ? this.isDone === true : this.machine.isOver;
  }

  message(text: string): void {
    if (this.isDone) return;
    const step = this.machine === undefined ? this.course.steps[this.step] : undefined;
    if (step !== undefined && (step.shape === undefined ? text === step.text : matches(step.shape, text))) {
      const at = this.socket.now();
      if (this.takes(step, at)) {
        this.step++;
        this.log.push(text, at);
        return;
      }
    }
    this.goOn().message(text);
  }

  binary(bytes: number): void {
    this.goOn().binary(bytes);
  }

  pong(): void {
    if (this.machine !== undefined || this.completedAt === undefined) this.goOn().pong();
    else if (!this.isDone) this.finish(this.completedAt);
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

  /** Takes a message that is due; returns whether it says what is expected. */
  // oxlint-disable-next-line typescript/consistent-return -- the compiler sees that every role is there
  private takes({ role, shape }: Step, at: number): boolean {
    switch (role) {
      case 'connected':
        this.connectedAt = at;
        this.socket.send(this.course.request);
        return true;
      case 'response':
        this.pid = shape.members.pid;
        this.ackAt = at;
        return shape.message.kind === 'result' && shape.message.id === 1 && typeof this.pid === 'number';
      case 'output':
        this.firstOutputAt ??= at;
        return true;
      case 'completed': {
        const { pid, exit_code: exitCode, status } = shape.members;
        if (pid !== this.pid || exitCode !== (this.command.proof.exitCode ?? 0)) return false;
        if (status !== undefined && status !== 'completed') return false;
        this.completedAt = at;
        this.socket.ping();
        return true;
      }
      case 'other':
        return true;
    }
  }

  private finish(completedAt: number): void {
    const { command, course, firstOutputAt, connectedAt = 0, ackAt = 0 } = this;
    const { startedAt } = this.options;
    const now = this.socket.now();
    this.isDone = true;
    if (course.deviations > 0) course.deviations--;
    this.socket.close(1000);
    const done: SessionResult['commands'][number] = {
      name: command.name,
      class: command.class,
      outcome: succeeded,
      durationMs: completedAt - startedAt,
      lines: course.lines,
      bytes: course.bytes,
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
      controls: [],
      messagesReceived: this.step,
    });
  }

  /** Hands the session over to the machine, as if it had been there from the beginning. */
  private goOn(): SessionEvents {
    if (this.machine !== undefined) return this.machine;
    this.course.deviations++;
    const { socket, log, connectedAt, completedAt } = this;
    let replayedAt: number | undefined = this.openedAt;
    let sent = connectedAt === undefined ? 0 : 1;
    let pinged = completedAt === undefined ? 0 : 1;
    const replayed: SessionSocket = {
      // What was sent already is not sent again.
      send: (text) => {
        if (sent > 0) sent--;
        else socket.send(text);
      },
      ping: () => {
        if (pinged > 0) pinged--;
        else socket.ping();
      },
      sendBinary: (data) => socket.sendBinary(data),
      stall: (ms) => socket.stall(ms),
      close: (code) => socket.close(code),
      wakeAfter: (ms) => socket.wakeAfter(Math.max(1, ms - (replayedAt === undefined ? 0 : socket.now() - replayedAt))),
      now: () => replayedAt ?? socket.now(),
    };
    const machine = startSession(replayed, executeAndComplete(this.command), this.options, this.settled);
    this.machine = machine;
    for (let index = 0; index < log.length; index += 2) {
      replayedAt = log[index + 1] as number;
      machine.message(log[index] as string);
    }
    replayedAt = undefined;
    return machine;
  }
}

import { excerpt, isObject } from '../jsonrpc/messages.ts';
import type { Command } from '../commands/command.ts';
import type { NumberedProgress } from '../commands/output-check.ts';
import type { Outcome } from './outcome.ts';
import { LineAssembly } from './line-assembly.ts';
import {
  commandResult,
  createExecution,
  keepBeginning,
  keptLines,
  type CommandResult,
  type ExecutionState,
} from './execution.ts';
import { learnEnvelope, learnTemplate, utf8Bytes, type Envelope, type MessageTemplate } from './prediction.ts';

const maxLearning = 8;

/** Fewer numbered lines than these are not worth a prediction. */
const leastPredicted = 3;

const violation = (reason: string): Outcome => ({ kind: 'protocol-violation', reason });

const otherProcess = (expected: number, received: number): Outcome =>
  violation(`process.completed of another process: expected pid ${expected}, received ${received}`);

/** Takes messages without parsing them; `settle` writes to the command what was taken, which is counted apart. */
interface FastPath {
  take: (text: string) => boolean;
  settle: () => void;
}

/** How many characters the numbers from one to before another have: counted once, not line by line. */
const charactersOf = (from: number, before: number): number => {
  let sum = 0;
  for (let number = from; number < before;) {
    const { length } = String(number);
    const end = Math.min(before, number < 0 ? 1 - 10 ** (length - 2) : 10 ** length);
    sum += (end - number) * length;
    number = end;
  }
  return sum;
};

/** The fast path over numbered lines: takes a message that is, letter by letter, the one due next. */
const takesNumbered = (run: ExecutionState, progress: NumberedProgress, template: MessageTemplate): FastPath => {
  const { head, tail, overhead } = template;
  const { to } = progress;
  let { next } = progress;
  let settled = next;
  let predicted: string | undefined = head + next + tail;
  return {
    take: (text) => {
      if (text !== predicted) return false;
      predicted = ++next <= to ? head + next + tail : undefined;
      return true;
    },
    settle: () => {
      const lines = next - settled;
      if (lines === 0) return;
      run.lines += lines;
      run.bytes += lines * (head.length + tail.length - overhead) + charactersOf(settled, next);
      progress.next = settled = next;
    },
  };
};

/** The fast path over lines that can't be known: takes a plain one in a known envelope. */
const takesPlain = (run: ExecutionState, { head, tail, plain, whole, endingBytes }: Envelope): FastPath => {
  const { check } = run;
  const around = head.length + tail.length;
  const { left } = check;
  if (whole !== undefined && left !== undefined) {
    let lines = 0;
    let characters = 0;
    let most = left;
    return {
      take: (text) => {
        if (lines >= most || !whole.test(text)) return false;
        lines++;
        characters += text.length;
        return true;
      },
      settle: () => {
        run.lines += lines;
        run.bytes += characters - lines * (around - endingBytes);
        check.skip(lines);
        most -= lines;
        lines = characters = 0;
      },
    };
  }
  return {
    take: (text) => {
      if (text.length < around || !text.startsWith(head) || !text.endsWith(tail)) return false;
      const line = text.slice(head.length, text.length - tail.length);
      if (!plain.test(line)) return false;
      run.lines++;
      run.bytes += line.length + endingBytes;
      run.mismatch ??= check.line(line);
      return true;
    },
    settle: () => {},
  };
};

/** Milliseconds on a steady clock. */
interface Clock {
  now: () => number;
}

/**
 * The commands of one session: which of them a message belongs to, and what it does to it. What can end the session
 * returns the outcome it ends with, or undefined. `at` is when a message came, milliseconds on the socket's clock.
 */
export class Executions {
  /** The command that output belongs to, for it says no process: the oldest under way. */
  current?: ExecutionState | undefined;
  /** Takes a message without parsing it, once enough is learned of the current command's messages. */
  take?: ((text: string) => boolean) | undefined;
  private readonly clock: Clock;
  private readonly runs: ExecutionState[] = [];
  private fast?: FastPath | undefined;
  private lingering?: ExecutionState[];
  private template?: MessageTemplate | undefined;
  private envelope?: Envelope | undefined;
  /** Is given each message that the fast path takes, where a trace is kept. */
  private seen?: (text: string) => void;

  constructor(clock: Clock, seen?: (text: string) => void) {
    this.clock = clock;
    if (seen) this.seen = seen;
  }

  /** Milliseconds on the socket's clock. */
  now(): number {
    return this.clock.now();
  }

  /** How many lines of the current command the fast path has taken. */
  get taken(): number {
    this.settle();
    return this.current === undefined ? 0 : this.current.lines - this.current.parsedLines;
  }

  /** How many messages the fast path has taken of all commands: it takes one line a message. */
  get takenInAll(): number {
    let sum = 0;
    for (const { lines, parsedLines } of this.runs) sum += lines - parsedLines;
    return sum;
  }

  /** Writes what the fast path has taken to its command. */
  settle(): void {
    this.fast?.settle();
  }

  /** Takes no more messages on the fast path: the session is over. */
  end(): void {
    this.settle();
    this.take = undefined;
  }

  /** A command whose request is about to be sent. */
  begin(command: Command, at: number): ExecutionState {
    const { current, runs } = this;
    // The next request stands behind the end of what was canceled or has failed, whatever the service says of it yet.
    if (current?.canceled !== undefined || current?.serviceError !== undefined) this.linger(current);
    const run = createExecution(command, at, runs.length === 0);
    runs.push(run);
    this.current ??= run;
    return run;
  }

  /** Its request was answered by a result. */
  accept(run: ExecutionState, result: unknown): Outcome | undefined {
    if (!isObject(result) || typeof result.pid !== 'number') return undefined;
    run.pid = result.pid;
    const { completedPid } = run;
    return typeof completedPid === 'number' && completedPid !== run.pid
      ? otherProcess(run.pid, completedPid)
      : undefined;
  }

  /** Its request was answered by an error. */
  refuse(run: ExecutionState, outcome: Outcome, at: number): void {
    run.outcome = outcome;
    run.endedAt = at;
    this.leave(run);
  }

  /** Whether each message of a command is looked at, or those that are predicted go by. */
  watch(run: ExecutionState, isWatched: boolean): void {
    if ((run.watched === true) === isWatched) return;
    run.watched = isWatched;
    this.predict();
  }

  /** Expects no more of a canceled command than that its end may be reported, late. */
  linger(run: ExecutionState): void {
    const lingering = (this.lingering ??= []);
    if (run.completedAt !== undefined || lingering.includes(run)) return;
    lingering.push(run);
    this.leave(run);
  }

  /** Takes the params of `process.output`. */
  output(params: Record<string, unknown>, text: string, at: number): Outcome | undefined {
    const run = this.current;
    if (!run) {
      if (!this.lingering?.length) return violation(`process.output without a running command: ${excerpt(text)}`);
      return { kind: 'output-mismatch', detail: `expected no output after CANCEL, received ${excerpt(text)}` };
    }
    if (this.fast) this.settle();
    run.firstOutputAt ??= at;
    const line = run.assembly === undefined ? wholeLine(params) : undefined;
    if (line === undefined) return this.outputInParts(run, params, text);
    const data = params.data as string;
    run.parsed++;
    run.parsedLines++;
    run.lines++;
    run.bytes += utf8Bytes(data);
    run.last = data;
    const beginning = (run.beginning ??= []);
    if (beginning.length < keptLines) keepBeginning(beginning, line);
    if (run.mismatch !== undefined) return undefined;
    run.mismatch = run.check.line(line);
    if (run.learned < maxLearning) this.learn(run, data, text);
    if (this.fast || this.template || this.envelope) this.predict();
    return undefined;
  }

  /** Takes the params of a `process.output` that is anything but one whole line of stdout. */
  private outputInParts(run: ExecutionState, params: Record<string, unknown>, text: string): Outcome | undefined {
    const assembly = (run.assembly ??= new LineAssembly());
    const assembled = assembly.add(params);
    if (assembled.stream === undefined) return violation(assembled.violation);
    const { stream, lines } = assembled;
    const data = params.data as string;
    run.parsed++;
    run.parsedLines += lines.length;
    run.lines += lines.length;
    run.bytes += utf8Bytes(data);
    run.last = data;
    const beginning = (run.beginning ??= []);
    for (const line of lines) if (beginning.length < keptLines) keepBeginning(beginning, line);
    if (stream === 'stdout' && run.mismatch === undefined) {
      for (const line of lines) run.mismatch ??= run.check.line(line);
      if (run.mismatch !== undefined && lines.length > 1) run.mismatch += `, in ${excerpt(data)}`;
      if (lines.length === 1 && run.learned < maxLearning) this.learn(run, data, text);
      this.predict();
    } else if (assembly.pending !== undefined) this.takeWith(undefined);
    return undefined;
  }

  /** Takes the params of `process.completed`. */
  completed(params: Record<string, unknown>, text: string, at: number): Outcome | undefined {
    const { pid } = params;
    const { current, lingering } = this;
    const late = lingering?.find((run) => run.pid === pid || (!current && run.pid === undefined));
    if (lingering && late && (!current || pid !== current.pid)) {
      lingering.splice(lingering.indexOf(late), 1);
      this.complete(late, params, at);
      return undefined;
    }
    if (!current) return violation(`process.completed without a running command: ${excerpt(text)}`);
    const isCurrent = typeof pid !== 'number' || current.pid === undefined || current.pid === pid;
    const run = isCurrent
      ? current
      : this.runs.find((other) => other.hasLeft !== true && (other.pid === pid || other.pid === undefined));
    if (!run) return otherProcess(current.pid as number, pid as number);
    const pending = run.assembly?.pending;
    if (pending !== undefined) return violation(`process.completed in the middle of a line: ${pending}`);
    this.complete(run, params, at);
    return undefined;
  }

  /** Takes the params of `process.error`. */
  failed({ error }: Record<string, unknown>): void {
    if (this.current) this.current.serviceError = String(error);
  }

  /** What became of each command; those without an outcome of their own have the session's. */
  results(outcome: Outcome, startedAt: number, now: number): CommandResult[] {
    return this.runs.map((run) => commandResult(run, run.outcome ?? outcome, startedAt, now));
  }

  /** A command is no longer under way; output belongs to the next, and what was learned of this one's says nothing of it. */
  private leave(run: ExecutionState): void {
    run.hasLeft = true;
    if (run !== this.current) return;
    this.takeWith(undefined);
    this.current = this.runs.find((other) => other.hasLeft !== true);
    if (this.template) this.template = undefined;
    if (this.envelope) this.envelope = undefined;
  }

  private complete(
    run: ExecutionState,
    { pid, exit_code: exitCode, status }: Record<string, unknown>,
    at: number,
  ): void {
    run.completedAt = at;
    run.completedPid = pid;
    if (typeof status === 'string' && status !== 'completed') run.failed = true;
    run.exitCode = typeof exitCode === 'number' ? exitCode : null;
    this.leave(run);
  }

  private learn(run: ExecutionState, data: string, text: string): void {
    const { numbered } = run.check;
    if (numbered && numbered.next + leastPredicted <= numbered.to) {
      run.learned++;
      this.template = learnTemplate(text, data, numbered);
    } else if (!numbered && run.beginning !== undefined && run.beginning.length >= keptLines) {
      // Not of a short output, whose beginning is kept line by line.
      run.learned++;
      this.envelope = learnEnvelope(text, data, run.check.form);
    }
  }

  /** Lets the fast path go on from where the current command's output is, or leaves it. */
  private predict(): void {
    const { current: run, template, envelope } = this;
    if (this.fast) this.takeWith(undefined);
    if (!run || run.watched === true || run.mismatch !== undefined || run.assembly?.pending !== undefined) return;
    const { numbered } = run.check;
    if (numbered && template && numbered.next <= numbered.to) this.takeWith(takesNumbered(run, numbered, template));
    else if (!numbered && envelope) this.takeWith(takesPlain(run, envelope));
  }

  private takeWith(fast: FastPath | undefined): void {
    if (this.fast === fast) return;
    this.settle();
    this.fast = fast;
    const { seen } = this;
    const take = fast?.take;
    if (take === undefined || seen === undefined) {
      this.take = take;
      return;
    }
    this.take = (text) => {
      const isTaken = take(text);
      if (isTaken) seen(text);
      return isTaken;
    };
  }
}

/** The line of a `process.output` message that is just one line of stdout, without its line end; undefined for any other. */
const wholeLine = ({
  type,
  data,
  chunk_index: index,
  total_chunks: total,
}: Record<string, unknown>): string | undefined => {
  if (type !== 'stdout' || typeof data !== 'string' || total !== null || index !== null) return undefined;
  const end = data.indexOf('\n');
  if (end < 0) return data;
  return end === data.length - 1 ? data.slice(0, end) : undefined;
};

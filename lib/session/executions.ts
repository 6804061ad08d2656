import { excerpt, isObject } from '../jsonrpc/messages.ts';
import type { Command } from '../commands/command.ts';
import type { NumberedProgress } from '../commands/output-check.ts';
import type { Outcome } from './outcome.ts';
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

const violation = (reason: string): Outcome => ({ kind: 'protocol-violation', reason });

const otherProcess = (expected: number, received: number): Outcome =>
  violation(`process.completed of another process: expected pid ${expected}, received ${received}`);

const remove = (list: ExecutionState[], run: ExecutionState): void => {
  const at = list.indexOf(run);
  if (at >= 0) list.splice(at, 1);
};

/** The fast path over numbered lines: takes a message that is, letter by letter, the one due next. */
const takesNumbered = (run: ExecutionState, progress: NumberedProgress, template: MessageTemplate): Take => {
  const { head, tail, overhead } = template;
  let predicted: string | undefined = head + progress.next + tail;
  return (text) => {
    if (text !== predicted) return false;
    run.lines++;
    run.bytes += text.length - overhead;
    predicted = ++progress.next <= progress.to ? head + progress.next + tail : undefined;
    return true;
  };
};

/** The fast path over lines that can't be known: takes a plain one in a known envelope. */
const takesPlain = (run: ExecutionState, { head, tail, plain, endingBytes }: Envelope): Take => {
  const { check } = run;
  const [headLength, tailLength] = [head.length, tail.length];
  return (text) => {
    const end = text.length - tailLength;
    if (end < headLength || !text.startsWith(head) || !text.endsWith(tail)) return false;
    const line = text.slice(headLength, end);
    if (!plain.test(line)) return false;
    run.lines++;
    run.bytes += line.length + endingBytes;
    run.mismatch ??= check.line(line);
    return true;
  };
};

/** Takes a message without parsing it, or does not. */
type Take = (text: string) => boolean;

/**
 * The commands of one session: which of them a message belongs to, and what it does to it. What can end the session
 * returns the outcome it ends with, or undefined.
 */
export class Executions {
  /** Milliseconds on the socket's clock. */
  readonly now: () => number;
  /** The command that output belongs to, for it says no process. */
  current: ExecutionState | undefined;
  /** The fast path, once enough is learned of the current command's messages. */
  take: Take | undefined;
  private readonly runs: ExecutionState[] = [];
  /** In the order of their requests. More than one only where a service has accepted one beside another. */
  private readonly underWay: ExecutionState[] = [];
  private readonly lingering: ExecutionState[] = [];
  private template: MessageTemplate | undefined;
  private envelope: Envelope | undefined;
  /** Is told each message that the fast path takes, where somebody wants to know. */
  private readonly seen: ((text: string) => void) | undefined;

  constructor(now: () => number, seen?: (text: string) => void) {
    this.now = now;
    this.seen = seen;
  }

  /** How many lines of the current command the fast path has taken. */
  get taken(): number {
    return this.current === undefined ? 0 : this.current.lines - this.current.parsedLines;
  }

  /** How many messages the fast path has taken of all commands: it takes one line a message. */
  get takenInAll(): number {
    return this.runs.reduce((sum, { lines, parsedLines }) => sum + lines - parsedLines, 0);
  }

  /** A command whose request is about to be sent. */
  begin(command: Command): ExecutionState {
    const { current } = this;
    // The next request stands behind the end of what was canceled or has failed, whatever the service says of it yet.
    if (current?.canceled !== undefined || current?.serviceError !== undefined) this.linger(current);
    const run = createExecution(command, this.now(), this.runs.length === 0);
    this.runs.push(run);
    this.underWay.push(run);
    this.next();
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
  refuse(run: ExecutionState, outcome: Outcome): void {
    run.outcome = outcome;
    run.endedAt = this.now();
    this.leave(run);
  }

  /** Whether each message of a command is looked at, or those that are predicted go by. */
  watch(run: ExecutionState, isWatched: boolean): void {
    run.watched = isWatched;
    this.predict();
  }

  /** Expects no more of a canceled command than that its end may be told, late. */
  linger(run: ExecutionState): void {
    if (run.completedAt !== undefined || this.lingering.includes(run)) return;
    this.lingering.push(run);
    this.leave(run);
  }

  /** Takes the params of `process.output`. */
  output(params: Record<string, unknown>, text: string): Outcome | undefined {
    const run = this.current;
    if (!run) {
      if (this.lingering.length === 0) return violation(`process.output without a running command: ${excerpt(text)}`);
      return { kind: 'output-mismatch', detail: `expected no output after CANCEL, received ${excerpt(text)}` };
    }
    const assembled = run.assembly.add(params);
    if (assembled.stream === undefined) return violation(assembled.violation);
    const data = params.data as string;
    run.firstOutputAt ??= this.now();
    run.parsed++;
    run.last = data;
    run.bytes += utf8Bytes(data);
    run.lines += assembled.lines.length;
    run.parsedLines += assembled.lines.length;
    keepBeginning(run, assembled.lines);
    if (assembled.stream === 'stdout' && run.mismatch === undefined) this.linesOf(run, assembled.lines, data, text);
    else if (run.assembly.pending !== undefined) this.take = undefined;
    return undefined;
  }

  /** Takes the params of `process.completed`. */
  completed(params: Record<string, unknown>, text: string): Outcome | undefined {
    const { pid } = params;
    const { current } = this;
    const late = this.lingering.find((run) => run.pid === pid || (!current && run.pid === undefined));
    if (late && (!current || pid !== current.pid)) {
      remove(this.lingering, late);
      this.complete(late, params);
      return undefined;
    }
    if (!current) return violation(`process.completed without a running command: ${excerpt(text)}`);
    const isCurrent = typeof pid !== 'number' || current.pid === undefined || current.pid === pid;
    const run = isCurrent ? current : this.underWay.find((other) => other.pid === pid || other.pid === undefined);
    if (!run) return otherProcess(current.pid as number, pid as number);
    const { pending } = run.assembly;
    if (pending !== undefined) return violation(`process.completed in the middle of a line: ${pending}`);
    this.complete(run, params);
    return undefined;
  }

  /** Takes the params of `process.error`. */
  failed({ error }: Record<string, unknown>): void {
    if (this.current) this.current.serviceError = String(error);
  }

  /** What became of each command; those without an outcome of their own have the session's. */
  results(outcome: Outcome, startedAt: number): CommandResult[] {
    return this.runs.map((run) => commandResult(run, run.outcome ?? outcome, startedAt, this.now()));
  }

  /** Output belongs to the oldest command under way; what was learned of another's says nothing of it. */
  private next(): void {
    if (this.current === this.underWay[0]) return;
    this.current = this.underWay[0];
    this.take = this.template = this.envelope = undefined;
  }

  private leave(run: ExecutionState): void {
    remove(this.underWay, run);
    this.next();
  }

  private complete(run: ExecutionState, { pid, exit_code: exitCode, status }: Record<string, unknown>): void {
    run.completedAt = this.now();
    run.completedPid = pid;
    run.failed = typeof status === 'string' && status !== 'completed';
    run.exitCode = typeof exitCode === 'number' ? exitCode : null;
    this.leave(run);
  }

  private linesOf(run: ExecutionState, lines: readonly string[], data: string, text: string): void {
    const { check } = run;
    for (const line of lines) run.mismatch ??= check.line(line);
    if (run.mismatch !== undefined && lines.length > 1) run.mismatch += `, in ${excerpt(data)}`;
    if (lines.length === 1 && run.learned < maxLearning) this.learn(run, data, text);
    this.predict();
  }

  private learn(run: ExecutionState, data: string, text: string): void {
    const { numbered } = run.check;
    if (numbered && numbered.next <= numbered.to) {
      run.learned++;
      this.template = learnTemplate(text, data, numbered);
    } else if (!numbered && run.beginning.length >= keptLines) {
      // Not of a short output, whose beginning is kept line by line.
      run.learned++;
      this.envelope = learnEnvelope(text, data);
    }
  }

  /** Lets the fast path go on from where the current command's output is, or leaves it. */
  private predict(): void {
    const { current: run, template, envelope } = this;
    this.take = undefined;
    if (!run || run.watched === true || run.mismatch !== undefined || run.assembly.pending !== undefined) return;
    const { numbered } = run.check;
    if (numbered && template && numbered.next <= numbered.to)
      this.take = this.told(takesNumbered(run, numbered, template));
    else if (!numbered && envelope) this.take = this.told(takesPlain(run, envelope));
  }

  private told(take: Take): Take {
    const { seen } = this;
    if (!seen) return take;
    return (text) => {
      const isTaken = take(text);
      if (isTaken) seen(text);
      return isTaken;
    };
  }
}

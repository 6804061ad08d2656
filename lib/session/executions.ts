import { excerpt, isObject } from '../jsonrpc/messages.ts';
import type { Command } from '../commands/command.ts';
import type { Outcome } from '../results/outcome.ts';
import {
  commandResult,
  createExecution,
  keepBeginning,
  keptLines,
  type CommandResult,
  type ExecutionState,
} from './execution.ts';
import { learnEnvelope, learnTemplate, utf8Bytes, type Envelope, type MessageTemplate } from './prediction.ts';

/**
 * The commands of one session: which of them a message belongs to, and what it does to it. What can end the session
 * returns the outcome it ends with, or undefined.
 */
export interface Executions {
  /** A command whose request is about to be sent. */
  begin: (command: Command) => ExecutionState;
  /** Its request was answered by a result. */
  accept: (run: ExecutionState, result: unknown) => Outcome | undefined;
  /** Its request was answered by an error. */
  refuse: (run: ExecutionState, outcome: Outcome) => void;
  /** The command that output belongs to, for it says no process. */
  current: () => ExecutionState | undefined;
  /** Whether each message of a command is looked at, or those that are predicted go by. */
  watch: (run: ExecutionState, isWatched: boolean) => void;
  /** Expects no more of a canceled command than that its end may be told, late. */
  linger: (run: ExecutionState) => void;
  /** The fast path: takes a message that is, letter by letter, the one due next, or a plain line in a known envelope. */
  take: (text: string) => boolean;
  /** How many messages the fast path has taken. */
  taken: () => number;
  /** Takes the params of `process.output`. */
  output: (params: Record<string, unknown>, text: string) => Outcome | undefined;
  /** Takes the params of `process.completed`. */
  completed: (params: Record<string, unknown>, text: string) => Outcome | undefined;
  /** Takes the params of `process.error`. */
  failed: (params: Record<string, unknown>) => void;
  /** What became of each command; those without an outcome of their own have the session's. */
  results: (outcome: Outcome, startedAt: number) => CommandResult[];
}

const maxLearning = 8;

const violation = (reason: string): Outcome => ({ kind: 'protocol-violation', reason });

const otherProcess = (expected: number, received: number): Outcome =>
  violation(`process.completed of another process: expected pid ${expected}, received ${received}`);

const remove = (list: ExecutionState[], run: ExecutionState): void => {
  const at = list.indexOf(run);
  if (at >= 0) list.splice(at, 1);
};

/** The commands of a session that begins. */
export const createExecutions = (now: () => number): Executions => {
  const runs: ExecutionState[] = [];
  // In the order of their requests. More than one only where a service has accepted one beside another.
  const underWay: ExecutionState[] = [];
  const lingering: ExecutionState[] = [];
  let current: ExecutionState | undefined;
  let taken = 0;
  // The fast path: the whole text of the message due next, and what the following ones are made of.
  let predicted: string | undefined;
  let template: MessageTemplate | undefined;
  // Where its text can't be known: what surrounds a line.
  let envelope: Envelope | undefined;

  const predict = (): void => {
    const progress = current?.check.numbered;
    predicted =
      template &&
      progress &&
      current?.watched !== true &&
      current?.assembly.pending() === undefined &&
      progress.next <= progress.to
        ? template.head + progress.next + template.tail
        : undefined;
  };

  /** Output belongs to the oldest command under way; what was learned of another's says nothing of it. */
  const next = (): void => {
    if (current === underWay[0]) return;
    current = underWay[0];
    predicted = template = envelope = undefined;
  };

  const leave = (run: ExecutionState): void => {
    remove(underWay, run);
    next();
  };

  const linger = (run: ExecutionState): void => {
    if (run.completedAt !== undefined || lingering.includes(run)) return;
    lingering.push(run);
    leave(run);
  };

  const complete = (run: ExecutionState, { pid, exit_code: exitCode, status }: Record<string, unknown>): void => {
    run.completedAt = now();
    run.completedPid = pid;
    run.failed = typeof status === 'string' && status !== 'completed';
    run.exitCode = typeof exitCode === 'number' ? exitCode : null;
    leave(run);
  };

  /** Not of a short output, whose beginning is kept line by line. */
  const learnWhatSurrounds = (run: ExecutionState, lines: readonly string[], data: string, text: string): void => {
    if (lines.length !== 1 || run.beginning.length < keptLines || run.learned >= maxLearning) return;
    run.learned++;
    envelope = learnEnvelope(text, data);
  };

  /** A line whose text is not known beforehand, in a message that need not be parsed. */
  const takePlain = (text: string, { head, tail, plain, endingBytes }: Envelope): boolean => {
    const run = current as ExecutionState;
    const end = text.length - tail.length;
    if (end < head.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
    const line = text.slice(head.length, end);
    if (!plain.test(line) || run.watched === true || run.assembly.pending() !== undefined) return false;
    run.lines++;
    run.bytes += line.length + endingBytes;
    taken++;
    run.mismatch = run.check.line(line);
    if (run.mismatch !== undefined) envelope = undefined;
    return true;
  };

  const linesOf = (run: ExecutionState, lines: readonly string[], data: string, text: string): void => {
    for (const line of lines) run.mismatch ??= run.check.line(line);
    if (run.mismatch !== undefined && lines.length > 1) run.mismatch += `, in ${excerpt(data)}`;
    const progress = run.check.numbered;
    if (run.mismatch !== undefined) {
      template = envelope = undefined;
    } else if (!progress) {
      learnWhatSurrounds(run, lines, data, text);
    } else if (lines.length === 1 && run.learned < maxLearning && progress.next <= progress.to) {
      run.learned++;
      template = learnTemplate(text, data, progress);
    }
    predict();
  };

  return {
    begin: (command) => {
      // The next request stands behind the end of what was canceled or has failed, whatever the service says of it yet.
      if (current?.canceled !== undefined || current?.serviceError !== undefined) linger(current);
      const run = createExecution(command, now(), runs.length === 0);
      runs.push(run);
      underWay.push(run);
      next();
      return run;
    },
    accept: (run, result) => {
      if (!isObject(result) || typeof result.pid !== 'number') return undefined;
      run.pid = result.pid;
      const { completedPid } = run;
      return typeof completedPid === 'number' && completedPid !== run.pid
        ? otherProcess(run.pid, completedPid)
        : undefined;
    },
    refuse: (run, outcome) => {
      run.outcome = outcome;
      run.endedAt = now();
      leave(run);
    },
    current: () => current,
    watch: (run, isWatched) => {
      run.watched = isWatched;
      predict();
    },
    linger,
    take: (text) => {
      if (text !== predicted) return envelope !== undefined && takePlain(text, envelope);
      const run = current as ExecutionState;
      const progress = run.check.numbered as { next: number; to: number };
      const { head, tail, overhead } = template as MessageTemplate;
      run.lines++;
      run.bytes += text.length - overhead;
      taken++;
      predicted = ++progress.next <= progress.to ? head + progress.next + tail : undefined;
      return true;
    },
    taken: () => taken,
    output: (params, text) => {
      const run = current;
      if (!run) {
        if (lingering.length === 0) return violation(`process.output without a running command: ${excerpt(text)}`);
        return { kind: 'output-mismatch', detail: `expected no output after CANCEL, received ${excerpt(text)}` };
      }
      const assembled = run.assembly.add(params);
      if (assembled.stream === undefined) return violation(assembled.violation);
      const data = params.data as string;
      run.firstOutputAt ??= now();
      run.parsed++;
      run.last = data;
      run.bytes += utf8Bytes(data);
      run.lines += assembled.lines.length;
      keepBeginning(run, assembled.lines);
      if (assembled.stream === 'stdout' && run.mismatch === undefined) linesOf(run, assembled.lines, data, text);
      return undefined;
    },
    completed: (params, text) => {
      const { pid } = params;
      const late = lingering.find((run) => run.pid === pid || (!current && run.pid === undefined));
      if (late && (!current || pid !== current.pid)) {
        remove(lingering, late);
        complete(late, params);
        return undefined;
      }
      if (!current) return violation(`process.completed without a running command: ${excerpt(text)}`);
      const isCurrent = typeof pid !== 'number' || current.pid === undefined || current.pid === pid;
      const run = isCurrent ? current : underWay.find((other) => other.pid === pid || other.pid === undefined);
      if (!run) return otherProcess(current.pid as number, pid as number);
      const pending = run.assembly.pending();
      if (pending !== undefined) return violation(`process.completed in the middle of a line: ${pending}`);
      complete(run, params);
      return undefined;
    },
    failed: ({ error }) => {
      if (current) current.serviceError = String(error);
    },
    results: (outcome, startedAt) => runs.map((run) => commandResult(run, run.outcome ?? outcome, startedAt, now())),
  };
};

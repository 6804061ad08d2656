import { excerpt } from '../jsonrpc/messages.ts';
import type { Command } from '../commands/command.ts';
import { OutputCheck } from '../commands/output-check.ts';
import type { Outcome } from './outcome.ts';
import type { LineAssembly } from './line-assembly.ts';

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
  /** Their size in UTF-8, line ends included. */
  bytes: number;
  /** From the first message of output to completion, where both came. */
  outputMs?: number;
}

/** What a session knows of a command under way. What few commands need takes no memory before it is assigned. */
export interface ExecutionState {
  command: Command;
  first: boolean;
  sentAt: number;
  check: OutputCheck;
  lines: number;
  bytes: number;
  /** Messages of output that the fast path did not take, and the lines in them. */
  parsed: number;
  parsedLines: number;
  learned: number;
  /** Puts chunks together, once there was anything but a whole line of stdout. */
  assembly?: LineAssembly;
  /** Its first lines, each cut. */
  beginning?: string[];
  /** What the last message carried that was not taken by the fast path. */
  last?: string;
  /** Every message is looked at, none taken by the fast path. */
  watched?: boolean;
  /** It is over, or no more is expected of it. */
  hasLeft?: boolean;
  /** The status that answered CANCEL. */
  canceled?: string;
  outcome?: Outcome;
  pid?: number;
  ackAt?: number;
  firstOutputAt?: number;
  /** When its request was refused. */
  endedAt?: number;
  completedAt?: number;
  completedPid?: unknown;
  /** Its status was something else than `completed`. */
  failed?: boolean;
  exitCode?: number | null;
  mismatch?: string | undefined;
  serviceError?: string;
}

/** A command whose request is about to be sent. */
export const createExecution = (command: Command, sentAt: number, first: boolean): ExecutionState => ({
  command,
  first,
  sentAt,
  check: new OutputCheck(command.proof),
  lines: 0,
  bytes: 0,
  parsed: 0,
  parsedLines: 0,
  learned: 0,
});

/** So many lines belong to a command's beginning. */
export const keptLines = 10;
const keptLength = 200;

/** Keeps a line of a command's beginning. */
export const keepBeginning = (beginning: string[], line: string): void => {
  beginning.push(line.length > keptLength ? line.slice(0, keptLength) : line);
};

/** Of numbered lines with a gap: whether a line was lost, or came out of order, shows in how many came. */
const linesText = ({ mismatch = '', command, lines }: ExecutionState): string => {
  const { numbered } = command.proof;
  return numbered && mismatch.endsWith('(a gap)')
    ? `, ${lines} of ${numbered.to - numbered.from + 1} lines in all`
    : '';
};

/** Holds a command that is over to its proof. */
export const judge = (run: ExecutionState): Outcome => {
  const { exitCode: expected = 0, minDurationMs } = run.command.proof;
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
  const mismatch = run.mismatch === undefined ? run.check.end() : `${run.mismatch}${linesText(run)}`;
  if (mismatch !== undefined) return { kind: 'output-mismatch', detail: mismatch };
  const tookMs = minDurationMs === undefined ? Infinity : (run.completedAt ?? run.sentAt) - run.sentAt;
  if (tookMs < (minDurationMs ?? 0)) {
    const detail = `expected at least ${minDurationMs} ms from the request to completion, received ${tookMs.toFixed(1)} ms`;
    return { kind: 'output-mismatch', detail };
  }
  return succeeded;
};

const succeeded: Outcome = { kind: 'ok' };

/** What became of a command; `now` stands for its end where it has none. */
export const commandResult = (run: ExecutionState, outcome: Outcome, startedAt: number, now: number): CommandResult => {
  const { command, sentAt, ackAt, firstOutputAt, completedAt, endedAt, lines, bytes } = run;
  const result: CommandResult = {
    name: command.name,
    class: command.class,
    outcome,
    durationMs: (completedAt ?? endedAt ?? now) - (run.first ? startedAt : sentAt),
    lines,
    bytes,
  };
  if (ackAt !== undefined) result.ackMs = ackAt - sentAt;
  if (firstOutputAt !== undefined) result.firstOutputMs = firstOutputAt - sentAt;
  if (firstOutputAt !== undefined && completedAt !== undefined) result.outputMs = completedAt - firstOutputAt;
  return result;
};

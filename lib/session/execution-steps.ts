import { excerpt } from '../jsonrpc/messages.ts';
import type { Outcome } from './outcome.ts';
import { judge, type ExecutionState } from './execution.ts';
import type { Executions } from './executions.ts';
import { SessionEnd, sleepUntil, type Script, type Wait } from './script.ts';

/** How a command ended that was held to nothing. */
export interface CommandEnd {
  /** Null where it has none. */
  exitCode: number | null;
  /** The first 10 lines that came on stdout and stderr, each cut to 200 characters. */
  beginning: readonly string[];
  /** What `process.error` said. */
  error?: string;
}

/** How long output that was under way may still come after a control was acknowledged, milliseconds. */
export const graceMs = 500;

/** How long a command that goes on is given at least for a further line, milliseconds. */
const leastFurtherMs = 2000;
/** Of a service whose output is slow, it is this many times as long as its first output took, at most 30 s. */
const timesLatency = 1.5;
const mostFurtherMs = 30_000;

const mismatch = (detail: string): SessionEnd => new SessionEnd({ kind: 'output-mismatch', detail });

/** A command under way: what a script does with it once the service has accepted it. */
export class Execution {
  private readonly run: ExecutionState;
  private readonly all: Executions;

  constructor(run: ExecutionState, all: Executions) {
    this.run = run;
    this.all = all;
  }

  /** Process id that the service reported, where it did. */
  get pid(): number | undefined {
    return this.run.pid;
  }

  /** Lines received so far on stdout and stderr. */
  get lines(): number {
    this.all.settle();
    return this.run.lines;
  }

  /** Milliseconds since the command was sent. */
  get ageMs(): number {
    return this.all.now() - this.run.sentAt;
  }

  /** How long output takes to come, from the request to the first of it, milliseconds. */
  get latencyMs(): number {
    return latencyMs(this.run);
  }

  /** Whether the process has completed. */
  get isOver(): boolean {
    return isOver(this.run);
  }

  /** Waits until the process has completed, then holds it to the command's proof; ends the session where it fails. */
  *completes(): Script {
    const { run } = this;
    this.all.watch(run, false);
    yield progress(run);
    run.outcome = judge(run);
    if (run.outcome.kind !== 'ok') throw new SessionEnd(run.outcome);
  }

  /** Waits until the process has completed, whatever it did. */
  *ends(): Script<CommandEnd> {
    const { run } = this;
    this.all.watch(run, false);
    yield progress(run);
    const { exitCode = null, beginning = [], serviceError } = run;
    return { exitCode, beginning: [...beginning], ...(serviceError !== undefined && { error: serviceError }) };
  }

  /** Waits until so many lines have come, or the process has completed. */
  *reaches(lines: number): Script {
    const { run } = this;
    this.all.watch(run, true);
    yield progress(run, () => run.lines >= lines);
  }

  /**
   * Waits so many milliseconds, and as long again, at least 2 s and longer where output is slow, for a further line where none
   * came meanwhile; ends the session
   * where none comes, where the process completes, or its output is wrong. What comes within half the time, at most the
   * grace, is no sign: a service may have held it back while the process was paused.
   */
  *continuesFor(ms: number): Script {
    const { run, all } = this;
    all.watch(run, true);
    const slowMs = Math.min(mostFurtherMs, timesLatency * latencyMs(run));
    const mostMs = ms + Math.max(ms, leastFurtherMs, slowMs);
    const heldMs = Math.min(graceMs, ms / 2);
    const startedAt = all.now();
    yield* sleepUntil(startedAt + heldMs, () => isOver(run));
    const { parsed } = run;
    yield* sleepUntil(startedAt + ms, () => isOver(run));
    yield* sleepUntil(startedAt + mostMs, () => isOver(run) || run.parsed > parsed);
    stillRunning(run);
    if (run.parsed > parsed) return;
    const waitedMs = mostMs - heldMs;
    const detail = `expected output to go on, none came for ${waitedMs} ms`;
    throw new SessionEnd({ kind: 'timeout', phase: 'message', detail }, waitedMs);
  }

  /** After a grace for what was under way, waits so many milliseconds; ends the session where anything comes. */
  *staysSilentFor(ms: number): Script {
    const { run, all } = this;
    const came = yield* outputAfterGrace(run, all, all.now() + graceOf(run), () => all.now() + ms);
    stillRunning(run);
    if (came !== undefined) throw mismatch(`expected no output for ${ms} ms, received ${came}`);
  }

  /**
   * After CANCEL: waits for `process.completed`, at most so many milliseconds; where the service calls it `canceled`
   * silence ends it too. Ends the session where output goes on.
   */
  *endsWithin(ms: number): Script {
    const { run, all } = this;
    const deadline = all.now() + ms;
    const came = yield* outputAfterGrace(run, all, Math.min(all.now() + graceOf(run), deadline), () => deadline);
    if (run.mismatch !== undefined) throw mismatch(run.mismatch);
    if (came !== undefined) throw mismatch(`expected no output after CANCEL, received ${came}`);
    if (!isOver(run) && run.canceled !== 'canceled') {
      const detail = `expected process.completed within ${ms} ms of CANCEL, received none`;
      throw new SessionEnd({ kind: 'timeout', phase: 'message', detail }, ms);
    }
    all.linger(run);
    run.outcome = { kind: 'ok' } satisfies Outcome;
  }
}

/** How long output takes to come, going by the first, milliseconds. */
const latencyMs = ({ sentAt, firstOutputAt = sentAt }: ExecutionState): number => firstOutputAt - sentAt;

/** How long output that was under way may still come, milliseconds. */
const graceOf = (run: ExecutionState): number => graceMs + latencyMs(run);

const isOver = (run: ExecutionState): boolean => run.completedAt !== undefined || run.serviceError !== undefined;

const stillRunning = (run: ExecutionState): void => {
  if (run.mismatch !== undefined) throw mismatch(run.mismatch);
  if (!isOver(run)) return;
  const end = run.serviceError === undefined ? `with exit code ${run.exitCode}` : `by ${run.serviceError}`;
  throw mismatch(`expected the process to run on, it has ended ${end}`);
};

/** Waits until the command is over, or something holds; ends in a timeout when no message comes. */
const progress = (run: ExecutionState, until?: () => boolean): Wait => ({
  phase: 'message',
  progress: true,
  until: () => isOver(run) || until?.() === true,
});

/** Lets output come for a while, which was under way; then waits for the end, or for output. */
const outputAfterGrace = function* (
  run: ExecutionState,
  all: Executions,
  graceEnd: number,
  end: () => number,
): Script<string | undefined> {
  all.watch(run, true);
  yield* sleepUntil(graceEnd, () => isOver(run));
  const { parsed, lines } = run;
  yield* sleepUntil(end(), () => isOver(run) || run.parsed > parsed);
  if (run.parsed === parsed) return undefined;
  const what = run.lines > lines ? `line ${run.lines}` : 'a part of a line';
  return `${what}, ${excerpt(run.last ?? '')}`;
};

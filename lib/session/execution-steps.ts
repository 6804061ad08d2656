import { excerpt } from '../jsonrpc/messages.ts';
import type { Outcome } from '../results/outcome.ts';
import { judge, type ExecutionState } from './execution.ts';
import type { Executions } from './executions.ts';
import { SessionEnd, sleepUntil, type Script } from './script.ts';

/** How a command ended that was held to nothing. */
export interface CommandEnd {
  /** Null where it has none. */
  exitCode: number | null;
  /** The first 10 lines that came on stdout and stderr, each cut to 200 characters. */
  beginning: readonly string[];
  /** What `process.error` said. */
  error?: string;
}

/** A command under way. */
export interface Execution {
  /** Process id that the service reported, where it did. */
  readonly pid: number | undefined;
  /** Lines received so far on stdout and stderr. */
  readonly lines: number;
  /** Waits until the process has completed, then holds it to the command's proof; ends the session where it fails. */
  completes: () => Script;
  /** Waits until the process has completed, whatever it did. */
  ends: () => Script<CommandEnd>;
  /** Waits until so many lines have come, or the process has completed. */
  reaches: (lines: number) => Script;
  /** Waits so many milliseconds, and for a further line; ends the session where the process completes, or its output is wrong. */
  continuesFor: (ms: number) => Script;
  /** After a grace for what was under way, waits so many milliseconds; ends the session where anything comes. */
  staysSilentFor: (ms: number) => Script;
  /**
   * After CANCEL: waits for `process.completed`, at most so many milliseconds; where the service calls it `canceled`
   * silence ends it too. Ends the session where output goes on.
   */
  endsWithin: (ms: number) => Script;
}

/** How long output that was under way may still come after a control was acknowledged, milliseconds. */
export const graceMs = 500;

const mismatch = (detail: string): SessionEnd => new SessionEnd({ kind: 'output-mismatch', detail });

/** What a script does with a command that the service has accepted. */
export const executionSteps = (
  run: ExecutionState,
  { watch, linger }: Pick<Executions, 'watch' | 'linger'>,
  now: () => number,
): Execution => {
  const isOver = (): boolean => run.completedAt !== undefined || run.serviceError !== undefined;
  const stillRunning = (): void => {
    if (run.mismatch !== undefined) throw mismatch(run.mismatch);
    if (!isOver()) return;
    const end = run.serviceError === undefined ? `with exit code ${run.exitCode}` : `by ${run.serviceError}`;
    throw mismatch(`expected the process to run on, it has ended ${end}`);
  };
  const progress = function* (until: () => boolean): Script {
    yield { phase: 'message', progress: true, until: () => isOver() || until() };
  };
  /** Lets output come for a while, which was under way; then waits for the end, or for output. */
  const outputAfterGrace = function* (graceEnd: number, end: () => number): Script<string | undefined> {
    watch(run, true);
    yield* sleepUntil(graceEnd, isOver);
    const { parsed, lines } = run;
    yield* sleepUntil(end(), () => isOver() || run.parsed > parsed);
    if (run.parsed === parsed) return undefined;
    const what = run.lines > lines ? `line ${run.lines}` : 'a part of a line';
    return `${what}, ${excerpt(run.last ?? '')}`;
  };
  return {
    get pid() {
      return run.pid;
    },
    get lines() {
      return run.lines;
    },
    *completes() {
      watch(run, false);
      yield* progress(() => false);
      run.outcome = judge(run);
      if (run.outcome.kind !== 'ok') throw new SessionEnd(run.outcome);
    },
    *ends() {
      watch(run, false);
      yield* progress(() => false);
      const { exitCode = null, beginning, serviceError } = run;
      return { exitCode, beginning: [...beginning], ...(serviceError !== undefined && { error: serviceError }) };
    },
    *reaches(lines) {
      watch(run, true);
      yield* progress(() => run.lines >= lines);
    },
    *continuesFor(ms) {
      watch(run, true);
      const { parsed } = run;
      yield* sleepUntil(now() + ms, isOver);
      yield* progress(() => run.parsed > parsed);
      stillRunning();
    },
    *staysSilentFor(ms) {
      const came = yield* outputAfterGrace(now() + graceMs, () => now() + ms);
      stillRunning();
      if (came !== undefined) throw mismatch(`expected no output for ${ms} ms, received ${came}`);
    },
    *endsWithin(ms) {
      const deadline = now() + ms;
      const came = yield* outputAfterGrace(Math.min(now() + graceMs, deadline), () => deadline);
      if (run.mismatch !== undefined) throw mismatch(run.mismatch);
      if (came !== undefined) throw mismatch(`expected no output after CANCEL, received ${came}`);
      if (!isOver() && run.canceled !== 'canceled') {
        const detail = `expected process.completed within ${ms} ms of CANCEL, received none`;
        throw new SessionEnd({ kind: 'timeout', phase: 'message', detail });
      }
      linger(run);
      run.outcome = { kind: 'ok' } satisfies Outcome;
    },
  };
};

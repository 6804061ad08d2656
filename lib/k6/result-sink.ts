import exec from 'k6/execution';
import type { Command } from '../commands/command.ts';
import { describeOutcome, isGeneratorLimit } from '../session/outcome.ts';
import { sessionRecord, stopRecord, type Hidden } from '../results/record.ts';
import { hide, hideInOutcome, hideInTrace } from '../results/redact.ts';
import type { RunIdentity } from '../results/run.ts';
import type { SessionResult } from '../session/session.ts';
import { plain } from '../text/visible.ts';
import { countGeneratorFailures, countSession, type SessionTags } from './metrics.ts';
import type { Plan } from './run-plan.ts';

/** Where a VU's results go: metrics, records and the console. */
export interface ResultSink {
  readonly run: RunIdentity;
  /** The VU's number in the test. */
  readonly vu: number;
  readonly hidden: Hidden;
  /** A session of a round; the console shows the VU's first failure of each kind. */
  session: (
    result: SessionResult,
    place: { test: string; round: number; session: number },
    tags: SessionTags,
    command: Command,
  ) => void;
  /** Prints a message on the console, unless records are printed there, and the trace below it. */
  print: (message: string, trace?: readonly string[]) => void;
  /** A text from outside, without secrets and fit for a console. */
  hide: (text: string) => string;
  /** Writes a record, where such are asked for. */
  record: (isFailure: boolean, text: () => string) => void;
  /** Writes down why the run ends before it has done what it was to do. */
  stop: (reason: string) => void;
}

/** Ends the run where the generator or a script failed, not the service. */
export const stopOnGeneratorFailure = (
  { outcome, bug }: SessionResult,
  { hidden: { secrets }, stop }: Pick<ResultSink, 'hidden' | 'stop'>,
): void => {
  if (isGeneratorLimit(outcome)) {
    countGeneratorFailures(1);
    const shown = plain(describeOutcome(hideInOutcome(outcome, secrets)));
    const reason = `INVALID: this machine has no more connections to give: ${shown}`;
    stop(reason);
    exec.test.fail(reason);
  }
  if (bug !== undefined) {
    exec.test.fail(`a script failed, not the service: ${plain(describeOutcome(hideInOutcome(outcome, secrets)))}`);
    throw bug;
  }
};

/** The result sink of a VU. */
export const createResultSink = ({ settings: { records }, hidden }: Plan, run: RunIdentity): ResultSink => {
  const printed: string[] = [];
  const sink: ResultSink = {
    run,
    vu: exec.vu.idInTest,
    hidden,
    hide: (text) => plain(hide(text, hidden.secrets)),
    print: (message, trace = []) => {
      if (records === 'off') console.warn([message, ...trace].map(plain).join('\n    '));
    },
    record: (isFailure, text) => {
      if (records === 'all' || (isFailure && records === 'failures')) console.log(text());
    },
    stop: (reason) => sink.record(true, () => stopRecord(run, reason)),
    session: (result, place, tags, command) => {
      countSession(result, tags);
      const { outcome } = result;
      if (records === 'all' || outcome.kind !== 'ok') {
        const startedAtMs = Date.now() - Math.round(result.durationMs);
        sink.record(outcome.kind !== 'ok', () =>
          sessionRecord(run, { ...place, vu: sink.vu, startedAtMs }, result, hidden, command),
        );
      }
      if (outcome.kind !== 'ok' && !printed.includes(outcome.kind)) {
        printed.push(outcome.kind);
        const { test, round, session } = place;
        const shown = describeOutcome(hideInOutcome(outcome, hidden.secrets));
        const what = `${test} round ${round} session ${session} (${command.name}): ${shown}`;
        sink.print(what, hideInTrace(result.trace, hidden.secrets));
      }
      stopOnGeneratorFailure(result, sink);
    },
  };
  return sink;
};

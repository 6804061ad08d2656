import exec from 'k6/execution';
import type { Command } from '../commands/command.ts';
import { describeOutcome, isGeneratorLimit } from '../session/outcome.ts';
import { sessionRecord, type SessionPlace } from '../results/record.ts';
import { hide, hiding, type Replacer } from '../results/redact.ts';
import type { RunIdentity } from '../results/run.ts';
import type { SessionResult } from '../session/session.ts';
import { countGeneratorFailures, countSession, type SessionTags } from './metrics.ts';
import type { Plan } from './run-plan.ts';

/** Where a VU's results go: metrics, records and the console. */
export interface ResultSink {
  readonly run: RunIdentity;
  /** The VU's number in the test. */
  readonly vu: number;
  /** Hides secrets in records. */
  readonly replacer: Replacer | undefined;
  /** A session of a round; the console shows the VU's first failure of each kind. */
  session: (result: SessionResult, place: SessionPlace, tags: SessionTags, command: Command) => void;
  /** Prints a message on the console, unless records are printed there. */
  print: (message: string) => void;
  /** Writes a record, where such are asked for. */
  record: (isFailure: boolean, text: () => string) => void;
}

/** A trace as lines below what it belongs to. */
export const traceText = (trace: readonly string[] | undefined): string =>
  trace === undefined ? '' : `\n    ${trace.join('\n    ')}`;

/** Ends the run where the generator or a script failed, not the service. */
export const stopOnGeneratorFailure = ({ outcome, bug }: SessionResult): void => {
  if (isGeneratorLimit(outcome)) {
    countGeneratorFailures(1);
    exec.test.fail(`INVALID: this machine has no more connections to give: ${describeOutcome(outcome)}`);
  }
  if (bug !== undefined) {
    exec.test.fail(`a script failed, not the service: ${describeOutcome(outcome)}`);
    throw bug;
  }
};

/** The result sink of a VU. */
export const createResultSink = ({ settings: { records }, secrets }: Plan, run: RunIdentity): ResultSink => {
  const printed: string[] = [];
  const sink: ResultSink = {
    run,
    vu: exec.vu.idInTest,
    replacer: hiding(secrets),
    print: (message) => {
      if (records === 'off') console.warn(hide(message, secrets));
    },
    record: (isFailure, text) => {
      if (records === 'all' || (isFailure && records === 'failures')) console.log(text());
    },
    session: (result, place, tags, command) => {
      countSession(result, tags);
      const { outcome } = result;
      sink.record(outcome.kind !== 'ok', () => sessionRecord(run, place, result, sink.replacer, command));
      if (outcome.kind !== 'ok' && !printed.includes(outcome.kind)) {
        printed.push(outcome.kind);
        const { test, round, session } = place;
        const what = `${test} round ${round} session ${session} (${command.name}): ${describeOutcome(outcome)}`;
        sink.print(what + traceText(result.trace));
      }
      stopOnGeneratorFailure(result);
    },
  };
  return sink;
};

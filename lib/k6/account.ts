import exec from 'k6/execution';
import { describeOutcome, isGeneratorLimit } from '../session/outcome.ts';
import { sessionRecord, type SessionPlace } from '../results/record.ts';
import { hide, hiding, type Replacer } from '../results/redact.ts';
import type { RunIdentity } from '../results/run.ts';
import type { SessionResult } from '../session/session.ts';
import { countGeneratorFailures, countSession, type SessionTags } from './metrics.ts';
import type { Plan } from './plan.ts';

/** The one door for results of a VU: metrics, records and what the console tells of failures. */
export interface Account {
  readonly run: RunIdentity;
  /** The VU's number in the test. */
  readonly vu: number;
  /** Hides secrets in records. */
  readonly replacer: Replacer | undefined;
  /** A session of a round; the VU's first failure of each kind is told. */
  session: (result: SessionResult, place: SessionPlace, tags: SessionTags, command: string) => void;
  /** Tells on the console, where no records do. */
  say: (text: string) => void;
  /** Writes a record, where such are asked for. */
  record: (isFailure: boolean, text: () => string) => void;
}

/** A trace as lines below what it belongs to. */
export const traceText = (trace: readonly string[] | undefined): string =>
  trace === undefined ? '' : `\n    ${trace.join('\n    ')}`;

/** Ends the run where the generator or a script failed, not the service. */
export const judgeGenerator = ({ outcome, bug }: SessionResult): void => {
  if (isGeneratorLimit(outcome)) {
    countGeneratorFailures(1);
    exec.test.fail(`INVALID: this machine has no more connections to give: ${describeOutcome(outcome)}`);
  }
  if (bug !== undefined) {
    exec.test.fail(`a script failed, not the service: ${describeOutcome(outcome)}`);
    throw bug;
  }
};

/** An account for a VU. */
export const createAccount = ({ settings: { records }, secrets }: Plan, run: RunIdentity): Account => {
  const told: string[] = [];
  const account: Account = {
    run,
    vu: exec.vu.idInTest,
    replacer: hiding(secrets),
    say: (text) => {
      if (records === 'off') console.warn(hide(text, secrets));
    },
    record: (isFailure, text) => {
      if (records === 'all' || (isFailure && records === 'failures')) console.log(text());
    },
    session: (result, place, tags, command) => {
      countSession(result, tags);
      const { outcome } = result;
      account.record(outcome.kind !== 'ok', () => sessionRecord(run, place, result, account.replacer));
      if (outcome.kind !== 'ok' && !told.includes(outcome.kind)) {
        told.push(outcome.kind);
        const { test, round, session } = place;
        const what = `${test} round ${round} session ${session} (${command}): ${describeOutcome(outcome)}`;
        account.say(what + traceText(result.trace));
      }
      judgeGenerator(result);
    },
  };
  return account;
};

import exec from 'k6/execution';
import type { Case, Finding } from '../cases/case.ts';
import type { Settings } from '../load/settings.ts';
import type { Excuse } from '../load/thresholds.ts';
import { describeOutcome, isGeneratorLimit } from '../results/outcome.ts';
import { findingRecord, sessionRecord, type SessionPlace } from '../results/record.ts';
import { hide, hiding, secretsIn, secretsInQuery } from '../results/redact.ts';
import type { RunIdentity } from '../results/run.ts';
import type { SessionResult } from '../session/session.ts';
import {
  countCaseSession,
  countFinding,
  countGeneratorFailures,
  countSession,
  excuseCase,
  type SessionTags,
} from './metrics.ts';

/** What a case is called, and where it is written what must happen. */
export type CaseName = Pick<Case, 'name' | 'section' | 'expected'>;

/** The one door for results of a VU: metrics, records and what the console tells of failures. */
export interface Account {
  /** A session of a round. */
  session: (result: SessionResult, place: SessionPlace, tags: SessionTags, command: string) => void;
  /** A session that a case opened. */
  caseSession: (result: SessionResult, place: SessionPlace & { case: string }) => void;
  finding: (test: string, asked: CaseName, finding: Finding, session?: SessionResult) => void;
  /** Cases that could not be asked, and why. */
  excuse: (test: string, asked: readonly CaseName[], as: Excuse, reason: string) => void;
  /** A case that was asked and has no answer: it stays without data. */
  inconclusive: (test: string, asked: CaseName, reason: string) => void;
}

const traceOf = ({ trace }: { trace?: string[] | undefined }): string => (trace ? `\n    ${trace.join('\n    ')}` : '');

/** Ends the run where the generator or a script failed, not the service. */
const judgeGenerator = ({ outcome, bug }: SessionResult): void => {
  if (isGeneratorLimit(outcome)) {
    countGeneratorFailures(1);
    exec.test.fail(`INVALID: this machine has no more connections to give: ${describeOutcome(outcome)}`);
  }
  if (bug !== undefined) {
    exec.test.fail(`a script failed, not the service: ${describeOutcome(outcome)}`);
    throw bug;
  }
};

/** An account for a VU; it tells the VU's first failure of each kind. */
export const createAccount = (settings: Settings, run: RunIdentity): Account => {
  const told = new Set<string>();
  const { url, helperToken = '' } = settings;
  const secrets = [...secretsIn({ ...settings.headers, helperToken }), ...secretsInQuery(url)];
  const replacer = hiding(secrets);
  const say = (text: string): void => {
    if (settings.records === 'off') console.warn(hide(text, secrets));
  };
  const record = (text: () => string, isFailure = true): void => {
    if (settings.records === 'all' || (isFailure && settings.records === 'failures')) console.log(text());
  };
  return {
    session: (result, place, tags, command) => {
      countSession(result, tags);
      const { outcome } = result;
      record(() => sessionRecord(run, place, result, replacer), outcome.kind !== 'ok');
      if (outcome.kind !== 'ok' && !told.has(outcome.kind)) {
        told.add(outcome.kind);
        const { test, round, session } = place;
        say(`${test} round ${round} session ${session} (${command}): ${describeOutcome(outcome)}${traceOf(result)}`);
      }
      judgeGenerator(result);
    },
    caseSession: (result, place) => {
      countCaseSession(result, place.test, place.case);
      record(() => sessionRecord(run, place, result, replacer), result.outcome.kind !== 'ok');
      judgeGenerator(result);
    },
    finding: (test, asked, finding, session) => {
      countFinding(test, asked.name, finding);
      const isExpected = finding.kind === 'conforming';
      const trace = isExpected ? undefined : session?.trace;
      record(() => findingRecord(run, test, asked, finding, { trace, replacer }));
      if (isExpected) return;
      say(
        `${test} ${asked.name}: ${finding.kind} (${asked.section}): expected ${asked.expected}; received ${finding.received}${traceOf({ trace })}`,
      );
    },
    excuse: (test, asked, as, reason) => {
      for (const each of asked) {
        excuseCase(test, each.name, as);
        record(() => findingRecord(run, test, each, { kind: as, received: reason }, { replacer }));
      }
      const names = asked.length > 3 ? `${asked.length} cases` : asked.map(({ name }) => name).join(', ');
      say(`${test} ${names}: ${as === 'not-run' ? 'NOT RUN' : 'NOT APPLICABLE'}: ${reason}`);
    },
    inconclusive: (test, asked, reason) => {
      record(() => findingRecord(run, test, asked, { kind: 'inconclusive', received: reason }, { replacer }));
      say(`${test} ${asked.name}: NO DATA: ${reason}`);
    },
  };
};

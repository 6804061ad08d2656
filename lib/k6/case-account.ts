import type { Case, Finding } from '../cases/case.ts';
import type { Excuse } from '../load/thresholds.ts';
import { findingRecord, sessionRecord, type SessionPlace } from '../results/record.ts';
import type { RunIdentity } from '../results/run.ts';
import type { SessionResult } from '../session/session.ts';
import { judgeGenerator, traceText, type Account } from './account.ts';
import { countCaseSession, countFinding, excuseCase } from './case-metrics.ts';

/** What a case is called, and where it is written what must happen. */
export type CaseName = Pick<Case, 'name' | 'section' | 'expected'>;

/** What the cases of a test came to goes through here, to the account of the VU that asks them. */
export interface CaseAccount {
  /** A session that a case opened. */
  session: (result: SessionResult, place: SessionPlace & { case: string }, isTry: boolean) => void;
  finding: (asked: CaseName, finding: Finding, session?: SessionResult) => void;
  /** Cases that could not be asked, and why. */
  excuse: (asked: readonly CaseName[], as: Excuse, reason: string) => void;
  /** A case that was asked and has no answer: it stays without data. */
  inconclusive: (asked: CaseName, reason: string) => void;
  /** Writes a record, where all are asked for. */
  record: (text: (run: RunIdentity) => string) => void;
}

/** The account of a test's cases. */
export const createCaseAccount = (test: string, { run, replacer, record, say }: Account): CaseAccount => ({
  session: (result, place, isTry) => {
    countCaseSession(result, place.test, place.case, isTry);
    record(result.outcome.kind !== 'ok' && !isTry, () => sessionRecord(run, place, result, replacer));
    judgeGenerator(result);
  },
  finding: (asked, finding, session) => {
    countFinding(test, asked.name, finding);
    const isExpected = finding.kind === 'conforming';
    const trace = isExpected ? undefined : session?.trace;
    record(true, () => findingRecord(run, test, asked, finding, { trace, replacer }));
    if (isExpected) return;
    const { name, section, expected } = asked;
    const what = `${test} ${name}: ${finding.kind} (${section}): expected ${expected}; received ${finding.received}`;
    say(what + traceText(trace));
  },
  excuse: (asked, as, reason) => {
    for (const each of asked) {
      excuseCase(test, each.name, as);
      record(true, () => findingRecord(run, test, each, { kind: as, received: reason }, { replacer }));
    }
    const names = asked.length > 3 ? `${asked.length} cases` : asked.map(({ name }) => name).join(', ');
    say(`${test} ${names}: ${as === 'not-run' ? 'NOT RUN' : 'NOT APPLICABLE'}: ${reason}`);
  },
  inconclusive: (asked, reason) => {
    record(true, () => findingRecord(run, test, asked, { kind: 'inconclusive', received: reason }, { replacer }));
    say(`${test} ${asked.name}: NO DATA: ${reason}`);
  },
  record: (text) => record(false, () => text(run)),
});

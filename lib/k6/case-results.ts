import type { Case, Finding, Judgement } from '../cases/case.ts';
import type { SkipReason } from '../load/thresholds.ts';
import { findingRecord, sessionRecord, type SessionPlace } from '../results/record.ts';
import { hideInTrace } from '../results/redact.ts';
import type { SessionResult } from '../session/session.ts';
import { countCaseSession, countFinding, countInconclusive, skipCase } from './case-metrics.ts';
import { stopOnGeneratorFailure, type ResultSink } from './result-sink.ts';

/** What a case is called, and where it is written what must happen. */
export type CaseName = Pick<Case, 'name' | 'section' | 'expected'>;

/** A session that a case opened. */
export const reportCaseSession = (
  sink: ResultSink,
  result: SessionResult,
  place: SessionPlace & { case: string },
  isTry: boolean,
): void => {
  countCaseSession(result, place.test, place.case, isTry);
  sink.record(result.outcome.kind !== 'ok' && !isTry, () => sessionRecord(sink.run, place, result, sink.hidden));
  stopOnGeneratorFailure(result, sink);
};

/** What a case of a scenario found, or that it could not tell. */
export const reportJudgement = (
  sink: ResultSink,
  scenario: string,
  asked: CaseName,
  judgement: Judgement,
  session?: SessionResult,
): void => {
  if (judgement.kind === undefined) reportInconclusive(sink, scenario, asked, judgement.received, session);
  else reportFinding(sink, scenario, asked, judgement, session);
};

const reportFinding = (
  { run, hidden, hide, record, print }: ResultSink,
  scenario: string,
  asked: CaseName,
  finding: Finding,
  session: SessionResult | undefined,
): void => {
  countFinding(scenario, asked.name, finding);
  const isExpected = finding.kind === 'conforming';
  const trace = isExpected ? undefined : session?.trace;
  record(true, () => findingRecord(run, scenario, asked, finding, { trace, hidden }));
  if (isExpected) return;
  const { name, section, expected } = asked;
  const what = `${scenario} ${name}: ${finding.kind} (${section}): expected ${expected}; received ${hide(finding.received)}`;
  print(what, hideInTrace(trace, hidden.secrets));
};

/** Cases that were not asked, and why. */
export const reportSkipped = (
  { run, hidden, hide, record, print }: ResultSink,
  scenario: string,
  skipped: readonly CaseName[],
  as: SkipReason,
  reason: string,
): void => {
  for (const each of skipped) {
    skipCase(scenario, each.name, as);
    record(true, () => findingRecord(run, scenario, each, { kind: as, received: reason }, { hidden }));
  }
  const names = skipped.length > 3 ? `${skipped.length} cases` : skipped.map(({ name }) => name).join(', ');
  print(`${scenario} ${names}: ${as === 'not-run' ? 'NOT RUN' : 'NOT APPLICABLE'}: ${hide(reason)}`);
};

/** A case that was asked without an answer: it has no data. */
const reportInconclusive = (
  { run, hidden, hide, record, print }: ResultSink,
  scenario: string,
  asked: CaseName,
  reason: string,
  session: SessionResult | undefined,
): void => {
  countInconclusive(scenario, asked.name);
  const finding = { kind: 'inconclusive', received: reason } as const;
  record(true, () => findingRecord(run, scenario, asked, finding, { trace: session?.trace, hidden }));
  print(`${scenario} ${asked.name}: NO DATA: ${hide(reason)}`, hideInTrace(session?.trace, hidden.secrets));
};

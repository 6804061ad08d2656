import { readRecords } from '../results/record-reader.ts';
import { isCutOff, isCutOffFinding, isTold } from '../../lib/results/failures.ts';
import type { FindingRecord, SessionRecord } from '../../lib/results/record-schema.ts';

/** How many failures of each kind are shown. */
const shownOfEach = 3;

/** What failed, as a run's records tell it; bounded, however many records there are. */
export interface Failures {
  /** Failed sessions of rounds: how many of each kind, and the first ones. */
  sessions: Map<string, { count: number; first: SessionRecord[] }>;
  /** Findings that are not as expected, and cases that were not asked. */
  findings: FindingRecord[];
  /** Lines that are no record: what k6 or a script said beside them. */
  other: string[];
}

/** The kind of a failure: what it is about goes with it where one kind has several causes. */
export const kindOf = ({ test, outcome }: SessionRecord): string => {
  const about = outcome.kind === 'rejected' ? outcome.reason : outcome.kind === 'timeout' ? outcome.phase : undefined;
  return `${test} ${outcome.kind}${about === undefined ? '' : ` (${about})`}`;
};

export const noFailures = (): Failures => ({ sessions: new Map(), findings: [], other: [] });

/** Reads the records of a run, as k6's console output has them; those that an interrupt cut off are no failures. */
export const readFailures = async (file: string, isInterrupted = false): Promise<Failures> => {
  const failures = noFailures();
  const say = (text: string): void => {
    if (failures.other.length < 100) failures.other.push(text);
  };
  for await (const read of readRecords(file)) {
    if ('other' in read) say(read.other);
    else if ('problem' in read) say(`${file}:${read.line}: ${read.problem}`);
    else if (read.record.type === 'finding') {
      const isCut = isInterrupted && isCutOffFinding(read.record);
      if (read.record.finding !== 'conforming' && !isCut) failures.findings.push(read.record);
    } else if (read.record.type === 'session') {
      const record = read.record;
      if (!isTold(record) || (isInterrupted && isCutOff(record))) continue;
      const kind = kindOf(record);
      const of = failures.sessions.get(kind) ?? { count: 0, first: [] };
      of.count++;
      if (of.first.length < shownOfEach) of.first.push(record);
      failures.sessions.set(kind, of);
    }
  }
  return failures;
};

const findingOrder = ['breaking', 'bypass', 'inconclusive', 'deviating', 'not-run', 'not-applicable'];

/** Findings, or counts of them, the worst first. */
export const worstFirst = <Each extends Pick<FindingRecord, 'finding'>>(findings: readonly Each[]): Each[] =>
  findings.toSorted((a, b) => findingOrder.indexOf(a.finding) - findingOrder.indexOf(b.finding));

/** Whether it only tells that a case was not asked, and why. */
export const isNotAsked = ({ finding }: Pick<FindingRecord, 'finding'>): boolean => finding.startsWith('not-');

/** Cases that were not asked for one reason are one line. */
export const withoutRepeats = (findings: readonly FindingRecord[]): FindingRecord[] => {
  const told = new Map<string, FindingRecord & { cases: string[] }>();
  for (const each of findings) {
    const key = isNotAsked(each)
      ? `${each.test} ${each.finding} ${each.received}`
      : `${each.test} ${each.case} ${told.size}`;
    const before = told.get(key);
    if (before) before.cases.push(each.case);
    else told.set(key, { ...each, cases: [each.case] });
  }
  return [...told.values()].map(({ cases, ...each }) =>
    Object.assign(each, { case: cases.length > 8 ? `${cases.length} cases` : cases.join(', ') }),
  );
};

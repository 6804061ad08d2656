import { visibleJson } from '../../lib/text/visible.ts';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import { parseSettings } from '../../lib/load/settings.ts';
import { describeOutcome } from '../../lib/session/outcome.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { innermostMessage, messageOf } from '../../lib/text/errors.ts';
import { askFrames } from '../conformance/frame-findings.ts';
import { outputProblems, writeOutput } from '../shared/output-file.ts';
import { scenarioNamed } from '../shared/scenarios.ts';
import { readRecords } from '../results/record-reader.ts';
import type { FindingRecord } from '../../lib/results/record-schema.ts';
import { shownPath, type RunFolder } from '../results/run-folder.ts';
import {
  compareFindings,
  expectedText,
  judgedByExpected,
  parseExpected,
  type ExpectedFindings,
  type RunFindings,
} from './expected-findings.ts';
import { comparisonText, otherService } from './expected-text.ts';

/** The list of expected findings that judges a run. */
export interface ExpectedList {
  file: string;
  /** The run writes the list, and keeps what people wrote into it. */
  isWritten: boolean;
  list: ExpectedFindings;
}

/** Reads the list that the options name; undefined without one. All that is wrong is returned at once. */
export const readExpectedList = (
  {
    expect,
    'write-expect': write,
  }: { readonly expect?: string | undefined; readonly 'write-expect'?: string | undefined },
  env: Readonly<Record<string, string | undefined>>,
  hasOwnOutput: boolean,
): { expected: ExpectedList | undefined; problems: string[] } => {
  const option = expect === undefined ? '--write-expect' : '--expect';
  const file = expect ?? write;
  if (file === undefined || file === '') return { expected: undefined, problems: [] };
  const isWritten = expect === undefined;
  const problems = [
    ...(expect !== undefined && write !== undefined
      ? ['expected --expect or --write-expect, received both: --write-expect FILE updates the list in FILE']
      : []),
    ...(env.STRESS_RECORDS && env.STRESS_RECORDS !== 'all'
      ? [`${option}: expected --records all, received ${env.STRESS_RECORDS}: it compares every finding`]
      : []),
    ...(hasOwnOutput ? [`${option}: expected no --console-output or --log-… for k6: it reads the run's records`] : []),
  ];
  const unwritable = !isWritten
    ? []
    : file === '-'
      ? [`${option}: expected a file, received -`]
      : outputProblems({ [option]: file });
  problems.push(...unwritable);
  const empty: ExpectedFindings = { version: 1, findings: [] };
  if (unwritable.length > 0 || (isWritten && !existsSync(file))) {
    return { expected: { file, isWritten, list: empty }, problems };
  }
  try {
    return { expected: { file, isWritten, list: parseExpected(readFileSync(file, 'utf8')) }, problems };
  } catch (error) {
    const lines = innermostMessage(error).split('\n');
    return { expected: undefined, problems: [...problems, ...lines.map((line) => `${option}: ${file}: ${line}`)] };
  }
};

/** Whether a run's findings can be compared: it was judged, and to its end. */
const isComparable = ({ verdict, cutShort }: RunRecord): boolean =>
  (verdict === 'PASS' || verdict === 'FAIL') && cutShort !== true;

/** Asks over Node what k6 can't send, and adds it to the findings of a run that asked for conformance. */
export const addFrameFindings = async (
  record: RunRecord,
  folder: RunFolder,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> => {
  if (!existsSync(folder.records)) return;
  const counts = record.findings.find(({ test }) => scenarioNamed(test)?.uses.includes('frames') === true);
  if (counts === undefined || !isComparable(record)) return;
  const { settings } = parseSettings(env);
  const findings = await askFrames(settings, env.SSL_CERT_FILE);
  const { run, marker } = record;
  const lines = findings.map(
    (each) =>
      `${visibleJson({ type: 'finding', version: 1, run, marker, test: counts.test, ...each } satisfies FindingRecord)}\n`,
  );
  await appendFile(folder.records, lines.join(''));
  for (const { finding: kind } of findings) {
    if (kind === 'conforming' || kind === 'deviating' || kind === 'bypass' || kind === 'breaking') counts[kind]++;
  }
};

/** Different failures of sessions that are looked at. */
const maxFailures = 1000;

const readFindings = async ({ records }: RunFolder): Promise<Pick<RunFindings, 'findings' | 'failures'>> => {
  const findings: FindingRecord[] = [];
  const failures = new Map<string, RunFindings['failures'][number]>();
  for await (const read of readRecords(records)) {
    if (!('record' in read)) continue;
    const { record } = read;
    if (record.type === 'finding') findings.push(record);
    if (record.type !== 'session' || record.round === undefined || record.outcome.kind === 'ok') continue;
    const outcome = describeOutcome(record.outcome);
    if (failures.size < maxFailures) failures.set(`${record.test} ${outcome}`, { test: record.test, outcome });
  }
  return { findings, failures: [...failures.values()] };
};

/**
 * A run record as the list judges it, and what to tell of it; the list is written where that was asked. A run that was not
 * judged to its end is left as it is.
 */
export const evaluateByList = async (
  record: RunRecord,
  folder: RunFolder,
  { file, isWritten, list }: ExpectedList,
): Promise<{ record: RunRecord; text: string; isLeft: boolean }> => {
  const shown = shownPath(path.resolve(file));
  if (!isComparable(record) || !existsSync(folder.records)) {
    return {
      record,
      text: `The findings were not compared with ${shown}, because the run is ${record.verdict}.\n`,
      isLeft: true,
    };
  }
  const scenarios = record.findings.map(({ test }) => test);
  const run = { ...(await readFindings(folder)), criteria: record.criteria, scenarios };
  if (!isWritten) {
    const judged = judgedByExpected(record, compareFindings(list, run));
    const { expected } = judged;
    return {
      record: judged,
      text: expected === undefined ? '' : comparisonText(shown, expected, otherService(list.service, record.service)),
      isLeft: true,
    };
  }
  const { name, version } = record.service;
  const updated: ExpectedFindings = {
    ...list,
    service: { ...(name !== undefined && { name }), ...(version !== undefined && { version }) },
    ...compareFindings(list, run).updated,
  };
  const judged = judgedByExpected(record, compareFindings(updated, run));
  try {
    await writeOutput(file, expectedText(updated));
  } catch (error) {
    return { record: judged, text: `${messageOf(error)}\n`, isLeft: false };
  }
  const count = updated.findings.length;
  const text = `${count} expected ${count === 1 ? 'finding' : 'findings'} written to ${shown}\n`;
  return { record: judged, text, isLeft: true };
};

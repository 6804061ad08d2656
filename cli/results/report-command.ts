import { existsSync } from 'node:fs';
import path from 'node:path';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { messageOf } from '../../lib/text/errors.ts';
import { outputProblems, writeOutput } from '../shared/output-file.ts';
import { printable } from '../shared/printable.ts';
import { declareCommand } from '../shared/command.ts';
import { resultsFolder } from '../shared/common-options.ts';
import { readRecords } from './record-reader.ts';
import { gatherReport, type ReportData } from './report-data.ts';
import { loadDraw } from './report-draw.ts';
import { problemsText, reportPage } from './report-page.ts';
import { openResults } from './results-folder.ts';
import { knownRunIds, readRun, shownPath, type RunFolder } from './run-folder.ts';

const gather = async (folder: RunFolder, record: RunRecord): Promise<ReportData> => {
  const hasRecords = existsSync(folder.records);
  const gathering = gatherReport(record, hasRecords);
  if (hasRecords) for await (const read of readRecords(folder.records)) gathering.addRead(read);
  return gathering.data();
};

const reportFile = (folder: RunFolder): string => path.join(folder.path, 'report.html');

const writeReportTo = async (folder: RunFolder, record: RunRecord, file: string): Promise<void> => {
  const data = await gather(folder, record);
  await writeOutput(file, reportPage(data, await loadDraw()));
  if (data.problems.count > 0)
    console.error(`${shownPath(folder.records)}: ${printable(problemsText(data.problems), 1000)}`);
  if (!data.hasRecords) console.error(`${shownPath(folder.records)} is not there: the report has no pictures`);
  if (file !== '-') console.error(`report: ${shownPath(file)}`);
};

/** Writes a run's report into its folder and prints where; a failure is printed and changes nothing else of the run. */
export const writeReport = async (folder: RunFolder, record: RunRecord): Promise<void> => {
  try {
    await writeReportTo(folder, record, reportFile(folder));
  } catch (error) {
    console.error(`no report: ${printable(messageOf(error), 500)}; ws-stress report ${folder.id} tries again`);
  }
};

export const reportCommand = declareCommand({
  description: `Writes the report of a run, one HTML file that needs neither network nor scripts: the verdict, criteria, rounds, charts of the sessions, and what failed. The run is given by its id or its folder; the default is the latest.

Exit code: 0; 1 there is no such run, or a file can't be read or written; 2 wrong options.`,
  arguments: [{ name: 'run', isPath: true, choices: knownRunIds }],
  options: {
    out: { takes: 'file', description: "The file to write, - for stdout. Default: report.html in the run's folder." },
    folder: resultsFolder,
  },
  notDone: 'No report was written',
  examples: ['ws-stress report --out report.html'],
  act: async ({ values, positionals: [named], problems: typed, refuse }) => {
    const problems = [...typed, ...outputProblems({ '--out': values.out })];
    if (problems.length > 0) return refuse(problems);
    const { folder, record } = await readRun(await openResults(values.folder), named);
    await writeReportTo(folder, record, values.out ?? reportFile(folder));
    return 0;
  },
});

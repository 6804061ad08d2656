import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { RunRecord, SamplesRecord } from '../../lib/results/record-schema.ts';
import type { Result } from '../../lib/results/result-schema.ts';
import { codeOf, messageOf } from '../../lib/text/errors.ts';
import { parseSamples } from '../results/parse-record.ts';
import { readRecords } from '../results/record-reader.ts';
import { readResult } from '../results/result.ts';
import { knownRunIds, readRun, shownPath, type RunFolder } from '../results/run-folder.ts';
import { declareCommand } from '../shared/command.ts';
import { resultsFolder } from '../shared/common-options.ts';
import { openResults } from '../results/results-folder.ts';
import { outputProblems, writeOutput } from '../shared/output-file.ts';
import { packageRoot } from '../shared/package-root.ts';
import { printable } from '../shared/printable.ts';
import { gatherReport, type ReportData } from './gather.ts';
import { problemsText, reportPage, type PageAssets } from './page.ts';

/** Reads the script and style sheet that the build made for pages. */
export const readPageAssets = async (): Promise<PageAssets> => {
  const [script, style] = await Promise.all(
    ['page.js', 'page.css'].map((name) => readFile(path.join(packageRoot, 'dist/report', name), 'utf8')),
  );
  return { script: script ?? '', style: style ?? '' };
};

const gather = async (folder: RunFolder, record: RunRecord): Promise<ReportData> => {
  const hasRecords = existsSync(folder.records);
  const gathering = gatherReport(record, hasRecords);
  if (hasRecords) for await (const read of readRecords(folder.records)) gathering.addRead(read);
  return gathering.data();
};

const readSamples = async (folder: RunFolder): Promise<SamplesRecord | undefined> => {
  try {
    return parseSamples(await readFile(folder.samples, 'utf8'));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') console.error(`${shownPath(folder.samples)}: ${printable(messageOf(error), 500)}`);
    return undefined;
  }
};

/** Where a run's report is. */
export const reportFile = (folder: RunFolder): string => path.join(folder.path, 'report.html');

const writeReportTo = async (folder: RunFolder, record: RunRecord, result: Result, file: string): Promise<void> => {
  const data = await gather(folder, record);
  const page = reportPage({ data, result, samples: await readSamples(folder) }, await readPageAssets());
  await writeOutput(file, page);
  if (data.problems.count > 0)
    console.error(`${shownPath(folder.records)}: ${printable(problemsText(data.problems), 1000)}`);
  if (!data.hasRecords) console.error(`${shownPath(folder.records)} is missing: the report has no charts of sessions`);
  if (file !== '-') console.error(`report: ${shownPath(file)}`);
};

/** Writes a run's report into its folder and prints where; a failure is printed and changes nothing else of the run. */
export const writeReport = async (folder: RunFolder, record: RunRecord, result: Result): Promise<void> => {
  try {
    await writeReportTo(folder, record, result, reportFile(folder));
  } catch (error) {
    console.error(`no report: ${printable(messageOf(error), 500)}; ws-stress report ${folder.id} tries again`);
  }
};

export const reportCommand = declareCommand({
  description: `Writes the report of a run, one HTML file that needs no network: what failed and why, charts over time, response times, and what was checked. The run is given by its id or its folder; the default is the latest.

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
    await writeReportTo(folder, record, await readResult(folder, record), values.out ?? reportFile(folder));
    return 0;
  },
});

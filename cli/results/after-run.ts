import type { Result } from '../../lib/results/result-schema.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { printable } from '../shared/printable.ts';
import { writeForMachines } from './exports.ts';
import { rememberRun } from './history-file.ts';
import { keepFailures } from './keep-failures.ts';
import { writeReport } from '../report/report-command.ts';
import { readResult, writeResult } from './result.ts';
import { shownPath, type RunFolder } from './run-folder.ts';

/** Writes a result of a finished run; a failure is printed, changes no verdict, and returns undefined. */
export const orReport = async <Left>(failure: string, leave: () => Promise<Left>): Promise<Left | undefined> => {
  try {
    return await leave();
  } catch (error) {
    console.error(`${failure}: ${printable(innermostMessage(error), 500)}`);
    return undefined;
  }
};

/**
 * Writes a run's result, history, files for machines, recovery cases and report from its records; returns the result. `show`
 * gets it before anything else is printed.
 */
export const writeResults = async (
  folder: RunFolder,
  record: RunRecord,
  show: (result: Result | undefined) => Promise<unknown>,
): Promise<Result | undefined> => {
  const result = await orReport('the result could not be put into words', () => readResult(folder, record));
  await show(result);
  if (result) await orReport('result.json is missing', () => writeResult(folder, result));
  await rememberRun(folder, record);
  await orReport('junit.xml and summary.md could not be written', () => writeForMachines(folder, record, result));
  await orReport('recovery: nothing was kept or counted', async () => {
    const kept = await keepFailures(folder, record);
    if (kept !== undefined) console.error(kept);
  });
  console.error(`results: ${shownPath(folder.path)}`);
  if (result) await writeReport(folder, record, result);
  return result;
};

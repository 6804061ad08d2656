import type { RunRecord } from '../../lib/results/record-schema.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { printable } from '../shared/printable.ts';
import { writeForMachines } from './exports.ts';
import { rememberRun } from './history-file.ts';
import { keepFailures } from './keep-failures.ts';
import { writeReport } from './report-command.ts';
import { shownPath, type RunFolder } from './run-folder.ts';

/** The run is over, and its verdict is told whatever becomes of what it leaves: undefined where that failed. */
export const orReport = async <Left>(failure: string, leave: () => Promise<Left>): Promise<Left | undefined> => {
  try {
    return await leave();
  } catch (error) {
    console.error(`${failure}: ${printable(innermostMessage(error), 500)}`);
    return undefined;
  }
};

/** What a run leaves for its readers, made of its records. */
export const writeResults = async (folder: RunFolder, record: RunRecord): Promise<void> => {
  await rememberRun(folder, record);
  await orReport('junit.xml and summary.md could not be written', () => writeForMachines(folder, record));
  await orReport('recovery: nothing was kept or counted', async () => {
    const kept = await keepFailures(folder, record);
    if (kept !== undefined) console.error(kept);
  });
  console.error(`results: ${shownPath(folder.path)}`);
  await writeReport(folder, record);
};

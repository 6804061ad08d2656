import type { RunRecord } from '../../lib/results/record-schema.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { printable } from '../shared/printable.ts';
import { leaveForMachines } from './exports.ts';
import { rememberRun } from './history-file.ts';
import { keepFailures } from './keep-failures.ts';
import { leaveReport } from './report-command.ts';
import { shownPath, type RunFolder } from './run-folder.ts';

/** The run is over, and its verdict is told whatever becomes of what it leaves. */
const orSay = async (failure: string, leave: () => Promise<void>): Promise<void> => {
  try {
    await leave();
  } catch (error) {
    console.error(`${failure}: ${printable(innermostMessage(error), 500)}`);
  }
};

/** What a run leaves for its readers, made of its records. */
export const leaveResults = async (folder: RunFolder, record: RunRecord): Promise<void> => {
  await rememberRun(folder, record);
  await orSay('junit.xml and summary.md could not be written', () => leaveForMachines(folder, record));
  await orSay('recovery: nothing was kept or counted', async () => {
    const kept = await keepFailures(folder, record);
    if (kept !== undefined) console.error(kept);
  });
  console.error(`results: ${shownPath(folder.path)}`);
  await leaveReport(folder, record);
};

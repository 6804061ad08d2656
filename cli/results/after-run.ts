import path from 'node:path';
import type { RunRecord } from '../../lib/results/run-record.ts';
import { leaveForMachines } from './exports.ts';
import { rememberRun } from './history-file.ts';
import { keepFailures } from './keep-failures.ts';
import { leaveReport } from './report-command.ts';
import type { RunFolder } from './run-folder.ts';

/** What a run leaves for its readers, made of its records. */
export const leaveResults = async (folder: RunFolder, record: RunRecord): Promise<void> => {
  await rememberRun(folder, record);
  await leaveForMachines(folder, record);
  const kept = await keepFailures(folder, record);
  if (kept !== undefined) console.error(kept);
  console.error(`results: ${path.relative(process.cwd(), folder.path) || '.'}`);
  await leaveReport(folder, record);
};

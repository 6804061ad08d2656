import path from 'node:path';
import type { RunRecord } from '../../lib/results/run-record.ts';
import type { RunFolder } from './run-folder.ts';

/** What a run leaves for its readers, made of its records. */
// oxlint-disable-next-line typescript/require-await -- what is to come writes files
export const leaveResults = async (folder: RunFolder, _record: RunRecord): Promise<void> => {
  console.error(`results: ${path.relative(process.cwd(), folder.path) || '.'}`);
};

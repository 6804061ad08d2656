import { existsSync } from 'node:fs';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { readRecords } from '../results/record-reader.ts';
import type { RunFolder } from '../results/run-folder.ts';
import type { Interruption } from './interruption.ts';

/** Why a run did nothing or ended early, as its records say, or because it was interrupted; undefined where it ran to its end. */
export const stopReason = async (
  { records }: RunFolder,
  { verdict, cutShort }: RunRecord,
  { first }: Interruption,
): Promise<string | undefined> => {
  if (first.aborted) return `The run was interrupted by ${String(first.reason)}.`;
  if ((verdict === 'PASS' || verdict === 'FAIL') && cutShort !== true) return undefined;
  if (!existsSync(records)) return undefined;
  for await (const read of readRecords(records)) {
    if ('record' in read && read.record.type === 'stop') return read.record.reason;
  }
  return undefined;
};

import { visibleJson } from '../../lib/text/visible.ts';
import { existsSync, statSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { linesOf } from './record-reader.ts';
import { RecordProblem, parseRunRecord } from './parse-record.ts';
import { resultsLayout } from './results-layout.ts';
import type { RunFolder } from './run-folder.ts';

/** The history of a folder of results: run records, one a line. */
export const historyFile = (base: string): string => resultsLayout(base).historyRuns;

const newline = 10;

/**
 * Appends a run record to the history; throws where it can't. One write that the system appends as a whole: runs that end at
 * once do not mix. A line that an earlier write left without its end is ended first.
 */
export const appendRun = async (base: string, record: RunRecord): Promise<void> => {
  await mkdir(resultsLayout(base).history, { recursive: true });
  const file = await open(historyFile(base), 'a+');
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(1, newline);
    if (size > 0) await file.read(last, 0, 1, size - 1);
    const line = Buffer.from(`${last[0] === newline ? '' : '\n'}${visibleJson(record)}\n`);
    const { bytesWritten } = await file.write(line);
    if (bytesWritten < line.length) throw new Error(`only ${bytesWritten} of ${line.length} bytes could be written`);
  } finally {
    await file.close();
  }
};

/** Appends a run to the history at its end; a run whose history can't be written keeps its verdict, and it is said. */
export const rememberRun = async ({ base }: RunFolder, record: RunRecord): Promise<void> => {
  try {
    await appendRun(base, record);
  } catch (error) {
    console.error(
      `history: expected to append the run to ${historyFile(base)}: ${innermostMessage(error)}; ws-stress history lacks this run`,
    );
  }
};

/** A line of the history: a run that was not there before, or what is wrong with the line, told with its number. */
export type Remembered = { record: RunRecord } | { problem: string };

/**
 * The runs of a history one by one, in the order in which they ended, each id once. What it holds in memory are the ids.
 * A history that is not there has no run; one that can't be read throws.
 */
export const readHistory = async function* (base: string): AsyncGenerator<Remembered> {
  const { historyRuns: file, history } = resultsLayout(base);
  // Where the folder is a file, reading says so.
  if (!existsSync(file) && !(existsSync(history) && !statSync(history).isDirectory())) return;
  const ids = new Set<string>();
  let number = 0;
  for await (const line of linesOf(file)) {
    number++;
    const where = `${file}:${number}`;
    if ('tooLong' in line) {
      yield { problem: `${where}: longer than any run record; skipped` };
      continue;
    }
    if (line.text.trim() === '') continue;
    try {
      const record = parseRunRecord(line.text);
      if (ids.has(record.run)) continue;
      ids.add(record.run);
      yield { record };
    } catch (error) {
      if (!(error instanceof RecordProblem)) throw error;
      yield { problem: `${where}: ${error.message}${line.isWhole ? '' : ' (the last line was torn)'}; skipped` };
    }
  }
};

/** The runs of a history for which `isWanted` holds, in the order in which they ended, the last ones where there are many. */
export const runsInHistory = async (
  base: string,
  isWanted: (record: RunRecord) => boolean,
  most = 100,
): Promise<RunRecord[]> => {
  const found: RunRecord[] = [];
  for await (const read of readHistory(base)) {
    if (!('record' in read) || !isWanted(read.record)) continue;
    found.push(read.record);
    if (found.length > most) found.shift();
  }
  return found;
};

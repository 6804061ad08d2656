import { visibleJson } from '../../lib/text/visible.ts';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { innermostMessage } from '../../lib/text/errors.ts';
import { withLock } from '../shared/lock.mjs';
import { parseCase, replayOf, type RecoveryCase } from './recovery-cases.ts';
import { resultsLayout } from './results-layout.ts';
import { writeOutput } from '../shared/output-file.ts';

/** The index of these cases, as a run replays it. */
export const indexText = (cases: readonly RecoveryCase[]): string =>
  `${visibleJson({ version: 1, cases: cases.map(replayOf) }, 2)}\n`;

/** The cases of a folder of results by name, and what is wrong with files that are none. */
export interface StoredCases {
  cases: RecoveryCase[];
  problems: { name: string; problem: string }[];
}

/** Reads the cases of a folder of results. */
export const readCases = async (base: string): Promise<StoredCases> => {
  const stored: StoredCases = { cases: [], problems: [] };
  const { recovery: folder } = resultsLayout(base);
  if (!existsSync(folder)) return stored;
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json') && file !== 'index.json').toSorted();
  for (const file of files) {
    const name = file.slice(0, -'.json'.length);
    try {
      stored.cases.push(parseCase(await readFile(path.join(folder, file), 'utf8'), name));
    } catch (error) {
      stored.problems.push({ name, problem: `${path.join(folder, file)}: ${innermostMessage(error)}` });
    }
  }
  return stored;
};

/** Writes the index anew from the cases that are there, for a run to replay; throws where it can't. Returns its file. */
export const renewIndex = async (base: string): Promise<string> => {
  await changeCases(base, () => ({ written: [], removed: [] }));
  return resultsLayout(base).recoveryIndex;
};

/** Reads the cases, lets `change` say what becomes of them, and writes that and the index; one process at a time. */
export const changeCases = async <Changes extends { written: readonly RecoveryCase[]; removed: readonly string[] }>(
  base: string,
  change: (stored: StoredCases) => Changes,
): Promise<{ changes: Changes; stored: StoredCases }> => {
  const { recovery: folder } = resultsLayout(base);
  await mkdir(folder, { recursive: true });
  return withLock(path.join(folder, '.lock'), async () => {
    const stored = await readCases(base);
    const changes = change(stored);
    const after = new Map(stored.cases.map((each) => [each.name, each]));
    for (const name of changes.removed) {
      after.delete(name);
      await rm(path.join(folder, `${name}.json`), { force: true });
    }
    for (const each of changes.written) {
      after.set(each.name, each);
      await writeOutput(path.join(folder, `${each.name}.json`), `${visibleJson(each, 2)}\n`);
    }
    await writeOutput(
      resultsLayout(base).recoveryIndex,
      indexText(
        [...after.values()].filter(({ state }) => state === 'active').toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      ),
    );
    return { changes, stored };
  });
};

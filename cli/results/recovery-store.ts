import { visibleJson } from '../../lib/text/visible.ts';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { innermostMessage } from '../../lib/text/errors.ts';
import { withLock } from '../shared/lock.mjs';
import { belongsTo, parseCase, replayOf, type RecoveryCase } from './recovery-cases.ts';
import { resultsLayout } from './results-layout.ts';
import type { RunFolder } from './run-folder.ts';
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

/** What a run replays. */
export interface Replay {
  /** The index of its cases. */
  index: string;
  /** Addresses of active cases that it leaves out, and how many they are. */
  left: { cases: number; addresses: string[] };
}

/**
 * Writes the index anew, and returns the one that a run against a service at this address replays, or with undefined that of all
 * active cases; throws where it can't. Where cases are left out, the run's own index is in the run's folder.
 */
export const indexForRun = async (folder: RunFolder, address: string | undefined): Promise<Replay> => {
  const { stored } = await changeCases(folder.base, () => ({ written: [], removed: [] }));
  const active = stored.cases.filter(({ state }) => state === 'active');
  const own = active.filter((each) => address === undefined || belongsTo(each, address));
  const others = active.filter((each) => !own.includes(each));
  const left = { cases: others.length, addresses: [...new Set(others.flatMap((each) => each.address ?? []))] };
  if (others.length === 0) return { index: resultsLayout(folder.base).recoveryIndex, left };
  const index = path.join(folder.path, 'recovery-index.json');
  await writeOutput(index, indexText(own));
  return { index, left };
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

import { lstatSync, readFileSync, readdirSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { link, readdir, rename, rmdir, symlink, unlink } from 'node:fs/promises';
import path from 'node:path';
import { isObject } from '../../lib/jsonrpc/messages.ts';
import { isCaseName } from '../../lib/commands/recovery-index.ts';
import { isRunId } from '../../lib/load/settings.ts';
import { codeOf, innermostMessage } from '../../lib/text/errors.ts';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';
import { makeFolder } from '../shared/output-file.ts';
import { withLock } from '../shared/lock.mjs';
import { linesOf } from './record-reader.ts';
import { counted } from '../../lib/text/quantities.ts';
import { resultsLayout } from './results-layout.ts';

const statOf = (file: string, read = lstatSync): Stats | undefined => {
  try {
    return read(file);
  } catch {
    return undefined;
  }
};

const isFile = (file: string): boolean => statOf(file, statSync)?.isFile() === true;

const objectIn = (file: string): Record<string, unknown> => {
  try {
    const value: unknown = isFile(file) ? JSON.parse(withoutMark(readFileSync(file, 'utf8'))) : undefined;
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
};

const beginsWithRun = async (file: string): Promise<boolean> => {
  if (!isFile(file)) return false;
  for await (const line of linesOf(file)) {
    if ('tooLong' in line || line.text.trim() === '') continue;
    return /^\uFEFF?\{.*"type": ?"run"/.test(line.text);
  }
  return false;
};

type IsOurs = (file: string, name: string) => boolean | Promise<boolean>;

/** Which entries of the folders of an earlier release a run or `ws-stress` left there: everything else stays. */
const ours: Readonly<Record<'runs' | 'history' | 'recovery', IsOurs>> = {
  // A run that goes on has no run record yet.
  runs: (file, name) => isRunId(name) && objectIn(path.join(file, 'run.json')).type === 'run',
  history: (file, name) => {
    if (name === 'runs.jsonl') return beginsWithRun(file);
    if (name === 'baseline.json') return objectIn(file).type === 'baseline';
    return /^trend-[\w-]+\.svg$/.test(name) && isFile(file) && readFileSync(file, 'utf8').startsWith('<svg ');
  },
  recovery: (file, name) => {
    const { name: own, version, counts, command, cases } = objectIn(file);
    if (name === 'index.json') return version === 1 && Array.isArray(cases);
    return (
      isCaseName(path.basename(name, '.json')) &&
      `${String(own)}.json` === name &&
      isObject(counts) &&
      isObject(command)
    );
  },
};

const isOurDocument = (file: string): boolean =>
  isFile(file) && readFileSync(file, 'utf8').includes('Written by `ws-stress history --write`');

/** What moved, in words, and what stays, with the reason. */
interface Moving {
  moved: string[];
  stays: string[];
}

/** Where a link leads from its new place. A link to something beside it stays as it is, for both move. */
const newTarget = (from: string, to: string): string => {
  const target = readlinkSync(from);
  if (path.isAbsolute(target)) return target;
  const [folder, whole] = [path.dirname(path.resolve(from)), path.resolve(path.dirname(from), target)];
  return whole.startsWith(folder + path.sep) ? target : path.relative(path.dirname(path.resolve(to)), whole);
};

const isThere = (file: string): boolean => statOf(file) !== undefined;

/** Moves an entry to a place where nothing is; throws where something is, or it can't be moved. */
const move = async (from: string, to: string): Promise<void> => {
  const entry = lstatSync(from);
  if (isThere(to)) throw new Error(`${to} exists already`);
  if (entry.isSymbolicLink()) {
    await symlink(newTarget(from, to), to);
    return unlink(from);
  }
  if (entry.isDirectory()) return rename(from, to);
  // Unlike a rename, a link never replaces what another process has just put there.
  try {
    await link(from, to);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'].includes(codeOf(error) ?? '')) throw error;
    return rename(from, to);
  }
  return unlink(from);
};

/** Moves an entry, and keeps why it could not be moved; another process may have moved it before. */
const tryMove = async (from: string, to: string, moving: Moving): Promise<boolean> => {
  try {
    await move(from, to);
    return true;
  } catch (error) {
    if (isThere(from)) moving.stays.push(`${path.relative('.', from)}: ${innermostMessage(error)}`);
    return false;
  }
};

const things = { runs: 'run', history: 'file', recovery: 'case' } as const;

const inWords = (count: number, one: string, several: string): string => `${count} ${count === 1 ? one : several}`;

const moveEntries = async (
  kind: keyof typeof ours,
  names: readonly string[],
  from: string,
  to: string,
  moving: Moving,
): Promise<void> => {
  let moved = 0;
  for (const name of names) {
    const isMoved = await tryMove(path.join(from, name), path.join(to, name), moving);
    if (isMoved && name !== 'index.json') moved++;
  }
  if (moved > 0) moving.moved.push(`${kind}/ (${counted(moved, things[kind])})`);
  const left = (await readdir(from)).filter((name) => !names.includes(name) && name !== '.lock');
  if (left.length > 0 && moved > 0)
    moving.stays.push(`${kind}/: ${inWords(left.length, 'entry', 'entries')} that ws-stress does not know`);
};

const isFolder = (file: string, read = lstatSync): boolean => statOf(file, read)?.isDirectory() === true;

const moveFolder = async (kind: keyof typeof ours, from: string, to: string, moving: Moving): Promise<void> => {
  if (!isFolder(from, statSync)) return;
  const names: string[] = [];
  for (const name of readdirSync(from).toSorted()) if (await ours[kind](path.join(from, name), name)) names.push(name);
  if (names.length === 0) return;
  if (!isFolder(from)) {
    await makeFolder(path.dirname(to));
    if (await tryMove(from, to, moving)) moving.moved.push(`the link ${kind}`);
    return;
  }
  await makeFolder(to);
  const lock = path.join(from, '.lock');
  const work = (): Promise<void> => moveEntries(kind, names, from, to, moving);
  // Another process may be writing recovery cases.
  try {
    await (isFolder(lock) ? withLock(lock, work) : work());
  } catch (error) {
    moving.stays.push(`${kind}/: ${innermostMessage(error)}`);
  }
  for (const folder of [lock, from]) await rmdir(folder).catch(() => {});
};

/**
 * Moves what an earlier release left in a folder, in runs/, history/, recovery/ and HISTORY.md, into a folder of results, and
 * returns in words what it did; undefined where there was nothing to move. It replaces nothing, and what it does not know for
 * a result of ws-stress stays where it is. Throws where nothing at all can be moved.
 */
export const moveResults = async (from: string, to: string): Promise<string | undefined> => {
  const [old, next] = [resultsLayout(from), resultsLayout(to)];
  const moving: Moving = { moved: [], stays: [] };
  await moveFolder('runs', old.runs, next.runs, moving);
  await moveFolder('history', old.history, next.history, moving);
  await moveFolder('recovery', old.recovery, next.recovery, moving);
  if (isOurDocument(old.historyDocument)) {
    await makeFolder(to);
    if (await tryMove(old.historyDocument, next.historyDocument, moving)) moving.moved.push('HISTORY.md');
  }
  const shown = `${path.relative(from, to)}/`;
  const sentences = [
    moving.moved.length > 0 &&
      `Results are now kept in one folder: moved ${moving.moved.join(', ')} into ${shown}. Change paths that name the old folders, as in .gitignore or a CI job.`,
    moving.stays.length > 0 && `Not moved into ${shown}: ${moving.stays.join('; ')}.`,
  ].filter((each) => each !== false);
  return sentences.length === 0 ? undefined : sentences.join('\n');
};

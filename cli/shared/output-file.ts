import { randomBytes } from 'node:crypto';
import { accessSync, constants, fstatSync, statSync, type Stats } from 'node:fs';
import { chmod, lstat, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { codeOf, innermostMessage } from '../../lib/text/errors.ts';

/** What the user can do about an error of the system, by its code. */
const remedies: Readonly<Record<string, string>> = {
  EACCES: 'name a file that you may write',
  EPERM: 'name a file that you may write',
  EROFS: 'name a file on a disk that can be written to',
  ENOSPC: 'free some space, or name a file on another disk',
  EDQUOT: 'free some space, or name a file on another disk',
  EISDIR: 'name a file in this folder',
  ENOTDIR: 'name a file in a folder',
  ENOENT: 'name a file in a folder that exists or can be made',
  EPIPE: 'its reader ended before all was written',
};

/** Makes a folder and those above it. Not `recursive`: below /proc that never ends (Node 20). */
export const makeFolder = async (folder: string, mayMakeOthers = true): Promise<void> => {
  try {
    await mkdir(folder);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return;
    if (code !== 'ENOENT' || !mayMakeOthers || path.dirname(folder) === folder) throw error;
    await makeFolder(path.dirname(folder));
    await makeFolder(folder, false);
  }
};

const orUndefined = async <Found>(found: Promise<Found>): Promise<Found | undefined> => {
  try {
    return await found;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
};

/** The standard stream that a file is, as /dev/stdout is: opened by its name again, it would lose what was written before. */
const streamOf = (file: Stats): NodeJS.WriteStream | undefined =>
  [process.stdout, process.stderr].find(({ fd }) => {
    try {
      const { dev, ino } = fstatSync(fd);
      return dev === file.dev && ino === file.ino;
    } catch {
      return false;
    }
  });

const writeToStream = (stream: NodeJS.WriteStream, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });

/** Writes beside the file and moves the result over it: a reader finds the old file or the new one, whole. */
const replace = async (file: string, text: string, mode: number | undefined): Promise<void> => {
  const temporary = `${file}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    if (mode !== undefined) await chmod(temporary, mode);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
};

/** Codes of an error that tells that a folder takes no new file; a file in it may still be written. */
const takesNoFile = new Set(['EACCES', 'EPERM', 'EROFS']);

const write = async (file: string, text: string): Promise<void> => {
  const entry = await orUndefined(lstat(file));
  if (entry === undefined) {
    await makeFolder(path.dirname(path.resolve(file)));
    return replace(file, text, undefined);
  }
  const written = await orUndefined(stat(file));
  const stream = written && streamOf(written);
  if (stream !== undefined) return writeToStream(stream, text);
  // A device, a pipe and a link stay what they are; of a file with several names, all keep their content in common.
  if (!entry.isFile() || entry.nlink > 1) return writeFile(file, text);
  try {
    await replace(file, text, entry.mode & 0o7777);
  } catch (error) {
    if (!takesNoFile.has(codeOf(error) ?? '')) throw error;
    await writeFile(file, text);
  }
};

/**
 * Writes a file that the user or this product named, and makes the folders above it; `-` is standard output. A regular file is
 * replaced as a whole and keeps its mode; a device, a pipe or what a link names is written to. Throws an error that names the
 * file, the reason and a remedy, and leaves nothing half made beside it.
 */
export const writeOutput = async (file: string, text: string): Promise<void> => {
  if (file === '-') return writeToStream(process.stdout, text);
  try {
    await write(file, text);
  } catch (error) {
    throw new Error(`${file} could not be written: ${reasonOf(error)}`, { cause: error });
  }
};

const reasonOf = (error: unknown): string => {
  const remedy = remedies[codeOf(error) ?? ''];
  return `${innermostMessage(error)}${remedy === undefined ? '' : `; ${remedy}`}`;
};

/** Why a file can't be written, as far as that can be known beforehand; undefined where it can. */
const outputProblem = (file: string): string | undefined => {
  try {
    if (statSync(file).isDirectory()) return `${file} is a folder; name a file in it`;
    accessSync(file, constants.W_OK);
    return undefined;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') return reasonOf(error);
  }
  return folderProblem(path.dirname(path.resolve(file)));
};

/** A folder that does not exist yet can be made in the one above it. */
const folderProblem = (folder: string): string | undefined => {
  try {
    accessSync(folder, constants.W_OK);
    return undefined;
  } catch (error) {
    const above = path.dirname(folder);
    return codeOf(error) === 'ENOENT' && above !== folder ? folderProblem(above) : reasonOf(error);
  }
};

/** What is wrong with the files that options name, by the option; `-` and an option without a value are no concern of it. */
export const outputProblems = (files: Readonly<Record<string, string | undefined>>): string[] =>
  Object.entries(files).flatMap(([option, file]) => {
    const problem = file === undefined || file === '' || file === '-' ? undefined : outputProblem(file);
    return problem === undefined ? [] : [`${option}: expected a file that can be written: ${problem}`];
  });

import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  readlinkSync,
  realpathSync,
  statSync,
  type Stats,
} from 'node:fs';
import { chmod, lstat, mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
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
  ENXIO: 'nothing reads this named pipe: start its reader before',
  EAGAIN: 'the reader of this named pipe has stopped reading',
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
  // Not made of the file's name, which may be as long as a name can be.
  const temporary = path.join(path.dirname(file), `.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    if (mode !== undefined) await chmod(temporary, mode);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
};

/** Codes of an error that tells that a folder takes no new file, or that a file is a mount; it may still be written. */
const takesNoFile = new Set(['EACCES', 'EPERM', 'EROFS', 'EBUSY']);

/** What stays as it is for this long has no reader that reads. */
const patienceMs = 5000;

/** Writes without blocking, for an open that waits for a reader could not be interrupted. */
const writeToPipe = async (file: string, text: string): Promise<void> => {
  const bytes = Buffer.from(text);
  let givesUpAtMs = performance.now() + patienceMs;
  const patiently = async <Done>(attempt: () => Promise<Done>, code: string): Promise<Done> => {
    for (;;) {
      try {
        const done = await attempt();
        givesUpAtMs = performance.now() + patienceMs;
        return done;
      } catch (error) {
        if (codeOf(error) !== code || performance.now() > givesUpAtMs) throw error;
        await delay(20);
      }
    }
  };
  const pipe = await patiently(() => open(file, constants.O_WRONLY | constants.O_NONBLOCK), 'ENXIO');
  try {
    for (let at = 0; at < bytes.length;) {
      at += (await patiently(() => pipe.write(bytes, at), 'EAGAIN')).bytesWritten;
    }
  } finally {
    await pipe.close();
  }
};

/** The most links that Linux follows for one name. */
const maxLinks = 40;

/** What a name means in the end. A link of /proc is kept, for it leads to an open file, which need not have a name. */
const linked = (file: string, links = 0): string => {
  try {
    if (links === maxLinks || !lstatSync(file).isSymbolicLink()) return file;
    const folder = realpathSync(path.dirname(file));
    return folder.startsWith('/proc/') ? file : linked(path.resolve(folder, readlinkSync(file)), links + 1);
  } catch {
    return file;
  }
};

const write = async (name: string, text: string): Promise<void> => {
  const file = linked(name);
  const entry = await orUndefined(lstat(file));
  if (entry === undefined) {
    await makeFolder(path.dirname(path.resolve(file)));
    return replace(file, text, undefined);
  }
  const written = await orUndefined(stat(file));
  const stream = written && streamOf(written);
  if (stream !== undefined) return writeToStream(stream, text);
  if (written?.isFIFO() === true) return writeToPipe(file, text);
  // A device and a link of /proc stay what they are; of a file with several names, all keep their content in common.
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
const outputProblem = (name: string): string | undefined => {
  const file = linked(name);
  try {
    const found = statSync(file);
    if (found.isDirectory()) return `${name} is a folder; name a file in it`;
    if (found.isSocket()) return `${name} is a socket; name a file or a pipe`;
    accessSync(file, constants.W_OK);
    return undefined;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') return reasonOf(error);
  }
  if (/[/\\]$/.test(name)) return `${name} names a folder; name a file in it`;
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

/** Tells files apart, whatever their names; undefined where several can be written to one, as to a pipe. */
const identityOf = (name: string): string | undefined => {
  const file = linked(name);
  try {
    const found = statSync(file);
    return found.isFile() ? `${found.dev}:${found.ino}` : undefined;
  } catch {
    return path.resolve(file);
  }
};

/** What is wrong with files that would be written over each other, or over a file that is read, each by its option. */
export const overwritingProblems = (
  outputs: Readonly<Record<string, string | undefined>>,
  inputs: Readonly<Record<string, string | undefined>> = {},
): string[] => {
  const taken = new Map<string, string>();
  const isTakenBy = (option: string, file: string | undefined): string | undefined => {
    const identity = file === undefined || file === '' || file === '-' ? undefined : identityOf(file);
    if (identity === undefined) return undefined;
    const by = taken.get(identity);
    if (by === undefined) taken.set(identity, option);
    return by;
  };
  for (const [option, file] of Object.entries(inputs))
    if (file !== undefined && existsSync(file)) isTakenBy(option, file);
  return Object.entries(outputs).flatMap(([option, file]) => {
    const by = isTakenBy(option, file);
    return by === undefined ? [] : [`${option}: expected a file of its own, received that of ${by}: ${file ?? ''}`];
  });
};

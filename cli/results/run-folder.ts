import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { isRunId } from '../../lib/load/settings.ts';
import type { Machine, RunRecord } from '../../lib/results/record-schema.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { RecordProblem, parseRunRecord } from './parse-record.ts';
import { whereMoved } from './results-folder.ts';
import { resultsLayout } from './results-layout.ts';
import { makeFolder } from '../shared/output-file.ts';

/** The folder of a run: `runs/<id>/` in a folder of results. */
export interface RunFolder {
  /** Of the folder of results. */
  base: string;
  id: string;
  /** Of this run's own folder. */
  path: string;
  /** The run record. */
  run: string;
  /** Session, finding and memory records, NDJSON. */
  records: string;
  /** What was read of k6's process during the run. */
  samples: string;
}

const folderAt = (base: string, own: string): RunFolder => ({
  base,
  id: path.basename(own),
  path: own,
  run: path.join(own, 'run.json'),
  records: path.join(own, 'records.ndjson'),
  samples: path.join(own, 'samples.json'),
});

/** A run's folder by its id. */
export const runFolder = (base: string, id: string): RunFolder =>
  folderAt(base, path.join(resultsLayout(base).runs, id));

/** An id that sorts by time, for a run that begins now: `20261124-143000-1a2b3c`. */
export const newRunId = (nowMs = Date.now(), random = Math.random()): string => {
  const [day = '', time = ''] = new Date(nowMs)
    .toISOString()
    .replaceAll(/[-:]|\..*$/g, '')
    .split('T');
  return `${day}-${time}-${Math.floor(random * 2 ** 24)
    .toString(16)
    .padStart(6, '0')}`;
};

/** Makes a run's folder; throws where the id is taken or nothing can be written. */
export const makeRunFolder = async (base: string, id: string): Promise<RunFolder> => {
  const folder = runFolder(base, id);
  try {
    await makeFolder(path.dirname(folder.path));
    await mkdir(folder.path);
  } catch (error) {
    if (existsSync(folder.path)) {
      throw new Error(`--run-id: expected an id that no run has yet; ${folder.path} is there`, { cause: error });
    }
    throw new Error(`--folder: expected a folder that can be written to: ${innermostMessage(error)}`, { cause: error });
  }
  return folder;
};

/** A path as it is told: from here, or whole where it is elsewhere. */
export const shownPath = (file: string): string => {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative || '.';
};

/** The machine that this runs on. */
export const thisMachine = (): Machine => ({
  system: `${process.platform} ${release()} ${process.arch}`,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryBytes: totalmem(),
});

/** The beginning of a file's SHA-256. */
export const fingerprint = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
    .slice(0, 16);

/** Reads a run record from a file; throws what is wrong with it, with the file's name. */
export const readRunRecord = async (file: string): Promise<RunRecord> => {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`expected a run record: ${innermostMessage(error)}`, { cause: error });
  }
  try {
    return parseRunRecord(text);
  } catch (error) {
    if (!(error instanceof RecordProblem)) throw error;
    throw new Error(`${file}: ${error.message}`, { cause: error });
  }
};

/** The ids of the runs in a folder of results, in no particular order. */
export const knownRunIds = async (base: string): Promise<string[]> => {
  const names = await readdir(resultsLayout(base).runs).catch(() => []);
  return names.filter((name) => isRunId(name) && existsSync(runFolder(base, name).run));
};

/** The ids of the runs in a folder of results, oldest first. */
const runIds = async (base: string): Promise<string[]> => {
  const there = await knownRunIds(base);
  const startOf = (id: string): Promise<string> =>
    readRunRecord(runFolder(base, id).run).then(
      ({ startedAt }) => startedAt,
      () => '',
    );
  const started = await Promise.all(there.toSorted().map(async (id) => ({ id, at: await startOf(id) })));
  return started.toSorted((a, b) => Number(a.at > b.at) - Number(a.at < b.at)).map(({ id }) => id);
};

/**
 * The run that a command line means: its id, the path of its folder or of its run record, or, where none is named, the latest.
 * Throws what was expected where there is none such.
 */
const findRun = async (base: string, named: string | undefined): Promise<RunFolder> => {
  if (named === undefined) {
    const latest = (await runIds(base)).at(-1);
    if (latest !== undefined) return runFolder(base, latest);
    throw new Error(`expected a run in ${resultsLayout(base).runs}, found none: ws-stress run <scenario> leaves one`);
  }
  const byId = isRunId(named) ? runFolder(base, named) : undefined;
  if (byId && existsSync(byId.run)) return byId;
  const place = whereMoved(path.resolve(named), base);
  const file = place.endsWith('.json') ? place : path.join(place, 'run.json');
  if (existsSync(file)) return { ...folderAt(base, path.dirname(file)), run: file };
  const last = (await runIds(base)).slice(-3).toReversed();
  const known = last.length > 0 ? `; the latest: ${last.join(', ')}` : '';
  throw new Error(
    `expected the id of a run in ${resultsLayout(base).runs}, or the path of its folder; received ${named}${known}`,
  );
};

/** A run in a folder of results. */
export interface FoundRun {
  folder: RunFolder;
  record: RunRecord;
}

/** Finds a run as `findRun` does, and reads its record; throws what is wrong with either. */
export const readRun = async (base: string, named: string | undefined): Promise<FoundRun> => {
  const folder = await findRun(path.resolve(base), named);
  return { folder, record: await readRunRecord(folder.run) };
};

/** Why a run can neither be compared nor be a baseline, in words; empty where it can. */
export const whyNoProof = ({ folder, record: { verdict } }: FoundRun): string[] =>
  verdict === 'PASS' || verdict === 'FAIL' ? [] : [`run ${folder.id}: its verdict is ${verdict}: it proves nothing`];

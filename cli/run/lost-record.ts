import { existsSync } from 'node:fs';
import { parseSettings, recordedSettings, shownUrl } from '../../lib/load/settings.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { runMarker } from '../../lib/results/run.ts';
import { readRecords } from '../results/record-reader.ts';
import { readRunRecord, type RunFolder } from '../results/run-folder.ts';
import { judgedCodes, type K6End } from './run-k6.ts';

/** Exit codes of k6, or of the shell that starts it, with which nothing was run. */
const nothingRan: ReadonlySet<number> = new Set([0, 100, 104, 106, 107, 108, 126, 127, 255]);

/** The run record that k6 wrote, to its place or to its copy; or why there is none. */
export const writtenRecord = async (folder: RunFolder, copy: string | undefined): Promise<RunRecord | string> => {
  const files = [copy, folder.run].filter((file) => file !== undefined && existsSync(file)) as string[];
  let problem = 'k6 wrote none';
  for (const file of files) {
    try {
      return await readRunRecord(file);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
  }
  return problem;
};

const endOf = ({ code, signal }: K6End): string =>
  signal === undefined
    ? `k6 ended with exit code ${code}`
    : `${signal} ended k6${signal === 'SIGKILL' ? ' (when memory runs out, the system does this)' : ''}`;

/** Why there is no record, for the user. */
export const lostRecordLine = (problem: string, end: K6End): string =>
  `no run record of k6: ${problem}; ${endOf(end)}. The verdict follows from what is known.`;

/** A run record without k6's: the sessions that its records tell of. Nothing passes or fails by it. */
export const recordWithoutK6 = async (
  scenario: string,
  folder: RunFolder,
  env: Readonly<Record<string, string | undefined>>,
  end: K6End,
): Promise<RunRecord> => {
  const outcomes: Record<string, number> = {};
  const rounds = { successful: 0, failed: 0 };
  let records = 0;
  if (existsSync(folder.records)) {
    for await (const read of readRecords(folder.records)) {
      if (!('record' in read)) continue;
      records++;
      if (read.record.type !== 'session') continue;
      const { outcome, case: ofCase } = read.record;
      outcomes[outcome.kind] = (outcomes[outcome.kind] ?? 0) + 1;
      if (ofCase === undefined) rounds[outcome.kind === 'ok' ? 'successful' : 'failed']++;
    }
  }
  const ran = records > 0 || end.signal !== undefined || !nothingRan.has(end.code);
  const isWhole = end.signal === undefined && judgedCodes.has(end.code);
  return {
    type: 'run',
    version: 1,
    run: folder.id,
    marker: runMarker(end.startedAtMs),
    test: scenario,
    startedAt: new Date(end.startedAtMs).toISOString(),
    durationMs: Math.max(0, Date.now() - end.startedAtMs),
    url: shownUrl(parseSettings(env).settings.url),
    service: {},
    settings: recordedSettings(env),
    verdict: ran ? 'INVALID' : 'NOT RUN',
    ...(ran && (isWhole ? { resultLost: true as const } : { cutShort: true as const })),
    criteria: [],
    rounds: [],
    total: { test: '', label: 'all', ...rounds },
    findings: [],
    measured: [],
    outcomes,
  };
};

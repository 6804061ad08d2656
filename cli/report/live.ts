import { readFile } from 'node:fs/promises';
import { parseSettings, recordedSettings, shownUrl } from '../../lib/load/settings.ts';
import { resultOf } from '../../lib/results/result-model.ts';
import type { Findings, RunRecord } from '../../lib/results/record-schema.ts';
import type { Cause, Result } from '../../lib/results/result-schema.ts';
import { runMarker } from '../../lib/results/run.ts';
import { counted } from '../../lib/text/quantities.ts';
import type { DetailRecord } from '../results/parse-record.ts';
import { followRecords, type Read } from '../results/record-reader.ts';
import { gatherDetails } from '../results/result.ts';
import type { RunFolder } from '../results/run-folder.ts';
import type { GeneratorWatch } from '../run/generator-watch.ts';
import { packageVersion } from '../shared/package-root.ts';
import { gatherReport, type ReportData } from './gather.ts';
import { reportPage, type Report } from './page.ts';
import { readPageAssets, reportFile } from './report-command.ts';
import { servePage } from './page-server.ts';

/** The report of a run while it runs, on loopback. */
export interface LiveReport {
  readonly url: string;
  /** Takes the watch over k6, once it runs. */
  watch: (watch: GeneratorWatch) => void;
  /** Shows the report that was written to those who follow the run. */
  finish: () => Promise<void>;
  close: () => Promise<void>;
}

/** How long records are read at a time: no longer than k6 can do without this processor. */
const budgetMs = 100;
const leastPauseMs = 1500;
/** Making the page may take this share of the time of one processor. */
const share = 0.05;

/** What is known of a run that has no record yet. */
const runningRecord = (
  scenario: string,
  folder: RunFolder,
  env: NodeJS.ProcessEnv,
  startedAtMs: number,
): RunRecord => ({
  type: 'run',
  version: 1,
  run: folder.id,
  marker: runMarker(startedAtMs),
  test: scenario,
  startedAt: new Date(startedAtMs).toISOString(),
  durationMs: 0,
  url: shownUrl(parseSettings(env).settings.url),
  service: {},
  settings: recordedSettings(env),
  // So that each failure counts; the page says that the run goes on.
  verdict: 'FAIL',
  criteria: [],
  rounds: [],
  total: { test: '', label: 'all', successful: 0, failed: 0 },
  findings: [],
  measured: [],
  outcomes: {},
  suiteVersion: packageVersion(),
});

/** Gathers what the records of a run tell while it runs. */
const gatherRun = (begun: RunRecord) => {
  const gathering = gatherReport(begun, true);
  const details = gatherDetails(false);
  const findings = new Map<string, Findings>();
  const add = (record: DetailRecord): void => {
    details.add(record);
    if (record.type !== 'finding') return;
    const { test, finding } = record;
    const counts = findings.get(test) ?? { test, conforming: 0, deviating: 0, bypass: 0, breaking: 0 };
    if (finding in counts) counts[finding as 'breaking']++;
    if (findings.size < 100) findings.set(test, counts);
  };
  const recordOf = ({ rounds }: ReportData): RunRecord => {
    const sum = (of: (round: (typeof rounds)[number]) => number): number =>
      rounds.reduce((total, round) => total + of(round), 0);
    const failed = sum((round) => round.failed);
    return {
      ...begun,
      durationMs: Date.now() - Date.parse(begun.startedAt),
      rounds: rounds.map(({ test, round, sessions, failed: lost, times }) => ({
        test,
        label: `round ${round}, so far`,
        successful: sessions - lost,
        failed: lost,
        ...(times.count > 0 && { maxMs: times.max }),
      })),
      total: { test: '', label: 'all', successful: sum(({ sessions }) => sessions) - failed, failed },
      findings: [...findings.values()],
    };
  };
  return {
    add: (read: Read): void => {
      gathering.addRead(read);
      if ('record' in read) add(read.record);
    },
    report: (watch: GeneratorWatch | undefined): Report => {
      const gathered = gathering.data();
      const run = recordOf(gathered);
      const data = { ...gathered, run };
      return {
        data,
        result: resultSoFar(resultOf(run, details.details()), data),
        samples: watch?.samples(run.run),
        isLive: true,
      };
    },
  };
};

const isNews = ({ kind }: Cause): boolean => kind !== 'no-data' && kind !== 'not-run' && kind !== 'not-applicable';

const resultSoFar = (result: Result, { run, records }: ReportData): Result => {
  const causes = result.causes.filter(isNews).map((cause) => Object.assign(cause, { weight: 'failure' as const }));
  const { failed, successful } = run.total;
  const cases = records.findings > 0 ? `, ${counted(records.findings, 'case')} asked` : '';
  const seconds = Math.round(run.durationMs / 1000);
  const sentence = `RUNNING: ${seconds} s, ${counted(successful + failed, 'session')} ended, ${failed} failed${cases}`;
  return { ...result, sentence, causes, proven: [] };
};

/** Serves the report of a run on loopback while it lasts. Nothing is read or made unless a browser follows it. */
export const startLive = async (scenario: string, folder: RunFolder, env: NodeJS.ProcessEnv): Promise<LiveReport> => {
  const assets = await readPageAssets();
  const gathering = gatherRun(runningRecord(scenario, folder, env, Date.now()));
  const follower = followRecords(folder.records);
  let watched: GeneratorWatch | undefined;
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<boolean> | undefined;

  const readMore = (): Promise<boolean> =>
    (reading ??= follower.read(gathering.add, budgetMs).finally(() => (reading = undefined)));
  const page = (isWhole: boolean): string =>
    reportPage(gathering.report(watched), isWhole ? assets : { script: '', style: '' });

  const server = await servePage(
    async () => {
      await readMore();
      return page(true);
    },
    () => follow(),
  );

  /** Sends the page anew, again and again as long as someone looks. */
  const update = async (): Promise<void> => {
    const began = performance.now();
    const isBehind = await readMore();
    if (isOver || server.followers() === 0) return stop();
    server.send('page', page(false));
    const tookMs = performance.now() - began;
    timer = setTimeout(next, isBehind ? tookMs : Math.max(leastPauseMs, tookMs / share)).unref();
  };
  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  const next = (): void => {
    // A file that can't be read, or a page that can't be made, is no reason to end a run.
    update().catch(stop);
  };
  const follow = (): void => {
    if (timer === undefined && !isOver) timer = setTimeout(next, 0).unref();
  };

  return {
    url: server.url,
    watch: (watch) => (watched = watch),
    finish: async () => {
      isOver = true;
      stop();
      if (server.followers() === 0) return;
      const written = await readFile(reportFile(folder), 'utf8').catch(() => undefined);
      if (written !== undefined) server.send('page', written);
      server.send('end', '');
    },
    close: async () => {
      isOver = true;
      stop();
      await server.close();
    },
  };
};

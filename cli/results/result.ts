import { existsSync } from 'node:fs';
import path from 'node:path';
import { gatherFailures } from '../../lib/results/failures.ts';
import type { RunRecord, SessionRecord } from '../../lib/results/record-schema.ts';
import { resultOf, type RunDetails } from '../../lib/results/result-model.ts';
import { resultSchema, type Changes, type KeyFigures, type Result } from '../../lib/results/result-schema.ts';
import { percent, roundTime } from '../../lib/text/quantities.ts';
import { visibleJson } from '../../lib/text/visible.ts';
import { generatorProblem } from '../run/generator-watch.ts';
import { writeOutput } from '../shared/output-file.ts';
import { changesInHistory, type ChangedFigure, type ChangesSince } from './changes-since.ts';
import { addValue, emptyHistogram, percentilesOf, quantile, type Histogram } from './histogram.ts';
import { checkVersion1, type DetailRecord } from './parse-record.ts';
import { readRecords } from './record-reader.ts';
import type { RunFolder } from './run-folder.ts';
import { saturationText } from './verdict-text.ts';

const simpleFigures = (times: Histogram): KeyFigures['simpleCommands'] => {
  const p50Ms = quantile(times, 0.5);
  if (p50Ms === undefined) return undefined;
  const { p95: p95Ms, p99: p99Ms } = percentilesOf(times);
  return { count: times.count, p50Ms, ...(p95Ms !== undefined && { p95Ms }), ...(p99Ms !== undefined && { p99Ms }) };
};

const addTimes = (times: Histogram, { round, commands }: SessionRecord): void => {
  if (round === undefined) return;
  for (const command of commands) {
    if (command.class === 'simple' && command.outcome.kind === 'ok') addValue(times, command.durationMs);
  }
};

const shown = (value: number | undefined, unit: ChangedFigure['unit']): string | undefined =>
  value === undefined ? undefined : unit === 'share' ? percent(value) : roundTime(value);

const changeOf = ({ label, unit, better, before, after, changePercent }: ChangedFigure): Changes['figures'][number] => {
  const [from, to] = [shown(before, unit), shown(after, unit)];
  const isSame = from === to || before === undefined || after === undefined;
  return {
    name: label,
    ...(from !== undefined && { before: from }),
    ...(to !== undefined && { after: to }),
    ...(changePercent !== undefined && { percent: changePercent }),
    direction: isSame ? 'same' : after > before === (better === 'higher') ? 'better' : 'worse',
  };
};

const changesOf = ({ sentence, status, runs, previous, figures }: ChangesSince): Changes => ({
  sentence,
  status,
  runs,
  previous: { run: previous.run, startedAt: previous.startedAt },
  figures: figures.map(changeOf),
});

/** Gathers from the records of a run what its result is made of. */
export const gatherDetails = (isCutShort: boolean) => {
  const failures = gatherFailures(isCutShort);
  const times = emptyHistogram();
  return {
    add: (record: DetailRecord): void => {
      if (record.type === 'finding') failures.finding(record);
      else if (record.type === 'session') {
        failures.session(record);
        addTimes(times, record);
      }
    },
    details: (): Pick<RunDetails, 'failures' | 'simpleCommands'> => {
      const simpleCommands = simpleFigures(times);
      return { failures: failures.groups().groups, ...(simpleCommands && { simpleCommands }) };
    },
  };
};

const detailsOf = async (folder: RunFolder, record: RunRecord): Promise<RunDetails> => {
  const { generator, saturation } = record;
  const gathering = gatherDetails(record.cutShort === true);
  const hasRecords = existsSync(folder.records);
  if (hasRecords) {
    for await (const read of readRecords(folder.records)) if ('record' in read) gathering.add(read.record);
  }
  // That a history can't be read is reported where it is written.
  const changes = await changesInHistory(folder.base, record).catch(() => undefined);
  return {
    ...(hasRecords && gathering.details()),
    generator: generator && generatorProblem(generator),
    saturation: saturation && saturationText(saturation),
    ...(changes && { changes: changesOf(changes) }),
  };
};

/** The result of a run in words, from the records in its folder and the history beside it. */
export const readResult = async (folder: RunFolder, record: RunRecord): Promise<Result> =>
  resultOf(record, await detailsOf(folder, record));

/** Where a run's result is, beside its run record. */
const resultFile = (folder: RunFolder): string => path.join(folder.path, 'result.json');

/** Writes a result beside its run record; throws where it would not fit its schema. */
export const writeResult = async (folder: RunFolder, result: Result): Promise<void> => {
  const json = visibleJson(result, 2);
  checkVersion1(resultSchema, JSON.parse(json), 'result');
  await writeOutput(resultFile(folder), `${json}\n`);
};

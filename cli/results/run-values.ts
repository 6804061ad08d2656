import { existsSync } from 'node:fs';
import { hasMeaningfulDuration, minLines } from '../../lib/session/outcome.ts';
import type { RunRecord, SessionRecord } from '../../lib/results/record-schema.ts';
import { readRecords } from './record-reader.ts';

/** The values of one metric in one run: all of them, or a sample without bias where there were more. */
export interface MetricSample {
  test: string;
  name: string;
  unit: 'ms' | 'lines/s';
  better: 'lower' | 'higher';
  values: number[];
  /** How many there were. */
  seen: number;
}

/** What a run's session records tell. */
export interface RunValues {
  /** By test and name. */
  metrics: Map<string, MetricSample>;
  /** Why the records can't stand for the run, in words. */
  problem?: string;
  /** What was skipped in them, in words. */
  skipped?: string;
}

/** More metrics than any run has: a file that names more is not kept in memory. */
const maxMetrics = 200;

/** Random numbers that are the same each time, so that a run held against itself is itself (mulberry32). */
const seeded = (): (() => number) => {
  let state = 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

type Add = (name: string, value: number, unit?: MetricSample['unit'], better?: MetricSample['better']) => void;

const addSession = (session: SessionRecord, add: Add): void => {
  for (const { type, durationMs } of session.controls) add(`control ${type}`, durationMs);
  // The sessions of a case differ from each other; what they come to are findings.
  if (session.case !== undefined) return;
  if (hasMeaningfulDuration(session.outcome)) add('session', session.durationMs);
  if (session.connectedMs !== undefined) add('connect', session.connectedMs);
  for (const command of session.commands) {
    if (hasMeaningfulDuration(command.outcome)) add(`command ${command.class}`, command.durationMs);
    if (command.ackMs !== undefined) add('acknowledgement', command.ackMs);
    const { outputMs = 0, lines, outcome } = command;
    if (lines >= minLines && outcome.kind === 'ok' && outputMs > 0) {
      add(`output ${command.class}`, (lines * 1000) / outputMs, 'lines/s', 'higher');
    }
  }
};

/** Reads what a run's session records tell of it, keeping at most so many values of each metric. */
export const readRunValues = async (
  file: string,
  { total }: Pick<RunRecord, 'total'>,
  capacity: number,
): Promise<RunValues> => {
  const metrics = new Map<string, MetricSample>();
  if (!existsSync(file)) return { metrics, problem: 'it has no session records' };
  const random = seeded();
  let sessions = 0;
  let skippedLines = 0;
  let tooManyMetrics = false;
  const addTo =
    (test: string): Add =>
    (name, value, unit = 'ms', better = 'lower') => {
      const key = `${test}\n${name}`;
      let metric = metrics.get(key);
      if (metric === undefined) {
        if (metrics.size >= maxMetrics) {
          tooManyMetrics = true;
          return;
        }
        metric = { test, name, unit, better, values: [], seen: 0 };
        metrics.set(key, metric);
      }
      metric.seen++;
      if (metric.values.length < capacity) metric.values.push(value);
      else {
        const at = Math.floor(random() * metric.seen);
        if (at < capacity) metric.values[at] = value;
      }
    };
  for await (const read of readRecords(file)) {
    if ('problem' in read) skippedLines++;
    if (!('record' in read) || read.record.type !== 'session') continue;
    if (read.record.case === undefined) sessions++;
    addSession(read.record, addTo(read.record.test));
  }
  const asked = total.successful + total.failed;
  const isWhole = sessions >= asked * 0.99;
  const told = [
    ...(skippedLines > 0 ? [`${skippedLines} lines are no records`] : []),
    ...(tooManyMetrics ? [`more than ${maxMetrics} metrics`] : []),
  ];
  return {
    metrics: isWhole ? metrics : new Map(),
    ...(!isWhole && {
      problem: `it has records of ${sessions} of ${asked} sessions (--records all keeps all of them)`,
    }),
    ...(told.length > 0 && { skipped: told.join(', ') }),
  };
};

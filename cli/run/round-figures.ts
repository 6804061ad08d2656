import { existsSync } from 'node:fs';
import type { SessionRecord } from '../../lib/results/record-schema.ts';
import { addValue, emptyHistogram, percentilesOf, quantile, type Histogram } from '../results/histogram.ts';
import { readRecords } from '../results/record-reader.ts';

/** How quick the sessions of a round were, and how many ended in a second; absent where too few sessions tell. */
export interface RoundFigures {
  perSecond?: number;
  medianMs?: number;
  p95Ms?: number;
  p99Ms?: number;
}

/** What the records of a run say beyond its run record. */
export interface RecordedRounds {
  /** By scenario and number of the round, as in `concurrent 2`. */
  rounds: ReadonlyMap<string, RoundFigures>;
  /** Lines that are no record: what k6 or a script printed. */
  other: readonly string[];
}

/** How many lines that are no record are kept. */
const mostOther = 100;

/** The name of a round among all of a run. */
export const roundKey = (scenario: string, round: number): string => `${scenario} ${round}`;

interface Gathered {
  times: Histogram;
  sessions: number;
  firstMs: number;
  lastMs: number;
}

const figuresOf = ({ times, sessions, firstMs, lastMs }: Gathered): RoundFigures => {
  const medianMs = quantile(times, 0.5);
  const { p95, p99 } = percentilesOf(times);
  return {
    ...(lastMs > firstMs && { perSecond: (sessions * 1000) / (lastMs - firstMs) }),
    ...(medianMs !== undefined && { medianMs }),
    ...(p95 !== undefined && { p95Ms: p95 }),
    ...(p99 !== undefined && { p99Ms: p99 }),
  };
};

const add = (rounds: Map<string, Gathered>, { test, round, startedAt, durationMs, outcome }: SessionRecord): void => {
  if (round === undefined) return;
  const key = roundKey(test, round);
  const gathered = rounds.get(key) ?? { times: emptyHistogram(), sessions: 0, firstMs: Infinity, lastMs: -Infinity };
  const startedMs = Date.parse(startedAt);
  gathered.sessions++;
  gathered.firstMs = Math.min(gathered.firstMs, startedMs);
  gathered.lastMs = Math.max(gathered.lastMs, startedMs + durationMs);
  if (outcome.kind === 'ok') addValue(gathered.times, durationMs);
  rounds.set(key, gathered);
};

/** Reads the figures of all rounds from a file of records, and what is in it beside them. Memory does not grow with the file. */
export const readRounds = async (file: string): Promise<RecordedRounds> => {
  const rounds = new Map<string, Gathered>();
  const other: string[] = [];
  if (!existsSync(file)) return { rounds: new Map(), other };
  for await (const read of readRecords(file)) {
    if ('record' in read) {
      if (read.record.type === 'session') add(rounds, read.record);
    } else if (other.length < mostOther) {
      other.push('other' in read ? read.other : `${file}:${read.line}: ${read.problem}`);
    }
  }
  return { rounds: new Map([...rounds].map(([key, gathered]) => [key, figuresOf(gathered)])), other };
};

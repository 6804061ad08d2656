import { hasMeaningfulDuration } from '../../lib/session/outcome.ts';
import type { FindingRecord, MemoryRecord, RunRecord, SessionRecord } from '../../lib/results/record-schema.ts';
import { evenly } from '../../lib/results/memory-record.ts';
import { isCutOff, isTold } from '../../lib/results/failures.ts';
import { kindOf } from '../run/closing-table.ts';
import { visible } from './html.ts';
import { addValue, emptyHistogram, type Histogram } from './histogram.ts';
import type { Read } from './record-reader.ts';
import type { DetailRecord } from './parse-record.ts';

/** The most sessions of a round that are drawn. */
export const maxBars = 300;
const maxRounds = 40;
const maxDistributions = 120;
const maxSeconds = 600;
const maxMemory = 20;
const maxKinds = 100;
const examplesOfEach = 3;
const maxFindings = 60;
const maxProblems = 5;
const maxSaid = 20;

/** The phases of a session, in their order. */
export const phaseNames = [
  'opening handshake',
  'waiting for connected',
  'waiting for the acknowledgement',
  'running, no output yet',
  'output until completed',
  'what follows: later commands, close',
] as const;

/** A session as it is drawn: milliseconds since 1970 of its begin, and the end of each of its phases, milliseconds since its begin. */
export interface Bar {
  session: number;
  startedAtMs: number;
  ends: readonly number[];
  isFailed: boolean;
}

const newRound = (test: string, round: number) => ({
  test,
  round,
  sessions: 0,
  failed: 0,
  /** Every n-th session is drawn. */
  every: 1,
  bars: [] as Bar[],
  /** Of its first session, milliseconds since 1970. */
  beganAtMs: 0,
  /** Of its last session, milliseconds since the begin of the first. */
  endedMs: 0,
});

/** The sessions of a round that are drawn: all of them, or every n-th. */
export type RoundBars = ReturnType<typeof newRound>;

/** Times in milliseconds of one sort of thing. */
export interface Distribution {
  test: string;
  /** The class of the commands, or the type of the controls. */
  of: string;
  /** Absent for controls. */
  round?: number;
  times: Histogram;
}

const newTimeline = () => ({
  /** How long each range of time is. */
  widthMs: 1000,
  /** Sessions that ended in each. */
  sessions: [] as number[],
  /** Lines that these received. */
  lines: [] as number[],
});

/** Sessions and lines by time since the begin of the run. */
export type Timeline = ReturnType<typeof newTimeline>;

/** A line of which the first ones are kept, and how many there were. */
const newNotes = () => ({ count: 0, first: [] as string[] });

const note = (notes: ReturnType<typeof newNotes>, most: number, text: string): void => {
  notes.count++;
  if (notes.first.length < most) notes.first.push(visible(text));
};

/** What a report tells of a run's records; bounded, however many records there are. */
export type ReportData = ReturnType<ReturnType<typeof gatherReport>['data']>;

/** The ends of a session's phases, each at least the one before and at most the session's; of as many phases as it came to. */
const phaseEnds = ({ openedMs, connectedMs, durationMs, commands: [command] }: SessionRecord): number[] => {
  if (openedMs === undefined) return [durationMs];
  const { ackMs, firstOutputMs } = command ?? {};
  const isAnswered = ackMs !== undefined || firstOutputMs !== undefined;
  if (connectedMs === undefined && !isAnswered) return bounded([openedMs, durationMs], durationMs);
  const askedMs = connectedMs ?? openedMs;
  if (command === undefined) return bounded([openedMs, askedMs, askedMs, askedMs, askedMs, durationMs], durationMs);
  if (!isAnswered) return bounded([openedMs, askedMs, durationMs], durationMs);
  const ackedMs = askedMs + (ackMs ?? firstOutputMs ?? 0);
  const outputMs = firstOutputMs === undefined ? command.durationMs : askedMs + firstOutputMs;
  return bounded([openedMs, askedMs, ackedMs, outputMs, command.durationMs, durationMs], durationMs);
};

const bounded = (ends: readonly number[], lastMs: number): number[] => {
  let before = 0;
  return ends.map((end) => (before = Math.min(Math.max(end, before), lastMs)));
};

const addBar = (round: RoundBars, record: SessionRecord, isFailed: boolean): void => {
  const startedAtMs = Date.parse(record.startedAt);
  const session = record.session ?? round.sessions;
  const endedAtMs = Math.max(round.beganAtMs + round.endedMs, startedAtMs + record.durationMs);
  const isFirst = round.sessions === 0;
  round.beganAtMs = isFirst ? startedAtMs : Math.min(round.beganAtMs, startedAtMs);
  round.endedMs = (isFirst ? startedAtMs + record.durationMs : endedAtMs) - round.beganAtMs;
  round.sessions++;
  if (isFailed) round.failed++;
  if (session % round.every !== 0) return;
  round.bars.push({ session, startedAtMs, ends: phaseEnds(record), isFailed });
  while (round.bars.length > maxBars) {
    // Numbers that are no multiples of anything would fill the round for good.
    if (round.every > 2 ** 40) round.bars.length = maxBars;
    round.every *= 2;
    round.bars = round.bars.filter((bar) => bar.session % round.every === 0);
  }
};

/** Counts of ranges twice as long. */
const halved = (counts: readonly number[]): number[] =>
  Array.from({ length: Math.ceil(counts.length / 2) }, (_, at) => (counts[2 * at] ?? 0) + (counts[2 * at + 1] ?? 0));

const addToTimeline = (timeline: Timeline, atMs: number, lines: number): void => {
  while (atMs / timeline.widthMs >= maxSeconds) {
    timeline.widthMs *= 2;
    timeline.sessions = halved(timeline.sessions);
    timeline.lines = halved(timeline.lines);
  }
  const at = Math.max(0, Math.floor(atMs / timeline.widthMs));
  while (timeline.sessions.length <= at) {
    timeline.sessions.push(0);
    timeline.lines.push(0);
  }
  timeline.sessions[at] = (timeline.sessions[at] ?? 0) + 1;
  timeline.lines[at] = (timeline.lines[at] ?? 0) + lines;
};

/** Gathers what a report tells of a run from its records, in bounded memory. */
export const gatherReport = (run: RunRecord, hasRecords: boolean) => {
  const rounds = new Map<string, RoundBars>();
  const commands = new Map<string, Distribution>();
  const controls = new Map<string, Distribution>();
  const failures = new Map<string, { kind: string; count: number; examples: SessionRecord[] }>();
  /** Those that are not conforming, by finding and scenario. */
  const findings = new Map<
    string,
    Pick<FindingRecord, 'finding' | 'test'> & { count: number; first: FindingRecord[] }
  >();
  const memory: MemoryRecord[] = [];
  const timeline = newTimeline();
  const records = { sessions: 0, findings: 0, memory: 0, ofOtherRuns: 0 };
  const problems = { ...newNotes(), isTorn: false };
  const said = newNotes();
  const startedAtMs = Date.parse(run.startedAt);
  /** Rounds, distributions, loads and kinds of failure beyond what is kept. */
  let beyond = 0;

  /** What a map has at a key, or a new one, unless the map is full. */
  const placeIn = <Each>(
    map: Map<string, Each>,
    most: number,
    key: readonly unknown[],
    make: () => Each,
  ): Each | undefined => {
    const name = JSON.stringify(key);
    const there = map.get(name);
    if (there !== undefined) return there;
    if (map.size >= most) {
      beyond++;
      return undefined;
    }
    const made = make();
    map.set(name, made);
    return made;
  };

  const addTime = (map: Map<string, Distribution>, of: Omit<Distribution, 'times'>, durationMs: number): void => {
    const place = placeIn(map, maxDistributions, [of.test, of.of, of.round], () => ({
      ...of,
      times: emptyHistogram(),
    }));
    if (place) addValue(place.times, durationMs);
  };

  const addSession = (record: SessionRecord): void => {
    records.sessions++;
    const { test, round } = record;
    // A run that was cut short closes sessions itself.
    const isFailure = isTold(record) && !(run.cutShort === true && isCutOff(record));
    if (round !== undefined) {
      const bars = placeIn(rounds, maxRounds, [test, round], () => newRound(test, round));
      if (bars) addBar(bars, record, isFailure);
      for (const command of record.commands) {
        if (!hasMeaningfulDuration(command.outcome)) continue;
        addTime(commands, { test, of: command.class, round }, command.durationMs);
      }
    }
    for (const { type, durationMs } of record.controls) addTime(controls, { test, of: type }, durationMs);
    const endedMs = Date.parse(record.startedAt) + record.durationMs - startedAtMs;
    addToTimeline(
      timeline,
      endedMs,
      record.commands.reduce((sum, { lines }) => sum + lines, 0),
    );
    if (!isFailure) return;
    const kind = visible(kindOf(record), 200);
    const failure = placeIn(failures, maxKinds, [kind], () => ({ kind, count: 0, examples: [] }));
    if (!failure) return;
    failure.count++;
    if (failure.examples.length < examplesOfEach) failure.examples.push(record);
  };

  const addFinding = (record: FindingRecord): void => {
    records.findings++;
    if (record.finding === 'conforming') return;
    const { finding, test } = record;
    const place = placeIn(findings, maxKinds, [finding, test], () => ({ finding, test, count: 0, first: [] }));
    if (!place) return;
    place.count++;
    if (place.first.length < maxFindings) place.first.push(record);
  };

  const add = (record: DetailRecord): void => {
    if (record.run !== run.run) records.ofOtherRuns++;
    else if (record.type === 'session') addSession(record);
    else if (record.type === 'finding') addFinding(record);
    else if (record.type === 'memory') {
      records.memory++;
      if (memory.length < maxMemory) memory.push({ ...record, samples: [...evenly(record.samples)] });
      else beyond++;
    }
  };

  return {
    add,
    /** A line of the file of records, whatever it is. */
    addRead: (read: Read): void => {
      if ('record' in read) add(read.record);
      else if ('problem' in read) {
        if (read.isLast) problems.isTorn = true;
        note(problems, maxProblems, `line ${read.line}: ${read.problem}`);
      } else note(said, maxSaid, read.other);
    },
    data: () => ({
      run,
      hasRecords,
      records,
      memory,
      timeline,
      problems,
      said,
      beyond,
      rounds: [...rounds.values()]
        .toSorted((a, b) => (a.test === b.test ? a.round - b.round : 0))
        .map((round) => Object.assign(round, { bars: round.bars.toSorted((a, b) => a.session - b.session) })),
      commands: [...commands.values()].toSorted((a, b) => (a.round ?? 0) - (b.round ?? 0)),
      controls: [...controls.values()],
      failures: [...failures.values()].toSorted((a, b) => b.count - a.count),
      findings: [...findings.values()],
    }),
  };
};

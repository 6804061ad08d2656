import { hasMeaningfulDuration } from '../../lib/session/outcome.ts';
import type { FindingRecord, MemoryRecord, RunRecord, SessionRecord } from '../../lib/results/record-schema.ts';
import { evenly } from '../../lib/results/memory-record.ts';
import { isCutOff, isTold } from '../../lib/results/failures.ts';
import { visible } from '../results/html.ts';
import { addValue, emptyHistogram, type Histogram } from '../results/histogram.ts';
import type { DetailRecord } from '../results/parse-record.ts';
import type { Read } from '../results/record-reader.ts';
import { kindOf } from '../run/closing-table.ts';
import { addLatency, addLines, addSession as addToTimeline, emptyTimeline } from './timeline.ts';

/** The most sessions of a round that are drawn one by one: more could not be told apart. */
export const maxBars = 60;
const maxRounds = 100;
const maxCommands = 200;
const maxDistributions = 60;
const maxMemory = 20;
const maxMarks = 40;
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
  /** The name of its first command. */
  command: string;
  startedAtMs: number;
  ends: readonly number[];
  isFailed: boolean;
}

/** The sessions of a round. */
export interface RoundSessions {
  test: string;
  round: number;
  sessions: number;
  failed: number;
  /** All of its sessions; none where there are more than can be drawn. */
  bars: Bar[];
  /** Of its first session, milliseconds since 1970. */
  beganAtMs: number;
  /** Of its last session, milliseconds since the begin of the first. */
  endedMs: number;
  /** How long sessions took that have a meaningful duration. */
  times: Histogram;
}

/** What became of one command of a scenario, over all its rounds. */
export interface CommandFigures {
  test: string;
  name: string;
  class: string;
  count: number;
  successful: number;
  times: Histogram;
}

/** Times in milliseconds of one sort of thing. */
export interface Distribution {
  test: string;
  /** The class of the commands, or the type of the controls. */
  of: string;
  times: Histogram;
}

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

const addToRound = (round: RoundSessions, record: SessionRecord, isFailed: boolean): void => {
  const startedAtMs = Date.parse(record.startedAt);
  const session = record.session ?? round.sessions;
  const isFirst = round.sessions === 0;
  const endedAtMs = isFirst ? 0 : round.beganAtMs + round.endedMs;
  round.beganAtMs = isFirst ? startedAtMs : Math.min(round.beganAtMs, startedAtMs);
  round.endedMs = Math.max(endedAtMs, startedAtMs + record.durationMs) - round.beganAtMs;
  round.sessions++;
  if (isFailed) round.failed++;
  if (hasMeaningfulDuration(record.outcome)) addValue(round.times, record.durationMs);
  if (round.sessions > maxBars) round.bars = [];
  else
    round.bars.push({
      session,
      command: visible(record.commands[0]?.name ?? record.command?.name ?? '', 40),
      startedAtMs,
      ends: phaseEnds(record),
      isFailed,
    });
};

/** Gathers what a report tells of a run from its records, in bounded memory. */
export const gatherReport = (run: RunRecord, hasRecords: boolean) => {
  const rounds = new Map<string, RoundSessions>();
  const commands = new Map<string, CommandFigures>();
  const latencies = new Map<string, Distribution>();
  const controls = new Map<string, Distribution>();
  const failures = new Map<string, { kind: string; count: number; examples: SessionRecord[] }>();
  /** Those that are not conforming, by finding and scenario. */
  const findings = new Map<
    string,
    Pick<FindingRecord, 'finding' | 'test'> & { count: number; first: FindingRecord[] }
  >();
  const memory: MemoryRecord[] = [];
  const timeline = emptyTimeline();
  /** When the sessions of a scenario, or of one of its cases, began, milliseconds since the run began. */
  const begins = new Map<string, { test: string; case: string | undefined; atMs: number }>();
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

  const addTime = (map: Map<string, Distribution>, test: string, of: string, durationMs: number): void => {
    const place = placeIn(map, maxDistributions, [test, of], () => ({ test, of, times: emptyHistogram() }));
    if (place) addValue(place.times, durationMs);
  };

  const addBegin = (test: string, name: string | undefined, atMs: number): void => {
    const begin = placeIn(begins, maxMarks, [test, name], () => ({ test, case: name, atMs }));
    if (begin) begin.atMs = Math.min(begin.atMs, atMs);
  };

  /** Adds the commands of a session, each after the one before; what is kept of a command's time begins with its connection or request. */
  const addCommands = (record: SessionRecord, startedMs: number): void => {
    const { test, round, openedMs, connectedMs } = record;
    let fromMs = 0;
    for (const command of record.commands) {
      const { name, class: kind, outcome, durationMs, outputMs, lines } = command;
      const endMs = Math.min(fromMs + durationMs, record.durationMs);
      const outputFromMs = outputMs === undefined ? Math.max(fromMs, connectedMs ?? openedMs ?? 0) : endMs - outputMs;
      addLines(timeline, startedMs + Math.min(outputFromMs, endMs), startedMs + endMs, lines);
      fromMs = endMs;
      if (round === undefined) continue;
      const figures = placeIn(commands, maxCommands, [test, name, kind], () => ({
        test,
        name,
        class: kind,
        count: 0,
        successful: 0,
        times: emptyHistogram(),
      }));
      if (figures) {
        figures.count++;
        if (outcome.kind === 'ok') figures.successful++;
      }
      if (!hasMeaningfulDuration(outcome)) continue;
      if (figures) addValue(figures.times, durationMs);
      addTime(latencies, test, kind, durationMs);
      addLatency(timeline, startedMs + endMs, kind, durationMs);
    }
  };

  const addSession = (record: SessionRecord): void => {
    records.sessions++;
    const { test, round } = record;
    const startedMs = Date.parse(record.startedAt) - startedAtMs;
    // A run that was cut short closes sessions itself.
    const isFailure = isTold(record) && !(run.cutShort === true && isCutOff(record));
    addBegin(test, record.case, startedMs);
    if (round !== undefined) {
      const place = placeIn(rounds, maxRounds, [test, round], () => ({
        test,
        round,
        sessions: 0,
        failed: 0,
        bars: [],
        beganAtMs: 0,
        endedMs: 0,
        times: emptyHistogram(),
      }));
      if (place) addToRound(place, record, isFailure);
    }
    for (const { type, durationMs } of record.controls) addTime(controls, test, type, durationMs);
    const succeeded = record.outcome.kind === 'ok' ? 'succeeded' : undefined;
    addToTimeline(timeline, {
      startedMs,
      endedMs: startedMs + record.durationMs,
      outcome: isFailure ? 'failed' : succeeded,
    });
    addCommands(record, startedMs);
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
      begins: [...begins.values()],
      rounds: [...rounds.values()]
        .toSorted((a, b) => (a.test === b.test ? a.round - b.round : 0))
        .map((round) => Object.assign(round, { bars: round.bars.toSorted((a, b) => a.session - b.session) })),
      commands: [...commands.values()],
      latencies: [...latencies.values()],
      controls: [...controls.values()],
      failures: [...failures.values()].toSorted((a, b) => b.count - a.count),
      findings: [...findings.values()],
    }),
  };
};

import { addValue, emptyHistogram, mergeHistograms, type Histogram } from '../results/histogram.ts';

/** What happened in one step of a run's time. Times are milliseconds since the run began. */
export interface Step {
  started: number;
  /** The sum of the times at which sessions started, from which follows how many were active. */
  startedSumMs: number;
  ended: number;
  endedSumMs: number;
  succeeded: number;
  failed: number;
  /** Lines of output received. */
  lines: number;
  /** Times to completion by class of command, milliseconds. */
  latencies: Map<string, Histogram>;
}

/** A run in steps of equal length, as few as its length asks for, however many sessions it had. */
export interface Timeline {
  widthMs: number;
  steps: Step[];
}

const maxSteps = 300;
const maxClasses = 8;

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** The lengths of a step: each is a whole number of the one before, so that steps can be joined, and reads well. */
const widthsMs = [100, 200, 1000, 2000, 10_000, 20_000, minuteMs, 2 * minuteMs, 10 * minuteMs, 20 * minuteMs, hourMs];

/** The next longer length of a step. */
export const longerWidth = (widthMs: number): number => widthsMs.find((each) => each > widthMs) ?? widthMs * 2;

const emptyStep = (): Step => ({
  started: 0,
  startedSumMs: 0,
  ended: 0,
  endedSumMs: 0,
  succeeded: 0,
  failed: 0,
  lines: 0,
  latencies: new Map(),
});

/** A timeline of nothing yet. */
export const emptyTimeline = (): Timeline => ({ widthMs: widthsMs[0] ?? 100, steps: [] });

const joined = (steps: readonly Step[]): Step => {
  const sum = emptyStep();
  for (const step of steps) {
    sum.started += step.started;
    sum.startedSumMs += step.startedSumMs;
    sum.ended += step.ended;
    sum.endedSumMs += step.endedSumMs;
    sum.succeeded += step.succeeded;
    sum.failed += step.failed;
    sum.lines += step.lines;
    for (const [name, times] of step.latencies) {
      const own = sum.latencies.get(name);
      sum.latencies.set(name, mergeHistograms(own === undefined ? [times] : [own, times]));
    }
  }
  return sum;
};

/** The same time in steps as long as `widthMs`, which is a whole number of the present ones. */
export const widened = ({ widthMs: before, steps }: Timeline, widthMs: number): Timeline => {
  const factor = widthMs / before;
  return {
    widthMs,
    steps: Array.from({ length: Math.ceil(steps.length / factor) }, (_, at) =>
      joined(steps.slice(at * factor, (at + 1) * factor)),
    ),
  };
};

/** The number of the step at a time; makes steps longer where there would be too many. */
const placeAt = (timeline: Timeline, atMs: number): number => {
  let widthMs = timeline.widthMs;
  while (atMs / widthMs >= maxSteps) widthMs = longerWidth(widthMs);
  if (widthMs !== timeline.widthMs) Object.assign(timeline, widened(timeline, widthMs));
  const place = Math.floor(atMs / widthMs);
  while (timeline.steps.length <= place) timeline.steps.push(emptyStep());
  return place;
};

const stepAt = (timeline: Timeline, atMs: number): Step => {
  // It may put new steps in the place of all.
  const place = placeAt(timeline, atMs);
  return timeline.steps[place] as Step;
};

/** A session, by when it started and ended since the run began. `outcome` is undefined where neither word fits. */
export interface TimedSession {
  startedMs: number;
  endedMs: number;
  outcome: 'succeeded' | 'failed' | undefined;
}

const inTime = (atMs: number): number => Math.max(0, atMs);

/** Adds a session that has ended. */
export const addSession = (timeline: Timeline, { startedMs, endedMs, outcome }: TimedSession): void => {
  const [from, to] = [inTime(startedMs), inTime(Math.max(startedMs, endedMs))];
  const last = stepAt(timeline, to);
  last.ended++;
  last.endedSumMs += to;
  if (outcome !== undefined) last[outcome]++;
  const first = stepAt(timeline, from);
  first.started++;
  first.startedSumMs += from;
};

/** Adds lines that arrived evenly over a time. */
export const addLines = (timeline: Timeline, fromMs: number, toMs: number, lines: number): void => {
  if (lines === 0) return;
  const [from, to] = [inTime(fromMs), inTime(Math.max(fromMs, toMs))];
  const last = placeAt(timeline, to);
  const first = placeAt(timeline, from);
  const { widthMs, steps } = timeline;
  const tookMs = to - from;
  for (let at = first; at <= last; at++) {
    const overlapMs = Math.min(to, (at + 1) * widthMs) - Math.max(from, at * widthMs);
    (steps[at] as Step).lines += tookMs > 0 ? (lines * overlapMs) / tookMs : lines;
  }
};

/** Adds the time of a command that was completed; of too many classes the later ones are left out. */
export const addLatency = (timeline: Timeline, atMs: number, name: string, tookMs: number): void => {
  const { latencies } = stepAt(timeline, inTime(atMs));
  let times = latencies.get(name);
  if (times === undefined) {
    if (latencies.size >= maxClasses) return;
    times = emptyHistogram();
    latencies.set(name, times);
  }
  addValue(times, tookMs);
};

/** How many sessions were active on average in each step. */
export const activeSessions = ({ widthMs, steps }: Timeline): number[] => {
  let active = 0;
  return steps.map((step, at) => {
    const endMs = (at + 1) * widthMs;
    const gainedMs = step.started * endMs - step.startedSumMs;
    const lostMs = step.ended * endMs - step.endedSumMs;
    const mean = active + (gainedMs - lostMs) / widthMs;
    active += step.started - step.ended;
    return Math.max(0, mean);
  });
};

import type { RunRecord } from '../../lib/results/record-schema.ts';
import { bounds } from './compare-runs.ts';
import { runsInHistory } from './history-file.ts';
import { percent, quantity } from '../../lib/text/quantities.ts';
import { conditionsKey } from './run-differences.ts';
import { medianOf, proportionsTest, rankTest, successRate } from './statistics.ts';

/** What is compared of a run from one to the next. */
export interface RunFigures {
  run: string;
  /** ISO 8601, in UTC. */
  startedAt: string;
  verdict: RunRecord['verdict'];
  successful: number;
  failed: number;
  p95Ms: number | undefined;
  /** What the p95 is of: `simple commands` where a criterion looked at them, the worst round counting; otherwise `sessions`. */
  p95Of: string;
}

const simpleCommands = /^command_duration\{[^}]*\bclass:simple\b/;

/** The figures of a run that runs are compared by. */
export const runFigures = ({ run, startedAt, verdict, total, criteria }: RunRecord): RunFigures => {
  const observed = criteria
    .filter(({ selector, expression }) => simpleCommands.test(selector) && expression.startsWith('p(95)'))
    .flatMap((each) => each.observed ?? []);
  const { successful, failed } = total;
  return {
    run,
    startedAt,
    verdict,
    successful,
    failed,
    ...(observed.length > 0
      ? { p95Ms: Math.max(...observed), p95Of: 'simple commands' }
      : { p95Ms: total.p95Ms, p95Of: 'sessions' }),
  };
};

/** A figure of a run and of the one before it. */
export interface ChangedFigure {
  id: 'success' | 'p95';
  /** In words, such as `p95 of simple commands`. */
  label: string;
  /** A share is 0 to 1, a time is in milliseconds; undefined where the run has none. */
  unit: 'share' | 'ms';
  better: 'higher' | 'lower';
  before: number | undefined;
  after: number | undefined;
  /** Of the value before; undefined where there is none. */
  changePercent: number | undefined;
}

/** How a run differs from those before it under the same conditions. */
export interface ChangesSince {
  /** The last comparable run before it. */
  previous: RunFigures;
  figures: ChangedFigure[];
  /** Comparable runs, this one included. */
  runs: number;
  /** `too few` where the runs are too few to tell a change from chance, and nothing but chance is seen. */
  status: 'worse' | 'better' | 'same' | 'too few';
  /** What changed, in a sentence without its full stop. */
  sentence: string;
}

/** With this many runs on each side a change of times can be told from chance. */
const leastRuns = 2 * bounds.runs;

/** By how much a median may be worse. */
const tolerancePercent = 10;

const isProof = ({ verdict }: Pick<RunFigures, 'verdict'>): boolean => verdict === 'PASS' || verdict === 'FAIL';

const changeOf = (before: number | undefined, after: number | undefined): number | undefined =>
  before === undefined || after === undefined || before === 0 ? undefined : (100 * (after - before)) / before;

/** `380 → 610 ms`, or with both units where they differ. */
export const fromTo = (before: number | undefined, after: number | undefined, valueUnit = 'ms'): string => {
  const [from, to] = [quantity(before, valueUnit), quantity(after, valueUnit)];
  const [unit = ''] = / \S+$/.exec(to) ?? [];
  return `${unit !== '' && from.endsWith(unit) ? from.slice(0, -unit.length) : from} → ${to}`;
};

/** `100 → 92 %`. */
export const shares = (before: number | undefined, after: number | undefined): string => {
  const [from, to] = [percent(before), percent(after)];
  return from === to ? to : `${from.replace(/ %$/, '')} → ${to}`;
};

const isLarge = (before: number, after: number): boolean =>
  Math.abs(after - before) >= bounds.ms && Math.abs(changeOf(before, after) ?? Infinity) > tolerancePercent;

/** What a trend is, in a sentence. */
export interface Told {
  status: ChangesSince['status'];
  sentence: string;
}

/** Runs whose p95 is of the same as that of the last. */
const timed = (runs: readonly RunFigures[]): number[] =>
  runs.filter(({ p95Of }) => p95Of === runs.at(-1)?.p95Of).flatMap(({ p95Ms }) => p95Ms ?? []);

const timesOver = (runs: readonly RunFigures[]): Told | undefined => {
  const times = timed(runs);
  const last = runs.at(-1);
  if (times.length < leastRuns || last?.p95Ms === undefined) return undefined;
  const what = `p95 of ${last.p95Of}`;
  const [earlier, later] = [times.slice(0, -bounds.runs), times.slice(-bounds.runs)];
  const [before, after] = [medianOf(earlier) ?? 0, medianOf(later) ?? 0];
  const { p, delta } = rankTest(earlier, later);
  if (p < bounds.runsP && isLarge(before, after) && Math.sign(delta) === Math.sign(after - before)) {
    const isSlower = after > before;
    return {
      status: isSlower ? 'worse' : 'better',
      sentence: `${isSlower ? 'Slower' : 'Faster'}: ${what} ${fromTo(before, after)} over ${times.length} runs`,
    };
  }
  const others = times.slice(0, -1);
  const usual = medianOf(others) ?? 0;
  if (last.p95Ms > Math.max(...others) && isLarge(usual, last.p95Ms)) {
    return {
      status: 'worse',
      sentence: `Slower than in each of the ${others.length} runs before: ${what} ${fromTo(usual, last.p95Ms)}; run again to rule out chance`,
    };
  }
  return undefined;
};

const verdictsOver = (runs: readonly RunFigures[]): Told | undefined => {
  const [last, before] = [runs.at(-1), runs.at(-2)];
  if (last === undefined || before === undefined) return undefined;
  const passedBefore = runs.slice(0, -1).findLastIndex(({ verdict }) => verdict === 'PASS');
  if (last.verdict === 'FAIL' && passedBefore >= 0) {
    const failing = runs.length - 1 - passedBefore;
    return {
      status: 'worse',
      sentence:
        failing === 1
          ? 'Failing: the comparable run before it passed'
          : `Failing for ${failing} runs: the last one that passed was ${runs[passedBefore]?.run ?? ''}`,
    };
  }
  return last.verdict === 'PASS' && before.verdict === 'FAIL'
    ? { status: 'better', sentence: 'Passing again: the comparable run before it failed' }
    : undefined;
};

const sessionsOver = (runs: readonly RunFigures[]): Told | undefined => {
  const last = runs.at(-1);
  if (last === undefined) return undefined;
  const earlier = runs.slice(-1 - leastRuns, -1);
  const before = {
    successful: earlier.reduce((sum, { successful }) => sum + successful, 0),
    failed: earlier.reduce((sum, { failed }) => sum + failed, 0),
  };
  if (proportionsTest(before, last) >= bounds.p) return undefined;
  const [from, to] = [successRate(before) ?? 0, successRate(last) ?? 0];
  return {
    status: to < from ? 'worse' : 'better',
    sentence: `${to < from ? 'Less' : 'More'} reliable: ${shares(from, to)} of sessions succeeded`,
  };
};

/** What is left to say where nothing shows a change. */
const nothingOver = (runs: readonly RunFigures[]): Told => {
  const last = runs.at(-1);
  const times = timed(runs);
  const [before, after] = times.slice(-2);
  const isTimed = before !== undefined && after !== undefined && last?.p95Ms === after;
  const shown = isTimed ? [`p95 of ${last.p95Of} ${fromTo(before, after)}`] : [];
  const known = last?.p95Ms === undefined ? runs.length : times.length;
  const [status, told] =
    known >= leastRuns
      ? (['same', `Nothing got worse over ${known} runs`] as const)
      : (['too few', `Too few runs to tell, ${known} of ${leastRuns}`] as const);
  return { status, sentence: [told, ...shown].join(': ') };
};

/** How the last of some runs, oldest first, differs from those before it; undefined where it is the only one. */
export const trendOf = (runs: readonly RunFigures[]): Told | undefined => {
  const judged = runs.filter(isProof);
  if (judged.length < 2) return undefined;
  const told = [sessionsOver, timesOver, verdictsOver].flatMap((over) => over(judged) ?? []);
  return told.find(({ status }) => status === 'worse') ?? told[0] ?? nothingOver(judged);
};

/** Whether an earlier run says something of a later one: the same scenario, address, settings, machine and k6, and both judged to their end. */
const isComparable = (earlier: RunRecord, later: RunRecord): boolean =>
  isProof(earlier) &&
  earlier.cutShort !== true &&
  earlier.run !== later.run &&
  conditionsKey(earlier) === conditionsKey(later);

/** How a run differs from the comparable ones among `earlier`, which are in the order in which they ended; undefined where there is none. */
export const changesSince = (record: RunRecord, earlier: readonly RunRecord[]): ChangesSince | undefined => {
  if (!isProof(record) || record.cutShort === true) return undefined;
  const before = earlier.filter((each) => isComparable(each, record)).map(runFigures);
  const [current, previous] = [runFigures(record), before.at(-1)];
  const told = trendOf([...before, current]);
  if (previous === undefined || told === undefined) return undefined;
  const [from, to] = [successRate(previous), successRate(current)];
  const previousP95 = previous.p95Of === current.p95Of ? previous.p95Ms : undefined;
  return {
    previous,
    figures: [
      {
        id: 'success',
        label: 'sessions that succeeded',
        unit: 'share',
        better: 'higher',
        before: from,
        after: to,
        changePercent: changeOf(from, to),
      },
      {
        id: 'p95',
        label: `p95 of ${current.p95Of}`,
        unit: 'ms',
        better: 'lower',
        before: previousP95,
        after: current.p95Ms,
        changePercent: changeOf(previousP95, current.p95Ms),
      },
    ],
    runs: before.length + 1,
    ...told,
  };
};

/** `changesSince` over the history of a folder of results; throws where that can't be read. */
export const changesInHistory = async (base: string, record: RunRecord): Promise<ChangesSince | undefined> =>
  changesSince(record, await runsInHistory(base, (each) => isComparable(each, record)));

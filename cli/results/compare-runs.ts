import type { CriterionStatus } from '../../lib/results/criterion-status.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import type { MetricSample, RunValues } from './run-values.ts';
import { leastProportionsP, medianOf, proportionsTest, rankTest, successRate, type Counts } from './statistics.ts';

/** One or more runs of one scenario under the same conditions. */
export interface Side {
  records: RunRecord[];
  values: RunValues[];
}

/** What became of something: `within noise` also where it is better or worse by too little to be told from chance. */
export type ChangeStatus = 'regression' | 'better' | 'within noise' | 'too few';

/** What must hold for a difference to be taken for one. */
export const bounds = {
  /** Chance alone is to come to it less often than this. */
  p: 0.01,
  /** Of the medians of runs; with four runs a side it takes that all of one side are above all of the other. */
  runsP: 0.05,
  delta: 0.33,
  /** Fewer values say nothing. */
  values: 10,
  /** Fewer runs a side say nothing by their medians. */
  runs: 4,
  /** Timers and schedulers differ by that much. */
  ms: 1,
} as const;

/** At most so many values a side are held against each other, of all runs together. */
export const maxValues = 20_000;

const statusesOf = (side: Side, key: string): CriterionStatus[] => {
  const found = side.records.flatMap(({ criteria }) =>
    criteria.filter((each) => criterionKey(each) === key).map(({ status }) => status),
  );
  return [...new Set(found)];
};

const criterionKey = ({ test, selector, expression }: RunRecord['criteria'][number]): string =>
  [test, selector, expression].join('\n');

const isBroken = (status: CriterionStatus): boolean => status === 'FAIL' || status === 'NO DATA';
const holdsIn = (statuses: readonly CriterionStatus[]): boolean =>
  statuses.length > 0 && statuses.every((each) => each === 'PASS');

/** How each criterion ended on both sides; several statuses where runs of a side differ. */
const compareCriteria = (a: Side, b: Side) => {
  const all = new Map(
    [...a.records, ...b.records].flatMap(({ criteria }) => criteria.map((each) => [criterionKey(each), each])),
  );
  return [...all].map(([key, { test, selector, expression }]) => {
    const [of, to] = [statusesOf(a, key), statusesOf(b, key)];
    const status = (): 'regression' | 'better' | 'same' | 'other' => {
      if (holdsIn(of) && to.some(isBroken)) return 'regression';
      if (of.some(isBroken) && holdsIn(to)) return 'better';
      return of.toSorted().join() === to.toSorted().join() ? 'same' : 'other';
    };
    return { test, selector, expression, a: of, b: to, status: status() };
  });
};

const countsOf = (side: Side): Map<string, Counts> => {
  const by = new Map<string, Counts>();
  for (const { test, successful, failed } of side.records.flatMap(({ rounds }) => rounds)) {
    const of = by.get(test) ?? { successful: 0, failed: 0 };
    by.set(test, { successful: of.successful + successful, failed: of.failed + failed });
  }
  return by;
};

const nothing = { successful: 0, failed: 0 };

/** The shares of sessions that succeeded. */
const compareSuccess = (a: Side, b: Side) => {
  const [left, right] = [countsOf(a), countsOf(b)];
  return [...new Set([...left.keys(), ...right.keys()])].map((test) => {
    const [of, to] = [left.get(test) ?? nothing, right.get(test) ?? nothing];
    const p = proportionsTest(of, to);
    const status = (): ChangeStatus => {
      if (leastProportionsP(of, to.successful + to.failed) >= bounds.p) return 'too few';
      if (p >= bounds.p) return 'within noise';
      return (successRate(to) ?? 0) < (successRate(of) ?? 0) ? 'regression' : 'better';
    };
    return { test, a: of, b: to, p, status: status() };
  });
};

const samplesOf = (side: Side, key: string): MetricSample[] =>
  side.values.map(({ metrics }) => metrics.get(key)).filter((each) => each !== undefined);

const runMedians = (samples: readonly MetricSample[]): number[] =>
  samples.map(({ values }) => medianOf(values)).filter((each) => each !== undefined);

const changeOf = (before: number | undefined, after: number | undefined): number | undefined =>
  before === undefined || after === undefined || before === 0 ? undefined : (100 * (after - before)) / before;

const seenIn = (samples: readonly MetricSample[]): number => samples.reduce((all, { seen }) => all + seen, 0);

const compareMetric = (
  known: MetricSample,
  a: readonly MetricSample[],
  b: readonly MetricSample[],
  tolerancePercent: number,
) => {
  const { test, name, unit, better } = known;
  const [left, right] = [a, b].map((side) => side.flatMap(({ values }) => values)) as [number[], number[]];
  const [before, after] = [medianOf(left), medianOf(right)];
  const { delta, p } = rankTest(left, right);
  const [mediansA, mediansB] = [runMedians(a), runMedians(b)];
  const ofRuns = Math.min(mediansA.length, mediansB.length) >= bounds.runs ? rankTest(mediansA, mediansB) : undefined;
  const changePercent = changeOf(before, after);
  const status = (): ChangeStatus => {
    if (Math.min(left.length, right.length) < bounds.values) return 'too few';
    const difference = (after ?? 0) - (before ?? 0);
    const isLarge =
      (changePercent === undefined ? difference !== 0 : Math.abs(changePercent) > tolerancePercent) &&
      (unit !== 'ms' || Math.abs(difference) >= bounds.ms) &&
      Math.abs(delta) >= bounds.delta &&
      // Ranks and medians that point to different sides tell nothing.
      Math.sign(delta) === Math.sign(difference);
    const isMore = p < bounds.p;
    // Sessions of one run share what befell it: where there are runs enough, they have to agree.
    const runsAgree =
      ofRuns === undefined || (ofRuns.p < bounds.runsP && Math.sign(ofRuns.delta) === Math.sign(difference));
    if (!isLarge || !isMore || !runsAgree) return 'within noise';
    return difference > 0 === (better === 'lower') ? 'regression' : 'better';
  };
  return {
    test,
    name,
    unit,
    better,
    /** How many values there were, and how many of them were drawn for the test. */
    seen: [seenIn(a), seenIn(b)] as const,
    used: [left.length, right.length] as const,
    medians: [before, after] as const,
    /** From the one median to the other; undefined where there is no telling. */
    changePercent,
    /** Cliff's delta: positive where the values of B are the larger ones. */
    delta,
    /** Two-sided, of the sessions' values. */
    p,
    /** Two-sided, of the medians of runs; where each side has enough of them. */
    ...(ofRuns !== undefined && { runsP: ofRuns.p }),
    status: status(),
  };
};

const compareMetrics = (a: Side, b: Side, tolerancePercent: number) => {
  const known = new Map([...a.values, ...b.values].flatMap(({ metrics }) => Array.from(metrics)));
  return [...known].map(([key, metric]) =>
    compareMetric(metric, samplesOf(a, key), samplesOf(b, key), tolerancePercent),
  );
};

/**
 * Holds B against A, criterion by criterion and metric by metric. `too few` where nothing regressed, but the runs are too few to
 * rule out chance, or of no success rate and no metric, if there are any, anything could be told.
 */
export const compareSides = (a: Side, b: Side, tolerancePercent: number) => {
  const criteria = compareCriteria(a, b);
  const success = compareSuccess(a, b);
  const metrics = compareMetrics(a, b, tolerancePercent);
  const measured = [...success, ...metrics];
  const verdict = (): 'regression' | 'no regression' | 'too few' => {
    if ([...criteria, ...measured].some(({ status }) => status === 'regression')) return 'regression';
    const isUntold = measured.length > 0 && measured.every(({ status }) => status === 'too few');
    return isUntold || Math.min(a.records.length, b.records.length) < bounds.runs ? 'too few' : 'no regression';
  };
  return { verdict: verdict(), criteria, success, metrics };
};

/** What two sides come to. */
export type Comparison = ReturnType<typeof compareSides>;

import { median, twoSidedP, z975 } from '../../lib/memory/trend.ts';

/** The ends of an interval. */
export interface Interval {
  low: number;
  high: number;
}

/** Wilson's 95 % interval of a rate, 0 to 1, of which so many trials were seen; all of it where there was none. */
export const wilsonInterval = (successes: number, trials: number): Interval => {
  if (trials === 0) return { low: 0, high: 1 };
  const rate = successes / trials;
  const square = z975 ** 2;
  const centre = rate + square / (2 * trials);
  const half = z975 * Math.sqrt((rate * (1 - rate)) / trials + square / (4 * trials ** 2));
  const scale = 1 + square / trials;
  return {
    low: successes === 0 ? 0 : (centre - half) / scale,
    high: successes === trials ? 1 : (centre + half) / scale,
  };
};

const logFactorials = [0];

/** The natural logarithm of n!: a sum for small n, Stirling's series beyond. */
const logFactorial = (n: number): number => {
  if (n >= 256) {
    return n * Math.log(n) - n + Math.log(2 * Math.PI * n) / 2 + 1 / (12 * n) - 1 / (360 * n ** 3);
  }
  for (let at = logFactorials.length; at <= n; at++) logFactorials.push((logFactorials[at - 1] ?? 0) + Math.log(at));
  return logFactorials[n] ?? 0;
};

const logChoose = (n: number, k: number): number => logFactorial(n) - logFactorial(k) - logFactorial(n - k);

/** Successes and failures of one side. */
export interface Counts {
  successful: number;
  failed: number;
}

/** The share of successes, 0 to 1; undefined where there was no trial. */
export const successRate = ({ successful, failed }: Counts): number | undefined =>
  successful + failed === 0 ? undefined : successful / (successful + failed);

/** Beyond so many tables with the same margins the normal approximation is as good as the exact sum. */
const maxTables = 100_000;

/**
 * The two-sided p of two rates being one: Fisher's exact test, and of large counts of both outcomes the two-proportion test
 * with a pooled rate. 1 where a side has nothing.
 */
export const proportionsTest = (a: Counts, b: Counts): number => {
  const [n, m] = [a.successful + a.failed, b.successful + b.failed];
  const failed = a.failed + b.failed;
  const all = n + m;
  if (n === 0 || m === 0 || failed === 0 || failed === all) return 1;
  const [fewest, most] = [Math.max(0, failed - m), Math.min(n, failed)];
  if (most - fewest > maxTables) {
    const pooled = failed / all;
    return twoSidedP((a.failed / n - b.failed / m) / Math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)));
  }
  const whole = logChoose(all, failed);
  const likelihood = (k: number): number => logChoose(n, k) + logChoose(m, failed - k) - whole;
  // Tables that are as likely as the one seen may come out a rounding error more likely.
  const seen = likelihood(a.failed) + 1e-7;
  let p = 0;
  for (let k = fewest; k <= most; k++) {
    const each = likelihood(k);
    if (each <= seen) p += Math.exp(each);
  }
  return Math.min(1, p);
};

/** The least p that `proportionsTest` could give against these counts, whatever came of so many trials. */
export const leastProportionsP = (a: Counts, trials: number): number =>
  Math.min(
    proportionsTest(a, { successful: 0, failed: trials }),
    proportionsTest(a, { successful: trials, failed: 0 }),
  );

/** The middle of some values; undefined where there is none. */
export const medianOf = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : median(Float64Array.from(values).toSorted());

/** What the ranks of two samples tell. */
export interface RankTest {
  /** Mann–Whitney's U of the second sample: pairs in which it has the larger value, ties half. */
  u: number;
  /** Cliff's delta, -1 to 1: positive where the second sample has the larger values. */
  delta: number;
  /** Two-sided: of both samples being from one distribution. */
  p: number;
}

/** Samples of at most so many values have their exact distribution computed, where no two values are equal. */
const maxExact = 20;

const sum = (counts: Float64Array): number => counts.reduce((before, each) => before + each, 0);

/** The two-sided p of U by its exact distribution without ties: the ways to each U are the coefficients of a Gaussian binomial. */
const exactP = (u: number, n: number, m: number): number => {
  const ways = new Float64Array(n * m + 1);
  ways[0] = 1;
  for (let i = 1; i <= m; i++) {
    for (let at = n * m; at >= n + i; at--) ways[at] = (ways[at] ?? 0) - (ways[at - n - i] ?? 0);
    for (let at = i; at <= n * m; at++) ways[at] = (ways[at] ?? 0) + (ways[at - i] ?? 0);
  }
  const lower = Math.min(u, n * m - u);
  return Math.min(1, (2 * sum(ways.subarray(0, lower + 1))) / sum(ways));
};

/**
 * Mann–Whitney's rank test of two samples: exact where they are small and without ties, else by the normal approximation with
 * corrections for ties and for continuity.
 */
export const rankTest = (a: readonly number[], b: readonly number[]): RankTest => {
  const [n, m] = [a.length, b.length];
  if (n === 0 || m === 0) return { u: 0, delta: 0, p: 1 };
  const [left, right] = [Float64Array.from(a).toSorted(), Float64Array.from(b).toSorted()];
  let u = 0;
  let ties = 0;
  for (let i = 0, j = 0; i < n || j < m;) {
    const value = Math.min(left[i] ?? Infinity, right[j] ?? Infinity);
    const [fromI, fromJ] = [i, j];
    while (i < n && left[i] === value) i++;
    while (j < m && right[j] === value) j++;
    u += (j - fromJ) * (fromI + (i - fromI) / 2);
    const equal = i - fromI + j - fromJ;
    ties += equal ** 3 - equal;
  }
  const pairs = n * m;
  const delta = (2 * u) / pairs - 1;
  if (ties === 0 && n <= maxExact && m <= maxExact) return { u, delta, p: exactP(u, n, m) };
  const all = n + m;
  const variance = (pairs / 12) * (all + 1 - ties / (all * (all - 1)));
  const distance = Math.max(0, Math.abs(u - pairs / 2) - 0.5);
  return { u, delta, p: variance > 0 ? twoSidedP(distance / Math.sqrt(variance)) : 1 };
};

/** Neighbouring bounds differ by 1 %. */
const ratio = 1.01;
const smallest = 0.001;
const largest = 1e9;

/** A distribution in bounded memory: how many values are there between bounds that are 1 % apart. */
export interface Histogram {
  count: number;
  min: number;
  max: number;
  /** How many values each of the ranges has, by its number. */
  ranges: Map<number, number>;
}

/** A distribution without values. */
export const emptyHistogram = (): Histogram => ({ count: 0, min: Infinity, max: -Infinity, ranges: new Map() });

/** Adds a value. */
export const addValue = (histogram: Histogram, value: number): void => {
  const held = Math.min(Math.max(value, smallest), largest);
  const range = Math.ceil(Math.log(held / smallest) / Math.log(ratio));
  histogram.count++;
  histogram.min = Math.min(histogram.min, value);
  histogram.max = Math.max(histogram.max, value);
  histogram.ranges.set(range, (histogram.ranges.get(range) ?? 0) + 1);
};

/** The shares of values up to a value, rising: `[value, share]`, the last one with share 1; none where there is no value. */
export const cumulative = (histogram: Histogram): [value: number, share: number][] => {
  let seen = 0;
  return [...histogram.ranges]
    .toSorted(([a], [b]) => a - b)
    .map(([range, count]) => {
      seen += count;
      const bound = smallest * ratio ** range;
      return [Math.min(Math.max(bound, histogram.min), histogram.max), seen / histogram.count];
    });
};

/** The value that a share of all values, 0 to 1, does not exceed; within 1 %, undefined without values. */
export const quantile = (histogram: Histogram, share: number): number | undefined =>
  cumulative(histogram).find(([, upTo]) => upTo >= share - 1e-9)?.[0];

/** One distribution of the values of several. */
export const mergeHistograms = (all: readonly Histogram[]): Histogram => {
  const merged = emptyHistogram();
  for (const { count, min, max, ranges } of all) {
    merged.count += count;
    merged.min = Math.min(merged.min, min);
    merged.max = Math.max(merged.max, max);
    for (const [range, values] of ranges) merged.ranges.set(range, (merged.ranges.get(range) ?? 0) + values);
  }
  return merged;
};

/** From how many values a percentile says something: one at least lies beyond it. */
export const leastCount = { p50: 4, p95: 20, p99: 100 } as const;

/** The median, 95th and 99th percentile of a distribution; undefined of too few values. */
export const percentilesOf = (times: Histogram): { p50?: number; p95?: number; p99?: number } => {
  const of = (name: keyof typeof leastCount, share: number): object => {
    const value = times.count >= leastCount[name] ? quantile(times, share) : undefined;
    return value === undefined ? {} : { [name]: value };
  };
  return { ...of('p50', 0.5), ...of('p95', 0.95), ...of('p99', 0.99) };
};

/** One reading of a service's memory. */
export interface MemorySample {
  /** Sessions finished since the start of the load. */
  sessions: number;
  /** Resident memory of the service. */
  bytes: number;
}

/** How memory moves with the sessions finished. */
export interface Trend {
  /** Median of the slopes of all pairs, bytes a session (Theil 1950, Sen 1968); NaN where no pair has one. */
  slopeBytes: number;
  /** Lower end of the 95 % interval of the slope; −Infinity where the samples say too little. */
  lowBytes: number;
  /** Upper end of the 95 % interval of the slope; Infinity where the samples say too little. */
  highBytes: number;
  /** Pairs that rise less pairs that fall (Mann 1945, Kendall 1975). */
  s: number;
  /** Variance of `s` without a trend, with ties and autocorrelation in it. */
  variance: number;
  /** Two-sided probability of such an `s` where there is no trend. */
  p: number;
}

/** However alike neighbours are, samples count as this many independent ones: with fewer nothing could be proven. */
const fewestIndependent = 6;

/** Standard normal quantile at 97.5 %. */
export const z975 = 1.959963984540054;

const erfcCoefficients = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
];

/** Two-sided tail of the standard normal distribution, within 1.2e-7 of itself (Press et al., Numerical Recipes, §6.2). */
export const twoSidedP = (z: number): number => {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  return Math.min(1, t * Math.exp(erfcCoefficients.reduce((sum, each) => sum * t + each, 0) - x * x));
};

/** The middle of sorted values; NaN where there is none. */
export const median = (sorted: ArrayLike<number>): number => {
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? NaN) + upper) / 2 : upper;
};

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);

/** Sizes of the groups of equal values. */
const tieSizes = (values: readonly number[]): number[] => {
  const sizes = new Map<number, number>();
  for (const value of values) sizes.set(value, (sizes.get(value) ?? 0) + 1);
  return [...sizes.values()];
};

const pairsOf = (t: number): number => t * (t - 1);
const triplesOf = (t: number): number => t * (t - 1) * (t - 2);
const termOf = (t: number): number => t * (t - 1) * (2 * t + 5);

/** Variance of Kendall's S without a trend, with ties in x and in y (Kendall 1975, §4). */
const kendallVariance = (xs: readonly number[], ys: readonly number[]): number => {
  const n = xs.length;
  if (n < 2) return 0;
  const [ofX, ofY] = [tieSizes(xs), tieSizes(ys)];
  const both = (of: (t: number) => number): number => sum(ofX.map(of)) * sum(ofY.map(of));
  return (
    (termOf(n) - sum(ofX.map(termOf)) - sum(ofY.map(termOf))) / 18 +
    (n < 3 ? 0 : both(triplesOf) / (9 * triplesOf(n))) +
    both(pairsOf) / (2 * pairsOf(n))
  );
};

/** Ranks from 1, equal values with the mean of theirs. */
const ranksOf = (values: readonly number[]): number[] => {
  const order = values.map((_, index) => index).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const ranks: number[] = Array.from({ length: values.length });
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to] ?? 0] === values[order[from] ?? 0]) to++;
    for (const index of order.slice(from, to)) ranks[index] = (from + to + 1) / 2;
    from = to;
  }
  return ranks;
};

/**
 * By how much autocorrelation widens the variance of S, at least 1: samples near each other tell less than as many
 * independent ones. It is (1 + r) / (1 − r) for the correlation r of neighbours (Bayley & Hammersley 1946), over the ranks
 * of what the slope leaves; (2 + 4r) / n is what a short series with its line taken off hides of r (Kendall 1954).
 */
const autocorrelationFactor = (residuals: readonly number[]): number => {
  const n = residuals.length;
  const ranks = ranksOf(residuals).map((rank) => rank - (n + 1) / 2);
  const power = sum(ranks.map((rank) => rank * rank));
  if (power === 0) return 1;
  const most = Math.max(1, n / fewestIndependent);
  const found = sum(ranks.map((rank, at) => rank * (ranks[at + 1] ?? 0))) / power;
  const correlation = found + (2 + 4 * found) / n;
  return correlation <= 0 ? 1 : correlation >= 1 ? most : Math.min(most, (1 + correlation) / (1 - correlation));
};

/** The value at a rank counted from 1, between two by their distance; infinite outside. */
const atRank = (sorted: Float64Array, rank: number): number => {
  if (!(rank >= 1)) return -Infinity;
  if (!(rank <= sorted.length)) return Infinity;
  const below = Math.floor(rank);
  const low = sorted[below - 1] ?? NaN;
  return low + (rank - below) * ((sorted[below] ?? low) - low);
};

/**
 * The trend over samples in any order, at most some hundreds: the work grows with their square. Its interval is Sen's: as many slopes lie outside it as Kendall's variance gives
 * (Gilbert 1987, §16.5). Pairs with equal `sessions` have no slope and are left out.
 */
export const trendOf = (all: readonly MemorySample[]): Trend => {
  const samples = [...all].sort((a, b) => a.sessions - b.sessions);
  const [xs, ys] = [samples.map(({ sessions }) => sessions), samples.map(({ bytes }) => bytes)];
  const slopes = new Float64Array((xs.length * (xs.length - 1)) / 2);
  let count = 0;
  let s = 0;
  for (const [later, x] of xs.entries()) {
    const y = ys[later] ?? NaN;
    for (let earlier = 0; earlier < later; earlier++) {
      const dx = x - (xs[earlier] ?? NaN);
      if (dx === 0) continue;
      const dy = y - (ys[earlier] ?? NaN);
      s += Math.sign(dy);
      slopes[count++] = dy / dx;
    }
  }
  const sorted = slopes.subarray(0, count).sort();
  const slopeBytes = median(sorted);
  // Relative to the first sample, so that adding to all of them changes no rounding.
  const residuals = ys.map((y, at) => y - (ys[0] ?? 0) - slopeBytes * ((xs[at] ?? 0) - (xs[0] ?? 0)));
  const variance = kendallVariance(xs, ys) * autocorrelationFactor(residuals);
  const spread = z975 * Math.sqrt(variance);
  return {
    slopeBytes,
    lowBytes: atRank(sorted, (count - spread) / 2),
    highBytes: atRank(sorted, (count + spread) / 2 + 1),
    s,
    variance,
    p: variance === 0 ? 1 : twoSidedP((Math.abs(s) - Math.min(1, Math.abs(s))) / Math.sqrt(variance)),
  };
};

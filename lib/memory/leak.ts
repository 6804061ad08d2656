import { trendOf, type MemorySample } from './trend.ts';

const MiB = 1024 * 1024;

/** What growth is borne, and what a judgement needs; each member has a default. */
export interface LeakOptions {
  /** Growth in bytes a session that is no leak; 256 bytes. */
  toleratedBytes?: number;
  /**
   * Growth in bytes over all judged sessions that is no leak; 12 MiB. Allocators and garbage collectors take and give back
   * memory in such steps, so that a short run cannot tell a smaller leak from them.
   */
  toleratedGrowthBytes?: number;
  /** Share of all sessions, 0 to 1, whose samples are left out for the service to warm up; a half. */
  warmUpShare?: number;
  /** Samples wanted after the warm-up; 12. */
  leastSamples?: number;
  /** Sessions wanted after the warm-up; 900. */
  leastSessions?: number;
}

/** Whether memory leaks, and by what evidence. */
export interface LeakJudgement {
  verdict: 'LEAK' | 'NO LEAK' | 'INCONCLUSIVE';
  /** Growth in bytes a session, and the ends of its 95 % interval; undefined where there was too little to judge. */
  slopeBytes: number | undefined;
  lowBytes: number | undefined;
  highBytes: number | undefined;
  /** Probability that memory without a trend rises or falls as clearly; undefined where there was too little to judge. */
  p: number | undefined;
  /** Growth in bytes a session up to which there is no leak in this run; undefined where there was too little to judge. */
  toleratedBytes: number | undefined;
  /** Samples after the warm-up, and the sessions finished from the first of them to the last. */
  samples: number;
  sessions: number;
  /** The judgement in a sentence. */
  detail: string;
}

/**
 * Measured on the reference target (Node 20, `echo` in waves of 50): its first 1500 sessions take 40 MiB more, at 20 KiB
 * a session, which no statistic can tell from a leak; from then on it moves by less than 5 MiB but for one tooth of
 * 15 MiB in some runs, and over 20,000 sessions by 1 MiB.
 */
export const leakDefaults: Readonly<Required<LeakOptions>> = {
  toleratedBytes: 256,
  toleratedGrowthBytes: 12 * MiB,
  warmUpShare: 0.5,
  leastSamples: 12,
  leastSessions: 900,
};

/** A trend is one where chance makes it less than once in a hundred runs. */
const maxChance = 0.01;

/** What surely rises by more than this share of a growth that is tolerated for the shortness of a run is in doubt. */
const doubtfulShare = 0.25;

/** A rise up to this share of what the service has given back at once may be one more tooth of its collector. */
const toothShare = 1.5;

/** A leak goes on as it was; what falls to this share of its growth is a warm-up that ends. */
const slowingShare = 0.5;

/** Samples that a trend is made of: few, so that each is the lowest of many where there are many. */
const maxTroughs = 24;

const shown = (bytes: number): string => {
  const size = Math.abs(bytes);
  const sign = bytes < 0 ? '−' : '';
  if (size === Infinity) return `${sign}∞`;
  if (size < 1023.5) return `${sign}${Math.round(size)} B`;
  return size < MiB ? `${sign}${(size / 1024).toFixed(1)} KiB` : `${sign}${(size / MiB).toFixed(1)} MiB`;
};

/** The samples behind the warm-up: those from its share of the sessions on. */
const afterWarmUp = (sorted: readonly MemorySample[], share: number): MemorySample[] => {
  const [first, last] = [sorted[0]?.sessions ?? 0, sorted.at(-1)?.sessions ?? 0];
  return sorted.filter(({ sessions }) => sessions >= first + share * (last - first));
};

/** At most `most` samples: of each group of neighbours the one with the least memory, as a collector leaves it. */
export const troughsOf = (samples: readonly MemorySample[], most: number): readonly MemorySample[] => {
  if (samples.length <= most) return samples;
  return Array.from({ length: most }, (_, index) => {
    const from = Math.floor((index * samples.length) / most);
    const group = samples.slice(from, Math.floor(((index + 1) * samples.length) / most));
    return group.reduce((least, each) => (each.bytes < least.bytes ? each : least));
  });
};

/** The most that memory fell from any sample to a later one; each sample is the median of three, so that spikes are none. */
const largestFall = (samples: readonly MemorySample[]): number => {
  let [highest, largest] = [-Infinity, 0];
  for (let at = 1; at < samples.length - 1; at++) {
    const [a = 0, b = 0, c = 0] = samples.slice(at - 1, at + 2).map(({ bytes }) => bytes);
    const middle = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    highest = Math.max(highest, middle);
    largest = Math.max(largest, highest - middle);
  }
  return largest;
};

/**
 * Judges whether a service keeps memory of sessions that have ended, by the trend of the troughs after the warm-up.
 * Tolerated is `toleratedBytes` a session or, where that is more, `toleratedGrowthBytes` over all judged sessions. LEAK:
 * the slope's interval lies above what is tolerated and above a tooth of the collector, the trend is no chance, and the
 * newer half rises by as much, and not much slower than the older. NO LEAK: the interval, or that of the newer half, lies within what is tolerated,
 * and memory does not surely rise by a quarter of a growth that is tolerated only for the shortness of the run.
 */
export const evaluateLeak = (all: readonly MemorySample[], options: LeakOptions = {}): LeakJudgement => {
  const limits = { ...leakDefaults, ...options };
  const sorted = [...all].sort((a, b) => a.sessions - b.sessions);
  const judged = afterWarmUp(sorted, limits.warmUpShare);
  const samples = judged.length;
  const sessions = (judged.at(-1)?.sessions ?? 0) - (judged[0]?.sessions ?? 0);
  if (samples < limits.leastSamples || sessions < limits.leastSessions || sessions === 0) {
    return {
      verdict: 'INCONCLUSIVE',
      slopeBytes: undefined,
      lowBytes: undefined,
      highBytes: undefined,
      p: undefined,
      toleratedBytes: undefined,
      samples,
      sessions,
      detail: `expected at least ${limits.leastSamples} samples over ${limits.leastSessions} sessions after the warm-up, received ${samples} over ${sessions}: run longer`,
    };
  }
  const troughs = troughsOf(judged, maxTroughs);
  const { slopeBytes, lowBytes, highBytes, p } = trendOf(troughs);
  const half = Math.floor(troughs.length / 2);
  const [older, newer] = [trendOf(troughs.slice(0, half)), trendOf(troughs.slice(half))];
  const slows = newer.slopeBytes < older.slopeBytes * slowingShare;
  const toleratedBytes = Math.max(limits.toleratedBytes, limits.toleratedGrowthBytes / sessions);
  const fallBytes = largestFall(sorted);
  const toothBytes = (toothShare * fallBytes) / sessions;
  const risesBy = (limitBytes: number): boolean =>
    lowBytes > limitBytes && p < maxChance && newer.slopeBytes > limitBytes;
  const doubtfulBytes = Math.max(limits.toleratedBytes, toleratedBytes * doubtfulShare);
  const verdict =
    risesBy(Math.max(toleratedBytes, toothBytes)) && !slows
      ? 'LEAK'
      : Math.min(highBytes, newer.highBytes) <= toleratedBytes && !risesBy(doubtfulBytes)
        ? 'NO LEAK'
        : 'INCONCLUSIVE';
  const growth = `growth ${shown(slopeBytes)} a session (95 % interval ${shown(lowBytes)} to ${shown(highBytes)}) over ${sessions} sessions`;
  const tolerated = `${shown(toleratedBytes)} ${toleratedBytes > limits.toleratedBytes ? `a session, ${shown(limits.toleratedGrowthBytes)} in all, are` : 'a session are'} tolerated`;
  const doubt =
    lowBytes <= toleratedBytes
      ? ''
      : lowBytes <= toothBytes
        ? `, and ${shown(fallBytes)} were given back before`
        : ', and the growth slows down';
  const advice: Record<LeakJudgement['verdict'], string> = {
    LEAK: '',
    'NO LEAK': highBytes <= toleratedBytes ? '' : ', and in the newer half there is no more',
    INCONCLUSIVE: `${doubt}: run longer`,
  };
  return {
    verdict,
    slopeBytes,
    lowBytes,
    highBytes,
    p,
    toleratedBytes,
    samples,
    sessions,
    detail: `${growth}; ${tolerated}${advice[verdict]}`,
  };
};

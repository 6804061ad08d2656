import { trendOf, type MemorySample } from './trend.ts';

const MiB = 1024 * 1024;

/** What growth is borne, and what a judgement needs; each member has a default. */
export interface LeakOptions {
  /** Growth in bytes a session that is no leak; 256 bytes. */
  toleratedBytes?: number;
  /**
   * Growth in bytes over all judged sessions that is no leak; 8 MiB. Allocators and garbage collectors take and give back
   * memory in such steps, so that a short run cannot tell a smaller leak from them.
   */
  toleratedGrowthBytes?: number;
  /** Share of all sessions, 0 to 1, whose samples are left out for the service to warm up; a half. */
  warmUpShare?: number;
  /** Samples wanted after the warm-up; 12. */
  leastSamples?: number;
  /** Sessions wanted after the warm-up; 800. */
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
 * Measured on the reference target (Node 20): its first 1500 sessions take 40 MiB more, at 20 KiB a session, which no
 * statistic can tell from a leak; from then on 20 s of load move it by less than 5 MiB.
 */
export const leakDefaults: Readonly<Required<LeakOptions>> = {
  toleratedBytes: 256,
  toleratedGrowthBytes: 8 * MiB,
  warmUpShare: 0.5,
  leastSamples: 12,
  leastSessions: 800,
};

/** A trend is one where chance makes it less than once in a hundred runs. */
const mostChance = 0.01;

/** What surely rises by more than this share of a growth that is tolerated for the shortness of a run is in doubt. */
const doubtfulShare = 0.25;

const shown = (bytes: number): string => {
  const size = Math.abs(bytes);
  const sign = bytes < 0 ? '−' : '';
  if (size === Infinity) return `${sign}∞`;
  if (size < 1023.5) return `${sign}${Math.round(size)} B`;
  return size < MiB ? `${sign}${(size / 1024).toFixed(1)} KiB` : `${sign}${(size / MiB).toFixed(1)} MiB`;
};

/** The samples behind the warm-up: those from its share of the sessions on. */
const afterWarmUp = (samples: readonly MemorySample[], share: number): MemorySample[] => {
  const sorted = [...samples].sort((a, b) => a.sessions - b.sessions);
  const [first, last] = [sorted[0]?.sessions ?? 0, sorted.at(-1)?.sessions ?? 0];
  return sorted.filter(({ sessions }) => sessions >= first + share * (last - first));
};

/**
 * Judges whether a service keeps memory of sessions that have ended. LEAK: the interval of the slope lies above what is
 * tolerated, the trend is no chance, and the newer half of the samples still rises by more. NO LEAK: the interval lies
 * within what is tolerated. Tolerated is `toleratedBytes` a session or, where that is more, `toleratedGrowthBytes` over
 * all judged sessions; what surely rises by a quarter of the latter is INCONCLUSIVE.
 */
export const judgeLeak = (all: readonly MemorySample[], options: LeakOptions = {}): LeakJudgement => {
  const limits = { ...leakDefaults, ...options };
  const judged = afterWarmUp(all, limits.warmUpShare);
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
  const { slopeBytes, lowBytes, highBytes, p } = trendOf(judged);
  const toleratedBytes = Math.max(limits.toleratedBytes, limits.toleratedGrowthBytes / sessions);
  const newestBytes = trendOf(judged.slice(Math.floor(samples / 2))).slopeBytes;
  const risesBy = (limitBytes: number): boolean => lowBytes > limitBytes && p < mostChance && newestBytes > limitBytes;
  const doubtfulBytes = Math.max(limits.toleratedBytes, toleratedBytes * doubtfulShare);
  const verdict = risesBy(toleratedBytes)
    ? 'LEAK'
    : highBytes <= toleratedBytes && !risesBy(doubtfulBytes)
      ? 'NO LEAK'
      : 'INCONCLUSIVE';
  const growth = `growth ${shown(slopeBytes)} a session (95 % interval ${shown(lowBytes)} to ${shown(highBytes)}) over ${sessions} sessions`;
  const tolerated = `${shown(toleratedBytes)} ${toleratedBytes > limits.toleratedBytes ? `a session, ${shown(limits.toleratedGrowthBytes)} in all, are` : 'a session are'} tolerated`;
  const slowed = lowBytes > toleratedBytes && newestBytes <= toleratedBytes ? ', and the growth slows down' : '';
  const advice = verdict === 'INCONCLUSIVE' ? `${slowed}: run longer` : '';
  return {
    verdict,
    slopeBytes,
    lowBytes,
    highBytes,
    p,
    toleratedBytes,
    samples,
    sessions,
    detail: `${growth}; ${tolerated}${advice}`,
  };
};

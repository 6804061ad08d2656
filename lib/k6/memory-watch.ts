import { leak } from '../cases/memory.ts';
import { greets } from '../cases/run-command.ts';
import type { Settings } from '../load/settings.ts';
import { evaluateLeak, type LeakJudgement } from '../memory/leak.ts';
import { isRestarted, type MemoryReading } from '../memory/reading.ts';
import { describeOutcome } from '../session/outcome.ts';
import type { TimedMemorySample } from '../results/memory-record.ts';
import type { CaseContext } from './case-context.ts';

const sessionsAtOnce = 10;
const maxSamples = 2000;
/** How many times as long as it is to last a load may last that does not settle whether there is a leak. */
export const maxTimes = 3;

/** Without one session that succeeds in so many waves there is no load to watch. */
const maxWavesLost = 5;
const lostPauseMs = 500;

/** A load that was watched: how many of its sessions succeeded and failed, and what the service's memory did. */
export interface MemoryWatch {
  sessions: number;
  failed: number;
  /** How the first that failed ended. */
  firstFailure: string | undefined;
  /** How many of those that failed took too long. */
  tooSlow: number;
  /** The service was started anew meanwhile. */
  restarted: boolean;
  judgement: LeakJudgement;
  samples: readonly TimedMemorySample[];
}

/** Opens sessions together, each with one command; returns how many succeeded when all have gone, and how one did not. */
const wave = async (
  context: CaseContext,
): Promise<{ size: number; succeeded: number; tooSlow: number; failure: string | undefined }> => {
  const size = context.settings.vus ?? sessionsAtOnce;
  const ends = await Promise.all(Array.from({ length: size }, () => context.open(leak.name, greets).result));
  const failed = ends.filter(({ outcome }) => outcome.kind !== 'ok');
  const tooSlow = failed.filter(({ outcome }) => outcome.kind === 'timeout').length;
  return { size, succeeded: size - failed.length, tooSlow, failure: failed[0] && describeOutcome(failed[0].outcome) };
};

/** A service may count sessions for so long that have gone, milliseconds; a slow one as long as an answer may take. */
export const settlesMs = ({ ackTimeoutMs }: Pick<Settings, 'ackTimeoutMs'>): number => Math.max(10_000, ackTimeoutMs);
const emptiesMs = 1000;

/**
 * What there is before the load, which comes behind a first wave: what a service starts with its first command and keeps is
 * not left over. Its sessions are: those counted are of before that wave, once set-up's own has gone.
 */
export const readingBefore = async (context: CaseContext, read: () => MemoryReading): Promise<MemoryReading> => {
  const waitFor = (most: number, withinMs: number): Promise<string | undefined> =>
    context.eventually(withinMs, () => ((read().activeSessions ?? 0) > most ? 'more' : undefined));
  await waitFor(0, emptiesMs);
  const { activeSessions } = read();
  await wave(context);
  await waitFor(activeSessions ?? 0, settlesMs(context.settings));
  return { ...read(), activeSessions };
};

/**
 * Puts load on the service in waves, reading its memory between them, at equal load; for as long as the settings say, and
 * up to three times as long where that does not settle it.
 */
export const watchMemory = async (context: CaseContext, read: () => MemoryReading): Promise<MemoryWatch> => {
  const { memoryDurationMs, leakBytes } = context.settings;
  const samples: TimedMemorySample[] = [];
  const startedAt = Date.now();
  let sessions = 0;
  let failed = 0;
  let tooSlow = 0;
  let wavesLost = 0;
  let firstFailure: string | undefined;
  let restarted = false;
  const first = read();
  const isLost = (): boolean => restarted || wavesLost >= maxWavesLost;
  const runUntil = async (untilMs: number): Promise<LeakJudgement> => {
    while (Date.now() - startedAt < untilMs && !isLost()) {
      const { size, succeeded, tooSlow: slow, failure } = await wave(context);
      firstFailure ??= failure;
      sessions += succeeded;
      failed += size - succeeded;
      tooSlow += slow;
      wavesLost = succeeded === 0 ? wavesLost + 1 : 0;
      if (wavesLost > 0) await context.pause(lostPauseMs);
      const isDue = Date.now() - startedAt >= (samples.length * memoryDurationMs) / maxSamples;
      if (!isDue) continue;
      const reading = read();
      restarted ||= isRestarted(first, reading);
      if (reading.residentBytes === undefined) continue;
      samples.push({ atMs: Date.now() - startedAt, sessions, bytes: reading.residentBytes });
    }
    return evaluateLeak(samples, { toleratedBytes: leakBytes });
  };
  let judgement = await runUntil(memoryDurationMs);
  for (let times = 2; times <= maxTimes && judgement.verdict === 'INCONCLUSIVE' && !isLost(); times++) {
    judgement = await runUntil(times * memoryDurationMs);
  }
  return { sessions, failed, tooSlow, firstFailure, restarted, judgement, samples };
};

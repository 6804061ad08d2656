import type { StreamEnd } from '../cases/down.ts';
import { greets } from '../cases/run-command.ts';
import type { Command } from '../commands/command.ts';
import type { SessionResult } from '../session/session.ts';
import type { OpenSession, CaseContext } from './case-context.ts';

const sessions = 5;
const count: Command = {
  name: 'count',
  class: 'paced',
  command: 'i=0; while [ $i -lt 6000 ]; do echo "Count $i"; i=$((i + 1)); sleep 0.01; done',
  proof: { numbered: { line: 'Count {i}', from: 0, to: 5999 } },
};

/** Sessions in the middle of output. */
export interface Streams {
  /** Stops the service; returns how they have ended so many milliseconds later at most, and closes those that have not: undefined. */
  endsBy: (stop: () => void, withinMs: number) => Promise<readonly (StreamEnd | undefined)[]>;
}

/** Opens sessions whose command goes on for a minute; resolved when output comes in each, or it has ended. */
export const openStreams = async (context: CaseContext, name: string): Promise<Streams> => {
  const ends: (StreamEnd | undefined)[] = Array.from({ length: sessions }, () => undefined);
  const open: OpenSession[] = [];
  let isEarly = true;
  let isOver = false;
  const streaming = ends.map(
    (_, index) =>
      new Promise<void>((resolve) => {
        const opened = context.open(name, function* (session) {
          const output = yield* session.execute(count);
          yield* output.reaches(5);
          resolve();
          yield* session.holds(() => isOver);
        });
        open.push(opened);
        void opened.result.then((result) => {
          ends[index] = { result, isEarly };
          resolve();
        });
      }),
  );
  await Promise.all(streaming);
  return {
    endsBy: async (stop, withinMs) => {
      isEarly = false;
      try {
        stop();
        await context.eventually(withinMs, () => (ends.includes(undefined) ? 'not yet' : undefined));
        return [...ends];
      } finally {
        isOver = true;
        for (const { notify } of open) notify();
        await Promise.all(open.map(({ result }) => result));
      }
    },
  };
};

/** A session that tries whether there is a service: it opens within 5 s, or has failed. */
export const tries = (context: CaseContext, name: string, url?: string): Promise<SessionResult> =>
  context.open(name, greets, url, true).result;

/**
 * Tries sessions until one succeeds, at most so long, and then as many together as there were before. Returns how the last one
 * ended, or of those together the first that failed; and how long it took until one succeeded, milliseconds.
 */
export const untilBack = async (
  context: CaseContext,
  name: string,
  startedAt: number,
): Promise<{ result: SessionResult; tookMs: number }> => {
  let last = await tries(context, name);
  await context.eventually(context.settings.recoveryTimeoutMs, async () => {
    if (last.outcome.kind !== 'ok') last = await tries(context, name);
    return last.outcome.kind === 'ok' ? undefined : 'not yet';
  });
  const tookMs = Date.now() - startedAt;
  if (last.outcome.kind !== 'ok') return { result: last, tookMs };
  const together = await Promise.all(Array.from({ length: sessions }, () => context.open(name, greets).result));
  const failed = together.find(({ outcome }) => outcome.kind !== 'ok');
  return { result: failed ?? last, tookMs };
};

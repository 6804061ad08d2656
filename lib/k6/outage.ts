import type { Command } from '../commands/command.ts';
import type { Outcome } from '../results/outcome.ts';
import type { Script, Session, SessionResult } from '../session/session.ts';
import type { OpenSession } from './open.ts';
import type { Stage } from './stage.ts';

const sessions = 5;
const count: Command = {
  name: 'count',
  class: 'paced',
  command: 'i=0; while [ $i -lt 6000 ]; do echo "Count $i"; i=$((i + 1)); sleep 0.01; done',
  proof: { numbered: { line: 'Count {i}', from: 0, to: 5999 } },
};
const hello: Command = { name: 'echo', class: 'simple', command: 'echo hello', proof: { lines: ['hello'] } };

/** One command, for a session that should work, or not even begin. */
export const greets = function* (session: Session): Script {
  const execution = yield* session.execute(hello);
  yield* execution.completes();
};

/** How a session in the middle of output ended, and whether it did before the service was stopped; undefined where it has not. */
export type StreamEnd = { outcome: Outcome; isEarly: boolean } | undefined;

/** Sessions in the middle of output. */
export interface Streams {
  /** Stops the service; returns how they have ended so many milliseconds later at most, and closes those that have not. */
  endsBy: (stop: () => void, withinMs: number) => Promise<readonly StreamEnd[]>;
}

/** Opens sessions whose command goes on for a minute; resolved when output comes in each, or it has ended. */
export const openStreams = async (stage: Stage, name: string): Promise<Streams> => {
  const ends: StreamEnd[] = Array.from({ length: sessions }, () => undefined);
  const open: OpenSession[] = [];
  let isEarly = true;
  let isOver = false;
  const streaming = ends.map(
    (_, index) =>
      new Promise<void>((resolve) => {
        const opened = stage.open(name, function* (session) {
          const output = yield* session.execute(count);
          yield* output.reaches(5);
          resolve();
          yield* session.holds(() => isOver);
        });
        open.push(opened);
        void opened.result.then(({ outcome }) => {
          ends[index] = { outcome, isEarly };
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
        await stage.eventually(withinMs, () => (ends.includes(undefined) ? 'not yet' : undefined));
        return [...ends];
      } finally {
        isOver = true;
        for (const { poke } of open) poke();
        await Promise.all(open.map(({ result }) => result));
      }
    },
  };
};

/** Tries sessions until one succeeds, at most so long; returns the last one, and how long it took, milliseconds. */
export const untilBack = async (
  stage: Stage,
  name: string,
  startedAt: number,
): Promise<{ last: SessionResult; tookMs: number }> => {
  let last = stage.session(name, greets);
  await stage.eventually(stage.settings.recoveryTimeoutMs, () => {
    if (last.outcome.kind !== 'ok') last = stage.session(name, greets);
    return last.outcome.kind === 'ok' ? undefined : 'not yet';
  });
  return { last, tookMs: Date.now() - startedAt };
};

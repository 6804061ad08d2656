import type { Command } from '../commands/command.ts';
import type { Outcome } from '../results/outcome.ts';
import type { Script, Session, SessionResult } from '../session/session.ts';
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

/** Sessions in the middle of output; `ends` are undefined until they have ended. */
export interface Streams {
  ends: readonly (Outcome | undefined)[];
  /** Resolved when all have ended, or so many milliseconds have passed. */
  allEnded: (withinMs: number) => Promise<unknown>;
}

/** Opens sessions whose command goes on for a minute; resolved when output comes in each, or it has ended. */
export const openStreams = async (stage: Stage, name: string): Promise<Streams> => {
  const ends: (Outcome | undefined)[] = Array.from({ length: sessions }, () => undefined);
  const streaming = ends.map(
    (_, index) =>
      new Promise<void>((resolve) => {
        const { result } = stage.open(name, function* (session) {
          const output = yield* session.execute(count);
          yield* output.reaches(5);
          resolve();
          yield* output.completes();
        });
        void result.then(({ outcome }) => {
          ends[index] = outcome;
          resolve();
        });
      }),
  );
  await Promise.all(streaming);
  return {
    ends,
    allEnded: (withinMs) => stage.eventually(withinMs, () => (ends.includes(undefined) ? 'not yet' : undefined)),
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

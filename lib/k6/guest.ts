import type { Command } from '../commands/command.ts';
import type { SessionResult } from '../session/session.ts';
import type { Stage } from './stage.ts';

/** A session that stays until it is told to leave, or was refused. */
export interface Guest {
  /** What became of it where it was not let in. */
  refused: SessionResult | undefined;
  /** Lets it run a last command and close in order. */
  leave: () => Promise<SessionResult>;
}

const farewell: Command = {
  name: 'farewell',
  class: 'simple',
  command: 'echo goodbye',
  proof: { lines: ['goodbye'] },
};

/** Opens a session that stays; resolved when it is let in or refused. */
export const enter = async (stage: Stage, url: string): Promise<Guest> => {
  let isLeaving = false;
  let letIn = (): void => {};
  const isIn = new Promise<void>((resolve) => {
    letIn = resolve;
  });
  const { result, poke } = stage.open(
    'guest',
    function* (session) {
      letIn();
      yield* session.holds(() => isLeaving);
      const execution = yield* session.execute(farewell);
      yield* execution.completes();
    },
    url,
  );
  const refused = await Promise.race([isIn.then(() => undefined), result]);
  return {
    refused,
    leave: () => {
      isLeaving = true;
      poke();
      return result;
    },
  };
};

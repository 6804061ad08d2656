import type { LimitCase } from '../cases/limit.ts';
import { describeOutcome } from '../results/outcome.ts';
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

/** A slot may take a moment to be free again, milliseconds. */
const slotMs = 5000;

/** Opens a session that stays; resolved when it is let in or refused. */
const enter = (stage: Stage, url: string): Promise<Guest> => {
  let isLeaving = false;
  return new Promise((resolve) => {
    const { result, poke } = stage.open(
      'guest',
      function* (session) {
        resolve({ refused: undefined, leave });
        yield* session.holds(() => isLeaving);
        const execution = yield* session.execute(farewell);
        yield* execution.completes();
      },
      url,
    );
    const leave = (): Promise<SessionResult> => {
      isLeaving = true;
      poke();
      return result;
    };
    void result.then((refused) => resolve({ refused, leave }));
  });
};

/** The guests of a service with a session limit. */
export interface House {
  readonly guests: Guest[];
  /** Lets guests in until there are so many, each after some tries; returns why one was not let in. */
  fill: (count: number) => Promise<string | undefined>;
  /** So many knock at once, and those that are let in leave again; returns what became of them. */
  knock: (count: number) => Promise<SessionResult[]>;
  /** Whether there is a slot for one more, as what a case came to. */
  slotAfter: (asked: LimitCase) => Promise<void>;
}

/** A service without guests of ours. */
export const emptyHouse = (stage: Stage, url: string): House => {
  const guests: Guest[] = [];
  const takeSlot = (): Promise<string | undefined> =>
    stage.eventually(slotMs, async () => {
      const guest = await enter(stage, url);
      if (guest.refused) return describeOutcome(guest.refused.outcome);
      guests.push(guest);
      return undefined;
    });
  return {
    guests,
    fill: async (count) => {
      let refused: string | undefined;
      while (refused === undefined && guests.length < count) refused = await takeSlot();
      return refused;
    },
    knock: async (count) => {
      const visitors = await Promise.all(Array.from({ length: count }, () => enter(stage, url)));
      return Promise.all(visitors.map(async ({ refused, leave }) => refused ?? leave()));
    },
    slotAfter: async (asked) => {
      const refused = await takeSlot();
      stage.found(asked, refused === undefined ? 'conforming' : 'breaking', refused ?? 'a new session was accepted');
    },
  };
};

import { limitCases, limitProblem, type LimitCase } from '../cases/limit.ts';
import { describeOutcome } from '../session/outcome.ts';
import type { Command } from '../commands/command.ts';
import type { SessionResult } from '../session/session.ts';
import { sessionsOf, vanish } from './service.ts';
import type { Stage } from './stage.ts';

/** A session that stays until it is told to leave, or was refused. */
export interface Guest {
  /** What became of it where it was not let in. */
  refused: SessionResult | undefined;
  /** Lets it run a command that takes a while; resolved when its first line has come: false where it was not accepted. */
  work: () => Promise<boolean>;
  /** Lets it run a last command and close in order. */
  leave: () => Promise<SessionResult>;
}

const pacedLines = 6;

/** Takes 2.5 s, of words that a list with `echo` may well have too. */
const paced: Command = {
  name: 'paced',
  class: 'paced',
  command: Array.from({ length: pacedLines }, (_, line) => `echo ${line}`).join('; sleep 0.5; '),
  proof: { numbered: { line: '{i}', from: 0, to: pacedLines - 1 } },
};

const farewell: Command = {
  name: 'farewell',
  class: 'simple',
  command: 'echo goodbye',
  proof: { lines: ['goodbye'] },
};

/** A slot may take a moment to be free again, milliseconds. */
const slotMs = 5000;

/** `/health` may count for so long what has just gone, milliseconds. */
const goneMs = 1000;

/** Opens a session that stays; resolved when it is let in or refused. */
const enter = (stage: Stage, url: string): Promise<Guest> => {
  let isLeaving = false;
  let isWorking = false;
  let works: ((isAccepted: boolean) => void) | undefined;
  return new Promise((resolve) => {
    const { result, poke } = stage.open(
      'guest',
      function* (session) {
        resolve({ refused: undefined, work, leave });
        yield* session.holds(() => isLeaving || isWorking);
        if (isWorking) {
          const { execution } = yield* session.attempt(paced);
          if (execution) yield* execution.reaches(1);
          works?.(execution !== undefined);
          if (execution) yield* execution.completes();
        }
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
    const work = (): Promise<boolean> =>
      new Promise((accepted) => {
        works = accepted;
        isWorking = true;
        poke();
        void result.then(() => accepted(true));
      });
    void result.then((refused) => resolve({ refused, work, leave }));
  });
};

/** The guests of a service with a session limit. */
export interface House {
  readonly guests: Guest[];
  /** Sessions that are not ours, as `/health` counts them. */
  readonly others: number;
  /** The session limit, as the settings or `/health` have it; 0 where nobody tells it. */
  readonly limit: number;
  /** Why it can't be tried. */
  readonly problem: string | undefined;
  /** Lets guests in until there are so many; returns why one was not let in. */
  fill: (count: number) => Promise<string | undefined>;
  /** So many knock at once, and those that are let in leave again; returns what became of them. */
  knock: (count: number) => Promise<SessionResult[]>;
  /** Whether there is a slot for one more, as what a case came to. */
  slotAfter: (asked: LimitCase) => Promise<void>;
  /** The same once a client has come and gone without a close frame. */
  slotAfterVanished: () => Promise<void>;
}

/** A service without guests of ours. */
export const emptyHouse = async (stage: Stage, url: string): Promise<House> => {
  const guests: Guest[] = [];
  /** What `/health` says once it counts no more sessions than so many, or after a while. */
  const settled = async (count: number): Promise<ReturnType<typeof sessionsOf>> => {
    let health: ReturnType<typeof sessionsOf> = {};
    await stage.eventually(goneMs, () => {
      health = sessionsOf(stage.settings, url);
      return (health.active ?? 0) > count ? 'more' : undefined;
    });
    return health;
  };
  // The connection that set-up tried may be counted still.
  const { most, active: others = 0 } = await settled(0);
  const limit = stage.settings.maxSessions ?? most ?? 0;
  const takeSlot = async (): Promise<string | undefined> => {
    const guest = await enter(stage, url);
    if (guest.refused) return describeOutcome(guest.refused.outcome);
    guests.push(guest);
    return undefined;
  };
  const slotAfter = async (asked: LimitCase): Promise<void> => {
    // To come too early is to be refused, which is another case.
    await settled(others + guests.length);
    const refused = await stage.eventually(slotMs, takeSlot);
    stage.found(asked, refused === undefined ? 'conforming' : 'breaking', refused ?? 'a new session was accepted');
  };
  return {
    guests,
    others,
    limit,
    problem: limitProblem(limit, others),
    fill: async (count) => {
      let refused: string | undefined;
      while (refused === undefined && guests.length < count) refused = await takeSlot();
      return refused;
    },
    knock: async (count) => {
      const visitors = await Promise.all(Array.from({ length: count }, () => enter(stage, url)));
      return Promise.all(visitors.map(async ({ refused, leave }) => refused ?? leave()));
    },
    slotAfter,
    slotAfterVanished: async () => {
      const stayed = vanish(stage.settings, url);
      if (stayed === undefined) await slotAfter(limitCases.vanished);
      else stage.excuse([limitCases.vanished], 'not-run', `no client could vanish: ${stayed}`);
    },
  };
};

/** Says that the limit was not reached, and not for the limit, so that there is nothing to ask but that. */
export const notFilled = async (stage: Stage, guests: readonly Guest[], refused: string): Promise<void> => {
  const { fill, ...others } = limitCases;
  stage.found(fill, 'breaking', `${guests.length} let in, then ${refused}`);
  stage.excuse(Object.values(others), 'not-run', `its limit was not reached: ${refused}`);
  await Promise.all(guests.map((guest) => guest.leave()));
};

import { limitCases, limitProblem, type LimitCase } from '../cases/limit.ts';
import { runsToItsEnd } from '../cases/run-command.ts';
import { echo } from '../commands/echo.ts';
import { describeOutcome, type Outcome } from '../session/outcome.ts';
import { outcomeOf, SessionEnd } from '../session/script.ts';
import type { Command } from '../commands/command.ts';
import type { SessionResult } from '../session/session.ts';
import { sessionsOf, vanish } from './service.ts';
import type { CaseContext } from './case-context.ts';

/** A session that is held open until it is closed, or that was refused. */
export interface HeldSession {
  /** Its result, where the service refused it. */
  refused: SessionResult | undefined;
  /** Its result, where it has ended. */
  readonly ended: SessionResult | undefined;
  /** Runs a command that takes a while; resolved with its first line, or false where the command was not accepted. */
  runCommand: () => Promise<boolean>;
  /** Runs a last command and closes in order. */
  close: () => Promise<SessionResult>;
}

const pacedLines = 6;

/** Takes 2.5 s, of words that a list with `echo` may well have too. */
const paced: Command = {
  name: 'paced',
  class: 'paced',
  command: Array.from({ length: pacedLines }, (_, line) => `echo ${line}`).join('; sleep 0.5; '),
  proof: { numbered: { line: '{i}', from: 0, to: pacedLines - 1 } },
};

/** A slot may take a moment to be free again, milliseconds at least; of a slow service as long as an answer. */
const leastSlotMs = 5000;

/** How long `/health` may still count a session that has just ended, milliseconds. */
const goneMs = 1000;

/** Opens a session and holds it; resolved when it is accepted or refused. */
const hold = (context: CaseContext, url: string): Promise<HeldSession> => {
  let ended: SessionResult | undefined;
  let isClosing = false;
  let isWorking = false;
  let works: ((isAccepted: boolean) => void) | undefined;
  return new Promise((resolve) => {
    const { result, notify } = context.open(
      'held-session',
      function* (session) {
        resolve(held);
        yield* session.holds(() => isClosing || isWorking);
        let outcome: Outcome = { kind: 'ok' };
        if (isWorking) {
          const { execution } = yield* session.attempt(paced);
          if (execution) yield* execution.reaches(1);
          works?.(execution !== undefined);
          if (execution) outcome = yield* outcomeOf(execution.completes());
        }
        // A session whose command failed keeps its slot, for others count on the limit being reached.
        yield* session.holds(() => isClosing);
        if (outcome.kind !== 'ok') throw new SessionEnd(outcome);
        yield* runsToItsEnd(session, echo('goodbye'));
      },
      url,
    );
    const close = (): Promise<SessionResult> => {
      isClosing = true;
      notify();
      return result;
    };
    const runCommand = (): Promise<boolean> =>
      new Promise((accepted) => {
        works = accepted;
        isWorking = true;
        notify();
        void result.then(() => accepted(true));
      });
    const held: HeldSession = {
      refused: undefined,
      get ended() {
        return ended;
      },
      runCommand,
      close,
    };
    void result.then((refused) => {
      ended = refused;
      resolve({ ...held, refused });
    });
  });
};

/** The sessions that are held open at a service with a session limit. */
export interface SessionPool {
  readonly held: HeldSession[];
  /** Sessions that are not ours, as `/health` counts them. */
  readonly others: number;
  /** The session limit, from the settings or `/health`; 0 where neither has it. */
  readonly limit: number;
  /** Why the limit can't be tried. */
  readonly problem: string | undefined;
  /** Opens sessions until this many are held; returns how one ended that was not accepted. */
  fill: (count: number) => Promise<SessionResult | undefined>;
  /** Tries to open this many sessions at once, and closes those that were accepted; returns their results. */
  tryToOpen: (count: number) => Promise<SessionResult[]>;
  /** The sessions that `/health` counts, once it counts those that are open or has had time to; undefined where it counts none. */
  countedSessions: () => Promise<number | undefined>;
  /** Reports whether one more session is accepted, as the finding of a case. */
  expectFreeSlot: (asked: LimitCase) => Promise<void>;
  /** The same after a client has vanished without a close frame. */
  expectFreeSlotAfterVanished: () => Promise<void>;
}

/** A pool that holds no session yet. */
export const createSessionPool = async (context: CaseContext, url: string): Promise<SessionPool> => {
  const held: HeldSession[] = [];
  const slotMs = Math.max(leastSlotMs, context.settings.ackTimeoutMs);
  /** What `/health` reports once it counts at most `count` sessions, or after a while. */
  const settled = async (count: number): Promise<ReturnType<typeof sessionsOf>> => {
    let health: ReturnType<typeof sessionsOf> = {};
    await context.eventually(goneMs, () => {
      health = sessionsOf(context.settings, url);
      return (health.active ?? 0) > count ? 'more' : undefined;
    });
    return health;
  };
  // The connection that set-up tried may be counted still.
  const { most, active: others = 0 } = await settled(0);
  const limit = context.settings.maxSessions ?? most ?? 0;
  const takeSlot = async (): Promise<SessionResult | undefined> => {
    const session = await hold(context, url);
    if (!session.refused) held.push(session);
    return session.refused;
  };
  const expectFreeSlot = async (asked: LimitCase): Promise<void> => {
    // To come too early is to be refused, which is another case.
    await settled(others + held.length);
    let refused: SessionResult | undefined;
    await context.eventually(slotMs, async () => {
      refused = await takeSlot();
      return refused && describeOutcome(refused.outcome);
    });
    if (refused) context.report(asked, ...context.pace.evaluateFailure(refused));
    else context.report(asked, 'conforming', 'a new session was accepted');
  };
  return {
    held,
    others,
    limit,
    problem: limitProblem(limit, others),
    fill: async (count) => {
      let refused: SessionResult | undefined;
      while (refused === undefined && held.length < count) refused = await takeSlot();
      return refused;
    },
    tryToOpen: async (count) => {
      const opened = await Promise.all(Array.from({ length: count }, () => hold(context, url)));
      return Promise.all(opened.map(async ({ refused, close }) => refused ?? close()));
    },
    countedSessions: async () => {
      let active: number | undefined;
      await context.eventually(slotMs, () => {
        ({ active } = sessionsOf(context.settings, url));
        return active === undefined || active === held.length + others ? undefined : 'otherwise';
      });
      return active;
    },
    expectFreeSlot,
    expectFreeSlotAfterVanished: async () => {
      const stayed = vanish(context.settings, url);
      if (stayed === undefined) await expectFreeSlot(limitCases.vanished);
      else context.skip([limitCases.vanished], 'not-run', `no client could vanish: ${stayed}`);
    },
  };
};

/** Reports that sessions below the limit were refused, and skips the other cases. */
export const reportNotFilled = async (
  context: CaseContext,
  held: readonly HeldSession[],
  refused: SessionResult,
): Promise<void> => {
  const { fill, ...others } = limitCases;
  const [kind, received] = context.pace.evaluateFailure(refused);
  context.report(fill, kind, `${held.length} accepted, then ${received}`);
  context.skip(Object.values(others), 'not-run', `its limit was not reached: ${describeOutcome(refused.outcome)}`);
  await Promise.all(held.map((session) => session.close()));
};

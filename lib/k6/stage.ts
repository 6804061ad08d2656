import exec from 'k6/execution';
import { runCase, type Case, type Finding } from '../cases/case.ts';
import type { ReplayCase } from '../commands/recovery-index.ts';
import type { Settings } from '../load/settings.ts';
import type { Excuse } from '../load/thresholds.ts';
import type { RunIdentity } from '../results/run.ts';
import {
  connectFailed,
  type Script,
  type Session,
  type SessionLimits,
  type SessionResult,
} from '../session/session.ts';
import { createCaseAccount, type CaseAccount, type CaseName } from './case-account.ts';
import { addCaseFigure, countCasesAsked } from './case-metrics.ts';
import { now } from './clock.ts';
import { runOverWebSocket } from './connect.ts';
import type { AskCases } from './scenario.ts';
import { countBegun } from './metrics.ts';
import { openSession } from './open.ts';
import type { Plan } from './plan.ts';

/** A session that is open beside others. */
export interface OpenSession {
  /** What became of it; rejected only by a bug of a script. */
  result: Promise<SessionResult>;
  /** Lets its script look again at what it waits for. */
  poke: () => void;
}

/** What the VU that asks a test's cases can do. */
export interface Stage {
  readonly settings: Settings;
  /** The cases of STRESS_RECOVERY. */
  readonly recovery: () => readonly ReplayCase[];
  /** Why no case could be asked so far, where none was. */
  readonly idleBecause: string | undefined;
  /** Runs one session over k6/ws, to its end. */
  session: (name: string, script: (session: Session) => Script, url?: string) => SessionResult;
  /**
   * Opens a session beside others over k6/websockets. One that only tries whether there is a service may end anyhow: it
   * counts as no timeout and no violation.
   */
  open: (name: string, script: (session: Session) => Script, url?: string, isTry?: boolean) => OpenSession;
  /** Asks cases, one session each, one after the other. */
  ask: (cases: readonly Case[], url?: string) => void;
  /** Says what a case came to. */
  found: (asked: CaseName, kind: Finding['kind'], received: string) => void;
  /** Says why cases are not asked. */
  excuse: (asked: readonly CaseName[], as: Excuse, reason: string) => void;
  /** Says that a case was asked, and why there is no telling what it came to. */
  inconclusive: (asked: CaseName, reason: string) => void;
  /** Adds a figure that a case measured. */
  figure: (metric: 'recovery_duration' | 'session_growth', asked: CaseName, value: number) => void;
  /** Writes a record, where all are asked for. */
  record: (text: (run: RunIdentity) => string) => void;
  /** Asks again and again until there is no problem, at most so long; returns the last one. */
  eventually: (
    withinMs: number,
    problem: () => string | undefined | Promise<string | undefined>,
  ) => Promise<string | undefined>;
  /** Lets so many milliseconds pass, while open sessions go on. */
  pause: (ms: number) => Promise<void>;
  /** Milliseconds on a steady clock. */
  now: () => number;
}

/** Longest that a case waits for an answer, milliseconds: what takes longer hangs. */
const answerMs = 5000;

/** Asks the cases of a scenario in this way, in one VU; `ask` may be `async`. */
export const asks =
  (ask: (stage: Stage) => void | Promise<void>): AskCases =>
  async (plan, test, account, recovery) => {
    const stage = createStage(plan, test, createCaseAccount(test, account), recovery);
    try {
      await ask(stage);
      countCasesAsked(test);
    } catch (error) {
      exec.test.fail(`the cases of ${test} failed, not the service: ${String(error)}`);
      throw error;
    }
    return stage.idleBecause;
  };

/** The stage of a test's cases. */
const createStage = (
  { settings, limits: general }: Plan,
  test: string,
  account: CaseAccount,
  recovery: () => ReplayCase[],
): Stage => {
  const limits: SessionLimits = { ...general, ackTimeoutMs: Math.min(general.ackTimeoutMs, answerMs) };
  const counted = (name: string, result: SessionResult, startedAtMs: number, isTry = false): SessionResult => {
    account.session(result, { test, case: name, vu: exec.vu.idInTest, startedAtMs }, isTry);
    return result;
  };
  let idleBecause: string | undefined;
  let isIdle = true;
  const stage: Stage = {
    settings,
    recovery,
    get idleBecause() {
      return isIdle ? idleBecause : undefined;
    },
    session: (name, script, url = settings.url) => {
      countBegun();
      const startedAtMs = Date.now();
      const result = runOverWebSocket({ ...settings, url }, limits, script);
      return counted(name, result ?? connectFailed('the run ended', Date.now() - startedAtMs), startedAtMs);
    },
    open: (name, script, url = settings.url, isTry = false) => {
      countBegun();
      const startedAtMs = Date.now();
      let opened: { poke: () => void } | undefined;
      const result = new Promise<SessionResult>((resolve, reject) => {
        opened = openSession(settings, url, limits, script, (ended) => {
          try {
            resolve(counted(name, ended, startedAtMs, isTry));
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        });
      });
      return { result, poke: () => opened?.poke() };
    },
    ask: (cases, url) => {
      for (const [index, each] of cases.entries()) {
        const run = runCase(each);
        const result = stage.session(each.name, run.script, url);
        isIdle = false;
        account.finding(each, run.finding(result), result);
        if (result.outcome.kind !== 'connect-failed') continue;
        stage.excuse(cases.slice(index + 1), 'not-run', `no connection since ${each.name}: ${result.outcome.reason}`);
        return;
      }
    },
    found: (asked, kind, received) => {
      isIdle = false;
      account.finding(asked, { kind, received });
    },
    excuse: (asked, as, reason) => {
      if (as === 'not-run') idleBecause ??= reason;
      account.excuse(asked, as, reason);
    },
    inconclusive: (asked, reason) => {
      isIdle = false;
      account.inconclusive(asked, reason);
    },
    figure: (metric, { name }, value) => addCaseFigure(metric, test, name, value),
    record: (text) => account.record(text),
    eventually: async (withinMs, problem) => {
      const byMs = Date.now() + withinMs;
      let told = await problem();
      while (told !== undefined && Date.now() < byMs) {
        await stage.pause(100);
        told = await problem();
      }
      return told;
    },
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    now,
  };
  return stage;
};

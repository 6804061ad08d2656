import exec from 'k6/execution';
import { runCase, type Case, type Judged, type Judgement } from '../cases/case.ts';
import type { Pace } from '../cases/pace.ts';
import { CasePatience } from '../cases/patience.ts';
import type { ReplayCase } from '../commands/recovery-index.ts';
import type { Settings } from '../load/settings.ts';
import type { SkipReason } from '../load/thresholds.ts';
import type { RunIdentity } from '../results/run.ts';
import { describeOutcome } from '../session/outcome.ts';
import { beginScript, connectFailed, type Script, type Session, type SessionResult } from '../session/session.ts';
import { reportCaseSession, reportJudgement, reportSkipped, type CaseName } from './case-results.ts';
import { addCaseFigure, countCasesAsked } from './case-metrics.ts';
import { now } from './clock.ts';
import { runOverWebSocket } from './connect.ts';
import type { AskCases } from './definition.ts';
import { countBegun } from './metrics.ts';
import { openSession, type Notified } from './open.ts';
import type { ResultSink } from './result-sink.ts';
import type { Plan } from './run-plan.ts';

/** A session that is open beside others. */
export interface OpenSession extends Notified {
  /** What became of it; rejected only by a bug of a script. */
  result: Promise<SessionResult>;
}

/** What the VU that asks a scenario's cases can do. */
export interface CaseContext {
  readonly settings: Settings;
  /** The cases of STRESS_RECOVERY. */
  readonly recovery: () => readonly ReplayCase[];
  /** Why nothing can be said: no case was asked so far; or all that were conform, but others were not asked. */
  readonly notRunBecause: string | undefined;
  /** Runs one session over k6/ws, to its end. */
  session: (name: string, script: (session: Session) => Script, url?: string) => SessionResult;
  /**
   * Opens a session beside others over k6/websockets. One that only tries whether there is a service (`isTry`) may end in
   * any way: it counts as no timeout and no violation.
   */
  open: (name: string, script: (session: Session) => Script, url?: string, isTry?: boolean) => OpenSession;
  /** Asks cases, one session each, one after the other. */
  ask: (cases: readonly Case[], url?: string) => void;
  /** Reports what a case found; without a kind, that it was asked and could not tell. */
  report: (asked: CaseName, ...judged: Judged) => void;
  /** Skips cases, and reports why. */
  skip: (cases: readonly CaseName[], as: SkipReason, reason: string) => void;
  /** Reports a case that was asked without an answer, and why. */
  inconclusive: (asked: CaseName, reason: string) => void;
  /** How fast the service has answered so far, and what a failure means by that. */
  readonly pace: Pace;
  /** Adds a figure that a case measured. */
  figure: (metric: 'recovery_duration' | 'session_growth', asked: CaseName, value: number) => void;
  /** Writes a record, where all are asked for. */
  record: (text: (run: RunIdentity) => string) => void;
  /** Checks again and again until there is no problem, for `withinMs` at most; returns the last problem. */
  eventually: (
    withinMs: number,
    problem: () => string | undefined | Promise<string | undefined>,
  ) => Promise<string | undefined>;
  /** Waits, while open sessions go on. */
  pause: (ms: number) => Promise<void>;
  /** Milliseconds on a steady clock. */
  now: () => number;
}

/** Whether no session could be had, so that further cases would only wait for one. */
const isUnreachable = ({ outcome }: SessionResult): boolean =>
  outcome.kind === 'connect-failed' ||
  (outcome.kind === 'timeout' && (outcome.phase === 'connect' || outcome.phase === 'connected'));

/** Makes the part of a definition that asks its cases, in one VU; `ask` may be `async`. */
export const askCases =
  (ask: (context: CaseContext) => void | Promise<void>): AskCases =>
  async (plan, scenario, sink, recovery) => {
    const context = createContext(plan, scenario, sink, recovery);
    try {
      await ask(context);
      countCasesAsked(scenario);
    } catch (error) {
      const reason = `the cases of ${scenario} failed, not the service: ${sink.hide(String(error))}`;
      sink.stop(reason);
      exec.test.fail(reason);
      // k6 prints what is thrown.
      if (error instanceof Error) error.message = sink.hide(error.message);
      throw error;
    }
    return context.notRunBecause;
  };

const createContext = (
  { settings, limits, ownCriteria }: Plan,
  scenario: string,
  sink: ResultSink,
  recovery: () => ReplayCase[],
): CaseContext => {
  const patience = new CasePatience(limits);
  const counted = (name: string, result: SessionResult, startedAtMs: number, isTry = false): SessionResult => {
    if (!isTry) patience.learn(result);
    reportCaseSession(sink, result, { test: scenario, case: name, vu: exec.vu.idInTest, startedAtMs }, isTry);
    return result;
  };
  let idleBecause: string | undefined;
  let openBecause: string | undefined;
  let isIdle = true;
  let isConforming = true;
  const noted = (kind: Judgement['kind']): void => {
    isIdle = false;
    isConforming &&= kind === 'conforming';
  };
  const { pace } = patience;
  const context: CaseContext = {
    settings,
    pace,
    recovery,
    get notRunBecause() {
      if (isIdle) return idleBecause;
      return isConforming ? openBecause : undefined;
    },
    session: (name, script, url = settings.url) => {
      countBegun();
      const startedAtMs = Date.now();
      const result = runOverWebSocket({ ...settings, url }, patience.limits, beginScript(script));
      return counted(name, result ?? connectFailed('the run ended', Date.now() - startedAtMs), startedAtMs);
    },
    open: (name, script, url = settings.url, isTry = false) => {
      countBegun();
      const startedAtMs = Date.now();
      let opened: Notified | undefined;
      const result = new Promise<SessionResult>((resolve, reject) => {
        opened = openSession(
          { settings, url, limits: isTry ? patience.ofTries : patience.limits, begin: beginScript(script) },
          (ended) => {
            try {
              resolve(counted(name, ended, startedAtMs, isTry));
            } catch (error) {
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          },
        );
      });
      return { result, notify: () => opened?.notify() };
    },
    ask: (cases, url) => {
      for (const [index, each] of cases.entries()) {
        const run = runCase(each);
        const result = context.session(each.name, run.script, url);
        const judgement = run.finding(result, (ended) => pace.evaluateFailure(ended));
        noted(judgement.kind);
        reportJudgement(sink, scenario, each, judgement, result);
        if (!isUnreachable(result)) continue;
        const reason = `no session since ${each.name}: ${describeOutcome(result.outcome)}`;
        context.skip(cases.slice(index + 1), 'not-run', reason);
        return;
      }
    },
    report: (asked, kind, received) => {
      noted(kind);
      reportJudgement(sink, scenario, asked, { kind, received });
    },
    skip: (cases, as, reason) => {
      if (as === 'not-run' && cases.length > 0) {
        idleBecause ??= reason;
        if (cases.some(({ name }) => !ownCriteria.includes(name))) openBecause ??= reason;
      }
      reportSkipped(sink, scenario, cases, as, reason);
    },
    inconclusive: (asked, reason) => context.report(asked, undefined, reason),
    figure: (metric, { name }, value) => addCaseFigure(metric, scenario, name, value),
    record: (text) => sink.record(false, () => text(sink.run)),
    eventually: async (withinMs, problem) => {
      const byMs = Date.now() + withinMs;
      let last = await problem();
      while (last !== undefined && Date.now() < byMs) {
        await context.pause(100);
        last = await problem();
      }
      return last;
    },
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    now,
  };
  return context;
};

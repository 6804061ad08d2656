import { sleep } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import { forSession } from '../commands/command.ts';
import type { ReplayCase } from '../commands/recovery-index.ts';
import { foreignSessionMs, generatorWatch, isShaped, placeOf, sessionsOf } from '../load/profile.ts';
import { runOf } from '../results/run.ts';
import type { Session, SessionResult } from '../session/session.ts';
import { runOverWebSocket } from './connect.ts';
import type { Scenario, ScenarioDefinition } from './definition.ts';
import { endLag, watchLag } from './lag.ts';
import { makeLifecycle, type Lifecycle, type SetupData } from './lifecycle.ts';
import { countBegun, countGeneratorFailures } from './metrics.ts';
import { openSession } from './open.ts';
import { makePlan } from './plan.ts';
import { createResultSink, type ResultSink } from './result-sink.ts';
import type { Plan } from './run-plan.ts';

/** What a bundle exports to k6; `run` is its default export too. */
export interface K6Script extends Lifecycle {
  run: (data: SetupData | undefined) => void | Promise<void>;
}

/** The scenarios of this bundle, in the order in which they were imported. */
const defined: Scenario[] = [];

/** Makes a k6 script of a scenario. Throws a text that lists everything wrong with the settings, in k6's init stage. */
export const scenario = (name: string, definition: ScenarioDefinition): K6Script & { definition: Scenario } => {
  const named = { ...definition, name };
  defined.push(named);
  return createScript(named);
};

/**
 * Makes one k6 script of the scenarios that the suite's file imports, which run one after the other in this order; STRESS_ONLY
 * and STRESS_SKIP choose.
 */
export const suite = (name: string, question: string): K6Script & { definition: Scenario } =>
  createScript({ name, question, members: [...defined] });

const createScript = (definition: Scenario): K6Script & { definition: Scenario } => {
  const { name: root, members = [definition] } = definition;
  const whole = __VU === 0 ? makePlan(definition) : undefined;
  // Each element is read when it is asked for: the cases to replay cost only the VU that asks them.
  const shared = new SharedArray(`plan of ${root}`, () => [whole?.plan, ...(whole?.recovery ?? [])]);
  const [plan] = shared as unknown as [Plan];
  const { settings, profile } = plan;
  const lifecycle = whole ? makeLifecycle(whole) : { options: {}, setup: inVuZero, handleSummary: inVuZero };
  let sink: ResultSink | undefined;

  const run = (data: SetupData | undefined): void | Promise<void> => {
    const { name, iterationInTest } = exec.scenario;
    if (name === generatorWatch) {
      watchGenerator(profile.owed ?? 0);
      return undefined;
    }
    const place = placeOf(name) ?? { test: plan.names[0], round: 1 };
    const mine = members.find((each) => each.name === place.test);
    if (!mine) throw new Error(`no such scenario: ${name}`);
    waitForOthers(profile.before[name] ?? 0, place.round !== 'cases' && place.round > 1 ? settings.pauseMs : 0);
    sink ??= createResultSink(plan, data?.run ?? runOf(settings.runId ?? 'none', root));
    if (place.round === 'cases') return runCases(plan, mine, sink, definition.members === undefined, shared);
    const fleet = isShaped({ takesLoad: mine.takesLoad === true }, plan.names) ? (settings.fleet ?? 1) : 1;
    const usesK6Options = name === 'default';
    if (fleet === 1) runSession(plan, mine, { round: place.round, session: iterationInTest, usesK6Options }, sink);
    else return runFleet(plan, mine, { round: place.round, iteration: iterationInTest, fleet, usesK6Options }, sink);
    return undefined;
  };

  return { definition, ...lifecycle, run };
};

const inVuZero = (): never => {
  throw new Error('k6 calls this in VU 0 alone');
};

/** A session of a round that begins: its command, its limits, and where its result goes. */
const beginSession = (
  { settings, limits, commands: ofSetting }: Plan,
  { name, commands: given, script }: Scenario,
  { round, session, usesK6Options }: { round: number; session: number; usesK6Options: boolean },
  sink: ResultSink,
) => {
  const commands = given === 'setting' ? ofSetting : typeof given === 'function' ? given(settings) : (given ?? []);
  const command = commands[session % commands.length];
  if (command === undefined || !script) throw new Error('a scenario with rounds has commands and a script');
  countBegun();
  const startedAtMs = Date.now();
  const mine = forSession(command, session);
  const mostMs = usesK6Options ? foreignSessionMs : Infinity;
  return {
    limits: limits.sessionTimeoutMs > mostMs ? { ...limits, sessionTimeoutMs: mostMs } : limits,
    script: (open: Session) => script(open, mine),
    ended: (result: SessionResult): void => {
      const place = { test: name, round, session, vu: sink.vu, startedAtMs };
      sink.session(result, place, { test: name, round: String(round), class: command.class }, mine);
    },
  };
};

const runSession = (
  plan: Plan,
  scenario: Scenario,
  place: { round: number; session: number; usesK6Options: boolean },
  sink: ResultSink,
): void => {
  const { limits, script, ended } = beginSession(plan, scenario, place, sink);
  const result = runOverWebSocket(plan.settings, limits, script, watchLag);
  if (result !== undefined) ended(result);
};

/** Opens the sessions of an iteration together and waits for all. */
const runFleet = (
  plan: Plan,
  scenario: Scenario,
  {
    round,
    iteration,
    fleet,
    usesK6Options,
  }: { round: number; iteration: number; fleet: number; usesK6Options: boolean },
  sink: ResultSink,
): Promise<void> => {
  const { settings, profile } = plan;
  const size = usesK6Options
    ? undefined
    : profile.rounds.find((each) => each.test === scenario.name && each.number === round)?.sessions;
  const all = sessionsOf(iteration, fleet, size);
  let left = all.length;
  let look = 0;
  watchLag((ms, callback) => {
    look = setTimeout(callback, ms);
  });
  // One promise for all of them, for each would cost some kilobytes.
  return new Promise((resolve, reject) => {
    for (const session of all) {
      const { limits, script, ended } = beginSession(plan, scenario, { round, session, usesK6Options }, sink);
      openSession(settings, settings.url, limits, script, (result) => {
        try {
          ended(result);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        if (--left > 0) return;
        clearTimeout(look);
        endLag();
        resolve();
      });
    }
  });
};

const runCases = async (
  plan: Plan,
  { name, cases, rounds = [] }: Scenario,
  sink: ResultSink,
  isAlone: boolean,
  shared: Iterable<unknown>,
): Promise<void> => {
  const notRunBecause = await cases?.(plan, name, sink, () => [...shared].slice(1) as ReplayCase[]);
  // A gate that rests on this scenario alone must not open.
  if (isAlone && rounds.length === 0 && notRunBecause !== undefined)
    exec.test.abort(`${name}: NOT RUN: ${sink.hide(notRunBecause)}`);
};

/** Sleeps until so many iterations have ended, however, and then for the pause between rounds. */
const waitForOthers = (before: number, pauseMs: number): void => {
  if (before === 0) return;
  const { instance } = exec;
  while (instance.iterationsCompleted + instance.iterationsInterrupted < before) sleep(0.01);
  sleep(pauseMs / 1000);
};

/**
 * Marks the run as failed, exit code 110, when k6 started fewer sessions than the open model owed. Waits until only
 * its own VU is active: then all sessions have ended.
 */
const watchGenerator = (owed: number): void => {
  // Of a segment it is not known what it owes; there the threshold on dropped iterations judges alone.
  const { executionSegment: segment } = exec.test.options;
  if (segment && segment !== '0:1') return;
  const { instance } = exec;
  while (instance.vusActive > 1) sleep(0.05);
  const dropped = owed - instance.iterationsCompleted - instance.iterationsInterrupted;
  if (dropped > 0) {
    countGeneratorFailures(dropped);
    exec.test.fail(
      `INVALID: ${dropped} of ${owed} sessions could not be started in time; give more VUs with -e STRESS_VUS=…, or more machines`,
    );
  }
};

import { sleep } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import type { Options } from 'k6/options';
import { forSession, type Command } from '../commands/command.ts';
import type { ReplayCase } from '../commands/recovery-index.ts';
import { foreignSessionMs, generatorWatch, isShaped, placeOf, sessionsOf } from '../load/profile.ts';
import type { Settings } from '../load/settings.ts';
import { runOf, type RunIdentity } from '../results/run.ts';
import type { Script, Session, SessionResult } from '../session/session.ts';
import { createAccount, type Account } from './account.ts';
import { runOverWebSocket } from './connect.ts';
import { makeEnds } from './ends.ts';
import { endLag, watchLag } from './lag.ts';
import { countBegun, countGeneratorFailures } from './metrics.ts';
import { openSession } from './open.ts';
import { makePlan, type Plan } from './plan.ts';
import type { ServiceInfo } from './preflight.ts';

/** What a scenario is: rounds of sessions, cases to ask the service, or both. */
export interface ScenarioDefinition {
  /** Sessions of each round where the settings name none. */
  rounds?: readonly number[];
  /** The commands, one a session, in turn; or `setting` for those of STRESS_COMMANDS. */
  commands?: readonly Command[] | 'setting' | ((settings: Settings) => readonly Command[]);
  /** What a session of a round does. */
  script?: (session: Session, command: Command) => Script;
  /** Asks the cases, after the rounds unless `casesFirst` says otherwise, in one VU: `asks((stage) => …)`. */
  cases?: AskCases;
  /** The cases are asked before the rounds. */
  casesFirst?: true;
  /** Longest that the cases take, milliseconds, with so many kept failures to replay; 5 minutes where absent. */
  casesMs?: (settings: Settings, kept: number) => number;
  /** The service need not be there when the run begins. */
  mayBeDown?: true;
}

/** Asks the cases of a test; returns why none could be asked, where none could. */
export type AskCases = (
  plan: Plan,
  test: string,
  account: Account,
  recovery: () => ReplayCase[],
) => Promise<string | undefined>;

/** A scenario by its name. */
export interface Scenario extends ScenarioDefinition {
  name: string;
}

/** What a bundle exports to k6; `run` is its default export too. */
export interface K6Script {
  options: Options;
  setup: () => SetupData;
  run: (data: SetupData | undefined) => void | Promise<void>;
  handleSummary: (data: unknown) => Record<string, string>;
}

/** What set-up tells every VU. */
export interface SetupData {
  run: RunIdentity;
  service: ServiceInfo;
}

/** Makes a k6 script of a scenario. Throws a text that lists everything wrong with the settings, in k6's init stage. */
export const scenario = (name: string, definition: ScenarioDefinition): K6Script & { definition: Scenario } => {
  const named = { ...definition, name };
  return { definition: named, ...createScript(name, [named]) };
};

/** Makes one k6 script of several scenarios, which run one after the other; STRESS_ONLY and STRESS_SKIP choose. */
export const suite = (scenarios: readonly Scenario[]): K6Script => createScript('suite', scenarios);

const createScript = (test: string, all: readonly Scenario[]): K6Script => {
  const whole = __VU === 0 ? makePlan(test, all) : undefined;
  // Each element is read when it is asked for: the cases to replay cost only the VU that asks them.
  const shared = new SharedArray(`plan of ${test}`, () => [whole?.plan, ...(whole?.recovery ?? [])]);
  const [plan] = shared as unknown as [Plan];
  const { settings, profile } = plan;
  const ends = whole ? makeEnds(test, whole) : { options: {}, setup: inVuZero, handleSummary: inVuZero };
  let account: Account | undefined;

  const run = (data: SetupData | undefined): void | Promise<void> => {
    const { name, iterationInTest } = exec.scenario;
    if (name === generatorWatch) {
      watchGenerator(profile.owed ?? 0);
      return undefined;
    }
    const place = placeOf(name) ?? { test: plan.names[0], round: 1 };
    const mine = all.find((each) => each.name === place.test);
    if (!mine) throw new Error(`no such scenario: ${name}`);
    waitForOthers(profile.before[name] ?? 0, place.round !== 'cases' && place.round > 1 ? settings.pauseMs : 0);
    account ??= createAccount(plan, data?.run ?? runOf(settings.runId ?? 'none', test));
    if (place.round === 'cases') return runCases(plan, mine, account, test !== 'suite', shared);
    const fleet = isShaped(mine.name, plan.names) ? (settings.fleet ?? 1) : 1;
    const isForeign = name === 'default';
    if (fleet === 1) runSession(plan, mine, { round: place.round, session: iterationInTest, isForeign }, account);
    else return runFleet(plan, mine, { round: place.round, iteration: iterationInTest, fleet, isForeign }, account);
    return undefined;
  };

  return { ...ends, run };
};

const inVuZero = (): never => {
  throw new Error('k6 calls this in VU 0 alone');
};

/** A session of a round that begins: its command, its limits, and where its result goes. */
const beginSession = (
  { settings, limits, commands: ofSetting }: Plan,
  { name, commands: given, script }: Scenario,
  { round, session, isForeign }: { round: number; session: number; isForeign: boolean },
  account: Account,
) => {
  const commands = given === 'setting' ? ofSetting : typeof given === 'function' ? given(settings) : (given ?? []);
  const command = commands[session % commands.length];
  if (command === undefined || !script) throw new Error('a scenario with rounds has commands and a script');
  countBegun();
  const startedAtMs = Date.now();
  const mine = forSession(command, session);
  const mostMs = isForeign ? foreignSessionMs : Infinity;
  return {
    limits: limits.sessionTimeoutMs > mostMs ? { ...limits, sessionTimeoutMs: mostMs } : limits,
    script: (open: Session) => script(open, mine),
    ended: (result: SessionResult): void => {
      const place = { test: name, round, session, vu: account.vu, startedAtMs };
      account.session(result, place, { test: name, round: String(round), class: command.class }, command.name);
    },
  };
};

const runSession = (
  plan: Plan,
  scenario: Scenario,
  place: { round: number; session: number; isForeign: boolean },
  account: Account,
): void => {
  const { limits, script, ended } = beginSession(plan, scenario, place, account);
  const result = runOverWebSocket(plan.settings, limits, script, watchLag);
  if (result !== undefined) ended(result);
};

/** Opens the sessions of an iteration together and waits for all. */
const runFleet = (
  plan: Plan,
  scenario: Scenario,
  { round, iteration, fleet, isForeign }: { round: number; iteration: number; fleet: number; isForeign: boolean },
  account: Account,
): Promise<void> => {
  const { settings, profile } = plan;
  const size = isForeign
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
      const { limits, script, ended } = beginSession(plan, scenario, { round, session, isForeign }, account);
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
  account: Account,
  isAlone: boolean,
  shared: Iterable<unknown>,
): Promise<void> => {
  const idleBecause = await cases?.(plan, name, account, () => [...shared].slice(1) as ReplayCase[]);
  // A gate that rests on this scenario alone must not open.
  if (isAlone && rounds.length === 0 && idleBecause !== undefined) exec.test.abort(`${name}: NOT RUN: ${idleBecause}`);
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

import { sleep } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import { forSession, type Command } from '../commands/command.ts';
import type { ReplayCase } from '../commands/recovery-index.ts';
import { foreignSessionMs, generatorWatch, isShaped, placeOf, sessionsOf } from '../load/profile.ts';
import type { Settings } from '../load/settings.ts';
import { runOf } from '../results/run.ts';
import { beginScript, type Begin, type SessionLimits, type SessionResult } from '../session/session.ts';
import { beginCommand } from '../session/repeated-session.ts';
import { runOverWebSocket } from './connect.ts';
import type { Scenario, ScenarioDefinition } from './definition.ts';
import { watchLag } from './lag.ts';
import { makeLifecycle, type Lifecycle, type SetupData } from './lifecycle.ts';
import { countBegun, countGeneratorFailures, tagSamples, type SessionTags } from './metrics.ts';
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
  let k6Scenario: typeof exec.scenario | undefined;
  const rounds: Record<string, Round> = {};

  const run = (data: SetupData | undefined): void | Promise<void> => {
    // k6 makes the object anew at each look, which takes as long as parsing a message.
    k6Scenario ??= exec.scenario;
    const { name, iterationInTest } = k6Scenario;
    let round = rounds[name];
    if (round === undefined) {
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
      const usesK6Options = name === 'default';
      round = rounds[name] = prepareRound(plan, mine, { number: place.round, usesK6Options }, sink);
    }
    if (round.fleet > 1) return runFleet(round, iterationInTest);
    runSession(round, iterationInTest);
    return undefined;
  };

  return { definition, ...lifecycle, run };
};

const inVuZero = (): never => {
  throw new Error('k6 calls this in VU 0 alone');
};

/** A round as a VU runs it, with all that its sessions have in common. */
interface Round {
  settings: Settings;
  limits: SessionLimits;
  /** The scenario's name. */
  test: string;
  number: number;
  /** Sessions of the round, where that is known beforehand. */
  size: number | undefined;
  /** Sessions that an iteration opens together. */
  fleet: number;
  /** One a session, in turn. */
  commands: readonly Command[];
  /** Begins a session that runs this command. */
  begin: (command: Command) => Begin;
  sink: ResultSink;
  /** The last session's command, and the tags of its samples. */
  last?: { command: Command; tags: SessionTags };
}

const prepareRound = (
  { settings, limits, profile, names, commands: ofSetting }: Plan,
  { name, commands: given, script, takesLoad = false }: Scenario,
  { number, usesK6Options }: { number: number; usesK6Options: boolean },
  sink: ResultSink,
): Round => {
  const commands = given === 'setting' ? ofSetting : typeof given === 'function' ? given(settings) : (given ?? []);
  if (commands.length === 0) throw new Error('a scenario with rounds has commands');
  const sessionTimeoutMs = Math.min(limits.sessionTimeoutMs, usesK6Options ? foreignSessionMs : Infinity);
  const planned = profile.rounds.find((each) => each.test === name && each.number === number);
  return {
    settings,
    limits: { ...limits, sessionTimeoutMs },
    test: name,
    number,
    size: usesK6Options ? undefined : planned?.sessions,
    fleet: isShaped({ takesLoad }, names) ? (settings.fleet ?? 1) : 1,
    commands,
    begin: script ? (command) => beginScript((open) => script(open, command)) : beginCommand,
    sink,
  };
};

/** The tags of a round's session; those of the last one where it ran the same command. */
const tagsOf = (round: Round, command: Command): SessionTags => {
  const { last } = round;
  if (last?.command === command) return last.tags;
  const tags = { test: round.test, round: String(round.number), class: command.class, command: command.name };
  round.last = { command, tags };
  return tags;
};

/** A session of a round that begins: its command, what it does, and where its result goes. */
const beginSession = (round: Round, session: number) => {
  const { test, number, commands, begin, sink } = round;
  const command = forSession(commands[session % commands.length] as Command, session);
  const tags = tagsOf(round, command);
  // Before the connection is opened, whose samples have them too.
  tagSamples(tags);
  countBegun();
  return {
    begin: begin(command),
    ended: (result: SessionResult): void => sink.session(result, { test, round: number, session }, tags, command),
  };
};

const runSession = (round: Round, session: number): void => {
  const { begin, ended } = beginSession(round, session);
  const result = runOverWebSocket(round.settings, round.limits, begin);
  if (result !== undefined) ended(result);
};

/** Opens the sessions of an iteration together and waits for all. */
const runFleet = (round: Round, iteration: number): Promise<void> => {
  const { settings, limits, fleet, size } = round;
  const all = sessionsOf(iteration, fleet, size);
  let left = all.length;
  let look = 0;
  const endLag = watchLag((ms, callback) => {
    look = setTimeout(callback, ms);
  });
  // One promise for all of them, for each would cost some kilobytes.
  return new Promise((resolve, reject) => {
    for (const session of all) {
      const { begin, ended } = beginSession(round, session);
      const end = (result: SessionResult): void => {
        try {
          ended(result);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        if (--left > 0) return;
        clearTimeout(look);
        endLag();
        resolve();
      };
      openSession({ settings, url: settings.url, limits, begin }, end);
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
  tagSamples({});
  const notRunBecause = await cases?.(plan, name, sink, () => [...shared].slice(1) as ReplayCase[]);
  // A gate that rests on this scenario alone must not open.
  if (isAlone && rounds.length === 0 && notRunBecause !== undefined) {
    const reason = `${name}: NOT RUN: ${sink.hide(notRunBecause)}`;
    sink.stop(reason);
    exec.test.abort(reason);
  }
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

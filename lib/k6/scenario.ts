import { sleep } from 'k6';
import defaultThresholds from '../../thresholds.json';
import exec from 'k6/execution';
import type { Options } from 'k6/options';
import { forSession, type Command } from '../commands/command.ts';
import {
  foreignSessionMs,
  generatorWatch,
  isComplete,
  placeOf,
  planLoad,
  type Profile,
  type TestLoad,
} from '../load/profile.ts';
import { chosenTests, misfits, readCriteria, readInputs } from '../load/inputs.ts';
import { metricsTable, type MetricRow } from '../load/metrics.ts';
import { refusal, type Settings } from '../load/settings.ts';
import { k6Thresholds } from '../load/thresholds.ts';
import { runMarker, type RunIdentity } from '../results/run.ts';
import { successCriteria } from '../results/success-criteria.ts';
import { metricsOf } from '../results/summary-data.ts';
import { summaryText } from '../results/summary.ts';
import { casesAsked, figureSelectors, judgeRun } from '../results/verdict.ts';
import type { Script, Session, SessionLimits } from '../session/session.ts';
import { createAccount, type Account } from './account.ts';
import { runOverWebSocket } from './connect.ts';
import {
  countBegun,
  countCasesAsked,
  countGeneratorFailures,
  excuseCriterion,
  markOwnOptions,
  markSegment,
} from './metrics.ts';
import { readFile } from './read-file.ts';
import { preflight, unknownService, type ServiceInfo } from './preflight.ts';
import { createStage, type Stage } from './stage.ts';

/** What a scenario is: rounds of sessions, cases to ask the service, or both. */
export interface ScenarioDefinition {
  /** Sessions of each round where the settings name none. */
  rounds?: readonly number[];
  /** The commands, one a session, in turn; or `setting` for those of STRESS_COMMANDS. */
  commands?: readonly Command[] | 'setting' | ((settings: Settings) => readonly Command[]);
  /** What a session of a round does. */
  script?: (session: Session, command: Command) => Script;
  /** Asks the cases, after the rounds, in one VU. */
  cases?: (stage: Stage) => void | Promise<void>;
  /** Longest that the cases take, milliseconds; 5 minutes where absent. */
  casesMs?: (settings: Settings) => number;
  /** The service need not be there when the run begins. */
  mayBeDown?: true;
}

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

interface SetupData {
  run: RunIdentity;
  service: ServiceInfo;
}

/** The load of a run that is refused. */
const nothing: Profile = { scenarios: {}, rounds: [], cases: [], before: {}, owed: undefined };

const casesMs = 300_000;

const randomId = (): string =>
  Math.floor(Math.random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0');

/** Whether k6's own options (`--vus`, `--duration`, `--stage`) replaced our scenarios. */
const isForeign = (): boolean => Object.hasOwn(exec.test.options.scenarios ?? {}, 'default');

/** Whether k6 runs the load that the settings ask for: an archive keeps the load of the settings it was made with. */
const isPlanned = ({ scenarios }: Profile): boolean => {
  const actual = (exec.test.options.scenarios ?? {}) as unknown as Record<string, Record<string, unknown>>;
  const same = (name: string): boolean =>
    ['executor', 'vus', 'rate', 'preAllocatedVUs'].every(
      (key) => (actual[name]?.[key] ?? undefined) === scenarios[name]?.[key],
    );
  return sameNames(actual, scenarios) && Object.keys(scenarios).every(same);
};

const sameNames = (a: object, b: object): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.keys(b).every((name) => Object.hasOwn(a, name));

/** What k6 itself lets a run be split or replaced by, and this run can't be; undefined where all is well. */
const misfit = (profile: Profile, sameCriteria: boolean): string | undefined => {
  const foreign = isForeign();
  if (!sameCriteria || (!foreign && !isPlanned(profile))) {
    return 'Load and criteria were fixed when the archive was made, and other settings are given now: give the same, or make the archive anew.';
  }
  if (foreign && (profile.rounds.length === 0 || profile.cases.length > 1)) {
    return "This scenario has no sessions for k6's own --vus, --duration or --stage: run it without them.";
  }
  const parts = Object.keys(profile.scenarios).length - (profile.owed === undefined ? 0 : 1);
  if (exec.test.options.executionSegment && (parts > 1 || profile.cases.length > 0) && !foreign) {
    return 'Rounds and cases follow one another within one k6 process only: with --execution-segment give one round of sessions, such as -e STRESS_VUS=50, or a duration.';
  }
  return undefined;
};

/** Makes a k6 script of a scenario. Throws a text that lists everything wrong with the settings, in k6's init stage. */
export const scenario = (name: string, definition: ScenarioDefinition): K6Script & { definition: Scenario } => {
  const named = { ...definition, name };
  return { definition: named, ...createScript(name, [named]) };
};

/** Makes one k6 script of several scenarios, which run one after the other; STRESS_ONLY and STRESS_SKIP choose. */
export const suite = (scenarios: readonly Scenario[]): K6Script => createScript('suite', scenarios);

const createScript = (test: string, all: readonly Scenario[]): K6Script => {
  // Criteria are needed in k6's first run of the init stage and in the summary, both of VU 0; no other VU pays for them.
  const inputs = readInputs(__ENV, readFile, __VU === 0 ? defaultThresholds : undefined);
  const { settings } = inputs;
  const isSuite = test === 'suite';
  const unfit = misfits(test, settings);
  // A suite imports its scenarios, which must not refuse what is meant for it: they wait for their own set-up.
  if (isSuite) inputs.problems.push(...unfit);
  const names = isSuite ? chosenTests(settings) : [test];
  const chosen = all.filter(({ name }) => names.includes(name));
  const loads = chosen.map(({ name, rounds = [], cases, casesMs: longest }): TestLoad => ({
    name,
    rounds,
    ...(cases && { casesMs: longest?.(settings) ?? casesMs }),
  }));
  const profile = inputs.problems.length > 0 ? nothing : planLoad(settings, loads);
  const roundsOf = (name: string): number => profile.rounds.filter((round) => round.test === name).length;
  const criteria = readCriteria(
    inputs,
    chosen.map(({ name, rounds }) => ({ name, rounds: (rounds && (roundsOf(name) || 100)) || 0 })),
  );
  // k6 shows a thrown text as it is, and an Error with its stack.
  // oxlint-disable-next-line typescript/only-throw-error -- see above
  if (inputs.problems.length > 0) throw refusal(inputs.problems);

  const options: Options = {};
  if (__VU === 0) {
    const thresholds = k6Thresholds(criteria);
    if (profile.cases.length > 0) thresholds[casesAsked] = [`count>=${profile.cases.length}`];
    for (const selector of figureSelectors(criteria, profile)) thresholds[selector] ??= [];
    Object.assign(options, {
      scenarios: profile.scenarios,
      thresholds,
      insecureSkipTLSVerify: settings.insecure,
      setupTimeout: '120s',
      // No `url`, for a query may hold a secret; no `ip`, for k6 panics with it when a connection is refused.
      systemTags: ['scenario', 'status', 'proto', 'expected_response', 'error_code'],
      summaryTrendStats: ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)'],
    });
  }

  const setup = (): SetupData => {
    const run = { id: settings.runId ?? randomId(), marker: runMarker(Date.now()), test };
    const problem = misfit(profile, sameNames(exec.test.options.thresholds ?? {}, options.thresholds ?? {}));
    if (problem !== undefined) exec.test.abort(problem);
    if (unfit.length > 0) exec.test.abort(refusal(unfit));
    if (settings.insecure) console.warn('STRESS_INSECURE: the TLS certificate of the service is not verified.');
    const service = chosen.every(({ mayBeDown }) => mayBeDown) ? unknownService : preflight(settings);
    if (typeof service === 'string') {
      exec.test.abort(service);
      throw new Error(service);
    }
    const foreign = isForeign();
    if (foreign) {
      markOwnOptions();
      profile.cases.forEach(countCasesAsked);
    }
    for (const criterion of criteria) {
      const { metric, round } = criterion;
      const isOfCases = (metricsTable[metric] as MetricRow).ofCases === true;
      const isLeftOut = isOfCases ? foreign || !profile.cases.includes(criterion.test) : foreign && (round ?? 1) > 1;
      if (isLeftOut) excuseCriterion(criterion);
    }
    if (exec.test.options.executionSegment) markSegment();
    if (settings.records === 'off') console.info(`${run.marker}: starting ${test}, run ${run.id}`);
    return { run, service };
  };

  const limits: SessionLimits = {
    ackTimeoutMs: settings.ackTimeoutMs,
    messageTimeoutMs: settings.messageTimeoutMs,
    sessionTimeoutMs: settings.sessionTimeoutMs,
    ...(settings.executeTimeoutS !== undefined && { executeTimeoutS: settings.executeTimeoutS }),
  };
  let account: Account | undefined;

  const runSession = ({ name, commands: given, script }: Scenario, round: number, account: Account): void => {
    const commands =
      given === 'setting' ? inputs.commands : typeof given === 'function' ? given(settings) : (given ?? []);
    const { iterationInTest } = exec.scenario;
    const command = commands[iterationInTest % commands.length];
    if (command === undefined || !script) throw new Error('a scenario with rounds has commands and a script');
    countBegun();
    const startedAtMs = Date.now();
    const mine = forSession(command, iterationInTest);
    const result = runOverWebSocket(settings, limits, (session) => script(session, mine));
    if (result === undefined) return;
    const place = { test: name, round, session: iterationInTest, vu: exec.vu.idInTest, startedAtMs };
    account.session(result, place, { test: name, round: String(round), class: command.class }, command.name);
  };

  const runCases = async ({ name, cases, rounds = [] }: Scenario, account: Account): Promise<void> => {
    const stage = createStage(settings, name, account);
    try {
      await cases?.(stage);
      countCasesAsked(name);
    } catch (error) {
      exec.test.fail(`the cases of ${name} failed, not the service: ${String(error)}`);
      throw error;
    }
    // A gate that rests on this scenario alone must not open.
    if (!isSuite && rounds.length === 0 && stage.idleBecause !== undefined)
      exec.test.abort(`${name}: NOT RUN: ${stage.idleBecause}`);
  };

  const run = (data: SetupData | undefined): void | Promise<void> => {
    const { name } = exec.scenario;
    if (name === generatorWatch) {
      watchGenerator(profile.owed ?? 0);
      return undefined;
    }
    const place = placeOf(name) ?? { test: chosen[0]?.name, round: 1 };
    const mine = chosen.find((each) => each.name === place.test);
    if (!mine) throw new Error(`no such scenario: ${name}`);
    if (name === 'default') limits.sessionTimeoutMs = Math.min(settings.sessionTimeoutMs, foreignSessionMs);
    waitForOthers(profile.before[name] ?? 0, place.round !== 'cases' && place.round > 1 ? settings.pauseMs : 0);
    account ??= createAccount(
      settings,
      data?.run ?? { id: settings.runId ?? 'none', marker: runMarker(Date.now()), test },
    );
    if (place.round === 'cases') return runCases(mine, account);
    runSession(mine, place.round, account);
    return undefined;
  };

  const handleSummary = (data: unknown): Record<string, string> => {
    const metrics = metricsOf(data);
    const { setup_data: setupData, state } = data as {
      setup_data?: SetupData;
      state?: { isStdOutTTY?: boolean; testRunDurationMs?: number };
    };
    const { passes = 0, fails = 0 } = metrics.session_success?.values ?? {};
    const begun = passes + fails + (metrics.unsettled?.values.count ?? 0);
    const foreign = metrics.own_options !== undefined;
    const countable = !foreign && metrics.segment === undefined;
    const complete =
      !countable ||
      (isComplete(profile, begun, state?.testRunDurationMs ?? Infinity) &&
        (metrics[casesAsked]?.values.count ?? 0) >= profile.cases.length);
    const nothingBegun = begun === 0 && !metrics.sessions?.values.count && setupData === undefined;
    const ran = nothingBegun ? 'never' : complete ? 'whole' : 'cut short';
    const foreignRound = { test, number: 1, label: "k6's own options", sessions: undefined };
    const judged = foreign ? { rounds: [foreignRound], cases: [] } : profile;
    const result = judgeRun(criteria, metrics, judged, ran);
    const success = isSuite ? successCriteria(result.criteria, names) : undefined;
    const service = [setupData?.service.name, setupData?.service.version]
      .filter((each) => typeof each === 'string')
      .join(' ');
    const text = summaryText(test, setupData?.run, settings.url, service, result, success, state?.isStdOutTTY === true);
    if (settings.result === undefined) return { stdout: text };
    const file = {
      type: 'result',
      version: 1,
      run: setupData?.run,
      service: setupData?.service,
      ...result,
      ...(success && { success }),
    };
    return { stdout: text, [settings.result]: `${JSON.stringify(file, undefined, 2)}\n` };
  };

  return { options, setup, run, handleSummary };
};

/** Sleeps until so many iterations have ended, however, and then for the pause between rounds. */
const waitForOthers = (before: number, pauseMs: number): void => {
  const { instance } = exec;
  while (instance.iterationsCompleted + instance.iterationsInterrupted < before) sleep(0.01);
  if (before > 0) sleep(pauseMs / 1000);
};

/**
 * Marks the run as failed, exit code 110, when k6 started fewer sessions than the open model owed. Waits until only
 * its own VU is active: then all sessions have ended.
 */
const watchGenerator = (owed: number): void => {
  // Of a segment it is not known what it owes; there the threshold on dropped iterations judges alone.
  if (exec.test.options.executionSegment) return;
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

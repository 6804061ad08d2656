import { sleep } from 'k6';
import defaultThresholds from '../../thresholds.json';
import exec from 'k6/execution';
import type { Options } from 'k6/options';
import { forSession, type Command } from '../commands/command.ts';
import {
  foreignSessionMs,
  generatorWatch,
  isComplete,
  planLoad,
  roundOf,
  roundScenario,
  sessionsBefore,
  type Profile,
} from '../load/profile.ts';
import { readCriteria, readInputs } from '../load/inputs.ts';
import { refusal } from '../load/settings.ts';
import { k6Thresholds } from '../load/thresholds.ts';
import { describeOutcome, isGeneratorLimit } from '../results/outcome.ts';
import { sessionRecord } from '../results/record.ts';
import { runMarker, type RunIdentity } from '../results/run.ts';
import { summaryText } from '../results/summary.ts';
import { figureSelectors, judgeRun } from '../results/verdict.ts';
import type { Script, Session, SessionLimits } from '../session/session.ts';
import { runOverWebSocket } from './connect.ts';
import {
  countBegun,
  countGeneratorFailures,
  countSession,
  excuseRound,
  markOwnOptions,
  markSegment,
} from './metrics.ts';
import { readFile } from './read-file.ts';
import { preflight, type ServiceInfo } from './preflight.ts';
import { metricsOf } from '../results/summary-data.ts';

/** What a scenario is: its sessions a round, its commands (one a session, in turn) and what a session does. */
export interface ScenarioDefinition {
  /** Sessions of each round where the settings name none. */
  rounds: readonly number[];
  /** The commands, or `setting` for those of STRESS_COMMANDS. */
  commands: readonly Command[] | 'setting';
  script: (session: Session, command: Command) => Script;
}

/** What a bundle exports to k6; `run` is its default export too. */
export interface K6Script {
  options: Options;
  setup: () => SetupData;
  run: (data: SetupData | undefined) => void;
  handleSummary: (data: unknown) => Record<string, string>;
}

interface SetupData {
  run: RunIdentity;
  service: ServiceInfo;
}

const failuresShown = 1;

/** The load of a run that is refused. */
const nothing: Profile = { scenarios: {}, rounds: [], owed: undefined };

const randomId = (): string =>
  Math.floor(Math.random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0');

/** Whether k6's own options (`--vus`, `--duration`, `--stage`) replaced our scenarios. */
const isForeign = (): boolean => !Object.hasOwn(exec.test.options.scenarios ?? {}, roundScenario(1));

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

/** Makes a k6 script of a scenario. Throws a text that lists everything wrong with the settings, in k6's init stage. */
export const scenario = (test: string, definition: ScenarioDefinition): K6Script => {
  // Criteria are needed in k6's first run of the init stage and in the summary, both of VU 0; no other VU pays for them.
  const inputs = readInputs(__ENV, readFile, __VU === 0 ? defaultThresholds : undefined);
  const { settings } = inputs;
  const commands = definition.commands === 'setting' ? inputs.commands : definition.commands;
  const profile = inputs.problems.length > 0 ? nothing : planLoad(settings, definition.rounds);
  const { rounds } = profile;
  const criteria = readCriteria(inputs, test, rounds.length || 100);
  // k6 shows a thrown text as it is, and an Error with its stack.
  // oxlint-disable-next-line typescript/only-throw-error -- see above
  if (inputs.problems.length > 0) throw refusal(inputs.problems);

  const options: Options = {};
  if (__VU === 0) {
    const thresholds = k6Thresholds(criteria);
    for (const selector of figureSelectors(rounds.length)) thresholds[selector] ??= [];
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
    const foreign = isForeign();
    const sameCriteria = sameNames(exec.test.options.thresholds ?? {}, options.thresholds ?? {});
    if (!sameCriteria || (!foreign && !isPlanned(profile))) {
      exec.test.abort(
        'Load and criteria were fixed when the archive was made, and other settings are given now: give the same, or make the archive anew.',
      );
    }
    if (exec.test.options.executionSegment && rounds.length > 1 && !foreign) {
      exec.test.abort(
        'Rounds follow one another within one k6 process only: with --execution-segment give one round, such as -e STRESS_VUS=50.',
      );
    }
    if (settings.insecure) console.warn('STRESS_INSECURE: the TLS certificate of the service is not verified.');
    const service = preflight(settings);
    if (typeof service === 'string') {
      exec.test.abort(service);
      throw new Error(service);
    }
    if (foreign) {
      markOwnOptions();
      rounds.forEach((_, index) => index > 0 && excuseRound(test, index + 1));
    }
    if (exec.test.options.executionSegment) markSegment();
    if (!settings.records) console.info(`${run.marker}: starting ${test}, run ${run.id}`);
    return { run, service };
  };

  const limits: SessionLimits = {
    ackTimeoutMs: settings.ackTimeoutMs,
    messageTimeoutMs: settings.messageTimeoutMs,
    sessionTimeoutMs: settings.sessionTimeoutMs,
  };
  let shown = 0;

  const run = (data: SetupData | undefined): void => {
    const { name, iterationInTest } = exec.scenario;
    if (name === generatorWatch) {
      watchGenerator(profile.owed ?? 0);
      return;
    }
    const round = roundOf(name);
    if (name === roundScenario(round) && round > 1) waitForRounds(sessionsBefore(rounds, round), settings.pauseMs);
    const command = commands[iterationInTest % commands.length];
    if (command === undefined) throw new Error('a scenario has at least one command');
    if (name === 'default') limits.sessionTimeoutMs = Math.min(settings.sessionTimeoutMs, foreignSessionMs);

    countBegun();
    const startedAtMs = Date.now();
    const mine = forSession(command, iterationInTest);
    const result = runOverWebSocket(settings, limits, (session) => definition.script(session, mine));
    if (result === undefined) return;
    countSession(result, { test, round: String(round), class: command.class });

    const identity = data?.run ?? { id: settings.runId ?? 'none', marker: runMarker(startedAtMs), test };
    const place = { round, session: iterationInTest, vu: exec.vu.idInTest, startedAtMs };
    if (settings.records) console.log(sessionRecord(identity, place, result));
    if (result.outcome.kind !== 'ok' && shown++ < failuresShown && !settings.records) {
      const trace = result.trace ? `\n    ${result.trace.join('\n    ')}` : '';
      console.warn(
        `round ${round} session ${iterationInTest} (${command.name}): ${describeOutcome(result.outcome)}${trace}`,
      );
    }
    if (isGeneratorLimit(result.outcome)) {
      countGeneratorFailures(1);
      exec.test.fail(`INVALID: this machine has no more connections to give: ${describeOutcome(result.outcome)}`);
    }
    if (result.bug !== undefined) {
      exec.test.fail(`a script failed, not the service: ${describeOutcome(result.outcome)}`);
      throw result.bug;
    }
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
    const complete = !countable || isComplete(profile, begun, state?.testRunDurationMs ?? Infinity);
    const ran = begun === 0 && setupData === undefined ? 'never' : complete ? 'whole' : 'cut short';
    const judgedRounds = foreign ? [{ label: "k6's own options", sessions: undefined }] : rounds;
    const result = judgeRun(criteria, metrics, judgedRounds, ran);
    const service = [setupData?.service.name, setupData?.service.version]
      .filter((each) => each !== undefined)
      .join(' ');
    const text = summaryText(test, setupData?.run, settings.url, service, result, state?.isStdOutTTY === true);
    if (settings.result === undefined) return { stdout: text };
    const file = { type: 'result', version: 1, run: setupData?.run, service: setupData?.service, ...result };
    return { stdout: text, [settings.result]: `${JSON.stringify(file, undefined, 2)}\n` };
  };

  return { options, setup, run, handleSummary };
};

/** Sleeps until so many sessions have ended, however, and then the pause between rounds. */
const waitForRounds = (before: number, pauseMs: number): void => {
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

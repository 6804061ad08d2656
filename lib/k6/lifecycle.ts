import { visibleJson } from '../text/visible.ts';
import exec from 'k6/execution';
import type { Options } from 'k6/options';
import { cloudOptions } from '../load/cloud.ts';
import { metricsTable, type MetricRow } from '../load/metrics.ts';
import { isComplete, type Profile } from '../load/profile.ts';
import { wantsLimitedInstance } from '../load/scenario-facts.ts';
import { recordCopyVariable, recordedSettings, refusal, shownUrl, summaryVariable } from '../load/settings.ts';
import { k6Thresholds } from '../load/thresholds.ts';
import type { RunRecord } from '../results/record-schema.ts';
import { stopRecord } from '../results/record.ts';
import { runOf, type RunIdentity } from '../results/run.ts';
import { successCriteria } from '../results/success-criteria.ts';
import { metricsOf } from '../results/summary-data.ts';
import { summaryText } from '../results/summary.ts';
import { casesAsked, figureSelectors, figuresOf, evaluateRun } from '../results/verdict.ts';
import { bypassingOptions, knowsThresholds, trendStats } from './bypassing-options.ts';
import { countCasesAsked } from './case-metrics.ts';
import { skipCriterion, markOwnOptions, markRun, markSegment } from './lifecycle-metrics.ts';
import type { VuZeroPlan } from './run-plan.ts';
import { preflight, unknownService, type ServiceInfo } from './preflight.ts';

/** Whether k6's own options (`--vus`, `--duration`, `--stage`) replaced our scenarios. */
const usesK6Options = (): boolean => Object.hasOwn(exec.test.options.scenarios ?? {}, 'default');

/** Whether k6 runs the load that the settings ask for: an archive keeps the load of the settings it was made with. */
const isPlanned = ({ scenarios }: Profile): boolean => {
  const actual = (exec.test.options.scenarios ?? {}) as unknown as Record<string, Record<string, unknown>>;
  const same = (name: string): boolean =>
    ['executor', 'vus', 'rate', 'preAllocatedVUs'].every(
      (key) => (actual[name]?.[key] ?? undefined) === scenarios[name]?.[key],
    );
  return sameNames(actual, scenarios) && Object.keys(scenarios).every(same);
};

/** Whether k6 runs a part of the load alone. One that is whole is none, though a distributor may write it so. */
const isPart = (): boolean => !['0:1', '', null, undefined].includes(exec.test.options.executionSegment);

const sameNames = (a: object, b: object): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.keys(b).every((name) => Object.hasOwn(a, name));

/** Why k6's own options, which replace or split the load, don't fit this run; undefined where they do. */
const optionsConflict = (profile: Profile, sameCriteria: boolean): string | undefined => {
  const foreign = usesK6Options();
  if (!sameCriteria || (!foreign && !isPlanned(profile))) {
    return 'Load and criteria were fixed when the archive was made, and other settings are given now: give the same, or make the archive anew.';
  }
  if (foreign && (profile.rounds.length === 0 || profile.cases.length > 1)) {
    return "This scenario has no sessions for k6's own --vus, --duration or --stage: run it without them.";
  }
  const parts = Object.keys(profile.scenarios).length - (profile.owed === undefined ? 0 : 1);
  if (isPart() && (parts > 1 || profile.cases.length > 0) && !foreign) {
    return 'Rounds and cases follow one another within one k6 process only: with --execution-segment give one round of sessions, such as -e STRESS_VUS=50, or a duration.';
  }
  return undefined;
};

/** What set-up tells every VU. */
export interface SetupData {
  run: RunIdentity;
  service: ServiceInfo;
}

/** What k6 needs of a run before and after its sessions. */
export interface Lifecycle {
  options: Options;
  setup: () => SetupData;
  handleSummary: (data: unknown) => Record<string, string>;
}

/** Set-up data has been JSON since, in which k6 turns what is undefined to null. */
const withoutNulls = ({ name, version }: ServiceInfo): ServiceInfo => ({
  ...(typeof name === 'string' && { name }),
  ...(typeof version === 'string' && { version }),
});

/** Options, set-up and summary of a run, in VU 0 alone. */
export const makeLifecycle = ({
  plan,
  run: facts,
  scenarios,
  criteria,
  warnings,
  spelled,
  conflicts,
  cloud,
}: VuZeroPlan): Lifecycle => {
  const { settings, profile, names } = plan;
  const { name: root } = facts;
  const chosen = scenarios.filter(({ name }) => names.includes(name));
  const parts = { rounds: profile.rounds, cases: profile.cases, figures: figuresOf(chosen) };
  const thresholds = k6Thresholds(criteria);
  if (profile.cases.length > 0) thresholds[casesAsked] = [`count>=${profile.cases.length}`];
  for (const selector of figureSelectors(criteria, parts)) thresholds[selector] ??= [];
  const options = {
    scenarios: profile.scenarios,
    thresholds,
    ...(cloud && { cloud: cloudOptions(root, cloud) }),
    insecureSkipTLSVerify: settings.insecure,
    // As by default, so that a configuration file of k6 changes none of them.
    noSetup: false,
    throw: false,
    discardResponseBodies: false,
    setupTimeout: '120s',
    // No `url`, for a query may hold a secret; no `ip`, for k6 panics with it when a connection is refused.
    systemTags: ['scenario', 'status', 'proto', 'expected_response', 'error_code'],
    summaryTrendStats: [...trendStats],
  } as unknown as Options;

  const setup = (): SetupData => {
    const run = runOf(settings.runId, root);
    markRun(run);
    const stop = (reason: string): void => {
      if (settings.records !== 'off') console.log(stopRecord(run, reason));
      exec.test.abort(reason);
    };
    const problem = optionsConflict(profile, sameNames(exec.test.options.thresholds ?? {}, thresholds));
    if (problem !== undefined) stop(problem);
    const bypassing = bypassingOptions(exec.test.options as unknown as Record<string, unknown>, settings.insecure);
    if (bypassing.length > 0) stop(refusal(bypassing));
    if (conflicts.length > 0) stop(refusal(conflicts));
    for (const warning of warnings) console.warn(warning);
    if (settings.insecure) {
      console.warn(`${spelled('STRESS_INSECURE')}: the TLS certificate of the service is not verified.`);
    }
    const found = chosen.every(({ mayBeDown }) => mayBeDown)
      ? { info: unknownService }
      : preflight(settings, plan.hidden.secrets, spelled);
    if (typeof found === 'string') {
      stop(found);
      throw new Error(found);
    }
    const { info: service } = found;
    if (found.warning !== undefined) console.warn(found.warning);
    const { limitedUrl } = settings;
    if (limitedUrl !== undefined && chosen.some(wantsLimitedInstance)) {
      const limited = preflight({ ...settings, url: limitedUrl }, plan.hidden.secrets, spelled, 'STRESS_LIMITED_URL');
      if (typeof limited === 'string') stop(limited);
    }
    const foreign = usesK6Options();
    if (foreign) {
      markOwnOptions();
      profile.cases.forEach(countCasesAsked);
    }
    for (const criterion of criteria) {
      const { metric, round } = criterion;
      const isOfCases = (metricsTable[metric] as MetricRow).ofCases === true;
      const isLeftOut = isOfCases ? foreign || !profile.cases.includes(criterion.test) : foreign && (round ?? 1) > 1;
      if (isLeftOut) skipCriterion(criterion);
    }
    if (isPart()) markSegment();
    if (settings.records === 'off') console.info(`${run.marker}: starting ${root}, run ${run.id}`);
    return { run, service };
  };

  const handleSummary = (data: unknown): Record<string, string> => {
    const metrics = metricsOf(data);
    const { setup_data: setupData, state } = data as {
      setup_data?: SetupData;
      state?: { isStdOutTTY?: boolean; testRunDurationMs?: number };
    };
    const { passes = 0, fails = 0 } = metrics.session_success?.values ?? {};
    const settled = passes + fails;
    const begun = settled + (metrics.unsettled?.values.count ?? 0);
    const foreign = metrics.own_options !== undefined;
    const countable = !foreign && metrics.segment === undefined;
    const complete =
      !countable ||
      (isComplete(profile, settled, state?.testRunDurationMs ?? Infinity) &&
        (metrics[casesAsked]?.values.count ?? 0) >= profile.cases.length);
    const nothingBegun = begun === 0 && !metrics.sessions?.values.count && setupData === undefined;
    const ran = nothingBegun ? 'never' : complete ? 'whole' : 'cut short';
    const foreignRound = { test: root, number: 1, label: "k6's own options", sessions: undefined };
    const judged = foreign ? { ...parts, rounds: [foreignRound], cases: [] } : parts;
    const evaluated = evaluateRun(criteria, metrics, judged, ran);
    const wasSetUp = metrics.runs !== undefined || ran === 'never';
    const result = wasSetUp ? evaluated : { ...evaluated, verdict: 'INVALID' as const };
    const notes = [
      ...(wasSetUp ? [] : ['The set-up was skipped (--no-setup or K6_NO_SETUP), so the run says nothing.']),
      ...(criteria.length === 0 || knowsThresholds(data)
        ? []
        : [
            'k6 judged no thresholds (--no-thresholds or K6_NO_THRESHOLDS): its exit code does not follow the verdict.',
          ]),
    ];
    const success = facts.scenarios && successCriteria(result.criteria, scenarios, names, result.rounds);
    const service = [setupData?.service.name, setupData?.service.version]
      .filter((each) => typeof each === 'string')
      .join(' ');
    const given = recordedSettings(__ENV);
    const colour = state?.isStdOutTTY === true && !__ENV.NO_COLOR;
    const summary =
      __ENV[summaryVariable] === 'off'
        ? ''
        : summaryText(root, setupData?.run, settings.url, service, given, result, success, colour);
    const text = notes.length === 0 ? summary : `${summary}${notes.map((note) => `  ${note}\n`).join('')}\n`;
    if (settings.result === undefined) return { stdout: text };
    const { id, marker, startedAt } = setupData?.run ?? runOf(settings.runId, root);
    const file: RunRecord = {
      type: 'run',
      version: 1,
      run: id,
      marker,
      test: root,
      startedAt,
      durationMs: Math.round(state?.testRunDurationMs ?? 0),
      url: shownUrl(settings.url),
      service: withoutNulls(setupData?.service ?? unknownService),
      settings: given,
      ...result,
      ...(success && { success }),
    };
    const record = `${visibleJson(file, 2)}\n`;
    const copy = __ENV[recordCopyVariable];
    return { stdout: text, [settings.result]: record, ...(copy && { [copy]: record }) };
  };

  return { options, setup, handleSummary };
};

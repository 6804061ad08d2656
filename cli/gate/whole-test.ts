import { isComplete, planLoad, type Profile } from '../../lib/load/profile.ts';
import type { Settings } from '../../lib/load/settings.ts';
import { parseExpression, type Criterion } from '../../lib/load/thresholds.ts';
import { runMarker, type RunIdentity } from '../../lib/results/run.ts';
import { figureSelectors, evaluateRun, type MetricValues } from '../../lib/results/verdict.ts';
import { cutTo, visible } from '../../lib/text/visible.ts';
import { printable } from '../shared/printable.ts';
import { askNumber, askSamples, askTime, askVector, GateError, type Connection } from './prometheus.ts';
import { agreements, beginnings, gaugesOf, questionsFor, type Series } from './promql.ts';
import type { RunResult } from '../../lib/results/record-schema.ts';

/** What is judged: a test of so many k6 processes. */
export interface WholeTest {
  scenario: string;
  testLabel: string;
  testId: string;
  instanceLabel: string;
  instances: number;
  /** How long ago it may have begun, milliseconds. */
  withinMs: number;
  criteria: readonly Criterion[];
  profile: Profile;
}

/** What came of it: the result as one process would have it, and which machines were heard of. */
export interface WholeResult {
  run: RunIdentity;
  result: RunResult;
  /** Why the verdict is INVALID, where it is for the machines. */
  problem: string | undefined;
}

/** The load of a test over several machines: what the settings ask for or, where they do not say, one round of any size. */
export const wholeProfile = (scenario: string, settings: Settings): Profile => {
  const { rounds, vus, durationMs } = settings;
  if (rounds !== undefined || vus !== undefined || durationMs !== undefined) {
    return planLoad(settings, [{ name: scenario, rounds: [1], takesLoad: true }]);
  }
  const round = { test: scenario, number: 1, label: 'sessions of all machines', sessions: undefined };
  return { scenarios: {}, rounds: [round], cases: [], before: {}, owed: undefined };
};

/** A clock of another machine may be so much ahead, seconds. */
const aheadS = 60;

const list = (names: readonly string[]): string =>
  [...names.slice(0, 20).map((name) => printable(name, 60)), ...(names.length > 20 ? ['…'] : [])].join(', ');

/** The k6 processes that began the test, and when the first did; refuses what is no one test of these machines. */
const findMachines = async (
  connection: Connection,
  test: WholeTest,
  series: Series,
): Promise<{ names: string[]; beganMs: number }> => {
  const { testLabel, testId, instanceLabel, instances, scenario } = test;
  const marked = `${testLabel}=${visible(JSON.stringify(cutTo(testId, 100)))}`;
  const begun = await askSamples(connection, beginnings(series), series.atS);
  if (begun.length === 0) {
    throw new GateError(
      `expected a test marked ${marked} in the last ${Math.round(test.withinMs / 60_000)} minutes (--within); Prometheus has none. Run k6 with --out experimental-prometheus-rw and --tag ${testLabel}=… and look whether it logged that it failed to send, as it does to a Prometheus that takes no native histograms`,
    );
  }
  const others = [...new Set(begun.map(({ labels }) => labels.test ?? ''))].filter((name) => name !== scenario);
  if (others.length > 0) {
    throw new GateError(
      `expected the test marked ${marked} to be of ${scenario}; it is also, or only, of ${list(others)}`,
    );
  }
  const begins = new Map<string, number>();
  for (const { labels, timesMs } of begun) {
    const name = labels[instanceLabel] ?? '';
    begins.set(name, (begins.get(name) ?? 0) + timesMs.length);
  }
  if (begins.has('') && (instances > 1 || begins.size > 1)) {
    throw new GateError(
      `expected each k6 process to have a ${instanceLabel} of its own; some have none: give each --tag ${instanceLabel}=…, or name another label with --instance-label`,
    );
  }
  const again = [...begins].filter(([, count]) => count > 1).map(([name]) => name || 'the process');
  if (again.length > 0) {
    throw new GateError(
      `expected one test marked ${marked}; there are two or more, or two processes of one ${instanceLabel}, for these began more than once: ${list(again)}; give each test an id of its own, or --within less`,
    );
  }
  if (begins.size > instances) {
    throw new GateError(
      `expected ${instances} k6 process${instances === 1 ? '' : 'es'} (--instances); ${begins.size} began: ${list([...begins.keys()])}`,
    );
  }
  return { names: [...begins.keys()], beganMs: Math.min(...begun.flatMap(({ timesMs }) => timesMs)) };
};

/** Refuses a test of which Prometheus does not hold everything that was measured. */
const checkAgreements = async (connection: Connection, series: Series): Promise<void> => {
  for (const { metric, samples, expected: counted, orMore } of agreements(series)) {
    const has = (await askNumber(connection, samples, series.atS)) ?? 0;
    const expected = (await askNumber(connection, counted, series.atS)) ?? 0;
    if (has === expected || (orMore && has > expected)) continue;
    const gauges = await askVector(connection, gaugesOf(metric, series), series.atS);
    if (gauges.length > 0) {
      const names = list(gauges.flatMap(({ labels }) => Object.values(labels)));
      throw new GateError(
        `expected native histograms; k6 sent ${names}, which can't be added up: run it with K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM=true, against a Prometheus that takes them`,
      );
    }
    throw new GateError(
      `expected Prometheus to hold all that was measured; it holds ${has} samples of ${metric} of ${expected} sessions that succeeded: what k6 sent was lost on the way, or marked stale (K6_PROMETHEUS_RW_STALE_MARKERS must not be true)`,
    );
  }
};

const aggregationOf = (expression: string): string[] => [parseExpression(expression)?.aggregation ?? 'count'];

const figures = ['avg', 'min', 'med', 'max', 'p(95)'];

/** Every value that the criteria and the figures need, by selector. */
const readMetrics = async (
  connection: Connection,
  { criteria, profile }: WholeTest,
  series: Series,
): Promise<Record<string, MetricValues | undefined>> => {
  const aggregations = new Map<string, Set<string>>();
  const want = (selector: string, wanted: readonly string[]): void => {
    aggregations.set(selector, new Set([...(aggregations.get(selector) ?? []), ...wanted]));
  };
  for (const { selector, expression, guard, skips } of criteria) {
    want(selector, aggregationOf(expression));
    want(guard.selector, aggregationOf(guard.expression));
    for (const skip of Object.values(skips ?? {})) want(skip, ['count']);
  }
  const whole = ['session_success', 'session_duration', 'sessions', 'unsettled'];
  for (const selector of [...figureSelectors(criteria, profile), ...whole]) want(selector, figures);
  for (const selector of ['dropped_iterations', 'generator_failures']) want(selector, ['count']);
  const metrics: Record<string, MetricValues | undefined> = {};
  for (const [selector, wanted] of aggregations) {
    const values: Record<string, number> = {};
    for (const { value, expression, factor } of questionsFor(selector, [...wanted], series)) {
      const number = await askNumber(connection, expression, series.atS);
      if (number !== undefined) values[value] = number * factor;
    }
    const { total, passes = 0 } = values;
    if (total !== undefined) metrics[selector] = { values: { rate: passes / total, passes, fails: total - passes } };
    else if (Object.keys(values).length > 0 && values.passes === undefined) metrics[selector] = { values };
  }
  return metrics;
};

/** Judges a test over all of its machines, as one process would have judged it; throws a GateError where nothing can be. */
export const evaluateWholeTest = async (connection: Connection, test: WholeTest): Promise<WholeResult> => {
  const { testLabel, testId, scenario, instances, instanceLabel, criteria, profile } = test;
  const atS = Math.ceil(await askTime(connection)) + aheadS;
  const look = { testLabel, testId, atS };
  const found = await findMachines(connection, test, {
    ...look,
    withinS: Math.ceil(test.withinMs / 1000) + aheadS,
  });
  const series: Series = { ...look, withinS: Math.ceil(atS - found.beganMs / 1000) + aheadS };
  await checkAgreements(connection, series);
  const metrics = await readMetrics(connection, test, series);
  const missing = instances - found.names.length;
  const problem =
    missing > 0
      ? `INVALID: expected ${instances} k6 processes (--instances); only ${found.names.length} began, by ${instanceLabel}: ${list(found.names)}: less load was given than asked for`
      : undefined;
  if (problem !== undefined) metrics.generator_failures = { values: { count: missing } };
  const { passes = 0, fails = 0 } = metrics.session_success?.values ?? {};
  const begun = passes + fails + (metrics.unsettled?.values.count ?? 0);
  const ran =
    begun === 0 && !metrics.sessions?.values.count
      ? 'never'
      : isComplete(profile, begun, Infinity)
        ? 'whole'
        : 'cut short';
  const run = {
    id: testId,
    marker: runMarker(found.beganMs),
    test: scenario,
    startedAt: new Date(found.beganMs).toISOString(),
  };
  return { run, problem, result: evaluateRun(criteria, metrics, profile, ran) };
};

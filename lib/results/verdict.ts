import { findingKinds, type FindingKind } from '../cases/case.ts';
import { metricsTable, type MetricName, type MetricRow } from '../load/metrics.ts';
import { parseExpression, selectedTags, type Criterion } from '../load/thresholds.ts';
import type { Profile, Round } from '../load/profile.ts';
import type { Figure, ScenarioFacts } from '../load/scenario-facts.ts';
import { outcomeKinds } from '../session/outcome.ts';
import type { CriterionStatus } from './criterion-status.ts';
import type { Figures, Findings, JudgedCriterion, Measurement, RunResult } from './record-schema.ts';

/** The values of one metric or submetric at the end of a run, as k6 names them (`count`, `rate`, `avg`, `p(95)`, …). */
export interface MetricValues {
  values: Readonly<Record<string, number>>;
  /** Whether each threshold held, by its expression; absent in k6's machine-readable summary. */
  held?: Readonly<Record<string, boolean>>;
}

/** All metrics of a run, by metric or selector. */
export type Metrics = Readonly<Record<string, MetricValues | undefined>>;

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '==': (a, b) => a === b,
  '===': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};

/** A metric's value by an expression's aggregation: 0 without samples, undefined where k6 does not tell it. */
const valueOf = (metric: MetricValues | undefined, expression: string): number | undefined =>
  metric === undefined ? 0 : metric.values[parseExpression(expression)?.aggregation ?? ''];

const holds = (metric: MetricValues | undefined, expression: string): boolean => {
  const known = metric?.held?.[expression];
  if (known !== undefined) return known;
  const { operator, limit } = parseExpression(expression) ?? { operator: '', limit: 0 };
  const value = valueOf(metric, expression);
  return value !== undefined && comparisons[operator]?.(value, limit) === true;
};

const countOf = (metrics: Metrics, selector: string): number => metrics[selector]?.values.count ?? 0;

/** Why there can be no data for a criterion about cases, where there is a reason. */
const skipOf = ({ skips }: Criterion, metrics: Metrics): CriterionStatus | undefined => {
  if (!skips || countOf(metrics, skips.real) > 0) return undefined;
  if (countOf(metrics, skips['not-run']) > 0) return 'NOT RUN';
  return countOf(metrics, skips['not-applicable']) > 0 ? 'NOT APPLICABLE' : undefined;
};

const isOfOne = ({ skips }: Criterion): boolean => skips !== undefined && 'case' in selectedTags(skips.real);

/**
 * Whether some of the cases that a criterion is about were not asked, or could not tell; those that another criterion of the
 * scenario names are its own matter.
 */
const lacksSome = (
  as: 'not-run' | 'inconclusive',
  { test, metric, skips }: Criterion,
  metrics: Metrics,
  all: readonly Criterion[],
): boolean => {
  const row: MetricRow = metricsTable[metric];
  if (!skips || row.ofCases !== true || 'case' in selectedTags(skips.real)) return false;
  const named = all.filter((each) => each.test === test && each.metric === metric && isOfOne(each));
  const elsewhere = new Set(named.map((each) => each.skips?.[as] ?? ''));
  return countOf(metrics, skips[as]) > [...elsewhere].reduce((sum, each) => sum + countOf(metrics, each), 0);
};

const evaluateCriterion = (
  criterion: Criterion,
  metrics: Metrics,
  rounds: readonly Round[],
  all: readonly Criterion[],
): JudgedCriterion => {
  const { test, selector, expression, guard, round } = criterion;
  const metric = metrics[selector];
  const seen = holds(metrics[guard.selector], guard.expression);
  const observed = seen ? valueOf(metric, expression) : undefined;
  const told = seen && (observed !== undefined || metric?.held?.[expression] !== undefined);
  const row: MetricRow = metricsTable[criterion.metric];
  const unit = row.time === true ? 'ms' : row.unit;
  const judged = { test, selector, expression, observed, ...(unit !== undefined && { unit }) };
  const wasRun = round === undefined || rounds.some((each) => each.test === test && each.number === round);
  const skip = wasRun ? skipOf(criterion, metrics) : 'NOT RUN';
  if (skip) return { ...judged, observed: undefined, status: skip };
  if (!told) return { ...judged, status: 'NO DATA' };
  if (!holds(metric, expression)) return { ...judged, status: 'FAIL' };
  if (lacksSome('inconclusive', criterion, metrics, all)) return { ...judged, status: 'NO DATA' };
  return { ...judged, status: lacksSome('not-run', criterion, metrics, all) ? 'NOT RUN' : 'PASS' };
};

const figures = (
  test: string,
  label: string,
  success: MetricValues | undefined,
  duration: MetricValues | undefined,
  timeouts?: MetricValues,
): Figures => {
  const { passes = 0, fails = 0 } = success?.values ?? {};
  const values = duration?.values ?? {};
  const timed = (values.max ?? 0) > 0;
  return {
    test,
    label,
    successful: passes,
    failed: fails,
    ...(timeouts && { timedOut: timeouts.values.count ?? 0 }),
    avgMs: timed ? values.avg : undefined,
    minMs: timed ? values.min : undefined,
    maxMs: timed ? values.max : undefined,
    p95Ms: timed ? values['p(95)'] : undefined,
  };
};

/** The submetric of a round. */
const ofRound = (metric: string, { test, number }: Round): string => `${metric}{test:${test},round:${number}}`;

/** The submetric of an outcome. */
const ofOutcome = (kind: string): string => `sessions{outcome:${kind}}`;

/** The submetric of what cases came to. */
const ofFinding = (test: string, kind: FindingKind): string => `findings{test:${test},finding:${kind}}`;

/** A figure that the summary shows of a scenario, beside the durations of its sessions. */
export type ScenarioFigure = Figure & { test: string };

/** The figures that scenarios declare, each with its scenario. */
export const figuresOf = (scenarios: readonly Pick<ScenarioFacts, 'name' | 'figures'>[]): ScenarioFigure[] =>
  scenarios.flatMap(({ name, figures }) => figures.map((figure) => ({ ...figure, test: name })));

/** What a run consists of, as its results need it. */
export type RunParts = Pick<Profile, 'rounds' | 'cases'> & { figures?: readonly ScenarioFigure[] };

const ofMeasurable = ({ test, metric, tag }: ScenarioFigure): string =>
  `${metric}{test:${test}${tag === undefined ? '' : `,${tag}`}}`;

/** How many of a figure the cases of a test measured. */
const ofFigure = (test: string, metric: MetricName): string => `evidence{of:${metric},real:yes,test:${test}}`;

const figuresIn = ({ rounds, cases, figures = [] }: RunParts): readonly ScenarioFigure[] =>
  figures.filter(({ test }) => cases.includes(test) || rounds.some((round) => round.test === test));

/** Cases of so many tests have been asked to the end. */
export const casesAsked = 'evidence{of:cases}';

/** Every submetric that `evaluateRun` reads beside the criteria's; k6 keeps only those that its thresholds name. */
export const figureSelectors = (criteria: readonly Criterion[], parts: RunParts): string[] => [
  ...parts.rounds.flatMap((round) =>
    ['session_success', 'session_duration', 'timeouts'].map((metric) => ofRound(metric, round)),
  ),
  ...outcomeKinds.map(ofOutcome),
  ...parts.cases.flatMap((test) => findingKinds.map((kind) => ofFinding(test, kind))),
  ...figuresIn(parts).flatMap((each) => [ofMeasurable(each), ofFigure(each.test, each.metric)]),
  ...criteria.flatMap(({ skips }) => Object.values(skips ?? {})),
  casesAsked,
];

const findingsOf = (test: string, metrics: Metrics): Findings => {
  const [conforming = 0, deviating = 0, bypass = 0, breaking = 0] = findingKinds.map((kind) =>
    countOf(metrics, ofFinding(test, kind)),
  );
  return { test, conforming, deviating, bypass, breaking };
};

/** Whether a metric tells of what was asked; counters alone do not. */
const isEvidence = (metric: MetricName): boolean => {
  const row: MetricRow = metricsTable[metric];
  return row.ofCases === true || row.ofRounds === true;
};

/** What a run that was cut short says nothing of: it proves nothing, and loses sessions by that alone. */
const isOpen = ({ status, selector }: JudgedCriterion): boolean =>
  status === 'PASS' ||
  status === 'NO DATA' ||
  selector === 'unsettled' ||
  /^sessions\{[^}]*outcome:closed/.test(selector);

/** Why a run asked nothing at all, where it did not: counters alone, of sessions that only found that out, prove nothing. */
const nothingAsked = (
  criteria: readonly Criterion[],
  judged: readonly JudgedCriterion[],
): 'NOT RUN' | 'NOT APPLICABLE' | undefined => {
  const statuses = judged
    .filter((_, index) => isEvidence(criteria[index]?.metric ?? 'unsettled'))
    .map(({ status }) => status);
  if (statuses.includes('PASS') || statuses.length === 0) return undefined;
  return statuses.includes('NOT RUN') ? 'NOT RUN' : 'NOT APPLICABLE';
};

const measuredOf = (parts: RunParts, metrics: Metrics): Measurement[] =>
  figuresIn(parts).flatMap((each) => {
    const { test, label, metric, of } = each;
    const value = metrics[ofMeasurable(each)]?.values[of];
    const row: MetricRow = metricsTable[metric];
    // A trend without samples is 0; only a case's figure may be that, and says so.
    const isMeasured = row.ofCases === true ? countOf(metrics, ofFigure(test, metric)) > 0 : value !== 0;
    if (value === undefined || !isMeasured) return [];
    return [{ test, label, value, unit: row.time === true ? 'ms' : (row.unit ?? '') }];
  });

const lagOf = ({ generator_lag: metric }: Metrics): RunResult['lag'] => {
  const { med, max, 'p(95)': p95 } = metric?.values ?? {};
  // A trend without samples is 0.
  if (med === undefined || p95 === undefined || max === undefined || max === 0) return undefined;
  return { medianMs: med, p95Ms: p95, maxMs: max };
};

/**
 * The verdict over a run. `ran` is `never` where set-up ended it before any session, and `cut short` where less was run
 * than asked for: then nothing can pass, and only a criterion that failed stands. `rounds` are those that ran: with k6's
 * own `--vus` there is one, whatever the settings say.
 */
export const evaluateRun = (
  criteria: readonly Criterion[],
  metrics: Metrics,
  parts: RunParts,
  ran: 'whole' | 'cut short' | 'never',
): RunResult => {
  const { rounds, cases } = parts;
  const judged = criteria.map((criterion) => {
    const each = evaluateCriterion(criterion, metrics, rounds, criteria);
    if (ran === 'cut short' && isOpen(each)) each.status = 'NOT RUN';
    return each;
  });
  const outcomes: RunResult['outcomes'] = {};
  for (const kind of outcomeKinds) {
    const count = countOf(metrics, ofOutcome(kind));
    if (count > 0) outcomes[kind] = count;
  }
  const result = {
    criteria:
      ran !== 'never' ? judged : judged.map((each) => ({ ...each, observed: undefined, status: 'NOT RUN' as const })),
    rounds: rounds.map((round) =>
      figures(
        round.test,
        round.label,
        metrics[ofRound('session_success', round)],
        metrics[ofRound('session_duration', round)],
        metrics[ofRound('timeouts', round)],
      ),
    ),
    total: figures('', 'all', metrics.session_success, metrics.session_duration),
    findings: cases.map((test) => findingsOf(test, metrics)),
    measured: measuredOf(parts, metrics),
    outcomes,
  };
  const generatorFailed =
    countOf(metrics, 'dropped_iterations') > 0 ||
    countOf(metrics, 'generator_failures') > 0 ||
    (outcomes['script-error'] ?? 0) > 0;
  const verdict = (): RunResult['verdict'] => {
    if (ran === 'never') return 'NOT RUN';
    if (generatorFailed) return 'INVALID';
    if (ran === 'cut short') {
      return judged.some(({ status }) => status === 'FAIL') ? 'FAIL' : 'INVALID';
    }
    if (judged.some(({ status }) => status === 'FAIL' || status === 'NO DATA')) return 'FAIL';
    return nothingAsked(criteria, judged) ?? 'PASS';
  };
  const lag = lagOf(metrics);
  return {
    verdict: verdict(),
    ...result,
    ...(ran === 'cut short' && !generatorFailed && { cutShort: true }),
    ...(lag && { lag }),
  };
};

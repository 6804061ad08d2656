import { metricsTable, type MetricRow } from '../load/metrics.ts';
import { parseExpression, type Criterion } from '../load/thresholds.ts';
import type { Round } from '../load/profile.ts';
import { outcomeKinds, type Outcome } from './outcome.ts';

/** The values of one metric or submetric at the end of a run, as k6 names them (`count`, `rate`, `avg`, `p(95)`, …). */
export interface MetricValues {
  values: Readonly<Record<string, number>>;
  /** Whether each threshold held, by its expression; absent in k6's machine-readable summary. */
  held?: Readonly<Record<string, boolean>>;
}

/** All metrics of a run, by metric or selector. */
export type Metrics = Readonly<Record<string, MetricValues | undefined>>;

/** How a criterion ended. NO DATA is a failure; NOT RUN is none, and no success either. */
export type CriterionStatus = 'PASS' | 'FAIL' | 'NO DATA' | 'NOT RUN';

/** A criterion with what was observed. */
export interface JudgedCriterion {
  selector: string;
  expression: string;
  status: CriterionStatus;
  observed: number | undefined;
  /** What the observed value is counted in, where it is a time. */
  unit?: 'ms';
}

/** Figures of a round or of the whole run; times in milliseconds, undefined where no session has one. */
export interface Figures {
  label: string;
  successful: number;
  failed: number;
  avgMs: number | undefined;
  minMs: number | undefined;
  maxMs: number | undefined;
  p95Ms: number | undefined;
}

/** What a run came to. INVALID: the generator fell short, or the run was cut short, before anything was proven. */
export interface RunResult {
  verdict: 'PASS' | 'FAIL' | 'INVALID' | 'NOT RUN';
  criteria: JudgedCriterion[];
  rounds: Figures[];
  total: Figures;
  /** Sessions by outcome, those that occurred. */
  outcomes: Partial<Record<Outcome['kind'], number>>;
}

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

const judgeCriterion = (criterion: Criterion, metrics: Metrics, rounds: number): JudgedCriterion => {
  const { selector, expression, guard, round } = criterion;
  const metric = metrics[selector];
  const seen = holds(metrics[guard.selector], guard.expression);
  const observed = seen ? valueOf(metric, expression) : undefined;
  const told = seen && (observed !== undefined || metric?.held?.[expression] !== undefined);
  const row: MetricRow = metricsTable[criterion.metric];
  const judged = { selector, expression, observed, ...(row.time === true && { unit: 'ms' as const }) };
  if (round !== undefined && round > rounds) return { ...judged, observed: undefined, status: 'NOT RUN' };
  if (!told) return { ...judged, status: 'NO DATA' };
  return { ...judged, status: holds(metric, expression) ? 'PASS' : 'FAIL' };
};

const figures = (label: string, success: MetricValues | undefined, duration: MetricValues | undefined): Figures => {
  const { passes = 0, fails = 0 } = success?.values ?? {};
  const values = duration?.values ?? {};
  const timed = (values.max ?? 0) > 0;
  return {
    label,
    successful: passes,
    failed: fails,
    avgMs: timed ? values.avg : undefined,
    minMs: timed ? values.min : undefined,
    maxMs: timed ? values.max : undefined,
    p95Ms: timed ? values['p(95)'] : undefined,
  };
};

/** The submetric of a round. */
const ofRound = (metric: string, round: number): string => `${metric}{round:${round}}`;

/** The submetric of an outcome. */
const ofOutcome = (kind: string): string => `sessions{outcome:${kind}}`;

/** Every submetric that `judgeRun` reads beside the criteria's; k6 keeps only those that its thresholds name. */
export const figureSelectors = (rounds: number): string[] => [
  ...Array.from({ length: rounds }, (_, index) => index + 1).flatMap((round) => [
    ofRound('session_success', round),
    ofRound('session_duration', round),
  ]),
  ...outcomeKinds.map(ofOutcome),
];

/**
 * The verdict over a run. `ran` is `never` where set-up ended it before any session, and `cut short` where less was run
 * than asked for: then nothing can pass, and only a criterion that failed stands. `rounds` are those that ran: with k6's
 * own `--vus` there is one, whatever the settings say.
 */
export const judgeRun = (
  criteria: readonly Criterion[],
  metrics: Metrics,
  rounds: readonly Round[],
  ran: 'whole' | 'cut short' | 'never',
): RunResult => {
  const judged = criteria.map((criterion) => judgeCriterion(criterion, metrics, rounds.length));
  const countOf = (metric: string): number => metrics[metric]?.values.count ?? 0;
  const outcomes: RunResult['outcomes'] = {};
  for (const kind of outcomeKinds) {
    const count = countOf(ofOutcome(kind));
    if (count > 0) outcomes[kind] = count;
  }
  const result = {
    criteria:
      ran !== 'never' ? judged : judged.map((each) => ({ ...each, observed: undefined, status: 'NOT RUN' as const })),
    rounds: rounds.map(({ label }, index) =>
      figures(label, metrics[ofRound('session_success', index + 1)], metrics[ofRound('session_duration', index + 1)]),
    ),
    total: figures('all', metrics.session_success, metrics.session_duration),
    outcomes,
  };
  const generatorFailed =
    countOf('dropped_iterations') > 0 || countOf('generator_failures') > 0 || (outcomes['script-error'] ?? 0) > 0;
  const verdict = (): RunResult['verdict'] => {
    if (ran === 'never') return 'NOT RUN';
    if (generatorFailed) return 'INVALID';
    if (ran === 'cut short') {
      return judged.some(({ status, selector }) => status === 'FAIL' && selector !== 'unsettled') ? 'FAIL' : 'INVALID';
    }
    return judged.some(({ status }) => status === 'FAIL' || status === 'NO DATA') ? 'FAIL' : 'PASS';
  };
  return { verdict: verdict(), ...result };
};

import { metricsTable, type MetricRow } from '../../lib/load/metrics.ts';
import { parseExpression, selectedTags, type Criterion } from '../../lib/load/thresholds.ts';

/** Which series of a Prometheus are a test's, and when it is asked for them. */
export interface Series {
  /** The label that marks a test, and its value. */
  testLabel: string;
  testId: string;
  /** When the queries are evaluated, seconds since 1970. */
  atS: number;
  /** How far back a test's samples are looked for, seconds. */
  withinS: number;
}

/**
 * How much wider each bucket of k6's native histograms ends than it begins: k6 asks for a factor of 1.1, and the finest of
 * Prometheus's resolutions that is no coarser is schema 3, 2^(1/8).
 */
export const bucketGrowth: number = 2 ** (1 / 8);

/**
 * How far apart the looks at histograms are, seconds. A look sees what was sent in the five minutes before it, Prometheus's
 * default look-back; nearer than that, so that none is missed.
 */
const lookEveryS = 240;

/** A label's value as PromQL writes it: between quotes, whatever it holds. */
const quoted = (text: string): string =>
  `"${text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)}"`;

const selector = (
  name: string,
  { testLabel, testId }: Series,
  tags: Readonly<Record<string, string>>,
  also: readonly string[] = [],
): string =>
  `${name}{${[`${testLabel}=${quoted(testId)}`, ...Object.entries(tags).map(([tag, value]) => `${tag}=${quoted(value)}`), ...also].join(',')}}`;

/** The last value of each counter: k6 counts from its start, and sends again only what has changed. */
const lastValues = (name: string, series: Series, tags: Record<string, string> = {}, also: string[] = []) =>
  `last_over_time(${selector(`k6_${name}_total`, series, tags, also)}[${series.withinS}s])`;

const counted = (name: string, series: Series, tags: Record<string, string>, also: string[] = []): string =>
  `sum(${lastValues(name, series, tags, also)})`;

/** The name k6's output gives a trend: of times in seconds. */
const histogramName = (metric: string, isTime: boolean): string => `k6_${metric}${isTime ? '_seconds' : ''}`;

/**
 * The sum of the last histogram of each series. `last_over_time` loses histograms in older Prometheus (2.42 makes 0 of them), so
 * each look back adds the series that no later look saw.
 */
const summed = (metric: string, isTime: boolean, series: Series, tags: Readonly<Record<string, string>>): string => {
  const one = selector(histogramName(metric, isTime), series, tags);
  const looks = Math.floor(series.withinS / lookEveryS) + 1;
  const each = Array.from({ length: looks }, (_, index) => `${one} @ ${series.atS - index * lookEveryS}`);
  return `sum(${each.join(' or ')})`;
};

/** The name of a metric in a selector of thresholds.json or of ours. */
const metricOf = (text: string): string => text.replace(/\{.*/, '');

const rowOf = (metric: string): MetricRow | undefined =>
  Object.hasOwn(metricsTable, metric) ? metricsTable[metric as keyof typeof metricsTable] : undefined;

/** One value of a metric: the name `evaluateRun` has for it, the PromQL that asks for it, and what it is multiplied by. */
export interface Question {
  value: string;
  expression: string;
  factor: number;
}

const trendExpression = (aggregation: string, histogram: string): string => {
  const percentile = /^p\(([\d.]+)\)$/.exec(aggregation)?.[1];
  const quantiles: Readonly<Record<string, number>> = { min: 0, med: 0.5, max: 1 };
  const quantile = percentile === undefined ? quantiles[aggregation] : Number((Number(percentile) / 100).toFixed(10));
  if (quantile !== undefined) return `histogram_quantile(${quantile}, ${histogram})`;
  return `histogram_sum(${histogram}) / histogram_count(${histogram})`;
};

/**
 * What is asked for a selector. A rate is asked as counts of successes and of all, for the gauge that k6 sends of a rate can't be
 * added up; of a trend, the named aggregations of the histogram of all machines.
 */
export const questionsFor = (text: string, aggregations: readonly string[], series: Series): Question[] => {
  const metric = metricOf(text);
  const tags = selectedTags(text);
  const row = rowOf(metric);
  if (row?.type === 'rate') {
    const passes = counted('sessions', series, { ...tags, outcome: 'ok' }, ['round!=""']);
    const total = counted('sessions', series, tags, ['round!=""']);
    return [
      { value: 'passes', expression: passes, factor: 1 },
      { value: 'total', expression: total, factor: 1 },
    ];
  }
  if (row?.type !== 'trend') return [{ value: 'count', expression: counted(metric, series, tags), factor: 1 }];
  const isTime = row.time === true;
  const histogram = summed(metric, isTime, series, tags);
  const factor = isTime ? 1000 : 1;
  return aggregations.map((value) => ({ value, expression: trendExpression(value, histogram), factor }));
};

/** How many samples of a metric there are, and how many there must be, where none was lost on the way to Prometheus. */
export interface Agreement {
  metric: string;
  samples: string;
  /** What counts those that must be there. */
  expected: string;
  /** There may be more. */
  orMore: boolean;
}

/** What must agree where nothing was lost: each session of a round that succeeded has a duration, and a command at least. */
export const agreements = (series: Series): Agreement[] => {
  const expected = counted('sessions', series, { outcome: 'ok' }, ['round!=""']);
  const samplesOf = (metric: 'session_duration' | 'command_duration'): string =>
    `histogram_count(${summed(metric, true, series, {})})`;
  return [
    { metric: 'session_duration', samples: samplesOf('session_duration'), expected, orMore: false },
    // A script may run several commands in a session.
    { metric: 'command_duration', samples: samplesOf('command_duration'), expected, orMore: true },
  ];
};

/** The series that k6 sends in place of a native histogram, by name, where it was not told to send one. */
export const gaugesOf = (metric: string, { testLabel, testId, withinS }: Series): string =>
  `count by (__name__) (last_over_time({__name__=~${quoted(`k6_${metric}_(p\\d+|avg|min|max|med|count|sum)`)},${testLabel}=${quoted(testId)}}[${withinS}s]))`;

/** Every begin of a k6 process of the test, with its time. */
export const beginnings = (series: Series): string => `${selector('k6_runs_total', series, {})}[${series.withinS}s]`;

const equalities: ReadonlySet<string> = new Set(['==', '===', '!=']);

/** Why a criterion can't be judged from what Prometheus holds, or undefined. */
export const untranslatable = ({
  metric,
  expression,
}: Pick<Criterion, 'metric' | 'expression'>): string | undefined => {
  const { aggregation = '', operator = '' } = parseExpression(expression) ?? {};
  const { type } = metricsTable[metric];
  if (type === 'counter' && aggregation === 'rate') {
    return 'a count a second needs the duration of the run, which k6 does not send; expected count';
  }
  if (type === 'trend' && equalities.has(operator)) {
    return 'a histogram knows no exact value; expected <, <=, > or >=';
  }
  return undefined;
};

/** Whether a criterion's limit is nearer to what was observed than the histogram can tell. */
export const isTooNear = (metric: Criterion['metric'], expression: string, observed: number | undefined): boolean => {
  const { aggregation = '', limit = 0 } = parseExpression(expression) ?? {};
  if (metricsTable[metric].type !== 'trend' || aggregation === 'avg' || observed === undefined) return false;
  const [low, high] = [Math.abs(observed) / bucketGrowth, Math.abs(observed) * bucketGrowth];
  return Math.sign(limit) === Math.sign(observed) && Math.abs(limit) >= low && Math.abs(limit) <= high;
};

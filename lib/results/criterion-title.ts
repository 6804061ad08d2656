import { metricsTable, type MetricRow } from '../load/metrics.ts';
import { parseExpression, selectedTags, type Expression } from '../load/thresholds.ts';
import { number, percent, roundTime } from '../text/quantities.ts';
import type { JudgedCriterion } from './record-schema.ts';

type Named = Pick<JudgedCriterion, 'selector' | 'expression'>;

/** The metric of a selector. */
export const metricOf = ({ selector }: Pick<JudgedCriterion, 'selector'>): string => selector.replace(/\{.*/, '');

const rowOf = (criterion: Pick<JudgedCriterion, 'selector'>): MetricRow | undefined =>
  (metricsTable as Readonly<Record<string, MetricRow>>)[metricOf(criterion)];

const operators: Readonly<Record<string, string>> = {
  '<': 'less than',
  '<=': 'at most',
  '>': 'more than',
  '>=': 'at least',
  '==': 'exactly',
  '===': 'exactly',
  '!=': 'other than',
};

const aggregations: Readonly<Record<string, string>> = { avg: 'mean', med: 'median', max: 'maximum', min: 'minimum' };

const aggregationText = (aggregation: string): string =>
  aggregations[aggregation] ?? aggregation.replace(/^p\((.*)\)$/, 'p$1');

const valueText = (criterion: Named, value: number): string => {
  const row = rowOf(criterion);
  if (row?.type === 'rate') return percent(value);
  if (row?.time === true) return roundTime(value);
  return `${number(value)} ${row?.unit ?? ''}`.trimEnd();
};

const subjects: Readonly<Record<string, (tags: Readonly<Record<string, string>>) => string>> = {
  command_duration: ({ class: of, command }) =>
    command !== undefined ? `the command ${command}` : `${of === undefined ? '' : `${of} `}commands`,
  session_duration: () => 'session duration',
  connect_duration: () => 'time to connect',
  command_ack_duration: () => 'time to acknowledge a command',
  first_output_duration: () => 'time to first output',
  failure_duration: () => 'time until sessions fail',
  control_duration: ({ type }) => type ?? 'controls',
  output_rate: () => 'output rate',
  output_throughput: () => 'output throughput',
  recovery_duration: () => 'time until the service is back',
  session_growth: () => 'memory growth',
};

/** What a metric measures, as a sentence names it: `simple commands`. */
const subjectOf = (criterion: Pick<JudgedCriterion, 'selector'>): string =>
  subjects[metricOf(criterion)]?.(selectedTags(criterion.selector)) ?? metricOf(criterion).replaceAll('_', ' ');

const findingTitles: Readonly<Record<string, string>> = {
  breaking: 'No case breaks the service',
  bypass: 'No command gets past the allow-list',
  deviating: 'No case deviates from the specification',
};

const counters: Readonly<Record<string, (tags: Readonly<Record<string, string>>) => string>> = {
  findings: ({ finding = '', case: name }) =>
    name === undefined ? (findingTitles[finding] ?? 'No findings') : `The case ${name} is not ${finding || 'found'}`,
  protocol_violations: () => 'No protocol violations',
  timeouts: ({ phase }) => (phase === undefined ? 'No session hangs' : `No session hangs (phase ${phase})`),
  unsettled: () => 'Every session has an outcome',
  dropped_iterations: () => 'The load generator starts every session',
  sessions: ({ outcome }) =>
    outcome === 'closed' ? 'No connection is closed early' : `No session ends as ${outcome ?? 'counted'}`,
};

const successTitle = ({ operator, limit }: Expression): string =>
  limit === 1 && operator !== '<'
    ? 'All sessions succeed'
    : `${sentenceCase(operators[operator] ?? operator)} ${percent(limit)} of sessions succeed`;

/** A sentence begins with a capital, but p95 is a name. */
const sentenceCase = (text: string): string =>
  /^p\d/.test(text) ? text : `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

/** A criterion as a person would say it: `At least 90 % of sessions succeed in round 2`. */
export const criterionTitle = (criterion: Named): string => {
  const parsed = parseExpression(criterion.expression);
  if (parsed === undefined) return `${criterion.selector} ${criterion.expression}`;
  const tags = selectedTags(criterion.selector);
  const metric = metricOf(criterion);
  const where = tags.round === undefined ? '' : ` in round ${tags.round}`;
  if (metric === 'session_success') return successTitle(parsed) + where;
  const title = counters[metric];
  if (title !== undefined && parsed.limit === 0 && ['==', '===', '<='].includes(parsed.operator)) {
    return title(tags) + where;
  }
  const limit = `${operators[parsed.operator] ?? parsed.operator} ${valueText(criterion, parsed.limit)}`;
  return sentenceCase(`${aggregationText(parsed.aggregation)} of ${subjectOf(criterion)} is ${limit}${where}`);
};

/** What was observed of a criterion, with its unit; undefined where nothing was. */
export const observedText = (criterion: Named & Pick<JudgedCriterion, 'observed'>): string | undefined =>
  criterion.observed === undefined ? undefined : valueText(criterion, criterion.observed);

/** What a criterion expects, with its unit: `less than 5 s`. */
export const limitText = (criterion: Named): string => {
  const parsed = parseExpression(criterion.expression);
  return parsed === undefined
    ? criterion.expression
    : `${operators[parsed.operator] ?? parsed.operator} ${valueText(criterion, parsed.limit)}`;
};

/** `p95 of simple commands`. */
export const measureText = (criterion: Named): string => {
  const { aggregation } = parseExpression(criterion.expression) ?? { aggregation: '' };
  return `${aggregationText(aggregation)} of ${subjectOf(criterion)}`;
};

import { commandClasses } from '../commands/command.ts';
import { isObject } from '../jsonrpc/messages.ts';
import { outcomeKinds, phases } from '../results/outcome.ts';
import { metricsTable, type MetricName, type MetricRow } from './metrics.ts';
import { parseDuration, suggestion } from './settings.ts';

/** A threshold as k6 takes it. */
export type Threshold = string | { threshold: string; abortOnFail?: boolean; delayAbortEval?: string };

/** One criterion: an expression over a metric's selector, and the guard that shows it had samples. */
export interface Criterion {
  metric: MetricName;
  /** As k6 names the submetric, such as `command_duration{class:simple}`. */
  selector: string;
  expression: string;
  threshold: Threshold;
  /** The round it judges, counted from 1, where it judges one. */
  round: number | undefined;
  guard: { selector: string; expression: string };
}

const aggregations: Readonly<Record<MetricRow['type'], RegExp>> = {
  counter: /^(count|rate)$/,
  rate: /^rate$/,
  trend: /^(avg|min|max|med|p\((\d+(\.\d+)?)\))$/,
};

const expected: Readonly<Record<MetricRow['type'], string>> = {
  counter: 'count or rate, an operator and a number, such as count==0',
  rate: 'rate, an operator and a number, such as rate>=0.9',
  trend: 'avg, min, max, med or p(N), an operator and a number, such as p(95)<5000',
};

/** A threshold's expression, taken apart. */
export interface Expression {
  aggregation: string;
  operator: string;
  limit: number;
}

/** Takes an expression apart (k6's threshold grammar); undefined where the text is none. */
export const parseExpression = (text: string): Expression | undefined => {
  const [, aggregation = '', operator = '', limit] =
    /^\s*([a-z]+(?:\([0-9.]+\))?)\s*(===|==|!=|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*$/.exec(text) ?? [];
  return limit === undefined ? undefined : { aggregation, operator, limit: Number(limit) };
};

/** Why a text is no expression over a metric of this type, or undefined. */
const expressionProblem = (type: MetricRow['type'], text: string): string | undefined => {
  const aggregation = parseExpression(text)?.aggregation ?? '';
  const percentile = aggregations[type].exec(aggregation)?.[2];
  const fits = aggregations[type].test(aggregation) && Number(percentile ?? 0) <= 100;
  return fits ? undefined : `expected ${expected[type]}; received ${JSON.stringify(text)}`;
};

/** The values of the tags that have a fixed set of them, whatever scenarios there are. */
export const tagValues: Readonly<Record<string, readonly string[]>> = {
  class: commandClasses,
  outcome: outcomeKinds,
  phase: phases,
};

interface Selector {
  metric: MetricName;
  tags: ReadonlyMap<string, string>;
}

const parseSelector = (text: string, names: readonly string[]): Selector | string => {
  const [, name = '', tagText] = /^([a-z_0-9]+)(?:\{([^{}]*)\})?$/.exec(text) ?? [];
  if (!Object.hasOwn(metricsTable, name)) {
    return `no such metric${suggestion(name, Object.keys(metricsTable))}; known are ${Object.keys(metricsTable).join(', ')}`;
  }
  const metric = name as MetricName;
  const row: MetricRow = metricsTable[metric];
  const tags = new Map<string, string>();
  for (const part of tagText === undefined ? [] : tagText.split(',')) {
    const [, tag = '', value = ''] = /^\s*([a-z_]+)\s*:\s*([^\s:]+)\s*$/.exec(part) ?? [];
    if (tag === 'scenario') return 'the tag scenario is not there when k6 runs with --vus; use round instead';
    if (!row.tags.includes(tag)) {
      return `no tag ${JSON.stringify(tag || part)} on ${metric}; it has ${row.tags.join(', ') || 'none'}`;
    }
    const known = tag === 'test' ? names : tagValues[tag];
    const fits = tag === 'round' ? value === 'each' || /^[1-9]\d*$/.test(value) : known?.includes(value);
    if (fits !== true) {
      return `expected ${tag} to be ${tag === 'round' ? 'each, or a number from 1' : known?.join(', ')}; received ${value}`;
    }
    if (tags.has(tag)) return `the tag ${tag} twice`;
    if (tag === 'round' && row.byRound !== true) {
      return 'only session_success, session_duration and command_duration are judged by round';
    }
    tags.set(tag, value);
  }
  return { metric, tags };
};

const tagOrder = ['of', 'real', 'test', 'round', 'class', 'outcome', 'phase'];

/** One text for one selector, in whatever order its tags were written: k6 takes different texts for one submetric. */
const selectorText = (metric: string, tags: ReadonlyMap<string, string>): string => {
  const present = tagOrder.filter((tag) => tags.has(tag));
  return present.length === 0 ? metric : `${metric}{${present.map((tag) => `${tag}:${tags.get(tag)}`).join(',')}}`;
};

/**
 * What must be above zero where a criterion is to mean anything: its samples, or the sessions it is about. Only a guard of
 * one round is content with the excuse of a round that k6's own options leave out (`excuseRound`).
 */
const guardOf = ({ metric, tags }: Selector): Criterion['guard'] => {
  const row: MetricRow = metricsTable[metric];
  // A trend without samples is 0 throughout, and no time is 0. Failures alone may rightly have none.
  if (row.type === 'trend' && row.byRound !== true && metric !== 'failure_duration') {
    return { selector: selectorText(metric, tags), expression: 'max>0' };
  }
  const about = new Map<string, string>([['of', row.byRound === true ? metric : 'session_success']]);
  if (!tags.has('round')) about.set('real', 'yes');
  for (const tag of ['test', 'round', 'class']) {
    const value = tags.get(tag);
    if (value !== undefined) about.set(tag, value);
  }
  return { selector: selectorText('evidence', about), expression: 'count>0' };
};

const thresholdProblem = (type: MetricRow['type'], threshold: unknown): string | undefined => {
  if (typeof threshold === 'string') return expressionProblem(type, threshold);
  if (!isObject(threshold) || typeof threshold.threshold !== 'string') {
    return `expected an expression or {"threshold": expression}; received ${JSON.stringify(threshold)}`;
  }
  const unknown = Object.keys(threshold).find((key) => !['threshold', 'abortOnFail', 'delayAbortEval'].includes(key));
  if (unknown !== undefined) return `unknown member ${unknown}; known are threshold, abortOnFail, delayAbortEval`;
  const { abortOnFail, delayAbortEval } = threshold;
  if (abortOnFail !== undefined && typeof abortOnFail !== 'boolean') {
    return `expected abortOnFail to be true or false; received ${JSON.stringify(abortOnFail)}`;
  }
  if (
    delayAbortEval !== undefined &&
    (typeof delayAbortEval !== 'string' || parseDuration(delayAbortEval) === undefined)
  ) {
    return `expected delayAbortEval to be a duration, such as 10s; received ${JSON.stringify(delayAbortEval)}`;
  }
  return expressionProblem(type, threshold.threshold);
};

const expressionOf = (threshold: Threshold): string =>
  (typeof threshold === 'string' ? threshold : threshold.threshold).trim();

const criteriaOf = ({ metric, tags }: Selector, thresholds: readonly Threshold[], rounds: number): Criterion[] => {
  const each = tags.get('round') === 'each';
  const numbers = each ? Array.from({ length: rounds }, (_, index) => index + 1) : [Number(tags.get('round') ?? 0)];
  return numbers.flatMap((round) => {
    const selected = new Map(tags);
    if (each) selected.set('round', String(round));
    const selector = { metric, tags: selected };
    return thresholds.map((threshold) => ({
      metric,
      selector: selectorText(metric, selected),
      expression: expressionOf(threshold),
      threshold:
        typeof threshold === 'string' ? expressionOf(threshold) : { ...threshold, threshold: expressionOf(threshold) },
      round: round === 0 ? undefined : round,
      guard: guardOf(selector),
    }));
  });
};

/**
 * The criteria for one scenario of so many rounds, from a thresholds file as parsed from JSON, or every problem of the
 * file at once. `names` are the scenarios that exist. A selector of the scenario replaces the same one under `*`.
 */
export const parseThresholds = (
  file: unknown,
  scenario: string,
  rounds: number,
  names: readonly string[],
): { criteria: Criterion[] } | { problems: string[] } => {
  if (!isObject(file) || file.version !== 1 || !isObject(file.scenarios)) {
    return { problems: ['expected {"version": 1, "scenarios": {…}} (docs/thresholds.md)'] };
  }
  const problems = Object.keys(file)
    .filter((key) => !['$schema', 'version', 'scenarios'].includes(key))
    .map((key) => `unknown member ${key}; known are $schema, version, scenarios`);
  const chosen = new Map<string, Criterion[]>();
  for (const [name, selectors] of Object.entries(file.scenarios)) {
    if (name !== '*' && !names.includes(name)) {
      problems.push(`${name}: no such scenario${suggestion(name, names)}; known are *, ${names.join(', ')}`);
    }
    if (!isObject(selectors)) {
      problems.push(`${name}: expected {"metric": ["expression"]}`);
      continue;
    }
    for (const [text, thresholds] of Object.entries(selectors)) {
      const where = `${name} › ${text}`;
      const selector = parseSelector(text, names);
      if (typeof selector === 'string') {
        problems.push(`${where}: ${selector}`);
        continue;
      }
      if (!Array.isArray(thresholds) || thresholds.length === 0) {
        problems.push(`${where}: expected a list of at least one expression`);
        continue;
      }
      const { type } = metricsTable[selector.metric];
      const wrong = thresholds
        .map((threshold) => thresholdProblem(type, threshold))
        .filter((each) => each !== undefined);
      problems.push(...wrong.map((problem) => `${where}: ${problem}`));
      const key = selectorText(selector.metric, selector.tags);
      if (wrong.length === 0 && (name === scenario || (name === '*' && !chosen.has(key)))) {
        chosen.set(key, criteriaOf(selector, thresholds as Threshold[], rounds));
      }
    }
  }
  if (problems.length > 0) return { problems };
  const criteria = [...chosen.values()].flat();
  const beyond = criteria.find(({ round }) => round !== undefined && round > rounds);
  if (beyond) return { problems: [`${beyond.selector}: this run has ${rounds} round${rounds === 1 ? '' : 's'}`] };
  if (criteria.length === 0) return { problems: [`no criterion for ${scenario}: a run could not be judged`] };
  return { criteria };
};

/** k6's `thresholds` for these criteria and their guards. */
export const k6Thresholds = (criteria: readonly Criterion[]): Record<string, Threshold[]> => {
  const thresholds: Record<string, Threshold[]> = {};
  const add = (selector: string, threshold: Threshold): void => {
    const list = (thresholds[selector] ??= []);
    if (!list.some((present) => expressionOf(present) === expressionOf(threshold))) list.push(threshold);
  };
  for (const { selector, threshold, guard } of criteria) {
    add(selector, threshold);
    add(guard.selector, guard.expression);
  }
  return thresholds;
};

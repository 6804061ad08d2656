import { findingKinds } from '../cases/case.ts';
import { classForm } from '../commands/command.ts';
import { isObject } from '../jsonrpc/messages.ts';
import { outcomeKinds, phases } from '../session/outcome.ts';
import { metricsTable, type MetricName, type MetricRow } from './metrics.ts';
import { parseDuration } from './settings.ts';
import { suggestion } from '../text/suggestion.ts';

/** A threshold as k6 takes it. */
export type Threshold = string | { threshold: string; abortOnFail?: boolean; delayAbortEval?: string };

/** One criterion: an expression over a metric's selector, and the guard that shows it had samples. */
export interface Criterion {
  test: string;
  metric: MetricName;
  /** As k6 names the submetric, such as `command_duration{class:simple}`. */
  selector: string;
  expression: string;
  threshold: Threshold;
  /** The round it judges, counted from 1, where it judges one. */
  round: number | undefined;
  guard: { selector: string; expression: string };
  /** Counters that say whether there was anything to judge, and if not, why; undefined where nothing skips it. */
  skips: Readonly<Record<'real' | 'inconclusive' | SkipReason, string>> | undefined;
}

/** Why a case was not asked: the service has no such feature, or something needed was not there. */
export type SkipReason = 'not-applicable' | 'not-run';

/** A scenario as criteria see it. */
export interface TestRounds {
  name: string;
  /** How many rounds it has in this run; 0 where cases alone are asked. */
  rounds: number;
  /** It has cases beside its rounds. */
  hasCases?: boolean;
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
  outcome: outcomeKinds,
  phase: phases,
  finding: findingKinds,
  type: ['PAUSE', 'RESUME', 'CANCEL'],
};

interface Selector {
  metric: MetricName;
  tags: ReadonlyMap<string, string>;
}

/** The values of the other tags, as regular expressions and in words. */
export const tagForms: Readonly<Record<string, { form: string; inWords: string }>> = {
  round: { form: '(?:each|[1-9]\\d*)', inWords: 'each, or a number from 1' },
  case: { form: '[a-z0-9]+(?:-[a-z0-9]+)*', inWords: 'the name of a case' },
  class: { form: classForm, inWords: 'a class of commands in kebab-case, such as simple' },
  command: {
    form: '[A-Za-z0-9._-]+',
    inWords: 'the name of a command of letters, digits, dots, hyphens and underscores, such as echo',
  },
};

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
    const { form, inWords } = tagForms[tag] ?? {};
    const fits = form === undefined ? known?.includes(value) : new RegExp(`^${form}$`).test(value);
    if (fits !== true) return `expected ${tag} to be ${inWords ?? known?.join(', ')}; received ${value}`;
    if (tags.has(tag)) return `the tag ${tag} twice`;
    if (tag === 'round' && row.byRound !== true) {
      return 'only session_success, session_duration and command_duration are judged by round';
    }
    tags.set(tag, value);
  }
  return { metric, tags };
};

const order = ['of', 'as', 'real', 'test', 'round', 'case', 'class', 'command', 'outcome', 'phase', 'finding', 'type'];

/** One text for one selector, in whatever order its tags were written: k6 takes different texts for one submetric. */
const selectorText = (metric: string, tags: ReadonlyMap<string, string>): string => {
  const present = order.filter((tag) => tags.has(tag));
  return present.length === 0 ? metric : `${metric}{${present.map((tag) => `${tag}:${tags.get(tag)}`).join(',')}}`;
};

/** A selector of `evidence` or `excused` about something, with those of the tags that have these names. */
const selectorAbout = (
  metric: 'evidence' | 'excused',
  about: Record<string, string>,
  tags: ReadonlyMap<string, string>,
  names: readonly string[],
): string =>
  selectorText(metric, new Map([...Object.entries(about), ...[...tags].filter(([tag]) => names.includes(tag))]));

/** The tags of a selector that `selectorText` made. */
export const selectedTags = (selector: string): Record<string, string> =>
  Object.fromEntries([...selector.matchAll(/([a-z_]+):([^,}]+)/g)].map(([, tag = '', value = '']) => [tag, value]));

/**
 * What must be above zero where a criterion is to mean anything: its samples, or the sessions it is about. Only a guard of
 * one round or of cases holds when what it is about was skipped.
 */
const guardOf = ({ metric, tags }: Selector): Criterion['guard'] => {
  const row: MetricRow = metricsTable[metric];
  if (row.ofCases === true) {
    return { selector: selectorAbout('evidence', { of: metric }, tags, ['test', 'case']), expression: 'count>0' };
  }
  // A trend without samples is 0 throughout, and no time is 0. Failures alone may rightly have none.
  if (row.type === 'trend' && row.byRound !== true && metric !== 'failure_duration') {
    return { selector: selectorText(metric, tags), expression: 'max>0' };
  }
  // Sessions have no tag `command`, but each command that ran has a duration.
  const ofAll = tags.has('command') ? 'command_duration' : row.ofRounds === true ? 'session_success' : 'sessions';
  const of = row.byRound === true ? metric : ofAll;
  const real = tags.has('round') || of === 'sessions' ? {} : { real: 'yes' };
  const names = ['test', 'round', 'class', 'command'];
  return { selector: selectorAbout('evidence', { of, ...real }, tags, names), expression: 'count>0' };
};

/** What could not be had for a reason: of cases their findings and figures, of counters over all sessions those. */
const skipsOf = ({ metric, tags }: Selector): Criterion['skips'] => {
  const row: MetricRow = metricsTable[metric];
  if (row.ofRounds === true) return undefined;
  const of = row.ofCases === true ? metric : 'sessions';
  const excused = (as: 'inconclusive' | SkipReason): string =>
    selectorAbout('excused', { of, as }, tags, ['test', 'case']);
  return {
    real: selectorAbout('evidence', { of, real: 'yes' }, tags, ['test', 'case']),
    'not-applicable': excused('not-applicable'),
    'not-run': excused('not-run'),
    inconclusive: excused('inconclusive'),
  };
};

const thresholdProblem = (type: MetricRow['type'], threshold: unknown): string | undefined => {
  if (typeof threshold === 'string') return expressionProblem(type, threshold);
  if (!isObject(threshold) || typeof threshold.threshold !== 'string') {
    return `expected an expression or {"threshold": expression}; received ${JSON.stringify(threshold)}`;
  }
  const { threshold: expression, abortOnFail, delayAbortEval, ...others } = threshold;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `unknown member ${unknown}; known are threshold, abortOnFail, delayAbortEval`;
  if (abortOnFail !== undefined && typeof abortOnFail !== 'boolean') {
    return `expected abortOnFail to be true or false; received ${JSON.stringify(abortOnFail)}`;
  }
  if (
    delayAbortEval !== undefined &&
    (typeof delayAbortEval !== 'string' || parseDuration(delayAbortEval) === undefined)
  ) {
    return `expected delayAbortEval to be a duration, such as 10s; received ${JSON.stringify(delayAbortEval)}`;
  }
  return expressionProblem(type, expression);
};

const expressionOf = (threshold: Threshold): string =>
  (typeof threshold === 'string' ? threshold : threshold.threshold).trim();

const criteriaOf = (
  { metric, tags: written }: Selector,
  thresholds: readonly Threshold[],
  { name, rounds }: TestRounds,
  among: string | undefined,
): Criterion[] => {
  const row: MetricRow = metricsTable[metric];
  const tags = new Map(written);
  if (among !== undefined && row.tags.includes('test')) tags.set('test', name);
  const each = tags.get('round') === 'each';
  const numbers = each ? Array.from({ length: rounds }, (_, index) => index + 1) : [Number(tags.get('round') ?? 0)];
  return numbers.flatMap((round) => {
    const selected = new Map(tags);
    if (each) selected.set('round', String(round));
    const selector = { metric, tags: selected };
    return thresholds.map((threshold) => ({
      test: among !== undefined && !row.tags.includes('test') ? among : name,
      metric,
      selector: selectorText(metric, selected),
      expression: expressionOf(threshold),
      threshold:
        typeof threshold === 'string' ? expressionOf(threshold) : { ...threshold, threshold: expressionOf(threshold) },
      round: round === 0 ? undefined : round,
      guard: guardOf(selector),
      skips: skipsOf(selector),
    }));
  });
};

type Entries = Map<string, { selector: Selector; thresholds: Threshold[] }>;

/** The entries of a thresholds file, by scenario. */
type Scenarios = ReadonlyMap<string, Entries>;

/** What an empty list can remove: criteria of the default that a file extends; in the default itself, any. */
type Removable = Scenarios | 'any' | undefined;

const removalProblem = (name: string, key: string, base: Removable): string | undefined => {
  if (base === 'any') return undefined;
  if (base === undefined) return 'expected a list of at least one expression';
  if (base.get(name)?.has(key) === true || base.get('*')?.has(key) === true) return undefined;
  const others = [...base].filter(([, entries]) => entries.has(key)).map(([other]) => other);
  const where = others.length > 0 ? `; it is under ${others.join(', ')}` : '';
  return `there is nothing to remove: the default has no such criterion under ${name}${where}`;
};

/** The entries under one name of a thresholds file; what is wrong with them joins the problems. */
const readEntries = (
  name: string,
  selectors: unknown,
  names: readonly string[],
  problems: string[],
  base: Removable,
): Entries => {
  const entries: Entries = new Map();
  if (!isObject(selectors)) {
    problems.push(`${name}: expected {"metric": ["expression"]}`);
    return entries;
  }
  for (const [text, thresholds] of Object.entries(selectors)) {
    const where = `${name} › ${text}`;
    const selector = parseSelector(text, names);
    if (typeof selector === 'string') {
      problems.push(`${where}: ${selector}`);
      continue;
    }
    const key = selectorText(selector.metric, selector.tags);
    if (!Array.isArray(thresholds)) {
      problems.push(`${where}: expected a list of at least one expression`);
      continue;
    }
    const { type } = metricsTable[selector.metric];
    const wrong = [
      ...(thresholds.length === 0 ? [removalProblem(name, key, base)] : []),
      ...thresholds.map((threshold) => thresholdProblem(type, threshold)),
    ].filter((each) => each !== undefined);
    problems.push(...wrong.map((problem) => `${where}: ${problem}`));
    if (wrong.length === 0) entries.set(key, { selector, thresholds: thresholds as Threshold[] });
  }
  return entries;
};

/** The scenarios that a thresholds file may name: those of the run, and those that the default file has criteria for. */
export const knownScenarios = (defaultThresholds: unknown, ofRun: readonly string[]): string[] => {
  const { scenarios } = isObject(defaultThresholds) ? defaultThresholds : {};
  const named = isObject(scenarios) ? Object.keys(scenarios).filter((name) => name !== '*') : [];
  return [...new Set([...ofRun, ...named])];
};

/** What judges one test: its own entries, and those under `*` that it has none of its own for and that can be about it. */
const entriesOfTest = ({ name, rounds, hasCases = rounds === 0 }: TestRounds, read: Scenarios): Entries => {
  const own: Entries = read.get(name) ?? new Map();
  const all = [...(read.get('*') ?? [])].filter(([key, { selector }]) => {
    const row: MetricRow = metricsTable[selector.metric];
    const fits = (row.ofRounds !== true || rounds > 0) && (row.ofCases !== true || hasCases);
    return fits && !own.has(key);
  });
  return new Map([...all, ...own].filter(([, { thresholds }]) => thresholds.length > 0));
};

/** The entries of a file laid over those of its base: one of the file replaces that of the same selector. */
const layered = (base: Scenarios, own: Scenarios): Scenarios =>
  new Map(
    [...new Set([...base.keys(), ...own.keys()])].map((name) => [
      name,
      new Map([...(base.get(name) ?? []), ...(own.get(name) ?? [])]),
    ]),
  );

/** Criteria of the default that a file has not, for the tests of a run. */
export interface Lost {
  tests: string[];
  selectors: string[];
}

const lostCriteria = (tests: readonly TestRounds[], base: Scenarios, read: Scenarios): Lost[] => {
  const groups = new Map<string, Lost>();
  const lost = tests.map((test) => {
    const kept = entriesOfTest(test, read);
    return { name: test.name, selectors: [...entriesOfTest(test, base).keys()].filter((key) => !kept.has(key)) };
  });
  for (const selector of new Set(lost.flatMap(({ selectors }) => selectors))) {
    const names = lost.filter(({ selectors }) => selectors.includes(selector)).map(({ name }) => name);
    const group = groups.get(names.join()) ?? { tests: names, selectors: [] };
    group.selectors.push(selector);
    groups.set(names.join(), group);
  }
  return [...groups.values()];
};

/** The criteria of a run, and those of the default that its thresholds file has lost; or every problem of the file. */
export type ParsedThresholds = { criteria: Criterion[]; lost: Lost[] } | { problems: string[] };

const readScenarios = (
  scenarios: Readonly<Record<string, unknown>>,
  names: readonly string[],
  problems: string[],
  base: Removable,
): Scenarios =>
  new Map(
    Object.entries(scenarios).map(([name, selectors]) => [name, readEntries(name, selectors, names, problems, base)]),
  );

/** The entries of the default thresholds; those of scenarios that do not exist judge nothing. */
const readDefault = (file: unknown, names: readonly string[]): Scenarios | undefined =>
  isObject(file) && isObject(file.scenarios) ? readScenarios(file.scenarios, names, [], 'any') : undefined;

/**
 * The default criteria of a project: its thresholds file laid over the default that it extends, as a file that other files can
 * extend. Problems of the file are found by `parseThresholds`.
 */
export const extendedThresholds = (file: unknown, defaultFile: unknown, names: readonly string[]): unknown => {
  const base = readDefault(defaultFile, names);
  const own = readDefault(file, names);
  if (!isObject(file) || file.extends === undefined || base === undefined || own === undefined) return file;
  const scenarios = [...layered(base, own)].map(([name, entries]) => [
    name,
    Object.fromEntries([...entries].map(([selector, { thresholds }]) => [selector, thresholds])),
  ]);
  return { version: 1, extends: 'default', scenarios: Object.fromEntries(scenarios) };
};

/**
 * The criteria for the scenarios of a run, from a thresholds file as parsed from JSON, or every problem of the file at once.
 * `names` are the scenarios that exist, `run` is what is run: a scenario or a suite. A selector of the scenario replaces the
 * same one under `*`. Of a suite, each criterion is about the sessions of its own scenario; one that no tag tells apart is the suite's.
 * `defaultFile` is what a file extends.
 */
export const parseThresholds = (
  file: unknown,
  tests: readonly TestRounds[],
  names: readonly string[],
  run: string,
  defaultFile?: unknown,
): ParsedThresholds => {
  if (!isObject(file) || file.version !== 1 || !isObject(file.scenarios)) {
    return { problems: ['expected {"version": 1, "scenarios": {…}} (docs/thresholds.md)'] };
  }
  const members = ['$schema', 'version', 'extends', 'scenarios'];
  const problems = Object.keys(file)
    .filter((key) => !members.includes(key))
    .map((key) => `unknown member ${key}; known are ${members.join(', ')}`);
  const extending = file.extends !== undefined;
  if (extending && file.extends !== 'default') {
    problems.push(`extends: expected "default"; received ${JSON.stringify(file.extends)}`);
  }
  problems.push(
    ...Object.keys(file.scenarios)
      .filter((name) => name !== '*' && !names.includes(name))
      .map((name) => `${name}: no such scenario${suggestion(name, names)}; known are *, ${names.join(', ')}`),
  );
  const base = readDefault(defaultFile, names);
  const own = readScenarios(file.scenarios, names, problems, extending ? (base ?? new Map()) : undefined);
  if (problems.length > 0) return { problems };
  const read = extending && base ? layered(base, own) : own;
  const criteria: Criterion[] = [];
  for (const test of tests) {
    const mine = [...entriesOfTest(test, read).values()].flatMap(({ selector, thresholds }) =>
      criteriaOf(selector, thresholds, test, tests.length > 1 ? run : undefined),
    );
    if (mine.length === 0) problems.push(`no criterion for ${test.name}: a run could not be judged`);
    const beyond = mine.find(({ round }) => round !== undefined && round > test.rounds);
    if (beyond) problems.push(`${beyond.selector}: this run has ${test.rounds} round${test.rounds === 1 ? '' : 's'}`);
    const isNew = ({ selector, expression }: Criterion): boolean =>
      !criteria.some((each) => each.selector === selector && each.expression === expression);
    criteria.push(...mine.filter(isNew));
  }
  if (problems.length > 0) return { problems };
  return { criteria, lost: base && !extending && file !== defaultFile ? lostCriteria(tests, base, own) : [] };
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

import { folded } from '../../lib/text/fold.ts';
import { printable } from '../shared/printable.ts';
import { markdownTable, markdownText } from '../shared/markdown.ts';
import { fromTo, shares } from './changes-since.ts';
import { bounds, type Comparison } from './compare-runs.ts';
import { successRate } from './statistics.ts';
import { counted, none, percent, quantity } from '../../lib/text/quantities.ts';

/** A comparison with whom it is of, for a reader. */
export interface ToldComparison extends Comparison {
  a: string[];
  b: string[];
  tolerancePercent: number;
  /** What the reader has to know beside the figures, in sentences. */
  notes: string[];
}

type ChangedCriterion = Comparison['criteria'][number];

const shownP = (p: number): string => (p < 0.0001 ? '<0.0001' : p.toFixed(4));

const signed = (difference: number | undefined, digits: number, unit: string): string =>
  difference === undefined ? none : `${difference > 0 ? '+' : ''}${difference.toFixed(digits)} ${unit}`;

/** In a suite a name alone does not tell which scenario it is of. */
const withTest = (name: string, test: string, tests: ReadonlySet<string>): string =>
  tests.size > 1 ? `${test}: ${name}` : name;

const testsIn = ({ criteria, success, metrics }: Comparison): Set<string> =>
  new Set([...criteria, ...success, ...metrics].map(({ test }) => test).filter((test) => test !== ''));

const columns = ['', 'A', 'B', 'change', 'delta', 'p', 'p of runs', 'status'];

const successCells = (
  { test, a, b, p, status }: Comparison['success'][number],
  tests: ReadonlySet<string>,
): string[] => {
  const [before, after] = [successRate(a), successRate(b)];
  const points = before === undefined || after === undefined ? undefined : 100 * (after - before);
  return [
    withTest('success', test, tests),
    percent(before),
    percent(after),
    signed(points, 1, 'pt'),
    '',
    shownP(p),
    '',
    status,
  ];
};

const metricCells = (metric: Comparison['metrics'][number], tests: ReadonlySet<string>): string[] => {
  const { name, test, unit, medians, changePercent, delta, p, runsP, status, used } = metric;
  const isTold = Math.min(...used) > 0;
  return [
    withTest(name, test, tests),
    ...medians.map((median) => quantity(median, unit)),
    signed(changePercent, Math.abs(changePercent ?? 0) < 10 ? 1 : 0, '%'),
    isTold ? delta.toFixed(2) : none,
    isTold ? shownP(p) : none,
    runsP === undefined ? none : shownP(runsP),
    status === 'too few' ? `too few (${used[0]}, ${used[1]})` : status,
  ];
};

const rowsOf = (comparison: Comparison): string[][] => {
  const tests = testsIn(comparison);
  return [
    ...comparison.success.map((each) => successCells(each, tests)),
    ...comparison.metrics.map((each) => metricCells(each, tests)),
  ];
};

const criterionName = ({ test, selector, expression }: ChangedCriterion, tests: ReadonlySet<string>): string =>
  withTest(`${selector} ${expression}`, test, tests);

const statuses = (all: readonly string[]): string => (all.length === 0 ? 'absent' : all.join(' or '));

const changedCriteria = ({ criteria }: Comparison): ChangedCriterion[] =>
  criteria.filter(({ status }) => status !== 'same');

const criteriaHead = (comparison: Comparison): string => {
  const changed = changedCriteria(comparison).length;
  const all = comparison.criteria.length;
  return changed === 0 ? `all ${all} criteria ended as before` : `${changed} of ${all} criteria ended otherwise`;
};

const changeWord = (unit: string, isWorse: boolean): string => {
  if (unit === 'ms') return isWorse ? 'Slower' : 'Faster';
  return isWorse ? 'Less output' : 'More output';
};

/** What got worse or better, each in a clause: criteria, sessions, durations and rates, in this order. */
const clausesOf = (told: ToldComparison, wanted: 'regression' | 'better'): string[] => {
  const tests = testsIn(told);
  const isWanted = ({ status }: { status: string }): boolean => status === wanted;
  const isWorse = wanted === 'regression';
  return [
    ...told.criteria
      .filter(isWanted)
      .map((each) => `${isWorse ? 'Failing' : 'Passing again'}: ${criterionName(each, tests)}`),
    ...told.success
      .filter(isWanted)
      .map(
        ({ a, b, test }) =>
          `${isWorse ? 'Less' : 'More'} reliable: ${withTest(`${shares(successRate(a), successRate(b))} of sessions succeeded`, test, tests)}`,
      ),
    ...told.metrics
      .filter(isWanted)
      .map(
        ({ name, test, unit, medians: [before, after] }) =>
          `${changeWord(unit, isWorse)}: ${withTest(`median of ${name}`, test, tests)} ${fromTo(before, after, unit)}`,
      ),
  ];
};

const sidesText = ({ a, b }: ToldComparison): string =>
  `${counted(a.length, 'run')} against ${counted(b.length, 'run')}`;

/** The result of a comparison, in a plain sentence or two. */
const conclusion = (told: ToldComparison): string => {
  const { verdict, success, metrics } = told;
  const measured = [...success, ...metrics];
  const few = measured.filter(({ status }) => status === 'too few').length;
  const hasFewRuns = Math.min(told.a.length, told.b.length) < bounds.runs;
  const atLeast = `at least ${bounds.runs} runs on each side (A1,A2,… B1,B2,…) rule out chance`;
  const untold =
    few === 0
      ? ''
      : `. ${few} of ${measured.length} figures have fewer than ${bounds.values} values or sessions to tell`;
  const [worst, ...others] = clausesOf(told, 'regression');
  if (verdict === 'regression') {
    const more = others.length === 0 ? '' : `, and ${counted(others.length, 'more figure')} got worse`;
    return `${worst}${more}, ${sidesText(told)}${hasFewRuns ? `; ${atLeast}` : ''}${untold}`;
  }
  if (verdict === 'too few') return `Too few runs to tell, ${sidesText(told)}: ${atLeast}${untold}`;
  const [best] = clausesOf(told, 'better');
  return `Nothing got worse, ${sidesText(told)}${best === undefined ? '' : `. ${best}`}${untold}`;
};

const method = ({ tolerancePercent }: ToldComparison): string =>
  `a regression: more than ${tolerancePercent} % and ${bounds.ms} ms worse, p < ${bounds.p}, |delta| >= ${bounds.delta}; success: p < ${bounds.p}`;

/** A comparison for a terminal. */
export const comparisonText = (told: ToldComparison): string => {
  const tests = testsIn(told);
  const rows = [columns, ...rowsOf(told)].map((row) => row.map((each) => printable(each, 40)));
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `  ${row.map((each, at) => (at === 0 || at === row.length - 1 ? each.padEnd(widths[at] ?? 0) : each.padStart(widths[at] ?? 0))).join('  ')}`.trimEnd();
  return [
    folded(printable(conclusion(told), 1000)),
    '',
    `A  ${printable(told.a.join(', '), 1000)}`,
    `B  ${printable(told.b.join(', '), 1000)}`,
    ...told.notes.map((note) => `note: ${printable(note, 300)}`),
    '',
    criteriaHead(told),
    ...changedCriteria(told).map(
      (each) =>
        `  ${each.status.padEnd(10)}  ${printable(criterionName(each, tests), 100)}: ${statuses(each.a)}, now ${statuses(each.b)}`,
    ),
    '',
    ...(rows.length > 1 ? rows.map(line) : ['no figures of rounds and no session records to compare']),
    '',
    method(told),
  ].join('\n');
};

const table = (names: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  markdownTable(
    names,
    rows.map((cells) => cells.map((each) => markdownText(each, 120))),
  );

/** A comparison as a Markdown document. */
export const comparisonDocument = (told: ToldComparison): string => {
  const tests = testsIn(told);
  const changed = changedCriteria(told);
  return [
    '# Comparison of runs',
    '',
    `**${markdownText(conclusion(told), 1000)}**`,
    '',
    `- A: ${markdownText(told.a.join(', '), 5000)}`,
    `- B: ${markdownText(told.b.join(', '), 5000)}`,
    ...told.notes.map((note) => `- ${markdownText(note, 500)}`),
    '',
    `## Criteria: ${criteriaHead(told)}`,
    '',
    ...(changed.length === 0
      ? []
      : [
          ...table(
            ['Criterion', 'A', 'B', 'Status'],
            changed.map((each) => [criterionName(each, tests), statuses(each.a), statuses(each.b), each.status]),
          ),
          '',
        ]),
    '## Figures',
    '',
    ...table(
      ['Figure', 'A, median:', 'B, median:', 'Change:', 'Cliff’s delta:', 'p:', 'p of runs:', 'Status'],
      rowsOf(told),
    ),
    '',
    markdownText(method(told), 500),
    '',
  ].join('\n');
};

import { createHash } from 'node:crypto';
import path from 'node:path';
import { unknown } from '../report/chart.ts';
import { chartDocument } from '../report/svg.ts';
import { printable } from '../shared/printable.ts';
import { markdownTable, markdownText } from '../shared/markdown.ts';
import { resultsLayout } from './results-layout.ts';
import { graduation, type Evolution, type PastRun, type ScenarioHistory } from './history-summary.ts';
import { shownChange, shownInterval, shownNeither, shownRatio, shownStanding } from './history-text.ts';
import { duration, minuteOf, percent } from '../../lib/text/quantities.ts';
import { successRate } from './statistics.ts';
import type { Difference } from './run-differences.ts';
import { writeOutput } from '../shared/output-file.ts';

/** The name of a picture: nothing of a scenario's name that would lead elsewhere, and no two groups of runs one file. */
export const pictureName = (test: string, group = ''): string => {
  const plain = test.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 60);
  const whole = `${test}${group}`;
  const mark = plain === whole ? '' : `-${createHash('sha256').update(whole).digest('hex').slice(0, 8)}`;
  return `trend-${plain}${mark}.svg`;
};

/** A picture of success rate and p95 over runs, as SVG. */
const trendPicture = (test: string, runs: readonly PastRun[]): string => {
  const x = runs.map((_, index) => index + 1);
  const common = {
    x,
    xUnit: 'count',
    xNames: runs.map(({ startedAt }) => minuteOf(startedAt).slice(5)),
    note: '',
  } as const;
  return chartDocument([
    {
      ...common,
      id: 'success',
      title: `${printable(test, 60)}: sessions that succeeded`,
      unit: 'share',
      atLeast: 1,
      series: [{ name: 'success', colour: 'c4', values: runs.map((run) => successRate(run) ?? unknown) }],
    },
    {
      ...common,
      id: 'p95',
      title: 'p95 of session duration',
      unit: 'ms',
      series: [{ name: 'p95', colour: 'c2', values: runs.map(({ p95Ms }) => p95Ms ?? unknown) }],
    },
  ]);
};

/** So many changes of one run are written out. */
const maxChanges = 12;

const valueCell = (value: string | undefined): string =>
  value === undefined ? 'none' : value === '' ? '(empty)' : markdownText(value, 120);

const changeItem = ({ what, before, after }: Difference): string =>
  `${markdownText(what, 200)}: ${valueCell(before)} → ${valueCell(after)}`;

const metricsRow = (scenario: ScenarioHistory): string[] => {
  const neither = shownNeither(scenario);
  return [
    markdownText(scenario.test, 80),
    markdownText(scenario.address, 120),
    markdownText(scenario.load, 120),
    String(scenario.success),
    String(scenario.failure),
    `${scenario.executions}${neither && ` (neither: ${neither})`}`,
    `${minuteOf(scenario.lastUpdated)} UTC`,
    shownRatio(scenario),
    shownInterval(scenario),
    shownStanding(scenario),
  ];
};

const figuresOf = (run: PastRun): string => `${percent(successRate(run))} success and ${duration(run.p95Ms)} p95`;

const altText = ({ test, runs }: ScenarioHistory): string => {
  const [first, last] = [runs[0], runs.at(-1)];
  if (first === undefined || last === undefined) return '';
  return runs.length === 1
    ? `${markdownText(test, 80)}: one run on ${minuteOf(last.startedAt)} with ${figuresOf(last)}`
    : `${markdownText(test, 80)}: success rate and p95 of ${runs.length} runs, from ${figuresOf(first)} on ${minuteOf(first.startedAt)} to ${figuresOf(last)} on ${minuteOf(last.startedAt)}`;
};

const evolutionOf = ({ from, to, at, changes }: Evolution): string[] => {
  const more = changes.length - maxChanges;
  const items = changes.slice(0, maxChanges).map((each) => `- ${changeItem(each)}`);
  if (more > 0) items.push(`- and ${more} more`);
  return [`${minuteOf(at)} UTC, run ${markdownText(to, 100)} (before: ${markdownText(from, 100)}):`, '', ...items, ''];
};

const evolutionLines = ({ evolution, earlierEvolution }: ScenarioHistory): string[] => {
  if (evolution.length === 0) return ['Nothing has changed from one run to the next.', ''];
  return [
    ...evolution.toReversed().flatMap(evolutionOf),
    ...(earlierEvolution > 0 ? [`And ${earlierEvolution} earlier ones; history/runs.jsonl has them.`, ''] : []),
  ];
};

/** Each group of runs with its picture's file; the first of a scenario has the scenario's name alone. */
const withPictures = (scenarios: readonly ScenarioHistory[]) =>
  scenarios.map((scenario, at) => {
    const { test, address, load } = scenario;
    const isFirst = scenarios.findIndex((each) => each.test === test) === at;
    return { scenario, picture: pictureName(test, isFirst ? '' : `\n${address}\n${load}`) };
  });

const sectionOf = ({ scenario, picture }: { scenario: ScenarioHistory; picture: string }): string[] => [
  `## ${markdownText(scenario.test, 80)}`,
  '',
  `At ${markdownText(scenario.address, 200)}, load: ${markdownText(scenario.load, 200)}.`,
  '',
  `**${markdownText(shownChange(scenario), 500)}**`,
  '',
  `![${altText(scenario)}](history/${picture})`,
  '',
  '### Evolution',
  '',
  ...evolutionLines(scenario),
];

/** HISTORY.md: the metrics of each scenario, a picture of its trend, and what changed from run to run. */
export const historyDocument = (scenarios: readonly ScenarioHistory[]): string =>
  [
    '# History of the tests',
    '',
    'Written by `ws-stress history --write` from `history/runs.jsonl`; written anew each time.',
    '',
    `A PASS is a success and a FAIL a failure; other verdicts are neither. ${graduation.successesForAFailure} successes for each failure, in ${graduation.leastRuns} runs or more, make a scenario stable. The interval is Wilson's, of 95 %, of the share of runs that succeed.`,
    '',
    ...markdownTable(
      [
        'Scenario',
        'Address',
        'Load',
        'Success:',
        'Failure:',
        'Total executions',
        'Last updated',
        'Success : failure',
        'Interval',
        'Standing',
      ],
      scenarios.map(metricsRow),
    ),
    '',
    ...withPictures(scenarios).flatMap(sectionOf),
  ].join('\n');

/** Writes HISTORY.md and its pictures into a folder of results; returns the document's path. */
export const writeHistory = async (base: string, scenarios: readonly ScenarioHistory[]): Promise<string> => {
  for (const { scenario, picture } of withPictures(scenarios)) {
    const drawn = trendPicture(scenario.test, scenario.runs);
    await writeOutput(path.join(resultsLayout(base).history, picture), drawn);
  }
  const { historyDocument: file } = resultsLayout(base);
  await writeOutput(file, historyDocument(scenarios));
  return file;
};

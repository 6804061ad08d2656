import { createHash } from 'node:crypto';
import path from 'node:path';
import { printable } from '../shared/printable.ts';
import { markdownTable, markdownText } from '../shared/markdown.ts';
import { historyFolder } from './history-file.ts';
import { graduation, type Change, type Evolution, type PastRun, type ScenarioHistory } from './history-summary.ts';
import {
  shownInterval,
  shownMs,
  shownNeither,
  shownRatio,
  shownShare,
  shownStanding,
  shownTime,
  successRate,
} from './history-text.ts';
import { writeOutput } from '../shared/output-file.ts';

/** The name of a scenario's picture: nothing of a name that would lead elsewhere, and no two names one file. */
export const pictureName = (test: string): string => {
  const plain = test.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 60);
  const mark = plain === test ? '' : `-${createHash('sha256').update(test).digest('hex').slice(0, 8)}`;
  return `trend-${plain}${mark}.svg`;
};

/** A picture of success rate and p95 over runs, as SVG. */
const trendPicture = async (test: string, runs: readonly PastRun[]): Promise<string> => {
  // The one file of it: its modules one by one take eight times as long to load.
  const echarts = await import('echarts/dist/echarts.esm.min.mjs');
  const [width, height] = [900, 420];
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    const names = runs.map(({ startedAt }, index) => `${index + 1}\n${shownTime(startedAt).slice(5)}`);
    const upper = { left: 70, right: 30, top: 50, height: 130 };
    const lower = { left: 70, right: 30, top: 230, height: 130 };
    chart.setOption({
      animation: false,
      color: ['#1f5fbf', '#b3470b'],
      backgroundColor: '#fff',
      title: [
        { text: `${printable(test, 60)}: sessions that succeeded, %`, left: 10, top: 10, textStyle: { fontSize: 14 } },
        { text: 'p95 of session duration, ms', left: 10, top: 195, textStyle: { fontSize: 14 } },
      ],
      grid: [upper, lower],
      xAxis: [0, 1].map((gridIndex) => ({
        type: 'category',
        gridIndex,
        data: names,
        axisLabel: { show: gridIndex === 1, hideOverlap: true },
      })),
      yAxis: [
        { type: 'value', gridIndex: 0, min: 0, max: 100 },
        { type: 'value', gridIndex: 1, min: 0 },
      ],
      series: [
        {
          type: 'line',
          data: runs.map((run) => {
            const rate = successRate(run);
            return rate === undefined ? null : rate * 100;
          }),
        },
        { type: 'line', xAxisIndex: 1, yAxisIndex: 1, data: runs.map(({ p95Ms }) => p95Ms ?? null) },
      ],
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
};

/** So many changes of one run are written out. */
const maxChanges = 12;

const valueCell = (value: string | undefined): string =>
  value === undefined ? 'none' : value === '' ? '(empty)' : markdownText(value, 120);

const changeItem = ({ what, before, after }: Change): string =>
  `${markdownText(what, 200)}: ${valueCell(before)} → ${valueCell(after)}`;

const metricsRow = (scenario: ScenarioHistory): string[] => {
  const neither = shownNeither(scenario);
  return [
    markdownText(scenario.test, 80),
    String(scenario.success),
    String(scenario.failure),
    `${scenario.executions}${neither && ` (neither: ${neither})`}`,
    `${shownTime(scenario.lastUpdated)} UTC`,
    shownRatio(scenario),
    shownInterval(scenario),
    shownStanding(scenario),
  ];
};

const figuresOf = (run: PastRun): string => `${shownShare(successRate(run))} success and ${shownMs(run.p95Ms)} p95`;

const altText = ({ test, runs }: ScenarioHistory): string => {
  const [first, last] = [runs[0], runs.at(-1)];
  if (first === undefined || last === undefined) return '';
  return runs.length === 1
    ? `${markdownText(test, 80)}: one run on ${shownTime(last.startedAt)} with ${figuresOf(last)}`
    : `${markdownText(test, 80)}: success rate and p95 of ${runs.length} runs, from ${figuresOf(first)} on ${shownTime(first.startedAt)} to ${figuresOf(last)} on ${shownTime(last.startedAt)}`;
};

const evolutionOf = ({ from, to, at, changes }: Evolution): string[] => {
  const more = changes.length - maxChanges;
  const items = changes.slice(0, maxChanges).map((each) => `- ${changeItem(each)}`);
  if (more > 0) items.push(`- and ${more} more`);
  return [`${shownTime(at)} UTC, run ${markdownText(to, 100)} (before: ${markdownText(from, 100)}):`, '', ...items, ''];
};

const evolutionLines = ({ evolution, earlierEvolution }: ScenarioHistory): string[] => {
  if (evolution.length === 0) return ['Nothing has changed from one run to the next.', ''];
  return [
    ...evolution.toReversed().flatMap(evolutionOf),
    ...(earlierEvolution > 0 ? [`And ${earlierEvolution} earlier ones; history/runs.jsonl has them.`, ''] : []),
  ];
};

/** HISTORY.md: the metrics of each scenario, a picture of its trend, and what changed from run to run. */
export const historyDocument = (scenarios: readonly ScenarioHistory[]): string =>
  [
    '# History of the tests',
    '',
    'Written by `ws-stress history --write` from `history/runs.jsonl`; written anew each time.',
    '',
    `A PASS is a success and a FAIL a failure; other verdicts are neither. ${graduation.successesForAFailure} successes for each failure, in ${graduation.leastRuns} runs or more, graduate a test. The interval is Wilson's, of 95 %, of the share of runs that succeed.`,
    '',
    ...markdownTable(
      [
        'Scenario',
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
    ...scenarios.flatMap((scenario) => [
      `## ${markdownText(scenario.test, 80)}`,
      '',
      `![${altText(scenario)}](history/${pictureName(scenario.test)})`,
      '',
      '### Evolution',
      '',
      ...evolutionLines(scenario),
    ]),
  ].join('\n');

/** Writes HISTORY.md and its pictures into a folder of results; returns the document's path. */
export const writeHistory = async (base: string, scenarios: readonly ScenarioHistory[]): Promise<string> => {
  for (const { test, runs } of scenarios) {
    await writeOutput(path.join(historyFolder(base), pictureName(test)), await trendPicture(test, runs));
  }
  const file = path.join(base, 'HISTORY.md');
  await writeOutput(file, historyDocument(scenarios));
  return file;
};

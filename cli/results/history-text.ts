import { printable } from '../shared/printable.ts';
import { duration, minuteOf, percent } from '../../lib/text/quantities.ts';
import { successRate } from './statistics.ts';
import { folded } from '../../lib/text/fold.ts';
import { graduation, standingOf, type PastRun, type ScenarioHistory } from './history-summary.ts';

const bars = '▁▂▃▄▅▆▇█'.split('');

/** A line of bars for values between two ends; a dot where there is no value. */
export const sparkline = (values: readonly (number | undefined)[], low: number, high: number): string =>
  values
    .map((value) => {
      if (value === undefined) return '·';
      const share = high > low ? (value - low) / (high - low) : 0;
      return bars[Math.min(bars.length - 1, Math.max(0, Math.floor(share * bars.length)))];
    })
    .join('');

/** Success : failure as runs, and how many successes there are for one failure. */
export const shownRatio = ({ success, failure }: Pick<ScenarioHistory, 'success' | 'failure'>): string =>
  failure > 1
    ? `${success} : ${failure} (${Math.round((success / failure) * 10) / 10} : 1)`
    : `${success} : ${failure}`;

/** The runs that count as neither success nor failure, in words. */
export const shownNeither = ({ neither }: Pick<ScenarioHistory, 'neither'>): string =>
  Object.entries(neither)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(', ');

/** Whether a scenario has graduated, in words. */
export const shownStanding = (scenario: ScenarioHistory): string => {
  const { graduated, missing } = standingOf(scenario);
  if (graduated) return `stable (${graduation.successesForAFailure} : 1)`;
  return `not yet stable: ${missing} more passing ${missing === 1 ? 'run' : 'runs'} needed`;
};

/** Wilson's interval of the success rate of runs, in words. */
export const shownInterval = (scenario: ScenarioHistory): string => {
  const { low, high } = standingOf(scenario).interval;
  return `${percent(low)} to ${percent(high)}`;
};

/** What changed lately, in a sentence. */
export const shownChange = ({ change, executions }: ScenarioHistory): string =>
  change?.sentence ??
  (executions === 1 ? 'One run so far: nothing to compare it with' : 'The last run has no comparable one before it');

/** The longest trend that fits beside its label. */
const trendWidth = 60;

const trendLines = (runs: readonly PastRun[]): string[] => {
  const last = runs.slice(-trendWidth);
  const times = last.map(({ p95Ms }) => p95Ms);
  const known = times.filter((each) => each !== undefined);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const ends = known.length === 0 ? '' : ` ${duration(low)} to ${duration(high)}`;
  return [
    `  success      ${sparkline(last.map(successRate), 0, 1)}`,
    `  session p95  ${sparkline(times, low, high)}${last.length > 40 ? `\n              ${ends}` : ` ${ends}`}`,
  ];
};

const versionsOf = ({ suiteVersion, k6Version, service }: PastRun): string =>
  printable(
    [`suite ${suiteVersion ?? 'unknown'}`, `k6 ${k6Version ?? 'unknown'}`, service ?? 'service unknown'].join(', '),
    72,
  );

const runLines = (runs: readonly PastRun[]): string[] => {
  let versions = '';
  return runs.flatMap((run) => {
    const own = versionsOf(run);
    const head = own === versions ? [] : [`  with ${own}`];
    versions = own;
    const cells = [
      minuteOf(run.startedAt).padEnd(16),
      printable(run.run, 22).padEnd(23),
      run.verdict.padEnd(14),
      percent(successRate(run)).padStart(7),
      duration(run.p95Ms).padStart(11),
    ];
    return [...head, `  ${cells.join(' ')}`];
  });
};

const scenarioLines = (scenario: ScenarioHistory, shown: number): string[] => {
  const runs = scenario.runs.slice(-shown);
  const neither = shownNeither(scenario);
  return [
    printable(`${printable(scenario.test, 60)} at ${scenario.address}`, 80),
    `  load  ${printable(scenario.load, 72)}`,
    ...folded(`  ${shownChange(scenario)}`).split('\n'),
    '',
    `  success ${scenario.success}, failure ${scenario.failure}, executions ${scenario.executions}${neither && ` (neither: ${neither})`}`,
    `  last updated ${minuteOf(scenario.lastUpdated)} UTC`,
    `  success : failure ${shownRatio(scenario)}, ${shownStanding(scenario)}`,
    `  success rate of runs, 95 % interval: ${shownInterval(scenario)}`,
    ...trendLines(scenario.runs),
    '',
    `  ${'began (UTC)'.padEnd(16)} ${'run'.padEnd(23)} ${'verdict'.padEnd(14)} ${'success'.padStart(7)} ${'session p95'.padStart(11)}`,
    ...runLines(runs),
    ...(scenario.executions > runs.length
      ? [`  … the last ${runs.length} of ${scenario.executions}; --last shows more`]
      : []),
    '',
  ];
};

/** A history for a terminal of 80 columns. */
export const historyText = (scenarios: readonly ScenarioHistory[], shown: number): string =>
  scenarios.flatMap((scenario) => scenarioLines(scenario, shown)).join('\n');

import { shownUrl } from '../load/settings.ts';
import type { RunIdentity } from './run.ts';
import type { Figures, JudgedCriterion, RunResult } from './verdict.ts';

const colours: Readonly<Record<string, string>> = {
  PASS: '32',
  FAIL: '31',
  'NO DATA': '31',
  INVALID: '33',
  'NOT RUN': '33',
};

const painted = (status: string, text: string, colour: boolean): string =>
  colour ? `\u001b[${colours[status] ?? '0'}m${text}\u001b[0m` : text;

const seconds = (ms: number | undefined): string => (ms === undefined ? '–' : `${(ms / 1000).toFixed(2)} s`);

const number = (value: number | undefined): string =>
  value === undefined ? '–' : String(Math.round(value * 1000) / 1000);

const row = (name: string, figures: Figures): string =>
  [
    `  ${name}`.padEnd(28),
    String(figures.successful).padStart(10),
    String(figures.failed).padStart(8),
    ...[figures.avgMs, figures.minMs, figures.maxMs, figures.p95Ms].map((ms) => seconds(ms).padStart(8)),
  ].join('');

const header = `${'  round'.padEnd(28)}${'successful'.padStart(10)}${'failed'.padStart(8)}${['avg', 'min', 'max', 'p95']
  .map((name) => name.padStart(8))
  .join('')}`;

const criterionLines = ({ status, selector, expression, observed, unit }: JudgedCriterion, colour: boolean): string =>
  `  ${painted(status, status.padEnd(8), colour)} ${selector} ${expression}${observed === undefined ? '' : `   (${number(observed)}${unit === undefined ? '' : ` ${unit}`})`}`;

const meanings: Readonly<Record<RunResult['verdict'], string>> = {
  PASS: 'every criterion that was judged holds',
  FAIL: 'a criterion does not hold, or had no data',
  INVALID: 'the generator fell short, or the run was cut short: nothing is said of the service',
  'NOT RUN': 'no session was opened; k6 says why: test aborted',
};

/** The summary for a terminal: rounds, outcomes, criteria, verdict; at most 80 columns where names allow. */
export const summaryText = (
  test: string,
  run: RunIdentity | undefined,
  url: string,
  service: string,
  result: RunResult,
  colour: boolean,
): string => {
  const failures = Object.entries(result.outcomes).filter(([kind]) => kind !== 'ok');
  const ran = result.verdict !== 'NOT RUN';
  return [
    '',
    `  ${run ? `${run.marker}  ${test}  run ${run.id}` : test}`,
    `  target ${shownUrl(url)}${service === '' ? '' : `  (${service})`}`,
    '',
    ...(ran ? [header, ...result.rounds.map((figures, index) => row(`${index + 1}  ${figures.label}`, figures))] : []),
    ...(ran && result.rounds.length > 1 ? [row('all', result.total)] : []),
    ...(ran ? [''] : []),
    ...(failures.length > 0
      ? [`  failed sessions: ${failures.map(([kind, count]) => `${count} ${kind}`).join(', ')}`, '']
      : []),
    ...result.criteria.map((criterion) => criterionLines(criterion, colour)),
    '',
    `  ${painted(result.verdict, result.verdict, colour)}: ${meanings[result.verdict]}`,
    '',
    '',
  ].join('\n');
};

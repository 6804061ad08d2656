import { shownUrl } from '../load/settings.ts';
import { folded } from '../text/fold.ts';
import { plain } from '../text/visible.ts';
import type { RunIdentity } from './run.ts';
import type { Figures, Findings, JudgedCriterion, Measurement, RunResult, SuccessCriterion } from './record-schema.ts';
import { criterionStatuses } from './criterion-status.ts';

const colours: Readonly<Record<string, string>> = {
  PASS: '32',
  FAIL: '31',
  'NO DATA': '31',
  INVALID: '33',
  'NOT RUN': '33',
  'NOT APPLICABLE': '33',
};

/** A text in the colour of a status. */
export const painted = (status: string, text: string, colour: boolean): string =>
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

const observation = ({ observed, unit }: JudgedCriterion): string =>
  observed === undefined ? '' : `   (${number(observed)}${unit === undefined ? '' : ` ${unit}`})`;

const criterionLine = (criterion: JudgedCriterion, colour: boolean): string => {
  const { status, selector, expression } = criterion;
  return `  ${painted(status, status.padEnd(8), colour)} ${selector} ${expression}${observation(criterion)}`;
};

/** How many cases of a scenario had which finding. */
export const findingsLine = ({ test, ...counts }: Findings): string => {
  const asked = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const came = Object.entries(counts).filter(([, count]) => count > 0);
  const kinds = came.map(([kind, count]) => `${count} ${kind}`).join(', ');
  return `  ${test} cases`.padEnd(28) + (asked === 0 ? 'none asked' : kinds);
};

/** A figure that a run measured. */
export const measurementLine = ({ test, label, value, unit }: Measurement): string =>
  `  ${test}`.padEnd(28) + `${label}  ${Math.abs(value) < 100 ? number(value) : Math.round(value)} ${unit}`;

/** One line a test, and below it the criteria of it that do not hold. */
const testLines = (criteria: readonly JudgedCriterion[], colour: boolean): string[] => {
  const lines: string[] = [];
  for (const test of new Set(criteria.map((each) => each.test))) {
    const mine = criteria.filter((each) => each.test === test);
    const worst = criterionStatuses.find((status) => mine.some((each) => each.status === status)) ?? 'NOT RUN';
    const others = mine.filter(({ status }) => status !== 'PASS');
    const holding = `${mine.length - others.length} of ${mine.length} criteria hold`;
    lines.push(`  ${painted(worst, worst.padEnd(14), colour)} ${test.padEnd(20)} ${holding}`);
    lines.push(...others.map((each) => `    ${criterionLine(each, colour)}`));
  }
  return lines;
};

const successLines = (success: readonly SuccessCriterion[], colour: boolean): string[] => [
  '  success criteria',
  ...success.flatMap(({ title, status, decidedBy, left }) => [
    `  ${painted(status, status.padEnd(14), colour)} ${title}`,
    ...(decidedBy
      ? [
          `${' '.repeat(17)}${decidedBy.test}: ${decidedBy.selector.replace(/test:[^,}]+,?/, '').replace('{}', '')} ${decidedBy.expression}${observation(decidedBy)}`,
        ]
      : left.length > 0
        ? [`${' '.repeat(17)}left out: ${left.join(', ')}`]
        : []),
  ]),
];

const meanings: Readonly<Record<RunResult['verdict'], string>> = {
  PASS: 'every criterion that was judged holds',
  FAIL: 'a criterion does not hold, or had no data',
  INVALID: 'the generator fell short: nothing is said of the service',
  'NOT RUN': 'nothing was judged; what was said beside this tells why',
  'NOT APPLICABLE': 'there is nothing of what was to be asked',
};

/** What a verdict means, in words. */
export const meaningOf = ({
  verdict,
  cutShort,
  resultLost,
}: Pick<RunResult, 'verdict' | 'cutShort' | 'resultLost'>): string => {
  if (resultLost === true) return 'k6 ran to its end, but its results were lost: nothing is said of the service';
  if (cutShort !== true) return meanings[verdict];
  return verdict === 'FAIL'
    ? 'the run was cut short, and a criterion did not hold until then'
    : 'the run was cut short: nothing is said of the service';
};

/** The verdict and what it means, as the last line of what a run says. */
export const verdictLine = (
  result: Pick<RunResult, 'verdict' | 'cutShort' | 'resultLost'>,
  colour = false,
  meaning = meaningOf(result),
): string => `${painted(result.verdict, result.verdict, colour)}: ${meaning}`;

const settingsLine = (settings: Readonly<Record<string, string>>): string => {
  const given = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return `  asked  ${given.length > 0 ? plain(given.join(' ')) : "the scenario's own load, by its own settings"}`;
};

const roundLines = ({ rounds, total }: RunResult, isSuite: boolean): string[] => {
  if (rounds.length === 0) return [];
  const lines = rounds.map((figures, index) => {
    const first = isSuite && rounds[index - 1]?.test !== figures.test ? [`  ${figures.test}`] : [];
    const number = rounds.slice(0, index + 1).filter(({ test }) => test === figures.test).length;
    return [...first, row(`${isSuite ? '  ' : ''}${number}  ${figures.label}`, figures)];
  });
  return [header, ...lines.flat(), ...(!isSuite && rounds.length > 1 ? [row('all', total)] : []), ''];
};

/**
 * The summary for a terminal: what was asked, rounds, outcomes, cases, criteria, verdict; at most 80 columns where names allow.
 * Without a line of the target where its address is not known.
 */
export const summaryText = (
  test: string,
  run: RunIdentity | undefined,
  url: string | undefined,
  service: string,
  settings: Readonly<Record<string, string>>,
  result: RunResult,
  success: readonly SuccessCriterion[] | undefined,
  colour: boolean,
): string => {
  const failures = Object.entries(result.outcomes).filter(([kind]) => kind !== 'ok');
  const ran = result.verdict !== 'NOT RUN';
  return [
    '',
    `  ${run ? `${run.marker}  ${test}  run ${run.id}` : test}`,
    ...(url === undefined ? [] : [`  target ${shownUrl(url)}${service === '' ? '' : `  (${plain(service)})`}`]),
    settingsLine(settings),
    '',
    ...(ran ? roundLines(result, success !== undefined) : []),
    ...(ran && result.findings.length > 0 ? [...result.findings.map(findingsLine), ''] : []),
    ...(ran && result.measured.length > 0 ? [...result.measured.map(measurementLine), ''] : []),
    ...(failures.length > 0
      ? [
          `  sessions that were not ok${result.findings.length > 0 ? ', those that cases expect so too' : ''}: ${failures.map(([kind, count]) => `${count} ${kind}`).join(', ')}`,
          '',
        ]
      : []),
    ...(success
      ? [...testLines(result.criteria, colour), '', ...successLines(success, colour)]
      : result.criteria.map((criterion) => criterionLine(criterion, colour))),
    '',
    `  ${verdictLine(result, colour)}`,
    '',
    '',
  ]
    .map((line) => folded(line))
    .join('\n');
};

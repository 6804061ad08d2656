import { closingOf, type LabelledText, type ShownCause } from '../../lib/results/closing.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import type { Cause, Check, Result } from '../../lib/results/result-schema.ts';
import { findingsLine, measurementLine, painted } from '../../lib/results/summary.ts';
import { columns, folded } from '../../lib/text/fold.ts';
import { none, roundTime } from '../../lib/text/quantities.ts';
import { cutTo } from '../../lib/text/visible.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';
import { roundKey, type RecordedRounds, type RoundFigures } from './round-figures.ts';

/** Where the texts of a cause begin. */
const textIndent = 14;
/** A cause may name hundreds of cases: the report has all of them. */
const mostOfPlace = 200;
const mostOfMessage = 320;
const mostChecks = 6;
const mostNotes = 5;

const dimmed = (text: string, colour: boolean): string => (colour ? `\u001b[2m${text}\u001b[0m` : text);

const labelledLine = ({ label, text }: LabelledText): string => {
  const start = `    ${label.padEnd(textIndent - 4)}`;
  // A message is one line, so that it can be copied.
  if (label === 'sent' || label === 'got') return `${start}${printable(text, mostOfMessage)}`;
  return folded(`${start}${printable(text, label === 'where' ? mostOfPlace : outcomeCharacters)}`, textIndent);
};

const causeText = ({ sentence, lines }: ShownCause, isInVerdict: boolean): string[] => [
  '',
  ...(isInVerdict ? [] : [folded(`  ${printable(sentence, outcomeCharacters)}`)]),
  ...lines.map(labelledLine),
];

/** What is known of causes that decided nothing, a line each. */
const noteLines = (causes: readonly Cause[]): string[] => {
  const notes = causes.filter(({ weight }) => weight === 'tolerated' || weight === 'not-checked');
  const shown = notes.slice(0, mostNotes).map(({ sentence, place, weight, received }) => {
    const why =
      weight === 'not-checked' && received !== undefined && !sentence.endsWith(received) ? `: ${received}` : '';
    return folded(`  note: ${printable(`${sentence} (${cutTo(place, mostOfPlace)})${why}`, outcomeCharacters)}`);
  });
  const left = notes.length - shown.length;
  return notes.length === 0 ? [] : ['', ...shown, ...(left > 0 ? [`  ${left} more in the report`] : [])];
};

const time = (ms: number | undefined): string => (ms === undefined ? none : roundTime(ms));

const rate = (perSecond: number | undefined): string =>
  perSecond === undefined ? none : perSecond < 9.95 ? perSecond.toFixed(1) : String(Math.round(perSecond));

const widths = [8, 8, 12, 8, 8, 8];
const nameWidth = columns - widths.reduce((sum, width) => sum + width, 0);

const row = (name: string, cells: readonly (string | number)[]): string =>
  `  ${cutTo(name, nameWidth - 3)}`.padEnd(nameWidth) +
  cells.map((cell, at) => String(cell).padStart(widths[at] ?? 8)).join('');

const roundRow = (name: string, round: RunRecord['rounds'][number], figures: RoundFigures): string =>
  row(name, [
    round.successful,
    round.failed,
    rate(figures.perSecond),
    time(figures.medianMs),
    time(figures.p95Ms),
    time(figures.p99Ms),
  ]);

/** Rounds with throughput and times of the sessions that succeeded. */
const roundTable = ({ rounds, success }: RunRecord, recorded: RecordedRounds['rounds']): string[] => {
  if (rounds.length === 0) return [];
  const isSuite = success !== undefined;
  const seen = new Map<string, number>();
  const lines = rounds.flatMap((round) => {
    const number = (seen.get(round.test) ?? 0) + 1;
    seen.set(round.test, number);
    const name = `${isSuite ? '  ' : ''}${number}  ${round.label}`;
    return [
      ...(isSuite && number === 1 ? [`  ${round.test}`] : []),
      roundRow(name, round, recorded.get(roundKey(round.test, number)) ?? {}),
    ];
  });
  return ['', row('round', ['ok', 'failed', 'sessions/s', 'median', 'p95', 'p99']), ...lines];
};

const checkLines = (checks: readonly Check[], colour: boolean, isSuite: boolean): string[] => {
  const broken = checks.filter(
    ({ status, expected }) => expected !== true && (status === 'FAIL' || status === 'NO DATA'),
  );
  const shown = broken.slice(0, mostChecks).flatMap(({ scenario, title, expression, status, observed = 'nothing' }) => {
    const where = isSuite ? `${scenario}: ` : '';
    const seen = status === 'NO DATA' ? 'no data' : `observed ${observed}`;
    return [folded(`    ${where}${title}: ${seen}`), dimmed(folded(`      ${expression}`), colour)];
  });
  const left = broken.length - mostChecks;
  return broken.length === 0
    ? []
    : ['', '  Failed checks', ...shown, ...(left > 0 ? [`    ${left} more in the report`] : [])];
};

const simpleCommandsLine = ({ figures: { simpleCommands } }: Result): string[] => {
  if (simpleCommands === undefined) return [];
  const { count, p50Ms, p95Ms, p99Ms } = simpleCommands;
  const percentiles = [
    `median ${roundTime(p50Ms)}`,
    p95Ms && `p95 ${roundTime(p95Ms)}`,
    p99Ms && `p99 ${roundTime(p99Ms)}`,
  ];
  const shown = percentiles.filter((each) => each !== undefined).join(', ');
  return ['', `  ${count} simple ${count === 1 ? 'command' : 'commands'}: ${shown}`];
};

const successLines = ({ success }: RunRecord, colour: boolean): string[] =>
  success === undefined
    ? []
    : [
        '',
        ...success.map(({ title, status }) => folded(`  ${painted(status, status.padEnd(14), colour)} ${title}`, 19)),
      ];

const headOf = (result: Result, colour: boolean): string => {
  const [, head = '', rest = ''] = /^([^:]*)([^]*)$/.exec(result.sentence) ?? [];
  return folded(`${painted(result.verdict, head, colour)}${printable(rest, 1000)}`, 4);
};

const changesLine = ({ changes }: Result): string[] =>
  changes === undefined || changes.status === 'too few' ? [] : ['', folded(`  ${printable(changes.sentence, 300)}`)];

/**
 * The end of a run for a terminal, 80 columns wide, causes first: the verdict in a sentence, why, the rounds, and the checks that
 * failed. Only messages are longer, so that they can be copied.
 */
export const closingText = (
  result: Result,
  record: RunRecord,
  recorded: RecordedRounds['rounds'] = new Map(),
  colour = false,
): string => {
  const { causes, more, proven } = closingOf(result);
  // A busy machine has a warning of its own at the end; what had no data is among the failed checks, and follows from the others.
  const told = causes.filter(({ cause }) => cause.kind !== 'busy-machine' && cause.weight !== 'tolerated');
  const shown = told.filter(({ cause }, at) => at === 0 || cause.kind !== 'no-data');
  const isInVerdict = shown.length === 1 && result.sentence.includes(shown[0]?.sentence ?? '\n');
  const ran = record.verdict === 'PASS' || record.verdict === 'FAIL' || record.verdict === 'INVALID';
  const hasOnlyNotes = more !== undefined && !more.includes('problem');
  return [
    '',
    headOf(result, colour),
    ...shown.flatMap((cause) => causeText(cause, isInVerdict)),
    ...(more === undefined || hasOnlyNotes ? [] : ['', `  ${more}: see the report`]),
    ...(proven.length > 0 ? ['', ...proven.map((each) => folded(`  ${printable(each, outcomeCharacters)}`))] : []),
    ...(ran
      ? [
          ...roundTable(record, recorded),
          ...simpleCommandsLine(result),
          ...(record.findings.length > 0 ? ['', ...record.findings.map((each) => folded(findingsLine(each)))] : []),
          ...(record.measured.length > 0 ? ['', ...record.measured.map((each) => folded(measurementLine(each)))] : []),
          ...(record.verdict === 'FAIL' ? checkLines(result.checks, colour, record.success !== undefined) : []),
          ...successLines(record, colour),
          ...changesLine(result),
        ]
      : []),
    ...(ran ? noteLines(result.causes) : []),
    '',
    '',
  ].join('\n');
};

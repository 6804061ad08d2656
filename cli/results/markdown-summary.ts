import { describeOutcome } from '../../lib/session/outcome.ts';
import { closingOf, type LabelledText } from '../../lib/results/closing.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { resultOf } from '../../lib/results/result-model.ts';
import type { Result } from '../../lib/results/result-schema.ts';
import { isNotAsked, noFailures, withoutRepeats, worstFirst, type Failures } from '../run/closing-table.ts';
import { markdownTable } from '../shared/markdown.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';
import { duration, minuteOf, none } from '../../lib/text/quantities.ts';
import { columnsOf, resultTables, type ResultTable } from './result-tables.ts';
import { saturationText } from './verdict-text.ts';

/** A comment on a pull request has room for 65,536 characters. */
const maxInAll = 65_000;

/** Most rows of a table that has no room of its own. */
const maxRows = 60;

/** Their outcomes are long. */
const maxSessions = 20;

const maxCharacters = 200;

/**
 * A text of whatever origin as Markdown and HTML show it and nothing else: no markup, no link, no mention. Everything that
 * could begin one is written as a character reference.
 */
export const shownInMarkdown = (text: string, most = maxCharacters): string => {
  const escaped = printable(text, most)
    .replaceAll(/[^\p{L}\p{M}\p{N} ,;=/.%+…-]/gu, (each) => `&#${each.codePointAt(0)};`)
    // What stands on its two sides would otherwise be put together to an address of mail.
    .replaceAll('&#64;', '&#64;<!-- -->')
    .replaceAll(/www\./gi, (each) => `${each.slice(0, 3)}&#46;`);
  // Within code, GitHub and GitLab make no mention or reference of @name and #1.
  return escaped === '' ? '' : `<code>${escaped}</code>`;
};

const cellText = (cell: string | number | undefined, kind: ResultTable['columns'][number]['kind']): string => {
  if (cell === undefined) return none;
  if (kind === 'time') return (Number(cell) / 1000).toFixed(2);
  return kind === 'status' || typeof cell === 'number' ? String(cell) : shownInMarkdown(cell, outcomeCharacters);
};

type Printed = Pick<ResultTable, 'columns' | 'rows'>;

/** A table with a limited number of rows; the status, if there is one, is its first column. */
const table = ({ columns, rows }: Printed, most = maxRows): string[] => {
  if (rows.length === 0) return [];
  const order = [...columns.entries()].toSorted(
    ([, a], [, b]) => Number(b.kind === 'status') - Number(a.kind === 'status'),
  );
  const lines = rows.slice(0, most).map((row) => order.map(([at, { kind }]) => cellText(row[at], kind)));
  const names = order.map(([, { name, kind }]) => (kind === 'time' ? `${name}, s` : name));
  return [...markdownTable(names, lines), ...(rows.length > most ? ['', `and ${rows.length - most} more`] : []), ''];
};

const details = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`<details><summary>${title}</summary>`, '', ...lines, '</details>', ''];

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`### ${title}`, '', ...lines];

const tableSection = (of: ResultTable): string[] => section(of.title, table(of));

const criteriaLines = ({ columns, rows }: ResultTable): string[] => {
  const at = columns.findIndex(({ kind }) => kind === 'status');
  const holding = rows.filter((row) => row[at] === 'PASS');
  const title = holding.length === 1 ? '1 criterion holds' : `${holding.length} criteria hold`;
  return [
    ...table({ columns, rows: rows.filter((row) => row[at] !== 'PASS') }),
    ...details(title, table({ columns, rows: holding })),
  ];
};

const failedSessions = ({ sessions }: Failures): Printed => ({
  columns: columnsOf(undefined, 'Scenario', 'Round', 'Session', 'Command', 'Outcome'),
  rows: [...sessions.values()].flatMap(({ first }) =>
    first
      .filter(({ round }) => round !== undefined)
      .map(({ test, round, session, commands: [command], outcome }) => [
        test,
        round,
        session,
        command?.name ?? '',
        describeOutcome(outcome),
      ]),
  ),
});

/** As many findings as a comment has room for, the worst first. */
const findingLines = ({ findings }: Failures, room: number): string[] => {
  const found: Printed = {
    columns: [
      { name: 'Finding', kind: 'status' },
      ...columnsOf(undefined, 'Scenario', 'Case', 'Section', 'Expected', 'Received'),
    ],
    rows: worstFirst(findings.filter((each) => !isNotAsked(each))).map((each) => [
      each.finding,
      each.test,
      each.case,
      each.section,
      each.expected,
      each.received,
    ]),
  };
  let length = 0;
  const [, , ...lines] = table(found, Infinity);
  const tooMany = lines.findIndex((line) => (length += line.length + 1) > room);
  return table(found, tooMany < 0 ? Infinity : tooMany);
};

/** The cases that were not asked, by the reason. */
const notAsked = ({ findings }: Failures): Printed => ({
  columns: columnsOf(undefined, 'Scenario', 'Reason', 'Cases'),
  rows: withoutRepeats(findings.filter(isNotAsked)).map(({ test, received, case: cases }) => [test, received, cases]),
});

const expectedLines = ({ expected }: RunRecord, differences: ResultTable): string[] =>
  expected === undefined
    ? []
    : [
        `${expected.met} as expected, ${expected.new.length} new, ${expected.missing.length} vanished or changed, ${expected.notAsked.length} not asked`,
        '',
        ...table(differences),
      ];

const labels: Readonly<Record<LabelledText['label'], string>> = {
  where: 'Where',
  expected: 'Expected',
  received: 'Received',
  sent: 'Last message sent',
  got: 'Last message received',
  do: 'What to do',
  see: 'More',
};

const labelledText = ({ label, text }: LabelledText): string =>
  `  - ${labels[label]}: ${label === 'do' ? sentenceInMarkdown(text) : shownInMarkdown(text, outcomeCharacters)}`;

/** A sentence of ours in which words of others may be quoted: as text where it is plain, otherwise as code. */
const sentenceInMarkdown = (text: string): string =>
  /^[\p{L}\p{N} ,;:.()%/"'+–…-]*$/u.test(text) && !/:\/\/|www\./i.test(text)
    ? text
    : shownInMarkdown(text, outcomeCharacters);

/** The main causes, each with what is known of it. */
const causeLines = (result: Result): string[] => {
  const { causes, more } = closingOf(result);
  if (causes.length === 0) return [];
  return section('Causes', [
    ...causes.flatMap(({ sentence, lines }) =>
      [`- **${sentenceInMarkdown(sentence)}**`].concat(lines.map(labelledText)),
    ),
    ...(more === undefined ? [] : [`- and ${more}`]),
    '',
  ]);
};

/** A run record as a page of Markdown for a pull request or a job's page: verdict, causes, what does not hold, rounds, failures, findings. */
export const markdownSummary = (
  record: RunRecord,
  failures: Failures = noFailures(),
  result: Result = resultOf(record),
): string => {
  const { saturation } = record;
  const { success, criteria, rounds, outcomes, cases, measured, expected, settings, facts } = resultTables(record);
  const notOk = { ...outcomes, rows: outcomes.rows.filter(([kind]) => kind !== 'ok') };
  const beforeFindings = [
    `## ${record.verdict}: ${shownInMarkdown(record.test)}`,
    '',
    `**${sentenceInMarkdown(result.sentence)}**`,
    '',
    ...(saturation ? [`Warning: ${saturationText(saturation, shownInMarkdown)}`, ''] : []),
    `Run ${shownInMarkdown(record.run)}, ${minuteOf(record.startedAt)} UTC, ${duration(record.durationMs)}, against ${shownInMarkdown(record.url)}.`,
    '',
    ...result.proven.map((each) => `- ${sentenceInMarkdown(each)}`),
    ...(result.proven.length > 0 ? [''] : []),
    ...causeLines(result),
    ...(result.changes ? [`${sentenceInMarkdown(result.changes.sentence)}.`, ''] : []),
    ...tableSection(success),
    ...section(criteria.title, criteriaLines(criteria)),
    ...tableSection(rounds),
    ...section('Sessions that were not ok', table(notOk)),
    ...tableSection(cases),
    ...tableSection(measured),
    ...section('Failed sessions', table(failedSessions(failures), maxSessions)),
    ...section(expected.title, expectedLines(record, expected)),
  ];
  const behindFindings = [
    ...section('Not asked', table(notAsked(failures))),
    ...details(settings.title, table(settings)),
    ...details(facts.title, table(facts)),
  ];
  const room = maxInAll - [...beforeFindings, ...behindFindings].join('\n').length;
  return [...beforeFindings, ...section('Findings', findingLines(failures, room)), ...behindFindings].join('\n');
};

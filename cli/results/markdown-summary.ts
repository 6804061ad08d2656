import type { Figures, JudgedCriterion, RunRecord } from '../../lib/results/record-schema.ts';
import { verdictLine } from '../../lib/results/summary.ts';
import { markdownTable } from '../shared/markdown.ts';
import { observedText, runFacts } from './record-facts.ts';

/** So many rows of a table are shown: a comment on a pull request has room for 65,536 characters. */
const mostRows = 60;

const mostCharacters = 200;

/**
 * A text of whatever origin as Markdown and HTML show it and nothing else: no markup, no link, no mention. Everything that
 * could begin one is written as a character reference.
 */
export const shownInMarkdown = (text: string): string => {
  const short = text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text;
  const escaped = short
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .replaceAll(/[^\p{L}\p{M}\p{N} ,;=/.%+…-]/gu, (each) => `&#${each.codePointAt(0)};`)
    // What stands on its two sides would otherwise be put together to an address of mail.
    .replaceAll('&#64;', '&#64;<!-- -->')
    .replaceAll(/www\./gi, (each) => `${each.slice(0, 3)}&#46;`);
  // Within code, GitHub and GitLab make no mention or reference of @name and #1.
  return escaped === '' ? '' : `<code>${escaped}</code>`;
};

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => {
  const shown = rows.slice(0, mostRows);
  return [
    ...markdownTable(head, shown),
    ...(rows.length > shown.length ? ['', `and ${rows.length - shown.length} more`] : []),
    '',
  ];
};

const details = (title: string, lines: readonly string[]): string[] => [
  `<details><summary>${title}</summary>`,
  '',
  ...lines,
  '</details>',
  '',
];

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`### ${title}`, '', ...lines];

const criterionHead = ['Status', 'Scenario', 'Criterion', 'Expected', 'Observed'];

const criterionRow = (criterion: JudgedCriterion): string[] => [
  criterion.status,
  shownInMarkdown(criterion.test),
  shownInMarkdown(criterion.selector),
  shownInMarkdown(criterion.expression),
  criterion.observed === undefined ? '–' : shownInMarkdown(observedText(criterion)),
];

const criteriaLines = ({ criteria }: RunRecord): string[] => {
  const others = criteria.filter(({ status }) => status !== 'PASS');
  const holding = criteria.filter(({ status }) => status === 'PASS');
  return [
    ...(others.length > 0 ? table(criterionHead, others.map(criterionRow)) : []),
    ...(holding.length > 0
      ? details(
          holding.length === 1 ? '1 criterion holds' : `${holding.length} criteria hold`,
          table(criterionHead, holding.map(criterionRow)),
        )
      : []),
  ];
};

const seconds = (ms: number | undefined): string => (ms === undefined ? '–' : (ms / 1000).toFixed(2));

const roundRow = (figures: Figures): string[] => [
  shownInMarkdown(figures.test),
  shownInMarkdown(figures.label),
  String(figures.successful),
  String(figures.failed),
  ...[figures.avgMs, figures.minMs, figures.maxMs, figures.p95Ms].map(seconds),
];

const roundLines = ({ rounds, verdict }: RunRecord): string[] =>
  rounds.length === 0 || verdict === 'NOT RUN'
    ? []
    : table(
        ['Scenario', 'Round', 'Successful', 'Failed', 'avg, s', 'min, s', 'max, s', 'p95, s'],
        rounds.map(roundRow),
      );

const failureLines = ({ outcomes }: RunRecord): string[] => {
  const failed = Object.entries(outcomes).filter(([kind]) => kind !== 'ok');
  if (failed.length === 0) return [];
  return table(
    ['Outcome', 'Sessions'],
    failed.map(([kind, count]) => [shownInMarkdown(kind), String(count)]),
  );
};

const findingLines = ({ findings, verdict }: RunRecord): string[] =>
  findings.length === 0 || verdict === 'NOT RUN'
    ? []
    : table(
        ['Scenario', 'conforming', 'deviating', 'bypass', 'breaking'],
        findings.map((each) => [
          shownInMarkdown(each.test),
          ...[each.conforming, each.deviating, each.bypass, each.breaking].map(String),
        ]),
      );

const measuredLines = ({ measured }: RunRecord): string[] =>
  measured.length === 0
    ? []
    : table(
        ['Scenario', 'Figure', 'Value'],
        measured.map((each) => [
          shownInMarkdown(each.test),
          shownInMarkdown(each.label),
          shownInMarkdown(observedText({ observed: each.value, unit: each.unit })),
        ]),
      );

const successLines = ({ success = [] }: RunRecord): string[] =>
  success.length === 0
    ? []
    : table(
        ['Status', 'Success criterion'],
        success.map(({ title, status }) => [status, shownInMarkdown(title)]),
      );

const pairs = (of: readonly (readonly [string, string])[]): string[] =>
  table(
    ['Name', 'Value'],
    of.map(([name, value]) => [shownInMarkdown(name), shownInMarkdown(value)]),
  );

/** A run record as a page of Markdown for a pull request or a job's page: verdict, what does not hold, rounds, failures. */
export const markdownSummary = (record: RunRecord): string => {
  const settings = Object.entries(record.settings);
  return [
    `## ${record.verdict}: ${shownInMarkdown(record.test)}`,
    '',
    `${verdictLine(record)}. Run ${shownInMarkdown(record.run)}, ${record.startedAt.slice(0, 16).replace('T', ' ')} UTC, ${seconds(record.durationMs)} s, against ${shownInMarkdown(record.url)}.`,
    '',
    ...section('Success criteria', successLines(record)),
    ...section('Criteria', criteriaLines(record)),
    ...section('Rounds', roundLines(record)),
    ...section('Sessions that were not ok', failureLines(record)),
    ...section('Cases', findingLines(record)),
    ...section('Measured', measuredLines(record)),
    ...(settings.length > 0 ? details('Settings that were given', pairs(settings)) : []),
    ...details('Run, service and versions', pairs(runFacts(record))),
  ].join('\n');
};

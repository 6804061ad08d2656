import { describeOutcome } from '../../lib/session/outcome.ts';
import type {
  ExpectedDifference,
  Figures,
  FindingRecord,
  JudgedCriterion,
  RunRecord,
} from '../../lib/results/record-schema.ts';
import { noFailures, type Failures } from '../run/closing-table.ts';
import { verdictLineOf } from './verdict-text.ts';
import { markdownTable } from '../shared/markdown.ts';
import { observedText, runFacts } from './record-facts.ts';

/** A comment on a pull request has room for 65,536 characters. */
const maxInAll = 65_000;

/** Most rows of a table that has no room of its own. */
const maxRows = 60;

const maxCharacters = 200;

/**
 * A text of whatever origin as Markdown and HTML show it and nothing else: no markup, no link, no mention. Everything that
 * could begin one is written as a character reference.
 */
export const shownInMarkdown = (text: string): string => {
  const short = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text;
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

const table = (head: readonly string[], rows: readonly (readonly string[])[], most = maxRows): string[] => {
  const shown = rows.slice(0, most);
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
  criterion.expected === true ? `${criterion.status}, expected` : criterion.status,
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

const findingCounts = ({ findings, verdict }: RunRecord): string[] =>
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

const failedSessionLines = ({ sessions }: Failures): string[] => {
  const rows = [...sessions.values()].flatMap(({ first }) =>
    first
      .filter(({ round }) => round !== undefined)
      .map(({ test, round, session, commands: [command], outcome }) => [
        shownInMarkdown(test),
        String(round),
        String(session),
        shownInMarkdown(command?.name ?? ''),
        shownInMarkdown(describeOutcome(outcome)),
      ]),
  );
  return rows.length === 0 ? [] : table(['Scenario', 'Round', 'Session', 'Command', 'Outcome'], rows);
};

const findingOrder = ['breaking', 'bypass', 'inconclusive', 'deviating'];

const isNotAsked = ({ finding }: Pick<FindingRecord, 'finding'>): boolean => finding.startsWith('not-');

/** As many findings as a comment has room for, the worst first. */
const findingLines = ({ findings }: Failures, room: number): string[] => {
  const rows = findings
    .filter((each) => !isNotAsked(each))
    .toSorted((a, b) => findingOrder.indexOf(a.finding) - findingOrder.indexOf(b.finding))
    .map((each) => [
      each.finding,
      shownInMarkdown(each.test),
      shownInMarkdown(each.case),
      shownInMarkdown(each.section),
      shownInMarkdown(each.expected),
      shownInMarkdown(each.received),
    ]);
  let length = 0;
  const tooMany = rows.findIndex((each) => (length += each.join(' | ').length + 5) > room);
  return rows.length === 0
    ? []
    : table(
        ['Finding', 'Scenario', 'Case', 'Section', 'Expected', 'Received'],
        rows,
        tooMany < 0 ? rows.length : tooMany,
      );
};

/** The cases that were not asked, by the reason. */
const notAskedLines = ({ findings }: Failures): string[] => {
  const reasons = new Map<string, { test: string; received: string; cases: string[] }>();
  for (const { test, case: name, received } of findings.filter(isNotAsked)) {
    const key = `${test} ${received}`;
    const before = reasons.get(key);
    if (before) before.cases.push(name);
    else reasons.set(key, { test, received, cases: [name] });
  }
  const rows = [...reasons.values()].map(({ test, received, cases }) =>
    [test, received, cases.join(', ')].map(shownInMarkdown),
  );
  return rows.length === 0 ? [] : table(['Scenario', 'Reason', 'Cases'], rows);
};

const differenceRow = (kind: string, { scenario, name, expected, received }: ExpectedDifference): string[] => [
  kind,
  shownInMarkdown(scenario),
  ...[name, expected, received].map(shownInMarkdown),
];

const expectedLines = ({ expected }: RunRecord): string[] => {
  if (expected === undefined) return [];
  const { met, new: found, missing, notAsked } = expected;
  const rows = [
    ...found.map((each) => differenceRow('new', each)),
    ...missing.map((each) => differenceRow('vanished or changed', each)),
    ...notAsked.map((each) => differenceRow('not asked', each)),
  ];
  return [
    `${met} as expected, ${found.length} new, ${missing.length} vanished or changed, ${notAsked.length} not asked`,
    '',
    ...(rows.length > 0 ? table(['', 'Scenario', 'Name', 'Expected', 'Received'], rows) : []),
  ];
};

/** A run record as a page of Markdown for a pull request or a job's page: verdict, what does not hold, rounds, failures, findings. */
export const markdownSummary = (record: RunRecord, failures: Failures = noFailures()): string => {
  const settings = Object.entries(record.settings);
  const beforeFindings = [
    `## ${record.verdict}: ${shownInMarkdown(record.test)}`,
    '',
    `${verdictLineOf(record)}. Run ${shownInMarkdown(record.run)}, ${record.startedAt.slice(0, 16).replace('T', ' ')} UTC, ${seconds(record.durationMs)} s, against ${shownInMarkdown(record.url)}.`,
    '',
    ...section('Success criteria', successLines(record)),
    ...section('Criteria', criteriaLines(record)),
    ...section('Rounds', roundLines(record)),
    ...section('Sessions that were not ok', failureLines(record)),
    ...section('Cases', findingCounts(record)),
    ...section('Measured', measuredLines(record)),
    ...section('Failed sessions', failedSessionLines(failures)),
    ...section('Expected findings', expectedLines(record)),
  ];
  const behindFindings = [
    ...section('Not asked', notAskedLines(failures)),
    ...(settings.length > 0 ? details('Settings that were given', pairs(settings)) : []),
    ...details('Run, service and versions', pairs(runFacts(record))),
  ];
  const room = maxInAll - [...beforeFindings, ...behindFindings].join('\n').length;
  return [...beforeFindings, ...section('Findings', findingLines(failures, room)), ...behindFindings].join('\n');
};

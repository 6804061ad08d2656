import { hide } from '../../lib/results/redact.ts';
import type { Figures, JudgedCriterion, RunResult, SuccessCriterion } from '../../lib/results/record-schema.ts';
import type { Difference, ExpectedOfService } from './expected-findings.ts';
import { markdownTable, markdownText } from '../shared/markdown.ts';

const reasonCharacters = 400;

/** What a case came to, or why it was not asked. */
export interface ShownFinding {
  test: string;
  case: string;
  section: string;
  expected: string;
  finding: string;
  received: string;
}

/** Everything that the document tells. */
export interface Showing {
  /** Name and version, as far as they are known. */
  service: string;
  /** Without its query. */
  url: string;
  limitedUrl: string | undefined;
  date: string;
  k6: string;
  cores: number;
  memoryGiB: number;
  tookSeconds: number;
  marker: string;
  result: RunResult;
  success: readonly SuccessCriterion[];
  /** What is not conforming, or was not asked. */
  findings: readonly ShownFinding[];
  /** How many cases were asked that only Node can send. */
  framesAsked: number;
  /** Failed sessions of rounds, in a sentence each. */
  failures: readonly string[];
  expected: ExpectedOfService | undefined;
  difference: Difference | undefined;
  /** What must not be shown. */
  secrets: readonly string[];
}

const table = (columns: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  ...markdownTable(columns, rows),
  '',
];

const seconds = (ms: number | undefined): string => (ms === undefined ? '–' : (ms / 1000).toFixed(2));

const shownNumber = (value: number): string =>
  String(Math.abs(value) < 100 ? Math.round(value * 1000) / 1000 : Math.round(value));

const measured = ({ observed, unit }: JudgedCriterion): string =>
  observed === undefined ? '–' : `${shownNumber(observed)}${unit === undefined ? '' : ` ${unit}`}`;

const criterionName = ({ selector, expression }: Pick<JudgedCriterion, 'selector' | 'expression'>): string =>
  `\`${selector} ${expression}\``;

const roundRows = (rounds: readonly Figures[]): string[][] =>
  rounds.map(({ test, label, successful, failed, avgMs, minMs, maxMs, p95Ms }, index) => {
    const number = rounds.slice(0, index + 1).filter((each) => each.test === test).length;
    const times = [avgMs, minMs, maxMs, p95Ms].map(seconds);
    return [test, `${number}: ${label}`, String(successful), String(failed), ...times];
  });

const findingOrder = ['breaking', 'bypass', 'inconclusive', 'deviating'];

const isExcuse = ({ finding }: ShownFinding): boolean => finding.startsWith('not-');

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`## ${title}`, '', ...lines];

const list = (lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [...lines.map((each) => `- ${each}`), ''];

const eitherRows = ({ findings, sessions, criteria }: ExpectedOfService): string[][] => {
  const rows = [
    ...findings.map((each) => ({ ...each, name: `${each.test} \`${each.case}\``, is: each.finding })),
    ...criteria.map((each) => ({ ...each, name: criterionName(each), is: each.status })),
  ];
  return [
    ...sessions.map(({ test, says, reason }) => [
      `${test}, its sessions`,
      markdownText(says),
      'ok',
      markdownText(reason, reasonCharacters),
    ]),
    ...rows.flatMap(({ name, is, or, reason = '' }) =>
      or === undefined ? [] : [[name, is, or, markdownText(reason, reasonCharacters)]],
    ),
  ];
};

const expectation = (
  difference: Difference | undefined,
  expected: ExpectedOfService | undefined,
  say: (text: string) => string,
): string[] => {
  if (expected === undefined || difference === undefined) {
    return ['Nothing is known of this service: its verdict alone counts.', ''];
  }
  const { met, missing, notAsked } = difference;
  const differs = difference.new.length + missing.length > 0;
  const either = eitherRows(expected);
  return [
    `Of ${expected.service} ${expected.version} ${expected.findings.length} findings and ${expected.criteria.length} criteria that do not hold are expected. ${met} came as expected.`,
    '',
    ...(differs ? ['**What came differs from it:**', ''] : ['Nothing else was found, and nothing is missing.', '']),
    ...list([...difference.new.map((each) => `new: ${say(each)}`), ...missing.map((each) => `missing: ${say(each)}`)]),
    ...(notAsked.length > 0 ? ['Not looked for, for want of what it takes:', '', ...list(notAsked.map(say))] : []),
    ...(either.length > 0
      ? ['What may be either:', '', ...table(['case or criterion', 'expected', 'or', 'because'], either)]
      : []),
  ];
};

/** The document of a run against a real service. */
export const realServiceDocument = (showing: Showing): string => {
  const { result, success, findings, secrets } = showing;
  const say = (text: string): string => markdownText(hide(text, secrets));
  const asked = findings.filter((each) => !isExcuse(each));
  const sorted = findingOrder.flatMap((kind) => asked.filter(({ finding }) => finding === kind));
  const notHolding = result.criteria.filter(({ status }) => status !== 'PASS');
  return [
    '# What a real service showed',
    '',
    'Written by `npm run verify:real`; every run replaces it. The figures are of that machine, and of what else it did.',
    '',
    `- Service: ${say(showing.service)} at \`${showing.url}\``,
    ...(showing.limitedUrl === undefined
      ? []
      : [
          `- The same with an allow-list and few sessions, for command-validation and session-limit: \`${showing.limitedUrl}\``,
        ]),
    `- Date: ${showing.date}; \`${showing.marker}\`, ${Math.round(showing.tookSeconds)} s`,
    `- Load generator: k6 ${showing.k6} on ${showing.cores} cores with ${showing.memoryGiB} GiB`,
    `- Verdict: **${result.verdict}**`,
    '',
    ...section(
      'Success criteria',
      table(
        ['criterion', 'state', 'measured:', 'said by'],
        success.map(({ title, status, decidedBy }) => [
          title.replace('<', '&lt;'),
          status,
          decidedBy ? measured(decidedBy) : '–',
          decidedBy ? criterionName(decidedBy) : '–',
        ]),
      ),
    ),
    ...section('Sessions', [
      ...(result.rounds.length > 0
        ? [
            'Durations in seconds.',
            '',
            ...table(
              ['scenario', 'round', 'successful:', 'failed:', 'average:', 'min:', 'max:', 'p95:'],
              roundRows(result.rounds),
            ),
          ]
        : []),
      ...(showing.failures.length > 0 ? ['Failed:', '', ...list(showing.failures.map(say))] : []),
    ]),
    ...section(
      'Figures',
      result.measured.length === 0
        ? []
        : table(
            ['scenario', 'figure', 'value:'],
            result.measured.map(({ test, label, value, unit }) => [test, label, `${shownNumber(value)} ${unit}`]),
          ),
    ),
    ...section('Criteria that do not hold', [
      `${result.criteria.length - notHolding.length} of ${result.criteria.length} hold. NOT RUN is what lacked something, NO DATA what ran without evidence.`,
      '',
      ...(notHolding.length > 0
        ? table(
            ['criterion', 'measured:', 'state'],
            notHolding.map((each) => [criterionName(each), measured(each), each.status]),
          )
        : []),
    ]),
    ...section('Findings', [
      ...table(
        ['scenario', 'conforming:', 'deviating:', 'bypass:', 'breaking:'],
        result.findings.map(({ test, conforming, deviating, bypass, breaking }) =>
          [test, conforming, deviating, bypass, breaking].map(String),
        ),
      ),
      ...(showing.framesAsked > 0
        ? [
            `${showing.framesAsked} more cases of conformance were asked over Node: frames and handshakes that k6 cannot send.`,
            '',
          ]
        : []),
      ...(sorted.length > 0
        ? table(
            ['finding', 'scenario', 'case', 'section', 'expected', 'received'],
            sorted.map((each) => [
              each.finding,
              each.test,
              `\`${each.case}\``,
              markdownText(each.section),
              markdownText(each.expected),
              say(each.received),
            ]),
          )
        : []),
    ]),
    ...section('Not asked', notAskedLines(findings.filter(isExcuse), say)),
    ...section('Expected', expectation(showing.difference, showing.expected, say)),
  ].join('\n');
};

const notAskedLines = (excused: readonly ShownFinding[], say: (text: string) => string): string[] => {
  const reasons = new Map<string, string[]>();
  for (const { test, case: name, received } of excused) {
    const key = `${test}: ${say(received)}`;
    reasons.set(key, [...(reasons.get(key) ?? []), `\`${name}\``]);
  }
  return list([...reasons].map(([reason, names]) => `${reason} (${names.join(', ')})`));
};

import type { CaseReport, ConformanceReport } from './conformance-run.ts';
import { markdownTable, markdownText } from '../shared/markdown.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';

/** The worst first. */
const order: readonly CaseReport['finding'][] = [
  'breaking',
  'bypass',
  'inconclusive',
  'deviating',
  'conforming',
  'NOT RUN',
];

/** How many cases came to what. */
export const countFindings = ({ cases }: ConformanceReport): Record<string, number> =>
  Object.fromEntries(order.map((kind) => [kind, cases.filter(({ finding }) => finding === kind).length]));

const countsText = (report: ConformanceReport): string => {
  const counts = Object.entries(countFindings(report)).filter(([, count]) => count > 0);
  return `${report.cases.length} cases: ${counts.map(([kind, count]) => `${count} ${kind}`).join(', ')}`;
};

const sorted = ({ cases }: ConformanceReport, verbose: boolean): CaseReport[] =>
  order
    .filter((kind) => verbose || kind !== 'conforming')
    .flatMap((kind) => cases.filter(({ finding }) => finding === kind));

const downText = ({ downAfter }: ConformanceReport): string[] =>
  downAfter === undefined ? [] : [`service down after ${downAfter}: the rest is NOT RUN`];

/** The report for a terminal: what is wrong, the worst first; with `verbose` what is right too. */
export const reportText = (report: ConformanceReport, verbose: boolean): string => {
  const rows = sorted(report, verbose).filter(({ finding }) => verbose || finding !== 'NOT RUN');
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  return [
    ...rows.flatMap(({ name, section, expected, received, finding }) => [
      `${finding.padEnd(10)}  ${name.padEnd(width)}  ${section}`,
      `            expected  ${printable(expected, outcomeCharacters)}`,
      ...(finding === 'NOT RUN' ? [] : [`            received  ${printable(received, outcomeCharacters)}`]),
    ]),
    ...(rows.length > 0 ? [''] : []),
    ...downText(report),
    countsText(report),
    '',
  ].join('\n');
};

/** The report as a document, with every case. */
export const reportMarkdown = (report: ConformanceReport, url: string): string =>
  [
    '# Conformance to JSON-RPC 2.0 and RFC 6455',
    '',
    `Service: \`${url}\`. ${countsText(report)}.`,
    '',
    ...downText(report).flatMap((line) => [`**${line}**`, '']),
    ...markdownTable(
      ['finding', 'case', 'section', 'expected', 'received'],
      sorted(report, true).map(({ finding, name, section, expected, received }) => [
        finding,
        `\`${name}\``,
        section,
        markdownText(expected, outcomeCharacters),
        markdownText(received, outcomeCharacters),
      ]),
    ),
    '',
  ].join('\n');

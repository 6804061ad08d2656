import type { ExpectedComparison, ExpectedDifference } from '../../lib/results/record-schema.ts';
import { folded } from '../../lib/text/fold.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';
import type { ExpectedFindings } from './expected-findings.ts';

const differenceLines = (kind: string, { scenario, name, expected, received }: ExpectedDifference): string[] =>
  [
    `  ${kind.padEnd(9)} ${printable(`${scenario} ${name}`.trim(), 200)}`,
    `            expected ${printable(expected, outcomeCharacters)}`,
    `            received ${printable(received, outcomeCharacters)}`,
  ].map((line) => folded(line));

const countOf = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

/** Expectations that were not asked for the same reason are one line. */
const notAskedLines = (differences: readonly ExpectedDifference[]): string[] => {
  const names = new Map<string, string[]>();
  for (const { scenario, name, received } of differences) {
    const key = `${scenario}: ${printable(received, 300)}`.replace(/^: /, '');
    names.set(key, [...(names.get(key) ?? []), name]);
  }
  return [...names].map(([reason, mine]) =>
    folded(`  not asked ${reason} (${mine.length > 8 ? `${mine.length} cases` : mine.join(', ')})`),
  );
};

const nameOf = ({ name, version }: { name?: string | undefined; version?: string | undefined }): string =>
  [name, version].filter((part) => part !== undefined).join(' ') || 'an unknown service';

/** The service that a list is from, where the run's is another; undefined where it is the same or not known. */
export const otherService = (
  listed: ExpectedFindings['service'],
  service: { name?: string | undefined; version?: string | undefined },
): string | undefined => {
  const isSame =
    (listed?.name === undefined || listed.name === service.name) &&
    (listed?.version === undefined || listed.version === service.version);
  return listed === undefined || isSame
    ? undefined
    : `The list is from ${printable(nameOf(listed), 100)}; the run's service is ${printable(nameOf(service), 100)}.`;
};

/** How a run compares with a list of expected findings, for a terminal. */
export const comparisonText = (
  file: string,
  { met, new: found, missing, notAsked }: ExpectedComparison,
  other: string | undefined,
): string => {
  const isDifferent = found.length + missing.length > 0;
  return [
    `${countOf(met, 'finding', 'findings')} as expected, ${found.length} new, ${missing.length} vanished or changed (${file})`,
    ...found.flatMap((each) => differenceLines('new', each)),
    ...missing.flatMap((each) => differenceLines(isGone(each) ? 'vanished' : 'changed', each)),
    ...notAskedLines(notAsked),
    ...(other === undefined ? [] : [`  ${other}`].map((line) => folded(line))),
    ...(isDifferent
      ? [folded(`  If this is how the service is meant to be: run again with --write-expect ${file}`)]
      : []),
    '',
    '',
  ].join('\n');
};

const isGone = ({ received }: ExpectedDifference): boolean => ['conforming', 'PASS', 'no such case'].includes(received);

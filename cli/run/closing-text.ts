import { closingOf } from '../../lib/results/closing.ts';
import type { Result } from '../../lib/results/result-schema.ts';
import { folded } from '../../lib/text/fold.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';

const line = (indent: number, text: string): string =>
  folded(`${' '.repeat(indent)}${printable(text, outcomeCharacters)}`);

const labelled = (label: string, text: string): string =>
  folded(`    ${label.padEnd(9)} ${printable(text, outcomeCharacters)}`, 14);

/** What a run says at its end: the sentence, and the main causes with what is known of each; at most 80 columns. */
export const closingText = (result: Result): string => {
  const { sentence, causes, more, proven } = closingOf(result);
  return [
    line(0, sentence),
    ...causes.flatMap(({ sentence: cause, lines }) =>
      ['', line(2, cause)].concat(lines.map(({ label, text }) => labelled(label, text))),
    ),
    ...(more === undefined ? [] : ['', line(2, `and ${more}`)]),
    ...(proven.length > 0 && causes.length > 0 ? [''] : []),
    ...proven.map((each) => line(2, each)),
    '',
  ].join('\n');
};

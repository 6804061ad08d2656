import { columns } from '../../lib/text/fold.ts';

/** Breaks a text into lines of at most `width` characters, at blanks. */
const wrap = (text: string, width: number): string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
};

/** A paragraph of a help text, wrapped at the width of a terminal. */
export const wrapped = (text: string): string => wrap(text, columns).join('\n');

const indent = ' '.repeat(28);

/** One entry of a help text: its form in the left column, its description wrapped in the right one. */
export const helpEntry = (form: string, description: string): string => {
  const lines = wrap(description, columns - indent.length);
  const left = `  ${form}`;
  const [first = '', ...rest] = lines;
  const head = left.length + 1 < indent.length ? [left.padEnd(indent.length) + first] : [left, indent + first];
  return [...head, ...rest.map((line) => indent + line)].join('\n');
};

import { withoutCiCommands } from '../../lib/text/fold.ts';

// What others write may move a terminal's cursor, turn the text around it, or worse.
// oxlint-disable-next-line no-control-regex -- they are what is taken out
const controls = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;

/** A text that came from elsewhere, on one line and of at most so many characters, fit for a terminal. */
export const printable = (text: string, maxLength: number): string => {
  const line = withoutCiCommands(text.replaceAll(controls, ' ').trim());
  return line.length > maxLength ? `${line.slice(0, maxLength)}…` : line;
};

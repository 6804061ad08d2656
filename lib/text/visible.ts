const plainAscii = /^[ -~]*$/;
const withLineBreaks = /^[\n -~]*$/;

/**
 * What a reader can't see, or can't tell from something else, or what a terminal obeys: controls, blanks other than the usual one, marks
 * of width zero and of direction, fillers, separators of lines, variation selectors, tags, private characters, halves of surrogate pairs.
 */
const concealed =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- they are what is made visible
  /[\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u070f\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\u{1bca0}-\u{1bca3}\u{1d159}\u{1d173}-\u{1d17a}\u{e0000}-\u{10ffff}]/gu;

const short: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Characters as JSON escapes them, whatever they are. */
const escaped = (characters: string): string => {
  let text = '';
  for (let at = 0; at < characters.length; at++) {
    text += short[characters[at] ?? ''] ?? `\\u${characters.charCodeAt(at).toString(16).padStart(4, '0')}`;
  }
  return text;
};

/** A text of others on one line, with what can't be seen in it escaped as in JSON; what was made visible before stays as it is. */
export const visible = (text: string): string => (plainAscii.test(text) ? text : text.replaceAll(concealed, escaped));

/** The first characters of a text, not the half of one at its end, and … where there are more. */
export const cutTo = (text: string, most: number): string => {
  if (text.length <= most) return text;
  const code = text.charCodeAt(most - 1);
  return `${text.slice(0, code >= 0xd800 && code < 0xdc00 ? most - 1 : most)}…`;
};

/**
 * A text in which a CI system finds no command: GitHub obeys `::error::` at the begin of a line, which folding can make of any word,
 * and `##[`, Azure `##vso[`.
 */
const withoutCiCommands = (text: string): string =>
  text.replaceAll(/(?<=^|\s)::/g, String.raw`\u003a:`).replaceAll(/##(?=\w*\[)/g, String.raw`#\u0023`);

/** A text of others on one line, without what a reader can't see and what a terminal or a CI system would obey. */
export const plain = (text: string): string => withoutCiCommands(visible(text));

/** The same of a text that has lines of its own. */
export const plainLines = (text: string): string => text.split('\n').map(plain).join('\n');

/** A value as JSON that any reader of JSON takes for the same, in which everything can be seen; its own line breaks stay. */
export const visibleJson = (value: object | string | number | boolean | null, indent?: number): string => {
  const json = JSON.stringify(value, undefined, indent);
  const lines = withLineBreaks.test(json) ? json : json.split('\n').map(visible).join('\n');
  return lines.replaceAll(/##(?=\w*\[)/g, String.raw`#\u0023`);
};

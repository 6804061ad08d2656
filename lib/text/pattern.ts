/** Source of a regular expression: characters that JSON writes as they are in a string, printable ASCII but for `"` and `\\`. */
export const plainText = String.raw`[ !#-[\]-~]*`;

/** A text as the source of a regular expression that matches just it. */
export const quoted = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);

/**
 * The source of a regular expression without its `^` and `$`, where it has both and can be seen to match plain text alone: characters and
 * classes of them, each with a quantifier or none. Undefined for any other.
 */
export const plainForm = (source: string): string | undefined =>
  /^\^((?:(?:[\w !#%&',/:;<=>@~-]|\\[dw.]|\[(?:[a-z]-[a-z]|[A-Z]-[A-Z]|\d-\d|[\w !#%&'(),./:;<=>@~+*])+-?\])(?:[*+?]|\{\d+(?:,\d*)?\})?)*)\$$/.exec(
    source,
  )?.[1];

const compiled = new Map<string, RegExp>();
const mostCompiled = 50;

/** A regular expression of the source; compiled once for sessions that have the same. */
export const patternOf = (source: string): RegExp => {
  const known = compiled.get(source);
  if (known) return known;
  const made = new RegExp(source);
  if (compiled.size < mostCompiled) compiled.set(source, made);
  return made;
};

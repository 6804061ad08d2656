/** Columns that a terminal is taken to have. */
export const columns = 80;

// oxlint-disable-next-line no-control-regex -- a colour is made of them
const colour = /\u001b\[\d+m/g;

/** Breaks a line at blanks where it is longer than a terminal is wide; what follows stands a little further in. Colours take no room. */
export const folded = (line: string, indent = line.search(/\S/) + 4): string => {
  const invisible = line.length - line.replaceAll(colour, '').length;
  if (line.length - invisible <= columns) return line;
  const start = line.search(/\S/);
  const last = line.lastIndexOf(' ', columns + invisible);
  // Where there is no blank so early, the next one.
  const at = last > start ? last : line.indexOf(' ', Math.max(start, columns + invisible));
  if (at < 0) return line;
  return `${line.slice(0, at).trimEnd()}\n${folded(' '.repeat(indent) + line.slice(at).trimStart(), indent)}`;
};

import { printable } from './printable.ts';

/** Any text for Markdown, in a table's cell too: one line without markup, of limited length. */
export const markdownText = (text: string, maxLength = 160): string =>
  printable(text, maxLength)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[\\`*_[\]|~#!]/g, String.raw`\$&`);

/** The lines of a table in Markdown, from cells that are Markdown already; a column whose name ends in a colon is one of numbers. */
export const markdownTable = (columns: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  [
    columns.map((column) => column.replace(/:$/, '')),
    columns.map((column) => (column.endsWith(':') ? '---:' : '---')),
    ...rows,
  ].map((cells) => `| ${cells.join(' | ')} |`);

import { parseArgs, type ParseArgsConfig } from 'node:util';
import { messageOf } from '../../lib/text/errors.ts';
import { columns } from '../../lib/text/fold.ts';
import { refusal, settingsTable, type SettingRow } from '../../lib/load/settings.ts';
import { suggestion } from '../../lib/text/suggestion.ts';

const optionName = ({ flag }: SettingRow): string => flag.slice(2);

/** node:util's `parseArgs` options, one a setting. */
export const settingsOptions = (): NonNullable<ParseArgsConfig['options']> =>
  Object.fromEntries(
    settingsTable().map((row) => [
      optionName(row),
      { type: row.type === 'boolean' ? ('boolean' as const) : ('string' as const) },
    ]),
  );

/** A value as `parseArgs` returns it. */
export type ParsedOption = string | boolean | (string | boolean)[] | undefined;

/** The `STRESS_…` variables that the parsed options stand for. */
export const settingsEnvironment = (values: Readonly<Record<string, ParsedOption>>): Record<string, string> =>
  Object.fromEntries(
    settingsTable().flatMap((row) => {
      const value = values[optionName(row)];
      return value === undefined ? [] : [[row.name, String(value)]];
    }),
  );

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

const indent = ' '.repeat(28);

/** What is wrong with the options, from what `parseArgs` threw, with the nearest option where one is unknown. */
export const optionProblem = (error: unknown, known: readonly string[]): string => {
  const message = messageOf(error);
  const [, unknown] = /^Unknown option '(-[^']*)'/.exec(message) ?? [];
  if (unknown === undefined) return `${message}; --help lists the options`;
  const flags = known.map((name) => `--${name}`);
  return `no such option: ${unknown}${suggestion(unknown, flags)}; --help lists them, and k6's own stand after --`;
};

/** The options that were given an empty value, as problems. */
export const emptyOptions = (values: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(values)
    .filter(([, value]) => value === '')
    .map(([name]) => `--${name}: expected a value, received nothing`);

/** Says what is wrong with the options; returns the exit code. */
export const refuse = (problems: readonly string[]): number => {
  console.error(refusal(problems));
  return 2;
};

/**
 * Reads a command's arguments: what is given, or the exit code where that was all, 0 after its help and what `refused` returns
 * after options that it does not have.
 */
export const readOptions = <Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
  help: string,
  refused: (problems: readonly string[]) => number = refuse,
): number | ReturnType<typeof parseArgs<{ options: Options; allowPositionals: true }>> => {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    return refused([optionProblem(error, Object.keys(options))]);
  }
  if ((parsed.values as { help?: boolean }).help !== true) return parsed;
  process.stdout.write(help);
  return 0;
};

/** One option of a help text: its form in the left column, its description wrapped in the right one. */
export const helpEntry = (form: string, description: string): string => {
  const lines = wrap(description, columns - indent.length);
  const left = `  ${form}`;
  const [first = '', ...rest] = lines;
  const head = left.length < indent.length ? [left.padEnd(indent.length) + first] : [left, indent + first];
  return [...head, ...rest.map((line) => indent + line)].join('\n');
};

/** The settings part of `ws-stress run --help`. */
export const settingsHelp = (): string =>
  settingsTable()
    .map((row) => {
      const form = row.type === 'boolean' ? row.flag : `${row.flag} ${row.type.toUpperCase()}`;
      const unit = row.unit === undefined ? '' : `, ${row.unit}`;
      const fallback = row.default === undefined ? '' : ` Default: ${row.default}.`;
      return helpEntry(form, `${row.description}${unit}.${fallback} [${row.name}]`);
    })
    .join('\n');

import { visibleJson } from '../text/visible.ts';
import { withoutMark } from '../text/byte-order-mark.ts';
import { isObject } from '../jsonrpc/messages.ts';
import { classForm, longestClass, maxClasses, type Command, type Proof } from './command.ts';

/** A value in an error message. */
export const show = (value: unknown): string => (value === undefined ? 'nothing' : visibleJson(value));

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0;

const isPattern = (value: unknown): boolean => {
  try {
    return typeof value === 'string' && RegExp(value) instanceof RegExp;
  } catch {
    return false;
  }
};

const unknownMembers = (value: Record<string, unknown>, known: readonly string[], where: string): string[] =>
  Object.keys(value)
    .filter((member) => !known.includes(member))
    .map((member) => `${where}: unknown member "${member}"; known are ${known.join(', ')}`);

const isNumbered = (value: unknown): boolean =>
  isObject(value) &&
  typeof value.line === 'string' &&
  value.line.split('{i}').length === 2 &&
  isCount(value.from) &&
  isCount(value.to) &&
  value.from <= value.to;

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === 'string');

const count = { isFine: isCount, expected: 'a whole number of 0 or more' };
const pattern = { isFine: isPattern, expected: 'a regular expression' };
const expectedNumbered = '{"line": "… {i} …" with {i} once, "from": N, "to": M} with 0 <= N <= M';

/** What each member of a proof may be. */
const proofMembers: Readonly<Record<keyof Proof, { isFine: (value: unknown) => boolean; expected: string }>> = {
  exitCode: { isFine: Number.isInteger, expected: 'a whole number' },
  lines: { isFine: isTexts, expected: 'a list of texts' },
  numbered: { isFine: isNumbered, expected: expectedNumbered },
  pattern,
  each: pattern,
  count,
  maxLines: count,
  minDurationMs: count,
};

const proofProblems = (proof: unknown, where: string): string[] => {
  if (!isObject(proof)) return [`${where}: expected a proof, such as {"lines": ["done"]}, received ${show(proof)}`];
  const { lines, numbered } = proof;
  return [
    ...unknownMembers(proof, Object.keys(proofMembers), `${where}.proof`),
    ...Object.entries(proofMembers)
      .filter(([name, { isFine }]) => proof[name] !== undefined && !isFine(proof[name]))
      .map(([name, { expected }]) => `${where}.proof.${name}: expected ${expected}, received ${show(proof[name])}`),
    ...(isObject(numbered) && isNumbered(numbered)
      ? unknownMembers(numbered, ['line', 'from', 'to'], `${where}.proof.numbered`)
      : []),
    ...(lines !== undefined && numbered !== undefined
      ? [`${where}.proof: expected lines or numbered, received both`]
      : []),
  ];
};

const isClass = (value: unknown): boolean =>
  typeof value === 'string' && value.length <= longestClass && new RegExp(`^${classForm}$`).test(value);

/** What is wrong with a command and its proof. */
export const commandProblems = (command: unknown, where: string): string[] => {
  if (!isObject(command)) return [`${where}: expected an object, received ${show(command)}`];
  const problems = unknownMembers(command, ['name', 'class', 'command', 'proof'], where);
  for (const name of ['name', 'command']) {
    const value = command[name];
    if (typeof value !== 'string' || value.trim() === '') {
      problems.push(`${where}.${name}: expected a text, received ${show(value)}`);
    }
  }
  if (!isClass(command.class)) {
    problems.push(
      `${where}.class: expected a class in kebab-case of at most ${longestClass} characters, such as simple or high-output, received ${show(command.class)}`,
    );
  }
  return [...problems, ...proofProblems(command.proof, where)];
};

const classesProblems = (commands: readonly unknown[]): string[] => {
  const classes = new Set(commands.map((command) => (isObject(command) ? command.class : undefined)).filter(isClass));
  return classes.size > maxClasses
    ? [
        `commands: expected at most ${maxClasses} different classes, received ${classes.size}; give commands that are judged alike the same class, and select a single one by its name: command_duration{command:name}`,
      ]
    : [];
};

/** The problems of a command set as parsed from JSON (docs/command-sets.md); none means that it is one. */
const commandSetProblems = (set: unknown): string[] => {
  if (!isObject(set) || set.version !== 1 || !Array.isArray(set.commands) || set.commands.length === 0) {
    return [`expected {"version": 1, "commands": [at least one command]}, received ${show(set)?.slice(0, 120)}`];
  }
  return [
    ...unknownMembers(set, ['$schema', 'version', 'commands'], 'the file'),
    ...set.commands.flatMap((command: unknown, index: number) => commandProblems(command, `commands[${index}]`)),
    ...classesProblems(set.commands),
  ];
};

/** The commands of a set, or its problems, all of them. `text` is the JSON file's. */
export const parseCommandSet = (text: string): { commands: Command[] } | { problems: string[] } => {
  let set: unknown;
  try {
    set = JSON.parse(withoutMark(text));
  } catch (error) {
    return { problems: [`expected JSON: ${error instanceof Error ? error.message : String(error)}`] };
  }
  const problems = commandSetProblems(set);
  return problems.length > 0 ? { problems } : { commands: (set as { commands: Command[] }).commands };
};

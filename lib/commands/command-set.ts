import { isObject } from '../jsonrpc/messages.ts';
import { classForm, longestClass, maxClasses, type Command } from './command.ts';

/** A value in an error message. */
export const show = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));

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

const proofProblems = (proof: unknown, where: string): string[] => {
  if (!isObject(proof)) return [`${where}: expected a proof, such as {"lines": ["done"]}, received ${show(proof)}`];
  const problems = unknownMembers(
    proof,
    ['exitCode', 'lines', 'numbered', 'pattern', 'each', 'count', 'maxLines', 'minDurationMs'],
    `${where}.proof`,
  );
  const { exitCode, lines, numbered, pattern, each, count, maxLines, minDurationMs } = proof;
  if (exitCode !== undefined && !Number.isInteger(exitCode)) {
    problems.push(`${where}.proof.exitCode: expected a whole number, received ${show(exitCode)}`);
  }
  if (lines !== undefined && !(Array.isArray(lines) && lines.every((line) => typeof line === 'string'))) {
    problems.push(`${where}.proof.lines: expected a list of texts, received ${show(lines)}`);
  }
  if (numbered !== undefined) {
    const whole =
      isObject(numbered) &&
      typeof numbered.line === 'string' &&
      numbered.line.split('{i}').length === 2 &&
      isCount(numbered.from) &&
      isCount(numbered.to) &&
      numbered.from <= numbered.to;
    if (!whole) {
      problems.push(
        `${where}.proof.numbered: expected {"line": "… {i} …" with {i} once, "from": N, "to": M} with 0 <= N <= M, received ${show(numbered)}`,
      );
    } else {
      problems.push(...unknownMembers(numbered, ['line', 'from', 'to'], `${where}.proof.numbered`));
    }
    if (lines !== undefined) problems.push(`${where}.proof: expected lines or numbered, received both`);
  }
  for (const [name, value] of Object.entries({ pattern, each })) {
    if (value !== undefined && !isPattern(value)) {
      problems.push(`${where}.proof.${name}: expected a regular expression, received ${show(value)}`);
    }
  }
  for (const [name, value] of Object.entries({ count, maxLines, minDurationMs })) {
    if (value !== undefined && !isCount(value)) {
      problems.push(`${where}.proof.${name}: expected a whole number of 0 or more, received ${show(value)}`);
    }
  }
  return problems;
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
    set = JSON.parse(text);
  } catch (error) {
    return { problems: [`expected JSON: ${error instanceof Error ? error.message : String(error)}`] };
  }
  const problems = commandSetProblems(set);
  return problems.length > 0 ? { problems } : { commands: (set as { commands: Command[] }).commands };
};

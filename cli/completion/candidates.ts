import { shippedCommandSets } from '../../lib/load/settings.ts';
import { resultsToRead } from '../results/results-layout.ts';
import { optionsOf } from '../shared/command-help.ts';
import type { CommandDeclaration, CommandGroup, OptionDeclaration } from '../shared/command.ts';
import { allScenarios, scenarioNames } from '../shared/scenarios.ts';

/** What the shell completes itself. */
const paths = { file: ':file', folder: ':folder' } as const;

/** Lists of scenarios that begin as `current` does, each with one more scenario that is not in it yet. */
const scenarioLists = (current: string): readonly string[] => {
  const before = current.split(',').slice(0, -1);
  return allScenarios()
    .filter(({ name, scenarios }) => scenarios === undefined && !before.includes(name))
    .map(({ name }) => [...before, name].join(','));
};

const valuesOf = ({ choices, completions, takes }: OptionDeclaration, current: string): readonly string[] => {
  if (choices !== undefined) return choices;
  if (completions !== undefined) return completions;
  if (takes === 'commands') return [...shippedCommandSets, paths.file];
  if (takes === 'scenarios') return scenarioLists(current);
  if (takes === 'scenario') return scenarioNames();
  return takes === 'file' || takes === 'folder' ? [paths[takes]] : [];
};

/** What can follow a command's name and the words after it. */
const ofCommand = async (
  command: CommandDeclaration,
  before: readonly string[],
  current: string,
): Promise<readonly string[]> => {
  if (before.includes('--')) return [paths.file];
  const options = optionsOf(command);
  const optionIn = (word: string | undefined): OptionDeclaration | undefined =>
    word?.startsWith('--') === true ? options[word.slice(2)] : undefined;
  const last = optionIn(before.at(-1));
  if (last?.takes !== undefined) return valuesOf(last, current);
  if (current.startsWith('-')) {
    const left = Object.entries(options).filter(
      ([name, { repeatable }]) => repeatable === true || !before.includes(`--${name}`),
    );
    return [...left.map(([name]) => `--${name}`), '--help'];
  }
  const given = before.filter((word, index) => !word.startsWith('-') && !optionIn(before[index - 1])?.takes).length;
  const { arguments: taken = [] } = command;
  const argument = taken[given] ?? (taken.at(-1)?.variadic === true ? taken.at(-1) : undefined);
  const folder = before.includes('--folder') ? before[before.indexOf('--folder') + 1] : undefined;
  return [
    ...((await argument?.choices?.(folder ?? resultsToRead())) ?? []),
    ...(argument?.isPath === true ? [paths.file] : []),
  ];
};

const after = async (group: CommandGroup, words: readonly string[], current: string): Promise<readonly string[]> => {
  const [first, ...rest] = words;
  if (first === undefined && !current.startsWith('-')) {
    return [...group.commands.filter(({ isHidden }) => isHidden !== true).map(({ name }) => name), 'help'];
  }
  if (first === 'help') return after(group, rest, current);
  const isNamed = first !== undefined && !first.startsWith('-');
  const entry = group.commands.find(({ name }) => name === (isNamed ? first : group.otherwise));
  if (entry === undefined) return first === undefined ? ['--help'] : [];
  const command = await entry.load();
  if (typeof command === 'function') return [];
  const others = isNamed ? rest : words;
  return 'commands' in command ? after(command, others, current) : ofCommand(command, others, current);
};

/**
 * What can stand in place of the last of the words that follow `ws-stress` on a command line, those that begin as it does;
 * `:file` and `:folder` are for the shell to complete.
 */
export const candidates = async (program: CommandGroup, words: readonly string[]): Promise<string[]> => {
  const current = words.at(-1) ?? '';
  const found = await after(program, words.slice(0, -1), current);
  return found.filter((each) => each.startsWith(current) || each === paths.file || each === paths.folder);
};

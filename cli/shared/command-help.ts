import { Argument, Command, Option } from 'commander';
import { columns } from '../../lib/text/fold.ts';
import type { ArgumentDeclaration, CommandDeclaration, CommandGroup, OptionDeclaration, Options } from './command.ts';
import { helpEntry, wrapped } from './help-entry.ts';
import { settingsOptions } from './settings-options.ts';

/** All options of a command, its settings among them, by the order of its groups. */
export const optionsOf = ({ options, settings, groups = [] }: CommandDeclaration): Options => {
  const all = Object.entries({ ...settingsOptions(settings?.() ?? []), ...options });
  const place = ([, { group = '' }]: [string, OptionDeclaration]): number => groups.indexOf(group);
  return Object.fromEntries(all.toSorted((a, b) => place(a) - place(b)));
};

/** An option as help shows it, as in `--junit <file>`. */
const optionForm = (name: string, { takes, choices }: OptionDeclaration): string =>
  takes === undefined ? `--${name}` : `--${name} <${choices?.join('|') ?? takes}>`;

/** A command's description as one text. */
const descriptionOf = ({ description }: CommandDeclaration): string =>
  typeof description === 'string' ? description : description();

const argumentForm = ({ name, required, variadic }: ArgumentDeclaration): string => {
  const shown = variadic === true ? `${name}...` : name;
  return required === true ? `<${shown}>` : `[${shown}]`;
};

/** What follows a command's name in its usage. */
const usageOf = ({ arguments: taken = [], takesK6Options }: CommandDeclaration): string =>
  [...taken.map(argumentForm), '[options]', ...(takesK6Options === true ? ['[-- k6 options]'] : [])].join(' ');

const isRepeatable = (value: string, before: readonly string[] = []): string[] => [...before, value];

const commanderOption = (name: string, declared: OptionDeclaration): Option => {
  const option = new Option(optionForm(name, declared), declared.description);
  if (declared.group !== undefined) option.helpGroup(`${declared.group}:`);
  if (declared.repeatable === true) option.argParser(isRepeatable);
  return option;
};

const helpOption = (group: string | undefined): Option => {
  const option = new Option('-h, --help', 'Show this.');
  return group === undefined ? option : option.helpGroup(`${group}:`);
};

const layout = {
  helpWidth: columns,
  formatItem: (term: string, _width: number, description: string): string => helpEntry(term, description),
};

const examplesText = (examples: readonly string[]): string =>
  [
    examples.length === 1 ? 'Example:' : 'Examples:',
    ...examples.map((each) => `  ${each.replaceAll('\n', '\n  ')}`),
  ].join('\n');

/** A command as commander has it, for its parser and its help; `path` is how it is called. */
export const commanderCommand = (declaration: CommandDeclaration, path: readonly string[]): Command => {
  const { groups, notes, examples = [], arguments: taken = [] } = declaration;
  const command = new Command(path.join(' '))
    .usage(usageOf(declaration))
    .description(descriptionOf(declaration))
    .allowUnknownOption()
    .configureHelp(layout)
    .addHelpOption(helpOption(groups?.at(-1)));
  for (const each of taken) command.addArgument(new Argument(argumentForm(each)));
  for (const [option, declared] of Object.entries(optionsOf(declaration))) {
    command.addOption(commanderOption(option, declared));
  }
  if (notes !== undefined) command.addHelpText('after', `\n${notes()}\n`);
  if (examples.length > 0) command.addHelpText('after', `\n${examplesText(examples)}\n`);
  return command;
};

/** The list of a group's commands, as commander has it. */
export const commanderList = ({ description, commands, footer }: CommandGroup, path: readonly string[]): Command => {
  const list = new Command(path.join(' '))
    .usage('<command> [options]')
    .description(description)
    .configureHelp({ ...layout, subcommandTerm: (command) => command.name() })
    .helpCommand(false)
    .addHelpOption(helpOption(undefined));
  for (const { name, summary, task } of commands.filter(({ isHidden }) => isHidden !== true)) {
    const command = new Command(name).summary(summary);
    if (task !== undefined) command.helpGroup(`${task}:`);
    list.addCommand(command);
  }
  const last = [`${path.join(' ')} <command> --help shows the options of a command.`, footer ?? ''];
  return list.addHelpText('after', `\n${last.filter(Boolean).map(wrapped).join('\n')}\n`);
};

/** The text of a command's help. */
export const helpText = (command: Command): string => {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return `${text.trimEnd().replaceAll(/\n{3,}/g, '\n\n')}\n`;
};

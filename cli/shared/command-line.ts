import type { Command } from 'commander';
import { closest, suggestion } from '../../lib/text/suggestion.ts';
import type { CommandDeclaration, CommandGroup, Given, Options, ParsedOption } from './command.ts';
import { commanderCommand, commanderList, helpText, optionsOf } from './command-help.ts';
import { withShownUrls } from '../../lib/load/settings.ts';
import { refuse, refusing } from './refusal.ts';
import { settingsEnvironment } from './settings-options.ts';

const isOption = (arg: string): boolean => arg.length > 1 && arg.startsWith('-');

/** Takes out the options that lack their value, and an option is no value. */
const withoutLacking = (args: readonly string[], options: Options): { kept: string[]; problems: string[] } => {
  const problems: string[] = [];
  const kept = args.filter((arg, index) => {
    const takes = arg.startsWith('--') ? options[arg.slice(2)]?.takes : undefined;
    const next = args[index + 1];
    if (takes === undefined || (next !== undefined && !isOption(next))) return true;
    problems.push(
      next === undefined
        ? `${arg}: expected a value, received nothing`
        : `${arg}: expected a value, received the next option; a value that begins with - is written ${arg}=-…`,
    );
    return false;
  });
  return { kept, problems };
};

/** What commander did not know: options that do not exist, and arguments behind them. */
const sortUnknown = (
  unknown: readonly string[],
  options: Options,
  hint: string,
): { problems: string[]; positionals: string[] } => {
  const flags = Object.keys(options).map((name) => `--${name}`);
  const problems: string[] = [];
  const positionals: string[] = [];
  const rest = [...unknown];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (!isOption(arg)) {
      positionals.push(arg);
      continue;
    }
    const [flag = arg] = arg.split('=', 1);
    if (flags.includes(flag)) {
      problems.push(`${flag}: expected without a value`);
      continue;
    }
    problems.push(`no such option: ${flag}${suggestion(flag, flags)}; --help lists them${hint}`);
    const meant = options[closest(flag, flags)?.slice(2) ?? ''];
    if (meant?.takes !== undefined && flag === arg && rest[0] !== undefined && !isOption(rest[0])) rest.shift();
  }
  return { problems, positionals };
};

/** The arguments that are too many. */
const surplus = ({ arguments: taken = [] }: CommandDeclaration, positionals: readonly string[]): string[] => {
  if (taken.at(-1)?.variadic === true || positionals.length <= taken.length) return [];
  const extra = positionals.slice(taken.length).join(' ');
  if (taken.length === 0) return [`expected options only, received ${extra}`];
  return [
    `expected ${taken.length === 1 ? `one ${taken[0]?.name}` : taken.map(({ name }) => name).join(' and ')}, received also ${extra}`,
  ];
};

/** Reads what the user typed after a command's name; `help` where its help was asked for. */
const readCommandLine = (
  declaration: CommandDeclaration,
  path: readonly string[],
  argv: readonly string[],
): Given<Options> | 'help' => {
  const split = argv.indexOf('--');
  const [before, after] = split < 0 ? [argv, []] : [argv.slice(0, split), argv.slice(split + 1)];
  const options = optionsOf(declaration);
  const { takesK6Options, notDone } = declaration;
  const lacking = withoutLacking(before, options);
  const command = commanderCommand(declaration, path);
  const { operands, unknown } = command.parseOptions(lacking.kept);
  if (unknown.some((arg) => arg === '--help' || arg === '-h')) return 'help';
  const hint = takesK6Options === true ? ', and those of k6 follow --' : '';
  const { problems, positionals } = sortUnknown(unknown, options, hint);
  const values = Object.fromEntries(
    command.options.map((option) => [option.name(), command.getOptionValue(option.attributeName()) as ParsedOption]),
  );
  const given = [...operands, ...positionals, ...(takesK6Options === true ? [] : after)];
  return {
    values,
    asked: settingsEnvironment(values, declaration.settings?.() ?? []),
    positionals: given,
    k6Args: takesK6Options === true ? after : [],
    problems: [
      ...problems,
      ...lacking.problems,
      ...surplus(declaration, given),
      ...Object.entries(values)
        .filter(([name, value]) => value === '' && options[name]?.mayBeEmpty !== true)
        .map(([name]) => `--${name}: expected a value, received nothing`),
    ],
    refuse: notDone === undefined ? refuse : refusing(notDone),
  };
};

const unknownCommand = (path: readonly string[], name: string, { commands }: CommandGroup): number => {
  const names = commands.filter(({ isHidden }) => isHidden !== true).map((each) => each.name);
  const ofGroup = path.slice(1);
  const all = ofGroup.length > 0 ? ` (${names.join(', ')})` : '';
  console.error(
    `ws-stress: no such command: ${withShownUrls([...ofGroup, name].join(' '))}${suggestion(name, names)}${all}`,
  );
  console.error(`${path.join(' ')} --help lists the commands.`);
  return 2;
};

const printed = (command: Command): number => {
  process.stdout.write(helpText(command));
  return 0;
};

/** Runs the command that the arguments name, or prints the help that they ask for; returns the exit code. */
export const runCommandLine = async (
  path: readonly string[],
  group: CommandGroup,
  argv: readonly string[],
): Promise<number> => {
  const [first, ...others] = argv;
  if (first === 'help') return runCommandLine(path, group, [...others, '--help']);
  if (first === '--help' || first === '-h') return printed(commanderList(group, path));
  const isNamed = first !== undefined && !first.startsWith('-');
  const name = isNamed ? first : group.otherwise;
  if (name === undefined) {
    return first === undefined ? printed(commanderList(group, path)) : unknownCommand(path, first, group);
  }
  const entry = group.commands.find((each) => each.name === name);
  if (entry === undefined) return unknownCommand(path, name, group);
  const rest = isNamed ? others : argv;
  const command = await entry.load();
  if (typeof command === 'function') return command([...rest]);
  const own = [...path, name];
  if ('commands' in command) return runCommandLine(own, command, rest);
  const given = readCommandLine(command, own, rest);
  return given === 'help' ? printed(commanderCommand(command, own)) : command.act(given);
};

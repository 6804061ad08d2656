import type { SettingRow } from '../../lib/load/settings.ts';

/** One option of a command. One without `takes` is a switch. */
export interface OptionDeclaration {
  description: string;
  /** The kind of its value, which help shows as `<file>`. `file` and `folder` are completed as such. */
  takes?: string;
  /** It can be given several times. */
  repeatable?: true;
  /** An empty value means something. */
  mayBeEmpty?: true;
  /** Its values, where they are few. */
  choices?: readonly string[];
  /** What completion offers for its value, where the values are more than `choices` could show. */
  completions?: readonly string[];
  /** The heading under which help lists it. */
  group?: string;
}

export type Options = Readonly<Record<string, OptionDeclaration>>;

/** What an option can be parsed to. */
export type ParsedOption = string | boolean | readonly string[] | undefined;

type ParsedAs<Declared extends OptionDeclaration> = Declared extends { takes: string }
  ? Declared extends { repeatable: true }
    ? readonly string[]
    : string
  : // Of a declaration that is not known, only that.
    OptionDeclaration extends Declared
    ? ParsedOption
    : boolean;

/** What was given for each option; undefined where it was not. */
export type Values<Declared extends Options> = {
  readonly [Name in keyof Declared]: ParsedAs<Declared[Name]> | undefined;
};

/** What the user typed. */
export interface Given<Declared extends Options> {
  values: Values<Declared>;
  /** The `STRESS_…` variables of the settings that were given as options. */
  asked: Record<string, string>;
  positionals: readonly string[];
  /** What follows `--`. */
  k6Args: readonly string[];
  /** Everything wrong with how the command was typed; the command adds its own problems and refuses all at once. */
  problems: readonly string[];
  /** Reports what is wrong and what was not done because of it; returns the exit code. */
  refuse: (problems: readonly string[]) => number;
}

/** An argument of a command. */
export interface ArgumentDeclaration {
  /** As help shows it, as in `scenario`. */
  name: string;
  required?: true;
  /** Any number of them. */
  variadic?: true;
  /** What completion offers for it; `folder` is the value of --folder, or the default one. */
  choices?: (folder: string) => readonly string[] | Promise<readonly string[]>;
  /** It may be a file or folder, and is completed as such. */
  isPath?: true;
}

/** A setting as an option of a command. */
export interface SettingOption {
  row: SettingRow;
  /** The heading under which help lists it. */
  group?: string;
  /** The row's default is not used. */
  isRequired?: true;
  /** Its variable is not read. */
  isFlagOnly?: true;
  /** Here, where it is not the row's. */
  description?: string;
  /** Here, where it is not the row's. */
  default?: string;
}

/** A command: what help, the parser, completion and docs/command-line.md know of it. */
export interface CommandDeclaration<Declared extends Options = Options> {
  /** Paragraphs, with empty lines between. */
  description: string | (() => string);
  /** None: it takes options only. */
  arguments?: readonly ArgumentDeclaration[];
  options: Declared;
  /** The settings that it takes as options. */
  settings?: () => readonly SettingOption[];
  /** The headings of its options in order, where there are several. */
  groups?: readonly string[];
  /** Options for k6 may follow `--`. */
  takesK6Options?: true;
  /** A further part of its help, with its own headings. */
  notes?: () => string;
  examples?: readonly string[];
  /** What did not happen because of wrong options, as in `Nothing was judged`. Default: nothing was run. */
  notDone?: string;
  /** Does it; returns the exit code. */
  act(given: Given<Declared>): Promise<number>;
}

/** A name before the names of several commands, as in `cloud deploy`. */
export interface CommandGroup {
  description: string;
  commands: readonly CommandEntry[];
  /** The command that runs where none is named. */
  otherwise?: string;
  /** The last line of its help. */
  footer?: string;
}

/** A command in the list of commands. */
export interface CommandEntry {
  name: string;
  /** A line about it. */
  summary: string;
  /** The heading under which the list has it. */
  task?: string;
  /** Neither help nor completion has it. */
  isHidden?: true;
  /** It reads scenarios, so those of a project are built before it runs. */
  usesScenarios?: true;
  /** The command itself; one that is a function reads its arguments by itself. */
  load: () => Loaded | Promise<Loaded>;
}

type Loaded = CommandDeclaration | CommandGroup | ((argv: string[]) => Promise<number>);

/** Checks a command's types, which a list of commands does not know. */
export const declareCommand = <const Declared extends Options>(
  declaration: CommandDeclaration<Declared>,
): CommandDeclaration => ({ ...declaration, act: (given) => declaration.act(given as unknown as Given<Declared>) });

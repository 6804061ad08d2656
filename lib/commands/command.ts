/** A class of commands, as a regular expression: in kebab-case. Criteria select commands by it. */
export const classForm = '[a-z0-9]+(?:-[a-z0-9]+)*';

/** The longest name of a class, characters. */
export const longestClass = 40;

/** The most classes of a command set: each is a value of a tag, and k6 keeps all values of all tags. */
export const maxClasses = 20;

/** Lines that differ by a number alone: `{i}` in `line` runs from `from` to `to`, both included. */
export interface NumberedLines {
  line: string;
  from: number;
  to: number;
}

/** What a command must show to have succeeded, of its stdout and its end; everything given must hold. */
export interface Proof {
  /** Expected exit code; 0 where absent. */
  exitCode?: number;
  /** Exactly these lines, in this order, and no others. */
  lines?: readonly string[];
  /** Exactly these numbered lines, in order, none missing or twice, and no others. */
  numbered?: NumberedLines;
  /** A regular expression that at least one line matches. */
  pattern?: string;
  /** A regular expression that every line matches. */
  each?: string;
  /** Exactly so many lines. */
  count?: number;
  /** At most so many lines. */
  maxLines?: number;
  /** At least so long from the request to completion, milliseconds. */
  minDurationMs?: number;
}

/** A command and its proof. `{session}` in `command`, `lines`, `numbered.line`, `pattern` and `each` is the session's number. */
export interface Command {
  name: string;
  /** In kebab-case. */
  class: string;
  command: string;
  proof: Proof;
}

const mentionsSession = (text: string): boolean => text.includes('{session}');

const fill = (text: string, session: number): string => text.replaceAll('{session}', String(session));

const isSameOf = new WeakMap<Command, boolean>();

/** Whether a command is the same for every session. */
const isSame = (command: Command): boolean => {
  const known = isSameOf.get(command);
  if (known !== undefined) return known;
  const { lines = [], numbered, pattern = '', each = '' } = command.proof;
  const same = ![command.command, numbered?.line ?? '', pattern, each, ...lines].some(mentionsSession);
  isSameOf.set(command, same);
  return same;
};

/** The command as session number `session` runs it: every `{session}` replaced; itself where there is none. */
export const forSession = (command: Command, session: number): Command => {
  if (isSame(command)) return command;
  const { lines = [], numbered, pattern = '', each = '' } = command.proof;
  return {
    ...command,
    command: fill(command.command, session),
    proof: {
      ...command.proof,
      ...(lines.length > 0 && { lines: lines.map((line) => fill(line, session)) }),
      ...(numbered && { numbered: { ...numbered, line: fill(numbered.line, session) } }),
      ...(pattern !== '' && { pattern: fill(pattern, session) }),
      ...(each !== '' && { each: fill(each, session) }),
    },
  };
};

/** The classes of commands; criteria and metrics are told apart by them. */
export const commandClasses = ['simple', 'timed', 'paced', 'burst', 'high-output', 'control'] as const;
export type CommandClass = (typeof commandClasses)[number];

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
  class: CommandClass;
  command: string;
  proof: Proof;
}

const mentionsSession = (text: string): boolean => text.includes('{session}');

const fill = (text: string, session: number): string => text.replaceAll('{session}', String(session));

/** The command as session number `session` runs it: every `{session}` replaced; itself where there is none. */
export const forSession = (command: Command, session: number): Command => {
  const { lines = [], numbered, pattern = '', each = '' } = command.proof;
  if (![command.command, numbered?.line ?? '', pattern, each, ...lines].some(mentionsSession)) return command;
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

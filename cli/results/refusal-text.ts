import { printable } from '../shared/printable.ts';

/** What was not done, and all the reasons, one a line; names of others' making are among them. */
export const refusalText = (what: string, problems: readonly string[]): string =>
  [`${what}.`, ...problems.map((problem) => `  - ${printable(problem, 1000)}`)].join('\n');

/** Says what was not done, and why, for options or what they name; returns the exit code. */
export const refusing =
  (what: string) =>
  (problems: readonly string[]): number => {
    console.error(refusalText(what, problems));
    return 2;
  };

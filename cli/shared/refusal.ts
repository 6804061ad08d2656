import { withShownUrls } from '../../lib/load/settings.ts';
import { printable } from './printable.ts';

/** What was not done, and all the reasons, one a line; they may quote names that others chose. */
export const refusalText = (what: string, problems: readonly string[]): string =>
  [`${what}.`, ...problems.map((problem) => `  - ${printable(withShownUrls(problem), 1000)}`)].join('\n');

/** Reports what was not done, and why; returns the exit code of wrong options. */
export const refusing =
  (what: string) =>
  (problems: readonly string[]): number => {
    console.error(refusalText(what, problems));
    return 2;
  };

/** Reports why nothing was run; returns the exit code. */
export const refuse = refusing('Nothing was run');

/** The problems among what was checked: a text where something is wrong. */
export const problemsIn = (...checks: readonly (string | false | undefined)[]): string[] =>
  checks.filter((each) => typeof each === 'string');

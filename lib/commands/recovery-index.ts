import { isObject } from '../jsonrpc/messages.ts';
import { commandProblems, show } from './command-set.ts';
import type { Command } from './command.ts';

/** Most cases that are kept, and replayed by a run. */
export const maxRecoveryCases = 200;

/** A failure that was kept, as a run replays it. */
export interface ReplayCase {
  /** In kebab-case, at most 100 characters. */
  name: string;
  /** The scenario that failed. */
  test: string;
  /** What it came to, in words. */
  fault: string;
  command: Command;
}

/** Whether a text can be a case's name, and so a file's. */
export const isCaseName = (text: string): boolean => text.length <= 100 && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text);

const isCase = (each: unknown): each is { command: unknown } =>
  isObject(each) &&
  Object.keys(each).toSorted().join() === 'command,fault,name,test' &&
  typeof each.name === 'string' &&
  isCaseName(each.name) &&
  typeof each.test === 'string' &&
  typeof each.fault === 'string';

/** The problems of an index of recovery cases as parsed from JSON (docs/recovery.md); none means that it is one. */
export const recoveryIndexProblems = (index: unknown): string[] => {
  const { version, cases } = (index ?? {}) as { version?: unknown; cases?: unknown };
  if (version !== 1 || !Array.isArray(cases) || cases.length > maxRecoveryCases) {
    return [`expected {"version": 1, "cases": [${maxRecoveryCases} at most]}, received ${show(index).slice(0, 99)}`];
  }
  return cases.flatMap((each: unknown, at) =>
    isCase(each)
      ? commandProblems(each.command, `cases[${at}].command`)
      : [`cases[${at}]: expected name in kebab-case, test, fault, command; received ${show(each).slice(0, 99)}`],
  );
};

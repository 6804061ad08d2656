import defaultThresholds from '../../thresholds.json';
import type { Command } from '../commands/command.ts';
import { parseCommandSet } from '../commands/command-set.ts';
import posix from '../commands/posix.json';
import python from '../commands/python.json';
import { scenarioNames } from '../load/scenario-names.ts';
import { parseSettings, refusal, type Settings } from '../load/settings.ts';
import { parseThresholds, type Criterion } from '../load/thresholds.ts';

/** k6 resolves `open()` against the bundle; a user means the directory they stand in. */
const fromWorkingDirectory = (path: string): string =>
  path.startsWith('/') || __ENV.PWD === undefined ? path : `${__ENV.PWD}/${path}`;

const hint = (path: string): string =>
  path.startsWith('/') || __ENV.PWD !== undefined ? '' : ' (PWD is not known here: give its full path)';

const readFile = (setting: string, path: string, problems: string[]): string | undefined => {
  try {
    return open(fromWorkingDirectory(path));
  } catch {
    problems.push(`${setting}: expected a file that can be read, such as ./file.json; can't read ${path}${hint(path)}`);
    return undefined;
  }
};

const readCommands = (setting: string, problems: string[]): readonly Command[] => {
  if (setting === 'posix') return posix.commands as Command[];
  if (setting === 'python') return python.commands as Command[];
  const text = readFile('STRESS_COMMANDS', setting, problems);
  if (text === undefined) return [];
  const parsed = parseCommandSet(text);
  if ('commands' in parsed) return parsed.commands;
  problems.push(...parsed.problems.map((problem) => `STRESS_COMMANDS ${setting}: ${problem}`));
  return [];
};

const readThresholds = (path: string | undefined, problems: string[]): unknown => {
  if (path === undefined) return defaultThresholds;
  const text = readFile('STRESS_THRESHOLDS', path, problems);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    problems.push(`STRESS_THRESHOLDS ${path}: expected JSON: ${String(error)}`);
    return undefined;
  }
};

/** What a run goes by: its settings, the commands of STRESS_COMMANDS and the thresholds file as parsed from JSON. */
export interface Inputs {
  settings: Settings;
  commands: readonly Command[];
  thresholds: unknown;
  problems: string[];
}

/** Reads everything that a run goes by, in k6's init stage; all problems come together. */
export const readInputs = (): Inputs => {
  const { settings, problems } = parseSettings(__ENV);
  const commands = settings.commands === undefined ? [] : readCommands(settings.commands, problems);
  // Judged in k6's first run of the init stage and in the summary, both of VU 0; no other VU pays for it.
  const thresholds = __VU === 0 ? readThresholds(settings.thresholds, problems) : undefined;
  return { settings, commands, thresholds, problems };
};

/** The criteria of a scenario; what is wrong with them joins the problems. */
export const readCriteria = (inputs: Inputs, test: string, rounds: number): readonly Criterion[] => {
  if (inputs.thresholds === undefined) return [];
  const parsed = parseThresholds(inputs.thresholds, test, rounds, scenarioNames);
  if ('criteria' in parsed) return parsed.criteria;
  const { thresholds } = inputs.settings;
  const where = thresholds === undefined ? 'thresholds.json' : `STRESS_THRESHOLDS ${thresholds}`;
  inputs.problems.push(...parsed.problems.map((problem) => `${where}: ${problem}`));
  return [];
};

/** Ends the init stage where anything is wrong: k6 shows a thrown text as it is, and an Error with its stack. */
export const refuseProblems = ({ problems }: Inputs): void => {
  // oxlint-disable-next-line typescript/only-throw-error -- see above
  if (problems.length > 0) throw refusal(problems);
};

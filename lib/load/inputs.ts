import { withoutMark } from '../text/byte-order-mark.ts';
import { plain } from '../text/visible.ts';
import { parseCommandSet } from '../commands/command-set.ts';
import type { Command } from '../commands/command.ts';
import { recoveryIndexProblems, type ReplayCase } from '../commands/recovery-index.ts';
import posix from '../commands/posix.json';
import python from '../commands/python.json';
import { suggestion } from '../text/suggestion.ts';
import type { ScenarioFacts } from './scenario-facts.ts';
import {
  asVariables,
  parseSettings,
  settingsTable,
  type SettingKey,
  type Settings,
  type Spelling,
} from './settings.ts';
import { parseThresholds, type Criterion, type Lost, type TestRounds } from './thresholds.ts';

/** What a run goes by: its settings, the commands of STRESS_COMMANDS and the thresholds file as parsed from JSON. */
export interface Inputs {
  settings: Settings;
  commands: readonly Command[];
  thresholds: unknown;
  /** The shipped thresholds, which a file may extend. */
  defaultThresholds: unknown;
  /** Those of STRESS_RECOVERY. */
  recovery: readonly ReplayCase[];
  problems: string[];
  /** What the user should know of a run that is not refused. */
  warnings: string[];
  /** How the user spelled a setting. */
  spelled: Spelling;
}

/** Reads a file as text; throws an Error whose message, if any, goes behind the path: `: no such file`. */
export type ReadFile = (path: string) => string;

const tryRead = (read: ReadFile, setting: string, path: string, problems: string[]): string | undefined => {
  try {
    return read(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    problems.push(`${setting}: expected a file that can be read, such as ./file.json; can't read ${path}${why}`);
    return undefined;
  }
};

const readCommands = (read: ReadFile, name: string, setting: string, problems: string[]): readonly Command[] => {
  if (setting === 'posix') return posix.commands;
  if (setting === 'python') return python.commands;
  const text = tryRead(read, name, setting, problems);
  if (text === undefined) return [];
  const parsed = parseCommandSet(text);
  if ('commands' in parsed) return parsed.commands;
  problems.push(...parsed.problems.map((problem) => `${name} ${setting}: ${problem}`));
  return [];
};

const readJson = (read: ReadFile, setting: string, path: string, problems: string[]): unknown => {
  const text = tryRead(read, setting, path, problems);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(withoutMark(text));
  } catch (error) {
    problems.push(`${setting} ${path}: expected JSON: ${plain(String(error))}`);
    return undefined;
  }
};

const readRecovery = (read: ReadFile, name: string, path: string, problems: string[]): readonly ReplayCase[] => {
  const index = readJson(read, name, path, problems);
  if (index === undefined) return [];
  const wrong = recoveryIndexProblems(index);
  problems.push(...wrong.map((problem) => `${name} ${path}: ${problem}`));
  return wrong.length > 0 ? [] : (index as { cases: ReplayCase[] }).cases;
};

/**
 * Reads everything that a run goes by; all problems come together. `defaultThresholds` is thresholds.json as parsed from
 * JSON, or undefined where no criteria are needed: then none are read.
 */
export const readInputs = (
  env: Readonly<Record<string, string | undefined>>,
  read: ReadFile,
  defaultThresholds: unknown,
  spelled: Spelling = asVariables,
): Inputs => {
  const { settings, problems, warnings } = parseSettings(env, spelled);
  const commands =
    settings.commands === undefined ? [] : readCommands(read, spelled('STRESS_COMMANDS'), settings.commands, problems);
  const own = defaultThresholds === undefined ? undefined : settings.thresholds;
  const thresholds =
    own === undefined ? defaultThresholds : readJson(read, spelled('STRESS_THRESHOLDS'), own, problems);
  const recovery =
    settings.recovery === undefined ? [] : readRecovery(read, spelled('STRESS_RECOVERY'), settings.recovery, problems);
  return { settings, commands, thresholds, defaultThresholds, recovery, problems, warnings, spelled };
};

/** Those of the settings that were given, as the user spelled them. */
const given = (settings: Settings, keys: readonly (SettingKey & keyof Settings)[], spelled: Spelling): string[] =>
  settingsTable()
    .filter(({ key }) => keys.some((each) => each === key && settings[each] !== undefined))
    .map(({ name }) => spelled(name));

/** What the settings ask of a run that it can't do: `chosen` are the scenarios of a suite that they leave. */
export const settingConflicts = (
  run: ScenarioFacts,
  settings: Settings,
  chosen: readonly string[],
  spelled: Spelling = asVariables,
): string[] => {
  if (run.scenarios === undefined) {
    const selection = given(settings, ['only', 'skip'], spelled).map(
      (name) => `${name}: expected with a suite; received with ${run.name}`,
    );
    if (run.rounds.length > 0) return selection;
    const load = given(
      settings,
      ['rounds', ...(run.usesVus ? [] : ['vus' as const]), 'durationMs', 'rate', 'fleet'],
      spelled,
    );
    return [...selection, ...load.map((name) => `${name}: ${run.name} has no rounds of sessions that it could shape`)];
  }
  const timed = given(settings, ['durationMs', 'rate'], spelled);
  const members = run.scenarios;
  const unknown = (names: readonly string[] | undefined, setting: 'STRESS_ONLY' | 'STRESS_SKIP'): string[] =>
    (names ?? [])
      .filter((name) => !members.includes(name))
      .map(
        (name) =>
          `${spelled(setting)}: ${run.name} has no scenario ${name}${suggestion(name, members)} (${members.join(', ')})`,
      );
  const unknownNames = [...unknown(settings.only, 'STRESS_ONLY'), ...unknown(settings.skip, 'STRESS_SKIP')];
  return [
    ...unknownNames,
    ...(chosen.length === 0 && unknownNames.length === 0
      ? [`${spelled('STRESS_ONLY')}, ${spelled('STRESS_SKIP')}: expected a scenario to be left; received none`]
      : []),
    ...timed.map(
      (name) => `${name}: ${run.name} runs one scenario after the other; run one of them by itself for a duration`,
    ),
  ];
};

/** The scenarios of a run, in their order: those of a suite that the settings leave, or the one that is run. */
export const chosenScenarios = (
  { name, scenarios }: Pick<ScenarioFacts, 'name' | 'scenarios'>,
  settings: Settings,
): string[] =>
  scenarios === undefined
    ? [name]
    : scenarios.filter((each) => settings.only?.includes(each) !== false && settings.skip?.includes(each) !== true);

/** Says which criteria of the default a thresholds file has lost. */
export const lostWarning = (where: string, lost: readonly Lost[], tests: readonly TestRounds[]): string => {
  const all = lost.map(({ tests: of, selectors }) => {
    const whose = of.length === tests.length && tests.length > 1 ? 'every scenario' : of.join(', ');
    return `${whose}: ${selectors.join(', ')}`;
  });
  return `${where}: nothing judges these default criteria in this run, because the file does not have them: ${all.join('; ')}. Add "extends": "default" to the file to keep them (there an empty list [] removes one), or list them in it.`;
};

/** The criteria of a run's scenarios; what is wrong with them joins the problems, what they lack of the default the warnings. */
export const readCriteria = (
  inputs: Inputs,
  run: string,
  tests: readonly TestRounds[],
  known: readonly string[],
): readonly Criterion[] => {
  if (inputs.thresholds === undefined) return [];
  const parsed = parseThresholds(inputs.thresholds, tests, known, run, inputs.defaultThresholds);
  const { thresholds } = inputs.settings;
  const where = thresholds === undefined ? 'thresholds.json' : `${inputs.spelled('STRESS_THRESHOLDS')} ${thresholds}`;
  if ('problems' in parsed) {
    inputs.problems.push(...parsed.problems.map((problem) => `${where}: ${problem}`));
    return [];
  }
  if (parsed.lost.length > 0) inputs.warnings.push(lostWarning(where, parsed.lost, tests));
  return parsed.criteria;
};

import { existsSync, readFileSync } from 'node:fs';
import { parseCommandSet } from '../lib/commands/command-set.ts';
import { scenarioNames } from '../lib/load/scenario-names.ts';
import { parseSettings } from '../lib/load/settings.ts';
import { parseThresholds } from '../lib/load/thresholds.ts';
import { innermostMessage } from './error-facts.ts';

const readText = (setting: string, path: string): { text: string } | { problem: string } => {
  try {
    return { text: readFileSync(path, 'utf8') };
  } catch (error) {
    return { problem: `${setting}: expected a file that can be read; ${path}: ${innermostMessage(error)}` };
  }
};

const commandProblems = (path: string): string[] => {
  const file = readText('STRESS_COMMANDS', path);
  if ('problem' in file) return [file.problem];
  const parsed = parseCommandSet(file.text);
  return 'problems' in parsed ? parsed.problems.map((each) => `STRESS_COMMANDS ${path}: ${each}`) : [];
};

const thresholdProblems = (path: string, scenario: string): string[] => {
  const file = readText('STRESS_THRESHOLDS', path);
  if ('problem' in file) return [file.problem];
  let value: unknown;
  try {
    value = JSON.parse(file.text);
  } catch (error) {
    return [`STRESS_THRESHOLDS ${path}: expected JSON: ${innermostMessage(error)}`];
  }
  const mostRounds = 100;
  const parsed = parseThresholds(value, scenario, mostRounds, scenarioNames);
  return 'problems' in parsed ? parsed.problems.map((each) => `STRESS_THRESHOLDS ${path}: ${each}`) : [];
};

/** Everything wrong with a run's settings and the files they name, before k6 is started; the bundle checks again. */
export const runProblems = (
  env: Readonly<Record<string, string | undefined>>,
  scenario: string,
  ca: string | undefined,
): string[] => {
  const { settings, problems } = parseSettings(env);
  const { commands, thresholds } = settings;
  return [
    ...problems,
    ...(commands?.endsWith('.json') ? commandProblems(commands) : []),
    ...(thresholds === undefined ? [] : thresholdProblems(thresholds, scenario)),
    ...(ca !== undefined && !existsSync(ca)
      ? [`--ca: expected a file of PEM certificates, such as ./ca.pem; there is no ${ca}`]
      : []),
  ];
};

import { accessSync, constants, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseCommandSet } from '../lib/commands/command-set.ts';
import { scenarioNames } from '../lib/load/scenario-names.ts';
import { parseSettings } from '../lib/load/settings.ts';
import { parseThresholds } from '../lib/load/thresholds.ts';
import { innermostMessage } from './error-facts.ts';

const readText = (setting: string, file: string): { text: string } | { problem: string } => {
  try {
    return { text: readFileSync(file, 'utf8') };
  } catch (error) {
    return { problem: `${setting}: expected a file that can be read; ${file}: ${innermostMessage(error)}` };
  }
};

const commandProblems = (name: string): string[] => {
  const file = readText('STRESS_COMMANDS', name);
  if ('problem' in file) return [file.problem];
  const parsed = parseCommandSet(file.text);
  return 'problems' in parsed ? parsed.problems.map((each) => `STRESS_COMMANDS ${name}: ${each}`) : [];
};

const thresholdProblems = (name: string, scenario: string): string[] => {
  const file = readText('STRESS_THRESHOLDS', name);
  if ('problem' in file) return [file.problem];
  let value: unknown;
  try {
    value = JSON.parse(file.text);
  } catch (error) {
    return [`STRESS_THRESHOLDS ${name}: expected JSON: ${innermostMessage(error)}`];
  }
  const mostRounds = 100;
  const parsed = parseThresholds(value, scenario, mostRounds, scenarioNames);
  return 'problems' in parsed ? parsed.problems.map((each) => `STRESS_THRESHOLDS ${name}: ${each}`) : [];
};

const caProblems = (name: string): string[] => {
  const file = readText('--ca', name);
  if ('problem' in file) return [`${file.problem}; expected such as ./ca.pem`];
  return file.text.includes('-----BEGIN CERTIFICATE-----')
    ? []
    : [`--ca: expected a file of PEM certificates, such as ./ca.pem; ${name} holds none`];
};

const resultProblems = (name: string): string[] => {
  try {
    accessSync(path.dirname(path.resolve(name)), constants.W_OK);
    return [];
  } catch (error) {
    return [`STRESS_RESULT: expected a file in a folder that can be written to: ${innermostMessage(error)}`];
  }
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
    ...(ca === undefined ? [] : caProblems(ca)),
    ...(settings.result === undefined ? [] : resultProblems(settings.result)),
  ];
};

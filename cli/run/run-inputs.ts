import { readFileSync, statSync } from 'node:fs';
import { chosenScenarios, readCriteria, readInputs, settingConflicts, type Inputs } from '../../lib/load/inputs.ts';
import { asVariables, type Spelling } from '../../lib/load/settings.ts';
import { knownScenarios } from '../../lib/load/thresholds.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { outputProblems } from '../shared/output-file.ts';
import { defaultThresholds, scenarioNamed, scenariosOf } from '../shared/scenarios.ts';

const readFile = (file: string): string => {
  try {
    // k6 reads it again, and waiting for a pipe's writer could not be interrupted.
    if (statSync(file).isFIFO()) throw new Error('it is a pipe, and it is read more than once: save it in a file');
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`: ${innermostMessage(error)}`, { cause: error });
  }
};

const caProblems = (file: string): string[] => {
  const expected = '--ca: expected a file of PEM certificates, such as ./ca.pem';
  try {
    const text = readFile(file);
    if (text.startsWith('\ufeff-----BEGIN'))
      return [
        `${expected}; k6 overlooks a certificate behind a byte order mark, with which ${file} begins: save it without`,
      ];
    return text.includes('-----BEGIN CERTIFICATE-----') ? [] : [`${expected}; ${file} holds none`];
  } catch (error) {
    return [`${expected}; ${innermostMessage(error)}`];
  }
};

/** Adds what is wrong with the settings and criteria for a scenario. */
const addProblemsOf = (scenario: string, inputs: Inputs): void => {
  const run = scenarioNamed(scenario);
  if (run === undefined) return;
  const parts = scenariosOf(scenario);
  // How many rounds the settings leave is seen by the bundle, which checks again.
  const maxRounds = 100;
  readCriteria(
    inputs,
    scenario,
    parts.map(({ name, rounds, hasCases }) => ({ name, rounds: rounds.length > 0 ? maxRounds : 0, hasCases })),
    knownScenarios(
      defaultThresholds(),
      parts.map(({ name }) => name),
    ),
  );
  inputs.problems.push(
    ...settingConflicts(run, inputs.settings, chosenScenarios(run, inputs.settings), inputs.spelled),
  );
};

/** Everything wrong with a run's settings and the files they name, before k6 is started; the bundle checks again. */
export const runProblems = (
  env: Readonly<Record<string, string | undefined>>,
  scenario: string | undefined,
  ca: string | undefined,
  spelled: Spelling = asVariables,
): string[] => {
  const inputs = readInputs(env, readFile, defaultThresholds(), spelled);
  if (scenario !== undefined) addProblemsOf(scenario, inputs);
  const { result } = inputs.settings;
  return [
    ...inputs.problems,
    ...(ca === undefined ? [] : caProblems(ca)),
    ...outputProblems({ [spelled('STRESS_RESULT')]: result }),
  ];
};

import { accessSync, constants, readFileSync } from 'node:fs';
import path from 'node:path';
import { readCriteria, readInputs, settingConflicts } from '../../lib/load/inputs.ts';
import { testsOf } from '../../lib/load/scenario-names.ts';
import { asVariables, type Spelling } from '../../lib/load/settings.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { shippedThresholds } from '../shared/shipped-thresholds.ts';

const readFile = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`: ${innermostMessage(error)}`, { cause: error });
  }
};

const caProblems = (file: string): string[] => {
  const expected = '--ca: expected a file of PEM certificates, such as ./ca.pem';
  try {
    return readFile(file).includes('-----BEGIN CERTIFICATE-----') ? [] : [`${expected}; ${file} holds none`];
  } catch (error) {
    return [`${expected}; ${innermostMessage(error)}`];
  }
};

const resultProblems = (spelled: Spelling, name: string): string[] => {
  try {
    accessSync(path.dirname(path.resolve(name)), constants.W_OK);
    return [];
  } catch (error) {
    return [
      `${spelled('STRESS_RESULT')}: expected a file in a folder that can be written to: ${innermostMessage(error)}`,
    ];
  }
};

/** Everything wrong with a run's settings and the files they name, before k6 is started; the bundle checks again. */
export const runProblems = (
  env: Readonly<Record<string, string | undefined>>,
  scenario: string,
  ca: string | undefined,
  spelled: Spelling = asVariables,
): string[] => {
  const inputs = readInputs(env, readFile, shippedThresholds(), spelled);
  // Only the bundle knows how many rounds its scenario has; it looks again.
  const mostRounds = 100;
  readCriteria(
    inputs,
    testsOf(scenario).map((name) => ({ name, rounds: mostRounds })),
  );
  const { result } = inputs.settings;
  inputs.problems.push(...settingConflicts(scenario, inputs.settings, spelled));
  return [
    ...inputs.problems,
    ...(ca === undefined ? [] : caProblems(ca)),
    ...(result === undefined ? [] : resultProblems(spelled, result)),
  ];
};

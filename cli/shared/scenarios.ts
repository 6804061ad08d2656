import { readFileSync } from 'node:fs';
import path from 'node:path';
import { factsOf, type ScenarioFacts } from '../../lib/load/scenario-facts.ts';
import { suggestion } from '../../lib/text/suggestion.ts';
import { packageRoot } from './package-root.ts';

let shipped: readonly ScenarioFacts[] | undefined;

/** All scenarios, in the order of the suite, suites last; from dist/scenarios.json, which the build writes from their definitions. */
export const allScenarios = (): readonly ScenarioFacts[] =>
  (shipped ??= (
    JSON.parse(readFileSync(path.join(packageRoot, 'dist', 'scenarios.json'), 'utf8')) as { scenarios: ScenarioFacts[] }
  ).scenarios);

/** The names of all scenarios, suites included. */
export const scenarioNames = (): string[] => allScenarios().map(({ name }) => name);

/** A scenario or suite by its name. */
export const scenarioNamed = (name: string): ScenarioFacts | undefined =>
  allScenarios().find((each) => each.name === name);

/** The scenarios that a run of this name consists of: itself, or all of a suite. */
export const scenariosOf = (name: string): readonly ScenarioFacts[] => {
  const facts = scenarioNamed(name);
  if (facts === undefined) return [];
  return facts.scenarios?.flatMap((each) => scenarioNamed(each) ?? []) ?? [facts];
};

/** The facts of a scenario, or of one about which nothing is known. */
export const factsOrUnknown = (name: string): ScenarioFacts => scenarioNamed(name) ?? factsOf({ name, question: '' });

/** Why a name is no scenario's, in words; undefined where it is one's. */
export const scenarioProblem = (name: string, among: readonly string[] = scenarioNames()): string | undefined =>
  among.includes(name)
    ? undefined
    : `expected a scenario (${among.join(', ')}), received ${name || 'none'}${suggestion(name, among)}`;

/** Where the bundle of a scenario is. */
export const bundleOf = (name: string): string => path.join(packageRoot, 'dist', `${name}.js`);

import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { factsOf, type ScenarioFacts } from '../../lib/load/scenario-facts.ts';
import { suggestion } from '../../lib/text/suggestion.ts';
import { packageRoot } from './package-root.ts';
import { currentProject } from './project.ts';

const read = new Map<string, readonly ScenarioFacts[]>();

const scenariosIn = (folder: string): readonly ScenarioFacts[] => {
  const known = read.get(folder);
  if (known !== undefined) return known;
  const text = readFileSync(path.join(folder, 'scenarios.json'), 'utf8');
  const { scenarios } = JSON.parse(text) as { scenarios: ScenarioFacts[] };
  read.set(folder, scenarios);
  return scenarios;
};

/** Forgets what was read, after a build. */
export const forgetScenarios = (): void => read.clear();

/** Where the bundles are: in the project, which has those of the package too, or in the package. */
const bundles = (): string => {
  const project = currentProject();
  return project !== undefined && existsSync(path.join(project.dist, 'scenarios.json'))
    ? project.dist
    : path.join(packageRoot, 'dist');
};

/** The scenarios of the package. */
export const shippedScenarios = (): readonly ScenarioFacts[] => scenariosIn(path.join(packageRoot, 'dist'));

/**
 * All scenarios, those of the project too: in the order of the suite, suites last. From dist/scenarios.json, which the build
 * writes from their definitions.
 */
export const allScenarios = (): readonly ScenarioFacts[] => scenariosIn(bundles());

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

const changedMs = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** That the source of a scenario of the package is newer than its bundle, as in a clone that was changed and not built. */
export const staleNote = (name: string): string | undefined => {
  const dist = path.join(packageRoot, 'dist');
  const source = path.join(packageRoot, 'scenarios', `${name}.ts`);
  if (bundles() !== dist || !/^[a-z0-9-]+$/.test(name)) return undefined;
  return changedMs(source) > changedMs(path.join(dist, `${name}.js`))
    ? `scenarios/${name}.ts is newer than its bundle: run npm run build`
    : undefined;
};

/** Why a name is no scenario's, in words; undefined where it is one's. */
export const scenarioProblem = (name: string, among: readonly string[] = scenarioNames()): string | undefined =>
  among.includes(name)
    ? undefined
    : `expected a scenario, received ${name || 'none'}${suggestion(name, among)} (${among.join(', ')})`;

/** Where the bundle of a scenario is. */
export const bundleOf = (name: string): string => path.join(bundles(), `${name}.js`);

/** The criteria where none are given, as parsed from JSON: those of the project, or the thresholds.json of the package. */
export const defaultThresholds = (): unknown => {
  const folder = bundles();
  const file = folder === currentProject()?.dist ? path.join(folder, 'thresholds.json') : shippedThresholds;
  return JSON.parse(readFileSync(file, 'utf8'));
};

const shippedThresholds = path.join(packageRoot, 'thresholds.json');

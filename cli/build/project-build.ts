import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { lostWarning } from '../../lib/load/inputs.ts';
import { extendedThresholds, parseThresholds } from '../../lib/load/thresholds.ts';
import type { ScenarioFacts } from '../../lib/load/scenario-facts.ts';
import { innermostMessage, messageOf } from '../../lib/text/errors.ts';
import { thresholdsSchema } from '../generate/schemas.ts';
import { withLock } from '../shared/lock.mjs';
import { packageRoot } from '../shared/package-root.ts';
import { currentProject, type Project } from '../shared/project.ts';
import { forgetScenarios, shippedScenarios } from '../shared/scenarios.ts';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';

/** Why the scenarios of a project could not be built, a line a problem. */
export class BuildError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

type BuildScript = typeof import('../../build.mjs');

/** The package's build is no part of the command line's own bundle: it finds its sources beside itself. */
const buildScript = async (): Promise<BuildScript> =>
  (await import(pathToFileURL(path.join(packageRoot, 'build.mjs')).href)) as BuildScript;

const say = (text: string): void => console.error(`ws-stress build: ${text}`);

/** Files of a project that its bundles depend on, whether a scenario imports them or not. */
const watched = ({ folder }: Project): string[] =>
  ['package.json', 'thresholds.json', 'tsconfig.json'].map((name) => path.join(folder, name));

/** What a build of a project was made from, and what it had to say. */
interface Stamp {
  hash: string;
  inputs: string[];
  warnings: string[];
}

const stampOf = ({ dist }: Project): string => path.join(dist, '.stamp');

const readStamp = (project: Project): Stamp | undefined => {
  try {
    return JSON.parse(readFileSync(stampOf(project), 'utf8')) as Stamp;
  } catch {
    return undefined;
  }
};

/** A hash of these files and of everything else that the bundles depend on; of a file that is not there, of that. */
const hashOf = (project: Project, inputs: readonly string[]): string => {
  const hash = createHash('sha256').update(readdirSync(project.scenarios).toSorted().join('\n'));
  const ofPackage = ['package.json', 'thresholds.json', 'dist/.stamp', 'dist/scenarios.json'].map((name) =>
    path.join(packageRoot, name),
  );
  for (const file of [...ofPackage, ...watched(project), ...inputs]) {
    const content = existsSync(file) ? readFileSync(file) : undefined;
    hash.update(`\n${file} ${content?.length}\n`).update(content ?? '');
  }
  return hash.digest('hex');
};

/** Its own TypeScript; undefined where it has none. */
const compilerOf = ({ folder }: Project): string | undefined => {
  for (let at = folder; ; at = path.dirname(at)) {
    const compiler = path.join(at, 'node_modules/typescript/bin/tsc');
    if (existsSync(compiler)) return compiler;
    if (at === path.dirname(at)) return undefined;
  }
};

/** Checks the types of a project; returns why they were not checked, or throws the type errors. */
const typeCheck = async (project: Project): Promise<string | undefined> => {
  const compiler = compilerOf(project);
  if (compiler === undefined)
    return 'types were not checked: the project has no TypeScript (npm i -D typescript @types/k6)';
  if (!existsSync(path.join(project.folder, 'tsconfig.json'))) {
    return 'types were not checked: the project has no tsconfig.json (ws-stress init shows one)';
  }
  try {
    await promisify(execFile)(process.execPath, [compiler, '--noEmit', '-p', project.folder], { cwd: project.folder });
    return undefined;
  } catch (error) {
    const { stdout } = error as { stdout?: string };
    const lines = (stdout ?? '').split('\n').filter((line) => line.trim() !== '');
    throw new BuildError(lines.length > 0 ? lines.slice(0, 30) : [innermostMessage(error)]);
  }
};

/** What is wrong with the names of a project's scenarios. */
const nameProblems = ({ scenarios }: Project, names: readonly string[]): string[] => {
  if (names.length === 0) return [`${scenarios}: expected at least one scenario, such as jobs.ts; found none`];
  const shipped = new Set(shippedScenarios().map(({ name }) => name));
  return names.flatMap((name) => {
    if (shipped.has(name)) {
      return [`scenarios/${name}.ts: ${name} is a shipped scenario; give the file and the scenario another name`];
    }
    return /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)
      ? []
      : [`scenarios/${name}.ts: expected a name of lower-case letters, digits and single hyphens, such as two-jobs.ts`];
  });
};

/** The default criteria of a project: its thresholds.json, which may extend the shipped one. */
const readThresholds = (
  { folder }: Project,
  scenarios: readonly ScenarioFacts[],
): { thresholds: unknown; warnings: string[] } => {
  const shipped: unknown = JSON.parse(readFileSync(path.join(packageRoot, 'thresholds.json'), 'utf8'));
  const file = path.join(folder, 'thresholds.json');
  if (!existsSync(file)) return { thresholds: shipped, warnings: [] };
  let own: unknown;
  try {
    own = JSON.parse(withoutMark(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new BuildError([`thresholds.json: expected JSON: ${innermostMessage(error)}`]);
  }
  const names = scenarios.map(({ name }) => name);
  const singles = scenarios.filter((each) => each.scenarios === undefined);
  const tests = singles.map(({ name, rounds, hasCases }) => ({ name, rounds: rounds.length > 0 ? 100 : 0, hasCases }));
  const parsed = parseThresholds(own, tests, names, '', shipped);
  if ('problems' in parsed) throw new BuildError(parsed.problems.map((problem) => `thresholds.json: ${problem}`));
  return {
    thresholds: extendedThresholds(own, shipped, names),
    warnings: parsed.lost.length > 0 ? [lostWarning('thresholds.json', parsed.lost, tests)] : [],
  };
};

/** Type-checks and bundles the scenarios of a project to its dist/, which stays as it is where that fails: a BuildError says why. */
export const buildProject = async (project: Project): Promise<{ names: string[]; inputs: string[] }> => {
  const { dist } = project;
  if (existsSync(dist) && readdirSync(dist).length > 0 && !existsSync(path.join(dist, 'scenarios.json'))) {
    throw new BuildError([
      `${dist} has files that ws-stress did not build; move them elsewhere, for a build replaces the folder`,
    ]);
  }
  const { scenarioEntries, readManifest, buildScenarios, replaceFolder } = await buildScript();
  const own = await scenarioEntries(project.scenarios);
  const names = Object.keys(own);
  const problems = nameProblems(project, names);
  if (problems.length > 0) throw new BuildError(problems);
  const startedAtMs = Date.now();
  const unchecked = await typeCheck(project);
  const manifest = await readManifest(own, shippedScenarios()).catch((error: unknown) => {
    throw new BuildError(messageOf(error).split('\n'));
  });
  const { thresholds, warnings } = readThresholds(project, manifest.scenarios);
  if (unchecked !== undefined) warnings.push(unchecked);
  const withScript = manifest.scenarios.filter(({ name, rounds }) => names.includes(name) && rounds.length > 0);
  const scripts = Object.fromEntries(withScript.map(({ name }) => [name, own[name] ?? '']));
  const entries = { ...(await scenarioEntries()), ...own };
  let inputs: string[] = [];
  await replaceFolder(dist, async (next) => {
    const built = await buildScenarios(next, entries, manifest, { thresholds, scripts }).catch((error: unknown) => {
      throw new BuildError(messageOf(error).split('\n'));
    });
    // The code of a project is its own: that much of it costs memory is said, and no reason to refuse it.
    warnings.push(...built.over.filter((text) => names.some((name) => text.startsWith(`${name} `))));
    inputs = built.inputs.filter((file) => !file.startsWith(packageRoot + path.sep));
    writeFileSync(path.join(next, 'thresholds.json'), JSON.stringify(thresholds));
    writeFileSync(path.join(next, 'thresholds.schema.json'), JSON.stringify(thresholdsSchema(manifest.scenarios)));
    // Without a stamp it is stale: something was changed while it was built.
    if (inputs.concat(watched(project)).some((file) => existsSync(file) && statSync(file).mtimeMs > startedAtMs))
      return;
    const stamp: Stamp = { hash: hashOf(project, inputs), inputs, warnings };
    writeFileSync(path.join(next, '.stamp'), JSON.stringify(stamp));
  });
  forgetScenarios();
  for (const warning of warnings) say(`warning: ${warning}`);
  say(`built ${names.map((name) => path.relative(process.cwd(), path.join(dist, `${name}.js`))).join(', ')}`);
  return { names, inputs };
};

/** Builds the scenarios of a project unless they were built from what is there now; repeats what its build warned of. */
export const ensureBuilt = async (project: Project | undefined = currentProject()): Promise<void> => {
  if (project === undefined) return;
  const fresh = (): Stamp | undefined => {
    const stamp = readStamp(project);
    return stamp?.hash === hashOf(project, stamp?.inputs ?? []) ? stamp : undefined;
  };
  const stamp = fresh();
  for (const warning of stamp?.warnings ?? []) say(`warning: ${warning}`);
  if (stamp !== undefined) return;
  await withLock(lockOf(project), async () => {
    if (fresh() === undefined) await buildProject(project);
  });
};

const lockOf = ({ folder }: Project): string => {
  const id = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  return path.join(tmpdir(), `ws-stress-build-${userInfo().uid}-${id}`);
};

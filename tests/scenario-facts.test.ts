import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { readManifest, scenarioEntries } from '../build.mjs';
import { packageRoot } from '../cli/shared/package-root.ts';
import { allScenarios, scenarioNamed, scenarioNames } from '../cli/shared/scenarios.ts';
import { chosenScenarios, settingConflicts } from '../lib/load/inputs.ts';
import { parseSettings } from '../lib/load/settings.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Where a text that is also the name of a scenario means something else: file, name, what it means. */
const otherMeanings: readonly [file: RegExp, name: string, meaning: string][] = [
  [/^lib\/commands\/high-output\.ts$/, 'high-output', 'the name and class of a command'],
  [/^lib\/commands\/command\.ts$/, 'high-output', 'the class of a command'],
  [/^lib\/cases\/down\.ts$/, 'recovery', 'the name of a case'],
  [/record/, 'memory', 'the type of a record'],
  [/^lib\/results\/record-schema\.ts$/, 'suite', 'the name of a suite in a comment'],
  [/^cli\/results\/(results-layout|move-results)\.ts$/, 'recovery', 'the name of a folder'],
  [/^cli\/results\/recovery-command\.ts$/, 'recovery', 'the name of a command'],
  [/^cli\/main\.ts$/, 'recovery', 'the name of a command'],
  [/^cli\/shared\/settings-options\.ts$/, 'recovery', 'the key of a setting'],
  [/^cli\/main\.ts$/, 'conformance', 'the name of a command'],
  [/^cli\/conformance\//, 'conformance', 'the name of a command and of its report'],
  [/^cli\/bootstrap\.mjs$/, 'suite', 'what npm start runs'],
  [/^cli\/(doctor|k8s|report|results)\//, 'memory', 'the label of a figure of memory'],
  [/^cli\/generate\/pictures\.ts$/, 'concurrent', 'the run of which the README has pictures'],
  [/^cli\/results\/run-likeness\.ts$/, 'suite', 'the version of this package'],
];

void test('no file but its own knows a scenario by its name', () => {
  for (const folder of ['lib', 'cli', 'reference-target']) {
    for (const name of readdirSync(path.join(packageRoot, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(ts|mjs)$/.test(name)) continue;
      const file = path.posix.join(folder, name);
      const text = readFileSync(path.join(packageRoot, file), 'utf8');
      for (const scenario of scenarioNames()) {
        if (otherMeanings.some(([of, known]) => known === scenario && of.test(file))) continue;
        const line = text.split('\n').find((each) => new RegExp(`['"\`]${scenario}['"\`]`).test(each));
        assert.equal(line, undefined, `${file} has the name of the scenario ${scenario} as a literal`);
      }
    }
  }
});

void test('the manifest has every scenario of the folder, those of the suite in its order', async () => {
  assert.deepEqual(scenarioNames().toSorted(), Object.keys(await scenarioEntries()).toSorted());
  const suite = scenarioNamed('suite');
  assert.deepEqual(scenarioNames().slice(0, suite?.scenarios?.length), suite?.scenarios);
  for (const { question } of allScenarios()) assert.match(question, /[?.]$/);
});

const problemOf = async (folder: string, name: string, text: string): Promise<string> => {
  const file = path.join(folder, `${name}.ts`);
  writeFileSync(file, text);
  return readManifest({ [name]: file }).then(
    ({ scenarios }) => JSON.stringify(scenarios),
    (error: unknown) => String(error),
  );
};

void test('a scenario file that defines none, or another one, is refused by its name', async (t) => {
  const folder = temporaryDirectory(t);
  const library = path.join(packageRoot, 'lib/k6/scenario.ts');
  const scenario = (name: string, question: string): string =>
    `import { scenario } from '${library}'; export const { definition } = scenario('${name}', { question: '${question}', rounds: [1] });`;
  assert.match(await problemOf(folder, 'mine', scenario('mine', 'Is it mine?')), /"name":"mine"/);
  assert.match(await problemOf(folder, 'mine', scenario('yours', 'Is it?')), /mine\.ts: expected scenario\('mine'/);
  assert.match(await problemOf(folder, 'mine', scenario('mine', '')), /mine\.ts: expected a question/);
  assert.match(
    await problemOf(folder, 'mine', 'export default () => {};'),
    /mine\.ts: expected it to export the definition/,
  );
  assert.match(await problemOf(folder, 'mine', "throw new Error('broken')"), /mine\.ts: .*broken/);
});

const conflicts = (name: string, env: Record<string, string>): string[] => {
  const { settings } = parseSettings(env);
  const facts = scenarioNamed(name) ?? assert.fail(name);
  return settingConflicts(facts, settings, chosenScenarios(facts, settings));
};

void test('settings that a scenario or suite cannot follow are named', () => {
  assert.match(
    conflicts('suite', { STRESS_ONLY: 'single,concurent' })[0] ?? '',
    /no scenario concurent; did you mean concurrent\?/,
  );
  assert.equal(conflicts('suite', { STRESS_ONLY: 'concurent' }).length, 1);
  assert.match(conflicts('suite', { STRESS_SKIP: 'suite' })[0] ?? '', /suite has no scenario suite/);
  assert.match(
    conflicts('suite', { STRESS_ONLY: 'single', STRESS_SKIP: 'single' })[0] ?? '',
    /expected a scenario to be left/,
  );
  assert.match(
    conflicts('suite', { STRESS_VUS: '2', STRESS_DURATION: '1m' })[0] ?? '',
    /STRESS_DURATION: suite runs one scenario after/,
  );
  assert.match(conflicts('single', { STRESS_ONLY: 'single' })[0] ?? '', /STRESS_ONLY: expected with a suite/);
  assert.match(conflicts('conformance', { STRESS_VUS: '2' })[0] ?? '', /STRESS_VUS: conformance has no rounds/);
  assert.deepEqual(conflicts('memory', { STRESS_VUS: '2' }), []);
  assert.match(conflicts('memory', { STRESS_ROUNDS: '2' })[0] ?? '', /STRESS_ROUNDS: memory has no rounds/);
});

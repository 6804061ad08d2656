import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { build } from 'esbuild';
import { k6Build } from '../build.mjs';
import { packageRoot } from '../cli/shared/package-root.ts';
import { placeOf } from '../lib/load/profile.ts';
import { scenarioNames } from '../cli/shared/scenarios.ts';
import type { RunResult } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { k6Path, runBundle, runProgram, type K6Run } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const webpack = async (...args: string[]): Promise<void> => {
  const cli = path.join(packageRoot, 'node_modules/webpack-cli/bin/cli.js');
  const { code, stdout, stderr } = await runProgram(process.execPath, [cli, ...args]);
  assert.equal(code, 0, `webpack ${args.join(' ')}\n${stdout}${stderr}`);
};

/** What two runs of the same scenario must agree on: everything but times. */
const showing = (result: RunResult): object => ({
  verdict: result.verdict,
  rounds: [...result.rounds, result.total].map(({ label, successful, failed }) => ({ label, successful, failed })),
  outcomes: result.outcomes,
  criteria: result.criteria.map(({ selector, expression, status }) => `${status} ${selector} ${expression}`),
});

interface Comparison {
  name: string;
  faults: string[];
  settings: Record<string, string>;
  exitCode: number;
  outcomes: RunResult['outcomes'];
}

const comparisons: Comparison[] = [
  ...['single', 'concurrent'].flatMap((name): Comparison[] => [
    { name, faults: [], settings: { STRESS_ROUNDS: '2,5' }, exitCode: 0, outcomes: { ok: 7 } },
    {
      name,
      faults: ['wrong-id'],
      settings: { STRESS_ROUNDS: '2' },
      exitCode: 99,
      outcomes: { 'protocol-violation': 2 },
    },
  ]),
  { name: 'service-down', faults: [], settings: {}, exitCode: 108, outcomes: { 'connect-failed': 1 } },
  {
    name: 'suite',
    faults: [],
    settings: { STRESS_ONLY: 'single,command-validation,service-down' },
    exitCode: 0,
    outcomes: { ok: 2, 'connect-failed': 1 },
  },
];

const inspect = async (bundle: string): Promise<{ scenarios: object }> => {
  const { code, stdout, stderr } = await runProgram(await k6Path(), ['inspect', bundle]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as { scenarios: object };
};

const run = async (bundles: string, { name, faults, settings }: Comparison, t: TestContext): Promise<K6Run> => {
  const target = await startTarget({ port: 0, faults });
  t.after(() => target.close());
  return runBundle(path.join(bundles, `${name}.js`), target.url, { ...settings, STRESS_PAUSE: '1ms' });
};

void test('webpack and esbuild make the same of every scenario', async (t) => {
  const directory = temporaryDirectory(t);
  const builds = [path.join(directory, 'esbuild'), path.join(directory, 'webpack')] as const;
  const [byEsbuild, byWebpack] = builds;
  await Promise.all([k6Build(byEsbuild).then(build), webpack('--output-path', byWebpack)]);

  await t.test('a bundle a scenario', () => {
    const files = scenarioNames()
      .map((name) => `${name}.js`)
      .toSorted();
    assert.deepEqual(readdirSync(byEsbuild).toSorted(), files);
    assert.deepEqual(readdirSync(byWebpack).toSorted(), files);
  });

  const sameOptions = scenarioNames().map((name) =>
    t.test(`${name}: k6 is given the same options`, async () => {
      const one = await inspect(path.join(byEsbuild, `${name}.js`));
      const other = await inspect(path.join(byWebpack, `${name}.js`));
      assert.ok(Object.keys(one.scenarios).every((each) => placeOf(each) !== undefined));
      assert.deepEqual(other, one);
    }),
  );

  const sameResults = comparisons.map((comparison) => {
    const { name, faults, exitCode, outcomes } = comparison;
    const service = faults.length === 0 ? 'a service that works' : `a service with the fault ${faults.join(', ')}`;
    return t.test(`${name}: a run against ${service} shows the same`, async (t) => {
      const [one, other] = await Promise.all([run(byEsbuild, comparison, t), run(byWebpack, comparison, t)]);
      assert.ok(one.result && other.result, one.stderr + other.stderr);
      assert.equal(one.code, exitCode, one.stderr);
      assert.equal(other.code, exitCode, other.stderr);
      assert.deepEqual(one.result.outcomes, outcomes, one.stderr);
      assert.deepEqual(showing(other.result), showing(one.result), one.stderr + other.stderr);
    });
  });
  await Promise.all([...sameOptions, ...sameResults]);
});

void test('an error that a bundle throws shows its line in the .ts file, whichever made the bundle', async (t) => {
  const directory = temporaryDirectory(t);
  const source = path.join(packageRoot, 'tests/fixtures/throws-when-it-starts.ts');
  const lines = readFileSync(source, 'utf8').split('\n');
  const line = lines.findIndex((text) => text.includes('throw new')) + 1;
  const builds = [path.join(directory, 'esbuild'), path.join(directory, 'webpack')] as const;
  await Promise.all([
    k6Build(builds[0]).then((options) => build({ ...options, entryPoints: { main: source } })),
    webpack('--output-path', builds[1], '--entry-reset', '--entry', source),
  ]);
  for (const bundles of builds) {
    const { code, stderr } = await runProgram(await k6Path(), ['run', path.join(bundles, 'main.js')]);
    assert.equal(code, 107, stderr);
    assert.match(stderr, new RegExp(`tests/fixtures/throws-when-it-starts\\.ts:${line}:`));
  }
});

import assert from 'node:assert/strict';
import { copyFileSync, cpSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import type { ScenarioFacts } from '../lib/load/scenario-facts.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const name = 'pause-and-resume';

void test('adding a scenario to the suite of a clone touches its own file, thresholds.json and one line of the suite', async (t) => {
  const clone = path.join(temporaryDirectory(t), 'clone');
  const sources = [
    'cli',
    'lib',
    'reference-target',
    'scenarios',
    'runtime/go.mod',
    'runtime/go.sum',
    'runtime/main.go',
  ];
  for (const file of [...sources, 'build.mjs', 'build.d.mts', 'package.json', 'thresholds.json', 'tsconfig.json']) {
    cpSync(path.join(packageRoot, file), path.join(clone, file), { recursive: true });
  }
  symlinkSync(path.join(packageRoot, 'node_modules'), path.join(clone, 'node_modules'));
  const env = { ...cleanEnv(), K6_BIN: await k6Path(), K6_ADDRESS: 'localhost:0' };
  const node = async (...args: string[]) => {
    const run = await runProgram(process.execPath, args, { cwd: clone, env, timeoutMs: 240_000 });
    assert.equal(run.code, 0, run.stdout + run.stderr);
    return run;
  };
  const read = (file: string): string => readFileSync(path.join(clone, file), 'utf8');
  const write = (file: string, text: string): void => writeFileSync(path.join(clone, file), text);

  copyFileSync(path.join(packageRoot, 'docs/examples', `${name}.ts`), path.join(clone, 'scenarios', `${name}.ts`));
  const thresholds = JSON.parse(read('thresholds.json')) as { scenarios: Record<string, object> };
  thresholds.scenarios[name] = {
    'session_success{round:each}': ['rate==1'],
    'findings{finding:deviating}': ['count==0'],
  };
  write('thresholds.json', JSON.stringify(thresholds));
  const suite = read('scenarios/suite.ts');
  const line = "import './single.ts';";
  assert.ok(suite.includes(line));
  write('scenarios/suite.ts', suite.replace(line, `${line}\nimport './${name}.ts';`));

  await node('build.mjs');
  const { scenarios } = JSON.parse(read('dist/scenarios.json')) as { scenarios: ScenarioFacts[] };
  const members = scenarios.find((each) => each.scenarios !== undefined)?.scenarios;
  assert.deepEqual(members?.slice(0, 2), ['single', name]);
  assert.deepEqual(
    scenarios.slice(0, 2).map((each) => each.name),
    ['single', name],
  );

  const wsStress = (...args: string[]) => node('cli/ws-stress.mjs', ...args);
  const { stdout } = await wsStress('list');
  assert.match(
    stdout,
    new RegExp(`^${name} {2}\\S+/dist/${name}\\.js\\n[^]*?session_success\\{round:each\\} rate==1`, 'm'),
  );
  const later = new Date(Date.now() + 60_000);
  utimesSync(path.join(clone, 'scenarios', `${name}.ts`), later, later);
  for (const args of [[`./scenarios/${name}.ts`], ['suite', '--only', `single,${name}`]]) {
    const { stderr } = await wsStress('run', ...args, '--with-target', '--result', 'result.json');
    assert.equal(stderr.includes(`${name}.ts is newer than its bundle: run npm run build`), args[0] !== 'suite');
    const { verdict, criteria } = JSON.parse(read('result.json')) as RunRecord;
    assert.equal(verdict, 'PASS');
    const own = criteria.filter(({ test: of }) => of === name).map(({ selector }) => selector);
    const asked = args[0] === 'suite' ? `session_success{test:${name},round:1}` : 'session_success{round:1}';
    assert.ok(own.includes(asked), own.join(' '));
  }
});

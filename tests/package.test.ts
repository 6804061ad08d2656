import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { scenarioNames } from '../cli/shared/scenarios.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, k6Path, runProgram, withoutBusyWarning } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const manifest = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as {
  name: string;
  scripts: Record<string, string>;
};

const npm = async (cwd: string, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await runProgram('npm', args, { cwd });
  assert.equal(code, 0, `npm ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
};

interface Packed {
  filename: string;
  size: number;
  files: { path: string }[];
}

/** The folders in node_modules of what an installed package needs, whether it names it or a dependency does. */
const dependencies = (): string[] => {
  const { packages } = JSON.parse(readFileSync(path.join(packageRoot, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: true; devOptional?: true }>;
  };
  return Object.keys(packages).filter(
    (folder) =>
      /^node_modules\/(?!@typescript\/)(@[^/]+\/)?[^/]+$/.test(folder) &&
      packages[folder]?.dev !== true &&
      packages[folder]?.devOptional !== true &&
      existsSync(path.join(packageRoot, folder)),
  );
};

/** Packs a folder as it lies there: to build it again would pull dist/ from under the other tests. */
const pack = async (folder: string, to: string): Promise<Packed> => {
  const listing = await npm(folder, 'pack', '--json', '--ignore-scripts', '--pack-destination', to);
  const [packed] = JSON.parse(listing) as Packed[];
  assert.ok(packed);
  return packed;
};

void test('the package, installed elsewhere, works', async (t) => {
  const directory = temporaryDirectory(t);
  const packed = await pack(packageRoot, directory);

  await t.test('it holds what a user needs and nothing else', () => {
    const files = packed.files.map((file) => file.path);
    const runtime = ['runtime/go.mod', 'runtime/go.sum', 'runtime/k6-checksums.txt', 'runtime/main.go'];
    const schemas = ['thresholds', 'command-set', 'run', 'record', 'result', 'cloud', 'expected-findings'].map(
      (name) => `schemas/${name}.schema.json`,
    );
    const criteria = ['thresholds.json', ...schemas];
    const texts = ['LICENSE', 'README.md', 'CHANGELOG.md', 'docs/settings.md'];
    const bundles = scenarioNames().map((name) => `dist/${name}.js`);
    const command = ['package.json', 'cli/ws-stress.mjs', 'dist/cli.mjs'];
    const library = ['build.mjs', 'lib/k6/index.ts', 'lib/k6/globals.d.ts', 'scenarios/concurrent.ts'];
    const types = ['dist/types/lib/k6/index.d.ts', 'dist/types/scenarios/concurrent.d.ts'];
    const project = ['package.json', 'gitignore', 'tsconfig.json', '.github/workflows/load-tests.yml'];
    const template = project.map((file) => `docs/examples/project/${file}`);
    const needed = [...runtime, ...criteria, ...texts, ...bundles, ...command, ...library, ...types, ...template];
    for (const file of needed) assert.ok(files.includes(file), `expected ${file} in the package`);
    const others = files.filter(
      (file) => !/^(dist|docs)\/|^(lib|scenarios)\/.*\.(ts|json)$/.test(file) && !needed.includes(file),
    );
    assert.deepEqual(others, [], 'files that no user needs');
    assert.deepEqual(
      files.filter((file) => file.endsWith('tsconfig.json') && !template.includes(file)),
      [],
    );
    // Most of it are the bundles, each with its source map.
    assert.ok(packed.size < 3 * 2 ** 20, `${packed.size} bytes, packed`);
  });

  await t.test('it is built before it is packed', () => {
    assert.match(manifest.scripts.prepack ?? '', /\bbuild\b/);
  });

  const elsewhere = path.join(directory, 'elsewhere');
  mkdirSync(elsewhere);
  // What it depends on is there already, copied from this checkout, so that no registry is asked.
  for (const folder of dependencies()) {
    cpSync(path.join(packageRoot, folder), path.join(elsewhere, folder), { recursive: true });
  }
  const tarball = path.join(directory, packed.filename);
  await npm(
    elsewhere,
    'install',
    '--prefix',
    elsewhere,
    '--offline',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    tarball,
  );
  const installed = path.join(elsewhere, 'node_modules', manifest.name);
  const command = path.join(elsewhere, 'node_modules/.bin/ws-stress');
  const k6 = await k6Path();
  const wsStress = (...args: string[]) =>
    runProgram(command, args, { cwd: elsewhere, env: { ...cleanEnv(), K6_BIN: k6, K6_ADDRESS: 'localhost:0' } });

  await t.test('ws-stress --help and list', async () => {
    const help = await wsStress('--help');
    assert.equal(help.code, 0, help.stderr);
    assert.match(help.stdout, /Usage: ws-stress <command>/);
    const list = await wsStress('list');
    assert.equal(list.code, 0, list.stderr);
    for (const name of scenarioNames()) {
      const bundle = path.join(installed, 'dist', `${name}.js`);
      assert.ok(list.stdout.includes(`${name}  ${bundle}\n`), list.stdout);
      assert.ok(existsSync(bundle));
    }
  });

  await t.test('ws-stress setup --print', async () => {
    const { code, stdout, stderr } = await wsStress('setup', '--print');
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${k6}\n`);
  });

  await t.test('ws-stress run single --with-target', async () => {
    const { code, stdout, stderr } = await wsStress('run', 'single', '--with-target', '--result', 'result.json');
    assert.equal(code, 0, stdout + stderr);
    const { verdict } = JSON.parse(readFileSync(path.join(elsewhere, 'result.json'), 'utf8')) as { verdict: string };
    assert.equal(verdict, 'PASS');
  });

  await t.test('a project of its own: ws-stress init, and a run that passes, or fails at a fault', async (t) => {
    // What `npm install` would add, by the package.json that init writes.
    for (const name of ['typescript', '@typescript', '@types/k6']) {
      cpSync(path.join(packageRoot, 'node_modules', name), path.join(elsewhere, 'node_modules', name), {
        recursive: true,
      });
    }
    const init = await wsStress('init');
    assert.equal(init.code, 0, init.stdout + init.stderr);
    const { code, stdout, stderr } = await wsStress('run', 'jobs', '--with-target');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stderr, /built dist\/jobs\.js/);
    assert.doesNotMatch(withoutBusyWarning(stderr), /warning/i);
    const broken = await startTarget({ port: 0, faults: ['ignore-pause'] });
    t.after(() => broken.close());
    const failed = await wsStress('run', './scenarios/jobs.ts', '--url', broken.url);
    assert.equal(failed.code, 99, failed.stdout + failed.stderr);
    assert.match(failed.stdout, /All sessions succeed in round 1: observed 0 %\n +session_success\{round:1\} rate==1/);
    const scenario = path.join(elsewhere, 'scenarios/jobs.ts');
    writeFileSync(
      scenario,
      readFileSync(scenario, 'utf8').replace(
        "kind: exitCode === 3 ? 'conforming' :",
        "kind: exitCode === 3 ? 'fine' :",
      ),
    );
    const refused = await wsStress('run', 'jobs', '--with-target');
    assert.equal(refused.code, 2, refused.stdout + refused.stderr);
    assert.match(refused.stderr, /scenarios\/jobs\.ts\(\d+,\d+\): error TS\d+: .*"fine"/);
  });
});

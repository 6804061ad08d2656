import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { packageRoot } from '../cli/shared/package-root.ts';
import { scenarioNames } from '../cli/shared/scenarios.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, cliPath, k6Path, runBundle, runCli, withoutBusyWarning } from './k6.ts';
import { until } from './setup-fixture.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const failed = (record: RunRecord | undefined): string[] =>
  (record?.criteria ?? []).filter(({ status }) => status === 'FAIL').map(({ selector }) => selector);

const template = path.join(packageRoot, 'docs/examples/project');
const packageName = 'websocket-mcp-stress';

interface Project {
  folder: string;
  /** Runs ws-stress in it. */
  run: (...args: string[]) => ReturnType<typeof runCli>;
  read: (file: string) => string;
  write: (file: string, text: string) => void;
  /** Changes a file, which must have the text that is replaced. */
  change: (file: string, from: string, to: string) => void;
}

const projectIn = async (folder: string): Promise<Project> => {
  const env = { ...cleanEnv(), K6_BIN: await k6Path(), K6_ADDRESS: 'localhost:0' };
  const at = (file: string): string => path.join(folder, file);
  const read = (file: string): string => readFileSync(at(file), 'utf8');
  const write = (file: string, text: string): void => writeFileSync(at(file), text);
  return {
    folder,
    read,
    write,
    run: (...args) => runCli(args, { cwd: folder, env }),
    change: (file, from, to) => {
      assert.ok(read(file).includes(from), `${file} has no ${from}`);
      write(file, read(file).replace(from, to));
    },
  };
};

/** A project as `ws-stress init` makes it, in which this package, and TypeScript if wanted, is installed. */
const newProject = async (t: TestContext, { typed = false } = {}): Promise<Project> => {
  const folder = temporaryDirectory(t);
  cpSync(template, folder, { recursive: true });
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(packageRoot, path.join(folder, 'node_modules', packageName));
  for (const name of typed ? ['typescript', '@types'] : []) {
    symlinkSync(path.join(packageRoot, 'node_modules', name), path.join(folder, 'node_modules', name));
  }
  return projectIn(folder);
};

void test('ws-stress init', async (t) => {
  await t.test('it writes a project and says what comes next', async (t) => {
    const { run, read, folder } = await projectIn(temporaryDirectory(t));
    const { code, stdout, stderr } = await run('init', 'mine');
    assert.equal(code, 0, stderr);
    const files = readdirSync(path.join(folder, 'mine'), { recursive: true, encoding: 'utf8' });
    for (const file of ['package.json', '.gitignore', 'scenarios/jobs.ts', '.github/workflows/load-tests.yml']) {
      assert.ok(files.includes(file), files.join(' '));
      assert.ok(stdout.includes(`wrote ${path.join('mine', file)}\n`), stdout);
    }
    assert.match(stdout, /cd mine\n\s+npm install\n\s+npx ws-stress run jobs --with-target/);
    const { devDependencies } = JSON.parse(read('mine/package.json')) as { devDependencies: Record<string, string> };
    const { version, devDependencies: ours } = JSON.parse(
      readFileSync(path.join(packageRoot, 'package.json'), 'utf8'),
    ) as { version: string; devDependencies: Record<string, string> };
    assert.equal(devDependencies[packageName], `^${version}`);
    for (const name of ['typescript', '@types/k6']) {
      assert.equal(devDependencies[name], `^${ours[name]?.replace('^', '')}`, `${name} is the one of this package`);
    }
  });

  await t.test('it replaces nothing unless --force says so, and only adds to package.json', async (t) => {
    const { run, read, write } = await projectIn(temporaryDirectory(t));
    write('thresholds.json', '{}');
    write(
      'package.json',
      JSON.stringify({ name: 'mine', scripts: { test: 'mine' }, dependencies: { [packageName]: 'file:x' } }),
    );
    const refused = await run('init');
    assert.equal(refused.code, 2);
    assert.match(
      refused.stderr,
      /Nothing was written\.\n {2}- \S*thresholds\.json is there already; --force replaces it\n$/,
    );
    assert.equal(read('thresholds.json'), '{}');
    assert.equal((await run('init', '--force')).code, 0);
    assert.match(read('thresholds.json'), /"extends": "default"/);
    const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
    assert.deepEqual(manifest.scripts, { build: 'ws-stress build', test: 'mine' });
    assert.deepEqual(manifest.dependencies, { [packageName]: 'file:x' });
    assert.deepEqual(Object.keys(manifest.devDependencies ?? {}).toSorted(), ['@types/k6', 'typescript']);
    assert.equal(manifest.name, 'mine');
    write('package.json', '{');
    const broken = await run('init', '--force');
    assert.equal(broken.code, 2);
    assert.match(broken.stderr, /package\.json: expected JSON/);
  });

  await t.test('what could be written before an error is not denied', async (t) => {
    const { run, write, folder } = await projectIn(temporaryDirectory(t));
    write('.github', 'a file');
    const nothing = await run('init');
    assert.equal(nothing.code, 2);
    assert.match(nothing.stderr, /Nothing was written\.\n {2}- \S*load-tests\.yml could not be written: ENOTDIR/);
    mkdirSync(path.join(folder, 'sub'));
    writeFileSync(path.join(folder, 'sub/scenarios'), 'a file');
    const some = await run('init', 'sub');
    assert.equal(some.code, 1);
    assert.match(some.stdout, /wrote sub/);
    assert.match(some.stderr, /jobs\.ts could not be written: E.*\nThe files above are written; --force replaces/);
  });
});

void test('a project is built when needed, run by name or file, and judged by its own criteria', async (t) => {
  const project = await newProject(t, { typed: true });
  const { run, read, write, change, folder } = project;
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());

  await t.test('a run builds it, and another one does not until something changes', async () => {
    const first = await run('run', 'jobs', '--url', target.url, '--rounds', '1');
    assert.equal(first.code, 0, first.stdout + first.stderr);
    assert.match(first.stderr, /built dist\/jobs\.js/);
    assert.doesNotMatch(withoutBusyWarning(first.stderr), /warning/i);
    const second = await run('run', './scenarios/jobs.ts', '--url', target.url, '--rounds', '1');
    assert.equal(second.code, 0, second.stdout + second.stderr);
    assert.doesNotMatch(second.stderr, /built/);
    assert.match(second.stdout, /p95 of paced commands was [^\n]*, less than 5 s as required/);
    assert.equal(readdirSync(path.join(folder, 'stress-results/runs')).length, 2);
    change('thresholds.json', 'p(95)<5000', 'p(95)<1');
    const third = await run('run', 'jobs', '--url', target.url, '--rounds', '1');
    assert.equal(third.code, 99, third.stdout + third.stderr);
    assert.match(third.stderr, /built/);
  });

  await t.test('k6 alone judges by them too, and another file extends them', async () => {
    const bundle = path.join(folder, 'dist/jobs.js');
    const settings = { STRESS_ROUNDS: '1' };
    const { code, result } = await runBundle(bundle, target.url, settings);
    assert.equal(code, 99);
    assert.deepEqual(failed(result), ['command_duration{class:paced}']);
    const own = path.join(folder, 'own.json');
    const scenarios = { '*': {}, jobs: { 'command_duration{class:paced}': [], session_duration: ['max<1'] } };
    writeFileSync(own, JSON.stringify({ version: 1, extends: 'default', scenarios }));
    const other = await runBundle(bundle, target.url, { ...settings, STRESS_THRESHOLDS: own });
    assert.deepEqual(failed(other.result), ['session_duration'], other.stderr);
    assert.ok(other.result?.criteria.some(({ selector }) => selector === 'control_duration{type:PAUSE}'));
    change('thresholds.json', 'p(95)<1"', 'p(95)<5000"');
  });

  await t.test('list, doctor, gate, Kubernetes and the editor know its scenarios', async () => {
    const list = await run('list');
    assert.match(
      list.stdout,
      /^Scenarios of this project:\n\njobs {2}\S+\/dist\/jobs\.js\n[^]*\nShipped scenarios:\n\nsingle /,
    );
    for (const name of scenarioNames()) assert.ok(existsSync(path.join(folder, 'dist', `${name}.js`)), name);
    const doctor = await run('doctor', '--url', target.url, '--json');
    const { scenarios } = JSON.parse(doctor.stdout) as { scenarios: { scenario: string; ready: string }[] };
    assert.equal(scenarios.find(({ scenario }) => scenario === 'jobs')?.ready, 'yes', doctor.stdout);
    const gate = await run(
      'gate',
      '--queries',
      '--test-id',
      'x',
      '--scenario',
      'jobs',
      '--instances',
      '2',
      '--vus',
      '4',
    );
    assert.match(gate.stdout, /command_duration\{class:paced\} p\(95\)<5000/, gate.stderr);
    const image = ['--image', 'grafana/k6:2.2.0', '--url', 'ws://service/ws/mcp', '--vus', '4', '--duration', '10s'];
    const manifests = await run('k8s', 'render', 'jobs', '--parallelism', '2', ...image);
    assert.equal(manifests.code, 0, manifests.stderr);
    assert.match(manifests.stdout, /name: ws-stress-jobs/);
    const validate = new Ajv2020({ strict: false }).compile(JSON.parse(read('dist/thresholds.schema.json')) as object);
    assert.ok(validate(JSON.parse(read('thresholds.json'))), JSON.stringify(validate.errors));
    assert.equal(validate(JSON.parse(read('thresholds.json').replace('"jobs"', '"jobz"'))), false);
  });

  await t.test('cloud.json may name it', async () => {
    const tests = ['jobs', 'jobz'].map((scenario) => ({ name: scenario, scenario }));
    write('cloud.json', JSON.stringify({ version: 1, project: 1, tests }));
    const { code, stderr } = await run('cloud', 'deploy', 'cloud.json', '--dry-run');
    assert.equal(code, 2);
    assert.match(stderr, /tests\.1 "jobz": .*did you mean jobs\?/);
    assert.doesNotMatch(stderr, /tests\.0/);
  });

  await t.test('a suite of its own runs shipped scenarios beside it', async () => {
    write(
      'scenarios/nightly.ts',
      `import 'websocket-mcp-stress/scenarios/single';
      import './jobs.ts';
      import 'websocket-mcp-stress/scenarios/recovery';
      import { suite } from 'websocket-mcp-stress';
      export const { definition, options, setup, handleSummary, run } = suite('nightly', 'Does all work?');
      export default run;`,
    );
    const asked = ['--url', target.url, '--skip', 'recovery', '--result', 'result.json'];
    const { code, stdout, stderr } = await run('run', 'nightly', ...asked);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stderr, /built dist\/jobs\.js, dist\/nightly\.js/);
    const { criteria } = JSON.parse(read('result.json')) as RunRecord;
    const passed = criteria.filter(({ status }) => status === 'PASS').map(({ selector }) => selector);
    assert.ok(passed.includes('session_success{test:jobs,round:2}'), passed.join(' '));
    assert.ok(passed.includes('session_success{test:single}'), passed.join(' '));
  });

  await t.test('a build that fails says why and leaves dist/ as it was', async () => {
    const before = read('dist/jobs.js');
    const fails = async (because: RegExp): Promise<void> => {
      const { code, stderr } = await run('build');
      assert.equal(code, 1, stderr);
      assert.match(stderr, because);
      assert.match(stderr, /nothing was built, dist\/ is as it was/);
      assert.equal(read('dist/jobs.js'), before);
    };
    change('scenarios/jobs.ts', 'rounds: [2, 5]', "rounds: 'two'");
    await fails(/scenarios\/jobs\.ts\(\d+,\d+\): error TS2322/);
    const refused = await run('run', 'jobs', '--url', target.url);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /Nothing was run\.\n {2}- scenarios\/jobs\.ts\(\d+,\d+\): error TS2322/);
    change('scenarios/jobs.ts', "rounds: 'two'", 'rounds: [2, 5]');
    write('scenarios/single.ts', read('scenarios/jobs.ts'));
    await fails(/scenarios\/single\.ts: single is a shipped scenario; give the file and the scenario another name/);
  });
});

void test('what is wrong with a project or a file is said before anything runs', async (t) => {
  const { run, write, read, change, folder } = await newProject(t);
  const refuses = async (because: RegExp, ...args: string[]): Promise<void> => {
    const { code, stderr } = await run(...args);
    assert.equal(code, args[0] === 'build' && !/Nothing/.test(stderr) ? 1 : 2, stderr);
    assert.match(stderr, because);
  };
  const jobs = read('scenarios/jobs.ts');
  const elsewhere = path.join(temporaryDirectory(t), 'jobs.ts');
  writeFileSync(elsewhere, jobs);
  write('jobs.ts', jobs);
  await refuses(/none\.ts: .*there is no such file/, 'run', './scenarios/none.ts');
  await refuses(/jobs\.ts: expected a file in \S+scenarios/, 'run', './jobs.ts');
  await refuses(/jobs\.ts: it is in no project, which is a folder with scenarios\/,/, 'run', elsewhere);
  await refuses(
    /expected a folder with scenarios\/, whose files import from websocket-mcp-stress, and a package\.json/,
    'build',
    path.dirname(elsewhere),
  );
  write('scenarios/other.ts', jobs);
  await refuses(/scenarios\/other\.ts: expected scenario\('other', …\), as the file is called; it is 'jobs'/, 'build');
  write('scenarios/other.ts', 'export const rounds = 2;');
  await refuses(/scenarios\/other\.ts: expected it to export the definition/, 'build');
  write('scenarios/other.ts', "import { nothing } from './nothing.ts'; export default nothing;");
  await refuses(/scenarios\/other\.ts.*Could not resolve "\.\/nothing\.ts"/, 'build');
  write('scenarios/other.ts', jobs.replace("scenario('jobs'", "scenario('other'"));
  change('thresholds.json', '"jobs": {', '"jobz": {');
  await refuses(/thresholds\.json: jobz: no such scenario; did you mean jobs\?/, 'build');
  change('thresholds.json', '"jobz": {', '"jobs": {');
  mkdirSync(path.join(folder, 'dist'));
  write('dist/precious.txt', '');
  await refuses(/dist has files that ws-stress did not build/, 'build');
  assert.deepEqual(readdirSync(path.join(folder, 'dist')), ['precious.txt']);
});

void test('a folder whose scenarios/ belongs to something else is no project', async (t) => {
  const { run, write } = await newProject(t);
  write('scenarios/jobs.ts', 'export default () => {};');
  const { code, stdout, stderr } = await run('list');
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout, /jobs/);
});

void test('a project without TypeScript, whose criteria lose default ones, is built with warnings that each command repeats', async (t) => {
  const { run, change } = await newProject(t);
  change('thresholds.json', '"extends": "default",', '');
  change('thresholds.json', '"jobs": {', '"*": { "timeouts": ["count==0"] }, "jobs": {');
  for (const args of [['build'], ['list']]) {
    const { code, stderr } = await run(...args);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /warning: types were not checked: the project has no TypeScript \(npm i -D typescript/);
    assert.match(stderr, /warning: thresholds\.json: .*unsettled.*Add "extends": "default"/);
  }
});

void test('ws-stress build --watch builds again when a scenario changes, and goes on after an error', async (t) => {
  const { folder, change } = await newProject(t);
  const child = spawn(process.execPath, [cliPath, 'build', '--watch'], { cwd: folder, env: cleanEnv(), stdio: 'pipe' });
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const seen = (text: RegExp): Promise<void> =>
    until(`${text} in ${stderr}`, () => text.test(stderr)).finally(() => {
      stderr = '';
    });
  await seen(/built dist\/jobs\.js/);
  change('scenarios/jobs.ts', "scenario('jobs'", "scenario('job'");
  await seen(/as the file is called; it is 'job'[^]*nothing was built/);
  change('scenarios/jobs.ts', "scenario('job'", "scenario('jobs'");
  await seen(/built dist\/jobs\.js/);
});

void test('a failure is kept, and replayed with the script of its scenario in the project', async (t) => {
  const { run, folder } = await newProject(t);
  const broken = await startTarget({ port: 0, faults: ['ignore-pause'] });
  t.after(() => broken.close());
  const first = await run('run', 'jobs', '--url', broken.url, '--rounds', '1');
  assert.equal(first.code, 99, first.stderr);
  assert.ok(readdirSync(path.join(folder, 'stress-results/recovery')).some((name) => name.startsWith('jobs-job-')));
  // Its command alone would succeed: PAUSE is a step of the script.
  const again = await run('run', 'recovery', '--url', broken.url);
  assert.equal(again.code, 99, again.stdout + again.stderr);
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  const held = await run('run', 'recovery', '--url', target.url, '--replay-all');
  assert.equal(held.code, 0, held.stdout + held.stderr);
});

void test('the workflow of a project runs its scenario', () => {
  const workflow = parse(readFileSync(path.join(template, '.github/workflows/load-tests.yml'), 'utf8')) as {
    jobs: { jobs: { steps: { run?: string }[] } };
  };
  const commands = workflow.jobs.jobs.steps.flatMap(({ run }) => run ?? []);
  assert.ok(commands.some((command) => command.startsWith('npx ws-stress run jobs ')));
});

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { until } from './setup-fixture.ts';

/** A clone with nothing installed, in which npm, the build and ws-stress only log that they ran. */
interface Clone {
  root: string;
  env: NodeJS.ProcessEnv;
  write: (path: string, content: string) => void;
  read: (path: string) => string;
  /** The commands that ran, in order. */
  log: () => string[];
}

const LOG = `import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
const log = (text) => appendFileSync(process.env.LOG, text + '\\n');`;

/** Imitates `npm ci`, and `npm run` with an exit code. */
const NPM = `${LOG}
const args = process.argv.slice(2);
log('npm ' + args.join(' '));
if (args[0] === 'ci') {
  rmSync('node_modules', { recursive: true, force: true });
  mkdirSync('node_modules');
  if (existsSync('hang')) { writeFileSync('hanging', ''); setInterval(() => {}, 1000); await new Promise(() => {}); }
  if (existsSync('npm-fails')) process.exit(3);
  symlinkSync(process.env.TSX, 'node_modules/tsx');
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const wanted = Object.entries(packages).filter(([name, { os = [] }]) => name !== '' && !os.includes('none'));
  const installed = wanted.filter(([, { optional }]) => !(optional && existsSync('npm-omits-optional')));
  for (const [name] of installed) {
    mkdirSync(name, { recursive: true });
    writeFileSync(name + '/package.json', '{}');
  }
  writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages: Object.fromEntries(installed) }));
} else {
  process.exitCode = existsSync('fails-' + args[2].replace(':', '-')) ? 1 : 0;
}
`;

const BUILD = `${LOG}
log(['build', ...process.argv.slice(2)].join(' '));
if (existsSync('build-fails')) process.exit(4);
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
writeFileSync('dist/cli.mjs', '');
`;

const WS_STRESS = `${LOG}
const args = process.argv.slice(2);
log('ws-stress ' + args.join(' '));
if (args[0] === 'setup') console.log('/the/chosen/k6');
else if (args.includes('--wait')) {
  let signals = 0;
  process.on('SIGINT', () => { signals += 1; setTimeout(() => { log('SIGINT ' + signals); process.exit(105); }, 100); });
  setInterval(() => {}, 1000);
  log('waiting');
} else process.exitCode = Number(args.at(-1)) || 0;
`;

const npmCi = 'npm ci --include=dev --include=optional --include=peer --dry-run=false';

const freshClone = (t: TestContext): Clone => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'ws-stress-bootstrap-')));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const root = join(directory, 'clone');
  const write = (path: string, content: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  for (const path of ['cli/bootstrap.mjs', 'cli/bootstrap', 'cli/shared/lock.mjs']) {
    cpSync(join(packageRoot, path), join(root, path), { recursive: true });
  }
  write('package.json', '{ "type": "module" }');
  write('package-lock.json', '{ "packages": {} }');
  write('build.mjs', BUILD);
  write('cli/ws-stress.mjs', WS_STRESS);
  write('lib/a.ts', 'one');
  write('../npm/npm-cli.js', NPM);
  write('../npm/package.json', '{ "type": "module" }');
  const env = {
    ...process.env,
    LOG: join(directory, 'log'),
    TSX: realpathSync(join(packageRoot, 'node_modules', 'tsx')),
    npm_execpath: join(directory, 'npm', 'npm-cli.js'),
  };
  // With this variable node --test believes that it is a part of this test run.
  Reflect.deleteProperty(env, 'NODE_TEST_CONTEXT');
  return {
    root,
    env,
    write,
    read: (path) => readFileSync(join(root, path), 'utf8'),
    log: () => (existsSync(env.LOG) ? readFileSync(env.LOG, 'utf8').trim().split('\n') : []),
  };
};

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

const start = (t: TestContext, clone: Clone, ...args: string[]): { child: ChildProcess; result: Promise<Result> } => {
  const nodeFlags = args[0]?.startsWith('--import=') ? args.splice(0, 1) : [];
  const child = spawn(process.execPath, [...nodeFlags, join(clone.root, 'cli', 'bootstrap.mjs'), ...args], {
    cwd: clone.root,
    env: clone.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const result = new Promise<Result>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, result };
};

const bootstrap = async (t: TestContext, clone: Clone, ...args: string[]): Promise<Result> =>
  await start(t, clone, ...args).result;

void test('start installs and builds a fresh clone once, and passes on arguments and the exit code', async (t) => {
  const clone = freshClone(t);
  const first = await bootstrap(t, clone, 'start', '--vus', '99');
  assert.equal(first.code, 99, first.stderr);
  assert.match(
    first.stderr,
    /installing the dependencies with npm ci: there is no node_modules\n.*building dist\/\n$/s,
  );
  const run = 'ws-stress run suite --with-target';
  assert.deepEqual(clone.log(), [npmCi, 'build', `${run} --vus 99`]);

  const second = await bootstrap(t, clone, 'start');
  assert.deepEqual(second, { code: 0, stdout: '', stderr: '' });
  assert.deepEqual(clone.log().slice(3), [run]);
  const third = await bootstrap(t, clone, 'start', '--url', '7');
  assert.equal(third.code, 7);
  assert.deepEqual(clone.log().slice(4), [`${run} --url 7`]);
});

void test('a changed source or a missing file in dist causes a build', async (t) => {
  const clone = freshClone(t);
  await bootstrap(t, clone, 'start');
  const changes: [string, () => void][] = [
    ['a changed file', () => clone.write('lib/a.ts', 'two')],
    ['a new file', () => clone.write('scenarios/new.ts', '')],
    ['criteria', () => clone.write('thresholds.json', '{}')],
    ['a schema', () => clone.write('schemas/a.schema.json', '{}')],
    ['no bundle', () => rmSync(join(clone.root, 'dist', 'cli.mjs'))],
  ];
  for (const [what, change] of changes) {
    const before = clone.log().length;
    change();
    await bootstrap(t, clone, 'start');
    assert.equal(clone.log()[before], 'build', what);
    assert.equal(clone.log().length, before + 2, what);
  }
});

void test('a failed build ends the command, and the next command builds again', async (t) => {
  const clone = freshClone(t);
  await bootstrap(t, clone, 'start');
  clone.write('lib/a.ts', 'two');
  clone.write('build-fails', '');
  const failed = await bootstrap(t, clone, 'start');
  assert.equal(failed.code, 4);
  assert.match(failed.stderr, /the build failed with exit code 4; see its output above\n$/);
  rmSync(join(clone.root, 'build-fails'));
  clone.write('lib/a.ts', 'one');
  const before = clone.log().length;
  const next = await bootstrap(t, clone, 'start');
  assert.equal(next.code, 0);
  assert.equal(clone.log()[before], 'build');
});

void test('build always builds, and passes its arguments on', async (t) => {
  const clone = freshClone(t);
  for (const args of [[], ['--watch']]) {
    const result = await bootstrap(t, clone, 'build', ...args);
    assert.equal(result.code, 0, result.stderr);
  }
  assert.deepEqual(clone.log(), [npmCi, 'build', 'build --watch']);
  await bootstrap(t, clone, 'start');
  assert.equal(clone.log()[3], 'build', 'the output of a watched build may be of any moment');
});

void test('a changed package-lock.json is installed again; a failure of npm is passed on', async (t) => {
  const clone = freshClone(t);
  await bootstrap(t, clone, 'start');
  clone.write('package-lock.json', '{ "packages": { "node_modules/a": { "version": "1.0.0" } } }');
  clone.write('npm-fails', '');
  const failed = await bootstrap(t, clone, 'start');
  assert.equal(failed.code, 3);
  assert.match(failed.stderr, /npm ci: node_modules\/a is missing\nbootstrap: npm ci failed with exit code 3; /);
  rmSync(join(clone.root, 'npm-fails'));
  const next = await bootstrap(t, clone, 'start');
  assert.match(next.stderr, /npm ci: node_modules is incomplete\n/);
  assert.equal(next.code, 0);
});

const A = { version: '1.0.0', integrity: 'sha512-a' };
const OTHER_CPU = { version: '1.0.0', os: ['none'], optional: true };
const PROGRAM = { version: '1.0.0', os: [process.platform], cpu: [process.arch], optional: true };
const INSTALLED: [what: string, wanted: object, installed: object, reason: RegExp | undefined][] = [
  ['what the lock says', { '': {}, 'node_modules/a': A }, { 'node_modules/a': A }, undefined],
  ['more', { '': {} }, { 'node_modules/a': A }, undefined],
  [
    'all but another platform’s',
    { 'node_modules/a': A, 'node_modules/b': OTHER_CPU },
    { 'node_modules/a': A },
    undefined,
  ],
  ['less', { 'node_modules/a': A, 'node_modules/b': A }, { 'node_modules/a': A }, /node_modules\/b is missing/],
  [
    'another version',
    { 'node_modules/a': A },
    { 'node_modules/a': { ...A, version: '0.9.0' } },
    /node_modules\/a is 0\.9\.0, package-lock\.json has 1\.0\.0/,
  ],
  [
    'another platform’s',
    { 'node_modules/a': A, 'node_modules/b': OTHER_CPU },
    { 'node_modules/a': A, 'node_modules/b': OTHER_CPU },
    /node_modules\/b is for another platform/,
  ],
  [
    'no program for this platform',
    { 'node_modules/a': A, 'node_modules/b': PROGRAM },
    { 'node_modules/a': A },
    /node_modules\/b is missing/,
  ],
];

for (const [what, wanted, installed, reason] of INSTALLED) {
  void test(`a node_modules that the user installed, with ${what}, is ${reason === undefined ? 'kept' : 'replaced'}`, async (t) => {
    const clone = freshClone(t);
    clone.write('package-lock.json', JSON.stringify({ packages: wanted }));
    for (const name of Object.keys(installed)) clone.write(`${name}/package.json`, '{}');
    clone.write('node_modules/.package-lock.json', JSON.stringify({ packages: installed }));
    const result = await bootstrap(t, clone, 'build');
    assert.equal(result.code, 0, result.stderr);
    if (reason !== undefined) assert.match(result.stderr, reason);
    assert.equal(clone.log().includes(npmCi), reason !== undefined);
  });
}

void test('an installation that leaves out programs for this platform fails by the name of the first', async (t) => {
  const clone = freshClone(t);
  clone.write('npm-omits-optional', '');
  const programs = { 'node_modules/b': PROGRAM, 'node_modules/c': OTHER_CPU, 'node_modules/d': { optional: true } };
  clone.write('package-lock.json', JSON.stringify({ packages: programs }));
  for (let attempt = 1; attempt <= 2; attempt++) {
    const result = await bootstrap(t, clone, 'build');
    assert.equal(result.code, 1);
    assert.match(result.stderr, /npm ci succeeded, but node_modules\/b is missing; look in "npm config list"/);
    assert.equal(clone.log().length, attempt, 'nothing was built');
  }
  rmSync(join(clone.root, 'npm-omits-optional'));
  assert.equal((await bootstrap(t, clone, 'build')).code, 0);
});

void test('a node_modules with an incomplete record is replaced', async (t) => {
  const clone = freshClone(t);
  clone.write('node_modules/.package-lock.json', '{ "packages"');
  const result = await bootstrap(t, clone, 'build');
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stderr, /npm ci: cannot read .*\.package-lock\.json: /);
});

void test('a node_modules is replaced if an installation was interrupted while changing it', async (t) => {
  const clone = freshClone(t);
  clone.write('package-lock.json', JSON.stringify({ packages: { 'node_modules/a': A } }));
  clone.write('node_modules/.package-lock.json', JSON.stringify({ packages: { 'node_modules/a': A } }));
  clone.write('node_modules/a/package.json', '{}');
  utimesSync(join(clone.root, 'node_modules/.package-lock.json'), 1000, 1000);
  const result = await bootstrap(t, clone, 'build');
  assert.match(result.stderr, /node_modules\/a was changed since it was installed/);
});

void test('an interrupted installation ends, and the next command installs again', async (t) => {
  const clone = freshClone(t);
  clone.write('hang', '');
  const { child, result } = start(t, clone, 'start');
  await until('npm ci', () => existsSync(join(clone.root, 'hanging')));
  child.kill('SIGTERM');
  const interrupted = await result;
  assert.equal(interrupted.code, 143);
  assert.match(interrupted.stderr, /interrupted by SIGTERM\n$/);
  rmSync(join(clone.root, 'hang'));
  const next = await bootstrap(t, clone, 'start');
  assert.equal(next.code, 0);
  assert.match(next.stderr, /npm ci: node_modules is incomplete/);
});

void test('of two processes at once, one installs and builds and the other waits for it', async (t) => {
  const clone = freshClone(t);
  const results = await Promise.all([bootstrap(t, clone, 'start'), bootstrap(t, clone, 'start')]);
  for (const { code, stderr } of results) assert.equal(code, 0, stderr);
  assert.deepEqual(
    clone
      .log()
      .filter((line) => !line.startsWith('ws-stress'))
      .sort(),
    ['build', npmCi],
  );
});

void test('the run receives a signal once, and its exit code is that of the command', async (t) => {
  const clone = freshClone(t);
  const { child, result } = start(t, clone, 'start', '--wait');
  await until('the run', () => clone.log().at(-1) === 'waiting');
  child.kill('SIGINT');
  const { code } = await result;
  assert.equal(code, 105);
  assert.equal(clone.log().at(-1), 'SIGINT 1');
});

void test('test runs the tests with the k6 of setup and ends with the lines of the runner', async (t) => {
  const clone = freshClone(t);
  clone.write(
    'tests/deep/passes.test.ts',
    `import { test } from 'node:test';\nvoid test('k6 is ' + process.env.K6_BIN);\n`,
  );
  clone.write('tests/fails.test.ts', `import { test } from 'node:test';\nvoid test('no', (): void => { throw 1; });\n`);
  const all = await bootstrap(t, clone, 'test');
  assert.equal(all.code, 1);
  assert.match(all.stdout, /✔ k6 is \/the\/chosen\/k6.*ℹ tests 2\n.*ℹ pass 1\nℹ fail 1\n/s);

  const one = await bootstrap(t, clone, 'test', 'tests/deep/passes.test.ts', '--test-name-pattern=k6');
  assert.equal(one.code, 0, one.stderr);
  assert.match(one.stdout, /ℹ tests 1\n(ℹ .*\n)*ℹ duration_ms .*\n$/);

  const none = await bootstrap(t, clone, 'test', 'tests/none.test.ts');
  assert.equal(none.code, 2);
  assert.match(none.stderr, /there is no .*none\.test\.ts; expected test files such as/);
});

void test('check runs every check, prints a summary, and fails if one failed', async (t) => {
  const clone = freshClone(t);
  clone.write('fails-lint', '');
  const failed = await bootstrap(t, clone, 'check');
  assert.equal(failed.code, 1);
  const checks = ['typecheck', 'lint', 'format:check', 'dead-code'];
  assert.deepEqual(
    clone.log().slice(1),
    checks.map((script) => `npm run --silent ${script}`),
  );
  const summary = 'passed  typecheck\nFAILED  lint\npassed  format:check\npassed  dead-code\n';
  assert.ok(failed.stderr.replaceAll('bootstrap: ', '').endsWith(summary), failed.stderr);
  rmSync(join(clone.root, 'fails-lint'));
  assert.equal((await bootstrap(t, clone, 'check')).code, 0);
  const manifest: unknown = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  for (const script of checks) assert.match(JSON.stringify(manifest), new RegExp(`"${script}":`));
});

void test('an unknown command and an old Node.js are reported before anything else happens', async (t) => {
  const clone = freshClone(t);
  const unknown = await bootstrap(t, clone, 'strat');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /there is no command "strat"\nUsage: node cli\/bootstrap\.mjs <command>/);
  assert.equal((await bootstrap(t, clone)).code, 2);
  const help = await bootstrap(t, clone, '--help');
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^Usage: /);

  const pretend = `Object.defineProperty(process.versions, 'node', { value: '20.18.3' })`;
  const old = await bootstrap(t, clone, `--import=data:text/javascript,${encodeURIComponent(pretend)}`, 'start');
  assert.equal(old.code, 1);
  assert.match(
    old.stderr,
    /^bootstrap: expected Node\.js 20\.19 or newer, this is v.*; get it from https:\/\/nodejs\.org\/\n$/,
  );
  assert.deepEqual(clone.log(), []);
});

// The npm scripts (`npm start`, `npm test`, …). It works in a fresh clone, because it imports only Node at first.
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const OLDEST_NODE = [20, 19];
const USAGE = `Usage: node cli/bootstrap.mjs <command> [arguments]

Each command first installs and builds what it needs.

  start [arguments]        run the suite against the reference target
  test [files] [--flags]   run the tests in the files, or all but those of the images; flags go to node --test
                           (--name=value)
  check                    check types, lint, format and dead code
  build [--watch]          build dist/
  bench [arguments]        compare with other tools, side by side
`;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const wsStress = join(root, 'cli', 'ws-stress.mjs');

/** Writes to stderr, because stdout belongs to the command. */
const say = (text) => process.stderr.write(`bootstrap: ${text}\n`);

const main = async ([command, ...args]) => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    say(
      `expected Node.js ${OLDEST_NODE.join('.')} or newer, this is ${process.version}; get it from https://nodejs.org/`,
    );
    return 1;
  }
  const commands = { start, test, check, build, bench };
  if (!Object.hasOwn(commands, command ?? '')) {
    const isHelp = command === '--help' || command === '-h';
    if (!isHelp && command !== undefined) say(`there is no command "${command}"`);
    (isHelp ? process.stdout : process.stderr).write(USAGE);
    return isHelp ? 0 : 2;
  }
  // Imported only now, because an older Node.js might not be able to parse it.
  const { Failure } = await import('./bootstrap/child.mjs');
  try {
    return await commands[command](args);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(error.message);
    return error.exitCode;
  }
};

/** For installing and building; the lock makes two processes take turns. */
const context = {
  lock: join(root, 'runtime', 'build', 'bootstrap.lock'),
  say,
  onWait: (holder) => say(`process ${holder} is installing or building; waiting for it`),
};

const installDependencies = async () => {
  const { ensureDependencies } = await import('./bootstrap/dependencies.mjs');
  await ensureDependencies(root, context);
};

const installAndBuild = async () => {
  await installDependencies();
  const { ensureBundles } = await import('./bootstrap/bundles.mjs');
  await ensureBundles(root, context);
};

const start = async (args) => {
  await installAndBuild();
  return await runWsStress(['run', 'suite', '--with-target', ...args]);
};

/**
 * Runs ws-stress in this process, not in a child: it then owns the exit code, the terminal and each signal, and nothing in
 * between can forward a signal twice or leave it running.
 */
const runWsStress = async (args) => {
  process.argv.splice(1, process.argv.length, wsStress, ...args);
  await import(pathToFileURL(wsStress).href);
  return process.exitCode;
};

const test = async (args) => {
  const flags = args.filter((arg) => arg.startsWith('-'));
  const named = args.filter((arg) => !arg.startsWith('-')).map((file) => resolve(file));
  const missing = named.filter((file) => !existsSync(file));
  if (missing.length > 0) {
    say(
      `there is no ${missing.join(', ')}; expected test files such as tests/a.test.ts and flags such as --name=value`,
    );
    return 2;
  }
  // Node.js 20 takes files only, no patterns.
  const files = named.length > 0 ? named : allTests();
  const reporter = flags.some((flag) => flag.startsWith('--test-reporter'))
    ? []
    : ['--test-reporter=spec', '--test-reporter-destination=stdout'];
  // Most of a test is waiting, so more files run at once than there are processors.
  const concurrency = flags.some((flag) => flag.startsWith('--test-concurrency'))
    ? []
    : [`--test-concurrency=${2 * availableParallelism()}`];
  return await runWithK6([
    '--test',
    ...reporter,
    ...concurrency,
    ...flags,
    ...files.map((file) => relative(root, file)),
  ]);
};

const bench = async (args) => await runWithK6([join('tests', 'bench', 'bench.ts'), ...args]);

/** Builds everything, sets up k6 and runs TypeScript in Node.js; returns the exit code. */
const runWithK6 = async (args) => {
  await installAndBuild();
  const { run } = await import('./bootstrap/child.mjs');
  const setup = await run(process.execPath, [wsStress, 'setup', '--print'], { cwd: root, capture: true });
  if (setup.code !== 0) return setup.code;
  const env = { ...process.env, K6_BIN: setup.stdout.trim() };
  return (await run(process.execPath, ['--import', 'tsx', ...args], { cwd: root, env })).code;
};

const allTests = () =>
  readdirSync(join(root, 'tests'), { recursive: true })
    .filter((name) => name.endsWith('.test.ts') && !name.startsWith('images/'))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((name) => join(root, 'tests', name));

const check = async () => {
  await installDependencies();
  const { runNpm } = await import('./bootstrap/dependencies.mjs');
  const results = [];
  for (const script of ['typecheck', 'lint', 'format:check', 'dead-code']) {
    say(`npm run ${script}`);
    const { code } = await runNpm(root, ['run', '--silent', script]);
    results.push({ script, code });
  }
  for (const { script, code } of results) say(`${code === 0 ? 'passed' : 'FAILED'}  ${script}`);
  return results.every(({ code }) => code === 0) ? 0 : 1;
};

const build = async (args) => {
  await installDependencies();
  const bundles = await import('./bootstrap/bundles.mjs');
  return await bundles.build(root, args, context);
};

process.exitCode = await main(process.argv.slice(2));

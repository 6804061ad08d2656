import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { buildWithGo } from './k6-go-build.ts';
import { HTTP_SETTING, OFFICIAL_RELEASES, RELEASES_SETTING, takeRelease } from './k6-release.ts';
import { SourceFailed, findOnPath, isExecutable, readK6Pin, type K6Pin, type SourceContext } from './k6-source.ts';
import { OLDEST_K6, inspectK6, type Inspected } from './k6-version.ts';
import { declareCommand } from '../shared/command.ts';
import { helpEntry } from '../shared/help-entry.ts';
import { withLock } from '../shared/lock.mjs';
import { packageRoot } from '../shared/package-root.ts';
import { progressOn, type Progress } from '../shared/progress.ts';

type K6Source = 'K6_BIN' | 'PATH' | 'set up before' | 'built with Go' | 'release archive';

/** A k6 that runs and is new enough. */
export interface K6 {
  /** Absolute. */
  path: string;
  /** Without a leading `v`. */
  version: string;
  source: K6Source;
}

/** The defaults are those of the command line. */
export interface EnsureK6Options {
  /** The package's directory. */
  root?: string;
  env?: NodeJS.ProcessEnv;
  platform?: NodeJS.Platform;
  arch?: string;
  progress?: Progress;
  /** The longest silence of a download to accept. */
  stallTimeoutMs?: number;
}

/** Setup failed; the user sees the message without a stack trace. */
export class SetupError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

const STALL_TIMEOUT_MS = 30_000;
const WORK_DIRECTORY_PREFIX = 'tmp-';
const INTERRUPTIONS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export const setupCommand = declareCommand({
  description: `Sets up k6, which runs the tests. Uses the first of these that works:

  1. the k6 at the path in K6_BIN
  2. a k6 ${OLDEST_K6} or newer on PATH
  3. the k6 that it set up before
  4. a k6 that it builds with the local Go (1.25 or newer)
  5. the official release archive, if its SHA-256 is the one in this package`,
  options: { print: { description: 'Print the path of the k6 on standard output, and nothing else.' } },
  notes: () =>
    [
      'Environment:',
      helpEntry('K6_BIN', 'The k6 to use; setup then tries nothing else.'),
      helpEntry(
        RELEASES_SETTING,
        `An https URL of a mirror of the release archives, which are at <base>/<version>/<archive>. Default: ${OFFICIAL_RELEASES}`,
      ),
      helpEntry(HTTP_SETTING, 'With "loopback", a mirror on this machine may use plain http.'),
    ].join('\n'),
  notDone: 'Nothing was set up',
  act: async ({ values, problems, refuse }) => {
    if (problems.length > 0) return refuse(problems);
    try {
      const k6 = await ensureK6();
      process.stderr.write(`k6: v${k6.version} is ready (${k6.source}): ${k6.path}\n`);
      if (values.print === true) process.stdout.write(`${k6.path}\n`);
      return 0;
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      process.stderr.write(`${error.message}\n`);
      return error.exitCode;
    }
  },
});

/**
 * Finds a k6 or sets one up; throws a SetupError if that is impossible or a signal interrupts it. On SIGINT, SIGTERM and
 * SIGHUP it first ends the processes that it started and removes unfinished files.
 */
export const ensureK6 = async (options: EnsureK6Options = {}): Promise<K6> =>
  await interruptible((signal) =>
    chooseK6({
      root: options.root ?? packageRoot,
      env: options.env ?? process.env,
      platform: options.platform ?? process.platform,
      arch: options.arch ?? process.arch,
      progress: options.progress ?? progressOn(process.stderr),
      stallTimeoutMs: options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
      signal,
    }),
  );

type Settings = Required<EnsureK6Options> & { signal: AbortSignal };

const interruptible = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const controller = new AbortController();
  const handlers = Object.entries(INTERRUPTIONS).map(([name, exitCode]) => ({
    name,
    handle: () => controller.abort(new SetupError(`k6: setup was interrupted by ${name}`, exitCode)),
  }));
  for (const { name, handle } of handlers) process.on(name, handle);
  try {
    return await work(controller.signal);
  } finally {
    for (const { name, handle } of handlers) process.off(name, handle);
  }
};

const chooseK6 = async (settings: Settings): Promise<K6> => {
  const { env, progress } = settings;
  if (env.K6_BIN) return await fromK6Bin(resolve(env.K6_BIN), settings);

  const tried: string[] = ['K6_BIN: not set'];
  const onPath = findOnPath('k6', env.PATH);
  for (const path of onPath) {
    const k6 = await inspectK6(path, env, settings.signal);
    if (k6.usable) return { path, version: k6.version, source: 'PATH' };
    progress.note(`k6: skipping a k6 on PATH: ${k6.reason}`);
    tried.push(`k6 on PATH: ${k6.reason}`);
  }
  if (onPath.length === 0) tried.push('k6 on PATH: none');

  return (await fromPackage(settings, tried)) ?? giveUp(tried);
};

const fromK6Bin = async (path: string, { env, signal }: Settings): Promise<K6> => {
  const remedy = `set K6_BIN to the path of a k6 ${OLDEST_K6} or newer, or unset it`;
  if (!existsSync(path)) throw new SetupError(`K6_BIN: there is no ${path}; ${remedy}`);
  if (!isExecutable(path)) throw new SetupError(`K6_BIN: ${path} is not an executable file; ${remedy}`);
  const k6 = await inspectK6(path, env, signal);
  if (!k6.usable) throw new SetupError(`K6_BIN: ${k6.reason}; ${remedy}`);
  return { path, version: k6.version, source: 'K6_BIN' };
};

/** Takes the k6 set up before, or sets one up; undefined if neither works, with the reasons added to `tried`. */
const fromPackage = async (settings: Settings, tried: string[]): Promise<K6 | undefined> => {
  const { root, env, progress, signal } = settings;
  const pin = pinOf(root);
  const name = `k6-${pin.hash}-${settings.platform}-${settings.arch}`;
  const directories = [join(root, 'runtime', 'build'), userCache(env)];

  for (const path of directories.map((directory) => join(directory, name))) {
    const before = await inspectMade(path, settings);
    if (before?.usable === true) return { path, version: before.version, source: 'set up before' };
  }
  tried.push(`the k6 set up before: none that runs in ${directories.join(' or ')}`);

  const directory = firstWritable(directories, progress);
  const onWait = (holder: number): void => {
    progress.note(`k6: waiting for another setup (process ${holder})`);
  };
  return await withLock(
    join(directory, 'setup.lock'),
    async () => {
      const path = join(directory, name);
      const meanwhile = await inspectMade(path, settings);
      if (meanwhile?.usable === true) return { path, version: meanwhile.version, source: 'set up before' };
      if (meanwhile !== undefined) progress.note(`k6: setting it up again: ${meanwhile.reason}`);
      return await make(directory, name, pin, settings, tried);
    },
    { signal, onWait },
  );
};

const pinOf = (root: string): K6Pin => {
  try {
    return readK6Pin(root);
  } catch (error) {
    if (!isExpected(error)) throw error;
    throw new SetupError(`k6: the package is incomplete: ${error.message}; install it again`);
  }
};

const inspectMade = async (path: string, { env, signal }: Settings): Promise<Inspected | undefined> =>
  existsSync(path) ? await inspectK6(path, env, signal) : undefined;

/** Makes a k6 in a temporary directory below `directory` and moves it into place once it runs. */
const make = async (
  directory: string,
  name: string,
  pin: K6Pin,
  settings: Settings,
  tried: string[],
): Promise<K6 | undefined> => {
  const sources = [
    { source: 'built with Go', make: buildWithGo },
    { source: 'release archive', make: takeRelease },
  ] as const;
  for (const { source, make } of sources) {
    // Only the holder of the lock works here, so any such directory is from a setup that was killed.
    for (const left of readdirSync(directory).filter((entry) => entry.startsWith(WORK_DIRECTORY_PREFIX))) {
      rmSync(join(directory, left), { recursive: true, force: true });
    }
    const workDirectory = mkdtempSync(join(directory, WORK_DIRECTORY_PREFIX));
    try {
      const context: SourceContext = { ...settings, pin, workDirectory };
      const made = await make(context);
      const k6 = await inspectK6(made, settings.env, settings.signal);
      if (!k6.usable) throw new SourceFailed(k6.reason);
      const path = join(directory, name);
      renameSync(made, path);
      return { path, version: k6.version, source };
    } catch (error) {
      settings.signal.throwIfAborted();
      if (!isExpected(error)) throw error;
      settings.progress.note(`k6: ${source}: ${error.message}`);
      tried.push(`${source}: ${error.message}`);
    } finally {
      rmSync(workDirectory, { recursive: true, force: true });
    }
  }
  return undefined;
};

const giveUp = (tried: string[]): never => {
  throw new SetupError(
    [
      'Could not set up k6. These were tried:',
      ...tried.map((attempt, index) => `  ${index + 1}. ${attempt}`),
      'Install one of these and run this again:',
      `  - k6 ${OLDEST_K6} or newer: https://grafana.com/docs/k6/latest/set-up/install-k6/`,
      '  - Go 1.25 or newer, to build k6 with: https://go.dev/doc/install',
      `or set K6_BIN to the path of a k6, or ${RELEASES_SETTING} to a mirror of ${OFFICIAL_RELEASES}.`,
    ].join('\n'),
  );
};

/** For a package in a folder that the user cannot write to. */
const userCache = (env: NodeJS.ProcessEnv): string => {
  // XDG base directory specification: ignore a path that is not absolute.
  const base = env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : undefined;
  return join(base ?? join(env.HOME || homedir(), '.cache'), 'websocket-mcp-stress');
};

const firstWritable = (directories: string[], progress: Progress): string => {
  const problems: string[] = [];
  for (const directory of directories) {
    try {
      mkdirSync(directory, { recursive: true });
      accessSync(directory, constants.W_OK);
      for (const problem of problems) progress.note(`k6: using ${directory}, because of ${problem}`);
      return directory;
    } catch (error) {
      if (!isExpected(error)) throw error;
      problems.push(error.message);
    }
  }
  throw new SetupError(`k6: no folder to put it in is writable: ${problems.join('; ')}`);
};

/** Whether the environment caused an error, for example a full disk, rather than a bug. */
const isExpected = (error: unknown): error is Error =>
  error instanceof SourceFailed || (error instanceof Error && 'syscall' in error);

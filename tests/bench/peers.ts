import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOnPath } from '../../cli/setup/k6-source.ts';
import { runGroup } from '../../cli/shared/process-group.ts';

const INSTALL_TIMEOUT_MS = 10 * 60_000;
const SHOWN_OUTPUT_CHARACTERS = 1000;

/** What a peer is measured at: many sessions of one line, or one session of many lines. */
export type Work = 'sessions' | 'lines';

/** What a peer is to do; what a session prints, and so what is expected of it, is in the query of the URL. */
export interface PeerLoad {
  work: Work;
  url: string;
  sessions: number;
  atOnce: number;
}

/** A program that ends by itself, with exit code 0 only if every session was verified. */
export interface PeerCommand {
  program: string;
  args: string[];
  env?: Record<string, string>;
  cwd?: string;
}

/** Another load client that does the same work, for a comparison side by side. */
export interface Peer {
  name: string;
  version: string;
  works: readonly Work[];
  /** Installs it, once, below a folder (an absolute path); throws an error that says what is missing or what failed. */
  install(folder: string): Promise<void>;
  command(folder: string, load: PeerLoad): PeerCommand;
}

const WEBSOCKETS = '17.4';
const GORILLA = '1.5.3';
const LOCUST = { locust: '2.47.0', gevent: '26.9.0', 'websocket-client': '1.9.2' };
/** The last one for Node 20. */
const ARTILLERY = '2.0.21';
/** As pom.xml has it. */
const GATLING = '3.13.5';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const linesOf = (url: string): string => new URL(url).searchParams.get('lines') ?? '1';

/** Runs a program of an installation, and throws what it printed if it fails. */
const run = async (peer: string, program: string, args: string[], cwd: string): Promise<void> => {
  if (!program.includes('/') && findOnPath(program, process.env.PATH).length === 0) {
    throw new Error(`${peer}: expected ${program} on PATH, found none; install it, or leave this peer out`);
  }
  const { failure, stdout, stderr } = await runGroup(program, args, {
    cwd,
    env: process.env,
    signal: new AbortController().signal,
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
  if (failure === undefined) return;
  const printed = `${stdout}${stderr}`.trim().slice(-SHOWN_OUTPUT_CHARACTERS);
  throw new Error(`${peer}: expected "${program} ${args.join(' ')}" to succeed, but it ${failure}: ${printed}`);
};

/** Makes a peer's folder unless it was made by the same version: one that was left half made is made anew. */
const makeOnce = async (home: string, version: string, make: () => Promise<void>): Promise<void> => {
  const stamp = join(home, 'installed.txt');
  if ((await readFile(stamp, 'utf8').catch(() => '')) === version) return;
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  await make();
  await writeFile(stamp, version);
};

const installPython = async (peer: string, home: string, packages: string[]): Promise<void> => {
  await makeOnce(home, packages.join(' '), async () => {
    await run(peer, 'python3', ['-m', 'venv', '.'], home);
    await run(peer, join(home, 'bin/python'), ['-m', 'pip', 'install', '--quiet', ...packages], home);
  });
};

const python: Peer = {
  name: 'python',
  version: `websockets ${WEBSOCKETS}`,
  works: ['sessions', 'lines'],
  install: (folder) => installPython('python', join(folder, 'python'), [`websockets==${WEBSOCKETS}`]),
  command: (folder, { work, url, sessions, atOnce }) => ({
    program: join(folder, 'python/bin/python'),
    args: [
      source('peers/python/client.py'),
      work,
      url,
      ...(work === 'lines' ? [linesOf(url)] : [`${sessions}`, `${atOnce}`]),
    ],
  }),
};

const go: Peer = {
  name: 'go',
  version: `gorilla/websocket ${GORILLA}`,
  works: ['lines'],
  install: async (folder) => {
    const home = join(folder, 'go');
    await mkdir(home, { recursive: true });
    // Go keeps what it built: a second time takes no time.
    await run('go', 'go', ['build', '-mod=readonly', '-o', join(home, 'client'), '.'], source('go-client'));
  },
  command: (folder, { url }) => ({ program: join(folder, 'go/client'), args: [url, linesOf(url)] }),
};

const locust: Peer = {
  name: 'locust',
  version: `locust ${LOCUST.locust}, websocket-client ${LOCUST['websocket-client']}`,
  works: ['sessions'],
  install: (folder) =>
    installPython(
      'locust',
      join(folder, 'locust'),
      Object.entries(LOCUST).map(([name, version]) => `${name}==${version}`),
    ),
  command: (folder, { url, sessions, atOnce }) => ({
    program: join(folder, 'locust/bin/locust'),
    args: [
      '--headless',
      '--only-summary',
      `--locustfile=${source('peers/locust/locustfile.py')}`,
      `--users=${atOnce}`,
      // So many a second: all at once.
      `--spawn-rate=${atOnce}`,
    ],
    env: { PEER_URL: url, PEER_SESSIONS: `${sessions}` },
    cwd: join(folder, 'locust'),
  }),
};

const artillery: Peer = {
  name: 'artillery',
  version: `artillery ${ARTILLERY}`,
  works: ['sessions'],
  install: async (folder) => {
    const home = join(folder, 'artillery');
    await makeOnce(home, ARTILLERY, async () => {
      await writeFile(join(home, 'package.json'), '{ "private": true }\n');
      const quiet = ['--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
      await run('artillery', 'npm', ['install', ...quiet, `artillery@${ARTILLERY}`], home);
    });
    // ARTILLERY_DISABLE_TELEMETRY only empties what is sent; without its client nothing is, and nothing waits for an answer.
    await rm(join(home, 'node_modules/posthog-node'), { recursive: true, force: true });
    // Here the processor finds the `ws` that Artillery's engine uses.
    for (const file of ['bench.yml', 'processor.cjs'])
      await copyFile(source(`peers/artillery/${file}`), join(home, file));
  },
  command: (folder, { url, sessions, atOnce }) => ({
    program: join(folder, 'artillery/node_modules/.bin/artillery'),
    args: ['run', 'bench.yml'],
    env: {
      ARTILLERY_DISABLE_TELEMETRY: 'true',
      PEER_URL: url,
      PEER_SESSIONS: `${sessions}`,
      PEER_AT_ONCE: `${Math.min(atOnce, sessions)}`,
    },
    cwd: join(folder, 'artillery'),
  }),
};

const gatling: Peer = {
  name: 'gatling',
  version: `gatling ${GATLING}`,
  works: ['sessions'],
  install: async (folder) => {
    const home = join(folder, 'gatling');
    await makeOnce(home, GATLING, async () => {
      const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${join(home, 'lib')}`];
      await run('gatling', 'mvn', ['-B', '-q', '-f', source('peers/gatling/pom.xml'), ...copy], home);
    });
    await run(
      'gatling',
      'javac',
      ['-d', 'classes', '-cp', 'lib/*', source('peers/gatling/BenchSimulation.java')],
      home,
    );
    await copyFile(source('peers/gatling/logback.xml'), join(home, 'classes/logback.xml'));
  },
  command: (folder, { url, sessions, atOnce }) => ({
    program: 'java',
    args: [
      '--add-opens=java.base/java.lang=ALL-UNNAMED',
      '-Djava.util.prefs.userRoot=.',
      // Nothing but the bench's server is asked: Gatling reports its use, warms up at a site of its own, and looks for a later
      // version. The last has no switch, and gets a proxy that refuses.
      '-Dgatling.data.enableAnalytics=false',
      '-Dgatling.http.warmUpUrl=',
      '-Dhttps.proxyHost=127.0.0.1',
      '-Dhttps.proxyPort=1',
      `-Dpeer.url=${url}`,
      `-Dpeer.sessions=${sessions}`,
      `-Dpeer.atOnce=${atOnce}`,
      '--class-path=classes:lib/*',
      'io.gatling.app.Gatling',
      '--simulation=BenchSimulation',
      '--results-folder=results',
      '--no-reports',
    ],
    cwd: join(folder, 'gatling'),
  }),
};

/** The peers of the bench. */
export const peers: readonly Peer[] = [python, go, locust, artillery, gatling];

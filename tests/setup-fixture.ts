import { buildSync } from 'esbuild';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { findOnPath } from '../cli/setup/k6-source.ts';
import { progressOn } from '../cli/shared/progress.ts';
import { ensureK6, type EnsureK6Options, type K6 } from '../cli/setup/setup.ts';
import { packageRoot } from '../cli/shared/package-root.ts';

/** A package, a home and a PATH that keep out the k6 and the Go of this machine. */
export interface SetupFixture {
  directory: string;
  root: string;
  bin: string;
  /** `runtime/build` of the package. */
  build: string;
  env: NodeJS.ProcessEnv;
}

/** Makes a fixture that is removed after the test. */
export const setupFixture = (t: TestContext): SetupFixture => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'ws-stress-setup-')));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const root = join(directory, 'package');
  const bin = join(directory, 'bin');
  mkdirSync(join(root, 'runtime'), { recursive: true });
  mkdirSync(bin);
  writeFileSync(join(root, 'package.json'), '{ "name": "websocket-mcp-stress", "type": "module" }');
  writeFileSync(join(root, 'runtime', 'go.mod'), 'module pinned\n\ngo 1.25.0\n\nrequire go.k6.io/k6/v2 v2.2.0\n');
  writeFileSync(join(root, 'runtime', 'go.sum'), '');
  writeFileSync(join(root, 'runtime', 'main.go'), 'package main\n');
  for (const tool of ['cat', 'chmod', 'gzip', 'mv', 'sleep', 'tar', 'unzip']) {
    const [path] = findOnPath(tool, process.env['PATH']);
    if (path !== undefined) symlinkSync(path, join(bin, tool));
  }
  writeChecksums(root, {
    'k6-v2.2.0-linux-amd64.tar.gz': '0'.repeat(64),
    'k6-v2.2.0-linux-arm64.tar.gz': '0'.repeat(64),
  });
  const env = {
    PATH: bin,
    HOME: join(directory, 'home'),
    WS_STRESS_K6_RELEASES: 'http://127.0.0.1:1',
    WS_STRESS_K6_RELEASES_HTTP: 'loopback',
  };
  return { directory, root, bin, build: join(root, 'runtime', 'build'), env };
};

/** Writes a package's own list of the SHA-256 of release archives. */
export const writeChecksums = (root: string, sums: Readonly<Record<string, string>>): void => {
  const lines = Object.entries(sums).map(([name, sum]) => `${sum}  ${name}\n`);
  writeFileSync(join(root, 'runtime', 'k6-checksums.txt'), lines.join(''));
};

/** The text of a program that answers `version` as k6 does. */
export const k6Script = (version = '2.2.0'): string =>
  `#!/bin/sh\n[ "$1" = version ] && echo "k6 v${version} (go1.26.8, linux/amd64)"\n`;

export const writeExecutable = (path: string, content: string): string => {
  writeFileSync(path, content);
  chmodSync(path, 0o755);
  return path;
};

/** Puts a `go` on the fixture's PATH whose builds log their arguments and environment, run `before` and write a k6. */
export const fakeGo = (
  fixture: SetupFixture,
  { version = 'go1.26.8', before = '' } = {},
): { builds: () => string[] } => {
  const log = join(fixture.directory, 'go.log');
  const k6 = writeExecutable(join(fixture.directory, 'k6-that-go-builds'), k6Script());
  writeExecutable(
    join(fixture.bin, 'go'),
    `#!/bin/sh
if [ "$1" = version ]; then echo "go version ${version} linux/amd64"; exit; fi
echo "CGO_ENABLED=$CGO_ENABLED GOOS=$GOOS $*" >> '${log}'
while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done
${before}
cat '${k6}' > "$out" && chmod +x "$out"
`,
  );
  return { builds: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []) };
};

/** Runs ensureK6 in the fixture; `shown` is its progress. */
export const runEnsureK6 = async (
  fixture: SetupFixture,
  options: EnsureK6Options = {},
): Promise<{ k6: K6; shown: string } | { error: Error; shown: string }> => {
  let shown = '';
  const progress = progressOn({ write: (text) => (shown += text) });
  const defaults = { root: fixture.root, env: fixture.env, platform: 'linux', arch: 'x64', progress } as const;
  try {
    return { k6: await ensureK6({ ...defaults, ...options }), shown };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { error, shown };
  }
};

/** The files in the fixture's `runtime/build` but for the lock: a k6, and leftovers. */
export const madeFiles = (fixture: SetupFixture): string[] =>
  existsSync(fixture.build) ? readdirSync(fixture.build).filter((name) => name !== 'setup.lock') : [];

let bundled: string | undefined;

/** A running `ws-stress setup`. */
export interface SetupProcess {
  child: ChildProcess;
  /** Its stderr until now. */
  stderr: () => string;
  finished: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>;
}

/** Starts the bundled `setupCommand` from the fixture's package, like the installed command. */
export const startSetup = (t: TestContext, fixture: SetupFixture, ...args: string[]): SetupProcess => {
  bundled ??= buildSync({
    stdin: {
      contents: `import { setupCommand } from './cli/setup/setup.ts';
        import { runCommandLine } from './cli/shared/command-line.ts';
        const group = { description: '', commands: [{ name: 'setup', summary: '', load: () => setupCommand }] };
        process.exitCode = await runCommandLine(['ws-stress'], group, ['setup', ...process.argv.slice(2)]);`,
      resolveDir: packageRoot,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    // commander asks for Node's modules by require.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    write: false,
  }).outputFiles[0]?.text;
  const command = join(fixture.root, 'dist', 'cli.mjs');
  mkdirSync(join(fixture.root, 'dist'), { recursive: true });
  writeFileSync(command, bundled ?? '');

  const child = spawn(process.execPath, [command, ...args], { env: fixture.env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const finished = new Promise<Awaited<SetupProcess['finished']>>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, stderr: () => stderr, finished };
};

/** Waits until `isSo` holds; fails the test after 20 s. */
export const until = async (what: string, isSo: () => boolean): Promise<void> => {
  const deadline = performance.now() + 20_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`expected within 20 s: ${what}`);
    await delay(10);
  }
};

/** Serves on a free port of the loopback interface during the test; returns the base URL. */
export const serve = async (t: TestContext, listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`expected a port, received ${address}`);
  return `http://127.0.0.1:${address.port}`;
};

/** The SHA-256 of some bytes in hexadecimal. */
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A zip file with one stored, executable file, like k6's releases for macOS. */
export const zipOf = (name: string, content: string): Buffer => {
  const path = Buffer.from(name);
  const data = Buffer.from(content);
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt32LE(crc32(data), 10);
  common.writeUInt32LE(data.length, 14);
  common.writeUInt32LE(data.length, 18);
  common.writeUInt16LE(path.length, 22);
  const local = Buffer.concat([Buffer.from('PK\u0003\u0004'), common, path, data]);

  const versionMadeBy = Buffer.from([20, 3]);
  const attributes = Buffer.alloc(14);
  attributes.writeUInt32LE((0o100755 << 16) >>> 0, 6);
  const central = Buffer.concat([Buffer.from('PK\u0001\u0002'), versionMadeBy, common, attributes, path]);

  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(local.length, 12);
  return Buffer.concat([local, central, Buffer.from('PK\u0005\u0006'), end]);
};

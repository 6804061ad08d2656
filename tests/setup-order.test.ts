import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSupportedK6, parseK6Version } from '../cli/setup/k6-version.ts';
import { findPackageRoot } from '../cli/shared/package-root.ts';
import { progressOn } from '../cli/shared/progress.ts';
import { SetupError } from '../cli/setup/setup.ts';
import { pathToFileURL } from 'node:url';
import {
  fakeGo,
  k6Script,
  madeFiles,
  runEnsureK6,
  setupFixture,
  startSetup,
  writeExecutable,
} from './setup-fixture.ts';

const VERSIONS: [output: string, fileName: string, version: string | undefined, isSupported: boolean][] = [
  ['k6 v2.2.0 (go1.26.8, linux/amd64)\n', 'k6', '2.2.0', true],
  ['k6 v2.0.0 (commit/4c3d2b1a, go1.25.1, darwin/arm64)\n', 'k6', '2.0.0', true],
  ['k6 v2.1.0 (go1.26.8, linux/amd64)\nExtensions:\n  example.com/xk6-a v1.0.0, k6/x/a [js]\n', 'k6', '2.1.0', true],
  ['k6 v10.0.1 (go1.30, linux/amd64)', 'k6', '10.0.1', true],
  ['k6 v2.0.0-rc1 (commit/4c3d2b1a, go1.25.1, linux/amd64)\n', 'k6', '2.0.0-rc1', false],
  ['k6 v2.3.0-dev (go1.26.8, linux/amd64)', 'k6', '2.3.0-dev', true],
  ['k6 v1.7.0 (commit/4c3d2b1a, go1.24.1, linux/amd64)', 'k6', '1.7.0', false],
  ['k6 v0.57.0 (dev build, go1.23.6, linux/amd64)', 'k6', '0.57.0', false],
  ['k6-2.2 v2.2.0 (go1.26.8, linux/amd64)', 'k6-2.2', '2.2.0', true],
  ['other v2.2.0 (linux/amd64)', 'other', undefined, false],
  ['other v2.2.0 (go1.26.8, linux/amd64)', 'k6', undefined, false],
  ['k6: unknown command', 'k6', undefined, false],
  ['', 'k6', undefined, false],
];

for (const [output, fileName, text, isSupported] of VERSIONS) {
  void test(`"${output.split('\n')[0]}" of ${fileName} is ${text === undefined ? 'no k6' : `k6 ${text}`}`, () => {
    const version = parseK6Version(output, fileName);
    assert.equal(version?.text, text);
    assert.equal(version !== undefined && isSupportedK6(version), isSupported);
  });
}

void test('K6_BIN takes precedence over everything else', async (t) => {
  const fixture = setupFixture(t);
  writeExecutable(join(fixture.bin, 'k6'), k6Script('2.9.0'));
  const K6_BIN = writeExecutable(join(fixture.directory, 'my-k6'), k6Script('2.1.0'));
  const result = await runEnsureK6(fixture, { env: { ...fixture.env, K6_BIN } });
  assert.deepEqual(result, { k6: { path: K6_BIN, version: '2.1.0', source: 'K6_BIN' }, shown: '' });
});

void test('a variable that k6 rejects says nothing about the program', async (t) => {
  const fixture = setupFixture(t);
  const fails = `#!/bin/sh\n[ -z "$K6_SECRET_SOURCE" ] || exit 255\n${k6Script('2.1.0')}`;
  writeExecutable(join(fixture.bin, 'k6'), fails);
  const result = await runEnsureK6(fixture, { env: { ...fixture.env, K6_SECRET_SOURCE: 'wrong' } });
  assert.ok('k6' in result, result.shown);
  assert.equal(result.k6.version, '2.1.0');
});

const BAD_K6_BINS: [what: string, write: (path: string) => void, message: RegExp][] = [
  ['does not exist', () => undefined, /there is no .*my-k6/],
  ['is a directory', (path) => mkdirSync(path), /my-k6 is not an executable file/],
  ['is not executable', (path) => writeFileSync(path, k6Script()), /my-k6 is not an executable file/],
  ['is not k6', (path) => writeExecutable(path, '#!/bin/sh\necho hello\n'), /is not k6: .* received: hello/],
  ['fails', (path) => writeExecutable(path, '#!/bin/sh\necho broken >&2\nexit 3\n'), /exited with 3: broken/],
  ['cannot be started', (path) => writeExecutable(path, '#!/no/such/shell\n'), /does not run: .* cannot be started/],
  ['is too old', (path) => writeExecutable(path, k6Script('1.4.0')), /is k6 v1\.4\.0; expected 2\.0 or newer/],
];

for (const [what, write, message] of BAD_K6_BINS) {
  void test(`a K6_BIN that ${what} is an error, even if there is another k6`, async (t) => {
    const fixture = setupFixture(t);
    writeExecutable(join(fixture.bin, 'k6'), k6Script());
    const K6_BIN = join(fixture.directory, 'my-k6');
    write(K6_BIN);
    const result = await runEnsureK6(fixture, { env: { ...fixture.env, K6_BIN } });
    assert.ok('error' in result && result.error instanceof SetupError);
    assert.match(result.error.message, /^K6_BIN: /);
    assert.match(result.error.message, message);
    assert.match(result.error.message, /set K6_BIN to the path of a k6 2\.0 or newer, or unset it$/);
    assert.equal(result.error.exitCode, 1);
  });
}

void test('a k6 on PATH takes precedence over a build', async (t) => {
  const fixture = setupFixture(t);
  const go = fakeGo(fixture);
  const path = writeExecutable(join(fixture.bin, 'k6'), k6Script('2.0.0'));
  const result = await runEnsureK6(fixture, { env: { ...fixture.env, K6_BIN: '' } });
  assert.deepEqual(result, { k6: { path, version: '2.0.0', source: 'PATH' }, shown: '' });
  assert.deepEqual(go.builds(), []);
  assert.equal(existsSync(fixture.build), false);
});

void test('a k6 on PATH that is too old is reported and skipped for the next one', async (t) => {
  const fixture = setupFixture(t);
  writeExecutable(join(fixture.bin, 'k6'), k6Script('1.3.0'));
  const later = join(fixture.directory, 'later');
  mkdirSync(later);
  const path = writeExecutable(join(later, 'k6'), k6Script('2.3.0'));
  const result = await runEnsureK6(fixture, { env: { ...fixture.env, PATH: `${fixture.bin}:relative:${later}` } });
  assert.ok('k6' in result);
  assert.deepEqual(result.k6, { path, version: '2.3.0', source: 'PATH' });
  assert.match(result.shown, /^k6: skipping a k6 on PATH: .*bin\/k6 is k6 v1\.3\.0; expected 2\.0 or newer\n$/);
});

void test('without a k6, setup builds one with Go, once', async (t) => {
  const fixture = setupFixture(t);
  const go = fakeGo(fixture);
  const first = await runEnsureK6(fixture, { env: { ...fixture.env, GOOS: 'plan9', GOFLAGS: '-mod=mod' } });
  assert.ok('k6' in first, first.shown);
  assert.equal(first.k6.source, 'built with Go');
  assert.equal(first.k6.version, '2.2.0');
  assert.match(first.shown, /building v2\.2\.0 with go1\.26\.8/);
  assert.equal(go.builds().length, 1);
  assert.match(
    go.builds()[0] ?? '',
    /^CGO_ENABLED=0 GOOS= build -v -trimpath -mod=readonly -buildvcs=false -o \S+ \.$/,
  );
  assert.deepEqual(madeFiles(fixture), [first.k6.path.slice(fixture.build.length + 1)]);

  const second = await runEnsureK6(fixture);
  assert.deepEqual(second, { k6: { ...first.k6, source: 'set up before' }, shown: '' });
  assert.equal(go.builds().length, 1);
});

void test('a changed pin causes a build', async (t) => {
  const fixture = setupFixture(t);
  const go = fakeGo(fixture);
  const first = await runEnsureK6(fixture);
  writeFileSync(join(fixture.root, 'runtime', 'main.go'), 'package main\n\nimport _ "example.com/extension"\n');
  const second = await runEnsureK6(fixture);
  assert.ok('k6' in first && 'k6' in second);
  assert.equal(second.k6.source, 'built with Go');
  assert.notEqual(second.k6.path, first.k6.path);
  assert.equal(go.builds().length, 2);
});

void test('a k6 set up before that no longer runs is set up again', async (t) => {
  const fixture = setupFixture(t);
  fakeGo(fixture);
  const first = await runEnsureK6(fixture);
  assert.ok('k6' in first);
  writeFileSync(first.k6.path, '');
  const second = await runEnsureK6(fixture);
  assert.ok('k6' in second);
  assert.deepEqual(second.k6, first.k6);
  assert.match(second.shown, /^k6: setting it up again: .* is not k6/);
});

void test('the k6 of a read-only package is in the user’s cache', async (t) => {
  const fixture = setupFixture(t);
  fakeGo(fixture);
  // A file instead of the directory stops root too.
  writeFileSync(fixture.build, '');
  const first = await runEnsureK6(fixture);
  assert.ok('k6' in first);
  assert.ok(first.k6.path.startsWith(join(fixture.directory, 'home', '.cache', 'websocket-mcp-stress', 'k6-')));
  const again = await runEnsureK6(fixture);
  assert.deepEqual(again, { k6: { ...first.k6, source: 'set up before' }, shown: '' });

  const XDG_CACHE_HOME = join(fixture.directory, 'xdg');
  const other = await runEnsureK6(fixture, { env: { ...fixture.env, XDG_CACHE_HOME } });
  assert.ok('k6' in other && other.k6.path.startsWith(join(XDG_CACHE_HOME, 'websocket-mcp-stress', 'k6-')));
});

void test('if nothing works, one message lists the attempts, why they failed and what to install', async (t) => {
  const fixture = setupFixture(t);
  writeExecutable(join(fixture.bin, 'k6'), k6Script('1.3.0'));
  fakeGo(fixture, { before: 'echo example.com/compiled >&2; echo "main.go:3:8: no such package" >&2; exit 1' });
  const result = await runEnsureK6(fixture);
  assert.ok('error' in result && result.error instanceof SetupError);
  assert.equal(result.error.exitCode, 1);
  const lines = result.error.message.split('\n');
  assert.equal(lines[0], 'Could not set up k6. These were tried:');
  assert.equal(lines[1], '  1. K6_BIN: not set');
  assert.match(lines[2] ?? '', /^ {2}2\. k6 on PATH: .* is k6 v1\.3\.0; expected 2\.0 or newer$/);
  assert.match(lines[3] ?? '', /^ {2}3\. the k6 set up before: none that runs in .*runtime\/build or .*\.cache/);
  assert.match(lines[4] ?? '', /^ {2}4\. built with Go: "go build" of runtime\/ with go1\.26\.8 exited with 1$/);
  assert.equal(lines[5]?.trim(), 'main.go:3:8: no such package');
  assert.match(
    lines[6] ?? '',
    /^ {2}5\. release archive: http:\/\/127\.0\.0\.1:1\/v2\.2\.0\/k6-v2\.2\.0-linux-amd64\.tar\.gz: /,
  );
  const advice = lines.slice(7).join('\n');
  assert.match(advice, /k6 2\.0 or newer: https:\/\//);
  assert.match(advice, /Go 1\.25 or newer.*: https:\/\//);
  assert.deepEqual(madeFiles(fixture), []);
});

const OTHER_GOS: [what: string, go: string | undefined, message: RegExp][] = [
  ['no Go', undefined, /built with Go: there is no go on PATH/],
  [
    'a Go that is too old',
    '#!/bin/sh\necho go version go1.20.14 linux/amd64\n',
    /is go1\.20\.14; expected Go 1\.25 or newer/,
  ],
  ['a go that is something else', '#!/bin/sh\necho baduk\n', /expected "go version go1\.…", received "baduk"/],
  ['a go that fails', '#!/bin/sh\necho no GOROOT >&2\nexit 2\n', /"go version" exited with 2 no GOROOT/],
  [
    'an older Go that may not fetch a toolchain',
    '#!/bin/sh\n[ $1 = version ] && echo go version go1.22.2 linux/amd64 && exit\n' +
      'echo "go: go.mod requires go >= 1.25.0 (running go 1.22.2; GOTOOLCHAIN=local)" >&2\nexit 1\n',
    /with go1\.22\.2, if it can download the toolchain .*exited with 1\n +go: go\.mod requires go >= 1\.25\.0/,
  ],
  [
    'a Go that builds something else',
    '#!/bin/sh\n[ $1 = version ] && echo go version go1.26.8 linux/amd64 && exit\n' +
      'while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done\necho "echo hello" > $out\nchmod +x $out\n',
    /built with Go: .*tmp-\w+\/k6 is not k6/,
  ],
];

for (const [what, go, message] of OTHER_GOS) {
  void test(`${what} is a reason in the message`, async (t) => {
    const fixture = setupFixture(t);
    if (go !== undefined) writeExecutable(join(fixture.bin, 'go'), go);
    const result = await runEnsureK6(fixture);
    assert.ok('error' in result);
    assert.match(result.error.message, message);
    assert.deepEqual(madeFiles(fixture), []);
  });
}

void test('a package without its runtime reports that it is incomplete', async (t) => {
  const fixture = setupFixture(t);
  const result = await runEnsureK6(fixture, { root: fixture.directory });
  assert.ok('error' in result && result.error instanceof SetupError);
  assert.match(result.error.message, /the package is incomplete: .*go\.mod.*; install it again/);
});

void test('the command prints only the path on stdout, and its progress on stderr', async (t) => {
  const fixture = setupFixture(t);
  fakeGo(fixture);
  const first = await startSetup(t, fixture, '--print').finished;
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^\/.*\/package\/runtime\/build\/k6-\S+\n$/);
  assert.match(first.stderr, /building v2\.2\.0 .*\nk6: v2\.2\.0 is ready \(built with Go\): \//);
  const second = await startSetup(t, fixture).finished;
  assert.deepEqual(second, {
    code: 0,
    signal: null,
    stdout: '',
    stderr: `k6: v2.2.0 is ready (set up before): ${first.stdout}`,
  });
});

void test('the command’s errors are a message and an exit code', async (t) => {
  const fixture = setupFixture(t);
  const failed = await startSetup(t, fixture, '--print').finished;
  assert.equal(failed.code, 1);
  assert.equal(failed.stdout, '');
  assert.match(failed.stderr, /Could not set up k6/);
  assert.doesNotMatch(failed.stderr, /\n {4}at /);

  const misused = await startSetup(t, fixture, '--prnt').finished;
  assert.equal(misused.code, 2);
  assert.match(misused.stderr, /no such option: --prnt; did you mean --print\?/);

  const help = await startSetup(t, fixture, '--help').finished;
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^Usage: ws-stress setup.*WS_STRESS_K6_RELEASES/s);
});

void test('the package is found from a source, from a bundle and from an installed copy', (t) => {
  const { directory, root } = setupFixture(t);
  for (const path of ['cli/setup/setup.ts', 'dist/cli.mjs', 'node_modules/some/deep/module.mjs']) {
    assert.equal(findPackageRoot(pathToFileURL(join(root, path)).href), root);
  }
  const nested = join(root, 'node_modules', 'other');
  mkdirSync(nested, { recursive: true });
  writeFileSync(join(nested, 'package.json'), '{ "name": "other" }');
  assert.equal(findPackageRoot(pathToFileURL(join(nested, 'index.js')).href), root);
  assert.throws(() => findPackageRoot(pathToFileURL(join(directory, 'x.mjs')).href), /no package\.json named/);
});

void test('progress rewrites one line on a terminal', async () => {
  let shown = '';
  const progress = progressOn({ isTTY: true, columns: 10, write: (text) => (shown += text) });
  await progress.during(
    () => 'a status that is longer than the terminal is wide',
    async () => {
      while (!shown.includes('a status')) await new Promise((resolve) => setTimeout(resolve, 10));
    },
  );
  progress.note('done');
  assert.ok(shown.startsWith('\r\u001B[2Ka status '));
  assert.ok(!shown.includes('longer'));
  assert.ok(shown.endsWith('\r\u001B[2Kdone\n'));
});

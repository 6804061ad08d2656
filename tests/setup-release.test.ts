import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { findOnPath, readK6Pin } from '../cli/setup/k6-source.ts';
import { SetupError } from '../cli/setup/setup.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import {
  k6Script,
  madeFiles,
  runEnsureK6,
  serve,
  setupFixture,
  sha256,
  writeChecksums,
  writeExecutable,
  zipOf,
  type SetupFixture,
} from './setup-fixture.ts';

const ARCHIVE = 'k6-v2.2.0-linux-amd64.tar.gz';

/** An archive like those of k6, with a shell script as k6. */
const tarOf = (fixture: SetupFixture, script = k6Script()): Buffer => {
  const directory = join(fixture.directory, 'release');
  mkdirSync(join(directory, 'k6-v2.2.0-linux-amd64'), { recursive: true });
  writeExecutable(join(directory, 'k6-v2.2.0-linux-amd64', 'k6'), script);
  execFileSync('tar', ['-czf', 'archive.tar.gz', 'k6-v2.2.0-linux-amd64'], { cwd: directory });
  return readFileSync(join(directory, 'archive.tar.gz'));
};

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

/** Serves a release below `/base`, with the given answer to every request. */
const serveRelease = async (t: TestContext, answer: Answer): Promise<string> =>
  `${await serve(t, (request, response) => answer(response, request))}/base`;

const runWithRelease = async (fixture: SetupFixture, base: string): ReturnType<typeof runEnsureK6> =>
  await runEnsureK6(fixture, {
    env: { ...fixture.env, WS_STRESS_K6_RELEASES: base },
    stallTimeoutMs: 15_000,
  });

void test('the release archive is downloaded, verified, unpacked and kept', async (t) => {
  const fixture = setupFixture(t);
  const archive = tarOf(fixture);
  writeChecksums(fixture.root, { 'k6-v2.2.0-linux-arm64.tar.gz': '0'.repeat(64), [ARCHIVE]: sha256(archive) });
  const requests: (string | undefined)[] = [];
  const base = await serveRelease(t, (response, request) => {
    requests.push(request.url);
    response.end(archive);
  });
  // The URL may end with a slash.
  const first = await runWithRelease(fixture, `${base}/`);
  assert.ok('k6' in first, 'error' in first ? first.error.message : '');
  assert.equal(first.k6.source, 'release archive');
  assert.deepEqual(requests, [`/base/v2.2.0/${ARCHIVE}`]);
  assert.match(
    first.shown,
    /k6: built with Go: there is no go on PATH\nk6: downloading http:.*\/k6-v2\.2\.0-linux-amd64\.tar\.gz\n$/,
  );
  assert.deepEqual(madeFiles(fixture), [first.k6.path.slice(fixture.build.length + 1)]);

  const second = await runWithRelease(fixture, base);
  assert.deepEqual(second, { k6: { ...first.k6, source: 'set up before' }, shown: '' });
  assert.equal(requests.length, 1);
});

const canUnzip = findOnPath('unzip', process.env['PATH']).length > 0 || process.platform === 'darwin';

void test('on macOS it is a zip file', { skip: canUnzip ? false : 'needs unzip' }, async (t) => {
  const fixture = setupFixture(t);
  const archive = zipOf('k6-v2.2.0-macos-arm64/k6', k6Script());
  writeChecksums(fixture.root, { 'k6-v2.2.0-macos-arm64.zip': sha256(archive) });
  const base = await serveRelease(t, (response) => response.end(archive));
  const result = await runEnsureK6(fixture, {
    platform: 'darwin',
    arch: 'arm64',
    env: { ...fixture.env, WS_STRESS_K6_RELEASES: base },
  });
  assert.ok('k6' in result, 'error' in result ? result.error.message : '');
  assert.equal(result.k6.source, 'release archive');
});

void test('redirects are followed', async (t) => {
  const fixture = setupFixture(t);
  const archive = tarOf(fixture);
  const storage = await serve(t, (request, response) => {
    if (request.url === '/stored') response.end(archive);
    else response.writeHead(404).end();
  });
  writeChecksums(fixture.root, { [ARCHIVE]: sha256(archive) });
  const base = await serveRelease(t, (response) => {
    response.writeHead(302, { location: `${storage}/stored` }).end();
  });
  const result = await runWithRelease(fixture, base);
  assert.ok('k6' in result, 'error' in result ? result.error.message : '');
});

interface Fault {
  what: string;
  sums?: (sum: string) => Record<string, string>;
  answer?: (response: ServerResponse, archive: Buffer) => void;
  script?: string;
  message: RegExp;
}

const FAULTS: Fault[] = [
  {
    what: 'an archive that is not the one released',
    sums: () => ({ [ARCHIVE]: 'ab'.repeat(32) }),
    message:
      /amd64\.tar\.gz is not the released file: runtime\/k6-checksums\.txt has SHA-256 (ab){32}, received [0-9a-f]{64}$/m,
  },
  {
    what: 'an archive that the package has no checksum of',
    sums: (sum) => ({ 'k6-v2.2.0-linux-arm64.tar.gz': sum }),
    message:
      /runtime\/k6-checksums\.txt has no SHA-256 of k6-v2\.2\.0-linux-amd64\.tar\.gz, so setup cannot verify the archive and does not download it$/m,
  },
  {
    what: 'an archive that is not there',
    answer: (response) => response.writeHead(404, 'Not Found').end(),
    message: /amd64\.tar\.gz: expected HTTP 200, received 404 Not Found$/m,
  },
  {
    what: 'a server that fails',
    answer: (response) => response.writeHead(503).end('busy'),
    message: /amd64\.tar\.gz: expected HTTP 200, received 503 Service Unavailable$/m,
  },
  {
    what: 'a body that ends early',
    answer: (response, archive) => {
      response.writeHead(200, { 'content-length': archive.length });
      response.write(archive.subarray(0, 50), () => response.destroy());
    },
    message: /amd64\.tar\.gz: (other side closed|aborted|terminated)$/m,
  },
  {
    what: 'a body of unknown length that ends early',
    answer: (response, archive) => response.end(archive.subarray(0, 50)),
    message: /is not the released file/,
  },
  {
    what: 'redirects without end',
    answer: (response) => response.writeHead(302, { location: `v2.2.0/${ARCHIVE}` }).end(),
    message: /amd64\.tar\.gz: (redirect count exceeded|expected HTTP 200, received 404)/,
  },
  {
    what: 'an archive without k6 in it',
    sums: () => ({ [ARCHIVE]: sha256(Buffer.from('no archive')) }),
    answer: (response) => response.end('no archive'),
    message: /cannot extract k6-v2\.2\.0-linux-amd64: tar exited with \d/,
  },
  {
    what: 'a k6 that does not run here',
    script: '#!/bin/sh\necho wrong architecture >&2\nexit 1\n',
    message: /\/k6 does not run: ".*\/k6 version" exited with 1: wrong architecture$/m,
  },
];

for (const { what, sums, answer, script, message } of FAULTS) {
  void test(`${what} is refused, and leaves no files`, async (t) => {
    const fixture = setupFixture(t);
    const archive = tarOf(fixture, script);
    writeChecksums(fixture.root, sums?.(sha256(archive)) ?? { [ARCHIVE]: sha256(archive) });
    const base = await serveRelease(t, (response) => {
      if (answer === undefined) response.end(archive);
      else answer(response, archive);
    });
    const result = await runWithRelease(fixture, base);
    assert.ok('error' in result && result.error instanceof SetupError);
    assert.match(result.error.message, message);
    assert.deepEqual(madeFiles(fixture), []);
  });
}

for (const [what, sent] of [
  ['a server that accepts and says nothing', undefined],
  ['a body that stalls', 50],
] as const) {
  void test(`${what} fails after the stall timeout`, async (t) => {
    const fixture = setupFixture(t);
    const archive = tarOf(fixture);
    writeChecksums(fixture.root, { [ARCHIVE]: sha256(archive) });
    const base = await serveRelease(t, (response) => {
      if (sent === undefined) return;
      response.writeHead(200, { 'content-length': archive.length });
      response.write(archive.subarray(0, sent));
    });
    const result = await runEnsureK6(fixture, {
      env: { ...fixture.env, WS_STRESS_K6_RELEASES: base },
      stallTimeoutMs: 400,
    });
    assert.ok('error' in result && result.error instanceof SetupError);
    assert.match(result.error.message, /amd64\.tar\.gz: received no data for 0\.4 s$/m);
    assert.deepEqual(madeFiles(fixture), []);
  });
}

void test('the error for a platform without a release archive lists those with one', async (t) => {
  const fixture = setupFixture(t);
  const result = await runEnsureK6(fixture, { platform: 'win32' });
  assert.ok('error' in result);
  assert.match(
    result.error.message,
    /release archive: there is no release archive for win32-x64, only for linux-x64, linux-arm64, darwin-x64, darwin-arm64$/m,
  );
});

void test('an invalid URL and an unused proxy are reported', async (t) => {
  const fixture = setupFixture(t);
  for (const [setting, message] of [
    [
      'ftp://mirror/k6',
      /WS_STRESS_K6_RELEASES: expected an https URL such as https:.*, received "ftp:\/\/mirror\/k6"$/m,
    ],
    ['mirror', /WS_STRESS_K6_RELEASES: expected an https URL .*, received "mirror"$/m],
    [
      'http://127.0.0.1:1',
      /127\.0\.0\.1:1\/.*\(HTTPS_PROXY is set: Node\.js 24 and newer use it if NODE_USE_ENV_PROXY=1/,
    ],
  ] as const) {
    const result = await runEnsureK6(fixture, {
      env: { ...fixture.env, WS_STRESS_K6_RELEASES: setting, HTTPS_PROXY: 'http://proxy:3128' },
    });
    assert.ok('error' in result);
    assert.match(result.error.message, message);
  }
});

void test('a mirror without TLS is asked nothing, but on loopback where that is permitted', async (t) => {
  const fixture = setupFixture(t);
  let requests = 0;
  const base = await serveRelease(t, (response) => {
    requests++;
    response.end();
  });
  for (const [releases, permitted, message] of [
    [
      base,
      undefined,
      /received "http:.*"; set WS_STRESS_K6_RELEASES_HTTP=loopback to permit plain http on this machine$/m,
    ],
    [base, 'true', /expected an https URL/],
    ['http://198.51.100.1', 'loopback', /received "http:.*"; plain http is possible on loopback only$/m],
    ['http://127.0.0.1.example.org', 'loopback', /plain http is possible on loopback only$/m],
  ] as const) {
    const { WS_STRESS_K6_RELEASES_HTTP: _permitted, ...env } = fixture.env;
    const result = await runEnsureK6(fixture, {
      env: {
        ...env,
        WS_STRESS_K6_RELEASES: releases,
        ...(permitted !== undefined && { WS_STRESS_K6_RELEASES_HTTP: permitted }),
      },
    });
    assert.ok('error' in result);
    assert.match(result.error.message, message);
  }
  assert.equal(requests, 0);
});

void test('a mirror’s address is shown without the secrets in it', async (t) => {
  const fixture = setupFixture(t);
  for (const releases of ['https://bob:SECRET@mirror/k6', 'https://mirror/k6?key=SECRET', 'ftp://bob:SECRET@mirror']) {
    const result = await runEnsureK6(fixture, { env: { ...fixture.env, WS_STRESS_K6_RELEASES: releases } });
    assert.ok('error' in result);
    assert.match(result.error.message, /WS_STRESS_K6_RELEASES: expected /);
    assert.doesNotMatch(result.error.message + result.shown, /SECRET/);
  }
});

void test('the package has the checksum of each archive of the k6 that it pins', () => {
  const { version } = readK6Pin(packageRoot);
  const names = readFileSync(join(packageRoot, 'runtime', 'k6-checksums.txt'), 'utf8')
    .trimEnd()
    .split('\n');
  const suffixes = ['linux-amd64.tar.gz', 'linux-arm64.tar.gz', 'macos-amd64.zip', 'macos-arm64.zip'];
  assert.deepEqual(
    names.map((line) => line.replace(/^[0-9a-f]{64} {2}/, '')),
    suffixes.map((suffix) => `k6-${version}-${suffix}`),
  );
});

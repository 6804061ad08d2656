import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { findOnPath } from '../cli/setup/k6-source.ts';
import { SetupError } from '../cli/setup/setup.ts';
import {
  k6Script,
  madeFiles,
  runEnsureK6,
  serve,
  setupFixture,
  sha256,
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

/** Serves one release below `/base`: its checksums, and the given answer for the archive. */
const serveRelease = async (t: TestContext, checksums: string, archive: Answer): Promise<string> => {
  const origin = await serve(t, (request, response) => {
    if (request.url === '/base/v2.2.0/k6-v2.2.0-checksums.txt') response.end(checksums);
    else archive(response, request);
  });
  return `${origin}/base`;
};

const runWithRelease = async (fixture: SetupFixture, base: string): ReturnType<typeof runEnsureK6> =>
  await runEnsureK6(fixture, {
    env: { ...fixture.env, WS_STRESS_K6_RELEASES: base },
    stallTimeoutMs: 15_000,
  });

void test('the release archive is downloaded, verified, unpacked and kept', async (t) => {
  const fixture = setupFixture(t);
  const archive = tarOf(fixture);
  const checksums = `${'0'.repeat(64)}  k6-v2.2.0-linux-arm64.tar.gz\n${sha256(archive)}  ${ARCHIVE}\n`;
  const requests: (string | undefined)[] = [];
  const base = await serveRelease(t, checksums, (response, request) => {
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
  const checksums = `${sha256(archive)} *k6-v2.2.0-macos-arm64.zip\n`;
  const base = await serveRelease(t, checksums, (response) => response.end(archive));
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
  const base = await serveRelease(t, `${sha256(archive)}  ${ARCHIVE}\n`, (response) => {
    response.writeHead(302, { location: `${storage}/stored` }).end();
  });
  const result = await runWithRelease(fixture, base);
  assert.ok('k6' in result, 'error' in result ? result.error.message : '');
});

interface Fault {
  what: string;
  checksums?: (sum: string) => string;
  answer?: (response: ServerResponse, archive: Buffer) => void;
  script?: string;
  message: RegExp;
}

const FAULTS: Fault[] = [
  {
    what: 'an archive that is not the one released',
    checksums: () => `${'ab'.repeat(32)}  ${ARCHIVE}\n`,
    message: /amd64\.tar\.gz is not the released file: expected SHA-256 (ab){32}, received [0-9a-f]{64}$/m,
  },
  {
    what: 'a checksums file without the archive’s line',
    checksums: (sum) => `${sum}  k6-v2.2.0-linux-arm64.tar.gz\n`,
    message: /the checksums file has no SHA-256 for k6-v2\.2\.0-linux-amd64\.tar\.gz, so setup cannot verify it$/m,
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
    checksums: () => `${sha256(Buffer.from('no archive'))}  ${ARCHIVE}\n`,
    answer: (response) => response.end('no archive'),
    message: /cannot extract k6-v2\.2\.0-linux-amd64: tar exited with \d/,
  },
  {
    what: 'a k6 that does not run here',
    script: '#!/bin/sh\necho wrong architecture >&2\nexit 1\n',
    message: /\/k6 does not run: ".*\/k6 version" exited with 1: wrong architecture$/m,
  },
];

for (const { what, checksums, answer, script, message } of FAULTS) {
  void test(`${what} is refused, and leaves no files`, async (t) => {
    const fixture = setupFixture(t);
    const archive = tarOf(fixture, script);
    const lines = checksums?.(sha256(archive)) ?? `${sha256(archive)}  ${ARCHIVE}\n`;
    const base = await serveRelease(t, lines, (response) => {
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
    const base = await serveRelease(t, `${sha256(archive)}  ${ARCHIVE}\n`, (response) => {
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
      /WS_STRESS_K6_RELEASES: expected an http or https URL such as https:.*, received "ftp:\/\/mirror\/k6"$/m,
    ],
    ['mirror', /WS_STRESS_K6_RELEASES: expected an http or https URL .*, received "mirror"$/m],
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

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { connect as connectTcp, createServer, Socket } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { PeerUsers, showsPeerUsers } from '../reference-target/peer-user.ts';
import { shellEnvironment } from '../reference-target/shell-environment.ts';
import { TargetOptionsError, type TargetOptions } from '../reference-target/options.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, cliPath, k6Path } from './k6.ts';
import { Client, connect, targetFor, until, within } from './target-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const handshake = (headers: readonly string[] = []): string =>
  [
    'GET /ws/mcp HTTP/1.1',
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
    '\r\n',
  ].join('\r\n');

/** A connection whose client never closes its side. */
const holdOpen = async (t: TestContext, port: number, text = ''): Promise<Socket> => {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(text);
  return socket;
};

void test('commands have an environment in which every shell reads them alike', () => {
  const harmless = { PATH: '/bin', HOME: '/root', TMPDIR: '/tmp', K6_BIN: '/k6', TERM: 'dumb', ENVIRONMENT: 'test' };
  const harmful = {
    LANG: 'zh_CN.GB18030',
    LC_ALL: 'zh_CN.GB18030',
    LC_CTYPE: 'zh_TW.BIG5',
    LANGUAGE: 'zh',
    LOCPATH: '/tmp/loc',
    BASH_ENV: '/tmp/x',
    ENV: '/tmp/x',
    ZDOTDIR: '/tmp',
    FPATH: '/tmp',
    BASHOPTS: 'extglob',
    SHELLOPTS: 'xtrace',
    PS4: '$(touch /tmp/x)',
    IFS: 'e',
    CDPATH: '/tmp',
    GLOBIGNORE: '*',
    POSIXLY_CORRECT: '1',
    BASH_XTRACEFD: '1',
    'BASH_FUNC_echo%%': '() { touch /tmp/x; }',
    'BASH_FUNC_ls()': '() { :; }',
    cat: '() { touch /tmp/x; }',
    WS_STRESS_TARGET_TOKEN: 'secret',
    STRESS_TOKEN: 'secret',
    STRESS_HEADERS: '{}',
    STRESS_HELPER_TOKEN: 'secret',
  };
  assert.deepEqual(shellEnvironment({ ...harmless, ...harmful }), { ...harmless, LC_ALL: 'C.UTF-8' });
});

void test('what the environment of the target says about shells does not reach its commands', async (t) => {
  Object.assign(process.env, { 'BASH_FUNC_ls%%': '() { echo tricked; }', LC_CTYPE: 'zh_CN.GB18030' });
  t.after(() => {
    delete process.env['BASH_FUNC_ls%%'];
    delete process.env['LC_CTYPE'];
  });
  const client = await connect(t, await targetFor(t));
  await client.run('env');
  const lines = client.output();
  assert.ok(lines.includes('LC_ALL=C.UTF-8\n'));
  assert.deepEqual(
    lines.filter((line) => /^(BASH|LC_CTYPE)/.test(line)),
    [],
  );
});

void test('a shell in that environment takes no byte of a character for a backslash or a quote', (t) => {
  const bash = spawnSync('bash', ['--version']);
  if (bash.error !== undefined) return t.skip('no bash here');
  // In GB18030 and Big5 the last byte of this character in UTF-8 and the backslash are one character.
  const { stdout } = spawnSync('bash', ['--posix', '-c', 'echo "中\\"; echo tricked; echo \\""'], {
    env: shellEnvironment({ ...process.env, LC_ALL: 'zh_CN.GB18030' }),
    encoding: 'utf8',
  });
  assert.equal(stdout, '中"; echo tricked; echo "\n');
});

void test('a refused handshake is closed even if its client holds the connection open', async (t) => {
  const target = await targetFor(t, { token: 'right-token', maxSessions: 1 });
  for (const [what, text, status] of [
    ['a wrong token', handshake(['Authorization: Bearer wrong']), 401],
    ['an origin', handshake(['Origin: https://example.org']), 403],
    ['another path', handshake().replace('/ws/mcp', '/other'), 404],
    ['no key', handshake(['Authorization: Bearer right-token']).replace(/Sec-WebSocket-Key.*\r\n/, ''), 400],
  ] as const) {
    const socket = await holdOpen(t, target.port, text);
    let answer = '';
    socket.setEncoding('latin1').on('data', (part: string) => (answer += part));
    const closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    const asked = performance.now();
    // A write to a connection that the target has dropped fails.
    const probe = setInterval(() => socket.write('x'), 50);
    t.after(() => clearInterval(probe));
    await within(`the end after ${what}`, closed);
    clearInterval(probe);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), what);
    assert.ok(performance.now() - asked < 5_000, what);
  }
});

void test('connections that are no session keep nobody out, however many they are', async (t) => {
  const target = await targetFor(t, { token: 'right-token', maxSessions: 2 });
  const headers = { Authorization: 'Bearer right-token' };
  const session = await connect(t, target, { headers });
  const idle: Socket[] = [];
  for (let count = 0; count < 1_010; count += 1) idle.push(await holdOpen(t, target.port, 'GET / HTTP/1.1\r\n'));
  await until('one to be dropped', () => idle.some((socket) => socket.closed || socket.readableEnded));
  const another = await connect(t, target, { headers });
  await another.run('true');
  await session.run('true');
});

void test('half a request is dropped after ten seconds', async (t) => {
  const target = await targetFor(t);
  const socket = await holdOpen(t, target.port, 'GET /health HTTP/1.1\r\nHost: localh');
  const asked = performance.now();
  await within('the end', once(socket.resume(), 'end'));
  assert.ok(performance.now() - asked < 13_000);
});

const loopbackOnly = { skip: !showsPeerUsers() && 'this system does not show whose a connection is' };

void test('a connection is that of the own user as long as its process holds it', loopbackOnly, async (t) => {
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, host);
    t.after(() => server.close());
    const listening = await Promise.race([once(server, 'listening').then(() => true), once(server, 'error')]);
    if (listening !== true) continue;
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const accepted = once(server, 'connection');
    const client = connectTcp(address.port, host);
    const [peer] = (await accepted) as [Socket];
    t.after(() => peer.destroy());
    const users = new PeerUsers();
    assert.equal(users.isOwn(peer), true, host);
    client.destroy();
    await once(client, 'close');
    // The system shows what is left of the connection as one of root.
    assert.equal(new PeerUsers().isOwn(peer), false, host);
  }
});

const asNobody = {
  skip: loopbackOnly.skip || (process.getuid?.() !== 0 && 'only root can become another user') || false,
};

/** Sends text to a port as another user; returns the first line of the answer. */
const askAsNobody = (port: number, text: string): string => {
  const script = `const s = require('net').connect(${port}, '127.0.0.1', () => s.write(${JSON.stringify(text)}));
    s.once('data', (d) => { console.log(String(d).split('\\r\\n')[0]); process.exit(); });
    s.once('close', () => process.exit());`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    uid: 65534,
    gid: 65534,
    cwd: '/',
    encoding: 'utf8',
    timeout: 15e3,
  });
  return stdout.trim() || stderr;
};

/** The first line of what a target of its own process answers to another user. */
const answerToNobody = async (t: TestContext, options: Partial<TargetOptions>, text: string): Promise<string> => {
  const script = `import { startTarget } from ${JSON.stringify(path.join(import.meta.dirname, '../reference-target/server.ts'))};
    const target = await startTarget(${JSON.stringify({ port: 0, ...options })});
    console.log(target.port);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [port] = (await within('the port', once(child.stdout, 'data'))) as [Buffer];
  return askAsNobody(Number(port), text);
};

void test('without a token no other user of this machine can run commands or read /metrics', asNobody, async (t) => {
  assert.match(await answerToNobody(t, {}, handshake()), /^HTTP\/1\.1 403 /);
  assert.match(await answerToNobody(t, {}, 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'), /^HTTP\/1\.1 403 /);
  assert.match(await answerToNobody(t, {}, 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'), /^HTTP\/1\.1 200 /);
  assert.match(await answerToNobody(t, { anyUser: true }, handshake()), /^HTTP\/1\.1 101 /);
});

const problemsOf = async (options: Partial<TargetOptions>): Promise<readonly string[]> => {
  try {
    await (await startTarget({ port: 0, ...options })).close();
    return [];
  } catch (error) {
    assert.ok(error instanceof TargetOptionsError);
    return error.problems;
  }
};

void test('short tokens are refused, and shown nowhere', async () => {
  assert.match(
    (await problemsOf({ token: 'x' })).join(),
    /^--token: expected at least 4 characters, received 1; openssl/,
  );
  assert.deepEqual(await problemsOf({ token: 'xxxx' }), []);
  const beyond = { host: '0.0.0.0', allow: ['echo'] };
  assert.match((await problemsOf({ ...beyond, token: 'qqqqqqq' })).join(), /at least 8 characters, received 7/);
  assert.doesNotMatch((await problemsOf({ ...beyond, token: 'qqqqqqq' })).join(), /qq/);
  assert.match((await problemsOf({ token: 'long-enough', anyUser: true })).join(), /^--any-user: .*received both/);
});

void test('a run with --with-target lets in only those who know its token, which is shown nowhere', async (t) => {
  const base = temporaryDirectory(t);
  const env = { ...cleanEnv(), K6_BIN: await k6Path(), K6_ADDRESS: 'localhost:0', STRESS_TOKEN: 'of-another-service' };
  const args = [cliPath, 'run', 'command-validation', '--with-target'];
  const child = spawn(process.execPath, args, { cwd: base, env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const exit = once(child, 'exit');
  const urls = (): string[] => [...output.matchAll(/ws:\/\/127\.0\.0\.1:[0-9]+\/ws\/mcp/g)].map(([url]) => url);
  await until('both addresses', () => urls().length > 1);
  for (const url of urls().slice(0, 2)) {
    const { socket } = new Client(url);
    const [request, response] = await within('the refusal', once(socket, 'unexpected-response'));
    assert.equal((response as { statusCode: number }).statusCode, 401);
    (request as Socket).destroy();
  }
  let token = '';
  if (existsSync('/proc/self/environ')) {
    await until('k6', () => {
      const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
      const k6 = pids.find(
        (pid) => parentOf(pid) === child.pid && commandLineOf(pid).includes('command-validation.js'),
      );
      if (k6 === undefined) return false;
      assert.ok(!commandLineOf(k6).includes('STRESS_TOKEN'));
      token = /(?:^|\0)STRESS_TOKEN=([^\0]*)/.exec(readOrEmpty(`/proc/${k6}/environ`))?.[1] ?? '';
      return token !== '';
    });
    assert.match(token, /^[0-9a-f]{32}$/);
  }
  assert.equal((await exit)[0], 0, output);
  const files = (readdirSync(base, { recursive: true }) as string[]).map((file) => path.join(base, file));
  const texts = files.filter((file) => statSync(file).isFile()).map((file) => readFileSync(file, 'latin1'));
  assert.ok(texts.length > 3);
  if (token !== '') for (const text of [output, ...texts]) assert.ok(!text.includes(token), 'the token is shown');
});

const readOrEmpty = (file: string): string => {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
};

const commandLineOf = (pid: string): string => readOrEmpty(`/proc/${pid}/cmdline`);

const parentOf = (pid: string): number => Number(/\) \S (\d+) /.exec(readOrEmpty(`/proc/${pid}/stat`))?.[1]);

void test('a token that was typed for --with-target is the target’s, and must be a good one', async (t) => {
  const run = (token: string) =>
    spawnSync(process.execPath, [cliPath, 'run', 'single', '--with-target', '--token', token], {
      cwd: temporaryDirectory(t),
      encoding: 'utf8',
      env: {
        ...cleanEnv(),
        K6_BIN: process.env['K6_BIN'],
      },
    });
  const bad = run('x');
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /--token: expected at least 4 characters, received 1/);
});

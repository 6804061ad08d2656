import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { TargetOptionsError, type TargetOptions } from '../reference-target/options.ts';
import { startTarget, type Target } from '../reference-target/server.ts';
import { Client, connect, targetFor, until, within } from './target-client.ts';

const token = 'open-sesame_0123+/==';

interface Answer {
  status: number | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}

/** An HTTP request with any Host header, which fetch would not allow. */
const get = async (
  target: Target,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> => {
  const sent = request({ host: '127.0.0.1', port: target.port, path, method, headers });
  sent.end();
  const [response] = (await within('the answer', once(sent, 'response'))) as [IncomingMessage];
  let body = '';
  for await (const part of response.setEncoding('utf8')) body += String(part);
  return { status: response.statusCode, headers: response.headers, body };
};

/** Tries an opening handshake; returns its HTTP status. */
const handshake = async (target: Target, headers: Record<string, string>, url = target.url): Promise<number> => {
  const { socket } = new Client(url, { headers });
  const status = new Promise<number>((resolve) => {
    socket.once('open', () => resolve(101));
    socket.once('unexpected-response', (sent, response) => {
      resolve(response.statusCode ?? 0);
      sent.destroy();
    });
  });
  try {
    return await within('the handshake', status);
  } finally {
    socket.terminate();
  }
};

const problemsOf = (options: Partial<TargetOptions>): Promise<readonly string[]> =>
  startTarget({ port: 0, ...options }).then(
    async (target) => {
      await target.close();
      return [];
    },
    (error: unknown) => {
      assert.ok(error instanceof TargetOptionsError, String(error));
      return error.problems;
    },
  );

void test('/health and /healthz answer as the deployed service', async (t) => {
  const target = await targetFor(t, { maxSessions: 7 });
  await (await connect(t, target)).notification('connected');
  const { status, headers, body } = await get(target, '/health');
  assert.deepEqual([status, headers['content-type']], [200, 'application/json']);
  const { uptime_seconds: uptime, ...health } = JSON.parse(body) as Record<string, unknown>;
  assert.ok(typeof uptime === 'number' && uptime > 0 && uptime < 60);
  assert.deepEqual(health, {
    status: 'healthy',
    service: 'ws_stress_reference_target',
    version: '1.0.0',
    active_sessions: 1,
    max_sessions: 7,
  });
  assert.equal((await get(target, '/healthz')).body, '{"status":"ok"}');
});

void test('/metrics has counters in the Prometheus text format', async (t) => {
  const target = await targetFor(t);
  const client = await connect(t, target);
  await client.run('echo a; echo b; echo c >&2');
  await client.start('sleep 300');
  const { status, headers, body } = await get(target, '/metrics');
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.ok(body.endsWith('\n'));
  const metrics = new Map<string, number>();
  // Each metric has a HELP line, a TYPE line and a sample.
  for (const [, name, help, type, value] of body.matchAll(
    /# HELP (\w+) (.+)\n# TYPE \1 (gauge|counter)\n\1 (-?[0-9.e+-]+)\n/g,
  )) {
    assert.ok(help !== undefined && name !== undefined);
    assert.equal(type, name.endsWith('_total') ? 'counter' : 'gauge', name);
    metrics.set(name, Number(value));
  }
  assert.equal(metrics.size * 3, body.split('\n').length - 1, 'nothing else in it');
  assert.ok((metrics.get('process_resident_memory_bytes') ?? 0) > 10_000_000);
  assert.ok((metrics.get('process_cpu_seconds_total') ?? 0) > 0);
  assert.ok(Math.abs((metrics.get('process_start_time_seconds') ?? 0) - Date.now() / 1_000) < 600);
  const expected = {
    target_active_sessions: 1,
    target_sessions_total: 1,
    target_sessions_refused_total: 0,
    target_handshakes_total: 1,
    target_connection_errors_total: 0,
    target_commands_total: 2,
    target_children: 1,
    target_messages_received_total: 2,
    // connected, two responses and process.started, three of output, process.completed.
    target_messages_sent_total: 9,
    target_output_lines_total: 3,
    target_buffered_bytes: 0,
  };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, metrics.get(name)])), expected);
});

void test('the errors for other paths and methods list the valid ones', async (t) => {
  const target = await targetFor(t);
  assert.match((await get(target, '/')).body, /\/ws\/mcp, \/health, \/healthz or \/metrics/);
  assert.equal((await get(target, '/nope')).status, 404);
  const post = await get(target, '/health', {}, 'POST');
  assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
  const plain = await get(target, '/ws/mcp');
  assert.deepEqual([plain.status, plain.headers.upgrade], [426, 'websocket']);
  assert.equal((await get(target, '/health?verbose')).status, 200);
});

void test('only the endpoint accepts a WebSocket', async (t) => {
  const target = await targetFor(t);
  assert.equal(await handshake(target, {}, `${target.url}?from=here`), 101);
  for (const path of ['/', '/ws', '/ws/mcp/', '/health']) {
    assert.equal(await handshake(target, {}, `ws://127.0.0.1:${target.port}${path}`), 404, path);
  }
});

void test('an invalid handshake is refused with 4xx (RFC 6455 §4.2.1)', async (t) => {
  const target = await targetFor(t);
  const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket' };
  assert.equal((await get(target, '/ws/mcp', upgrade)).status, 400);
  const key = { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  assert.equal((await get(target, '/ws/mcp', { ...upgrade, ...key, 'Sec-WebSocket-Version': '7' })).status, 400);
  assert.equal(target.stats().activeSessions, 0);
});

void test('every Origin is refused unless --origin allows it', async (t) => {
  const target = await targetFor(t, { origins: ['https://example.org'] });
  assert.equal(await handshake(target, {}), 101);
  assert.equal(await handshake(target, { Origin: 'https://example.org' }), 101);
  for (const origin of [
    'https://example.org.evil.example',
    'http://example.org',
    'https://example.org:8443',
    'HTTPS://EXAMPLE.ORG',
    'null',
    '',
    `http://127.0.0.1:${target.port}`,
  ]) {
    assert.equal(await handshake(target, { Origin: origin }), 403, origin);
  }
  assert.equal(target.stats().sessionsTotal, 2);
});

void test('on loopback a Host header with another name is refused (DNS rebinding)', async (t) => {
  const target = await targetFor(t);
  for (const host of ['localhost', `localhost:${target.port}`, '127.0.0.1', '127.0.0.1:80', 'LocalHost', '[::1]:1']) {
    assert.equal(await handshake(target, { Host: host }), 101, host);
    assert.equal((await get(target, '/health', { Host: host })).status, 200, host);
  }
  for (const host of [
    'evil.example',
    `evil.example:${target.port}`,
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example#localhost',
    '127.0.0.2',
  ]) {
    assert.equal(await handshake(target, { Host: host }), 403, host);
    for (const path of ['/health', '/metrics', '/ws/mcp']) {
      assert.equal((await get(target, path, { Host: host })).status, 403, host);
    }
  }
});

void test('on loopback a request without a Host header is refused', async (t) => {
  const target = await targetFor(t);
  const tcp = connectTcp(target.port, '127.0.0.1');
  t.after(() => tcp.destroy());
  tcp.write('GET /health HTTP/1.0\r\n\r\n');
  const [answer] = (await within('the answer', once(tcp, 'data'))) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 403 /);
});

void test('with a token, only clients that send it can connect', async (t) => {
  const target = await targetFor(t, { token });
  assert.equal(await handshake(target, { Authorization: `Bearer ${token}` }), 101);
  assert.equal(await handshake(target, { Authorization: `bearer ${token}` }), 101);
  for (const authorization of [
    undefined,
    '',
    token,
    'Bearer',
    'Bearer ',
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token.toUpperCase()}`,
    `Basic ${token}`,
    `Bearer ${'x'.repeat(8_000)}`,
  ]) {
    const headers: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization };
    assert.equal(await handshake(target, headers), 401, authorization);
  }
  assert.equal(await handshake(target, {}, `${target.url}?token=${encodeURIComponent(token)}`), 401);
  const refused = await get(target, '/metrics');
  assert.deepEqual([refused.status, refused.headers['www-authenticate']], [401, 'Bearer']);
  assert.equal((await get(target, '/metrics', { Authorization: `Bearer ${token}` })).status, 200);
  assert.equal((await get(target, '/healthz')).status, 200);
  assert.equal(target.stats().sessionsTotal, 2);
});

void test('by default only this machine can connect; beyond it the target requires a token and an allow-list', async (t) => {
  const target = await targetFor(t);
  assert.match(target.url, /^ws:\/\/127\.0\.0\.1:[0-9]+\/ws\/mcp$/);
  for (const host of [
    '0.0.0.0',
    '::',
    '192.0.2.1',
    'example.org',
    '127.0.0.1.example.org',
    '128.0.0.1',
    '::ffff:0.0.0.0',
  ]) {
    assert.match((await problemsOf({ host })).join(), /beyond loopback.*--token.*and --allow/, host);
    assert.match((await problemsOf({ host, token })).join(), /beyond loopback.*also pass --allow/, host);
    assert.match((await problemsOf({ host, allow: ['echo'] })).join(), /beyond loopback.*also pass --token/, host);
  }
});

void test('beyond loopback no fault may bypass the allow-list', async () => {
  const beyond = { host: '0.0.0.0', token, allow: ['echo'] };
  for (const fault of ['first-word-only', 'allow-list-ignored', 'first-word-only@2-']) {
    const problems = await problemsOf({ ...beyond, faults: ['exit-3', fault] });
    assert.match(problems.join(), /^--fault: ".*" would let others run any command.*loopback/, fault);
    assert.deepEqual(await problemsOf({ allow: ['echo'], faults: [fault] }), []);
  }
  assert.deepEqual(await problemsOf({ ...beyond, faults: ['exit-3'] }), []);
});

void test('beyond loopback with both, the Host header is free and the token decides', async (t) => {
  const target = await targetFor(t, { host: '0.0.0.0', token, allow: ['echo'] });
  const url = `ws://127.0.0.1:${target.port}/ws/mcp`;
  assert.equal(await handshake(target, { Host: 'any.example', Authorization: `Bearer ${token}` }, url), 101);
  assert.equal(await handshake(target, { Host: 'any.example' }, url), 401);
});

void test('all invalid options are reported at once, without the token', async () => {
  const problems = await problemsOf({
    port: 70_000,
    maxSessions: 0,
    maxLineBytes: 1.5,
    heartbeatMs: Number.NaN,
    token: 'two words',
    origins: ['example.org', 'https://example.org/path', '*'],
    allow: ['a/b', 'eval'],
    faults: ['nope'],
  });
  assert.equal(problems.length, 11);
  for (const name of ['port', 'max-sessions', 'max-line', 'heartbeat', 'token', 'origin', 'allow', 'fault']) {
    assert.ok(
      problems.some((problem) => problem.startsWith(`--${name}: `)),
      name,
    );
  }
  assert.ok(!problems.join().includes('two words'));
});

void test('a client that is dropped during the handshake leaves nothing behind', async (t) => {
  const target = await targetFor(t, { token });
  for (let count = 0; count < 20; count += 1) new Client(target.url).socket.terminate();
  await until('all handshakes', async () => (await get(target, '/healthz')).status === 200);
  assert.equal(target.stats().activeSessions, 0);
});

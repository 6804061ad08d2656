import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { WebSocketServer, type WebSocket } from 'ws';
import { packageRoot } from '../cli/shared/package-root.ts';
import { readinessOf, type Readiness } from '../cli/doctor/readiness.ts';
import { factsOf, type ServiceFacts } from '../cli/doctor/service-facts.ts';
import { factsOf as scenarioFacts } from '../lib/load/scenario-facts.ts';
import { allScenarios, factsOrUnknown } from '../cli/shared/scenarios.ts';
import { cleanEnv, runCli } from './k6.ts';
import { targetFor, within } from './target-client.ts';

const limits = { ackTimeoutMs: 1_000, messageTimeoutMs: 1_000, sessionTimeoutMs: 10_000 };
const plain = { headers: {}, insecure: false };

const ask = (url: string, processId?: number): Promise<ServiceFacts> =>
  within('the facts', factsOf({ ...plain, url }, limits, processId));

void test('the reference target, as deployed', async (t) => {
  const target = await targetFor(t, { maxSessions: 12 });
  const facts = await ask(target.url);
  assert.equal(facts.problem, undefined);
  assert.equal(facts.url, target.url);
  const { uptimeSeconds, ...health } = facts.health ?? {};
  assert.deepEqual(health, {
    status: 'healthy',
    service: 'ws_stress_reference_target',
    version: '1.0.0',
    activeSessions: 0,
    maxSessions: 12,
  });
  assert.ok((uptimeSeconds ?? -1) >= 0);
  assert.equal(facts.healthz, true);
  const { sessionId, ...greeting } = facts.greeting ?? {};
  assert.deepEqual(greeting, { version: '1.0.0', capabilities: ['execute', 'control', 'stream'] });
  assert.match(sessionId ?? '', /^[0-9a-f-]{36}$/);
  const { ackMs = NaN, firstOutputMs = NaN, durationMs = NaN, ...command } = facts.command ?? {};
  assert.deepEqual(command, { command: 'echo ws-stress-doctor', outcome: { kind: 'ok' } });
  assert.ok(0 < ackMs && ackMs <= firstOutputMs && firstOutputMs <= durationMs, JSON.stringify(facts.command));
  const { handshakeMs = NaN, connectedMs = NaN } = facts;
  assert.ok(0 < handshakeMs && handshakeMs <= connectedMs, `${handshakeMs} ${connectedMs}`);
  assert.equal(facts.unknownMethod, '-32601 Unknown method: ws_stress_doctor');
  assert.equal(facts.controlWithoutProcess, '-32002 No process is running');
  assert.deepEqual([facts.allowList, facts.unlistedCommand], [false, 'it ran']);
  assert.equal(facts.dialect, 'deployed');
  assert.deepEqual(facts.dialectEvidence, [{ code: -32002, reason: 'no process', dialect: 'deployed' }]);
  assert.equal(facts.memory?.source, '/metrics');
  assert.ok((facts.memory?.residentBytes ?? 0) > 10_000_000);
  assert.deepEqual(facts.deviations, [
    'a notification is answered (error -32601, without id); JSON-RPC 2.0 §4.1 forbids it',
  ]);
  assert.equal(target.stats().sessionsTotal, 2);
});

void test('the reference target, as documented, with an allow-list', async (t) => {
  const target = await targetFor(t, { dialect: 'documented', allow: ['echo'] });
  const facts = await ask(target.url);
  assert.equal(facts.problem, undefined);
  assert.equal(facts.dialect, 'documented');
  assert.deepEqual(
    facts.dialectEvidence.map(({ code, reason }) => [code, reason]),
    [
      [-32002, 'not allowed'],
      [-32003, 'no process'],
    ],
  );
  assert.equal(facts.allowList, true);
  assert.match(facts.unlistedCommand ?? '', /^-32002 Command not allowed: /);
  assert.deepEqual(facts.deviations, []);
});

void test('an allow-list without echo: no command runs, and all else is asked all the same', async (t) => {
  const target = await targetFor(t, { allow: ['ls'] });
  const facts = await ask(target.url);
  assert.match(facts.problem ?? '', /does not run a command: expected `echo ws-stress-doctor` to print its line/);
  assert.match(facts.problem ?? '', /rejected \(not allowed\): -32001 .*\. Add echo to its allow-list\.$/);
  assert.equal(facts.allowList, true);
  assert.equal(facts.dialect, 'deployed');
  assert.equal(facts.unknownMethod, '-32601 Unknown method: ws_stress_doctor');
});

void test('one session at a time is enough', async (t) => {
  const target = await targetFor(t, { maxSessions: 1 });
  const { problem, controlWithoutProcess } = await ask(target.url);
  assert.equal(problem, undefined);
  assert.equal(controlWithoutProcess, '-32002 No process is running');
});

void test('the memory of a process of this machine', async (t) => {
  const target = await targetFor(t);
  const { memory } = await ask(target.url, process.pid);
  assert.equal(memory?.source, `process ${process.pid}`);
  assert.ok((memory?.residentBytes ?? 0) > 10_000_000 && (memory?.children ?? -1) >= 0, JSON.stringify(memory));
});

const failures: [name: string, faults: string[], expected: RegExp][] = [
  [
    'no handshake',
    ['handshake-403'],
    /refuses a connection: .* status 403 instead of 101\. Check the path and the token/,
  ],
  ['no answer at all', ['tcp-silent'], /^No service answers at .*no answer to the opening handshake within 1000 ms/],
  ['no connected', ['no-connected'], /opens no session: expected the notification connected .* timeout \(connected\)/],
  ['closed at once', ['close-1008'], /does not run a command: .* closed \(1008\)/],
  [
    'over its limit',
    ['limit'],
    /opens no session: .* rejected \(session limit\): -32003 .*\. Wait until other sessions/,
  ],
  ['silent', ['silent'], /does not run a command: .* timeout \(acknowledgement\).*--ack-timeout/],
  ['never completing', ['never-completes'], /does not run a command: .* timeout \(message\)/],
  ['losing output', ['lost-line'], /does not run a command: .* output-mismatch: .*is missing/],
  ['failing', ['exit-3'], /does not run a command: .* failed-exit: expected exit code 0, received 3/],
  [
    'mixing up ids',
    ['wrong-id'],
    /does not run a command: .* protocol-violation: response with an id that no request had/,
  ],
  ['sending no JSON', ['malformed-json'], /does not run a command: .* protocol-violation: expected a JSON object/],
  ['sending binary messages', ['binary-message'], /does not run a command: .* received a binary message/],
  ['dropping the connection', ['drop-mid-output'], /does not run a command: .* closed \(1006\): the connection ended/],
];

for (const [name, faults, expected] of failures) {
  void test(`a service that is of no use: ${name}`, async (t) => {
    const target = await targetFor(t, { faults });
    const facts = await ask(target.url);
    assert.match(facts.problem ?? 'no problem', expected);
    assert.match(facts.problem ?? '', /\.$/);
    const none = readinessOf(facts, ['single', 'conformance', 'suite'].map(factsOrUnknown)).every(
      ({ ready }) => ready === 'no',
    );
    assert.ok(none, 'it can be put through nothing');
  });
}

void test('a service that never answers a WebSocket ping is of use, and that is told', async (t) => {
  const target = await targetFor(t, { faults: ['no-pong'] });
  const { problem, deviations } = await ask(target.url);
  assert.equal(problem, undefined);
  assert.ok(
    deviations.some((text) => text.startsWith('the session does not close in order: timeout (drain)')),
    deviations.join('\n'),
  );
});

void test('nothing listens, no such host, another path', async (t) => {
  const closed = await targetFor(t);
  const { url } = closed;
  await closed.close();
  const start =
    /^No service answers at .*: .*(ECONNREFUSED|ENOTFOUND|EAI_AGAIN).*\. Start the service there, or try the reference target/;
  assert.match((await ask(url)).problem ?? '', start);
  assert.match((await ask('ws://no-such-host.invalid/ws/mcp')).problem ?? '', start);
  const target = await targetFor(t);
  const elsewhere = await ask(`${target.httpUrl.replace('http', 'ws')}/elsewhere?key=hidden`);
  assert.match(elsewhere.problem ?? '', /status 404 instead of 101\. Check the path\.$/);
  assert.doesNotMatch(JSON.stringify(elsewhere), /hidden/);
});

/** Starts a server on a free loopback port, which ends with the test. */
const portOf = async (t: TestContext, server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
};

void test('something else listens: no WebSocket, no HTTP', async (t) => {
  const web = createServer((_, response) => response.end('hello'));
  const port = await portOf(t, web);
  const hello = await ask(`ws://127.0.0.1:${port}/ws/mcp`);
  assert.match(hello.problem ?? '', /status 200 instead of 101/);
  assert.equal(hello.healthProblem, 'it answers without a JSON object');

  const mute = createTcpServer((socket) => socket.end('220 ready\r\n'));
  const mail = await ask(`ws://127.0.0.1:${await portOf(t, mute)}/ws/mcp`);
  assert.match(mail.problem ?? '', /^No service answers at .*speaks no plain HTTP/);
});

const fixture = (name: string): string => readFileSync(path.join(packageRoot, 'tests/fixtures', name), 'utf8');

/** A target behind a proxy that speaks TLS, as in front of a service. */
const tlsAddressFor = async (t: TestContext): Promise<string> => {
  const target = await targetFor(t);
  const options = { key: fixture('localhost-key.pem'), cert: fixture('localhost-certificate.pem') };
  const proxy = createTlsServer(options, (client) => {
    const service = connect(target.port, '127.0.0.1');
    client.on('error', () => service.destroy());
    service.on('error', () => client.destroy());
    client.pipe(service).pipe(client);
  });
  proxy.on('tlsClientError', () => {});
  return `wss://localhost:${await portOf(t, proxy)}/ws/mcp`;
};

void test('TLS: verified, trusted by its authority, or not verified on request', async (t) => {
  const tlsUrl = await tlsAddressFor(t);
  const of = async (more: object, url = tlsUrl): Promise<ServiceFacts> =>
    await within('the facts', factsOf({ ...plain, url, ...more }, limits, undefined));
  assert.match((await of({})).problem ?? '', /certificate.*\. Trust its certificate with --ca FILE, or verify none/);
  for (const more of [
    { insecure: true },
    { caFile: path.join(packageRoot, 'tests/fixtures/localhost-certificate.pem') },
  ]) {
    const facts = await of(more);
    assert.equal(facts.problem, undefined);
    assert.equal(facts.health?.status, 'healthy');
  }
  assert.match((await of({}, tlsUrl.replace('wss:', 'ws:'))).problem ?? '', /if it speaks TLS, use wss:\/\//);
  const target = await targetFor(t);
  const plainAddress = target.url.replace('ws:', 'wss:');
  assert.match((await of({}, plainAddress)).problem ?? '', /It speaks no TLS: use ws:\/\/ in place of wss:\/\//);
});

void test('ws-stress doctor trusts the authority that SSL_CERT_FILE or --ca names', async (t) => {
  const url = await tlsAddressFor(t);
  const ca = path.join(packageRoot, 'tests/fixtures/localhost-certificate.pem');
  assert.equal((await doctor('--url', url)).code, 1);
  assert.equal((await doctor('--url', url, '--ca', ca)).code, 0);
  assert.equal((await doctorWith({ SSL_CERT_FILE: ca }, '--url', url)).code, 0);
});

/** A service made up for a test: what it answers to each request. */
const serviceFor = async (
  t: TestContext,
  onRequest: (socket: WebSocket, method: string, id: unknown, command: unknown) => void,
): Promise<string> => {
  const http = createServer((_, response) => response.writeHead(404).end());
  const server = new WebSocketServer({ server: http, handleProtocols: () => false });
  server.on('connection', (socket) => {
    socket.send('{"method":"connected","params":{}}');
    socket.on('message', (data) => {
      const { method, id, params } = JSON.parse((data as Buffer).toString()) as {
        method: string;
        id?: unknown;
        params?: { command?: unknown };
      };
      onRequest(socket, method, id, params?.command);
    });
  });
  return `ws://127.0.0.1:${await portOf(t, http)}/ws/mcp`;
};

const send = (socket: WebSocket, message: object): void => socket.send(JSON.stringify({ jsonrpc: '2.0', ...message }));

const runs = (socket: WebSocket, id: unknown, output: string): void => {
  send(socket, { id, result: { status: 'started', pid: 7 } });
  if (output !== '') send(socket, { method: 'process.output', params: { type: 'stdout', data: output } });
  send(socket, { method: 'process.completed', params: { status: 'completed', pid: 7, exit_code: 0 } });
};

void test('what a service answers otherwise is told, and does not hide the rest', async (t) => {
  const url = await serviceFor(t, (socket, method, id, command) => {
    if (id === undefined) return;
    if (method === 'execute') runs(socket, id, command === ': ws-stress-doctor' ? '' : 'ws-stress-doctor\n');
    else if (method === 'control') send(socket, { id, result: { status: 'resumed' } });
    else if (method === 'ws_stress_doctor') send(socket, { error: { code: -32600, message: 'what\u001b[2J?' } });
    else send(socket, { id, error: { code: -32601, message: 'no such method' } });
  });
  const facts = await ask(url);
  assert.equal(facts.problem, undefined);
  assert.deepEqual(facts.greeting, {});
  assert.equal(facts.dialect, undefined);
  assert.deepEqual(facts.deviations, [
    'a control without a process is answered with a result: result {"status":"resumed"}; an error is due',
    'an unknown method ends the session: protocol-violation: expected the id of a request in each response, received -32600 what\\u001b[2J? without id',
  ]);
  assert.equal(facts.memory, undefined);
});

void test('codes of both dialects contradict each other', async (t) => {
  const url = await serviceFor(t, (socket, method, id, command) => {
    if (id === undefined) return;
    if (command === 'echo ws-stress-doctor') runs(socket, id, 'ws-stress-doctor\n');
    else if (method === 'execute') send(socket, { id, error: { code: -32001, message: 'not allowed' } });
    else send(socket, { id, error: { code: -32003, message: 'no process' } });
  });
  const facts = await ask(url);
  assert.equal(facts.dialect, undefined);
  assert.deepEqual(
    facts.dialectEvidence.map(({ dialect }) => dialect),
    ['deployed', 'documented'],
  );
});

void test('a service that chooses none of the subprotocols asked for is taken as k6 takes it', async (t) => {
  const url = await serviceFor(t, (socket, method, id, command) => {
    if (method === 'execute') runs(socket, id, command === ': ws-stress-doctor' ? '' : 'ws-stress-doctor\n');
    else if (id !== undefined) send(socket, { id, error: { code: -32601, message: 'no such method' } });
  });
  const connection = { ...plain, url, headers: { 'Sec-WebSocket-Protocol': 'mcp' } };
  const { problem } = await within('the facts', factsOf(connection, limits, undefined));
  assert.equal(problem, undefined);
});

const good: ServiceFacts = {
  url: 'ws://localhost:8003/ws/mcp',
  health: { maxSessions: 100 },
  healthz: true,
  allowList: false,
  memory: { source: '/metrics', residentBytes: 1e8 },
  dialectEvidence: [],
  deviations: [],
};

const readiness = (facts: ServiceFacts): Record<string, Readiness> =>
  Object.fromEntries(readinessOf(facts, allScenarios()).map((row) => [row.scenario, row]));

void test('which scenarios: each that there is, and one of somebody’s own needs its commands to be allowed', () => {
  assert.deepEqual(
    readinessOf(good, allScenarios()).map(({ scenario }) => scenario),
    allScenarios().map(({ name }) => name),
  );
  const own = scenarioFacts({ name: 'new-one', question: 'Is it new?', rounds: [1], needs: ['commands'] });
  assert.equal(readinessOf(good, [own])[0]?.ready, 'yes');
  assert.equal(readinessOf({ ...good, allowList: true }, [own])[0]?.ready, 'perhaps');
});

void test('which scenarios: an open service', () => {
  const rows = readiness(good);
  const ready = Object.values(rows).filter(({ ready }) => ready === 'yes');
  assert.equal(ready.length, allScenarios().length - 1);
  assert.match(rows['command-validation']?.why ?? '', /there is no allow-list; .*--limited-url/);
  assert.match(rows['service-down']?.why ?? '', /--stop-command and --start-command/);
  assert.deepEqual(rows.suite, { scenario: 'suite', ready: 'yes', why: 'without command-validation' });
});

void test('which scenarios: one that lets in fewer sessions than a round has', () => {
  const rows = readiness({ ...good, health: { maxSessions: 3 } });
  assert.match(rows.concurrent?.why ?? '', /it opens 20 sessions at once, and the limit is 3: --vus 3/);
  assert.equal(rows['high-output']?.ready, 'no');
  assert.equal(rows.single?.ready, 'yes');
  assert.equal(readiness({ ...good, health: { maxSessions: 20 } }).concurrent?.ready, 'yes');
});

void test('which scenarios: one with an allow-list', () => {
  const rows = readiness({ ...good, allowList: true });
  assert.equal(rows['command-validation']?.ready, 'yes');
  for (const name of ['concurrent', 'process-control', 'high-output']) assert.equal(rows[name]?.ready, 'perhaps', name);
});

void test('which scenarios: one that tells little of itself, and one with a high limit', () => {
  const { health: _, memory: __, allowList: ___, ...little } = good;
  const rows = readiness(little);
  assert.equal(rows['command-validation']?.ready, 'perhaps');
  assert.match(rows['session-limit']?.why ?? '', /--max-sessions/);
  assert.match(rows.memory?.why ?? '', /--target-pid/);
  assert.deepEqual(rows.suite?.why, 'without session-limit, memory');
  assert.equal(readiness({ ...good, health: { maxSessions: 200 } })['session-limit']?.ready, 'yes');
  assert.match(readiness({ ...good, health: { maxSessions: 201 } })['session-limit']?.why ?? '', /its limit is 201/);
});

const doctor = (...args: string[]): ReturnType<typeof runCli> => doctorWith({}, ...args);

const doctorWith = (env: NodeJS.ProcessEnv, ...args: string[]): ReturnType<typeof runCli> =>
  runCli(['doctor', ...args], { env: { ...cleanEnv(), ...env }, timeoutMs: 30_000 });

void test('ws-stress doctor: a report, exit code 0', async (t) => {
  const target = await targetFor(t);
  const { code, stdout, stderr } = await doctor('--url', target.url);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, '');
  for (const line of [
    /^ {2}health {10}ws_stress_reference_target 1\.0\.0, healthy, active sessions 0, up \d s, \/healthz answers too$/m,
    /^ {2}session limit {3}100$/m,
    /^ {2}handshake {7}[\d.]+ ms, connected after [\d.]+ ms$/m,
    /^ {2}command {9}`echo ws-stress-doctor` ran: acknowledged after /m,
    /^ {2}control {9}without a process: -32002 No process is running$/m,
    /^ {2}allow-list {6}none: /m,
    /^ {2}dialect {9}deployed: -32002 for "no process" \(deployed\)$/m,
    /^ {2}memory {10}[\d.]+ MiB, child processes \d+, from \/metrics$/m,
    /^ {2}deviations {6}a notification is answered/m,
    /^ {4}single {14}yes$/m,
  ]) {
    assert.match(stdout, line);
  }
});

void test('ws-stress doctor --json: the same, for programs', async (t) => {
  const target = await targetFor(t, { allow: ['ls'] });
  const { code, stdout, stderr } = await doctor('--url', target.url, '--json');
  assert.equal(code, 1, stderr);
  const report = JSON.parse(stdout) as ServiceFacts & { type: string; version: number; scenarios: Readiness[] };
  assert.deepEqual([report.type, report.version, report.allowList], ['doctor', 1, true]);
  assert.match(report.problem ?? '', /does not run a command/);
  assert.equal(report.scenarios.find(({ scenario }) => scenario === 'single')?.ready, 'no');
});

void test('ws-stress doctor: no service, exit code 1 and one message', async (t) => {
  const target = await targetFor(t);
  const { url } = target;
  await target.close();
  const { code, stdout, stderr } = await doctor('--url', url);
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /^No service answers at [^\n]*\n$/);
});

void test('ws-stress doctor: wrong options, exit code 2', async () => {
  const { code, stderr } = await doctor(
    '--url',
    'http://x',
    '--target-pid',
    '0',
    '--ca',
    'none.pem',
    '--ack-timeout',
    '5',
  );
  assert.equal(code, 2);
  for (const name of ['--url:', '--target-pid', '--ca', '--ack-timeout:']) assert.ok(stderr.includes(name), name);
  const unknown = await doctor('--urll', 'ws://x');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no such option: --urll; did you mean --url\?/);
  assert.equal((await doctor('--vus', '5')).code, 2, 'a setting of load');
});

const shows = async (...args: string[]): Promise<string> => {
  const { stdout, stderr } = await doctor(...args);
  return stdout + stderr;
};

void test('ws-stress doctor: neither token nor headers are shown, whatever the service repeats', async (t) => {
  const target = await targetFor(t, { token: 'secret-token' });
  const accepted = await shows('--url', target.url, '--token', 'secret-token');
  assert.match(accepted, /ran: acknowledged/);
  assert.doesNotMatch(accepted, /secret-token/);
  const refused = await shows('--url', target.url, '--token', 'another-token');
  assert.match(refused, /status 401 instead of 101\. Check the path and the token/);
  assert.doesNotMatch(refused, /another-token/);

  const url = await serviceFor(t, (socket, _, id) => {
    if (id !== undefined) send(socket, { id, error: { code: -32000, message: 'no secret-token, secret-header' } });
  });
  const args = ['--url', url, '--token', 'secret-token', '--headers', '{"X-Key":"secret-header"}'];
  for (const shown of [await shows(...args), await shows(...args, '--json')]) {
    assert.match(shown, /-32000 no …, …/);
    assert.doesNotMatch(shown, /secret-/);
  }
});

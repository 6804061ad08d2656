import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { WebSocketServer } from 'ws';
import { packageRoot } from '../cli/shared/package-root.ts';
import { conformanceCases } from '../lib/cases/conformance.ts';
import { reportMarkdown, reportText } from '../cli/conformance/conformance-report.ts';
import { allCases, runConformance, type ConformanceReport } from '../cli/conformance/conformance-run.ts';
import { runCli } from './k6.ts';
import { service } from './memory-socket.ts';
import { targetFor } from './target-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const limits = { caseMs: 1_000, recoveryMs: 300 };

/** Asks whoever listens at a port some cases. */
const ask = (port: number, ...names: string[]): Promise<ConformanceReport> => {
  const all = allCases();
  const cases = names.map((name) => all.find((each) => each.name === name) ?? assert.fail(name));
  return runConformance(cases, { url: `ws://127.0.0.1:${port}/ws`, headers: {}, insecure: false }, limits, () => {});
};

const findings = ({ cases }: ConformanceReport): Record<string, string> =>
  Object.fromEntries(cases.map(({ name, finding }) => [name, finding]));

const portOf = (server: { address: () => unknown }): number => (server.address() as AddressInfo).port;

/** A service's frame: never masked, short. */
const frameOf = (opcode: number, payload: Buffer, first = 0x80 | opcode): Buffer =>
  payload.length < 126
    ? Buffer.concat([Buffer.from([first, payload.length]), payload])
    : Buffer.concat([Buffer.from([first, 126, payload.length >> 8, payload.length & 0xff]), payload]);

const answered = new WeakSet<Socket>();

/**
 * Takes every frame for a final text with a request, whatever it is, and answers it. Never pongs, and heeds a close frame only
 * behind an answer, so that a test need not wait for it.
 */
const heedless = (socket: Socket, data: Buffer, batchResponse?: string): void => {
  for (let at = 0; at + 6 <= data.length;) {
    if (data[at] === 0x88 && answered.has(socket)) socket.end();
    const second = (data[at + 1] ?? 0) & 0x7f;
    const isMasked = ((data[at + 1] ?? 0) & 0x80) !== 0;
    const start = at + (second === 126 ? 4 : 2) + (isMasked ? 4 : 0);
    const length = second === 126 ? data.readUInt16BE(at + 2) : second;
    const mask = data.subarray(start - 4, start);
    const text = data
      .subarray(start, start + length)
      .map((byte, index) => (isMasked ? byte ^ (mask[index % 4] ?? 0) : byte))
      .toString();
    const id = /"id":("[^"]*")/.exec(text)?.[1];
    if (batchResponse !== undefined && text.startsWith('[')) {
      socket.write(frameOf(1, Buffer.from(batchResponse)));
    } else if (id !== undefined) {
      answered.add(socket);
      const answer = `{"jsonrpc":"2.0","error":{"code":-32601,"message":"Unknown"},"id":${id}}`;
      socket.write(frameOf(1, Buffer.from(answer)));
    }
    at = start + length;
  }
};

/** A service that does the opening handshake and says connected; what comes then is the test's. */
const rawService = async (
  t: TestContext,
  onData: (socket: Socket, data: Buffer) => void,
  greet: (socket: Socket) => void = (socket) => void socket.write(frameOf(1, Buffer.from(service.connected))),
): Promise<number> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', (head: Buffer) => {
      const key = /Sec-WebSocket-Key: (.*)\r/i.exec(head.toString())?.[1] ?? '';
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      const fields = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`];
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields.join('\r\n')}\r\n\r\n`);
      greet(socket);
      socket.on('data', (data: Buffer) => onData(socket, data));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return portOf(server);
};

void test('a service that heeds no frame but the text in it deviates; what it never answers breaks', async (t) => {
  const port = await rawService(t, heedless);
  const report = await ask(
    port,
    'unmasked-frame',
    'reserved-bits',
    'ping-with-payload',
    'close-answered',
    'half-a-frame-then-drop',
    'frames-of-the-service',
    'handshake',
    'handshake-without-key',
  );
  assert.deepEqual(findings(report), {
    'unmasked-frame': 'deviating',
    'reserved-bits': 'deviating',
    'ping-with-payload': 'deviating',
    'close-answered': 'breaking',
    'half-a-frame-then-drop': 'conforming',
    'frames-of-the-service': 'conforming',
    handshake: 'conforming',
    'handshake-without-key': 'deviating',
  });
  const told = Object.fromEntries(report.cases.map(({ name, received }) => [name, received]));
  assert.equal(told['unmasked-frame'], 'the session went on');
  assert.equal(told['ping-with-payload'], 'no pong');
  assert.equal(told['close-answered'], 'no answer any more');
  assert.equal(told['handshake-without-key'], 'status 101');
});

const isOrdinary = (data: Buffer): boolean => data.length > 60 && data[0] === 0x81 && ((data[1] ?? 0) & 0x80) !== 0;

void test('a connection that ends without a close frame: deviating where it had to end, breaking where it had not', async (t) => {
  const port = await rawService(t, (socket, data) => (isOrdinary(data) ? heedless(socket, data) : socket.destroy()));
  const report = await ask(port, 'unmasked-frame', 'ping-with-payload', 'fragments-of-one-byte', 'close-answered');
  assert.deepEqual(findings(report), {
    'unmasked-frame': 'deviating',
    'ping-with-payload': 'breaking',
    'fragments-of-one-byte': 'breaking',
    'close-answered': 'deviating',
  });
  assert.equal(report.cases[1]?.received, 'the connection ended without a close frame');
});

const masked = (text: string): Buffer =>
  Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);

void test('frames that a service must not send, and pongs that are none of ours', async (t) => {
  const port = await rawService(t, (socket, data) => {
    socket.write(frameOf(0xa, Buffer.from('another')));
    socket.write(masked('{"jsonrpc":"2.0","method":"x"}'));
    heedless(socket, data);
  });
  const report = await ask(port, 'frames-of-the-service', 'ping-with-payload');
  assert.deepEqual(
    report.cases.map(({ received }) => received),
    ['a masked frame', 'a pong with another payload'],
  );
});

const answers = (ids: readonly string[]) => {
  const responses = ids.map((id) => ({ jsonrpc: '2.0', error: { code: -32_601, message: 'Unknown' }, id }));
  return (socket: Socket, data: Buffer): void => heedless(socket, data, JSON.stringify(responses));
};

void test('an array that answers a batch is looked into', async (t) => {
  const whole = await ask(await rawService(t, answers(['b', 'a', 'c'])), 'batch-in-full');
  assert.deepEqual(findings(whole), { 'batch-in-full': 'conforming' });
  const twice = await ask(await rawService(t, answers(['a', 'b', 'b'])), 'batch-in-full');
  assert.deepEqual(findings(twice), { 'batch-in-full': 'deviating' });
});

const isSound = (head: string): boolean => head.includes('Sec-WebSocket-Key') && head.startsWith('GET /ws ');

void test('a handshake that is not answered is a hang, one that is cut off is not', async (t) => {
  const http = createHttpServer();
  const sound = new WebSocketServer({ server: http });
  sound.on('connection', (socket) => {
    socket.send(service.connected);
    socket.on('message', (data: Buffer) => {
      const { id } = JSON.parse(data.toString()) as { id: unknown };
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32_601, message: 'Unknown' } }));
    });
  });
  const front = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (head: Buffer) => {
      if (head.toString().startsWith('POST')) return socket.destroy();
      if (!isSound(head.toString())) return undefined;
      socket.pause();
      socket.unshift(head);
      http.emit('connection', socket);
      socket.resume();
      return undefined;
    });
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.after(() => {
    front.close();
    for (const client of sound.clients) client.terminate();
  });
  const report = await ask(portOf(front), 'handshake-without-key', 'handshake-by-post', 'handshake-at-another-path');
  assert.deepEqual(findings(report), {
    'handshake-without-key': 'breaking',
    'handshake-by-post': 'deviating',
    'handshake-at-another-path': 'breaking',
  });
});

/** A service that is sound but for what it does at a message; `stop` makes it go away. */
const fragileService = async (
  t: TestContext,
  react: (text: string, stop: () => void) => boolean,
): Promise<WebSocketServer> => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  const stop = (): void => {
    server.close();
    for (const client of server.clients) client.terminate();
  };
  server.on('connection', (socket) => {
    socket.send(service.connected);
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      if (react(text, stop)) return;
      const value = JSON.parse(text) as { id?: unknown };
      const fault = Array.isArray(value) ? { code: -32_600, id: null } : { code: -32_601, id: value.id };
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: fault.id, error: { code: fault.code, message: 'No' } }));
    });
  });
  await once(server, 'listening');
  t.after(stop);
  return server;
};

void test('a service that a case brings down is named, and asked no more', async (t) => {
  const server = await fragileService(t, (text, stop) => {
    if (text !== '[1,2]') return false;
    stop();
    return true;
  });
  const report = await ask(portOf(server), 'method-unknown', 'batch-of-numbers', 'id-zero', 'ping-with-payload');
  assert.equal(report.downAfter, 'batch-of-numbers');
  assert.deepEqual(findings(report), {
    'method-unknown': 'conforming',
    'batch-of-numbers': 'breaking',
    'id-zero': 'NOT RUN',
    'ping-with-payload': 'NOT RUN',
  });
  assert.match(report.cases[1]?.received ?? '', /; then the service accepted no session$/);
  assert.match(reportText(report, false), /service down after batch-of-numbers: the rest is NOT RUN\n4 cases/);
});

void test('a service that goes down behind an answer is down after that case', async (t) => {
  const { port, close } = await targetFor(t).then((target) => ({ port: target.port, close: () => target.close() }));
  const cases = conformanceCases().filter(({ name }) => /^id-(zero|negative|null)$/.test(name));
  const connection = { url: `ws://127.0.0.1:${port}/ws/mcp`, headers: {}, insecure: false };
  let closed: Promise<void> | undefined;
  const report = await runConformance(cases, connection, limits, ({ name }) => {
    if (name === 'id-zero') closed = close();
  });
  await closed;
  assert.equal(report.downAfter, 'id-zero');
  assert.deepEqual(findings(report), { 'id-zero': 'conforming', 'id-negative': 'NOT RUN', 'id-null': 'NOT RUN' });
});

const report: ConformanceReport = {
  cases: [
    { name: 'fine', section: 'RFC 1 §1', expected: 'a', received: 'a', finding: 'conforming' },
    { name: 'odd', section: 'RFC 1 §2', expected: 'b', received: 'c | d\u001b[2J<b>', finding: 'deviating' },
    { name: 'gone', section: 'RFC 1 §3', expected: 'e', received: 'f', finding: 'breaking' },
  ],
};

void test('the report has what is wrong, the worst first, and nothing that moves a terminal', () => {
  assert.equal(
    reportText(report, false),
    [
      'breaking    gone  RFC 1 §3',
      '            expected  e',
      '            received  f',
      'deviating   odd   RFC 1 §2',
      '            expected  b',
      String.raw`            received  c | d\u001b[2J<b>`,
      '',
      '3 cases: 1 breaking, 1 deviating, 1 conforming',
      '',
    ].join('\n'),
  );
  assert.match(reportText(report, true), /\nconforming {2}fine {2}RFC 1 §1\n/);
  assert.match(
    reportMarkdown(report, 'ws://x'),
    /\n\| deviating \| `odd` \| RFC 1 §2 \| b \| c \\\| d\\\\u001b\\\[2J&lt;b&gt; \|\n/,
  );
});

const conformance = (...args: string[]): ReturnType<typeof runCli> => runCli(['conformance', ...args]);

void test('ws-stress conformance: exit codes, files, and the token is kept', async (t) => {
  const directory = temporaryDirectory(t);
  const json = path.join(directory, 'report.json');
  const markdown = path.join(directory, 'report.md');
  const token = 'secret-of-the-test';

  const sound = await targetFor(t, { dialect: 'documented', token });
  const fine = await conformance(
    '--url',
    sound.url,
    '--token',
    token,
    '--only',
    'malformed-json,ping-with-payload',
    '--json',
    json,
    '--markdown',
    markdown,
    '--verbose',
  );
  assert.equal(fine.code, 0, fine.stderr);
  assert.match(fine.stdout, /2 cases: 2 conforming\n$/);
  assert.match(fine.stderr, /^1\/2 malformed-json: conforming$/m);
  const written = JSON.parse(readFileSync(json, 'utf8')) as { counts: object; cases: { name: string }[] };
  assert.deepEqual(
    written.cases.map(({ name }) => name),
    ['malformed-json', 'ping-with-payload'],
  );
  assert.match(readFileSync(markdown, 'utf8'), /\| conforming \| `ping-with-payload` \| RFC 6455 §5\.5\.3 \|/);
  for (const text of [fine.stdout, fine.stderr, readFileSync(json, 'utf8')]) assert.ok(!text.includes(token));

  const deviating = await targetFor(t, { dialect: 'deployed' });
  const odd = await conformance('--url', deviating.url, '--only', 'malformed-json');
  assert.equal(odd.code, 0, 'what only deviates does not break');
  assert.match(odd.stdout, /^deviating {3}malformed-json/);

  const breaking = await targetFor(t, { dialect: 'documented', faults: ['drop-on-malformed'] });
  const broken = await conformance('--url', breaking.url, '--only', 'malformed-json,id-zero');
  assert.equal(broken.code, 99, broken.stderr);
  assert.match(broken.stdout, /^breaking {4}malformed-json[^]*1006[^]*2 cases: 1 breaking, 1 conforming\n$/);

  const refused = await conformance('--url', sound.url, '--only', 'malformed-json');
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /The service at .* refuses a connection: it answered the opening handshake with status 401 instead of 101\. Check/,
  );

  const full = await targetFor(t, { faults: ['limit'] });
  const limited = await conformance('--url', full.url, '--only', 'malformed-json');
  assert.equal(limited.code, 1);
  assert.match(limited.stderr, /expected the connected message in a new session, received error -32003 .*, close 1008/);

  const nobody = await conformance('--url', 'ws://127.0.0.1:1/ws');
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /No service answers at ws:\/\/127\.0\.0\.1:1\/ws: connection refused \(.*ECONNREFUSED/);
});

void test('TLS: both kinds of case verify the service, by an authority that is named or not at all', async (t) => {
  const target = await targetFor(t, { dialect: 'documented' });
  const certificate = path.join(packageRoot, 'tests/fixtures/localhost-certificate.pem');
  const key = readFileSync(path.join(packageRoot, 'tests/fixtures/localhost-key.pem'));
  const proxy = createTlsServer({ key, cert: readFileSync(certificate) }, (client) => {
    const behind = connect(target.port, '127.0.0.1');
    client.on('error', () => behind.destroy());
    behind.on('error', () => client.destroy());
    client.pipe(behind).pipe(client);
  });
  proxy.on('tlsClientError', () => {});
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => proxy.close());
  const args = [
    '--url',
    `wss://localhost:${portOf(proxy)}/ws/mcp`,
    '--only',
    'malformed-json,ping-with-payload,handshake',
  ];
  const unknown = await conformance(...args);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /No connection to the service at wss:.*certificate cannot be verified \(.*--ca FILE/);
  for (const more of [['--insecure'], ['--ca', certificate]]) {
    const { code, stdout, stderr } = await conformance(...args, ...more);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /3 cases: 3 conforming/);
  }
});

void test('ws-stress conformance: wrong options are told together, with exit code 2', async () => {
  const url = ['--url', 'ws://127.0.0.1:1/ws'];
  for (const [args, pattern] of [
    [[], /--url: expected the address of a service/],
    [['--url', 'http://x'], /--url: expected ws:\/\/ in place of http/],
    [[...url, '--only', 'malformed-jsn'], /received malformed-jsn; did you mean malformed-json\?/],
    [
      [...url, '--json', 'package.json/all.json', '--ack-timeout', 'soon'],
      /--ack-timeout[^]*--json|--json[^]*--ack-timeout/,
    ],
    [[...url, '--vebose'], /no such option: --vebose; did you mean --verbose\?/],
    [[...url, 'extra'], /extra/],
  ] as const) {
    const { code, stdout, stderr } = await conformance(...args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, pattern);
  }
  const { code, stdout } = await conformance('--list');
  assert.equal(code, 0);
  assert.match(stdout, /^malformed-json {2}JSON-RPC 2\.0 §5\.1 {2}error -32700 with id null$/m);
});

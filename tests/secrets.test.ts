import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { shownSubprotocols } from '../lib/load/headers.ts';
import { shownUrl } from '../lib/load/settings.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { WebSocketServer } from 'ws';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, k6Path, runCli, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const token = 'SECRETVALUE123LONG';

void test('a service that repeats the token in its health and in what it sends gets it into no file and onto no terminal', async (t) => {
  const target = await startTarget({ port: 0, token });
  t.after(() => target.close());
  const { port } = new URL(target.url);
  const server = createServer((request, response) => {
    response.end(JSON.stringify({ service: `mine ${request.headers.authorization}`, version: token }));
  });
  server.on('upgrade', (request, client) => {
    const service = connect(Number(port), '127.0.0.1');
    const headers = request.rawHeaders.map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
    service.write(`GET ${request.url} HTTP/1.1\r\n${headers}\r\n`);
    client.on('error', () => service.destroy()).pipe(service);
    service.on('error', () => client.destroy()).pipe(client);
    client.once('data', () => {
      // What the client takes for a message of the service's, cut off in an excerpt within the token.
      const text = `${'x'.repeat(60)} Bearer ${token} and more`;
      client.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const cwd = temporaryDirectory(t);
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/mcp`;
  const args = ['run', 'single', '--url', url, '--token', token, '--trace', 'failures'];
  const { code, stdout, stderr } = await runProgram(
    process.execPath,
    [path.join(packageRoot, 'cli/ws-stress.mjs'), ...args],
    { cwd },
  );
  assert.equal(code, 99, stderr);
  assert.match(stdout, /received a message that is not JSON-RPC 2\.0[\s\S]*xxxx/);
  const files = (readdirSync(cwd, { recursive: true }) as string[]).filter((file) =>
    statSync(path.join(cwd, file)).isFile(),
  );
  for (const file of ['report.html', 'records.ndjson', 'runs.jsonl', 'junit.xml', 'index.json']) {
    assert.ok(
      files.some((each) => path.basename(each) === file),
      `${file}: ${files.join(', ')}`,
    );
  }
  for (const file of files) assert.doesNotMatch(readFileSync(path.join(cwd, file), 'utf8'), /SECR/, file);
  assert.doesNotMatch(stdout + stderr, /SECR/);
});

/** Everything that a request says, as it is and taken apart. */
const repeated = ({ url = '', headers }: IncomingMessage): string => {
  const { searchParams, search } = new URL(url, 'http://host');
  const authorization = headers.authorization ?? '';
  const decoded = Buffer.from(authorization.replace(/^\w+ /, ''), 'base64').toString('latin1');
  return [
    search,
    ...searchParams.values(),
    authorization,
    Buffer.from(authorization.replace(/^\w+ /, '')).toString('base64'),
    decoded,
    JSON.stringify(headers),
    url,
    JSON.stringify(headers).replaceAll('&', '&amp;').replaceAll('"', '&quot;'),
  ].join(' | ');
};

/** A service that repeats what it receives in whatever it says; at /refusing it accepts no session. */
const repeatingService = async (t: TestContext): Promise<number> => {
  const server = createServer((request, response) => {
    const text = repeated(request);
    response.end(JSON.stringify({ status: text, service: text, version: text, active_sessions: 0, max_sessions: 2 }));
  });
  const service = new WebSocketServer({ server });
  service.on('connection', (client, request) => {
    const text = repeated(request);
    const send = (message: object): void => client.send(JSON.stringify({ jsonrpc: '2.0', ...message }));
    client.on('error', () => client.terminate());
    if (request.url?.startsWith('/refusing') === true) {
      send({ error: { code: -32003, message: text, data: null } });
      client.close(1008, text.slice(0, 100));
      return;
    }
    send({ method: 'connected', params: { session_id: text, version: text, capabilities: [text] } });
    let asked = 0;
    client.on('message', (data) => {
      asked++;
      let id: unknown = null;
      try {
        ({ id } = JSON.parse((data as Buffer).toString('utf8')) as { id: unknown });
      } catch {
        // Answered all the same.
      }
      if (asked > 1) send({ id: text, result: text });
      else send({ id, error: { code: -32050, message: `not today: ${text}`, data: text } });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    service.close();
    for (const client of service.clients) client.terminate();
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
};

/** Each begins with a text that no word has, by which any part of it is found. */
const values = {
  password: 'Qx1 pass+wörd/=',
  key: 'Qx2-key "quoted" & more',
  main: 'Qx3 main+query/ä',
  limited: 'Qx4-limited query',
  down: 'Qx5-down query',
  subprotocol: 'Qx6subprotocol',
  path: 'Qx7a1b2c3d4e5f6g7h8',
};

const traces = (value: string): string[] => {
  const [begin = ''] = value.split(/[ -]/);
  return [begin, Buffer.from(value).toString('base64').slice(0, 12)];
};

const basic = Buffer.from(`bob:${values.password}`).toString('base64');
const anySecret = new RegExp([...Object.values(values).flatMap(traces), basic.slice(0, 12)].join('|'));

void test('a service that repeats all it receives gets no secret anywhere, and one that is a word of ours breaks no record', async (t) => {
  const port = await repeatingService(t);
  const cwd = temporaryDirectory(t);
  const address = (where: string, name: string, value: string): string =>
    `ws://127.0.0.1:${port}/${where}/${values.path}?kind=session&state=rejected&year=2026&${name}=${encodeURIComponent(value)}`;
  const url = address('mcp', 'q', values.main);
  const headers = JSON.stringify({ Authorization: `Basic ${basic}`, 'X-Api-Key': encodeURIComponent(values.key) });
  const subprotocol = `bearer, ${values.subprotocol}`;
  const service = ['--url', url, '--headers', headers, '--subprotocol', subprotocol, '--ack-timeout', '2s'];
  const others = [
    '--limited-url',
    address('refusing', 'q', values.limited),
    '--down-url',
    address('refusing', 'q', values.down),
  ];
  const show = ['--trace', 'failures', '--junit', 'junit.xml', '--markdown', 'summary.md', '--result', 'result.json'];
  const shown: string[] = [];
  const run = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await runCli(args, { cwd });
    shown.push(stdout, stderr);
    assert.doesNotMatch(stdout + stderr, anySecret, args.slice(0, 2).join(' '));
    return stdout + stderr;
  };

  const single = await run('run', 'single', ...service, ...show);
  assert.match(single, /FAIL: 1 of 1 session received error -32050/);
  assert.match(single, /not today: /);
  for (const scenario of ['session-limit', 'service-down']) await run('run', scenario, ...service, ...others, ...show);
  await run('doctor', ...service);
  await run('doctor', ...service, '--json');
  await run(
    'conformance',
    ...service,
    '--only',
    'method-unknown,malformed-json,params-string',
    '--json',
    'c.json',
    '--markdown',
    'c.md',
  );
  await run('recovery', 'list');
  await run('history');

  const plain = await runProgram(await k6Path(), ['run', path.join(packageRoot, 'dist/single.js')], {
    cwd,
    env: {
      ...cleanEnv(),
      STRESS_URL: url,
      STRESS_HEADERS: headers,
      STRESS_SUBPROTOCOL: subprotocol,
      STRESS_TRACE: 'failures',
    },
  });
  shown.push(plain.stdout + plain.stderr);
  assert.match(plain.stderr, /rejected \(other\)/);
  assert.doesNotMatch(plain.stdout + plain.stderr, anySecret);

  const files = (readdirSync(cwd, { recursive: true }) as string[]).filter((file) =>
    statSync(path.join(cwd, file)).isFile(),
  );
  for (const file of ['report.html', 'records.ndjson', 'run.json', 'runs.jsonl', 'junit.xml', 'summary.md', 'c.json']) {
    assert.ok(
      files.some((each) => path.basename(each) === file),
      `${file}: ${files.join(', ')}`,
    );
  }
  for (const file of files) assert.doesNotMatch(readFileSync(path.join(cwd, file), 'utf8'), anySecret, file);
  const records = files
    .filter((file) => file.endsWith('records.ndjson'))
    .flatMap((file) => readFileSync(path.join(cwd, file), 'utf8').trim().split('\n'))
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { type: string; startedAt?: string });
  assert.ok(records.some(({ type }) => type === 'finding') && records.some(({ type }) => type === 'session'));
  assert.ok(records.every(({ type }) => ['finding', 'session', 'memory'].includes(type)));
  const kept = files.filter((file) => /^stress-results\/recovery\/(?!index)/.test(file));
  assert.equal(kept.length, 1, files.join(', '));
});

void test('an address that is refused is shown without its secrets by every command', async () => {
  const address = 'ws://bob:Qx1/x@host/ws?token=Qx2\n';
  for (const args of [
    ['run', 'single', '--url', address],
    ['run', 'single', '--url', 'ws://host/ws', '--subprotocol', 'bearer, Qx1=='],
    ['k8s', 'render', 'single', '--image', 'k6:1.0', '--url', 'ws://host/ws', '--subprotocol', 'bearer, Qx1'],
    ['k8s', 'render', 'single', '--image', 'k6:1.0', '--url', 'ws://host/Qx1a2b3c4d5e6f7g8h9'],
    ['run', address],
    ['run', 'single', '--limited-url', address, '--vus', address, '--commands', address, '--result', address],
    ['run', 'service-down', '--helper-url', address],
    ['doctor', '--url', address],
    ['conformance', '--url', address],
    ['gate', 'single', '--prometheus', address],
    ['k8s', 'render', 'single', '--image', 'k6:1', '--url', address],
    ['report', address],
    ['compare', address, address],
    [address],
  ]) {
    const { code, stdout, stderr } = await runCli(args);
    assert.notEqual(code, 0, args.join(' '));
    assert.doesNotMatch(stdout + stderr, /Qx1|Qx2/, args.join(' '));
  }
});

void test('user and password of a proxy show nowhere, whatever is wrong with it', async (t) => {
  const proxy = createServer();
  proxy.on('connect', ({ headers }, socket) => {
    const given = headers['proxy-authorization'] ?? '';
    const decoded = Buffer.from(given.replace('Basic ', ''), 'base64').toString();
    socket.end(`HTTP/1.1 407 ${given} ${decoded}\r\nContent-Length: 0\r\n\r\n`);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const cwd = temporaryDirectory(t);
  const k6 = await k6Path();
  for (const value of [
    `http://bob:Qx8pass@127.0.0.1:${port}`,
    `bob:Qx8pass@127.0.0.1:${port}`,
    'http://bob:Qx8pass@127.0.0.1:1',
    'http://bob:Qx8%zzpass@127.0.0.1:1',
    'http://bob:Qx8 pass@127.0.0.1:1',
    'http://bob:Qx8pass@127.0.0.1:nope',
    'socks5://bob:Qx8pass@127.0.0.1:1',
    'gopher://bob:Qx8pass@127.0.0.1:1',
  ]) {
    const isFirst = value.startsWith(`http://bob:Qx8pass@127.0.0.1:${port}`);
    const [variable, url] = value.startsWith('bob')
      ? ['https_proxy', 'wss://service.test/ws']
      : ['HTTP_PROXY', 'ws://service.test/ws'];
    const env = { ...cleanEnv(), [variable]: value };
    const single = ['run', path.join(packageRoot, 'dist/single.js')];
    const shown = [
      await runProgram(k6, single, { cwd, env: { ...env, STRESS_URL: url } }),
      await runCli(['doctor', '--url', url], { cwd, env }),
      ...(isFirst ? [await runCli(['conformance', '--url', url], { cwd, env })] : []),
      ...(isFirst ? [await runCli(['run', 'single', '--url', url], { cwd, env })] : []),
    ];
    const traces = ['Qx8', Buffer.from('bob:Qx8').toString('base64').slice(0, 9)].join('|');
    for (const { stdout, stderr } of shown) assert.doesNotMatch(stdout + stderr, new RegExp(traces), value);
  }
  for (const file of readdirSync(cwd, { recursive: true }) as string[]) {
    if (statSync(path.join(cwd, file)).isFile())
      assert.doesNotMatch(readFileSync(path.join(cwd, file), 'utf8'), /Qx8/, file);
  }
});

void test('subprotocols and parts of a path that are tokens are told from those that are names', () => {
  for (const [asked, shown] of [
    ['mcp', 'mcp'],
    ['bearer, x', 'bearer, …'],
    ['mcp, Bearer, abc', 'mcp, Bearer, …'],
    ['access_token, abc, mcp', 'access_token, …, mcp'],
    ['graphql-transport-ws, graphql-ws', 'graphql-transport-ws, graphql-ws'],
    [
      'wamp.2.msgpack.batched, v12.stomp, mqttv3.1, ocpp2.0.1',
      'wamp.2.msgpack.batched, v12.stomp, mqttv3.1, ocpp2.0.1',
    ],
    ['v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.abc', 'v4.channel.k8s.io, …'],
    ['mcp, eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln', 'mcp, …'],
    ['550e8400-e29b-41d4-a716-446655440000', '…'],
  ] as const) {
    assert.equal(shownSubprotocols(asked), shown);
  }
  for (const [url, shown] of [
    ['ws://h/ws/mcp', 'ws://h/ws/mcp'],
    ['ws://h/api/v2/real-time-gateway-2/sessions', 'ws://h/api/v2/real-time-gateway-2/sessions'],
    ['ws://h/ws/SECRETVALUE123LONG/x?a=1', 'ws://h/ws/…/x?…'],
    ['ws://u:p@h/550e8400-e29b-41d4-a716-446655440000', 'ws://…@h/…'],
  ] as const) {
    assert.equal(shownUrl(url), shown);
  }
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server as HttpServer } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { packageRoot } from '../cli/shared/package-root.ts';
import { cleanEnv, k6Path, runCli } from './k6.ts';
import { startRawService, upgrade, type RawBehaviour } from './raw-service.ts';
import { targetFor } from './target-client.ts';

/** The explanation in an output, without a library's own words. */
const whyOf = (stderr: string): string =>
  (/(?:No service answers at|No connection to the service at|The service at) [^\n]*/.exec(stderr)?.[0] ?? '')
    .replaceAll('\\"', '"')
    .replace(/"$/, '')
    .replace(/ \(.*\)\. /, '. ');

/** What `doctor` (Node) and `run` (k6) say of one service: whether it works, and if not, why, without a library's own words. */
const bothOn = async (
  url: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<{ works: boolean; why: string; stderr: string }> => {
  const clean = Object.fromEntries(Object.entries(cleanEnv()).filter(([name]) => !/_proxy$/i.test(name)));
  const all = { ...clean, ...env, K6_BIN: await k6Path() };
  const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-clients-'));
  try {
    const doctor = await runCli(['doctor', '--url', url, ...args], { env: all });
    const run = await runCli(['run', 'single', '--url', url, '--folder', folder, ...args], { env: all });
    const seen = `doctor ${doctor.code}: ${doctor.stderr}\nrun ${run.code}: ${run.stderr}`;
    assert.equal(doctor.code === 0, run.code === 0, seen);
    if (doctor.code !== 0) {
      assert.deepEqual([doctor.code, run.code], [1, 108], seen);
      assert.equal(whyOf(run.stderr), whyOf(doctor.stderr), seen);
    }
    return { works: doctor.code === 0, why: whyOf(doctor.stderr), stderr: run.stderr };
  } finally {
    await rm(folder, { recursive: true });
  }
};

const listening = async (t: TestContext, server: Server | HttpServer): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
};

/** Passes a connection on to a port. */
const relayTo = (port: number) => (client: Socket) => {
  const behind = connect(port, '127.0.0.1');
  client.on('error', () => behind.destroy());
  behind.on('error', () => client.destroy());
  client.pipe(behind).pipe(client);
};

const rawServiceFor = async (t: TestContext, behaviour: RawBehaviour): Promise<string> => {
  const service = await startRawService(behaviour);
  t.after(service.close);
  return service.url;
};

const answering = (head: string) => (): string => `HTTP/1.1 ${head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;

const certificate = path.join(packageRoot, 'tests/fixtures/localhost-certificate.pem');

const tlsPortFor = async (t: TestContext): Promise<number> => {
  const target = await targetFor(t);
  const key = await readFile(path.join(packageRoot, 'tests/fixtures/localhost-key.pem'));
  const server = createTlsServer({ key, cert: await readFile(certificate) }, relayTo(target.port));
  server.on('tlsClientError', () => undefined);
  return listening(t, server);
};

/** A proxy that connects to one port whatever it is asked for, or answers with a status. */
const proxyFor = async (t: TestContext, port: number, status = '200 Connection established'): Promise<string> => {
  const proxy = createTcpServer((client) => {
    client.on('error', () => undefined);
    client.once('data', (data) => {
      if (!data.toString('latin1').startsWith('CONNECT ')) {
        client.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        return;
      }
      client.write(`HTTP/1.1 ${status}\r\n\r\n`);
      if (status.startsWith('200')) relayTo(port)(client);
      else client.end();
    });
  });
  return `http://127.0.0.1:${await listening(t, proxy)}`;
};

/** A SOCKS5 proxy that wants a user and connects to one port whatever it is asked for. */
const socksFor = async (t: TestContext, port: number): Promise<string> => {
  const proxy = createTcpServer((client) => {
    client.on('error', () => undefined);
    client.once('data', () => {
      client.write(Buffer.from([5, 2]));
      client.once('data', (given) => {
        client.write(Buffer.from([1, given.includes('bob') && given.includes('secret') ? 0 : 1]));
        client.once('data', () => {
          client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          relayTo(port)(client);
        });
      });
    });
  });
  return `socks5://bob:secret@127.0.0.1:${await listening(t, proxy)}`;
};

// One service is asked by both, beside others, for they wait more than they work.
void describe('doctor (Node) and run (k6) agree', { concurrency: 3 }, () => {
  const failures: [name: string, answer: string, why: RegExp][] = [
    [
      'a redirect',
      '307 Temporary Redirect\r\nLocation: http://other.example/ws?x=1',
      /redirects to http:\/\/other\.example\/ws/,
    ],
    ['a denial', '401 Unauthorized', /the token \(--token …\)/],
    ['another path', '404 Not Found', /Check the path\.$/],
    ['no room', '503 Service Unavailable', /status 503 .* not ready/],
    ['an interim response', '103 Early Hints\r\nLink: </a>', /status 103 .*k6 takes an interim response/],
    ['large headers', `404 Not Found\r\nX-Large: ${'x'.repeat(100_000)}`, /Check the path\.$/],
    [
      'a 101 that is none',
      '101 Switching Protocols',
      /bad opening handshake with status 101: expected the header Upgrade/,
    ],
  ];
  for (const [name, answer, why] of failures) {
    void test(`on ${name}`, async (t) => {
      const url = await rawServiceFor(t, { answer: answering(answer), opened: () => undefined });
      const said = await bothOn(url);
      assert.equal(said.works, false);
      assert.match(said.why, why);
    });
  }

  void test('on an answer whose lines end in a line feed alone', async (t) => {
    const answer = answering('404 Not Found')().replaceAll('\r', '');
    const url = await rawServiceFor(t, { answer: () => answer, opened: () => undefined });
    assert.match((await bothOn(url)).why, /status 404 instead of 101.*Check the path\.$/);
  });

  void test('on headers: each is sent the same, beyond Latin-1 too, and a list of subprotocols', async (t) => {
    const seen: IncomingHttpHeaders[] = [];
    const server = createServer((_request, response) => response.writeHead(404).end());
    server.on('upgrade', ({ headers }, socket) => {
      seen.push(headers);
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    });
    const url = `ws://127.0.0.1:${await listening(t, server)}/ws/mcp`;
    await bothOn(url, ['--token', 'tök€n', '--headers', '{"x-team":"1"}', '--subprotocol', 'mcp,v2']);
    assert.equal(seen.length, 2);
    for (const name of ['authorization', 'x-team', 'sec-websocket-protocol']) {
      assert.notEqual(seen[0]?.[name], undefined);
      assert.equal(seen[0]?.[name], seen[1]?.[name]);
    }
    assert.equal(Buffer.from(seen[0]?.authorization ?? '', 'latin1').toString(), 'Bearer tök€n');
    assert.equal(seen[0]?.['sec-websocket-protocol'], 'mcp, v2');
  });

  void test('on TLS: no trust, trust by folder or file, a stale file, and each scheme on the other port', async (t) => {
    const port = await tlsPortFor(t);
    const url = `wss://localhost:${port}/ws/mcp`;
    assert.match((await bothOn(url)).why, /cannot be verified\. Trust its certificate with --ca FILE/);
    const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-trust-'));
    t.after(() => rm(folder, { recursive: true }));
    await copyFile(certificate, path.join(folder, 'authority'));
    const stale = { SSL_CERT_FILE: path.join(folder, 'none.pem') };
    assert.equal((await bothOn(url, [], { ...stale, SSL_CERT_DIR: folder })).works, true);
    assert.equal((await bothOn(url, [], { SSL_CERT_FILE: certificate })).works, true);
    assert.match((await bothOn(url.replace('wss:', 'ws:'))).why, /if it speaks TLS, use wss:\/\//);
    const target = await targetFor(t);
    assert.match((await bothOn(target.url.replace('ws:', 'wss:'))).why, /use ws:\/\/ in place of wss:\/\//);
    assert.equal((await bothOn(target.url, [], stale)).works, true);
  });

  void test('on proxies: used, refusing, dead, and none for this machine', async (t) => {
    const target = await targetFor(t);
    // The reference target refuses a name that is not its own.
    const service = await rawServiceFor(t, { answer: answering('404 Not Found'), opened: () => undefined });
    const url = `ws://service.invalid:${target.port}/ws/mcp`;
    const proxy = await proxyFor(t, Number(new URL(service).port));
    assert.match((await bothOn(url, [], { HTTP_PROXY: proxy })).why, /status 404 instead of 101/);
    const refusing = await proxyFor(t, target.port, '403 Forbidden');
    assert.match((await bothOn(url, [], { HTTP_PROXY: refusing })).why, /the proxy of HTTP_PROXY.* refuses/);
    const dead = { HTTP_PROXY: 'http://127.0.0.1:1' };
    assert.match((await bothOn(url, [], dead)).why, /the proxy of HTTP_PROXY is not there: 127\.0\.0\.1:1/);
    assert.match((await bothOn(url, [], { ...dead, NO_PROXY: '.invalid' })).why, /name of its host cannot be resolved/);
    const socks = await socksFor(t, Number(new URL(service).port));
    assert.match((await bothOn(url, [], { HTTP_PROXY: socks })).why, /status 404 instead of 101/);
    assert.match((await bothOn(url, [], { HTTP_PROXY: 'socks5://127.0.0.1:1' })).why, /the proxy of HTTP_PROXY is not/);
    assert.match((await bothOn(url, [], { HTTP_PROXY: ':::no address' })).why, /name of its host cannot be resolved/);
    assert.equal((await bothOn(target.url, [], dead)).works, true);
  });

  void test('on a service whose /health is no HTTP, one that switches protocols, and one that never answers it', async (t) => {
    const target = await targetFor(t);
    const switching = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
    for (const health of ['HTTP/1.1 200 OK\r\nBad Header\r\n\r\n{}', switching, undefined]) {
      const server = createTcpServer((client) => {
        client.on('error', () => undefined);
        client.once('data', (data) => {
          if (/^upgrade: *websocket/im.test(data.toString('latin1'))) {
            const behind = connect(target.port, '127.0.0.1');
            behind.on('error', () => client.destroy());
            client.on('close', () => behind.destroy());
            behind.write(data);
            client.pipe(behind).pipe(client);
          } else if (health !== undefined) client.end(health);
        });
      });
      const url = `ws://127.0.0.1:${await listening(t, server)}/ws/mcp`;
      const { works, stderr } = await bothOn(url, ['--ack-timeout', '2s']);
      assert.equal(works, true, stderr);
      if (health === switching) continue;
      assert.match(stderr, /GET \/health of ws:[^ ]+ is not answered properly: .*its sessions work/);
    }
  });

  void test('on a subprotocol that nobody asked for, which doctor reports', async (t) => {
    const url = await rawServiceFor(t, {
      answer: (accept) => upgrade(accept).replace(/\r\n$/, 'Sec-WebSocket-Protocol: mcp\r\n\r\n'),
    });
    const { stdout } = await runCli(['doctor', '--url', url, '--ack-timeout', '1s', '--json'], { env: cleanEnv() });
    assert.match(stdout, /chooses a subprotocol that was not requested: expected none.*received mcp/);
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { startTarget } from '../reference-target/server.ts';
import { runProgram } from './k6.ts';
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
  assert.match(stdout, /protocol-violation[\s\S]*xxxx/);
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

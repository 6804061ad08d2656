import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { WebSocketServer, type WebSocket } from 'ws';
import { visible } from '../cli/results/html.ts';
import { markdownSummary } from '../cli/results/markdown-summary.ts';
import type { Failures } from '../cli/run/closing-table.ts';
import { closingText } from '../cli/run/closing-text.ts';
import { gatherFailures } from '../lib/results/failures.ts';
import { resultOf } from '../lib/results/result-model.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { OutputCheck } from '../lib/commands/output-check.ts';
import { excerpt } from '../lib/jsonrpc/messages.ts';
import type { SessionRecord } from '../lib/results/record-schema.ts';
import { describeOutcome, type Outcome } from '../lib/session/outcome.ts';
import { cleanEnv, cliPath, k6Path, runProgram } from './k6.ts';
import { sessionLine } from './records.ts';
import { runRecord } from './run-records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** One of each kind of what can't be seen or is obeyed; each with a word of its own, and commands to CI systems. */
const unseen =
  '\u0000\u0007\u001b[31m\u007f\u0085\u009b\u00a0\u00ad\u061c\u1680\u200b\u200e\u2028\u2029\u202e\u2066\u2800\u3000\u3164\ufe0f\ufeff\ufff9\uffff\u{e0041}\ue000';
const hostile = `h0st${unseen}\n::error::told\r\n##[error]told ##vso[task.complete]x`;

const invisible =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- what must not be there
  /[\u0000-\u0009\u000b-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\u{e0000}-\u{10ffff}]/u;
const obeyed = /^\s*::|##\w*\[/m;

const assertSeen = (text: string, what: string): void => {
  const at = text.replaceAll('\ufffd', '?').search(invisible);
  assert.equal(at, -1, `${what}: ${JSON.stringify(text.slice(Math.max(0, at - 200), at + 40))}`);
  assert.doesNotMatch(text, obeyed, what);
};

/** What it sends and answers by its path. */
const talk = (client: WebSocket, where: string): void => {
  const send = (message: object | string): void =>
    client.send(typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message }));
  client.on('error', () => client.terminate());
  send({ method: 'connected', params: { session_id: hostile, version: hostile, capabilities: [hostile] } });
  let asked = 0;
  client.on('message', (data) => {
    let id: unknown = null;
    try {
      ({ id } = JSON.parse((data as Buffer).toString('utf8')) as { id: unknown });
    } catch {
      // Answered all the same.
    }
    asked++;
    if (where === '/close') client.close(1008, 'h0st\u00a0\u202e\ufeff\u001b[31m\n::error::told');
    else if (where === '/malformed') send(hostile);
    else if (where === '/ids') send({ id: hostile, result: hostile });
    else if (where === '/violation') send({ method: 'process.output', params: { type: hostile, data: hostile } });
    else if (where === '/request') send({ id: hostile, method: hostile });
    else if (where === '/output') {
      send({ id, result: { status: 'started', pid: 1 } });
      send({ method: 'process.output', params: { type: 'stdout', data: `${hostile}\n` } });
      send({ method: 'process.completed', params: { exit_code: 0, error: hostile } });
    } else if (asked % 2 === 1) send({ id, error: { code: -32001, message: hostile, data: hostile } });
    else send({ id, result: { status: hostile } });
  });
};

/** A service whose every text is hostile; the path says how far it goes. */
const hostileService = async (t: TestContext): Promise<string> => {
  const server = createServer((request, response) => {
    const text = JSON.stringify({
      service: hostile,
      version: hostile,
      status: hostile,
      active_sessions: 0,
      max_sessions: 2,
    });
    if (request.url === '/refusing' || request.url === '/plain')
      response.writeHead(503, { 'X-Reason': 'h0st' }).end(hostile);
    else response.end(text);
  });
  const service = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const header = Buffer.from(`h0st\u00a0\u0085\u009b31m`, 'latin1');
    if (request.url === '/redirect' || request.url === '/refusing') {
      const [status, name] = request.url === '/redirect' ? ['302 Found', 'Location'] : ['503 Busy', 'X-Why'];
      socket.write(`HTTP/1.1 ${status}\r\n${name}: http://127.0.0.1/`);
      socket.end(
        Buffer.concat([header, Buffer.from(`\r\nContent-Length: ${Buffer.byteLength(hostile)}\r\n\r\n${hostile}`)]),
      );
      return;
    }
    if (request.url === '/status') {
      socket.end(Buffer.concat([Buffer.from('HTTP/1.1 299 '), header, Buffer.from('\r\nContent-Length: 0\r\n\r\n')]));
      return;
    }
    if (request.url === '/protocol') {
      socket.write(
        Buffer.concat([
          Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: '),
          header,
          Buffer.from('\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: '),
          header,
          Buffer.from('\r\n\r\n'),
        ]),
      );
      socket.end();
      return;
    }
    if (request.url === '/no-http') {
      socket.end(hostile);
      return;
    }
    service.handleUpgrade(request, socket, head, (client) => talk(client, request.url ?? ''));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const client of service.clients) client.terminate();
    server.closeAllConnections();
    server.close();
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const filesBelow = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[])
    .map((file) => path.join(folder, file))
    .filter((file) => statSync(file).isFile());

const exports = ['--junit', 'junit.xml', '--markdown', 'summary.md', '--result', 'result.json'];
const quickly = ['--ack-timeout', '1s', '--message-timeout', '1s'];

void test('nothing that a service says reaches a stream or a file unescaped', async (t) => {
  const address = await hostileService(t);
  const cwd = temporaryDirectory(t);
  const said: string[] = [];
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram(process.execPath, [cliPath, ...args], { cwd, env: cleanEnv() });
    assert.notEqual(code, 2, `${args.join(' ')}: ${stderr}`);
    assertSeen(stdout, `stdout of ${args.join(' ')}`);
    assertSeen(stderr, `stderr of ${args.join(' ')}`);
    said.push(stdout + stderr);
    return stdout + stderr;
  };
  const ways = [
    '/mcp',
    '/close',
    '/malformed',
    '/ids',
    '/violation',
    '/request',
    '/output',
    '/redirect',
    '/refusing',
    '/status',
    '/protocol',
    '/no-http',
  ];
  for (const way of ways) {
    await t.test(`run against ${way}`, async () => {
      const service = ['--url', address + way, ...quickly];
      const text = await run(
        'run',
        'single',
        ...service,
        '--trace',
        'failures',
        ...exports,
        '--run-id',
        `r${way.slice(1)}`,
      );
      assert.match(text, /FAIL|NOT RUN/);
      await run('doctor', ...service);
      await run('doctor', ...service, '--json');
    });
    await t.test(`plain k6 against ${way}`, async () => {
      for (const format of way === '/mcp' ? ['raw', 'json'] : ['raw']) {
        const env = { ...cleanEnv(), STRESS_URL: address + way, STRESS_TRACE: 'failures', STRESS_ACK_TIMEOUT: '1s' };
        const args = ['run', '--log-format', format, path.join(packageRoot, 'dist/single.js')];
        const { stdout, stderr } = await runProgram(await k6Path(), args, { cwd, env });
        assertSeen(stdout + stderr, `k6 --log-format ${format}`);
      }
    });
  }
  await t.test('cases', async () => {
    const service = ['--url', `${address}/mcp`, ...quickly];
    for (const scenario of ['process-control', 'command-validation', 'session-limit']) {
      await run('run', scenario, ...service, '--limited-url', `${address}/close`, '--trace', 'failures', ...exports);
    }
    await run(
      'conformance',
      '--url',
      `${address}/mcp`,
      '--ack-timeout',
      '1s',
      '--only',
      'method-unknown,malformed-json,params-string',
      '--json',
      'c.json',
      '--markdown',
      'c.md',
    );
  });
  await t.test('what is told of it later', async () => {
    await run('history');
    await run('history', '--json');
    await run('history', '--write');
    await run('recovery', 'list');
    await run('recovery', 'list', '--json');
    const kept = filesBelow(path.join(cwd, 'stress-results/recovery')).map((file) => path.basename(file, '.json'));
    for (const name of kept.filter((each) => each !== 'index')) {
      await run('recovery', 'show', name);
      await run('recovery', 'show', name, '--json');
    }
    await run('compare', 'rmcp', 'routput', '--force', '--markdown', 'compare.md');
    await run('compare', 'rmcp', 'routput', '--force', '--json');
    await run('report', 'rmcp');
    await run('export', 'rmcp', '--junit', 'again.xml', '--markdown', 'again.md', '--json', 'again.json');
  });
  const files = filesBelow(cwd);
  for (const name of [
    'report.html',
    'records.ndjson',
    'run.json',
    'runs.jsonl',
    'junit.xml',
    'summary.md',
    'c.json',
    'c.md',
    'HISTORY.md',
  ]) {
    assert.ok(
      files.some((file) => path.basename(file) === name),
      `${name}: ${files.join(', ')}`,
    );
  }
  for (const file of files) assertSeen(readFileSync(file, 'utf8'), path.basename(file));
  for (const name of ['report.html', 'records.ndjson', 'junit.xml', 'c.json']) {
    const texts = files.filter((file) => path.basename(file) === name).map((file) => readFileSync(file, 'utf8'));
    assert.ok(
      texts.some((text) => text.includes('h0st')),
      name,
    );
  }
  assert.ok(said.join('').includes(String.raw`h0st\u0000\u0007\u001b[31m\u007f`));
});

void test('a difference of one character that can not be seen shows in what was expected and received, and is not cut off', () => {
  const differing = '\u200b';
  const line = (at: number): string => {
    const all = `${'a'.repeat(at)}${'\u00a0'.repeat(60)}${'b'.repeat(60)}`;
    return `${all.slice(0, at + 30)}${differing}${all.slice(at + 30)}`;
  };
  for (const at of [0, 39, 60, 300]) {
    const expected = line(at).replace(differing, '');
    const mismatch = new OutputCheck({ lines: [expected] }).line(line(at));
    const outcome: Outcome = { kind: 'output-mismatch', detail: `${mismatch ?? ''}, in ${excerpt(line(at))}` };
    const record: SessionRecord = JSON.parse(sessionLine(outcome)) as SessionRecord;
    const failures: Failures = {
      sessions: new Map([['single output-mismatch', { count: 1, first: [record] }]]),
      findings: [],
      other: [],
    };
    const failed = runRecord('r', {
      verdict: 'FAIL',
      criteria: [
        { test: record.test, selector: 'session_success', expression: 'rate==1', status: 'FAIL', observed: 0 },
      ],
    });
    const groups = gatherFailures(false);
    groups.session(record);
    const words = describeOutcome(outcome);
    const shownBy = {
      terminal: closingText(resultOf(failed, { failures: groups.groups().groups }), failed).replaceAll(/\s+/g, ''),
      Markdown: markdownSummary(runRecord('r'), failures).replaceAll('&#92;', '\\'),
      report: visible(words),
    };
    for (const [outlet, text] of Object.entries(shownBy)) {
      assert.match(text, /expected.*(?:\\u00a0)+.*received.*(?:\\u00a0|a|…|")\\u200b\\u00a0/s, `${outlet} ${at}`);
      assert.equal(text.replaceAll(/\n/g, '').search(invisible), -1, `${outlet} ${at}`);
    }
  }
});

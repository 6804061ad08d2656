import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { get, request, type IncomingHttpHeaders } from 'node:http';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { servePage } from '../cli/report/page-server.ts';
import { startLive } from '../cli/report/live.ts';
import { followRecords, type Read } from '../cli/results/record-reader.ts';
import { runFolder } from '../cli/results/run-folder.ts';
import { makeFolder } from '../cli/shared/output-file.ts';
import { chromium, startBrowser } from './chromium.ts';
import { findingLine, sessionLine } from './records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const serve = async (t: TestContext) => {
  let followed = 0;
  const server = await servePage(
    () => Promise.resolve('<p>page</p>'),
    () => followed++,
  );
  t.after(() => server.close());
  return { server, followed: () => followed };
};

const ask = (
  url: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders; text: string }> =>
  new Promise((resolve, reject) => {
    request(url, { method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.once('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    })
      .once('error', reject)
      .end();
  });

void test('the page is for those who know its address, on this machine, and for no page of another site', async (t) => {
  const { server } = await serve(t);
  const { host, origin, port } = new URL(server.url);
  const page = await ask(server.url);
  assert.deepEqual([page.status, page.text], [200, '<p>page</p>']);
  assert.equal(page.headers['cache-control'], 'no-store');
  assert.equal(page.headers['content-security-policy'], "frame-ancestors 'none'");
  assert.equal((await ask(server.url, { origin, 'sec-fetch-site': 'same-origin' })).status, 200);
  assert.equal((await ask(server.url, { host: `localhost:${port}` })).status, 200);
  for (const headers of [
    { host: 'evil.test' },
    { host: `evil.test:${port}` },
    { host: '127.0.0.1' },
    { origin: 'http://evil.test' },
    { origin: 'null' },
    { origin: `https://${host}` },
    { 'sec-fetch-site': 'cross-site' },
  ])
    assert.equal((await ask(server.url, headers)).status, 403, JSON.stringify(headers));
  assert.equal((await ask(server.url, {}, 'POST')).status, 405);
  for (const wrong of ['/', '/events', `/${'0'.repeat(48)}/`, `${new URL(server.url).pathname}other`])
    assert.equal((await ask(`${origin}${wrong}`)).status, 404, wrong);
  assert.equal((await ask(`${server.url}events`, { origin: 'http://evil.test' })).status, 403);
});

void test('events reach those who follow, and all connections end when it is closed', async (t) => {
  const { server, followed } = await serve(t);
  const answer = await fetch(`${server.url}events`);
  while (server.followers() === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(followed(), 1);
  server.send('page', 'line\nbreak');
  const text = answer.text();
  await server.close();
  assert.equal(await text, 'event: page\ndata: "line\\nbreak"\n\n');
  await assert.rejects(fetch(server.url));
});

void test('one that takes nothing does not keep the server open', { timeout: 20_000 }, async (t) => {
  const { server } = await serve(t);
  await new Promise<void>((resolve) => {
    get(`${server.url}events`, (response) => {
      response.on('error', () => {});
      response.pause();
      resolve();
    }).on('error', () => {});
  });
  for (let count = 0; count < 40; count++) server.send('page', 'x'.repeat(2 ** 20));
  await server.close();
});

void test('a file of records is followed as it grows, whole lines only', async (t) => {
  const file = path.join(temporaryDirectory(t), 'records.ndjson');
  const follower = followRecords(file);
  const seen: Read[] = [];
  const more = (): Promise<boolean> => follower.read((read) => seen.push(read), 1000);
  assert.equal(await more(), false, 'a file that is not there yet');
  const line = sessionLine({ kind: 'ok' });
  writeFileSync(file, `${line}\n${line.slice(0, 50)}`);
  assert.equal(await more(), false);
  assert.equal(seen.length, 1);
  appendFileSync(file, `${line.slice(50)}\nk6 says\n\n{"type":"session"}\n`);
  await more();
  assert.deepEqual(
    seen.map((read) => ['record', 'other', 'problem'].find((name) => name in read)),
    ['record', 'record', 'other', 'problem'],
  );
  assert.deepEqual(
    seen.map((read) => read.line),
    [1, 2, 3, 5],
  );
  writeFileSync(file, `${line}\n`.repeat(2000), { flag: 'a' });
  assert.equal(await follower.read((read) => seen.push(read), 0), true, 'no longer than it may take');
  while (await follower.read((read) => seen.push(read), 0));
  assert.equal(seen.length, 2004);
});

const liveRun = async (t: TestContext) => {
  const folder = runFolder(temporaryDirectory(t), 'r1');
  await makeFolder(folder.path);
  const live = await startLive('concurrent', folder, {
    STRESS_URL: 'ws://user:secret@127.0.0.1:8003/ws/mcp?token=secret',
  });
  t.after(() => live.close());
  return { folder, live };
};

void test('the page of a run that goes on has what was recorded so far, and no secret', async (t) => {
  const { folder, live } = await liveRun(t);
  const empty = await ask(live.url);
  assert.match(empty.text, /0 sessions ended, 0 failed/);
  const at = new Date().toISOString();
  const lost = { kind: 'output-mismatch', detail: 'expected 2 lines, received 1: "Line 2" is missing' } as const;
  const lines = [0, 1, 2].map((session) =>
    sessionLine(session < 2 ? { kind: 'ok' } : lost, { round: 1, session, startedAt: at }),
  );
  writeFileSync(folder.records, `${[...lines, findingLine('a-case')].join('\n')}\n`);
  const { text } = await ask(live.url);
  assert.match(text, /<h1>\d+ s, 3 sessions ended, 1 failed, 1 case asked<\/h1>/);
  assert.match(text, /1 of 3 sessions lost output lines/);
  assert.match(text, /connect-src 'self'/);
  assert.doesNotMatch(text, /secret|<td>FAIL/);
});

void test(
  'a browser that follows a run shows what comes, and its report in the end',
  { skip: chromium === undefined && 'chromium is not on PATH', timeout: 120_000 },
  async (t) => {
    const { folder, live } = await liveRun(t);
    const page = await startBrowser(t);
    await page.open(live.url, { width: 1000, height: 800 });
    const heading = (): Promise<string> => page.value('document.querySelector("h1").textContent');
    const until = async (pattern: RegExp): Promise<void> => {
      while (!pattern.test(await heading())) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await until(/ 0 sessions ended/);
    const lines = Array.from({ length: 25 }, (_, session) =>
      sessionLine(
        { kind: 'ok' },
        { round: 1, session, startedAt: new Date(Date.now() - 10_000 + session * 400).toISOString() },
      ),
    );
    writeFileSync(folder.records, `${lines.join('\n')}\n`);
    await until(/ 25 sessions ended/);
    assert.deepEqual(page.complaints(), []);
    writeFileSync(
      path.join(folder.path, 'report.html'),
      '<title>done</title><header><p class="kicker"></p><h1>Done</h1></header>',
    );
    await live.finish();
    await until(/Done/);
    await live.close();
    assert.equal(await page.value('document.title'), 'done');
    assert.match(await page.value('document.querySelector(".kicker").textContent'), /The run has ended/);
    assert.deepEqual(page.complaints(), []);
  },
);

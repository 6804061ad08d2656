import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { githubAnnotations } from '../cli/results/annotations.ts';
import { badgeSvg } from '../cli/results/badge.ts';
import { notify, notifyProblems } from '../cli/results/notify.ts';
import { gatherFailures } from '../lib/results/failures.ts';
import { resultOf } from '../lib/results/result-model.ts';
import type { Result } from '../lib/results/result-schema.ts';
import { runRecord } from './run-records.ts';

const hostile = '100 %\n::error::x, <b>: @all & ##[error]';

const failedResult = (received: string): Result => {
  const failures = gatherFailures(false);
  failures.finding({
    type: 'finding',
    version: 1,
    run: 'r',
    marker: 'm',
    test: 'concurrent',
    case: 'unknown-method',
    section: 'JSON-RPC 2.0 §5.1',
    expected: 'error -32601',
    finding: 'breaking',
    received,
  });
  return resultOf(
    runRecord('r', {
      verdict: 'FAIL',
      criteria: [
        {
          test: 'concurrent',
          selector: 'findings{finding:breaking}',
          expression: 'count==0',
          status: 'FAIL',
          observed: 1,
        },
      ],
      findings: [{ test: 'concurrent', conforming: 3, deviating: 0, bypass: 0, breaking: 1 }],
    }),
    { failures: failures.groups().groups },
  );
};

void test('GitHub annotations: an error for each cause, whatever its texts, and a notice of a pass', () => {
  const lines = githubAnnotations(failedResult(hostile)).trimEnd().split('\n');
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^::error title=1 of 4 cases failed%3A unknown-method \(100 %25[^:]*::expected: error/);
  assert.match(lines[0] ?? '', /::expected: error -32601%0Areceived: 100 %25\\n/);
  assert.match(
    githubAnnotations(resultOf(runRecord('r'))),
    /^::notice title=ws-stress concurrent::PASS: all 2 checks passed%0Aall 50 sessions succeeded\n$/,
  );
  const notRun = runRecord('r', { verdict: 'NOT RUN', reason: 'No service answers. Start it.' });
  assert.match(githubAnnotations(resultOf(notRun)), /^::error title=no service answers::.*do: Start it\./);
});

void test('a badge is SVG with the verdict, and holds no markup of others', () => {
  const svg = badgeSvg({ ...failedResult(hostile), test: '<script>&"' });
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" .*>fail<\/text>/s);
  assert.ok(!svg.includes('<script>') && !svg.includes('<b>') && svg.includes('&lt;script&gt;&amp;&quot;'));
  assert.match(badgeSvg(resultOf(runRecord('r'))), />concurrent<\/text>\s*<text[^>]*>pass</);
});

/** A webhook on loopback that answers with this status, or not at all, and keeps what it received. */
const webhook = async (t: TestContext, status: number | undefined) => {
  const received: { type: string | undefined; body: string }[] = [];
  const server: Server = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      received.push({ type: request.headers['content-type'], body });
      if (status !== undefined) response.writeHead(status).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/services/T0/secretpath`, received };
};

void test('a webhook receives the result as JSON or as text for Slack, without secrets', async (t) => {
  const { url, received } = await webhook(t, 200);
  const env = { STRESS_TOKEN: 'very-secret-token-1' };
  const result = failedResult('the token very-secret-token-1 <!channel>');
  assert.match(await notify(result, url, undefined, env), /^result posted to http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(await notify(result, url, 'slack', env), /^result posted/);
  const [json, slack] = received;
  assert.equal(json?.type, 'application/json');
  const posted = JSON.parse(json?.body ?? '') as Result;
  assert.equal(posted.verdict, 'FAIL');
  assert.equal(posted.causes[0]?.received, 'the token … <!channel>');
  const { text } = JSON.parse(slack?.body ?? '') as { text: string };
  assert.match(text, /^\*FAIL: 1 of 4 cases failed: unknown-method .*\*\nws-stress concurrent, run r/);
  assert.ok(text.includes('&lt;!channel&gt;') && !text.includes('<!channel>'));
  assert.ok(received.every(({ body }) => !body.includes('very-secret-token-1')));
});

void test('a webhook that fails or hangs is a warning that does not show its path', async (t) => {
  const result = resultOf(runRecord('r'));
  const failing = await webhook(t, 500);
  const told = await notify(result, failing.url, undefined, {});
  assert.match(
    told,
    /^warning: the result could not be posted to http:\/\/127\.0\.0\.1:\d+: status 500; the verdict stays PASS$/,
  );
  const hanging = await webhook(t, undefined);
  assert.match(
    await notify(result, hanging.url, undefined, {}, 100),
    /no answer within 0\.1 s; the verdict stays PASS$/,
  );
  assert.match(
    await notify(result, 'http://127.0.0.1:1/secretpath', undefined, {}),
    /^[^/]*\/\/127\.0\.0\.1:1: .*REFUSED[^/]*$/,
  );
});

void test('what is wrong with the options of a webhook is told without its address', () => {
  assert.deepEqual(notifyProblems('hooks/secret', 'xml'), [
    '--notify: expected an address such as https://hooks.example.org/path',
    '--notify-format: expected json or slack, received xml',
  ]);
  assert.deepEqual(notifyProblems(undefined, 'slack'), ['--notify-format: expected together with --notify']);
  assert.deepEqual(notifyProblems('https://h/x', 'slack'), []);
});

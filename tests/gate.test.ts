import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { isTooNear, questionsFor, untranslatable } from '../cli/gate/promql.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { cleanEnv, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
const series = { testLabel: 'testrun_name', testId: 'a', atS: 1000, withinS: 300 };

const gate = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runProgram(process.execPath, [cli, 'gate', ...args], { env: { ...cleanEnv(), ...env } });

const asked = ['--scenario', 'concurrent', '--test-id', 'a', '--instances', '2'];

test('a rate is asked as counts that add up, never as the gauge that k6 sends of it', () => {
  const questions = questionsFor('session_success{round:1}', ['rate'], series);
  assert.deepEqual(
    questions.map(({ value, expression }) => [value, expression]),
    [
      ['passes', 'sum(last_over_time(k6_sessions_total{testrun_name="a",round="1",outcome="ok",round!=""}[300s]))'],
      ['total', 'sum(last_over_time(k6_sessions_total{testrun_name="a",round="1",round!=""}[300s]))'],
    ],
  );
});

test('a percentile is asked of the sum of the last histogram of each series', () => {
  const [question] = questionsFor('command_duration{class:simple}', ['p(99.9)'], series);
  const one = 'k6_command_duration_seconds{testrun_name="a",class="simple"}';
  assert.equal(question?.expression, `histogram_quantile(0.999, sum(${one} @ 1000 or ${one} @ 760))`);
  assert.equal(question.factor, 1000);
  const [lines] = questionsFor('output_rate', ['avg'], series);
  assert.match(lines?.expression ?? '', /^histogram_sum\(.*\) \/ histogram_count\(.*k6_output_rate\{/);
  assert.equal(lines?.factor, 1);
});

test('the gate selects commands by name, and says which default criteria a thresholds file has lost', async (t) => {
  const file = path.join(temporaryDirectory(t), 'thresholds.json');
  const scenarios = { concurrent: { 'command_duration{command:third}': ['p(95)<5000'] } };
  writeFileSync(file, JSON.stringify({ version: 1, scenarios }));
  const { code, stdout, stderr } = await gate([...asked, '--vus', '4', '--queries', '--thresholds', file]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /k6_command_duration_seconds\{testrun_name="a",command="third"\}/);
  assert.match(stderr, /^--thresholds .*default criteria.* concurrent: session_success, /);
});

test('an id can’t end the text that it stands in', () => {
  const hostile = { ...series, testId: '"} or vector(1) #\\\n' };
  const [question] = questionsFor('timeouts', ['count'], hostile);
  assert.equal(
    question?.expression,
    String.raw`sum(last_over_time(k6_timeouts_total{testrun_name="\"} or vector(1) #\\\n"}[300s]))`,
  );
});

test('what a histogram or a counter can’t tell is no criterion of a gate', () => {
  assert.match(untranslatable({ metric: 'timeouts', expression: 'rate<1' }) ?? '', /needs the duration/);
  assert.match(untranslatable({ metric: 'session_duration', expression: 'max==5' }) ?? '', /no exact value/);
  assert.equal(untranslatable({ metric: 'session_duration', expression: 'p(95)<5000' }), undefined);
  assert.equal(untranslatable({ metric: 'session_success', expression: 'rate==1' }), undefined);
});

test('a limit within a bucket of what was observed is too near to tell', () => {
  assert.equal(isTooNear('session_duration', 'p(95)<5000', 4700), true);
  assert.equal(isTooNear('session_duration', 'p(95)<5000', 5300), true);
  assert.equal(isTooNear('session_duration', 'p(95)<5000', 4500), false);
  assert.equal(isTooNear('session_duration', 'avg<5000', 5000), false);
  assert.equal(isTooNear('timeouts', 'count<5', 5), false);
});

test('wrong options are refused, all of them at once', async (t) => {
  const file = path.join(temporaryDirectory(t), 'thresholds.json');
  const scenarios = { concurrent: { timeouts: ['rate<1'], session_duration: ['max==5'] } };
  writeFileSync(file, JSON.stringify({ version: 1, scenarios }));
  const wrong = [
    '--prometheus',
    'http://me:geheim@localhost:9090',
    '--scenario',
    'memory',
    '--instances',
    '0',
    '--test-label',
    'a-b',
    '--within',
    '1',
    '--rate',
    '5',
    'extra',
  ];
  const refused = await gate(wrong, { PROMETHEUS_TOKEN: 'geheim', PROMETHEUS_USERNAME: 'me' });
  assert.equal(refused.code, 2);
  for (const part of [
    'expected options only, received extra',
    'without a name or password in it',
    '--test-id: expected the id',
    '--scenario: expected one whose sessions can be split',
    '--instances: expected how many',
    '--test-label: expected a label',
    '--within: expected a duration',
    'PROMETHEUS_TOKEN: expected alone',
    '--rate: expected together with --duration',
  ]) {
    assert.ok(refused.stderr.includes(part), `${part}\n${refused.stderr}`);
  }
  assert.ok(!refused.stderr.includes('geheim'));
  const untold = await gate([...asked, '--prometheus', 'http://localhost:1', '--thresholds', file, '--rounds', '1,2']);
  assert.equal(untold.code, 2);
  assert.match(untold.stderr, /timeouts rate<1: a count a second needs the duration of the run/);
  assert.match(untold.stderr, /session_duration max==5: a histogram knows no exact value/);
  assert.match(untold.stderr, /--rounds: expected one round/);
  const unknown = await gate(['--instance', '2']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no such option: --instance; did you mean --instances\?/);
});

test('--queries prints the PromQL of each criterion and asks nothing', async () => {
  const { code, stdout } = await gate([...asked, '--queries']);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /command_duration\{round:1,class:simple\} p\(95\)<5000\n {2}p\(95\): histogram_quantile\(0\.95, sum\(k6_command_duration_seconds\{/,
  );
});

/** Something that answers in Prometheus's place, until the test ends. */
const startFake = async (
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse, query: string) => void,
): Promise<string> => {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => answer(request, response, new URLSearchParams(body).get('query') ?? ''));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const wrongAnswers: [what: string, status: number, body: string, told: RegExp][] = [
  ['asks who is there', 401, '', /asks who is there \(status 401\): what was sent is not taken; set PROMETHEUS_TOKEN/],
  ['forbids', 403, '', /asks who is there \(status 403\)/],
  [
    'is a web page',
    200,
    '<html>\u001b[2J',
    /expected Prometheus's query API at .*; received status 200 and "<html>\\u001b\[2J"/,
  ],
  ['leads elsewhere', 302, '', /received status 302/],
  ['has no such path', 404, 'not found', /received status 404 .*is there a path missing/],
  [
    'says an error',
    422,
    '{"status":"error","error":"too \\u001b[31m much"}',
    /could not answer a query \(status 422\): too \\u001b\[31m much/,
  ],
  [
    'answers in another form',
    200,
    '{"status":"success","data":{"resultType":"scalar","result":"x"}}',
    /expected the time from Prometheus; received/,
  ],
  [
    'answers no number',
    200,
    '{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}',
    /expected a number from Prometheus; received x/,
  ],
];

for (const [what, status, body, told] of wrongAnswers) {
  test(`what ${what} in place of Prometheus is told as such, and nothing is judged`, async (t) => {
    let authorization: string | undefined;
    const url = await startFake(t, (request, response) => {
      ({ authorization } = request.headers);
      response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(body);
    });
    const { code, stdout, stderr } = await gate([...asked, '--prometheus', url], { PROMETHEUS_TOKEN: 'geheim' });
    assert.equal(code, 108);
    assert.match(stderr, told);
    assert.equal(authorization, 'Bearer geheim');
    assert.ok(!(stdout + stderr).includes('geheim'));
    // oxlint-disable-next-line no-control-regex -- what must not be there
    assert.doesNotMatch(stderr, /\u001b/);
  });
}

test('an answer without end is not read to its end', async (t) => {
  const url = await startFake(t, (_, response) => {
    const piece = Buffer.alloc(1024 * 1024, 0x20);
    const more = (): void => {
      while (response.writable && response.write(piece));
    };
    response.on('drain', more).on('error', () => {});
    more();
  });
  const { code, stderr } = await gate([...asked, '--prometheus', url]);
  assert.equal(code, 108);
  assert.match(stderr, /more than 16777216 bytes came/);
});

test('nothing that listens, and a name and password, are told and sent', async (t) => {
  const nothing = await gate([...asked, '--prometheus', 'http://127.0.0.1:1']);
  assert.equal(nothing.code, 108);
  assert.match(
    nothing.stderr,
    /expected Prometheus to answer at http:\/\/127\.0\.0\.1:1\/api\/v1\/query: .*; is --prometheus right/,
  );
  let authorization: string | undefined;
  const url = await startFake(t, (request, response) => {
    ({ authorization } = request.headers);
    response.writeHead(401).end();
  });
  await gate([...asked, '--prometheus', `${url}/`], { PROMETHEUS_USERNAME: 'me', PROMETHEUS_PASSWORD: 'geheim' });
  assert.equal(authorization, `Basic ${Buffer.from('me:geheim').toString('base64')}`);
  const [half, unset] = await Promise.all([
    gate([...asked, '--prometheus', url], { PROMETHEUS_USERNAME: 'me' }),
    gate([...asked, '--prometheus', url]),
  ]);
  assert.equal(half.code, 2);
  assert.match(half.stderr, /expected both; one is not set/);
  assert.match(unset.stderr, /\(status 401\): nothing was sent/);
});

/** Answers as Prometheus does, of two processes that began; `numberOf` tells what a query for one number comes to. */
const startAnswering = (t: TestContext, numberOf: (query: string) => string | undefined): Promise<string> =>
  startFake(t, (_, response, query) => {
    const begun = [1, 2].map((instance) => ({
      metric: { test: 'concurrent', instance_id: String(instance) },
      values: [[1_700_000_000, '1']],
    }));
    const number = numberOf(query);
    const vector = number === undefined ? [] : [{ metric: {}, value: [1_700_000_060, number] }];
    const data =
      query === 'time()'
        ? { resultType: 'scalar', result: [1_700_000_060, '1700000060'] }
        : query.startsWith('k6_runs_total')
          ? { resultType: 'matrix', result: begun }
          : { resultType: 'vector', result: vector };
    response.end(JSON.stringify({ status: 'success', data }));
  });

test('where processes began and no session came, nothing is judged', async (t) => {
  const url = await startAnswering(t, () => undefined);
  const { code, stdout } = await gate([...asked, '--prometheus', url]);
  assert.equal(code, 108);
  assert.match(stdout, /NOT RUN: nothing was judged/);
});

test('counts that must agree and do not are no ground for a verdict', async (t) => {
  const url = await startAnswering(t, (query) =>
    query.startsWith('count by') ? undefined : query.includes('k6_sessions_total') ? '4' : '5',
  );
  const { code, stdout, stderr } = await gate([...asked, '--prometheus', url]);
  assert.equal(code, 108, stdout);
  assert.match(
    stderr,
    /it holds 5 samples of session_duration of 4 sessions that succeeded: what k6 sent was lost on the way, or marked stale/,
  );
});

test('sessions that k6 could not start on any machine make the whole test INVALID', async (t) => {
  const url = await startAnswering(t, (query) =>
    query.includes('k6_dropped_iterations_total') ? '3' : query.includes('unsettled') ? '0' : '5',
  );
  const { code, stdout } = await gate([...asked, '--prometheus', url]);
  assert.equal(code, 110, stdout);
  assert.match(stdout, /FAIL +dropped_iterations count==0 {3}\(3\)/);
});

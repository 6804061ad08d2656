import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createApi, type CloudApi } from '../cli/cloud/api.ts';
import { CloudError, retryAfterMs } from '../cli/cloud/http-client.ts';
import { apiError, startCloud, type Answered, type FakeCloud } from './cloud-api.ts';

/** A client of a fake cloud whose waits are over at once, and kept. */
const clientOf = ({ url: host, token }: Pick<FakeCloud, 'url' | 'token'>, answerTimeoutMs = 60_000) => {
  const waits: number[] = [];
  const told: string[] = [];
  const waitMs = (ms: number): Promise<void> => {
    waits.push(ms);
    return Promise.resolve();
  };
  const api = createApi(
    { host, token, stackId: '1' },
    { waitMs, tell: (text) => void told.push(text), answerTimeoutMs },
  );
  return { api, waits, told };
};

const start = async (t: TestContext, ...first: Answered[]) => {
  const cloud = await startCloud(t);
  cloud.instead = () => first.shift();
  return { cloud, ...clientOf(cloud) };
};

const busy = (retryAfter?: string): Answered => ({
  ...apiError(429, 'Too many requests.'),
  unpublished: true,
  ...(retryAfter !== undefined && { headers: { 'retry-after': retryAfter } }),
});

const failure = async (api: Promise<unknown>): Promise<CloudError> => {
  const error = await api.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CloudError, String(error));
  return error;
};

void test('429 is waited for as long as it asks, in seconds or until a date', async (t) => {
  const inAMinute = new Date(Date.now() + 60_000).toUTCString();
  const past = 'Sat, 01 Jan 2000 00:00:00 GMT';
  const { cloud, api, waits, told } = await start(t, busy('7'), busy(inAMinute), busy(past), busy());
  assert.equal((await api.project(cloud.project))?.id, cloud.project);
  const [seconds, date = 0, ...rest] = waits;
  assert.equal(seconds, 7000);
  assert.ok(date > 30_000 && date <= 60_000, String(date));
  assert.deepEqual(rest, [0, 8000]);
  assert.match(told[0] ?? '', /^GET \/cloud\/v6\/projects\/4711: status 429: Too many requests\.; again in 7 s$/);
});

void test('what Retry-After says', () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z');
  assert.equal(retryAfterMs(' 3 ', nowMs), 3000);
  assert.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:09 GMT', nowMs), 9000);
  assert.equal(retryAfterMs('soon', nowMs), undefined);
  assert.equal(retryAfterMs(null, nowMs), undefined);
});

void test('a wait that is too long is told, not waited for', async (t) => {
  const { cloud, api, waits } = await start(t, busy('3600'));
  const { message } = await failure(api.project(cloud.project));
  assert.match(message, /it asks to wait 3600 s: deploy again then/);
  assert.deepEqual(waits, []);
});

void test('5xx is asked again, each time later, and given up at last', async (t) => {
  const gone = { status: 502, body: '<html>\u001b[31mBad gateway</html>', unpublished: true } as const;
  const { cloud, api, waits } = await start(t, gone, apiError(500, 'Oops.'), gone);
  assert.equal((await api.project(cloud.project))?.id, cloud.project);
  assert.deepEqual(waits, [1000, 2000, 4000]);

  cloud.instead = () => gone;
  const { message, status } = await failure(api.project(cloud.project));
  assert.equal(message, 'GET /cloud/v6/projects/4711: status 502: <html>\\u001b[31mBad gateway</html>; 5 tries');
  assert.equal(status, 502);
  assert.deepEqual(waits.slice(3), [1000, 2000, 4000, 8000]);
});

void test('a network that fails is tried again, and given up at last', async (t) => {
  const { cloud, api, waits } = await start(t, { status: 0, drop: true, unpublished: true });
  assert.equal((await api.project(cloud.project))?.id, cloud.project);
  assert.deepEqual(waits, [1000]);

  const nobody = clientOf({ url: 'http://127.0.0.1:1', token: 'x' });
  const { message, status } = await failure(nobody.api.project(1));
  assert.match(message, /^GET \/cloud\/v6\/projects\/1: .*(ECONNREFUSED|bad port).*; 5 tries$/);
  assert.equal(status, undefined);
});

void test('an answer that is no JSON, or another than the API has, is told', async (t) => {
  const { cloud, api } = await start(t, {
    status: 200,
    body: '<html>\u001b[2JLog in secret-token-of-the-test',
    unpublished: true,
  });
  const { message } = await failure(api.project(cloud.project));
  assert.equal(message, 'GET /cloud/v6/projects/4711: status 200: expected JSON; received "<html>\\u001b[2JLog in …"');

  cloud.instead = () => ({ status: 200, body: { value: [{ id: 'one' }] }, unpublished: true });
  const other = await failure(api.loadTests(cloud.project, new Set(['a'])));
  assert.equal(
    other.message,
    'GET /cloud/v6/projects/4711/load_tests: status 200: value.0.id: expected number, received "one"',
  );
});

void test('a redirect is not followed, for the token would go with it', async (t) => {
  const elsewhere = await startCloud(t);
  const { cloud, api } = await start(t, {
    status: 302,
    headers: { location: `${elsewhere.url}/cloud/v6/projects/4711` },
    unpublished: true,
  });
  assert.match((await failure(api.project(cloud.project))).message, /status 302/);
  assert.deepEqual(elsewhere.asked, []);
});

void test('a list without an end, and a next page that is none', async (t) => {
  const { cloud, api } = await start(t);
  const list = (api: CloudApi): Promise<unknown> => api.loadTests(cloud.project, new Set());
  cloud.instead = () => ({ status: 200, body: { value: [], '@nextLink': 'http://x.example/?$skip=0' } });
  assert.match((await failure(list(api))).message, /expected at most 1000 pages/);
  assert.ok(cloud.asked.every((what) => what === 'GET /cloud/v6/projects/4711/load_tests'));
  cloud.instead = () => ({ status: 200, body: { value: [], '@nextLink': 'http://x.example/' } });
  assert.match(
    (await failure(list(api))).message,
    /expected the address of a next page; received http:\/\/x\.example\//,
  );
});

void test('a schedule that is gone is removed', async (t) => {
  const { api, cloud } = await start(t);
  await api.removeSchedule(99);
  assert.deepEqual(cloud.violations, []);
});

void test('an answer that does not come, and one that does not end', async (t) => {
  const { cloud, api } = await start(t);
  cloud.after = () => ({ status: 0, silent: true });
  const slow = clientOf(cloud, 50);
  assert.match((await failure(slow.api.project(cloud.project))).message, /: no answer within 0\.05 s; 5 tries$/);

  cloud.after = () => ({ status: 200, body: Buffer.alloc(64 * 2 ** 20 + 1) });
  const { message } = await failure(api.script(1));
  assert.equal(message, 'GET /cloud/v6/load_tests/1/script: expected at most 67108864 bytes');
});

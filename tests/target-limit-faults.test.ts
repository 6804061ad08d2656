import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from '../reference-target/server.ts';
import { connect, targetFor, until, within, type Client } from './target-client.ts';

/** How long a test watches that something does not happen, in milliseconds. */
const watchMs = 150;

const activeIn = async (target: Target): Promise<unknown> => {
  const health = (await (await fetch(`${target.httpUrl}/health`)).json()) as Record<string, unknown>;
  return health['active_sessions'];
};

/** A target for two sessions, both open, and a third session that it refuses with a fault. */
const full = async (t: TestContext, fault: string): Promise<{ target: Target; taken: Client[]; third: Client }> => {
  const target = await targetFor(t, { maxSessions: 2, faults: [fault] });
  const taken = [await connect(t, target), await connect(t, target)];
  for (const client of taken) await client.notification('connected');
  return { target, taken, third: await connect(t, target) };
};

/** Checks that the open sessions are undisturbed. */
const undisturbed = async (clients: readonly Client[]): Promise<void> => {
  for (const client of clients) assert.equal((await client.run('true'))['exit_code'], 0);
};

void test('limit-drop: no error, no close frame', async (t) => {
  const { taken, third } = await full(t, 'limit-drop');
  assert.equal((await within('close', third.closed)).code, 1006);
  assert.deepEqual(third.received, []);
  await undisturbed(taken);
});

void test('limit-hang: the target sends nothing, not even a pong', async (t) => {
  const { target, taken, third } = await full(t, 'limit-hang');
  let pongs = 0;
  third.socket.on('pong', () => {
    pongs += 1;
  });
  third.socket.ping();
  third.send('hook_status');
  await delay(watchMs);
  assert.deepEqual([third.received.length, pongs, third.socket.readyState], [0, 0, third.socket.OPEN]);
  assert.equal(target.stats().sessionsRefusedTotal, 1);
  await undisturbed(taken);
  await target.close();
  await within('close', third.closed);
});

void test('limit-close-only: close 1008 without the error', async (t) => {
  const { taken, third } = await full(t, 'limit-close-only');
  assert.equal((await within('close', third.closed)).code, 1008);
  assert.deepEqual(third.received, []);
  await undisturbed(taken);
});

void test('limit-wrong-code: close 1000 after the error', async (t) => {
  const { taken, third } = await full(t, 'limit-wrong-code');
  assert.equal((await within('close', third.closed)).code, 1000);
  assert.deepEqual(
    third.bodies.map(({ error }) => error?.message),
    ['Session limit exceeded'],
  );
  await undisturbed(taken);
});

void test('limit-disturbs: the oldest open session is closed too', async (t) => {
  const { taken, third } = await full(t, 'limit-disturbs');
  assert.equal((await within('close', third.closed)).code, 1008);
  const [oldest, second] = taken;
  assert.ok(oldest !== undefined && second !== undefined);
  assert.equal((await within('close', oldest.closed)).code, 1008);
  await undisturbed([second]);
});

void test('limit-kills: the processes of the open sessions end', async (t) => {
  const target = await targetFor(t, { maxSessions: 1, faults: ['limit-kills'] });
  const client = await connect(t, target);
  await client.start('sleep 30');
  await within('close', (await connect(t, target)).closed);
  const ended = await client.notification('process.completed');
  assert.equal(ended.params?.['exit_code'], -15);
});

void test('limit-off-by-one: one more than max_sessions is accepted, another is not', async (t) => {
  const { target, taken, third } = await full(t, 'limit-off-by-one');
  await undisturbed([...taken, third]);
  assert.equal(await activeIn(target), 3);
  const fourth = await connect(t, target);
  assert.equal((await within('close', fourth.closed)).code, 1008);
});

void test('health-miscounts: one active session too many, while the latest handshake is in the range', async (t) => {
  const target = await targetFor(t, { faults: ['health-miscounts@2-'] });
  assert.equal(await activeIn(target), 0);
  await (await connect(t, target)).notification('connected');
  assert.equal(await activeIn(target), 1);
  await (await connect(t, target)).notification('connected');
  assert.equal(await activeIn(target), 3);
  assert.equal(target.stats().activeSessions, 2);
  assert.equal(await activeIn(await targetFor(t, { faults: ['health-miscounts'] })), 1);
});

for (const [fault, leaking, sound] of [
  ['slot-leak-vanished', 'terminate', 'close'],
  ['slot-leak-closed', 'close', 'terminate'],
] as const) {
  void test(`${fault}: the slot of a session that ends by ${leaking} stays taken`, async (t) => {
    const target = await targetFor(t, { maxSessions: 2, faults: [fault] });
    const leave = async (how: 'terminate' | 'close'): Promise<void> => {
      const client = await connect(t, target);
      await client.notification('connected');
      client.socket[how]();
      await within('close', client.closed);
    };
    await leave(sound);
    await until('the slot to be free', async () => (await activeIn(target)) === 0);
    await leave(leaking);
    await delay(watchMs);
    assert.equal(await activeIn(target), 1);
    await leave(leaking);
    const refused = await connect(t, target);
    assert.equal((await within('close', refused.closed)).code, 1008);
    assert.equal(await activeIn(target), 2);
  });
}

void test('slot-leak-refused: a refused session takes a slot for ever', async (t) => {
  const { target, taken, third } = await full(t, 'slot-leak-refused');
  await within('close', third.closed);
  assert.equal(await activeIn(target), 3);
  for (const client of taken) client.socket.close();
  await until('what is left', async () => (await activeIn(target)) === 1);
});

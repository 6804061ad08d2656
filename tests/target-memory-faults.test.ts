import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { TargetOptions } from '../reference-target/options.ts';
import type { Target } from '../reference-target/server.ts';
import { connect, isAlive, targetFor, until, within } from './target-client.ts';

const mebibyte = 1_048_576;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * Frees the memory of earlier tests. The memory of buffers is freed in the background after a collection, so this collects
 * until three collections in a row have freed nothing.
 */
const collectGarbage = async (): Promise<void> => {
  let [held, unchanged] = [Infinity, 0];
  while (unchanged < 3) {
    collect();
    await delay(10);
    const { arrayBuffers } = process.memoryUsage();
    unchanged = arrayBuffers < held ? 0 : unchanged + 1;
    held = Math.min(held, arrayBuffers);
  }
};

/** The value of a metric in /metrics. */
const metric = async (target: Target, name: string): Promise<number> => {
  const text = await (await fetch(`${target.httpUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
};

/** Opens sessions one after the other; each waits for connected and closes. */
const visit = async (t: TestContext, target: Target, sessions: number): Promise<void> => {
  for (let count = 0; count < sessions; count += 1) {
    const client = await connect(t, target);
    await client.notification('connected');
    client.socket.close();
    await within('close', client.closed);
  }
};

/** The growth in MiB of the target's buffers and of its resident memory during some sessions. */
const growth = async (
  t: TestContext,
  target: Target,
  sessions: number,
): Promise<{ held: number; resident: number }> => {
  const measure = async (): Promise<[number, number]> => {
    await collectGarbage();
    const resident = await metric(target, 'process_resident_memory_bytes');
    return [process.memoryUsage().arrayBuffers / mebibyte, resident / mebibyte];
  };
  const [heldBefore, residentBefore] = await measure();
  await visit(t, target, sessions);
  const [held, resident] = await measure();
  return { held: held - heldBefore, resident: resident - residentBefore };
};

const leakyTarget = (t: TestContext, fault: string, options: Partial<TargetOptions> = {}): Promise<Target> =>
  targetFor(t, { ...options, faults: [fault] });

void test('leak:BYTES: BYTES more resident memory with each session of the range', async (t) => {
  const target = await leakyTarget(t, `leak:${4 * mebibyte}@3-`);
  assert.ok((await growth(t, target, 2)).held < 4);
  const { held, resident } = await growth(t, target, 20);
  assert.ok(held > 76 && held < 90, `${held} MiB`);
  // The client is in the same process and its garbage adds noise.
  assert.ok(resident > 60, `${resident} MiB`);
  assert.equal(await metric(target, 'target_active_sessions'), 0);
});

void test('warm-up:BYTES: BYTES more with each of the first 200 sessions, then no more', async (t) => {
  const target = await leakyTarget(t, `warm-up:${mebibyte / 2}`);
  const warming = await growth(t, target, 200);
  assert.ok(warming.held > 95 && warming.resident > 75, `${warming.held} MiB, ${warming.resident} MiB resident`);
  const warm = await growth(t, target, 100);
  assert.ok(warm.held < 10, `${warm.held} MiB`);
});

void test('leak-children: each session that executes leaves one, until the target closes', async (t) => {
  const target = await leakyTarget(t, 'leak-children', { shutdownMs: 2_000 });
  await visit(t, target, 1);
  const [idle, busy] = [await connect(t, target), await connect(t, target)];
  await idle.run('echo done');
  const pid = await busy.start('while :; do echo x; sleep 0.01; done');
  for (const { socket, closed } of [idle, busy]) {
    socket.close();
    await within('close', closed);
  }
  await until('no session', () => target.stats().activeSessions === 0);
  await until('two children', () => target.stats().children === 2);
  await delay(200);
  assert.equal(await metric(target, 'target_children'), 2);
  assert.equal(await isAlive(pid), true);
  await target.close();
  assert.equal(target.stats().children, 0);
  assert.equal(await isAlive(pid), false);
});

/** Prints 32 MiB. */
const flood = `awk 'BEGIN { for (i = 0; i < 262144; i++) print "Line " i ": ${'x'.repeat(100)}" }' | head -c ${32 * mebibyte}`;

void test('unbounded-buffer: the target buffers what a slow client does not read, and loses nothing', async (t) => {
  const target = await leakyTarget(t, 'unbounded-buffer@2');
  const [sound, slow] = [await connect(t, target), await connect(t, target)];
  for (const client of [sound, slow]) {
    await client.start(flood);
    client.socket.pause();
  }
  await until('24 MiB to wait', async () => (await metric(target, 'target_buffered_bytes')) > 24 * mebibyte);
  await until('the end of one process', () => target.stats().children === 1);
  slow.socket.resume();
  await slow.notification('process.completed');
  assert.ok(target.stats().bufferedBytes < mebibyte, 'what the other waits for');
  const lines = slow.output();
  assert.ok(lines.slice(0, -1).every((line, index) => line.startsWith(`Line ${index}: x`)));
  assert.ok(lines.length > 250_000);
});

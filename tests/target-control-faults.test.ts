import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from '../reference-target/server.ts';
import { connect, isAlive, targetFor, until, within, type Client } from './target-client.ts';

/** How long a test watches that something does not happen, in milliseconds. */
const watchMs = 250;
const countForever = 'i=0; while :; do i=$((i+1)); echo "Count $i"; sleep 0.02; done';

interface Counting {
  target: Target;
  client: Client;
  pid: number;
  /** Sends a control; returns the status in its answer. */
  control: (type: string) => Promise<unknown>;
  /** Waits for another line of output. */
  more: () => Promise<void>;
}

/** A session with a fault, in which a process is counting. */
const counting = async (t: TestContext, fault: string, dialect: 'deployed' | 'documented'): Promise<Counting> => {
  const target = await targetFor(t, { dialect, faults: [fault] });
  const client = await connect(t, target);
  const pid = await client.start(countForever);
  const more = (): Promise<void> => {
    const { length } = client.output();
    return until('more output', () => client.output().length > length + 2);
  };
  await more();
  const control = async (type: string): Promise<unknown> => (await client.ask('control', { type })).result?.['status'];
  return { target, client, pid, control, more };
};

const numbersOf = (client: Client): number[] => client.output().map((line) => Number(/[0-9]+/.exec(line)?.[0]));
const alreadyRunning = { code: -32_602, message: 'A process is already running', data: null };

for (const dialect of ['deployed', 'documented'] as const) {
  const cancelled = dialect === 'deployed' ? 'canceled' : 'cancelled';

  void test(`${dialect}: without a fault, the numbers continue after a resume where they stopped`, async (t) => {
    const { client, control, more } = await counting(t, 'heartbeat:50', dialect);
    await control('PAUSE');
    await control('RESUME');
    await more();
    assert.deepEqual(
      numbersOf(client),
      numbersOf(client).map((_, index) => index + 1),
    );
  });

  void test(`ignore-resume: confirmed, but the process stays stopped (${dialect})`, async (t) => {
    const { client, control, pid } = await counting(t, 'ignore-resume', dialect);
    assert.equal(await control('PAUSE'), 'paused');
    assert.equal(await control('RESUME'), 'resumed');
    await client.notification('process.resumed');
    const { length } = client.output();
    await delay(watchMs);
    assert.equal(client.output().length, length);
    assert.equal(await control('CANCEL'), cancelled);
    await until('its end', async () => !(await isAlive(pid)));
  });

  void test(`late-resume: confirmed at once, but the process continues later (${dialect})`, async (t) => {
    const { client, control, more } = await counting(t, 'late-resume:700', dialect);
    await control('PAUSE');
    assert.equal(await control('RESUME'), 'resumed');
    const { length } = client.output();
    await delay(watchMs);
    assert.equal(client.output().length, length);
    await more();
  });

  void test(`double-line-on-resume: the last line is repeated (${dialect})`, async (t) => {
    const { client, control, more } = await counting(t, 'double-line-on-resume', dialect);
    await control('PAUSE');
    const last = numbersOf(client).length;
    await control('RESUME');
    await more();
    assert.deepEqual(numbersOf(client).slice(last - 1, last + 2), [last, last, last + 1]);
  });

  void test(`lost-line-on-resume: one line is missing after each resume (${dialect})`, async (t) => {
    const { client, control, more } = await counting(t, 'lost-line-on-resume', dialect);
    for (const lost of [1, 2]) {
      await control('PAUSE');
      const last = numbersOf(client).length;
      await control('RESUME');
      await more();
      assert.deepEqual(numbersOf(client).slice(last - 1, last + 2), [
        last + lost - 1,
        last + lost + 1,
        last + lost + 2,
      ]);
    }
  });

  void test(`output-after-cancel: the process ends, more lines follow, then its end is reported (${dialect})`, async (t) => {
    const { client, control, more, pid } = await counting(t, 'output-after-cancel', dialect);
    assert.equal(await control('CANCEL'), cancelled);
    await until('its end', async () => !(await isAlive(pid)));
    await more();
    if (dialect === 'documented') {
      assert.equal((await client.notification('process.completed')).params?.['exit_code'], -15);
      assert.equal(client.bodies.at(-1)?.method, 'process.completed');
    }
    assert.deepEqual(
      numbersOf(client),
      numbersOf(client).map((_, index) => index + 1),
    );
  });

  void test(`cancel-leaves-running: silence, but another process cannot start (${dialect})`, async (t) => {
    const { client, control, pid } = await counting(t, 'cancel-leaves-running', dialect);
    assert.equal(await control('CANCEL'), cancelled);
    const { length } = client.output();
    await delay(watchMs);
    assert.equal(client.output().length, length);
    assert.equal(await isAlive(pid), true);
    assert.deepEqual((await client.ask('execute', { command: 'true' })).error, alreadyRunning);
    client.socket.close();
    await until('its end', async () => !(await isAlive(pid)));
  });

  void test(`stuck-cancel: a paused process stays stopped until its session ends (${dialect})`, async (t) => {
    const { target, client, control, pid } = await counting(t, 'stuck-cancel', dialect);
    await control('PAUSE');
    assert.equal(await control('CANCEL'), cancelled);
    await client.notification(`process.${cancelled}`);
    await delay(watchMs);
    assert.equal(await isAlive(pid), true);
    assert.deepEqual((await client.ask('execute', { command: 'true' })).error, alreadyRunning);
    client.socket.close();
    await until('its end', async () => !(await isAlive(pid)));

    const resumed = await connect(t, target);
    const resumedPid = await resumed.start(countForever);
    for (const type of ['PAUSE', 'CANCEL', 'RESUME']) await resumed.ask('control', { type });
    await until('the end of one that is resumed', async () => !(await isAlive(resumedPid)));

    const running = await connect(t, target);
    const other = await running.start(countForever);
    await running.ask('control', { type: 'CANCEL' });
    await until('the end of one that runs', async () => !(await isAlive(other)));
  });

  void test(`slow-control:MS: control is answered late, everything else at once (${dialect})`, async (t) => {
    const { client, more } = await counting(t, 'slow-control:300', dialect);
    const asked = performance.now();
    const answer = client.ask('control', { type: 'PAUSE' });
    await client.ask('hook_status');
    await more();
    assert.equal((await answer).result?.['status'], 'paused');
    assert.ok(performance.now() - asked > 250);
    const { length } = client.output();
    await delay(watchMs);
    assert.equal(client.output().length, length);
  });

  void test(`second-execute-kills: it is refused, but the first process ends (${dialect})`, async (t) => {
    const { client, pid, control } = await counting(t, 'second-execute-kills', dialect);
    await control('PAUSE');
    assert.deepEqual((await client.ask('execute', { command: 'true' })).error, alreadyRunning);
    const { params } = await client.notification('process.completed');
    assert.deepEqual([params?.['pid'], params?.['exit_code']], [pid, -9]);
  });

  void test(`second-execute-runs: both run, and end with the session (${dialect})`, async (t) => {
    const { target, client, pid, more } = await counting(t, 'second-execute-runs', dialect);
    const { result } = await client.ask('execute', { command: 'echo beside' });
    const second = result?.['pid'];
    assert.equal((await client.notification('process.completed')).params?.['pid'], second);
    assert.ok(client.output().includes('beside\n'));
    await more();
    await client.ask('execute', { command: 'sleep 300' });
    assert.equal(target.stats().children, 2);
    client.socket.close();
    await until('their end', async () => target.stats().children === 0 && !(await isAlive(pid)));
  });

  void test(`control-without-process-succeeds: a result without a process (${dialect})`, async (t) => {
    const faults = ['control-without-process-succeeds'];
    const client = await connect(t, await targetFor(t, { dialect, faults }));
    for (const [type, status] of [
      ['PAUSE', 'paused'],
      ['RESUME', 'resumed'],
      ['CANCEL', cancelled],
    ] as const) {
      assert.deepEqual((await client.ask('control', { type })).result, { status });
    }
  });
}

const allow = ['echo'];

void test('first-word-only: what follows an allowed word runs', async (t) => {
  const target = await targetFor(t, { allow, faults: ['first-word-only'] });
  const client = await connect(t, target);
  assert.equal((await client.ask('execute', { command: 'expr 6 \\* 7' })).error?.code, -32_001);
  await client.run('echo a; expr 6 \\* 7');
  assert.deepEqual(client.output(), ['a\n', '42\n']);
});

void test('allow-list-ignored: every command runs', async (t) => {
  const client = await connect(t, await targetFor(t, { allow, faults: ['allow-list-ignored'] }));
  await client.run('expr 6 \\* 7');
  assert.deepEqual(client.output(), ['42\n']);
});

for (const command of ['', ' \n']) {
  void test(`no-empty-check: ${JSON.stringify(command)} runs`, async (t) => {
    const client = await connect(t, await targetFor(t, { allow, faults: ['no-empty-check'] }));
    assert.equal((await client.run(command))['exit_code'], 0);
  });
}

for (const command of ['expr 6', '']) {
  void test(`rejection-closes: after the error for ${JSON.stringify(command)}`, async (t) => {
    const target = await targetFor(t, { allow, faults: ['rejection-closes@2'] });
    const sound = await connect(t, target);
    assert.equal((await sound.ask('execute', { command })).error?.code, -32_001);
    await sound.run('echo on');
    const client = await connect(t, target);
    assert.equal((await client.ask('execute', { command })).error?.code, -32_001);
    assert.deepEqual(await within('close', client.closed), { code: 1008, reason: 'Command not allowed' });
  });
}

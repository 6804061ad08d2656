import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, isAlive, targetFor, until, within } from './target-client.ts';

/** Prints `Count i` every 20 ms for ever. */
const countForever = 'i=0; while :; do i=$((i+1)); echo "Count $i"; sleep 0.02; done';
/** Prints numbered lines as fast as possible for ever. */
const flood = `awk 'BEGIN { for (i = 0; ; i++) print "Line " i ": " "${'x'.repeat(100)}" }'`;
/** How long a test watches that something does not happen, in milliseconds. */
const watchMs = 250;

void test('all output of both streams precedes the end, each in order', async (t) => {
  const client = await connect(t, await targetFor(t));
  const script = 'i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo "out $i"; echo "err $i" >&2; done; printf last';
  assert.equal((await client.run(script))['exit_code'], 0);
  const numbers = Array.from({ length: 500 }, (_, index) => index + 1);
  assert.deepEqual(client.output('stdout'), [...numbers.map((number) => `out ${number}\n`), 'last']);
  assert.deepEqual(
    client.output('stderr'),
    numbers.map((number) => `err ${number}\n`),
  );
  assert.equal(client.bodies.at(-1)?.method, 'process.completed');
});

void test('sessions run commands one after the other', async (t) => {
  const target = await targetFor(t);
  const client = await connect(t, target);
  for (let round = 1; round <= 3; round += 1) {
    const { result } = await client.ask('execute', { command: `echo ${round}` });
    await client.first(
      'its end',
      ({ params, method }) => method === 'process.completed' && params?.['pid'] === result?.['pid'],
    );
  }
  assert.deepEqual(client.output(), ['1\n', '2\n', '3\n']);
  await until('no process left', () => target.stats().children === 0);
});

void test('bytes that are not text arrive as text, and line ends are unchanged', async (t) => {
  const client = await connect(t, await targetFor(t));
  await client.run(`printf '\\377x\\r\\n\\n\\000"\\\\\\n\\303\\251'`);
  assert.deepEqual(client.output(), ['\ufffdx\r\n', '\n', '\0"\\\n', 'é']);
});

void test('a command can open its output by name', async (t) => {
  const client = await connect(t, await targetFor(t));
  assert.equal(
    (await client.run('echo a | tee /dev/stderr; echo b > /dev/stdout; echo c > /dev/stderr'))['exit_code'],
    0,
  );
  assert.deepEqual(
    [client.output().sort(), client.output('stderr')],
    [
      ['a\n', 'b\n'],
      ['a\n', 'c\n'],
    ],
  );
});

void test('commands start after a cleaner of temporary files has run', async (t) => {
  const { TMPDIR } = process.env;
  const folder = mkdtempSync(join(tmpdir(), 'cleaned-'));
  process.env['TMPDIR'] = folder;
  t.after(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
    rmSync(folder, { recursive: true });
  });
  const target = await targetFor(t);
  await (await connect(t, target)).run('true');
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  const client = await connect(t, target);
  await client.run('echo on');
  assert.deepEqual(client.output(), ['on\n']);
  await target.close();
  assert.deepEqual(readdirSync(folder), []);
});

void test('commands leave no descriptor open', { skip: process.platform !== 'linux' && 'needs /proc' }, async (t) => {
  const target = await targetFor(t);
  const client = await connect(t, target);
  const descriptors = async (): Promise<number> => {
    const { result } = await client.ask('execute', { command: 'true' });
    const pid = result?.['pid'];
    await client.first('its end', ({ method, params }) => method === 'process.completed' && params?.['pid'] === pid);
    return readdirSync('/proc/self/fd').length;
  };
  const before = await descriptors();
  for (let count = 0; count < 50; count += 1) await descriptors();
  await until('no more than before', async () => (await descriptors()) <= before);
});

void test('more commands can run at once than one batch has pipes', async (t) => {
  const target = await targetFor(t);
  const clients = await Promise.all(Array.from({ length: 80 }, () => connect(t, target)));
  await Promise.all(clients.map((client, index) => client.run(`echo ${index}`)));
  for (const [index, client] of clients.entries()) assert.deepEqual(client.output(), [`${index}\n`]);
});

void test('a line of 1 MiB arrives in 17 chunks of at most 64 KiB, and the session continues', async (t) => {
  const client = await connect(t, await targetFor(t));
  await client.run(`head -c 1048576 /dev/zero | tr '\\0' x; echo; echo after`);
  assert.equal((await client.ask('execute', { command: 'true' })).result?.['status'], 'started');
  const chunks = client.bodies.flatMap(({ method, params }) => (method === 'process.output' ? [params] : []));
  assert.equal(client.output().join(''), `${'x'.repeat(1_048_576)}\nafter\n`);
  assert.deepEqual(
    chunks.map((params) => [params?.['chunk_index'], params?.['total_chunks'], params?.['truncated']]),
    [...Array.from({ length: 17 }, (_, index) => [index, 17, index < 16]), [null, null, false]],
  );
});

void test('if a client does not read, the process blocks, memory does not grow and nothing is lost', async (t) => {
  const target = await targetFor(t);
  const client = await connect(t, target);
  const pid = await client.start(flood);
  client.socket.pause();

  const sent = async (): Promise<number> => {
    const { outputLinesTotal } = target.stats();
    await delay(watchMs);
    return target.stats().outputLinesTotal - outputLinesTotal;
  };
  await until('the target to stop sending', async () => (await sent()) === 0);
  const { bufferedBytes } = target.stats();
  assert.ok(bufferedBytes > 0 && bufferedBytes < 1_048_576, `${bufferedBytes} bytes wait`);
  const residentBytes = process.memoryUsage.rss();
  if (process.platform === 'linux') {
    const cpuTime = (): string => readFileSync(`/proc/${pid}/stat`, 'latin1').split(' ').slice(13, 15).join(' ');
    const before = cpuTime();
    assert.equal(await sent(), 0);
    assert.equal(cpuTime(), before, 'a process that is blocked takes no processor time');
  }
  assert.ok(process.memoryUsage.rss() - residentBytes < 16 * 1_048_576, 'memory stays where it was');

  const count = client.output().length;
  client.socket.resume();
  await until('the flood to go on', () => client.received.length > count + 50_000);
  await client.ask('control', { type: 'CANCEL' });
  const lines = client.output();
  assert.deepEqual(
    lines.slice(0, 50_000).map((line) => line.slice(0, line.indexOf(':'))),
    Array.from({ length: 50_000 }, (_, index) => `Line ${index}`),
  );
});

void test('a process that its client blocks can be cancelled', async (t) => {
  const target = await targetFor(t);
  const client = await connect(t, target);
  const pid = await client.start(flood);
  client.socket.pause();
  await until('output to wait', () => target.stats().bufferedBytes > 0);
  client.send('control', { type: 'CANCEL' });
  await until('the end of the process', async () => !(await isAlive(pid)));
});

void test('the target stops reading a client that does not read its answers', async (t) => {
  const target = await targetFor(t, { highWaterBytes: 65_536 });
  const client = await connect(t, target);
  await client.notification('connected');
  client.socket.pause();
  const text = JSON.stringify({ jsonrpc: '2.0', method: 'hook_status', id: 'x'.repeat(10_000) });
  await until('the target to stop reading', () => {
    for (let count = 0; count < 100; count += 1) client.socket.send(text);
    return client.socket.bufferedAmount > 8 * 1_048_576;
  });
  assert.ok(target.stats().bufferedBytes < 1_048_576, `${target.stats().bufferedBytes} bytes wait`);
  client.socket.resume();
  await until('all to be read', () => client.socket.bufferedAmount === 0);
});

for (const dialect of ['deployed', 'documented'] as const) {
  const cancelled = dialect === 'deployed' ? 'canceled' : 'cancelled';

  void test(`${dialect}: PAUSE silences, RESUME loses nothing, CANCEL ends the whole group`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect }));
    const pid = await client.start(`sleep 300 & echo $!; ${countForever}`);
    await until('some output', () => client.output().length > 3);

    assert.deepEqual((await client.ask('control', { type: 'PAUSE' })).result, { status: 'paused' });
    const { length } = client.output();
    await client.notification('process.paused');
    await delay(watchMs);
    assert.equal(client.output().length, length, 'nothing comes after the answer to PAUSE');

    assert.deepEqual((await client.ask('control', { type: 'RESUME' })).result, { status: 'resumed' });
    await until('more output', () => client.output().length > length + 3);

    assert.deepEqual((await client.ask('control', { type: 'CANCEL' })).result, { status: cancelled });
    const { params } = await client.notification(`process.${cancelled}`);
    assert.deepEqual(params, { status: cancelled, pid, pgid: pid, exit_code: null, error: null });
    const [grandchild, ...counts] = client.output();
    await until('the end of the group', async () => !(await isAlive(pid)) && !(await isAlive(Number(grandchild))));
    assert.deepEqual(
      counts,
      counts.map((_, index) => `Count ${index + 1}\n`),
    );
  });

  void test(`${dialect}: CANCEL ends a paused process`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect }));
    const pid = await client.start(countForever);
    await client.ask('control', { type: 'PAUSE' });
    await client.ask('control', { type: 'CANCEL' });
    await until('the end of the process', async () => !(await isAlive(pid)));
    if (dialect === 'documented') {
      const { params } = await client.notification('process.completed');
      assert.deepEqual([params?.['pid'], params?.['exit_code']], [pid, -15]);
    }
    await until(
      'room for another',
      async () => (await client.ask('execute', { command: 'echo next' })).error === undefined,
    );
    await client.first('its output', ({ params }) => params?.['data'] === 'next\n');
  });
}

void test('deployed: nothing more is reported about a cancelled process', async (t) => {
  const client = await connect(t, await targetFor(t));
  const pid = await client.start('sleep 300');
  await client.ask('control', { type: 'CANCEL' });
  await until('room for another', async () => (await client.ask('execute', { command: 'true' })).error === undefined);
  const { params } = await client.notification('process.completed');
  assert.notEqual(params?.['pid'], pid);
});

void test('documented: a cancelled process completes with exit code -15', async (t) => {
  const client = await connect(t, await targetFor(t, { dialect: 'documented' }));
  const pid = await client.start('sleep 300');
  await client.ask('control', { type: 'CANCEL' });
  const { params } = await client.notification('process.completed');
  assert.deepEqual([params?.['pid'], params?.['exit_code'], params?.['status']], [pid, -15, 'failed']);
});

void test('a group that ignores SIGTERM is killed after the grace period, however often CANCEL is sent', async (t) => {
  const client = await connect(t, await targetFor(t, { dialect: 'documented', killGraceMs: 300 }));
  await client.start(`trap '' TERM; sh -c "trap '' TERM; echo ready; while :; do sleep 1; done"`);
  await until('the trap', () => client.output().length === 1);
  const asked = performance.now();
  await until('the end', async () => {
    await client.ask('control', { type: 'CANCEL' });
    return client.methods().includes('process.completed');
  });
  assert.ok(performance.now() - asked >= 250);
  assert.equal((await client.notification('process.completed')).params?.['exit_code'], -9);
});

void test('a process that is being cancelled cannot be paused, so it ends', async (t) => {
  const client = await connect(t, await targetFor(t, { dialect: 'documented', killGraceMs: 300 }));
  await client.start(`trap '' TERM; echo ready; while :; do sleep 0.01; done`);
  await until('the trap', () => client.output().length === 1);
  await client.ask('control', { type: 'CANCEL' });
  assert.equal((await client.ask('control', { type: 'PAUSE' })).error?.code, -32_003);
  assert.deepEqual((await client.ask('control', { type: 'RESUME' })).result, { status: 'resumed' });
  assert.equal((await client.notification('process.completed')).params?.['exit_code'], -9);
});

void test('a process has the grace period to end by itself', async (t) => {
  const client = await connect(t, await targetFor(t, { dialect: 'documented' }));
  await client.start(`trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done`);
  await until('the trap', () => client.output().length === 1);
  await client.ask('control', { type: 'CANCEL' });
  assert.equal((await client.notification('process.completed')).params?.['exit_code'], 7);
  assert.deepEqual(client.output(), ['ready\n', 'bye\n']);
});

void test('a command that times out is ended, and process.completed reports the timeout', async (t) => {
  const client = await connect(t, await targetFor(t));
  await client.notification('connected');
  await client.ask('execute', { command: 'echo a; sleep 300', timeout: 1 });
  const { params } = await client.notification('process.completed');
  assert.deepEqual([params?.['exit_code'], params?.['error']], [-15, 'Timed out after 1 s']);
  assert.deepEqual(client.output(), ['a\n']);
});

void test('background processes of a command end with it', async (t) => {
  const target = await targetFor(t);
  const client = await connect(t, target);
  await client.run('sleep 300 >/dev/null 2>&1 & echo $!');
  await until('its end', async () => !(await isAlive(Number(client.output()[0]))));
  await until('no process left', () => target.stats().children === 0);
});

void test('the target does not wait for a process that left the group after SIGKILL', async (t) => {
  const target = await targetFor(t, { dialect: 'documented', killGraceMs: 100 });
  const client = await connect(t, target);
  await client.start('setsid sleep 5 & sleep 300');
  await client.ask('control', { type: 'CANCEL' });
  await client.notification('process.completed');
  await until('no process left', () => target.stats().children === 0);
});

for (const [how, command] of [
  ['running', 'sleep 300'],
  ['with a child of its own', 'sleep 300 & wait'],
  ['deaf to SIGTERM', `trap '' TERM; while :; do sleep 1; done`],
] as const) {
  for (const ending of ['close', 'terminate'] as const) {
    void test(`a process (${how}) ends with its session's ${ending}`, async (t) => {
      const target = await targetFor(t, { killGraceMs: 100 });
      const client = await connect(t, target);
      const pid = await client.start(command);
      client.socket[ending]();
      await until('its end', async () => !(await isAlive(pid)));
      await until('nothing left', () => target.stats().children + target.stats().activeSessions === 0);
    });
  }
}

void test('a paused process ends with its session', async (t) => {
  const client = await connect(t, await targetFor(t));
  const pid = await client.start('sleep 300');
  await client.ask('control', { type: 'PAUSE' });
  client.socket.terminate();
  await until('its end', async () => !(await isAlive(pid)));
});

void test('a target that shuts down closes its sessions and ends their processes', async (t) => {
  const target = await targetFor(t);
  const clients = [await connect(t, target), await connect(t, target)];
  const pids = await Promise.all(clients.map((client) => client.start(flood)));
  clients[0]?.socket.pause();
  const before = performance.now();
  await Promise.all([target.close(), target.close()]);
  assert.ok(performance.now() - before < 2_500, 'within the shutdown time');
  assert.deepEqual(await clients[1]?.closed, { code: 1001, reason: 'The target is shutting down' });
  for (const pid of pids) assert.equal(await isAlive(pid), false);
  await assert.rejects(connect(t, target));
});

void test('sessions over the limit are refused, and a session that ends frees its slot', async (t) => {
  const target = await targetFor(t, { maxSessions: 2 });
  const [first, second] = [await connect(t, target), await connect(t, target)];
  await second.notification('connected');
  const third = await connect(t, target);
  assert.deepEqual(await within('close', third.closed), { code: 1008, reason: 'Session limit exceeded' });
  assert.equal(third.methods().length, 0);
  assert.deepEqual([target.stats().activeSessions, target.stats().sessionsRefusedTotal], [2, 1]);
  first.socket.close();
  await until('room', () => target.stats().activeSessions === 1);
  await (await connect(t, target)).run('true');
});

void test('processes over the limit are refused', async (t) => {
  const target = await targetFor(t, { maxChildren: 1 });
  const [first, second] = [await connect(t, target), await connect(t, target)];
  await first.start('sleep 300');
  const { error } = await second.ask('execute', { command: 'true' });
  assert.equal(error?.code, -32_000);
  first.socket.close();
  await until('room', async () => (await second.ask('execute', { command: 'true' })).error === undefined);
});

void test('a command that is too long is refused', async (t) => {
  const client = await connect(t, await targetFor(t, { maxCommandBytes: 10 }));
  assert.match((await client.ask('execute', { command: 'echo 678901' })).error?.message ?? '', /at most 10 bytes/);
  assert.equal((await client.run('echo 67890'))['exit_code'], 0);
});

for (const [how, sizes] of [
  ['in one frame', [1_048_577]],
  ['far over it', [33_554_432]],
  ['in fragments', [600_000, 600_000]],
] as const) {
  void test(`a message that is too long closes the session with 1009 (RFC 6455 §7.4.1): ${how}`, async (t) => {
    const target = await targetFor(t);
    const [client, other] = [await connect(t, target), await connect(t, target)];
    const pid = await client.start('sleep 300');
    for (const [index, size] of sizes.entries()) {
      client.socket.send('x'.repeat(size), { fin: index === sizes.length - 1 });
    }
    // Without a close frame from the target the code would be 1006.
    assert.equal((await within('close', client.closed)).code, 1009);
    await until('the end of its process', async () => !(await isAlive(pid)));
    await other.run('true');
  });
}

void test('a message of the longest permitted length is answered', async (t) => {
  const client = await connect(t, await targetFor(t));
  await client.notification('connected');
  const [head, tail] = ['{"jsonrpc":"2.0","method":"hook_status","id":1,"params":{"x":"', '"}}'];
  client.socket.send(`${head}${'x'.repeat(1_048_576 - head.length - tail.length)}${tail}`);
  assert.ok((await client.answer(1)).result !== undefined);
});

void test('text that is not UTF-8 closes the session with 1007 (RFC 6455 §8.1)', async (t) => {
  const client = await connect(t, await targetFor(t));
  client.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
  assert.equal((await within('close', client.closed)).code, 1007);
});

void test('the heartbeat continues with pongs and closes the session without them', async (t) => {
  const target = await targetFor(t, { heartbeatMs: 20, pongTimeoutMs: 800 });
  const [lively, dead] = [await connect(t, target), await connect(t, target)];
  const answering = setInterval(() => lively.send('pong', {}, null), 20);
  t.after(() => clearInterval(answering));
  assert.deepEqual(await within('close', dead.closed), { code: 1008, reason: 'No pong' });
  const pings = (): number => lively.methods().filter((method) => method === 'ping').length;
  const before = pings();
  await until('more pings', () => pings() > before + 2);
});

void test('a session that times out is closed', async (t) => {
  const client = await connect(t, await targetFor(t, { sessionTimeoutMs: 50 }));
  assert.deepEqual(await within('close', client.closed), { code: 1008, reason: 'Session timeout' });
});

void test('commands do not see the token', async (t) => {
  process.env['WS_STRESS_TARGET_TOKEN'] = 'open-sesame';
  t.after(() => delete process.env['WS_STRESS_TARGET_TOKEN']);
  const client = await connect(t, await targetFor(t));
  await client.run('env');
  assert.ok(client.output().some((line) => line.startsWith('PATH=')));
  assert.ok(!client.output().some((line) => line.includes('sesame')));
});

void test('one session carries 100,000 lines, each intact', async (t) => {
  const client = await connect(t, await targetFor(t));
  const script = `awk 'BEGIN { for (i = 0; i < 100000; i++) print "Line " i ": ${'x'.repeat(100)}" }'`;
  await client.run(script);
  const lines = client.output();
  assert.equal(lines.length, 100_000);
  assert.ok(lines.every((line, index) => line === `Line ${index}: ${'x'.repeat(100)}\n`));
});

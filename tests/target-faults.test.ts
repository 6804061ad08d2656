import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { faultDescriptions, faultProblems } from '../reference-target/faults.ts';
import { TargetOptionsError } from '../reference-target/options.ts';
import { startTarget } from '../reference-target/server.ts';
import { Client, connect, isAlive, targetFor, until, within } from './target-client.ts';

/** How long a test watches that something does not happen, in milliseconds. */
const watchMs = 150;
const twoLines = 'echo one; echo two';

/** The effect of a fault on a session: each test runs the command and waits for the last event. */
interface FaultRow {
  fault: string;
  command?: string;
  /** Waits for the last event. */
  settled: (client: Client) => Promise<unknown>;
  check: (client: Client, id: unknown) => void | Promise<void>;
}

const completed = (client: Client): Promise<unknown> => client.notification('process.completed');
const answersTo = (client: Client, id: unknown): number =>
  client.bodies.filter((body) => body.id === id && body.method === undefined).length;
/** Waits for the answer to a request that was sent after everything else. */
const afterwards = async (client: Client): Promise<void> => {
  await completed(client);
  await client.ask('hook_status');
};

const rows: readonly FaultRow[] = [
  {
    fault: 'exit-3',
    settled: completed,
    check: async (client) => {
      const { params } = await client.notification('process.completed');
      assert.deepEqual([params?.['exit_code'], params?.['status']], [3, 'failed']);
    },
  },
  {
    fault: 'process-error',
    settled: (client) => client.notification('process.error'),
    check: (client) => {
      assert.deepEqual(client.methods(), ['connected', 'process.started', 'process.error']);
    },
  },
  {
    fault: 'lost-line',
    settled: completed,
    check: (client) => assert.deepEqual(client.output(), ['one\n', 'three\n']),
    command: 'echo one; echo two; echo three',
  },
  {
    fault: 'lost-line',
    settled: completed,
    check: (client) => assert.deepEqual(client.output(), []),
    command: 'echo one',
  },
  {
    fault: 'repeated-line',
    settled: completed,
    check: (client) => assert.deepEqual(client.output(), ['one\n', 'two\n', 'two\n']),
  },
  {
    fault: 'repeated-line',
    command: 'echo one',
    settled: completed,
    check: (client) => assert.deepEqual(client.output(), ['one\n', 'one\n']),
  },
  {
    fault: 'swapped-lines',
    command: 'echo one; echo two; echo three',
    settled: completed,
    check: (client) => assert.deepEqual(client.output(), ['two\n', 'one\n', 'three\n']),
  },
  {
    fault: 'swapped-lines',
    command: 'echo one',
    settled: completed,
    check: (client) => assert.deepEqual(client.output(), ['one\n']),
  },
  {
    fault: 'altered-line',
    settled: completed,
    check: (client) => assert.deepEqual(client.output(), ['one\n', 'txo\n']),
  },
  {
    fault: 'altered-line',
    command: "printf '\\360\\237\\230\\200'",
    settled: completed,
    check: (client) => assert.deepEqual(client.output(), ['x']),
  },
  {
    fault: 'output-after-completed',
    settled: (client) => client.first('late output', ({ params }) => params?.['data'] === 'late\n'),
    check: (client) => {
      assert.equal(client.bodies.at(-2)?.method, 'process.completed');
    },
  },
  {
    fault: 'duplicate-completed',
    settled: afterwards,
    check: (client) => {
      assert.deepEqual(client.methods(), ['connected', 'process.started', 'process.completed', 'process.completed']);
    },
  },
  {
    fault: 'no-ack',
    settled: completed,
    check: (client, id) => {
      assert.equal(answersTo(client, id), 0);
      assert.deepEqual(client.output(), ['one\n', 'two\n']);
    },
  },
  {
    fault: 'wrong-id',
    settled: completed,
    check: (client, id) => assert.deepEqual([answersTo(client, id), answersTo(client, Number(id) + 1000)], [0, 1]),
  },
  {
    fault: 'string-id',
    settled: completed,
    check: (client, id) => assert.deepEqual([answersTo(client, id), answersTo(client, String(id))], [0, 1]),
  },
  {
    fault: 'duplicate-response',
    settled: completed,
    check: (client, id) => assert.equal(answersTo(client, id), 2),
  },
  {
    fault: 'late-response',
    settled: afterwards,
    check: (client, id) => {
      const bodies = client.bodies;
      const end = bodies.findIndex(({ method }) => method === 'process.completed');
      assert.equal(answersTo(client, id), 2);
      assert.equal(bodies[end + 1]?.id, id);
    },
  },
  {
    fault: 'malformed-json',
    settled: completed,
    check: (client) => assert.throws(() => JSON.parse(client.received[2]?.text ?? '{}'), SyntaxError),
  },
  {
    fault: 'not-an-object',
    settled: completed,
    check: (client) => assert.equal(client.received[2]?.text, '[1,2]'),
  },
  {
    fault: 'binary-message',
    settled: completed,
    check: (client) => {
      assert.deepEqual(
        client.received.map(({ isBinary }) => isBinary),
        client.received.map((_, index) => index === 2),
      );
    },
  },
  {
    fault: 'close-mid-output',
    settled: (client) => within('close', client.closed),
    check: async (client) => {
      assert.equal((await client.closed).code, 1011);
      assert.deepEqual(client.output(), ['one\n']);
      assert.ok(!client.methods().includes('process.completed'));
    },
  },
  {
    fault: 'close-mid-output',
    command: 'true',
    settled: (client) => within('close', client.closed),
    check: async (client) => {
      assert.equal((await client.closed).code, 1011);
      assert.ok(!client.methods().includes('process.completed'));
    },
  },
  ...['drop-mid-output', 'reset-mid-output'].map((fault): FaultRow => ({
    fault,
    settled: (client) => within('close', client.closed),
    check: async (client) => {
      assert.equal((await client.closed).code, 1006);
      assert.ok(!client.methods().includes('process.completed'));
      assert.ok(client.output().length <= 1);
    },
  })),
  {
    fault: 'notifications',
    settled: completed,
    check: (client, id) => {
      assert.deepEqual(client.output(), ['one\n', 'two\n']);
      assert.equal(answersTo(client, id), 1);
      for (const method of [
        'ping',
        'hook.warning',
        'command.validation_warning',
        'task.early_completion',
        'error.token_limit_exceeded',
        'error.rate_limit_exceeded',
        'x-unknown.notification',
        'no.params',
      ]) {
        assert.ok(client.methods().includes(method), method);
      }
    },
  },
  {
    fault: 'bare-notifications',
    settled: completed,
    check: (client) => {
      for (const body of client.bodies) assert.equal(body.jsonrpc, body.method === undefined ? '2.0' : undefined);
    },
  },
  {
    fault: 'spaced-json',
    settled: completed,
    check: (client, id) => {
      assert.deepEqual(client.output(), ['one\n', 'two\n']);
      assert.equal(answersTo(client, id), 1);
      for (const { text } of client.received) assert.match(text, /^\{ .*"jsonrpc": "2\.0" \}$/);
    },
  },
];

for (const { fault, command = twoLines, settled, check } of rows) {
  void test(`${fault}: seen with ${command}`, async (t) => {
    const client = await connect(t, await targetFor(t, { faults: [fault] }));
    await client.notification('connected');
    const id = client.send('execute', { command });
    await settled(client);
    await check(client, id);
  });
}

void test('never-completes: the target sends everything but process.completed', async (t) => {
  const target = await targetFor(t, { faults: ['never-completes'] });
  const client = await connect(t, target);
  await client.start(twoLines);
  await until('the end of the process', () => target.stats().children === 0 && client.output().length === 2);
  await client.ask('hook_status');
  assert.deepEqual(client.methods(), ['connected', 'process.started']);
});

void test('slow:MS: output and end are late, the answer is not', async (t) => {
  const client = await connect(t, await targetFor(t, { faults: ['slow:200'] }));
  await client.start(twoLines);
  const started = performance.now();
  await client.first('output', ({ method }) => method === 'process.output');
  assert.ok(performance.now() - started > 150);
  await completed(client);
  assert.deepEqual(client.output(), ['one\n', 'two\n']);
});

void test('tcp-silent: neither the handshake nor any request is answered', async (t) => {
  const target = await targetFor(t, { faults: ['tcp-silent'] });
  const client = new Client(target.url);
  t.after(() => client.socket.terminate());
  await until('the handshake', () => target.stats().handshakesTotal === 1);
  await delay(watchMs);
  assert.equal(client.socket.readyState, client.socket.CONNECTING);
  const tcp = connectTcp(target.port, '127.0.0.1');
  t.after(() => tcp.destroy());
  tcp.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await assert.rejects(once(tcp, 'data', { signal: AbortSignal.timeout(watchMs) }));
});

void test('tcp-silent with a range leaves other handshakes and requests alone', async (t) => {
  const target = await targetFor(t, { faults: ['tcp-silent@2'] });
  await (await connect(t, target)).notification('connected');
  const silent = new Client(target.url);
  t.after(() => silent.socket.terminate());
  await until('the handshake', () => target.stats().handshakesTotal === 2);
  await (await connect(t, target)).notification('connected');
  assert.equal((await fetch(`${target.httpUrl}/health`)).status, 200);
  assert.equal(silent.socket.readyState, silent.socket.CONNECTING);
});

void test('handshake-403: the handshake is refused', async (t) => {
  const target = await targetFor(t, { faults: ['handshake-403@1'] });
  await assert.rejects(
    new Promise((_, reject) => {
      new Client(target.url).socket.once('error', reject);
    }),
    /403/,
  );
  await (await connect(t, target)).run('true');
});

void test('no-connected: the target sends nothing', async (t) => {
  const client = await connect(t, await targetFor(t, { faults: ['no-connected'] }));
  client.send('hook_status');
  await delay(watchMs);
  assert.deepEqual(client.received, []);
});

void test('silent: the target sends only connected', async (t) => {
  const client = await connect(t, await targetFor(t, { faults: ['silent'] }));
  await client.notification('connected');
  client.send('execute', { command: twoLines });
  client.send('hook_status');
  await delay(watchMs);
  assert.equal(client.received.length, 1);
});

for (const [dialect, code] of [
  ['deployed', -32_003],
  ['documented', -32_001],
] as const) {
  void test(`limit: as over the session limit (${dialect})`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect, faults: ['limit'] }));
    assert.deepEqual(await within('close', client.closed), { code: 1008, reason: 'Session limit exceeded' });
    assert.deepEqual(
      client.bodies.map(({ error }) => error?.code),
      [code],
    );
  });
}

void test('close-1008: closed after connected without an error', async (t) => {
  const client = await connect(t, await targetFor(t, { faults: ['close-1008'] }));
  assert.equal((await within('close', client.closed)).code, 1008);
  assert.deepEqual(client.methods(), ['connected']);
  assert.equal(client.received.length, 1);
});

void test('no-pong: a WebSocket ping is not answered', async (t) => {
  const target = await targetFor(t, { faults: ['no-pong@1'] });
  const [mute, sound] = [await connect(t, target), await connect(t, target)];
  let pongs = 0;
  mute.socket.on('pong', () => {
    pongs += 1;
  });
  mute.socket.ping();
  sound.socket.ping();
  await within('pong', once(sound.socket, 'pong'));
  assert.equal((await mute.run('echo on'))['exit_code'], 0);
  assert.equal(pongs, 0);
});

void test('heartbeat:MS: a ping every MS milliseconds', async (t) => {
  const client = await connect(t, await targetFor(t, { faults: ['heartbeat:20'] }));
  await until('three pings', () => client.methods().filter((method) => method === 'ping').length >= 3);
});

void test('ignore-pause: confirmed, but the process runs on', async (t) => {
  const client = await connect(t, await targetFor(t, { faults: ['ignore-pause'] }));
  await client.start('i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done');
  assert.deepEqual((await client.ask('control', { type: 'PAUSE' })).result, { status: 'paused' });
  const { length } = client.output();
  await until('more output', () => client.output().length > length + 2);
  await client.ask('control', { type: 'CANCEL' });
});

void test('ignore-cancel: confirmed, but the process runs on, until its session ends', async (t) => {
  const client = await connect(t, await targetFor(t, { faults: ['ignore-cancel'] }));
  const pid = await client.start('i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done');
  assert.deepEqual((await client.ask('control', { type: 'CANCEL' })).result, { status: 'canceled' });
  const { length } = client.output();
  await until('more output', () => client.output().length > length + 2);
  client.socket.close();
  await until('its end', async () => !(await isAlive(pid)));
});

void test('a range counts sessions by their first execute', async (t) => {
  const target = await targetFor(t, { faults: ['exit-3@2-3', 'exit-3@5-'] });
  // Sessions that execute nothing do not count, even if they are older.
  for (let idle = 0; idle < 3; idle += 1) await (await connect(t, target)).notification('connected');
  const codes: unknown[] = [];
  for (let session = 1; session <= 6; session += 1) {
    const client = await connect(t, target);
    codes.push((await client.run('true'))['exit_code']);
  }
  assert.deepEqual(codes, [0, 3, 3, 0, 3, 3]);
});

void test('a fault that begins with the first execute applies to its answer', async (t) => {
  const target = await targetFor(t, { faults: ['silent@1', 'notifications'] });
  const client = await connect(t, target);
  await client.ask('hook_status');
  client.send('execute', { command: 'true' });
  await until('the command', () => target.stats().commandsTotal === 1);
  const { length } = client.received;
  await delay(watchMs);
  assert.equal(client.received.length, length);
  await (await connect(t, target)).run('true');
});

void test('faults can be combined', async (t) => {
  const faults = ['lost-line', 'exit-3', 'duplicate-response', 'notifications', 'spaced-json', 'slow:50'];
  const client = await connect(t, await targetFor(t, { faults }));
  assert.equal((await client.run(twoLines))['exit_code'], 3);
  assert.deepEqual(client.output(), ['one\n']);
  assert.ok(client.methods().includes('hook.warning'));
});

void test('every fault has a test', () => {
  const folder = new URL('.', import.meta.url);
  const sources = readdirSync(folder)
    .filter((name) => /^target-.*faults\.test\.ts$/.test(name))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('');
  for (const line of faultDescriptions()) {
    const name = /^[a-z0-9-]+/.exec(line)?.[0] ?? line;
    assert.match(sources, new RegExp(`(fault: '|\\[?'|test\\(['\`])${name}(?![a-z0-9-])`), name);
  }
});

void test('an unknown fault is refused with a list of all faults', async () => {
  const wrong = [
    '',
    'nope',
    'constructor',
    'exit-3@0',
    'exit-3@',
    'exit-3@2-1',
    'exit-3@-2',
    'exit-3:5',
    'slow',
    'slow:x',
    'slow:0',
    'exit-3@1@2',
    'exit-3 @1',
    'EXIT-3',
    'leak',
    'leak:1MiB',
    'leak:MS',
  ];
  for (const fault of wrong) {
    const [problem = '', ...others] = faultProblems([fault]);
    assert.deepEqual(others, []);
    assert.match(problem, /expected NAME.*for example.*received ".*names: tcp-silent, .*spaced-json/s, fault);
  }
  for (const [fault, near] of [
    ['lost-lin', 'lost-line'],
    ['slow', 'slow:MS'],
    ['exit-3:5', 'exit-3'],
  ] as const)
    assert.ok(faultProblems([fault])[0]?.includes(`; did you mean ${near}? (names:`), fault);
  assert.doesNotMatch(faultProblems(['exit-3@2-1'])[0] ?? '', /did you mean/);
  await assert.rejects(startTarget({ port: 0, faults: ['nope', 'exit-3', 'nada'] }), (error) => {
    assert.ok(error instanceof TargetOptionsError);
    assert.equal(error.problems.length, 2);
    return true;
  });
  const right = ['exit-3', 'exit-3@7', 'exit-3@1-2', 'exit-3@5-', 'slow:20@3', 'heartbeat:5', 'leak:4096@2-'];
  assert.deepEqual(faultProblems(right), []);
});

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { defaultOptions, optionTable } from '../reference-target/options.ts';
import { cliPath } from './k6.ts';
import { Client, isAlive, until, within } from './target-client.ts';

interface Running {
  child: ChildProcess;
  stdout: () => string;
  stderr: () => string;
  exit: Promise<number | null>;
}

/** Runs `ws-stress target` in a process of its own. */
const runTarget = (t: TestContext, args: readonly string[], env: Record<string, string> = {}): Running => {
  const child = spawn(process.execPath, [cliPath, 'target', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
    });
  }
  t.after(() => child.kill('SIGKILL'));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return { child, stdout: () => text.stdout, stderr: () => text.stderr, exit };
};

/** Runs `ws-stress target` to its end. */
const finished = async (t: TestContext, args: readonly string[], env: Record<string, string> = {}) => {
  const running = runTarget(t, args, env);
  const code = await within('the end', running.exit);
  return { code, stdout: running.stdout(), stderr: running.stderr() };
};

/** Connects to a target as soon as it prints its URL. */
const connectTo = async (t: TestContext, running: Running, headers: Record<string, string> = {}): Promise<Client> => {
  await until('the address', () => running.stdout().includes('\n'));
  const url = /^listening on (ws:\/\/127\.0\.0\.1:[0-9]+\/ws\/mcp)\n$/.exec(running.stdout())?.[1] ?? '';
  const client = new Client(url, { headers });
  t.after(() => client.socket.terminate());
  await client.notification('connected');
  return client;
};

void test('it prints its URL, serves, and shuts down cleanly on SIGTERM', async (t) => {
  const running = runTarget(t, ['--port', '0', '--dialect', 'documented', '--shutdown=500ms']);
  const client = await connectTo(t, running);
  const pid = await client.start('sleep 300 & sleep 300');
  running.child.kill('SIGTERM');
  assert.deepEqual(await within('close', client.closed), { code: 1001, reason: 'The target is shutting down' });
  assert.equal(await within('the end', running.exit), 0);
  assert.equal(running.stderr(), '');
  assert.equal(await isAlive(pid), false);
});

void test('it shuts down cleanly on SIGINT, and at once on a second one', async (t) => {
  const running = runTarget(t, ['--port', '0', '--kill-grace', '1h', '--shutdown', '1h']);
  const client = await connectTo(t, running);
  const pid = await client.start(`trap '' TERM; echo ready; while :; do sleep 1; done`);
  await client.first('the trap', ({ params }) => params?.['data'] === 'ready\n');
  running.child.kill('SIGINT');
  await within('close', client.closed);
  assert.equal(await isAlive(pid), true);
  running.child.kill('SIGINT');
  assert.equal(await within('the end', running.exit), 1);
  await until('the end of its process', async () => !(await isAlive(pid)));
});

void test('its processes end even if it is killed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'killed-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const running = runTarget(t, ['--port', '0'], { TMPDIR: folder });
  const client = await connectTo(t, running);
  await client.start('true');
  await client.notification('process.completed');
  const { result } = await client.ask('execute', { command: `trap '' TERM HUP; while :; do sleep 1; done` });
  const pid = Number(result?.['pid']);
  await client.ask('control', { type: 'PAUSE' });
  const ownFolders = (): string[] => readdirSync(folder).filter((name) => name.startsWith('ws-stress-target-'));
  assert.equal(ownFolders().length, 1);
  running.child.kill('SIGKILL');
  await until('the end of its process', async () => !(await isAlive(pid)));
  await until('its folder to be gone', () => ownFolders().length === 0);
});

void test('all invalid options are reported at once, with the expected value', async (t) => {
  const { code, stdout, stderr } = await finished(t, [
    '--port',
    'x',
    '--dialect=latin',
    '--max-sessions',
    '0',
    '--max-line',
    '5MB',
    '--heartbeat',
    '5',
    '--kill-grace',
    '--allow',
    'a/b',
    '--host',
    '0.0.0.0',
    '--fault',
    'nope',
    '--colour',
    'red',
    '--shutdown=1s',
    '--shutdown=2s',
    '--no-such',
    'extra',
  ]);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  for (const pattern of [
    /^ {2}- --port: expected a whole number such as 8003, received "x"$/m,
    /^ {2}- --dialect: expected one of deployed, documented, received "latin"$/m,
    /^ {2}- --max-sessions: expected a whole number from 1 to 100000, received 0$/m,
    /^ {2}- --max-line: expected a size such as .*, received "5MB"$/m,
    /^ {2}- --heartbeat: expected a duration such as .*, received "5"$/m,
    /^ {2}- --kill-grace: expected a value, received /m,
    /^ {2}- --allow: expected plain command names .* received "a\/b"$/m,
    /^ {2}- --host: "0.0.0.0" is beyond loopback/m,
    /^ {2}- --fault: expected NAME/m,
    /^ {2}- no such option: --colour; /m,
    /^ {2}- --shutdown: expected one value, received 2$/m,
    /^ {2}- no such option: --no-such; /m,
    /^ {2}- expected options only, received red extra$/m,
    /--help lists them$/m,
  ]) {
    assert.match(stderr, pattern);
  }
  assert.doesNotMatch(stderr, /^ +at /m);
});

void test('--help lists every option, its default and every fault', async (t) => {
  const { code, stdout, stderr } = await finished(t, ['--help', '--port', 'x']);
  assert.deepEqual([code, stderr], [0, '']);
  for (const { name, unit } of optionTable) {
    assert.ok(stdout.includes(unit === '' ? `--${name} ` : `--${name} <${unit}>`), name);
  }
  const unwrapped = stdout.replaceAll(/\s+/g, ' ');
  assert.match(unwrapped, /--heartbeat <duration> [^(]*\(default: 30s\)/);
  assert.match(unwrapped, /--max-line <bytes> [^(]*\(default: 2MiB\)/);
  assert.match(unwrapped, /--port <port> [^(]*\(default: 8003\)/);
  assert.match(stdout, /reset-mid-output: /);
});

void test('every setting has an option', () => {
  const keys = optionTable.map(({ key }) => key);
  assert.deepEqual([...keys].sort(), Object.keys(defaultOptions).sort());
});

void test('a port in use is one clear message', async (t) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { code, stdout, stderr } = await finished(t, ['--port', String(address.port)]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, new RegExp(`^Cannot listen on 127.0.0.1:${address.port}: another program listens there; .*\n$`));
});

void test('the environment may have the token, which is never printed', async (t) => {
  const token = 'open-sesame';
  const args = ['--port', '0', '--allow', 'echo,python3', '--allow=sh', '--fault', 'notifications'];
  const running = runTarget(t, args, { WS_STRESS_TARGET_TOKEN: token });
  const client = await connectTo(t, running, { Authorization: `Bearer ${token}` });
  assert.equal((await client.ask('execute', { command: 'ls' })).error?.code, -32_001);
  running.child.kill('SIGTERM');
  assert.equal(await within('the end', running.exit), 0);
  assert.match(running.stderr(), /^warning: --allow includes python3, sh, which can start any other program/m);
  assert.match(running.stderr(), /^active faults: notifications$/m);
  assert.ok(!`${running.stdout()}${running.stderr()}`.includes(token));

  const bad = await finished(t, ['--port', '0', '--token', 'two words']);
  assert.equal(bad.code, 2);
  assert.ok(!`${bad.stdout}${bad.stderr}`.includes('two words'));
});

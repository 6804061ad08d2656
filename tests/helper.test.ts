import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { startHelper, type Helper, type HelperActions } from '../cli/run/helper.ts';
import { processFigures } from '../cli/shared/process-figures.ts';
import { restartableTarget, serviceCommands } from '../cli/run/service-control.ts';
import { cleanEnv, cliPath, k6Path, runCli } from './k6.ts';
import { Client, isAlive, until, within } from './target-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const helperFor = async (t: TestContext, actions: HelperActions): Promise<Helper> => {
  const helper = await startHelper(actions);
  t.after(() => helper.close());
  return helper;
};

interface Asked {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string;
}

const ask = (helper: Helper, asked: Asked): Promise<{ status: number; body: unknown }> =>
  within(
    `an answer to ${JSON.stringify(asked)}`,
    new Promise((resolve, reject) => {
      const { method = 'GET', path: to = '/capabilities', body } = asked;
      const headers = { authorization: `Bearer ${helper.token}`, ...asked.headers };
      const sent = request(helper.url + to, { method, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }));
      });
      sent.on('error', reject);
      sent.end(body);
    }),
  );

const errorOf = ({ body }: { body: unknown }): string => (body as { error: string }).error;

const ignored = async (): Promise<void> => {};

const readNumber = (file: string): number => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);

void test('it listens on loopback, and its environment has the URL and the token', async (t) => {
  const helper = await helperFor(t, {});
  assert.match(helper.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(helper.token, /^[0-9a-f]{64}$/);
  assert.deepEqual(helper.environment, { STRESS_HELPER_URL: helper.url, STRESS_HELPER_TOKEN: helper.token });
  const other = await helperFor(t, {});
  assert.notEqual(other.token, helper.token);
});

void test('it reports its capabilities', async (t) => {
  const nothing = await helperFor(t, {});
  assert.deepEqual((await ask(nothing, {})).body, { stop: false, start: false, process: false });
  const everything = await helperFor(t, { stop: ignored, start: ignored, processId: () => process.pid });
  assert.deepEqual((await ask(everything, {})).body, { stop: true, start: true, process: true });
});

const refusals: [name: string, asked: Asked, status: number, error: RegExp][] = [
  ['no token', { headers: { authorization: '' } }, 401, /expected the header Authorization: Bearer/],
  ['another token', { headers: { authorization: `Bearer ${'0'.repeat(64)}` } }, 401, /Authorization: Bearer/],
  ['another scheme', { headers: { authorization: 'Basic eDp5' } }, 401, /Authorization: Bearer/],
  ['a page, even with the token', { headers: { origin: 'http://127.0.0.1' } }, 403, /a web page may not ask/],
  ['the page of a file', { headers: { origin: 'null' } }, 403, /a web page may not ask/],
  ['another path', { path: '/' }, 404, /expected \/capabilities, \/stop, \/start, \/process$/],
  ['a query', { path: '/capabilities?x=1' }, 404, /nothing here/],
  ['a name of every object', { path: '/constructor' }, 404, /nothing here/],
  ['GET for what changes something', { path: '/stop' }, 405, /expected POST, received GET/],
  ['POST for what changes nothing', { method: 'POST' }, 405, /expected GET, received POST/],
  ['a large body', { method: 'POST', path: '/stop', body: 'x'.repeat(1025) }, 413, /at most 1024 bytes/],
  [
    'a body without a length',
    { method: 'POST', path: '/stop', headers: { 'transfer-encoding': 'chunked' }, body: 'x' },
    411,
    /with its length/,
  ],
];

for (const [name, asked, status, error] of refusals) {
  void test(`refused: ${name}`, async (t) => {
    let stops = 0;
    const helper = await helperFor(t, { stop: async () => void (stops += 1), start: ignored });
    const answered = await ask(helper, asked);
    assert.equal(answered.status, status);
    assert.match(errorOf(answered), error);
    assert.ok(!errorOf(answered).includes(helper.token), 'the token is repeated');
    assert.equal(stops, 0);
  });
}

void test('stop and start answer when they have finished', async (t) => {
  const done: string[] = [];
  const step = (name: string) => async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    done.push(name);
  };
  const helper = await helperFor(t, { stop: step('stop'), start: step('start') });
  assert.deepEqual(await ask(helper, { method: 'POST', path: '/stop' }), { status: 200, body: { ok: true } });
  assert.deepEqual(done, ['stop']);
  assert.deepEqual(await ask(helper, { method: 'POST', path: '/start', body: '{}' }), {
    status: 200,
    body: { ok: true },
  });
  assert.deepEqual(done, ['stop', 'start']);
});

void test('one at a time: a second stop or start gets an error that names the first', async (t) => {
  const finish = new AbortController();
  const stop = async (): Promise<void> => void (await once(finish.signal, 'abort'));
  const helper = await helperFor(t, { stop, start: ignored });
  const first = ask(helper, { method: 'POST', path: '/stop' });
  await until('the first to be under way', async () => {
    const { status } = await ask(helper, { method: 'POST', path: '/start' });
    return status === 409;
  });
  const second = await ask(helper, { method: 'POST', path: '/stop' });
  assert.deepEqual(second, { status: 409, body: { error: 'a stop is under way already' } });
  finish.abort();
  assert.equal((await first).status, 200);
  assert.equal((await ask(helper, { method: 'POST', path: '/start' })).status, 200);
});

void test('a failure is reported, and does not block the next request', async (t) => {
  let calls = 0;
  const stop = async (): Promise<void> => {
    calls += 1;
    if (calls === 1) throw new Error('--stop-command exited with 3: no such unit');
  };
  const helper = await helperFor(t, { stop, start: ignored });
  const failed = await ask(helper, { method: 'POST', path: '/stop' });
  assert.deepEqual(failed, { status: 500, body: { error: '--stop-command exited with 3: no such unit' } });
  assert.equal((await ask(helper, { method: 'POST', path: '/stop' })).status, 200);
});

void test('it reports that it lacks a capability', async (t) => {
  const helper = await helperFor(t, {});
  const stop = await ask(helper, { method: 'POST', path: '/stop' });
  assert.equal(stop.status, 404);
  assert.match(errorOf(stop), /cannot stop the service: --stop-command and --start-command were not given/);
  const figures = await ask(helper, { path: '/process' });
  assert.equal(figures.status, 404);
  assert.match(errorOf(figures), /--target-pid tells it/);
});

void test('it closes while a connection is open and a stop is running', async () => {
  const helper = await startHelper({ stop: () => new Promise(() => {}) });
  const asking = ask(helper, { method: 'POST', path: '/stop' }).catch((error: unknown) => error);
  await until('the stop to be under way', async () => {
    const { status } = await ask(helper, { method: 'POST', path: '/stop' });
    return status === 409;
  });
  await within('the end', helper.close());
  assert.ok((await asking) instanceof Error);
});

const onLinux = { skip: existsSync('/proc/self/stat') ? false : 'no /proc here' };

void test('a process: its memory, its descendants, its end', onLinux, async (t) => {
  // The name has characters that could mislead a parser of /proc/<pid>/stat.
  const child = spawn(process.execPath, [
    '--title=) R 1 (',
    '--eval',
    `require('child_process').spawn('sh', ['-c', 'sleep 60 & wait'], { stdio: 'ignore' }); setInterval(() => {}, 1000);`,
  ]);
  t.after(() => child.kill('SIGKILL'));
  const { pid = 0 } = child;
  const helper = await helperFor(t, { processId: () => pid });
  const figures = async (): Promise<{ residentBytes: number; children: number }> =>
    (await ask(helper, { path: '/process' })).body as { residentBytes: number; children: number };
  await until('sh and sleep', async () => (await figures()).children === 2);
  assert.ok((await figures()).residentBytes > 10_000_000);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  const gone = await ask(helper, { path: '/process' });
  assert.deepEqual(gone, { status: 404, body: { error: `process ${pid} is gone` } });
});

void test('a zombie counts as gone', onLinux, async (t) => {
  const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => parent.kill('SIGKILL'));
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  const state = (): string => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1] ?? '';
  await until('the zombie', () => state().startsWith('Z'));
  assert.equal(processFigures(pid), `process ${pid} is gone`);
  const { pid: parentId = 0 } = parent;
  const figures = processFigures(parentId);
  assert.ok(typeof figures !== 'string' && figures.children === 1, JSON.stringify(figures));
});

const commandsFor = (
  t: TestContext,
  stopCommand: string,
  startCommand: string,
  timeoutMs?: number,
  interruption?: { first: AbortSignal; again: AbortSignal },
) => {
  const warnings: string[] = [];
  const commands = serviceCommands({
    stopCommand,
    startCommand,
    warn: (text) => warnings.push(text),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(interruption && { interruption }),
  });
  t.after(() => commands.close());
  return { ...commands, warnings };
};

void test('commands that exit with 0 have succeeded', async (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'done');
  const { stop, start } = commandsFor(t, `echo stop >>${file}`, `echo start >>${file}; echo noise; echo noise >&2`);
  await stop();
  await start();
  assert.equal(readFileSync(file, 'utf8'), 'stop\nstart\n');
});

void test('a command that fails: its exit code and the last line of its stderr', async (t) => {
  const { stop, start } = commandsFor(
    t,
    'echo first >&2; echo "no such unit\u001b[31m" >&2; echo out; exit 3',
    'exit 4',
  );
  await assert.rejects(stop(), { message: '--stop-command exited with 3: no such unit\\u001b[31m' });
  await assert.rejects(start(), { message: '--start-command exited with 4' });
  const killed = commandsFor(t, 'kill -KILL $$', 'no-such-program-here');
  await assert.rejects(killed.stop(), { message: '--stop-command was ended by SIGKILL' });
  await assert.rejects(killed.start(), /^Error: --start-command exited with 127: .*no-such-program-here.*not found/);
});

void test('a stop command that hangs is ended, with everything that it started', async (t) => {
  const file = path.join(temporaryDirectory(t), 'pid');
  const { stop } = commandsFor(t, `trap '' TERM; sleep 60 & echo $! >${file}; wait; sleep 60`, 'true', 300);
  await assert.rejects(stop(), { message: '--stop-command did not finish within 0.3 s and was ended' });
  const pid = readNumber(file);
  assert.ok(pid > 0);
  await until('the end of what it started', async () => !(await isAlive(pid)));
});

void test('a start command may run as a service in the foreground; the close ends it and everything that it started', async (t) => {
  const file = path.join(temporaryDirectory(t), 'pid');
  const { start, close, warnings } = commandsFor(t, 'true', `sleep 60 & echo $! >${file}; wait`);
  const before = performance.now();
  await within('the start', start());
  assert.ok(performance.now() - before >= 450);
  const pid = readNumber(file);
  assert.equal(await isAlive(pid), true);
  await within('the close', close());
  await until('the end of what it started', async () => !(await isAlive(pid)));
  assert.deepEqual(warnings, []);
});

void test('a service that a command starts in the background survives the close, and may write to its stderr', async (t) => {
  const directory = temporaryDirectory(t);
  const [pidFile, wrote] = [path.join(directory, 'pid'), path.join(directory, 'wrote')];
  const service = `(while [ ! -e ${directory}/closed ]; do sleep 0.05; done; echo late >&2 && touch ${wrote}; sleep 60) & echo $! >${pidFile}`;
  const { start, close } = commandsFor(t, 'true', service);
  await start();
  await close();
  const pid = readNumber(pidFile);
  t.after(() => process.kill(pid, 'SIGKILL'));
  writeFileSync(path.join(directory, 'closed'), '');
  await until('what it writes', () => existsSync(wrote));
  assert.equal(await isAlive(pid), true);
});

void test('a service in the foreground that fails later is reported; one that was stopped is not', async (t) => {
  const failing = commandsFor(t, 'true', 'sleep 0.7; echo address in use >&2; exit 1');
  await failing.start();
  await until('the warning', () => failing.warnings.length > 0);
  assert.deepEqual(failing.warnings, ['--start-command exited with 1: address in use']);

  const file = path.join(temporaryDirectory(t), 'pid');
  const stopped = commandsFor(t, `kill -TERM $(cat ${file})`, `echo $$ >${file}; exec sleep 60`);
  await stopped.start();
  const pid = readNumber(file);
  await stopped.stop();
  await until('its end', async () => !(await isAlive(pid)));
  assert.deepEqual(stopped.warnings, []);
});

void test('a service that is stopped when a run ends is started again, after a command that is under way', async (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'done');
  const { stop, close, warnings } = commandsFor(t, `sleep 0.2; echo stop >>${file}`, `sleep 0.8; echo start >>${file}`);
  const stopping = stop();
  await within('the close', Promise.all([close(), stopping]));
  assert.equal(readFileSync(file, 'utf8'), 'stop\nstart\n');
  assert.match(warnings.join('\n'), /^the service is stopped; it is started again[^]*the service was started again$/);

  const failing = commandsFor(t, 'true', 'echo no such unit >&2; exit 3');
  await failing.stop();
  await within('the close', failing.close());
  assert.match(
    failing.warnings.join('\n'),
    /exited with 3: no such unit; the service is left stopped; start it with: echo/,
  );
});

void test('an interrupted run lets a start command end, and a second interrupt says what is left stopped', async (t) => {
  const file = path.join(temporaryDirectory(t), 'done');
  const [first, again] = [new AbortController(), new AbortController()];
  const signals = { first: first.signal, again: again.signal };
  const slow = commandsFor(t, 'true', `sleep 1; echo start >>${file}`, undefined, signals);
  await slow.stop();
  await slow.start();
  first.abort('SIGINT');
  await within('the close', slow.close());
  assert.equal(readFileSync(file, 'utf8'), 'start\n');

  const hanging = commandsFor(t, 'true', 'sleep 60', undefined, signals);
  await hanging.stop();
  const closing = hanging.close();
  await until('the start', () => hanging.warnings.length > 0);
  again.abort('SIGINT');
  await within('the close', closing);
  assert.equal(hanging.warnings.at(-1), 'the service is left stopped; start it with: sleep 60');
});

void test('a command ends with the process that started it, however that ended', async (t) => {
  const file = path.join(temporaryDirectory(t), 'pid');
  const module = path.join(packageRoot, 'cli/run/service-control.ts');
  const script = `const { serviceCommands } = await import(${JSON.stringify(module)});
    const startCommand = 'sleep 60 & echo $! >${file}; wait';
    await serviceCommands({ stopCommand: 'true', startCommand, warn: () => {} }).start(); setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: packageRoot,
    stdio: 'ignore',
  });
  t.after(() => parent.kill('SIGKILL'));
  await until('the command', () => readNumber(file) > 0);
  const pid = readNumber(file);
  parent.kill('SIGKILL');
  await until('its end', async () => !(await isAlive(pid)));
});

void test('the reference target stops without a close frame, and starts again at the same address', async (t) => {
  const target = await restartableTarget({ port: 0, maxSessions: 7 });
  t.after(() => target.close());
  const client = new Client(target.url);
  t.after(() => client.socket.terminate());
  const pid = await client.start('sleep 60');
  await within('the stop', target.stop());
  assert.equal((await within('the end', client.closed)).code, 1006);
  await until('the end of its process', async () => !(await isAlive(pid)));
  const refused = new Client(target.url);
  assert.equal((await within('the refusal', refused.closed)).code, 1006);
  await assert.rejects(target.stop(), /stopped already/);

  await within('the start', target.start());
  await assert.rejects(target.start(), /running already/);
  const again = new Client(target.url);
  t.after(() => again.socket.terminate());
  assert.equal((await again.run('true'))['exit_code'], 0);
  const health = (await (await fetch(target.url.replace('ws:', 'http:').replace('/ws/mcp', '/health'))).json()) as {
    max_sessions: number;
  };
  assert.equal(health.max_sessions, 7);
});

const runOptions = async (
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; stderr: string }> =>
  await runCli(['run', ...args], { env: { ...cleanEnv(), ...env }, timeoutMs: 60_000 });

const wrongOptions: [name: string, args: string[], expected: RegExp, env?: Record<string, string>][] = [
  ['a stop without a start', ['--stop-command', 'x'], /--start-command: expected together with --stop-command/],
  ['a start without a stop', ['--start-command', 'x'], /--stop-command: expected together with --start-command/],
  ['no command', ['--stop-command', '', '--start-command', 'x'], /--stop-command: expected a value/],
  ['no process id', ['--target-pid', 'x1'], /--target-pid: expected the id of a running process.*; received "x1"/],
  ['no such process', ['--target-pid', '999999999'], /--target-pid: expected .*; process 999999999 is gone/],
  [
    'two services',
    ['--with-target', '--stop-command', 'x', '--start-command', 'y'],
    /expected --with-target or --stop-command, --start-command, received both/,
  ],
  [
    'two helpers',
    ['--target-pid', String(process.pid)],
    /expected STRESS_HELPER_URL or --target-pid, received both/,
    { STRESS_HELPER_URL: 'http://127.0.0.1:1' },
  ],
];

for (const [name, args, expected, env] of wrongOptions) {
  void test(`ws-stress run refuses: ${name}`, onLinux, async () => {
    const { code, stderr } = await runOptions(['single', ...args], env);
    assert.equal(code, 2, stderr);
    assert.match(stderr, expected);
  });
}

void test(
  'ws-stress run stops and starts a service by its own commands, and leaves nothing behind',
  onLinux,
  async (t) => {
    const bundle = path.join(packageRoot, 'dist/service-down.js');
    assert.ok(existsSync(bundle), `expected ${bundle}: npm run build`);
    const pidFile = path.join(temporaryDirectory(t), 'pid');
    const { port } = await restartableTarget({ port: 0 }).then(async (target) => {
      await target.close();
      return new URL(target.url);
    });
    const startCommand = `echo $$ >${pidFile}; exec '${process.execPath}' '${cliPath}' target --port ${port}`;
    const first = spawn('sh', ['-c', startCommand], { cwd: packageRoot, stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => first.kill('SIGKILL'));
    await within('the service', once(first.stdout, 'data'));
    const stopped = once(first, 'exit');

    const url = `ws://127.0.0.1:${port}/ws/mcp`;
    const stopCommand = `kill -KILL $(cat ${pidFile})`;
    const { code, stderr } = await runOptions(
      ['service-down', '--url', url, '--stop-command', stopCommand, '--start-command', startCommand],
      { K6_BIN: await k6Path(), K6_ADDRESS: 'localhost:0' },
    );
    assert.equal(code, 0, stderr);
    await within('the end of the first', stopped);
    const second = readNumber(pidFile);
    assert.notEqual(second, first.pid);
    await until('the end of the second', async () => !(await isAlive(second)));
  },
);

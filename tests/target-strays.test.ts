import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { commandVariable } from '../reference-target/descendants.ts';
import { Client, connect, isAlive, targetFor, until, within } from './target-client.ts';
import { cliPath } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const options = { skip: !existsSync('/proc/self/environ') && 'this system does not show the environment of processes' };

let used = 0;

/** A number of seconds that no other test uses, nor one of another run on this machine. */
const ownSeconds = (): number => 1_000_000 + process.pid * 100 + (used += 1);

/** Processes that sleep this number of seconds. */
const sleeping = (seconds: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && commandLineOf(name) === `sleep\0${seconds}\0`)
    .map(Number);

const commandLineOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
};

/** Ends what a test that fails would leave behind. */
const endAfter = (t: TestContext): number => {
  const seconds = ownSeconds();
  t.after(() => {
    for (const pid of sleeping(seconds)) process.kill(pid, 'SIGKILL');
  });
  return seconds;
};

const startStrays = (count: number, seconds: number): string =>
  `i=0; while [ $i -lt ${count} ]; do setsid sleep ${seconds} >/dev/null 2>&1 & i=$((i+1)); done`;

void test('processes that left the group are counted, and end with their command', options, async (t) => {
  const seconds = endAfter(t);
  const target = await targetFor(t);
  const [client, other] = [await connect(t, target), await connect(t, target)];
  const otherSeconds = endAfter(t);
  await other.start(`${startStrays(1, otherSeconds)}; sleep 300`);
  await client.start(`${startStrays(4, seconds)}; sleep 300`);
  await until('all to be counted', () => target.stats().children === 7);
  assert.equal(sleeping(seconds).length, 4);
  await client.ask('control', { type: 'CANCEL' });
  await until('their end', () => sleeping(seconds).length === 0);
  assert.equal(sleeping(otherSeconds).length, 1, 'those of another command go on');
  await until('those of the other command', () => target.stats().children === 2);
});

for (const [how, command] of [
  ['setsid in the background', 'setsid sleep SECONDS >/dev/null 2>&1 &'],
  ['setsid twice', 'setsid sh -c "setsid sleep SECONDS & sleep 0.1" >/dev/null 2>&1 &'],
  [
    'setsid with an empty environment, while its parent lives',
    'env -i setsid sh -c "sleep SECONDS & wait" >/dev/null 2>&1 & sleep 2',
  ],
] as const) {
  void test(`a process that left the group ends with its command: ${how}`, options, async (t) => {
    const seconds = endAfter(t);
    const client = await connect(t, await targetFor(t));
    await client.start(command.replace('SECONDS', String(seconds)));
    await client.notification('process.completed');
    await until('its end', () => sleeping(seconds).length === 0);
  });
}

void test('processes that left the group end with their session', options, async (t) => {
  const seconds = endAfter(t);
  const target = await targetFor(t, { killGraceMs: 100 });
  const client = await connect(t, target);
  await client.start(`${startStrays(3, seconds)}; sleep 300`);
  await until('them', () => sleeping(seconds).length === 3);
  client.socket.terminate();
  await until('their end', () => sleeping(seconds).length === 0);
  await until('none to be counted', () => target.stats().children === 0);
});

void test('--max-children limits processes that left the group too', options, async (t) => {
  const seconds = endAfter(t);
  const target = await targetFor(t, { maxChildren: 3 });
  const [client, other] = [await connect(t, target), await connect(t, target)];
  await client.start(`${startStrays(20, seconds)}; sleep 300`);
  await until('all but two to be killed', () => sleeping(seconds).length === 2 && target.stats().children === 3);
  assert.equal((await other.ask('execute', { command: 'true' })).error?.code, -32_000);
  client.socket.close();
  await until('room', async () => (await other.ask('execute', { command: 'true' })).error === undefined);
});

void test('processes that left the group end with the target', options, async (t) => {
  const seconds = endAfter(t);
  const target = await targetFor(t);
  const client = await connect(t, target);
  await client.start(`${startStrays(30, seconds)}; sleep 300`);
  await until('them', () => sleeping(seconds).length === 30);
  await target.close();
  assert.deepEqual(sleeping(seconds), []);
});

/** Starts a command at a target of its own, kills the target when `arrived`, and waits until all is `gone`. */
const killedTarget = async (
  t: TestContext,
  command: string,
  arrived: () => boolean,
  gone: () => boolean | Promise<boolean>,
): Promise<void> => {
  const child = spawn(process.execPath, [cliPath, 'target', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await within('the address', once(child.stdout.setEncoding('utf8'), 'data'))) as [string];
  const client = new Client(/ws:\S+/.exec(line)?.[0] ?? '');
  t.after(() => client.socket.terminate());
  await client.start(command);
  await until('them', arrived);
  child.kill('SIGKILL');
  await until('their end', gone);
};

void test('processes that left the group end even if the target is killed', options, async (t) => {
  const seconds = endAfter(t);
  await killedTarget(
    t,
    `${startStrays(5, seconds)}; sleep 300`,
    () => sleeping(seconds).length === 5,
    () => sleeping(seconds).length === 0,
  );
});

void test(
  'a process that shows its environment only a second after the target was killed ends too',
  options,
  async (t) => {
    const folder = temporaryDirectory(t);
    const [started, shown] = [path.join(folder, 'started'), path.join(folder, 'shown')];
    let pid = 0;
    t.after(() => pid > 0 && spawnSync('kill', ['-s', 'KILL', String(pid)]));
    const late = `echo $$ >${started}; while kill -0 "$1" 2>/dev/null; do sleep 0.05; done
    sleep 1; : >${shown}; exec env ${commandVariable}="$0" sleep 300`;
    await killedTarget(
      t,
      `setsid env -u ${commandVariable} sh -c '${late}' "$${commandVariable}" $PPID >/dev/null 2>&1 & sleep 300`,
      () => {
        pid = existsSync(started) ? Number(readFileSync(started, 'utf8')) : 0;
        return pid > 0;
      },
      async () => existsSync(shown) && !(await isAlive(pid)),
    );
  },
);

void test('a command does not run if the target is killed before the guardian knows its process group', async (t) => {
  const [reference, folder] = [path.join(import.meta.dirname, '../reference-target'), temporaryDirectory(t)];
  const ran = path.join(folder, 'ran');
  const script = `
    import { Descendants } from ${JSON.stringify(path.join(reference, 'descendants.ts'))};
    import { Guardian } from ${JSON.stringify(path.join(reference, 'guardian.ts'))};
    import { ProcessTable } from ${JSON.stringify(path.join(reference, 'process.ts'))};
    // The guardian cannot find it by its environment either, as on a system without /proc.
    Descendants.prototype.environmentOf = () => ({});
    Guardian.prototype.add = (group) => {
      process.stdout.write(String(group), () => process.kill(process.pid, 'SIGKILL'));
    };
    const events = { output() {}, outputEnd() {}, end() {}, failed: console.error };
    new ProcessTable(10).start(': >${ran}; sleep 300', events, 1_000);`;
  const { stdout, signal } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 15_000,
    env: { ...process.env, TMPDIR: folder },
  });
  const pid = Number(stdout);
  assert.deepEqual([signal, pid > 0], ['SIGKILL', true]);
  t.after(() => spawnSync('kill', ['-s', 'KILL', '--', `-${pid}`]));
  await until('its end', async () => !(await isAlive(pid)));
  assert.equal(existsSync(ran), false);
});

void test('a command ends with a target that was killed before it had reported the command', options, async (t) => {
  const folder = path.join(import.meta.dirname, '../reference-target');
  const script = `
    import { spawn } from 'node:child_process';
    import { Descendants } from ${JSON.stringify(path.join(folder, 'descendants.ts'))};
    import { Guardian } from ${JSON.stringify(path.join(folder, 'guardian.ts'))};
    const descendants = new Descendants();
    new Guardian(descendants.marker);
    const env = { ...process.env, ...descendants.environmentOf(1) };
    const { pid } = spawn('sh', ['-c', 'sleep 300 & sleep 300'], { detached: true, stdio: 'ignore', env });
    process.stdout.write(String(pid), () => process.kill(process.pid, 'SIGKILL'));`;
  const { stdout, signal } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 15_000,
  });
  const pid = Number(stdout);
  assert.deepEqual([signal, pid > 0], ['SIGKILL', true]);
  t.after(() => spawnSync('kill', ['-s', 'KILL', '--', `-${pid}`]));
  await until('its end', async () => !(await isAlive(pid)));
});

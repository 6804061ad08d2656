import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { freePort } from './free-port.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const runs = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Whether there is a Prometheus that can be started. */
export const hasPrometheus: boolean = runs('prometheus', '--version');

/** By which Prometheus takes what k6 sends. */
const receiving = ['--web.enable-remote-write-receiver', '--enable-feature=native-histograms'];

/**
 * Starts a Prometheus that takes what k6 sends, on a free port of this address, until the test ends; returns its own address. Its
 * configuration and flags may be others.
 */
export const startPrometheus = async (
  t: TestContext,
  host: string,
  { config, flags = receiving }: { config?: string; flags?: readonly string[] } = {},
): Promise<string> => {
  const folder = temporaryDirectory(t);
  const own = path.join(folder, 'prometheus.yml');
  writeFileSync(own, 'global: {}\n');
  const address = `${host}:${await freePort(host)}`;
  const child = spawn(
    'prometheus',
    [
      `--config.file=${config ?? own}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      ...flags,
    ],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const said: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    said.push(line);
    if (line.includes('Server is ready to receive web requests')) {
      child.stderr.resume();
      return `http://${address}`;
    }
  }
  throw new Error(`Prometheus ended before it was ready: ${said.slice(-3).join('\n')}`);
};

/** A machine of its own, as far as its network goes: how a program is started there. */
export type Machine = (command: string, args: readonly string[]) => [command: string, args: string[]];

const ip = (...args: string[]): void => {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr}`);
};

/**
 * Machines with a network namespace each, until the test ends, and the address at which all of them reach this one. Where the
 * machine allows no namespaces (no root, no iproute2) all are this one, on loopback, and the test says so.
 */
export const startMachines = (t: TestContext, count: number): { host: string; machines: Machine[] } => {
  const host = '169.254.213.1';
  const machines: Machine[] = [];
  const undo: (() => void)[] = [];
  const clear = (): void => undo.toReversed().forEach((each) => each());
  try {
    for (let index = 0; index < count; index++) {
      const name = `wsg${process.pid}n${index}`;
      const [outer, inner] = [`wsg${process.pid}h${index}`.slice(-15), `wsg${process.pid}i${index}`.slice(-15)];
      const [gateway, own] = [`169.254.213.${4 * index + 1}`, `169.254.213.${4 * index + 2}`];
      ip('netns', 'add', name);
      undo.push(() => ip('netns', 'delete', name));
      ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner);
      undo.push(() => ip('link', 'delete', outer));
      ip('link', 'set', inner, 'netns', name);
      ip('addr', 'add', `${gateway}/30`, 'dev', outer);
      ip('link', 'set', outer, 'up');
      ip('-n', name, 'addr', 'add', `${own}/30`, 'dev', inner);
      ip('-n', name, 'link', 'set', inner, 'up');
      ip('-n', name, 'link', 'set', 'lo', 'up');
      ip('-n', name, 'route', 'add', 'default', 'via', gateway);
      machines.push((command, args) => ['ip', ['netns', 'exec', name, command, ...args]]);
    }
  } catch (error) {
    clear();
    t.diagnostic(`on loopback, for this machine has no network namespaces: ${String(error)}`);
    return {
      host: '127.0.0.1',
      machines: Array.from({ length: count }, () => (command, args) => [command, [...args]]),
    };
  }
  t.after(clear);
  t.diagnostic(`network namespaces for k6: ${count}, one each`);
  return { host, machines };
};

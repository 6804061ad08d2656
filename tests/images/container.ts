import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** What an image asks of whatever runs it, as far as that is tested here. */
export interface ImageConfig {
  User: string;
  Env: string[];
  Entrypoint: string[];
  Cmd: string[] | null;
  WorkingDir: string;
  ExposedPorts?: Record<string, object>;
  Healthcheck?: { Test: string[] };
  Labels: Record<string, string>;
}

/** An image that was built: its configuration, and a folder with its files. */
export interface Image {
  root: string;
  config: ImageConfig;
}

/** Reads what scripts/build-without-registry.sh left of a target of the Dockerfile. */
export const readImage = (folder: string, target: string): Image => {
  const { Docker } = JSON.parse(readFileSync(path.join(folder, `${target}.json`), 'utf8')) as {
    Docker: { config: ImageConfig };
  };
  const root = path.join(folder, target);
  // What a container's runtime mounts there, whatever the image has.
  for (const name of ['proc', 'dev']) mkdirSync(path.join(root, name), { recursive: true });
  return { root, config: Docker.config };
};

/** A program under way: what it has printed so far, and its exit code. */
export interface Running {
  child: ChildProcess;
  stdout: () => string;
  stderr: () => string;
  exit: Promise<number | null>;
}

const start = (t: TestContext, command: string, args: readonly string[]): Running => {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => (text[name] += part));
  }
  const exit = once(child, 'close').then(([code]) => code as number | null);
  t.after(async () => {
    if (child.exitCode === null) process.kill(-child.pid!, 'SIGKILL');
    await exit;
  });
  return { child, stdout: () => text.stdout, stderr: () => text.stderr, exit };
};

/** A network that several containers share, with a loopback of its own: no port of the machine is in its way. */
export const startNetwork = async (t: TestContext): Promise<string> => {
  const script = 'ip link set lo up && echo up && exec cat';
  const { child, stderr } = start(t, 'unshare', ['--net', 'sh', '-c', script]);
  const up = once(child.stdout!, 'data');
  await Promise.race([
    up,
    once(child, 'close').then(() => {
      throw new Error(`a network of its own cannot be had: ${stderr()}`);
    }),
  ]);
  return `/proc/${child.pid}/ns/net`;
};

/** How a container is run, as `docker run` has it. */
export interface RunOptions {
  network: string;
  env?: Readonly<Record<string, string>>;
  /** Folders of the container that are held in memory, and the only ones that can be written to. */
  tmpfs?: readonly string[];
  /** A folder of the machine, and where the container has it. */
  volume?: { from: string; to: string };
  /** In place of the image's own: numbers of user and group. */
  user?: string;
  /** In place of the image's own. */
  entrypoint?: readonly string[];
}

/** Mounts what a runtime does, makes the rest read-only, and becomes the image's user, who can become nobody else. */
const script = `
root=$1 tmpfs=$2 from=$3 to=$4
shift 4
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for each in $tmpfs; do mount -t tmpfs -o mode=1777 tmpfs "$root$each"; done
if [ -n "$from" ]; then mount --bind "$from" "$root$to"; fi
mount -o remount,bind,ro "$root"
exec env -i "$@"
`;

/** Runs an image's entry point with a read-only root, as the image's user, in a process group of its own. */
export const runContainer = (
  t: TestContext,
  { root, config }: Image,
  args: readonly string[] | undefined,
  { network, env = {}, tmpfs = [], volume, user = config.User, entrypoint = config.Entrypoint }: RunOptions,
): Running => {
  const [uid = '', gid = uid] = user.split(':');
  // A runtime makes the place where it mounts something.
  if (volume !== undefined) mkdirSync(path.join(root, volume.to), { recursive: true });
  const variables = [...config.Env, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  // prettier-ignore
  const inside = [
    'setpriv', '--no-new-privs',
    'unshare', `--root=${root}`, `--wd=${config.WorkingDir}`, `--setgid=${gid}`, `--setuid=${uid}`, '--',
    ...entrypoint, ...(args ?? config.Cmd ?? []),
  ];
  // prettier-ignore
  return start(t, 'nsenter', [
    `--net=${network}`,
    'unshare', '--mount', '--pid', '--fork', '--kill-child',
    'sh', '-euc', script, 'container', root, tmpfs.join(' '), volume?.from ?? '', volume?.to ?? '', ...variables, ...inside,
  ]);
};

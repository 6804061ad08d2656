import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';

/** How a process is started that must not outlive this one. */
export interface Guarded {
  env?: NodeJS.ProcessEnv;
  /** Standard input, output and error. */
  stdio: readonly ['inherit' | 'ignore', 'inherit' | 'ignore' | number, 'inherit' | number];
  /** What is ended: the process itself, or all in its process group. */
  ends: 'process' | 'group';
  /** A folder that is deleted when the process was ended because this one is gone. */
  temporary?: string | undefined;
}

/** Seconds that the process has to end by itself before it is killed. */
const graceSeconds = 5;

/**
 * Waits beside the program for the end of a pipe, which comes when this process is gone, however it ended; a line on it says
 * that the program has ended by itself. The program takes the place of the shell, so that its id, exit code, signals and
 * standard streams are its own.
 */
const script = (ends: Guarded['ends']): string => {
  const whom = ends === 'group' ? '-- "-$$"' : '"$$"';
  return `( trap '' HUP INT TERM
read -r _ <&3 && exit
kill -s TERM ${whom}
i=0; while [ $i -lt ${graceSeconds} ] && kill -s 0 "$$"; do sleep 1; i=$((i + 1)); done
[ "$0" = sh ] || rm -rf "$0"
kill -s KILL ${whom}
) </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-`;
};

/**
 * Starts a program in a session of its own, where no signal of the terminal or of this process's group reaches it. It is ended
 * when this process is gone.
 */
export const spawnGuarded = (
  command: string,
  args: readonly string[],
  { env, stdio, ends, temporary }: Guarded,
): ChildProcess => {
  const child: ChildProcess = spawn('sh', ['-c', script(ends), temporary ?? 'sh', command, ...args], {
    env: env ?? process.env,
    detached: true,
    stdio: [...stdio, 'pipe'],
  });
  const pipe = child.stdio[3] as Socket | null | undefined;
  // The program may have ended before its watcher read.
  pipe?.on('error', () => {});
  pipe?.unref();
  child.once('exit', () => pipe?.end('\n'));
  return child;
};

import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { shellEnvironment } from './shell-environment.ts';

/**
 * Reads lines: "+ 812" and "- 812" add and remove a process group, "= /tmp/x" names a folder, "." means that the target has
 * ended everything itself. When its input ends, it kills the groups and removes the folder. $1 is what the environment of
 * every process of a command contains: where the system has /proc, it finds them by that, also those of a command that was
 * just being started, and looks again for those that were just being made.
 */
const script = `
trap '' HUP INT TERM
live=' '
folder=
ended=
while read -r sign what; do
  case $sign in
    +) live="$live$what " ;;
    -) live="\${live%% $what *} \${live#* $what }" ;;
    =) folder=$what ;;
    .) ended=yes ;;
  esac
done
for group in $live; do kill -s KILL -- "-$group"; done
[ -z "$folder" ] || rm -rf -- "$folder"
[ -z "$ended" ] && [ -e /proc/self/environ ] || exit
for round in 1 2 3 4 5 6; do
  for file in $(grep -lsF -- "$1" /proc/[0-9]*/environ); do
    process=\${file#/proc/}
    kill -s KILL "\${process%/environ}"
  done
  sleep 0.1 || sleep 1
done
`;

/**
 * A shell that cleans up after a target that SIGKILL or a crash ended: the pipe between them closes, and the shell kills the
 * processes of its commands and removes its folder.
 */
export class Guardian {
  private readonly pipe: Socket;

  constructor(marker: string) {
    // In its own group, so that Ctrl-C in a terminal does not end it before the target.
    const child = spawn('/bin/sh', ['-c', script, 'sh', marker], {
      detached: true,
      env: shellEnvironment(process.env),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.pipe = child.stdin as Socket;
    // The target cleans up by itself too, so it can go on without the guardian.
    child.on('error', () => {});
    this.pipe.on('error', () => {});
    child.unref();
    this.pipe.unref();
  }

  add(group: number): void {
    this.pipe.write(`+ ${group}\n`);
  }

  remove(group: number): void {
    if (this.pipe.writable) this.pipe.write(`- ${group}\n`);
  }

  /** Names the folder to remove. */
  remember(folder: string): void {
    this.pipe.write(`= ${folder}\n`);
  }

  /** Call it when all processes have ended. */
  close(): void {
    this.pipe.end('.\n');
  }
}

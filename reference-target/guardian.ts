import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { shellEnvironment } from './shell-environment.ts';

/**
 * Reads lines: "+ 812" and "- 812" add and remove a process group, "= /tmp/x" names a folder, "." means that the target has
 * ended everything itself. When its input ends, it kills the groups and removes the folder. $1 is what the environment of
 * every process of a command contains: where the system has /proc, it finds those that left their group by that. A process
 * shows no environment in the middle of an exec, so it looks until 20 looks in a row, 2 s, have found nothing.
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
quiet=0
while [ $quiet -lt 20 ]; do
  quiet=$((quiet + 1))
  for file in $(grep -lsF -- "$1" /proc/[0-9]*/environ); do
    process=\${file#/proc/}
    kill -s KILL "\${process%/environ}" && quiet=0
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

  /** Calls back when the guardian will kill the group even if the target ends at once, or when there is no guardian any more. */
  add(group: number, added: () => void): void {
    this.pipe.write(`+ ${group}\n`, added);
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

import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * Reads lines: "+ 812" and "- 812" add and remove a process group, "= /tmp/x" names a folder. When its input ends, it kills
 * the groups and removes the folder.
 */
const script = `
trap '' HUP INT TERM
live=' '
folder=
while read -r sign what; do
  case $sign in
    +) live="$live$what " ;;
    -) live="\${live%% $what *} \${live#* $what }" ;;
    =) folder=$what ;;
  esac
done
for group in $live; do kill -s KILL -- "-$group"; done
[ -z "$folder" ] || rm -rf -- "$folder"
`;

/**
 * A shell that cleans up after a target that SIGKILL or a crash ended: the pipe between them closes, and the shell kills the
 * target's process groups and removes its folder.
 */
export class Guardian {
  private readonly pipe: Socket;

  constructor() {
    // In its own group, so that Ctrl-C in a terminal does not end it before the target.
    const child = spawn('/bin/sh', ['-c', script], {
      detached: true,
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

  close(): void {
    this.pipe.end();
  }
}

import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * Keeps a list of process groups by lines such as "+ 812" and "- 812", and a folder by a line "= /tmp/x"; when its input
 * ends, it kills the ones and removes the other.
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
 * A shell beside the target that kills the target's process groups when the target has died without doing so, as after
 * SIGKILL or a crash, and removes the target's folder: then the pipe between them closes.
 */
export class Guardian {
  private readonly pipe: Socket;

  constructor() {
    // In a group of its own, lest a terminal's Ctrl-C end it before the target.
    const child = spawn('/bin/sh', ['-c', script], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.pipe = child.stdin as Socket;
    // It is a second net below the target's own: without it the target works on, so its failure ends nothing.
    child.on('error', () => {});
    this.pipe.on('error', () => {});
    child.unref();
    this.pipe.unref();
  }

  /** Puts a group on the list. */
  add(group: number): void {
    this.pipe.write(`+ ${group}\n`);
  }

  /** Takes a group that is gone off the list. */
  remove(group: number): void {
    if (this.pipe.writable) this.pipe.write(`- ${group}\n`);
  }

  /** Names the folder to be removed. */
  remember(folder: string): void {
    this.pipe.write(`= ${folder}\n`);
  }

  /** Ends the guardian. */
  close(): void {
    this.pipe.end();
  }
}

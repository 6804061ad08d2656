import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/** Keeps a list of process groups by lines such as "+ 812" and "- 812", and kills what is on it when its input ends. */
const script = `
trap '' HUP INT TERM
live=' '
while read -r sign group; do
  case $sign in
    +) live="$live$group " ;;
    -) live="\${live%% $group *} \${live#* $group }" ;;
  esac
done
for group in $live; do kill -s KILL -- "-$group"; done
`;

/**
 * A shell beside the target that kills the target's process groups when the target has died without doing so, as after
 * SIGKILL or a crash: then the pipe between them closes. It starts with the first group.
 */
export class Guardian {
  #pipe: Socket | undefined;

  /** Puts a group on the list. */
  add(group: number): void {
    this.#pipe ??= startGuardian();
    this.#pipe.write(`+ ${group}\n`);
  }

  /** Takes a group that is gone off the list. */
  remove(group: number): void {
    this.#pipe?.write(`- ${group}\n`);
  }

  /** Ends the guardian. */
  close(): void {
    this.#pipe?.end();
    this.#pipe = undefined;
  }
}

function startGuardian(): Socket {
  // In a group of its own, lest a terminal's Ctrl-C end it before the target.
  const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  const pipe = child.stdin as Socket;
  // It is a second net below the target's own: without it the target works on, so its failure ends nothing.
  child.on('error', () => {});
  pipe.on('error', () => {});
  child.unref();
  pipe.unref();
  return pipe;
}

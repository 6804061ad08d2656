import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, unlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One pipe: a process writes to the descriptor, the target reads from the stream. */
export interface Pipe {
  readonly reader: Socket;
  /** The target closes it as soon as the process has it. */
  readonly writer: number;
}

/** The number of pipes to make at once, because each time takes a process. */
const batch = 64;

/**
 * Makes named pipes in its own folder and removes the name of each as soon as it is open. Node would give its children
 * sockets, which a command cannot open by name: `echo x > /dev/stderr` and `tee /dev/stdout` would fail.
 */
export class PipeMaker {
  private made = 0;
  private ready: string[] = [];
  /** The folder with the pipes that are not in use yet. */
  readonly folder = mkdtempSync(join(tmpdir(), 'ws-stress-target-'));

  /** Throws if the system cannot make a pipe. */
  make(): Pipe {
    const path = this.ready.pop() ?? this.makeMore();
    // The reader must be first and non-blocking: opening for writing waits until there is a reader.
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const writer = openSync(path, constants.O_WRONLY);
      unlinkSync(path);
      return { reader: new Socket({ fd: reader, readable: true, writable: false }), writer };
    } catch (error) {
      closeSync(reader);
      throw error;
    }
  }

  /** Removes the folder; pipes in use live on. */
  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private makeMore(): string {
    const paths = Array.from({ length: batch }, () => join(this.folder, String((this.made += 1))));
    const { status, error, stderr } = spawnSync('mkfifo', ['-m', '600', ...paths], { encoding: 'utf8' });
    const [first] = paths;
    if (status !== 0 || first === undefined) throw error ?? new Error(`mkfifo could not make pipes: ${stderr.trim()}`);
    this.ready = paths.slice(1);
    return first;
  }
}

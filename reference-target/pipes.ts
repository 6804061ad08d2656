import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, unlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One pipe: a process writes into the descriptor, the target reads from the stream. */
export interface Pipe {
  readonly reader: Socket;
  /** To be closed as soon as the process has it. */
  readonly writer: number;
}

/** Pipes made at once, as making them costs a process. */
const batch = 64;

/**
 * Makes pipes. Node itself gives its children sockets, which a command cannot open by name: `echo x > /dev/stderr` and
 * `tee /dev/stdout` would fail. So these are named pipes in a folder of our own, which lose their names as they are used.
 */
export class PipeMaker {
  private made = 0;
  private ready: string[] = [];
  /** The folder with the pipes that have a name still. */
  readonly folder = mkdtempSync(join(tmpdir(), 'ws-stress-target-'));

  /** Makes a pipe; throws where the system cannot. */
  make(): Pipe {
    const path = this.ready.pop() ?? this.makeMore();
    // The reader must come first and not wait: a pipe opens for writing when it has a reader.
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
    if (status !== 0 || first === undefined) throw error ?? new Error(`no pipes could be made: ${stderr.trim()}`);
    this.ready = paths.slice(1);
    return first;
  }
}

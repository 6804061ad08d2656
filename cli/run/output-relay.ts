import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';

/** How often what was written is passed on, milliseconds. */
const everyMs = 200;

/** A file that takes a program's output, and what was written there goes on to a stream. */
export interface OutputRelay {
  fd: number;
  /** Passes on the rest. */
  end: () => void;
}

/**
 * Stands between a program and a stream whose reader may end first, as in `| head`: Go ends a program that then writes to its own
 * standard output or error, before it has written its results. A pipe in place of the file would break when this process is killed.
 */
export const relayTo = (stream: NodeJS.WriteStream, folder: string, name: string): OutputRelay => {
  const file = path.join(folder, name);
  const fd = openSync(file, 'ax', 0o600);
  const reading = openSync(file, 'r');
  const buffer = Buffer.alloc(65_536);
  const passOn = (): void => {
    for (let length; (length = readSync(reading, buffer)) > 0;) stream.write(Buffer.from(buffer.subarray(0, length)));
  };
  const timer = setInterval(passOn, everyMs);
  return {
    fd,
    end: () => {
      clearInterval(timer);
      passOn();
      closeSync(reading);
      closeSync(fd);
    },
  };
};

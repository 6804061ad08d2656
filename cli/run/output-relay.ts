import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { StringDecoder } from 'node:string_decoder';

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
export const relayTo = (stream: { write: (text: Buffer) => unknown }, folder: string, name: string): OutputRelay => {
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

/** A stream that gets only whole lines, and of these only the ones that are wanted; `end` writes a last one without an end. */
export const linesTo = (
  stream: { write: (text: string) => unknown },
  isWanted: (line: string) => boolean,
): { write: (text: Buffer) => void; end: () => void } => {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const pass = (lines: readonly string[]): void => {
    const wanted = lines.filter((line) => isWanted(line.replace(/\r?\n$/, '')));
    if (wanted.length > 0) stream.write(wanted.join(''));
  };
  return {
    write: (text) => {
      const lines = `${rest}${decoder.write(text)}`.split(/(?<=\n)/);
      rest = lines.at(-1)?.endsWith('\n') === false ? (lines.pop() ?? '') : '';
      pass(lines);
    },
    end: () => {
      rest += decoder.end();
      if (rest !== '') pass([`${rest}\n`]);
      rest = '';
    },
  };
};

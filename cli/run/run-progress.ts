import { createReadStream, existsSync } from 'node:fs';
import { messageOf } from '../../lib/text/errors.ts';

const newline = 10;

/** How often a log is told that a run goes on. */
const intervalMs = 10_000;

/** Counts the lines of a file that grows; what was counted is not read again. */
export const lineCounter = (file: string): (() => Promise<number>) => {
  let read = 0;
  let lines = 0;
  return async () => {
    if (!existsSync(file)) return lines;
    for await (const chunk of createReadStream(file, {
      start: read,
      highWaterMark: 2 ** 18,
    }) as AsyncIterable<Buffer>) {
      read += chunk.length;
      for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, at + 1)) lines++;
    }
    return lines;
  };
};

/**
 * Says every ten seconds, in a line, that a run goes on, and how many records it has written, where their file is known; what
 * it returns ends that.
 */
export const printProgress = (
  file: string | undefined,
  stream: { write: (text: string) => unknown },
  everyMs = intervalMs,
): { end: () => Promise<void> } => {
  const startedAt = performance.now();
  const count = file === undefined ? undefined : lineCounter(file);
  let telling: Promise<void> | undefined;
  const tell = async (): Promise<void> => {
    const elapsed = Math.round((performance.now() - startedAt) / 1000);
    const running = `running for ${elapsed} s`;
    try {
      stream.write(count ? `${running}; records of sessions and cases so far: ${await count()}\n` : `${running}\n`);
    } catch (error) {
      stream.write(`${running}; its records can't be counted: ${messageOf(error)}\n`);
    } finally {
      telling = undefined;
    }
  };
  const timer = setInterval(() => (telling ??= tell()), everyMs);
  return {
    end: async () => {
      clearInterval(timer);
      await telling;
    },
  };
};

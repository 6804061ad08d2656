import { highOutput, longLine } from '../commands/high-output.ts';
import type { Case } from './case.ts';

/**
 * The slow reader: it pauses for so long after every so many of these lines. They are 115 MiB, for a service may well hold
 * some tens of MiB of output back in bounded buffers (44 MiB were seen), and that is no fault.
 */
const slowReader = { lines: 10_000, width: 12_000, everyLines: 100, pauseMs: 20 };

/** So many lines apart the service's memory is looked at: ten times in all, for each may take its time. */
const looksEvery = 1000;

const longLineBytes = 1_048_576;

/** One line of 1 MiB, which a service may send in chunks. */
export const longLineCase = (python: boolean): Case => ({
  name: 'long-line',
  section: 'protocol: process.output',
  expected: 'a line of 1 MiB comes whole, in order where it comes in chunks',
  *script(session) {
    const execution = yield* session.execute(longLine(longLineBytes, python));
    yield* execution.completes();
    return { kind: 'conforming', received: `the line, ${longLineBytes} bytes` };
  },
});

/** A client that reads slowly: everything must come all the same. `look` is called ten times meanwhile. */
export const slowReaderCase = (python: boolean, look: () => void): Case => ({
  name: 'slow-reader',
  section: 'protocol: process.output',
  expected: `a client that pauses ${slowReader.pauseMs} ms after every ${slowReader.everyLines} lines loses none of ${slowReader.lines}`,
  *script(session) {
    const { lines, width, everyLines, pauseMs } = slowReader;
    const execution = yield* session.execute(highOutput(lines, width, python));
    for (let due = everyLines; due < lines; due += everyLines) {
      yield* execution.reaches(due);
      if (due % looksEvery === 0) look();
      session.stall(pauseMs);
    }
    yield* execution.completes();
    return { kind: 'conforming', received: `${lines} lines in order` };
  },
});

/** What the slow reader must not do to the service's memory. */
export const unreadMemory = {
  name: 'unread-memory',
  section: 'success criterion: high output causes no memory issues',
  expected: "the service's memory does not grow with output that is not read",
};

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Judges resident memory, bytes, before and while a slow reader read: held back, or piled up? */
export const judgeUnread = (
  beforeBytes: number,
  duringBytes: readonly number[],
): { isHeldBack: boolean; told: string } => {
  const { lines, width } = slowReader;
  const outputBytes = lines * (width + 12);
  const grownBytes = Math.max(...duringBytes) - beforeBytes;
  return {
    isHeldBack: grownBytes < outputBytes / 2,
    told: `grew by ${mib(grownBytes)} while ${mib(outputBytes)} of output were read slowly`,
  };
};

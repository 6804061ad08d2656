import { highOutput, longLine } from '../commands/high-output.ts';
import type { Case } from './case.ts';
import { runsToItsEnd } from './run-command.ts';

/**
 * The slow reader: it reads the first lines as they come, which shows how fast the service prints; then nothing for as long
 * as the rest would take half as long again; then it pauses after every so many lines. They are 115 MiB, for a service may
 * well hold some tens of MiB of output back in bounded buffers (44 MiB were seen), and that is no fault.
 */
const slowReader = { lines: 10_000, width: 12_000, freeLines: 2000, everyLines: 100, pauseMs: 20 };
const lineBytes = slowReader.width + 12;
const outputBytes = slowReader.lines * lineBytes;

/** The long pause: half as long again as the rest of the output would take, at most so long, milliseconds. */
const stallShare = 1.5;
const maxStallMs = 20_000;

const longLineBytes = 1_048_576;

/** One line of 1 MiB, which a service may send in chunks. */
export const longLineCase = (python: boolean): Case => ({
  name: 'long-line',
  section: 'protocol: process.output',
  expected: 'a line of 1 MiB comes whole, in order where it comes in chunks',
  *script(session) {
    yield* runsToItsEnd(session, longLine(longLineBytes, python));
    return { kind: 'conforming', received: `the line, ${longLineBytes} bytes` };
  },
});

/** What a client saw that read nothing for a while. */
export interface Unread {
  /** How much the service would have printed meanwhile, going by what it printed before, at most what was left; bytes. */
  bytes: number;
  stalledMs: number;
}

/** A client that reads slowly: everything must come all the same. `stalled` is called at the end of its long pause. */
export const slowReaderCase = (python: boolean, now: () => number, stalled: (unread: Unread) => void): Case => ({
  name: 'slow-reader',
  section: 'protocol: process.output',
  expected: `a client that reads nothing for a while, and pauses ${slowReader.pauseMs} ms after every ${slowReader.everyLines} lines, loses none of ${slowReader.lines}`,
  *script(session) {
    const { lines, width, freeLines, everyLines, pauseMs } = slowReader;
    const execution = yield* session.execute(highOutput(lines, width, python));
    yield* execution.reaches(1);
    const startedAt = now();
    yield* execution.reaches(freeLines);
    const restMs = ((now() - startedAt) * (lines - freeLines)) / freeLines;
    const stalledMs = Math.ceil(Math.min(maxStallMs, Math.max(pauseMs, restMs * stallShare)));
    session.stall(stalledMs);
    yield* execution.reaches(freeLines + 1);
    const restBytes = (lines - freeLines) * lineBytes;
    stalled({ bytes: Math.min(restBytes, (restBytes * stalledMs) / restMs), stalledMs });
    for (let due = freeLines + everyLines; due < lines; due += everyLines) {
      yield* execution.reaches(due);
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

/**
 * Judges resident memory, bytes, before a slow reader and when it had read nothing for a while: held back, or piled up?
 * Undefined where too little can have been left unread to tell.
 */
export const evaluateUnread = (
  beforeBytes: number,
  afterBytes: number,
  { bytes, stalledMs }: Unread,
): { isHeldBack: boolean | undefined; told: string } => {
  const most = outputBytes / 2;
  const told = `grew by ${mib(afterBytes - beforeBytes)} while nothing was read for ${(stalledMs / 1000).toFixed(1)} s, in which it prints ${mib(bytes)}`;
  if (afterBytes - beforeBytes >= most) return { isHeldBack: false, told };
  return { isHeldBack: bytes >= most ? true : undefined, told };
};

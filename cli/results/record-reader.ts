import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';
import { codeOf } from '../../lib/text/errors.ts';
import { type DetailRecord, RecordProblem, parseRecord } from './parse-record.ts';

/** A line of a file, or that it is longer than any record. */
type Line = { text: string } | { tooLong: number };

/** Longer lines than this are no records, and are not kept in memory. */
const longestBytes = 4 * 2 ** 20;

const newline = 10;

/** The lines of a file one by one, without their ends; however long one is, little of it is kept. */
export const linesOf = async function* (file: string): AsyncGenerator<Line & { isWhole: boolean }> {
  let kept: Buffer[] = [];
  let length = 0;
  const take = (isWhole: boolean): Line & { isWhole: boolean } => {
    const line = length > longestBytes ? { tooLong: length } : { text: Buffer.concat(kept).toString('utf8') };
    kept = [];
    length = 0;
    return { ...line, isWhole };
  };
  const add = (part: Buffer): void => {
    length += part.length;
    if (length <= longestBytes) kept.push(part);
    else kept = [];
  };
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      add(chunk.subarray(from, at));
      yield take(true);
      from = at + 1;
    }
    if (from < chunk.length) add(chunk.subarray(from));
  }
  if (length > 0) yield take(false);
};

/** What a line of a records file is: a record; something wrong with one; or what k6 or a script said beside them. */
export type Read = { line: number } & (
  { record: DetailRecord } | { problem: string; isLast: boolean } | { other: string }
);

/** What a whole or the last line of a file of records is; undefined of an empty one. */
const readLine = (line: number, { isWhole, ...content }: Line & { isWhole: boolean }): Read | undefined => {
  if ('tooLong' in content) {
    return {
      line,
      problem: `expected at most ${longestBytes} bytes, received ${content.tooLong}`,
      isLast: !isWhole,
    };
  }
  const text = withoutMark(content.text).replace(/\r$/, '');
  if (text === '') return undefined;
  // k6 writes what it has to say beside the records.
  if (!text.startsWith('{')) return { line, other: text };
  try {
    const record = parseRecord(text);
    if (record.type !== 'run') return { line, record };
    return {
      line,
      problem: 'expected a session, finding, memory or stop record, received a run record',
      isLast: false,
    };
  } catch (error) {
    if (!(error instanceof RecordProblem)) throw error;
    return { line, problem: error.message, isLast: !isWhole };
  }
};

/** The records of a file in its order, one at a time, so that the memory it takes does not grow with the file. */
export const readRecords = async function* (file: string): AsyncGenerator<Read> {
  let number = 0;
  for await (const line of linesOf(file)) {
    const read = readLine(++number, line);
    if (read !== undefined) yield read;
  }
};

/** Reads a file of records while it grows. */
export interface RecordFollower {
  /**
   * Passes on what the file has gained since the last call, whole lines only, for at most about so long; returns whether there is
   * more. A file that is not there yet has nothing.
   */
  read: (take: (read: Read) => void, budgetMs: number) => Promise<boolean>;
}

const chunkBytes = 2 ** 18;

/** Follows a file of records that k6 writes. */
export const followRecords = (file: string): RecordFollower => {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  let offset = 0;
  let number = 0;
  let begun: Buffer[] = [];
  let begunBytes = 0;
  const keep = (part: Buffer): void => {
    begunBytes += part.length;
    if (begunBytes <= longestBytes) begun.push(Buffer.from(part));
    else begun = [];
  };
  const whole = (): Line & { isWhole: boolean } => {
    const line = begunBytes > longestBytes ? { tooLong: begunBytes } : { text: Buffer.concat(begun).toString('utf8') };
    begun = [];
    begunBytes = 0;
    return { ...line, isWhole: true };
  };
  return {
    read: async (take, budgetMs) => {
      const handle = await open(file).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw error;
      });
      if (handle === undefined) return false;
      const endsAtMs = performance.now() + budgetMs;
      try {
        for (;;) {
          const { bytesRead } = await handle.read(buffer, 0, chunkBytes, offset);
          if (bytesRead === 0) return false;
          offset += bytesRead;
          const chunk = buffer.subarray(0, bytesRead);
          let from = 0;
          for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
            keep(chunk.subarray(from, at));
            from = at + 1;
            const read = readLine(++number, whole());
            if (read !== undefined) take(read);
          }
          if (from < chunk.length) keep(chunk.subarray(from));
          if (performance.now() > endsAtMs) return true;
        }
      } finally {
        await handle.close();
      }
    },
  };
};

import { createReadStream } from 'node:fs';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';
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

/** The records of a file in its order, one at a time, so that the memory it takes does not grow with the file. */
export const readRecords = async function* (file: string): AsyncGenerator<Read> {
  let number = 0;
  for await (const line of linesOf(file)) {
    number++;
    if ('tooLong' in line) {
      yield {
        line: number,
        problem: `expected at most ${longestBytes} bytes, received ${line.tooLong}`,
        isLast: !line.isWhole,
      };
      continue;
    }
    const text = withoutMark(line.text).replace(/\r$/, '');
    if (text === '') continue;
    // k6 writes what it has to say beside the records.
    if (!text.startsWith('{')) {
      yield { line: number, other: text };
      continue;
    }
    try {
      const record = parseRecord(text);
      if (record.type === 'run')
        yield {
          line: number,
          problem: 'expected a session, finding, memory or stop record, received a run record',
          isLast: false,
        };
      else yield { line: number, record };
    } catch (error) {
      if (!(error instanceof RecordProblem)) throw error;
      yield { line: number, problem: error.message, isLast: !line.isWhole };
    }
  }
};

export type StreamName = 'stdout' | 'stderr';

/** The most bytes of output in one message; a longer line is sent in chunks. */
export const chunkBytes = 65_536;

const newline = 0x0a;

/** Whole lines of one stream; `at` is the index in `text` of the next line to send. */
interface Lines {
  stream: StreamName;
  text: string;
  at: number;
}

/** A line over 64 KiB; `cuts` are the ends of its chunks and `index` is the next chunk to send. */
interface LongLine {
  stream: StreamName;
  bytes: Buffer;
  cuts: number[];
  index: number;
  /** The line was too long to buffer and goes on in the next piece. */
  goesOn: boolean;
}

/** The receiver of output, one message a line. */
export interface OutputSink {
  /** Whether the receiver is too far behind to accept more. */
  readonly full: boolean;
  /** Sends at least one line of `text` from index `at` on, and returns the index of the next line to send. */
  lines(stream: StreamName, text: string, at: number): number;
  chunk(stream: StreamName, data: string, index: number, total: number, goesOn: boolean): void;
}

/**
 * Turns the bytes that a process wrote into lines for the receiver, in order. It holds at most one read and one unfinished
 * line of each stream, provided that nobody pushes more while `hasBacklog` is true.
 */
export class OutputQueue {
  private readonly maxLineBytes: number;
  private readonly queue: (Lines | LongLine)[] = [];
  private readonly unfinished: Record<StreamName, GrowingBuffer>;

  constructor(maxLineBytes: number) {
    this.maxLineBytes = maxLineBytes;
    this.unfinished = { stdout: new GrowingBuffer(maxLineBytes), stderr: new GrowingBuffer(maxLineBytes) };
  }

  get hasBacklog(): boolean {
    return this.queue.length > 0;
  }

  push(stream: StreamName, bytes: Buffer): void {
    let rest = bytes;
    const unfinished = this.unfinished[stream];
    if (unfinished.length > 0) {
      const end = rest.indexOf(newline) + 1;
      if (end === 0) return this.keep(stream, rest);
      this.keep(stream, rest.subarray(0, end));
      this.flush(stream, false);
      rest = rest.subarray(end);
    }
    const end = rest.lastIndexOf(newline) + 1;
    if (end > 0) this.add(stream, rest.subarray(0, end), false);
    if (end < rest.length) this.keep(stream, rest.subarray(end));
  }

  /** Ends a stream: queues its last line as it is if it has no newline. */
  end(stream: StreamName): void {
    if (this.unfinished[stream].length > 0) this.flush(stream, false);
  }

  /** Sends the backlog until it is empty or the sink is full. */
  drainInto(sink: OutputSink): void {
    for (let next = this.queue[0]; next !== undefined && !sink.full; next = this.queue[0]) {
      if (sendSome(next, sink)) this.queue.shift();
    }
  }

  private keep(stream: StreamName, bytes: Buffer): void {
    const unfinished = this.unfinished[stream];
    let rest = bytes;
    // A line too long to buffer is sent in several pieces, each but the last marked as going on: nothing is lost.
    while (unfinished.length + rest.length > this.maxLineBytes) {
      const room = this.maxLineBytes - unfinished.length;
      unfinished.append(rest.subarray(0, room));
      rest = rest.subarray(room);
      this.flush(stream, true);
    }
    unfinished.append(rest);
  }

  private flush(stream: StreamName, goesOn: boolean): void {
    const unfinished = this.unfinished[stream];
    const bytes = unfinished.take();
    const end = goesOn ? characterEnd(bytes, bytes.length) : bytes.length;
    unfinished.append(bytes.subarray(end));
    this.add(stream, bytes.subarray(0, end), goesOn);
  }

  private add(stream: StreamName, bytes: Buffer, goesOn: boolean): void {
    // One read has at most 64 KiB, so only a line from several reads can be longer.
    if (bytes.length > chunkBytes || goesOn) {
      this.queue.push({ stream, bytes, cuts: cutsOf(bytes), index: 0, goesOn });
    } else {
      this.queue.push({ stream, text: bytes.toString('utf8'), at: 0 });
    }
  }
}

/** A buffer to append to; it takes at most twice the memory of its contents, however small the parts, and never over its limit. */
class GrowingBuffer {
  length = 0;
  private readonly maxBytes: number;
  private bytes = Buffer.alloc(0);

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  append(part: Buffer): void {
    const length = this.length + part.length;
    if (length > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.max(length, Math.min(this.maxBytes, Math.max(1024, this.bytes.length * 2))),
      );
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    part.copy(this.bytes, this.length);
    this.length = length;
  }

  /** Returns its contents and empties it. */
  take(): Buffer {
    const bytes = this.bytes.subarray(0, this.length);
    this.bytes = Buffer.alloc(0);
    this.length = 0;
    return bytes;
  }
}

/** Sends a part of `next`; returns whether that was the last. */
const sendSome = (next: Lines | LongLine, sink: OutputSink): boolean => {
  if ('text' in next) {
    next.at = sink.lines(next.stream, next.text, next.at);
    return next.at >= next.text.length;
  }
  const { stream, bytes, cuts, index, goesOn } = next;
  const data = bytes.toString('utf8', index === 0 ? 0 : cuts[index - 1], cuts[index]);
  next.index += 1;
  sink.chunk(stream, data, index, cuts.length, goesOn || next.index < cuts.length);
  return next.index === cuts.length;
};

/** The ends of the chunks of a long line: each has at most 64 KiB and splits no character. */
const cutsOf = (bytes: Buffer): number[] => {
  const cuts: number[] = [];
  let start = 0;
  while (bytes.length - start > chunkBytes) {
    const end = characterEnd(bytes, start + chunkBytes);
    cuts.push(end);
    start = end;
  }
  cuts.push(bytes.length);
  return cuts;
};

/** The last index up to `end` that is not inside a UTF-8 character; `end` itself if the bytes are not UTF-8. */
const characterEnd = (bytes: Buffer, end: number): number => {
  for (let back = 1; back <= 3 && back < end; back += 1) {
    const byte = bytes[end - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? end - back : end;
  }
  return end;
};

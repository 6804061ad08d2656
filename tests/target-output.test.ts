import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeLines } from '../reference-target/frames.ts';
import { chunkBytes, OutputQueue, type OutputSink, type StreamName } from '../reference-target/output.ts';

interface Piece {
  stream: StreamName;
  data: string;
  index: number | undefined;
  total: number | undefined;
  goesOn: boolean;
}

/** A sink that keeps all it receives, and is full once it has received as much as it has room for. */
class Collector implements OutputSink {
  readonly pieces: Piece[] = [];
  room = Infinity;

  get full(): boolean {
    return this.pieces.length >= this.room;
  }

  lines(stream: StreamName, text: string, at: number): number {
    const end = text.indexOf('\n', at) + 1 || text.length;
    this.pieces.push({ stream, data: text.slice(at, end), index: undefined, total: undefined, goesOn: false });
    return end;
  }

  chunk(stream: StreamName, data: string, index: number, total: number, goesOn: boolean): void {
    this.pieces.push({ stream, data, index, total, goesOn });
  }
}

/** Cuts bytes into parts of the given lengths, repeatedly. */
const cut = (bytes: Buffer, lengths: readonly number[]): Buffer[] => {
  const parts: Buffer[] = [];
  for (let at = 0, next = 0; at < bytes.length; next += 1) {
    const length = lengths[next % lengths.length] ?? bytes.length;
    parts.push(bytes.subarray(at, at + length));
    at += length;
  }
  return parts;
};

const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

const outputOf = (parts: readonly Buffer[], maxLineBytes = 1_000_000): Piece[] => {
  const queue = new OutputQueue(maxLineBytes);
  const collector = new Collector();
  for (const part of parts) {
    queue.push('stdout', part);
    queue.drainInto(collector);
  }
  queue.end('stdout');
  queue.drainInto(collector);
  assert.equal(queue.hasBacklog, false);
  return collector.pieces;
};

const text = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '\n', '\r', '"', '\0', '\\'), maxLength: 60 });
const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

void test('lines are whole, however the bytes were cut', () => {
  fc.assert(
    fc.property(text, lengths, (output, cuts) => {
      const pieces = outputOf(cut(Buffer.from(output), cuts));
      assert.deepEqual(
        pieces.map(({ data }) => data),
        linesOf(output),
      );
    }),
  );
});

void test('bytes that are not UTF-8 lose no line and change no other', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 6 }), { maxLength: 6 }), lengths, (rows, cuts) => {
      const rowBytes = rows.map((row) => Buffer.from([...row.filter((byte) => byte !== 10), 10]));
      const pieces = outputOf(cut(Buffer.concat(rowBytes), cuts));
      assert.deepEqual(
        pieces.map(({ data }) => data),
        rowBytes.map((row) => row.toString('utf8')),
      );
    }),
  );
});

void test('a full sink receives nothing more, and later the rest in order', () => {
  fc.assert(
    fc.property(text, lengths, fc.integer({ min: 0, max: 5 }), (output, cuts, room) => {
      const queue = new OutputQueue(1_000_000);
      const collector = new Collector();
      collector.room = room;
      for (const part of cut(Buffer.from(output), cuts)) queue.push('stdout', part);
      queue.end('stdout');
      queue.drainInto(collector);
      assert.equal(collector.pieces.length, Math.min(room, linesOf(output).length));
      assert.equal(queue.hasBacklog, linesOf(output).length > room);
      collector.room = Infinity;
      queue.drainInto(collector);
      assert.equal(collector.pieces.map(({ data }) => data).join(''), output);
    }),
  );
});

void test('stdout and stderr are not mixed', () => {
  const queue = new OutputQueue(1_000_000);
  const collector = new Collector();
  queue.push('stdout', Buffer.from('on'));
  queue.push('stderr', Buffer.from('err'));
  queue.push('stdout', Buffer.from('e\ntwo'));
  queue.end('stderr');
  queue.end('stdout');
  queue.drainInto(collector);
  assert.deepEqual(
    collector.pieces.map(({ stream, data }) => [stream, data]),
    [
      ['stdout', 'one\n'],
      ['stderr', 'err'],
      ['stdout', 'two'],
    ],
  );
});

for (const [bytes, chunks] of [
  [chunkBytes - 1, 0],
  [chunkBytes, 0],
  [chunkBytes + 1, 2],
  [2 * chunkBytes, 2],
  [2 * chunkBytes + 1, 3],
] as const) {
  void test(`a line of ${bytes} bytes, its newline counted, comes in ${chunks === 0 ? 'one message' : `${chunks} chunks`}`, () => {
    const line = `${'x'.repeat(bytes - 1)}\n`;
    const pieces = outputOf([...cut(Buffer.from(`before\n${line}after\n`), [50_000])]);
    const chunked = pieces.slice(1, -1);
    assert.equal(chunked.map(({ data }) => data).join(''), line);
    assert.equal(chunked.length, Math.max(1, chunks));
    if (chunks > 0) {
      assert.deepEqual(
        chunked.map(({ index, total, goesOn }) => [index, total, goesOn]),
        chunked.map((_, index) => [index, chunks, index < chunks - 1]),
      );
    }
    assert.deepEqual([pieces[0]?.data, pieces.at(-1)?.data], ['before\n', 'after\n']);
  });
}

void test('no chunk is longer than 64 KiB or ends inside a character', () => {
  for (const character of ['é', '€', '😀']) {
    for (let shift = 0; shift < 4; shift += 1) {
      const line = `${'x'.repeat(shift)}${character.repeat(chunkBytes)}\n`;
      const pieces = outputOf(cut(Buffer.from(line), [65_536]));
      assert.equal(pieces.map(({ data }) => data).join(''), line);
      for (const { data } of pieces) assert.ok(Buffer.byteLength(data) <= chunkBytes);
    }
  }
});

void test('a line over the limit loses nothing, and all its pieces but the last are marked as going on', () => {
  const maxLineBytes = 3 * chunkBytes;
  for (const [line, step] of [
    [`${'€'.repeat(200_000)}\n`, 65_536],
    [`${'x'.repeat(2 * maxLineBytes - 1)}\n`, 65_536],
    [`${'x'.repeat(2 * maxLineBytes)}\n`, 1_000],
    ['😀'.repeat(100_000), 7_777],
  ] as const) {
    const pieces = outputOf(cut(Buffer.from(line), [step]), maxLineBytes);
    assert.equal(pieces.map(({ data }) => data).join(''), line);
    assert.deepEqual(
      pieces.map(({ goesOn }) => goesOn),
      pieces.map((_, index) => index < pieces.length - 1),
    );
  }
});

/** Reads the text frames of a server (RFC 6455 §5.2). */
const messagesOf = (frames: Buffer): string[] => {
  const messages: string[] = [];
  for (let at = 0; at < frames.length;) {
    assert.equal(frames[at], 0x81, 'a final text frame');
    const short = frames.readUInt8(at + 1);
    assert.ok(short < 128, 'no mask');
    const headerBytes = short === 127 ? 10 : short === 126 ? 4 : 2;
    const length =
      short === 127 ? Number(frames.readBigUInt64BE(at + 2)) : short === 126 ? frames.readUInt16BE(at + 2) : short;
    // §5.2 requires the shortest form of the length.
    assert.ok(short !== 127 || length > 65_535);
    assert.ok(short !== 126 || length > 125);
    messages.push(frames.toString('utf8', at + headerBytes, at + headerBytes + length));
    at += headerBytes + length;
  }
  return messages;
};

void test('lines are encoded as the messages of the protocol, one frame each', () => {
  const parts = fc.oneof(
    { weight: 9, arbitrary: text },
    { weight: 1, arbitrary: fc.constantFrom('x'.repeat(21_000), '\u0001'.repeat(64_000), '€'.repeat(21_800)) },
  );
  fc.assert(
    fc.property(fc.constantFrom('stdout', 'stderr'), fc.array(parts, { minLength: 1, maxLength: 8 }), (type, all) => {
      const output = `${all.join('')}.`;
      const messages: string[] = [];
      for (let at = 0; at < output.length;) {
        const { frames, lines, next } = encodeLines(type, output, at);
        const some = messagesOf(frames);
        assert.equal(some.length, lines);
        messages.push(...some);
        at = next;
      }
      assert.deepEqual(
        messages,
        linesOf(output).map((data) =>
          JSON.stringify({
            jsonrpc: '2.0',
            method: 'process.output',
            params: { type, data, truncated: false, chunk_index: null, total_chunks: null },
          }),
        ),
      );
    }),
  );
});

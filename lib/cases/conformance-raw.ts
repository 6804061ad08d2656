import type { Incoming } from '../jsonrpc/messages.ts';
import type { Finding } from './case.ts';
import {
  anyError,
  batch,
  bytesOf,
  caseId,
  codes,
  describeReplies,
  error,
  expectedWords,
  silence,
  unknownMethod,
  type Answer,
} from './conformance-judging.ts';

/** A frame that came from the service (RFC 6455 §5.2). */
export interface SeenFrame {
  opcode: number;
  reserved: number;
  masked: boolean;
  payload: Uint8Array;
}

/** What came after the bytes of a case were written. */
export interface Seen {
  frames: readonly SeenFrame[];
  /** The text messages among them, as they came. */
  texts: readonly string[];
  /** The same read, but notifications and the answer to the request that followed. */
  replies: readonly Incoming[];
  /** Whether a request that followed was answered; in a new session where the case ends its own. */
  answered: boolean;
  /** The code of the service's close frame: 1005 where it has none (RFC 6455 §7.4.1), undefined where no frame came. */
  closeCode?: number | undefined;
  /** How the service ended the TCP connection, where it did. */
  ended?: 'closed' | 'reset' | undefined;
}

/** What came to an opening handshake. */
export interface SeenHandshake {
  /** Undefined where no answer came. */
  status?: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Whether `Sec-WebSocket-Accept` is what the key asks for (RFC 6455 §4.2.2). */
  accepted: boolean;
  ended?: 'closed' | 'reset' | undefined;
}

interface Question {
  name: string;
  section: string;
  expected: string;
  /** k6 cannot send it. */
  sender: 'node';
}

type Bytes = () => Iterable<Uint8Array>;

/** Bytes to write into an open session. */
export interface FrameCase extends Question {
  /** Written one after the other. */
  bytes: Bytes;
  /**
   * What the service must do: fail the connection, take a message or refuse it, answer a request that follows, close, or
   * give a new session once the client has dropped this one.
   */
  must: 'fail' | 'take' | 'live' | 'close' | 'survive';
  judge: (seen: Seen) => Finding;
}

/** What is other than it should be about an opening handshake. */
export interface HandshakeChanges {
  /** In place of GET. */
  method?: string;
  /** In place of the endpoint's. */
  path?: string;
  /** Header fields to change; undefined leaves one out. */
  headers?: Readonly<Record<string, string | undefined>>;
}

/** An opening handshake, as it should be or not. */
export interface HandshakeCase extends Question {
  changes: HandshakeChanges;
  judge: (seen: SeenHandshake) => Finding;
}

/** A case that needs bytes of its own. */
export type RawCase = FrameCase | HandshakeCase;

const opcodes = { continuation: 0x0, text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const;

// Any key will do (§5.3): one that changes no bytes would hide a service that forgets to unmask.
const mask: readonly number[] = [0x37, 0xfa, 0x21, 0x3d];

/** A client's frame (RFC 6455 §5.2). */
export const frame = (
  opcode: number,
  payload: Uint8Array,
  { final = true, reserved = 0, masked = true } = {},
): Uint8Array => {
  const { length } = payload;
  const long = length > 125 ? [length >> 8, length & 0xff] : [];
  const head = [(final ? 0x80 : 0) | (reserved << 4) | opcode, (masked ? 0x80 : 0) | (length > 125 ? 126 : length)];
  const start = Uint8Array.from([...head, ...long, ...(masked ? mask : [])]);
  const bytes = new Uint8Array(start.length + length);
  bytes.set(start);
  bytes.set(masked ? payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)) : payload, start.length);
  return bytes;
};

/** Fragments of a text message (§5.4). */
const fragments = function* (payload: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < payload.length; at += length) {
    const final = at + length >= payload.length;
    yield frame(at === 0 ? opcodes.text : opcodes.continuation, payload.subarray(at, at + length), { final });
  }
};

/** A request as text, for a method that no service has. */
export const requestText = (id: string): string => `{"jsonrpc":"2.0","method":"${unknownMethod}","id":"${id}"}`;

const request = (): Uint8Array => bytesOf(requestText(caseId));
const pingPayload = bytesOf('ws-stress');

const isPong = (payload: Uint8Array) => (seen: SeenFrame) =>
  seen.opcode === opcodes.pong && seen.payload.join() === payload.join();

const how = (ended: 'closed' | 'reset'): string =>
  `the connection ${ended === 'reset' ? 'was reset' : 'ended'} without`;

/** How the connection fared, in words. */
const describeEnd = ({ closeCode, ended, answered }: Seen): string => {
  if (closeCode !== undefined) return `close ${closeCode}`;
  if (ended !== undefined) return `${how(ended)} a close frame`;
  return answered ? 'the session went on' : 'no answer any more';
};

/** A service that must fail the connection (§7.1.7): it should say so by a close frame, and must not go on. */
export const evaluateFailed = (seen: Seen, closes: readonly number[]): Finding => {
  const received = describeEnd(seen);
  if (seen.closeCode !== undefined) {
    return { kind: closes.includes(seen.closeCode) ? 'conforming' : 'deviating', received };
  }
  // The client was at fault: the connection had to end, if not like this.
  return { kind: seen.ended !== undefined || seen.answered ? 'deviating' : 'breaking', received };
};

/** A service that must go on; `problem` tells what is wrong with what it sent, if anything. */
export const evaluateLives = (seen: Seen, problem: (seen: Seen) => string | undefined): Finding => {
  if (!seen.answered)
    return { kind: seen.closeCode === undefined ? 'breaking' : 'deviating', received: describeEnd(seen) };
  const wrong = problem(seen);
  return wrong === undefined ? { kind: 'conforming', received: 'as expected' } : { kind: 'deviating', received: wrong };
};

/** A service that was asked to close: it must answer by a close frame (§5.5.1) and end the connection (§7.1.1). */
export const evaluateClosed = (seen: Seen, closes: readonly number[]): Finding => {
  const { closeCode, ended } = seen;
  if (closeCode === undefined)
    return { kind: ended === undefined ? 'breaking' : 'deviating', received: describeEnd(seen) };
  const isFine = closes.includes(closeCode) && ended !== undefined;
  const left = ended === undefined ? ', but the connection was left open' : '';
  return { kind: isFine ? 'conforming' : 'deviating', received: `close ${closeCode}${left}` };
};

/** A service whose client vanished: a new session must work. */
export const evaluateSurvived = ({ answered }: Seen): Finding =>
  answered
    ? { kind: 'conforming', received: 'a new session works' }
    : { kind: 'breaking', received: 'a new session does not work' };

/** An answer to an opening handshake: refused by HTTP, with what `isFine` asks for. */
export const evaluateRefused = (
  seen: SeenHandshake,
  isFine: (seen: SeenHandshake) => boolean = () => true,
): Finding => {
  const { status, ended } = seen;
  if (status === undefined) {
    if (ended === undefined) return { kind: 'breaking', received: 'no answer' };
    return { kind: 'deviating', received: `${how(ended)} an answer` };
  }
  const version = seen.headers['sec-websocket-version'];
  const told = version === undefined ? '' : ` with Sec-WebSocket-Version: ${version}`;
  const isRefusal = status >= 400 && status < 500;
  return { kind: isRefusal && isFine(seen) ? 'conforming' : 'deviating', received: `status ${status}${told}` };
};

const words = (closes: readonly number[]): string => closes.map((code) => `close ${code}`).join(' or ');

const frameCase = (
  name: string,
  section: string,
  expected: string,
  must: FrameCase['must'],
  bytes: Bytes,
  judge: FrameCase['judge'],
): FrameCase => ({ name, section: `RFC 6455 §${section}`, expected, sender: 'node', bytes, must, judge });

const fails = (name: string, section: string, closes: readonly number[], bytes: Bytes): FrameCase =>
  frameCase(name, section, words(closes), 'fail', bytes, (seen) => evaluateFailed(seen, closes));

type Problem = (seen: Seen) => string | undefined;

const lives = (name: string, section: string, expected: string, bytes: Bytes, problem: Problem): FrameCase =>
  frameCase(name, section, expected, 'live', bytes, (seen) => evaluateLives(seen, problem));

const drops = (name: string, section: string, bytes: Bytes): FrameCase =>
  frameCase(name, section, 'a new session works', 'survive', bytes, evaluateSurvived);

const closes = (name: string, codes: readonly number[], payload: string): FrameCase =>
  frameCase(
    name,
    '5.5.1',
    `${words(codes)}, and the connection ended`,
    'close',
    () => [frame(opcodes.close, bytesOf(payload))],
    (seen) => evaluateClosed(seen, codes),
  );

const answer = error(codes.methodNotFound, caseId);

/** What came where none of these answers did. */
const otherThan =
  (...accepts: readonly Answer[]): Problem =>
  ({ replies }) =>
    accepts.some(({ fits }) => fits(replies)) ? undefined : describeReplies(replies);

const noPong =
  (payload: Uint8Array): Problem =>
  ({ frames }) => {
    if (frames.some(isPong(payload))) return undefined;
    return frames.some(({ opcode }) => opcode === opcodes.pong) ? 'a pong with another payload' : 'no pong';
  };

const wrongFrames = (): FrameCase[] => {
  const { continuation, text, close, ping } = opcodes;
  const oneByte = bytesOf('{');
  return [
    fails('invalid-utf8', '8.1', [1007], () => [frame(text, bytesOf('{"method":"\u00ff\u00fe"}'))]),
    fails('unmasked-frame', '5.1', [1002], () => [frame(text, request(), { masked: false })]),
    fails('reserved-bits', '5.2', [1002], () => [frame(text, request(), { reserved: 0b100 })]),
    fails('reserved-opcode', '5.2', [1002], () => [frame(0x3, request())]),
    fails('reserved-control-opcode', '5.2', [1002], () => [frame(0xb, oneByte)]),
    fails('ping-in-fragments', '5.5', [1002], () => [frame(ping, oneByte, { final: false })]),
    fails('ping-over-125-bytes', '5.5', [1002], () => [frame(ping, new Uint8Array(126))]),
    fails('continuation-without-start', '5.4', [1002], () => [frame(continuation, request())]),
    fails('text-within-fragments', '5.4', [1002], () => [
      frame(text, oneByte, { final: false }),
      frame(text, request()),
    ]),
    // The topmost bit of a 64-bit length must be 0.
    fails('length-of-2-to-63', '5.2', [1002, 1009], () => [
      Uint8Array.from([0x80 | text, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, ...mask]),
    ]),
    fails('close-with-one-byte', '5.5.1', [1002], () => [frame(close, oneByte)]),
    fails('close-with-reserved-code', '7.4.1', [1002], () => [frame(close, Uint8Array.from([0x03, 0xed]))]),
    fails('close-with-invalid-utf8', '5.5.1', [1007], () => [frame(close, Uint8Array.from([0x03, 0xe8, 0xff]))]),
  ];
};

/** A session tells of an array only that it came; here it is looked into. */
const wholeBatch = (): FrameCase => {
  const refused = error(codes.invalidRequest, null);
  const ids = ['a', 'b', 'c'];
  const text = `[${ids.map(requestText).join(',')},{"jsonrpc":"2.0","method":"${unknownMethod}"}]`;
  const expected = `an array that answers each of ${ids.length} requests, but no notification; or ${refused.words}`;
  return {
    ...lives('batch-in-full', '', expected, () => [textFrame(text)], otherThan(batch(...ids), refused)),
    section: 'JSON-RPC 2.0 §6',
  };
};

const soundFrames = (): FrameCase[] => {
  const unanswered = otherThan(answer);
  const { text, ping, pong } = opcodes;
  const pingBetween: Bytes = () => {
    const [first, ...rest] = fragments(request(), 40);
    return [...(first ? [first] : []), frame(ping, pingPayload), ...rest];
  };
  const eachByte: Bytes = () => Array.from(frame(text, request()), (byte) => Uint8Array.of(byte));
  const echoed = 'a pong with the same payload';
  const unmasked = 'no masked frame, no reserved bit';
  return [
    wholeBatch(),
    lives(
      'fragments-with-ping-between',
      '5.4',
      `${answer.words}, and a pong`,
      pingBetween,
      (seen) => unanswered(seen) ?? noPong(pingPayload)(seen),
    ),
    lives('fragments-of-one-byte', '5.4', answer.words, () => fragments(request(), 1), unanswered),
    lives('bytes-one-by-one', '5.2', answer.words, eachByte, unanswered),
    lives('ping-with-payload', '5.5.3', echoed, () => [frame(ping, pingPayload)], noPong(pingPayload)),
    lives('pong-unasked', '5.5.3', 'no reaction', () => [frame(pong, pingPayload)], otherThan(silence)),
    lives(
      'frames-of-the-service',
      '5.1',
      unmasked,
      () => [frame(text, request())],
      ({ frames }) => {
        if (frames.some(({ masked }) => masked)) return 'a masked frame';
        return frames.some(({ reserved }) => reserved !== 0) ? 'a frame with a reserved bit' : undefined;
      },
    ),
    closes('close-answered', [1000], '\u0003\u00e8'),
    closes('close-without-code', [1000, 1005], ''),
  ];
};

/**
 * A long message over a connection that reads while it writes: ws loses the close frame of a service that refuses the rest. It
 * has the name of the same question asked over a session, in whose place it is asked.
 */
const long = (name: string, length: number): FrameCase => {
  const accepts = [anyError(caseId, null)];
  const bytes: Bytes = () => {
    const text = `{"jsonrpc":"2.0","method":"${unknownMethod}","params":{"padding":"${'x'.repeat(length)}"},"id":"${caseId}"}`;
    return fragments(bytesOf(text), 65_535);
  };
  return frameCase(name, '7.4.1', expectedWords(accepts, [1009]), 'take', bytes, (seen) =>
    seen.closeCode === 1009
      ? { kind: 'conforming', received: describeEnd(seen) }
      : evaluateLives(seen, otherThan(...accepts)),
  );
};

const vanishing = (): FrameCase[] => [
  drops('half-a-frame-then-drop', '7.2.1', () => [frame(opcodes.text, request()).subarray(0, 20)]),
  drops('half-a-message-then-drop', '7.2.1', () => [frame(opcodes.text, request(), { final: false })]),
  // 2 to the 40 bytes announced, none sent.
  drops('giant-frame-then-drop', '10.4', () => [
    Uint8Array.from([0x80 | opcodes.text, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, ...mask]),
  ]),
];

const handshake = (
  name: string,
  section: string,
  expected: string,
  changes: HandshakeChanges,
  judge: HandshakeCase['judge'] = (seen) => evaluateRefused(seen),
): HandshakeCase => ({ name, section: `RFC 6455 §${section}`, expected, sender: 'node', changes, judge });

const evaluateHandshake = ({ status, accepted, ended }: SeenHandshake): Finding => {
  if (status === 101 && accepted) return { kind: 'conforming', received: 'as expected' };
  if (status === 101) return { kind: 'deviating', received: 'another Sec-WebSocket-Accept' };
  if (status !== undefined) return { kind: 'breaking', received: `status ${status}` };
  return { kind: 'breaking', received: ended === undefined ? 'no answer' : 'the connection ended without an answer' };
};

const namesVersion = ({ headers }: SeenHandshake): boolean => /\b13\b/.test(headers['sec-websocket-version'] ?? '');

const handshakes = (): HandshakeCase[] => {
  const otherVersion = { 'Sec-WebSocket-Version': '99' };
  const byPost = { method: 'POST', headers: { 'Content-Length': '0' } };
  const elsewhere = { path: '/ws-stress/nothing-here' };
  return [
    handshake('handshake', '4.2.2', 'status 101 and the right Sec-WebSocket-Accept', {}, evaluateHandshake),
    handshake('handshake-without-key', '4.2.1', 'status 400, or another of 4xx', {
      headers: { 'Sec-WebSocket-Key': undefined },
    }),
    handshake(
      'handshake-of-another-version',
      '4.4',
      'status 426 or 400, with Sec-WebSocket-Version: 13',
      { headers: otherVersion },
      (seen) => evaluateRefused(seen, namesVersion),
    ),
    handshake('handshake-by-post', '4.1', 'status 405, or another of 4xx', byPost),
    handshake('handshake-at-another-path', '4.2.2', 'status 404, or another of 4xx', elsewhere),
  ];
};

/** RFC 6455 itself, and what k6 cannot send. */
export const rawConformanceCases = (): readonly RawCase[] => [
  ...handshakes(),
  ...soundFrames(),
  ...wrongFrames(),
  long('message-over-1-mib', 1_048_576 + 1024),
  long('message-over-16-mib', 16 * 1_048_576 + 1024),
  ...vanishing(),
];

/** A client's text frame, and its close frame. */
export const textFrame = (text: string): Uint8Array => frame(opcodes.text, bytesOf(text));
export const closeFrame = (code: number): Uint8Array =>
  frame(opcodes.close, code === 1005 ? new Uint8Array() : Uint8Array.of(code >> 8, code & 0xff));

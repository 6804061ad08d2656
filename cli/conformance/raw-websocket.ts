import { createHash, randomBytes } from 'node:crypto';
import type { HandshakeChanges, SeenFrame, SeenHandshake } from '../../lib/cases/conformance-raw.ts';
import { codeOf } from '../../lib/text/errors.ts';
import { connectTo, type Connection } from '../shared/node-connect.ts';

/** A WebSocket connection of which every byte is the caller's. */
export interface RawWebSocket {
  readonly handshake: SeenHandshake;
  /** The frames that came so far. */
  readonly frames: readonly SeenFrame[];
  /** The text messages among them, put together of their fragments. */
  readonly texts: readonly string[];
  /** How the service ended the connection, where it did. */
  readonly ended: 'closed' | 'reset' | undefined;
  /** Writes, and resolves once the system has the bytes and what came meanwhile has been read. */
  write: (bytes: Uint8Array) => Promise<void>;
  /** Waits until something holds, at most so many milliseconds; whether it does. */
  until: (holds: () => boolean, ms: number) => Promise<boolean>;
  /** Drops the connection. */
  drop: () => void;
}

/** RFC 6455 §1.3. */
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const headEnd = '\r\n\r\n';

const requestHead = (url: URL, headers: Readonly<Record<string, string>>, key: string, changes: HandshakeChanges) => {
  const own = { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': key, 'Sec-WebSocket-Version': '13' };
  const fields = new Map<string, string>();
  for (const [name, value] of Object.entries({ Host: url.host, ...own, ...headers, ...changes.headers })) {
    // Names are the same in any case (RFC 9110 §5.1): the last one counts.
    if (value === undefined) fields.delete(name.toLowerCase());
    else fields.set(name.toLowerCase(), `${name}: ${value}`);
  }
  const target = changes.path ?? `${url.pathname}${url.search}`;
  return `${[`${changes.method ?? 'GET'} ${target} HTTP/1.1`, ...fields.values()].join('\r\n')}${headEnd}`;
};

const readHead = (head: string, key: string): Omit<SeenHandshake, 'ended'> => {
  const [statusLine = '', ...lines] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1]);
  const fields = lines.map((line) => /^([^:]+):[ \t]*(.*?)[ \t]*$/.exec(line));
  const headers = Object.fromEntries(fields.flatMap((field) => (field ? [[field[1]?.toLowerCase(), field[2]]] : [])));
  const accept = createHash('sha1').update(`${key}${acceptSuffix}`).digest('base64');
  return { ...(!Number.isNaN(status) && { status }), headers, accepted: headers['sec-websocket-accept'] === accept };
};

interface Parsed {
  frame: SeenFrame & { final: boolean };
  rest: Buffer;
}

/** The first frame in some bytes (RFC 6455 §5.2); undefined where it is not all there. */
const parseFrame = (bytes: Buffer): Parsed | undefined => {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return undefined;
  const short = second & 0x7f;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const masked = (second & 0x80) !== 0;
  const start = 2 + lengthBytes + (masked ? 4 : 0);
  if (bytes.length < start) return undefined;
  const length = lengthBytes === 0 ? short : Number(`0x${bytes.toString('hex', 2, 2 + lengthBytes)}`);
  if (bytes.length < start + length) return undefined;
  const payload = bytes.subarray(start, start + length);
  const frame = { opcode: first & 0x0f, reserved: (first >> 4) & 0b111, final: (first & 0x80) !== 0, masked, payload };
  return { frame, rest: bytes.subarray(start + length) };
};

/**
 * Opens a connection and sends an opening handshake. Rejects where there is no TCP connection to be had; whatever the
 * service answers, or that it answers nothing within the time, is for the caller to judge.
 */
export const openRawWebSocket = async (
  service: Connection,
  timeoutMs: number,
  changes: HandshakeChanges,
): Promise<RawWebSocket> => {
  const url = new URL(service.url);
  const key = randomBytes(16).toString('base64');
  const socket = (await connectTo(service, timeoutMs)).setNoDelay(true);
  const frames: SeenFrame[] = [];
  const texts: string[] = [];
  const watchers = new Set<() => void>();
  let ended: RawWebSocket['ended'];
  let handshake: Omit<SeenHandshake, 'ended'> | undefined;
  let pending = Buffer.alloc(0);
  let fragments: Uint8Array[] | undefined;

  const changed = (): void => watchers.forEach((look) => look());
  const end = (how: 'closed' | 'reset'): void => {
    ended ??= how;
    changed();
  };
  const until = (holds: () => boolean, ms: number): Promise<boolean> =>
    new Promise((resolve) => {
      const finish = (): void => {
        watchers.delete(look);
        clearTimeout(timer);
        resolve(holds());
      };
      const look = (): void => {
        if (holds()) finish();
      };
      const timer = setTimeout(finish, ms);
      watchers.add(look);
      look();
    });

  const takeMessage = ({ opcode, final, payload }: Parsed['frame']): void => {
    if (opcode > 0x2) return;
    if (opcode === 0x1) fragments = [];
    fragments?.push(payload);
    if (!final) return;
    if (fragments) texts.push(Buffer.concat(fragments).toString('utf8'));
    fragments = undefined;
  };

  socket.on('data', (data: Buffer) => {
    pending = Buffer.concat([pending, data]);
    if (handshake === undefined) {
      const at = pending.indexOf(headEnd);
      if (at < 0) return;
      handshake = readHead(pending.toString('latin1', 0, at), key);
      pending = pending.subarray(at + headEnd.length);
    }
    if (handshake.status === 101) {
      for (let parsed = parseFrame(pending); parsed !== undefined; parsed = parseFrame(pending)) {
        frames.push(parsed.frame);
        takeMessage(parsed.frame);
        pending = Buffer.from(parsed.rest);
      }
    }
    changed();
  });
  socket.once('end', () => end('closed'));
  socket.once('close', () => end('closed'));

  // A write to a connection that the service has closed already tells nothing new.
  socket.on('error', (error) => end(codeOf(error) === 'ECONNRESET' ? 'reset' : 'closed'));
  socket.write(requestHead(url, service.headers, key, changes));
  await until(() => handshake !== undefined || ended !== undefined, timeoutMs);
  const answer = handshake ?? { headers: {}, accepted: false };
  return {
    handshake: { ...answer, ended },
    frames,
    texts,
    get ended() {
      return ended;
    },
    // A write that fails costs what was not read yet: a service that refuses what it is sent has its close frame there.
    write: (bytes) =>
      new Promise((resolve) => {
        socket.write(bytes, () => setImmediate(resolve));
      }),
    until,
    drop: () => void socket.destroy(),
  };
};

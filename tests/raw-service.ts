import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';

/** A text frame, or one of another opcode or first byte (RFC 6455 §5.2), unmasked; its payload is shorter than 64 KiB. */
export const frame = (text: string | Buffer, first = 0x81): Buffer => {
  const payload = Buffer.from(text);
  const length =
    payload.length < 126
      ? Buffer.from([payload.length])
      : Buffer.from([126, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([Buffer.from([first]), length, payload]);
};

/** A service whose every byte a test decides. */
export interface RawService {
  url: string;
  /** Opening handshakes so far. */
  handshakes: () => number;
  close: () => Promise<void>;
}

/** What a raw service does with a connection. */
export interface RawBehaviour {
  /** The answer to the opening handshake, given the right Sec-WebSocket-Accept. */
  answer?: (accept: string) => string;
  /** Called after the handshake, counted from 1: what to send at once. */
  opened?: (socket: Socket, handshake: number) => void;
  /** Called with each text message that comes. */
  message?: (socket: Socket, text: string) => void;
}

/** The usual answer to an opening handshake. */
export const upgrade = (accept: string): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;

const greeting =
  '{"jsonrpc":"2.0","method":"connected","params":{"session_id":"s","version":"1.0.0","capabilities":[]}}';

/** Greets a client. */
export const greet = (socket: Socket): void => void socket.write(frame(greeting));

/** Unmasks and takes apart what is complete of a client's frames; returns the rest. */
const readFrames = (bytes: Buffer, take: (opcode: number, payload: Buffer) => void): Buffer => {
  let rest = bytes;
  for (;;) {
    const short = (rest[1] ?? 0) & 127;
    const head = short === 126 ? 8 : 6;
    if (rest.length < head) return rest;
    const length = short === 126 ? rest.readUInt16BE(2) : short;
    if (rest.length < head + length) return rest;
    const mask = rest.subarray(head - 4, head);
    const payload = Buffer.from(rest.subarray(head, head + length).map((byte, at) => byte ^ (mask[at % 4] ?? 0)));
    take((rest[0] ?? 0) & 15, payload);
    rest = rest.subarray(head + length);
  }
};

/** Starts a raw service on loopback; it answers pings and closes, and `/health` by 404. */
export const startRawService = async ({
  answer = upgrade,
  opened = greet,
  message,
}: RawBehaviour): Promise<RawService> => {
  let handshakes = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    let rest: Buffer = Buffer.alloc(0);
    let isOpen = false;
    socket.on('data', (data) => {
      rest = Buffer.concat([rest, data]);
      if (!isOpen) {
        const end = rest.indexOf('\r\n\r\n');
        if (end < 0) return;
        const key = /^sec-websocket-key: *(\S+)/im.exec(rest.toString('latin1'))?.[1];
        rest = rest.subarray(end + 4);
        if (key === undefined) {
          socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
          return;
        }
        isOpen = true;
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        socket.write(answer(accept));
        opened(socket, ++handshakes);
      }
      rest = readFrames(rest, (opcode, payload) => {
        if (opcode === 1) message?.(socket, payload.toString());
        if (opcode === 9) socket.write(frame(payload, 0x8a));
        if (opcode === 8) socket.end(frame(payload, 0x88));
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `ws://127.0.0.1:${port}/ws/mcp`,
    handshakes: () => handshakes,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

import {
  closeFrame,
  requestText,
  textFrame,
  type FrameCase,
  type HandshakeChanges,
  type RawCase,
  type Seen,
} from '../../lib/cases/conformance-raw.ts';
import type { Finding } from '../../lib/cases/case.ts';
import { parseMessage } from '../../lib/jsonrpc/messages.ts';
import { describeRefusedHandshake } from '../../lib/load/connection.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { printable } from '../shared/printable.ts';
import type { Connection } from '../shared/node-connect.ts';
import { openRawWebSocket, type RawWebSocket } from './raw-websocket.ts';

/** How long a service that must fail a connection is watched before it is asked whether it goes on, milliseconds. */
const reactionMs = 500;
/** How long the end of a connection may take after the closing handshake, or a late answer, milliseconds. */
const lateMs = 1_000;
/** How long a connection lies silent before its client vanishes, milliseconds. */
const silenceMs = 200;

const close = 0x8;
const followUpId = 'after';

/** A service that gives no session says nothing of a case. */
export class NoSessionError extends Error {}

const open = async (service: Connection, timeoutMs: number, changes: HandshakeChanges = {}): Promise<RawWebSocket> => {
  try {
    return await openRawWebSocket(service, timeoutMs, changes);
  } catch (error) {
    throw new NoSessionError(`no connection: ${innermostMessage(error)}`, { cause: error });
  }
};

const openSession = async (service: Connection, timeoutMs: number): Promise<RawWebSocket> => {
  const raw = await open(service, timeoutMs);
  const isConnected = (): boolean =>
    raw.texts.some((text) => {
      const message = parseMessage(text);
      return message.kind === 'notification' && message.method === 'connected';
    });
  await raw.until(() => raw.handshake.status !== 101 || isConnected() || isClosed(raw), timeoutMs);
  if (isConnected()) return raw;
  if (closeCode(raw) !== undefined) await leave(raw, false);
  raw.drop();
  throw new NoSessionError(describeRefusal(raw));
};

const describeRefusal = (raw: RawWebSocket): string => {
  const { status } = raw.handshake;
  if (status === undefined) return 'no answer to the opening handshake';
  if (status !== 101) return describeRefusedHandshake(status, raw.handshake.headers.location);
  const [message] = raw.texts.map(parseMessage);
  const code = closeCode(raw);
  const came = [
    ...(message?.kind === 'error' ? [`error ${message.error.code} ${printable(message.error.message, 100)}`] : []),
    ...(code === undefined ? [] : [`close ${code}`]),
  ];
  return `expected the connected message in a new session, received ${came.join(', ') || 'nothing'}`;
};

/** The code of the service's close frame. */
const closeCode = ({ frames }: RawWebSocket): number | undefined => {
  const payload = frames.find(({ opcode }) => opcode === close)?.payload;
  if (payload === undefined) return undefined;
  const [high, low] = payload;
  return high === undefined || low === undefined ? 1005 : (high << 8) | low;
};

const look = (raw: RawWebSocket): Seen => {
  const messages = raw.texts.map(parseMessage).filter(({ kind }) => kind !== 'notification');
  const isAnswer = (message: (typeof messages)[number]): boolean => 'id' in message && message.id === followUpId;
  return {
    frames: raw.frames,
    texts: raw.texts,
    replies: messages.filter((message) => !isAnswer(message)),
    answered: messages.some(isAnswer),
    closeCode: closeCode(raw),
    ended: raw.ended,
  };
};

/** Asks for a sign of life: an answer, a close frame, or the end. */
const askOn = async (raw: RawWebSocket, timeoutMs: number): Promise<void> => {
  await raw.write(textFrame(requestText(followUpId)));
  await raw.until(() => look(raw).answered || isClosed(raw), timeoutMs);
};

const isClosed = (raw: RawWebSocket): boolean => raw.ended !== undefined || closeCode(raw) !== undefined;

/** Ends a session in order, as far as the service lets that happen. */
const leave = async (raw: RawWebSocket, sentClose: boolean): Promise<void> => {
  if (raw.ended === undefined && !sentClose) await raw.write(closeFrame(closeCode(raw) ?? 1000));
  await raw.until(() => raw.ended !== undefined, lateMs);
};

/** Why no request is answered in a new session; undefined where one is. */
export const probe = async (service: Connection, timeoutMs: number): Promise<string | undefined> => {
  let raw: RawWebSocket;
  try {
    raw = await openSession(service, timeoutMs);
  } catch (error) {
    if (error instanceof NoSessionError) return error.message;
    throw error;
  }
  try {
    await askOn(raw, timeoutMs);
    await leave(raw, false);
    return look(raw).answered ? undefined : `no answer to a request within ${timeoutMs} ms`;
  } finally {
    raw.drop();
  }
};

const askFrames = async (each: FrameCase, service: Connection, timeoutMs: number): Promise<Finding> => {
  const raw = await openSession(service, timeoutMs);
  try {
    for (const bytes of each.bytes()) {
      if (isClosed(raw)) break;
      await raw.write(bytes);
    }
    switch (each.must) {
      case 'survive':
        await raw.until(() => isClosed(raw), silenceMs);
        raw.drop();
        return each.judge({ ...look(raw), answered: (await probe(service, timeoutMs)) === undefined });
      case 'close':
        await raw.until(() => isClosed(raw), timeoutMs);
        await leave(raw, true);
        return each.judge(look(raw));
      case 'fail':
        // What is written to a connection that is being closed may cost the close frame: TCP answers it by a reset.
        if (!(await raw.until(() => isClosed(raw), reactionMs))) await askOn(raw, timeoutMs);
        break;
      case 'take':
        await raw.until(() => isClosed(raw) || look(raw).replies.length > 0, timeoutMs);
        if (!isClosed(raw)) await askOn(raw, timeoutMs);
        break;
      case 'live':
        await askOn(raw, timeoutMs);
        if (look(raw).answered) await raw.until(() => each.judge(look(raw)).kind === 'conforming', lateMs);
    }
    const finding = each.judge(look(raw));
    await leave(raw, false);
    return finding;
  } finally {
    raw.drop();
  }
};

/** Asks one case over a connection of its own; throws a NoSessionError where there is none. */
export const askRaw = async (each: RawCase, service: Connection, timeoutMs: number): Promise<Finding> => {
  if ('bytes' in each) return askFrames(each, service, timeoutMs);
  const raw = await open(service, timeoutMs, each.changes);
  try {
    if (raw.handshake.status === 101) await leave(raw, false);
    return each.judge(raw.handshake);
  } finally {
    raw.drop();
  }
};

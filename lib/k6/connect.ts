import { sleep } from 'k6';
import ws, { type Socket } from 'k6/ws';
import { describeRefusedHandshake } from '../load/connection.ts';
import { shownUrl, type Settings } from '../load/settings.ts';
import { badUpgrade, connectionEnd, framingViolation } from '../session/connection-end.ts';
import { connectFailed, startSession } from '../session/session.ts';
import type {
  Script,
  Session,
  SessionEvents,
  SessionLimits,
  SessionResult,
  SessionSocket,
} from '../session/session.ts';
import { isRunOver, now } from './clock.ts';

/**
 * Opens a WebSocket, runs a script over it and returns what became of it; undefined where k6 broke the handshake off
 * because the run ends, which says nothing of the service. Blocks its VU until the socket is closed. `onOpen` is given the
 * socket's timers.
 */
export const runOverWebSocket = (
  settings: Settings,
  limits: SessionLimits,
  script: (session: Session) => Script,
  onOpen?: (later: (ms: number, callback: () => void) => void) => void,
): SessionResult | undefined => {
  const startedAt = now();
  let result: SessionResult | undefined;
  let events: SessionEvents | undefined;
  let isCutOff = false;
  const response = openWebSocket(settings, (socket) => {
    let failure = '';
    const transport: SessionSocket = {
      send: (text) => socket.send(text),
      sendBinary: (data) => socket.sendBinary(data),
      stall: (ms) => sleep(ms / 1000),
      ping: () => socket.ping(),
      close: (code) => socket.close(code),
      wakeAfter: (ms, token) => socket.setTimeout(() => session.wake(token), ms),
      now,
    };
    const session = startSession(
      transport,
      script,
      { startedAt, limits, trace: settings.trace === 'failures' },
      (settled) => {
        result = settled;
      },
    );
    events = session;
    onOpen?.((ms, callback) => socket.setTimeout(callback, ms));
    socket.on('message', (text) => session.message(text));
    socket.on('binaryMessage', (data: ArrayBuffer) => session.binary(data.byteLength));
    socket.on('pong', () => session.pong());
    socket.on('error', (error: { error(): string }) => {
      failure = error.error();
      const violation = framingViolation(failure);
      if (violation !== undefined) session.broken(violation);
    });
    socket.on('close', (code: number) => {
      isCutOff ||= result === undefined && code === 1001 && failure === '' && isRunOver();
      const end = connectionEnd(code, failure);
      session.closed(end.code, end.detail);
    });
  });
  // A connection whose end k6 did not report is closed all the same.
  if (result === undefined) events?.closed(1006, 'k6 reported no close');
  if (result !== undefined) return isCutOff ? undefined : result;
  const { status, error, location } = response;
  if (status === 0 && /operation was canceled|context canceled/.test(error)) return undefined;
  const reason = error === '' ? describeRefusedHandshake(status, location) : error;
  return connectFailed(reason, now() - startedAt);
};

/** What came of an opening handshake: its status, or 0 for none; and an error that shows no secret, '' where the status says all. */
export interface Handshake {
  status: number;
  error: string;
  /** Where a redirect leads. */
  location?: string | undefined;
}

/** `ws.connect` with the headers of the settings; a failure is a value, with `k6 run --throw` too. */
export const openWebSocket = (settings: Settings, onOpen: (socket: Socket) => void): Handshake => {
  let opened = false;
  try {
    const response = ws.connect(settings.url, { headers: { ...settings.headers } }, (socket) => {
      opened = true;
      onOpen(socket);
    }) as { status: number; error?: string; headers?: Record<string, string> };
    const { status, error, headers = {} } = response;
    if (opened) return { status, error: '' };
    // Of a handshake that it does not accept k6 keeps the response, not what is wrong with it.
    if (status === 101) return { status, error: shown(settings, badUpgrade(headers)) };
    if (status !== 0) return { status, error: '', location: headers.Location };
    return { status, error: shown(settings, error ?? 'no reason given') };
  } catch (error) {
    if (opened) throw error;
    return { status: 0, error: shown(settings, String(error).replace(/^GoError: /, '')) };
  }
};

const shown = ({ url }: Settings, text: string): string => text.replaceAll(url, shownUrl(url));

import { sleep } from 'k6';
import ws, { type Socket } from 'k6/ws';
import { describeRefusedHandshake } from '../load/connection.ts';
import { shownUrl, type Settings } from '../load/settings.ts';
import { badUpgrade, connectionEnd, framingViolation } from '../session/connection-end.ts';
import { connectFailed } from '../session/session.ts';
import type {
  Begin,
  LineTaker,
  SessionEvents,
  SessionLimits,
  SessionResult,
  SessionSocket,
} from '../session/session.ts';
import { isRunOver, now } from './clock.ts';
import { look, lookIsDue, mostUnseenMs } from './lag.ts';

/** The connection that this VU has open: `ws.connect` blocks it, so there is never a second one, and its handlers are made once. */
let connection: Connection;

const none: LineTaker = {};

class Connection implements SessionSocket {
  readonly now = now;
  session!: SessionEvents;
  lines: LineTaker = none;
  result?: SessionResult;
  failure = '';
  wakeAt = Infinity;
  timerAt = 0;
  /** k6 closed it, because the run ends. */
  isCutOff?: boolean;
  private readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(text: string): void {
    this.socket.send(text);
  }

  sendBinary(data: ArrayBuffer): void {
    this.socket.sendBinary(data);
  }

  stall(ms: number): void {
    sleep(ms / 1000);
  }

  ping(): void {
    this.socket.ping();
  }

  close(code: number): void {
    this.socket.close(code);
  }

  wakeAfter(ms: number): void {
    this.wakeAt = now() + ms;
    this.startTimer();
  }

  /** Starts a timer for the next wake, or for a look at how late timers are. */
  startTimer(): void {
    const at = now();
    const ms = Math.max(1, Math.min(this.wakeAt - at, lookIsDue(at) ? 1 : mostUnseenMs));
    this.timerAt = at + ms;
    this.socket.setTimeout(onTimer, ms);
  }
}

const onTimer = (): void => {
  const { wakeAt, timerAt, session } = connection;
  const at = now();
  // A later call asked for an earlier one, which is over.
  if (at < timerAt - 1) return;
  if (lookIsDue(at)) look(Math.max(0, at - timerAt));
  if (at >= wakeAt) session.wake();
  else connection.startTimer();
};
// This is where a million lines come by: so no call is made in between that can be left out.
const onMessage = (text: string): void => {
  const { take } = connection.lines;
  if (take === undefined || !take(text)) connection.session.message(text);
};
const onBinary = (data: ArrayBuffer): void => connection.session.binary(data.byteLength);
const onPong = (): void => connection.session.pong();

const onError = (error: { error(): string }): void => {
  const { session } = connection;
  const failure = (connection.failure = error.error());
  const violation = framingViolation(failure);
  if (violation !== undefined) session.broken(violation);
};

const onClose = (code: number): void => {
  const { result, failure, session } = connection;
  if (result !== undefined) return;
  if (code === 1001 && failure === '' && isRunOver()) connection.isCutOff = true;
  const end = connectionEnd(code, failure);
  session.closed(end.code, end.detail);
};

const onSettled = (result: SessionResult): void => {
  connection.result = result;
};

/**
 * Opens a WebSocket, runs a session over it and returns its result; undefined where k6 broke the handshake off
 * because the run ends, which says nothing of the service. Blocks its VU until the socket is closed.
 */
export const runOverWebSocket = (
  settings: Settings,
  limits: SessionLimits,
  begin: Begin,
): SessionResult | undefined => {
  const startedAt = now();
  let opened: Connection | undefined;
  const response = openWebSocket(settings, (socket) => {
    connection = opened = new Connection(socket);
    const options = { startedAt, limits, trace: settings.trace === 'failures' };
    const session = begin(opened, options, onSettled);
    opened.session = session;
    if (session.lines) opened.lines = session.lines;
    socket.on('message', onMessage);
    socket.on('binaryMessage', onBinary);
    socket.on('pong', onPong);
    socket.on('error', onError);
    socket.on('close', onClose);
  });
  if (opened) {
    // A connection whose end k6 did not report is closed all the same.
    if (opened.result === undefined) opened.session.closed(1006, 'k6 reported no close');
    return opened.isCutOff ? undefined : opened.result;
  }
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
    const response = ws.connect(settings.url, paramsOf(settings), (socket) => {
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

let params: { of: Settings; params: { headers: Record<string, string> } } | undefined;

/** k6's parameters for a connection with these settings; made once, for a VU opens many. */
const paramsOf = (settings: Settings): { headers: Record<string, string> } => {
  if (params?.of !== settings) params = { of: settings, params: { headers: { ...settings.headers } } };
  return params.params;
};

const shown = ({ url }: Settings, text: string): string => text.replaceAll(url, shownUrl(url));

import { WebSocket } from 'k6/websockets';
import { shownUrl, type Settings } from '../load/settings.ts';
import { connectFailed, startSession } from '../session/session.ts';
import type {
  Script,
  Session,
  SessionEvents,
  SessionLimits,
  SessionResult,
  SessionSocket,
} from '../session/session.ts';
import { now } from './clock.ts';

/** A session that is open beside others of the same VU. */
export interface OpenSession {
  /** Lets its script look again at what it waits for. */
  notify: () => void;
}

/** Opened, and not one message came. */
const heardNothing = ({ outcome, messagesReceived }: SessionResult): boolean =>
  outcome.kind === 'timeout' && outcome.phase === 'connected' && messagesReceived === 0;

/**
 * Opens a session over k6/websockets: like `runOverWebSocket`, but the VU goes on, opening has a time limit, and `ended` is
 * called once with what became of it. One that is not greeted is opened once more: k6 (2.2.0) reads before it says that a
 * connection is open, and drops what comes until then, about one greeting in some thousand. A service that does not greet does so neither time.
 */
export const openSession = (
  settings: Settings,
  url: string,
  limits: SessionLimits,
  script: (session: Session) => Script,
  ended: (result: SessionResult) => void,
): OpenSession => {
  let again: OpenSocket | undefined;
  const first = openOnce(settings, url, limits, script, (result) => {
    if (heardNothing(result)) again = openOnce(settings, url, limits, script, ended);
    else ended(result);
  });
  return { notify: () => (again ?? first).session?.notify() };
};

/**
 * Sends a close frame and drops the connection, as k6/ws does. `close()` alone waits for the service's close frame for ever
 * (k6 2.2.0): with one that sends none neither the iteration nor k6 itself would end. What is queued behind a close frame can't
 * be sent, and that drops the connection. But after `close()` nothing may be queued: so it is called while k6 asks whether
 * something that is being queued is a view of a buffer.
 */
const closeForGood = (socket: WebSocket, code: number): void => {
  const isView = Object.getOwnPropertyDescriptor(ArrayBuffer, 'isView') as PropertyDescriptor;
  const closes = (): boolean => {
    // A script may close with 1000 and 3000 to 4999 only.
    socket.close(code === 1000 ? code : code + 3000);
    return true;
  };
  Object.defineProperty(ArrayBuffer, 'isView', { ...isView, value: closes });
  try {
    socket.send(new Uint8Array(1));
  } finally {
    Object.defineProperty(ArrayBuffer, 'isView', isView);
  }
};

/** A socket of k6/websockets as a session needs it, and the timers that belong to it: pending ones keep an iteration going. */
class OpenSocket implements SessionSocket {
  readonly now = now;
  /** The session, once the connection is open. */
  session: SessionEvents | undefined;
  private readonly socket: WebSocket;
  private readonly timers: number[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
  }

  send(text: string): void {
    this.socket.send(text);
  }

  sendBinary(data: ArrayBuffer): void {
    this.socket.send(data);
  }

  stall(): void {
    throw new Error('a session beside others cannot stall: it would hold them all up');
  }

  ping(): void {
    this.socket.ping();
  }

  close(code: number): void {
    closeForGood(this.socket, code);
  }

  wakeAfter(ms: number, token: number): void {
    this.later(ms, () => this.session?.wake(token));
  }

  later(ms: number, callback: () => void): void {
    this.timers.push(setTimeout(callback, ms));
  }

  clearTimers(): void {
    this.timers.forEach(clearTimeout);
  }
}

const openOnce = (
  settings: Settings,
  url: string,
  limits: SessionLimits,
  script: (session: Session) => Script,
  ended: (result: SessionResult) => void,
): OpenSocket => {
  const startedAt = now();
  let failure = '';
  let isOver = false;
  const socket = new WebSocket(url, null, { headers: { ...settings.headers } });
  const open = new OpenSocket(socket);
  const settled = (result: SessionResult): void => {
    open.clearTimers();
    ended(result);
  };
  const notOpened = (reason: string): void => {
    if (open.session || isOver) return;
    isOver = true;
    settled(connectFailed(reason.replaceAll(url, shownUrl(url)), now() - startedAt));
  };
  socket.binaryType = 'arraybuffer' as typeof socket.binaryType;
  open.later(limits.ackTimeoutMs, () => notOpened(`i/o timeout: not open after ${limits.ackTimeoutMs} ms`));
  // oxlint-disable unicorn/prefer-add-event-listener -- k6 types only these by their events
  socket.onopen = () => {
    if (isOver) {
      // It took too long, and has been counted as not opened.
      closeForGood(socket, 1000);
      return;
    }
    open.session = startSession(open, script, { startedAt, limits, trace: settings.trace === 'failures' }, settled);
  };
  socket.onmessage = (message) => {
    const data: unknown = message?.data;
    if (typeof data === 'string') open.session?.message(data);
    else open.session?.binary((data as ArrayBuffer).byteLength);
  };
  socket.onpong = () => open.session?.pong();
  socket.onerror = (event) => {
    failure = event?.error ?? '';
    notOpened(failure);
  };
  (socket as unknown as { onclose: (event?: { code?: number }) => void }).onclose = (event) => {
    notOpened(failure);
    const code = event?.code ?? 1006;
    const how = code === 1006 ? 'the connection ended without a close frame' : 'closed by the service';
    open.session?.closed(code, failure === '' || code === 1006 ? how : `${how}: ${failure}`);
  };
  return open;
};

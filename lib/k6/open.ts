import { WebSocket } from 'k6/websockets';
import { shownUrl, type Settings } from '../load/settings.ts';
import { connectionEnd, framingViolation } from '../session/connection-end.ts';
import { connectFailed } from '../session/session.ts';
import type { Begin, SessionEvents, SessionLimits, SessionResult, SessionSocket } from '../session/session.ts';
import { isRunOver, now } from './clock.ts';

/** A session to open: where, for how long, and how it begins. */
export interface ToOpen {
  settings: Settings;
  url: string;
  limits: SessionLimits;
  begin: Begin;
}

/** A session that is open beside others of the same VU. */
export interface Notified {
  /** Makes its script check again what it waits for. */
  notify: () => void;
}

/**
 * Whether k6 may have dropped the first message: a greeting, whatever came after it; or a refusal, of which the close alone is
 * seen, as an error where even the close came too early.
 */
const lacksBeginning = ({ outcome, messagesReceived, connectedMs }: SessionResult): boolean => {
  if (connectedMs !== undefined) return false;
  if (outcome.kind === 'timeout') return outcome.phase === 'connected';
  if (outcome.kind === 'closed') return messagesReceived === 0 && outcome.code !== 1006;
  return outcome.kind === 'connect-failed' && (outcome.reason === '' || /\bclose \d{4}\b/.test(outcome.reason));
};

/** Sessions of this VU, and how many of them were opened once more. */
const count = { opened: 0, again: 0 };

/** Whether k6 alone can explain it: it drops a message in some thousand, a service that fails now and then loses more. */
const mayOpenAgain = (): boolean => {
  if (count.again >= 2 + count.opened / 20) return false;
  count.again++;
  return true;
};

/**
 * Opens a session over k6/websockets: like `runOverWebSocket`, but the VU goes on, opening has a time limit, and `ended` is
 * called once with what became of it. One whose first message is missing is opened once more: k6 (2.2.0) reads before it says that a
 * connection is open, and drops what comes until then, about one message in some thousand. A service that does not greet does so neither time.
 */
export const openSession = (asked: ToOpen, ended: (result: SessionResult) => void): Notified => {
  let again: OpenSocket | undefined;
  count.opened++;
  const first = openOnce(asked, (result) => {
    if (lacksBeginning(result) && mayOpenAgain()) again = openOnce(asked, ended);
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

  wakeAfter(ms: number): void {
    this.later(ms, () => this.session?.wake());
  }

  later(ms: number, callback: () => void): void {
    this.timers.push(setTimeout(callback, ms));
  }

  clearTimers(): void {
    this.timers.forEach(clearTimeout);
  }
}

const openOnce = ({ settings, url, limits, begin }: ToOpen, ended: (result: SessionResult) => void): OpenSocket => {
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
    const options = { startedAt, limits, trace: settings.trace === 'failures' };
    open.session = begin(open, options, settled);
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
    const violation = framingViolation(failure);
    if (violation !== undefined) open.session?.broken(violation);
  };
  (socket as unknown as { onclose: (event?: { code?: number }) => void }).onclose = (event) => {
    notOpened(failure);
    // Of a session that the run's end cut off nothing is known, so nothing is said.
    if (
      failure === '' &&
      (event?.code === 1000 || event?.code === 1001) &&
      open.session?.isOver === false &&
      isRunOver()
    ) {
      open.clearTimers();
      return;
    }
    const { code, detail } = connectionEnd(event?.code, failure);
    open.session?.closed(code, detail);
  };
  return open;
};

import exec from 'k6/execution';
import { WebSocket } from 'k6/websockets';
import { shownUrl, type Settings } from '../load/settings.ts';
import { connectFailed, startSession } from '../session/session.ts';
import type { Script, Session, SessionEvents, SessionLimits, SessionResult } from '../session/session.ts';

/** A session that is open beside others of the same VU. */
export interface OpenSession {
  /** What became of it; never rejected. */
  result: Promise<SessionResult>;
  /** Lets its script look again at what it waits for. */
  poke: () => void;
}

/** Opened, and not one message came. */
const heardNothing = ({ outcome, messagesReceived }: SessionResult): boolean =>
  outcome.kind === 'timeout' && outcome.phase === 'connected' && messagesReceived === 0;

/**
 * Opens a session over k6/websockets: like `runOverWebSocket`, but the VU goes on, and opening has a time limit. One that
 * is not greeted is opened once more: k6 (2.2.0) reads before it says that a connection is open, and drops what comes until
 * then, about one greeting in some thousand. A service that does not greet does so neither time.
 */
export const openSession = (
  settings: Settings,
  url: string,
  limits: SessionLimits,
  script: (session: Session) => Script,
): OpenSession => {
  let open = openOnce(settings, url, limits, script);
  const result = open.result.then((first) => {
    if (!heardNothing(first)) return first;
    open = openOnce(settings, url, limits, script);
    return open.result;
  });
  return { result, poke: () => open.poke() };
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

const openOnce = (
  settings: Settings,
  url: string,
  limits: SessionLimits,
  script: (session: Session) => Script,
): OpenSession => {
  const { instance } = exec;
  const now = (): number => instance.currentTestRunDuration;
  const startedAt = now();
  let events: SessionEvents | undefined;
  let failure = '';
  const result = new Promise<SessionResult>((resolved) => {
    // One that is pending would keep the VU's iteration from ending.
    const timers: number[] = [];
    const later = (ms: number, callback: () => void): void => void timers.push(setTimeout(callback, ms));
    const resolve = (settled: SessionResult): void => {
      timers.forEach(clearTimeout);
      resolved(settled);
    };
    const socket = new WebSocket(url, null, { headers: { ...settings.headers } });
    let isOver = false;
    const notOpened = (reason: string): void => {
      if (events || isOver) return;
      isOver = true;
      resolve(connectFailed(reason.replaceAll(url, shownUrl(url)), now() - startedAt));
    };
    socket.binaryType = 'arraybuffer' as typeof socket.binaryType;
    later(limits.ackTimeoutMs, () => notOpened(`i/o timeout: not open after ${limits.ackTimeoutMs} ms`));
    // oxlint-disable unicorn/prefer-add-event-listener -- k6 types only these by their events
    socket.onopen = () => {
      if (isOver) {
        // It took too long, and has been counted as not opened.
        closeForGood(socket, 1000);
        return;
      }
      const session = startSession(
        {
          send: (text) => socket.send(text),
          sendBinary: (data) => socket.send(data),
          stall: () => {
            throw new Error('a session beside others cannot stall: it would hold them all up');
          },
          ping: () => socket.ping(),
          close: (code) => closeForGood(socket, code),
          wakeAfter: (ms, token) => later(ms, () => session.wake(token)),
          now,
        },
        script,
        { startedAt, limits, trace: settings.trace === 'failures' },
        resolve,
      );
      events = session;
    };
    socket.onmessage = (message) => {
      const data: unknown = message?.data;
      if (typeof data === 'string') events?.message(data);
      else events?.binary((data as ArrayBuffer).byteLength);
    };
    socket.onpong = () => events?.pong();
    socket.onerror = (event) => {
      failure = event?.error ?? '';
      notOpened(failure);
    };
    (socket as unknown as { onclose: (event?: { code?: number }) => void }).onclose = (event) => {
      notOpened(failure);
      const code = event?.code ?? 1006;
      const how = code === 1006 ? 'the connection ended without a close frame' : 'closed by the service';
      events?.closed(code, failure === '' || code === 1006 ? how : `${how}: ${failure}`);
    };
  });
  return { result, poke: () => events?.poke() };
};

import { readFileSync } from 'node:fs';
import { WebSocket, type RawData } from 'ws';
import { connectionEnd, framingViolation } from '../../lib/session/connection-end.ts';
import {
  connectFailed,
  startSession,
  type Script,
  type Session,
  type SessionLimits,
  type SessionResult,
  type SessionSocket,
} from '../../lib/session/session.ts';
import { innermostMessage } from '../../lib/text/errors.ts';

/** A service's address, and how it is spoken to. */
export interface Connection {
  /** ws:// or wss:// */
  url: string;
  /** Headers of the opening handshake. */
  headers: Readonly<Record<string, string>>;
  /** The TLS certificate is not verified. */
  insecure: boolean;
  /** Certificates (PEM) to trust in place of the system's. */
  ca?: string;
}

/** How the service of some settings is reached; `caFile` has certificates to trust. */
export const connectionOf = (
  { url, headers, insecure }: Omit<Connection, 'ca'>,
  caFile: string | undefined,
): Connection => ({ url, headers, insecure, ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }) });

const subprotocolHeader = 'Sec-WebSocket-Protocol';
/** A service that does not answer the close frame is not waited for longer. */
const closeTimeoutMs = 2_000;

/** What the ping of the drain carries: a pong with another payload is none of ours (RFC 6455 §5.5.3). */
const drainPayload = 'ws-stress';

const now = (): number => performance.now();

/**
 * Opens a WebSocket, runs a script over it and resolves to what became of it once the connection is closed: the session of
 * lib/k6/connect.ts, in Node.
 */
export const runOverNode = (
  { url, headers, insecure, ca }: Connection,
  limits: SessionLimits,
  script: (session: Session) => Script,
): Promise<SessionResult> =>
  new Promise((resolve, reject) => {
    const startedAt = now();
    const timers = new Set<NodeJS.Timeout>();
    let result: SessionResult | undefined;
    let failure = '';
    const { [subprotocolHeader]: subprotocol, ...others } = headers;
    const socket = new WebSocket(url, subprotocol === undefined ? [] : [subprotocol], {
      headers: others,
      rejectUnauthorized: !insecure,
      perMessageDeflate: false,
      handshakeTimeout: limits.ackTimeoutMs,
      ...(ca !== undefined && { ca }),
    });

    const after = (ms: number, act: () => void): void => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        act();
      }, ms);
      timers.add(timer);
    };

    socket.on('upgrade', (response) => {
      // k6 takes a service that chooses none of the subprotocols; ws does not.
      if (subprotocol !== undefined) response.headers[subprotocolHeader.toLowerCase()] ??= subprotocol;
    });
    socket.on('unexpected-response', (_request, { statusCode }) => {
      failure = `expected status 101 to the opening handshake, received ${statusCode}`;
      socket.terminate();
    });
    socket.on('error', (error) => {
      if (failure !== '') return;
      const message = innermostMessage(error);
      // The same words that k6 has for it, which make it a timeout.
      failure = /handshake has timed out/.test(message)
        ? `i/o timeout: no answer to the opening handshake within ${limits.ackTimeoutMs} ms`
        : message;
    });
    socket.once('close', () => {
      for (const timer of timers) clearTimeout(timer);
      resolve(result ?? connectFailed(failure, now() - startedAt));
    });
    socket.once('open', () => {
      const transport: SessionSocket = {
        send: (text) => socket.send(text),
        sendBinary: (data) => socket.send(data),
        stall: (ms) => {
          socket.pause();
          after(ms, () => socket.resume());
        },
        ping: () => socket.ping(drainPayload),
        close: (code) => {
          socket.close(code);
          after(closeTimeoutMs, () => socket.terminate());
        },
        wakeAfter: (ms, token) => after(ms, () => session.wake(token)),
        now,
      };
      const session = startSession(transport, script, { startedAt, limits, trace: false }, (settled) => {
        result = settled;
        if (settled.bug !== undefined) reject(settled.bug);
      });
      socket.on('message', (data: RawData, isBinary) => {
        const bytes = data as Buffer;
        if (isBinary) session.binary(bytes.length);
        else session.message(bytes.toString('utf8'));
      });
      socket.on('pong', (payload) => {
        if (payload.toString() === drainPayload) session.pong();
      });
      socket.prependListener('error', (error) => {
        const violation = framingViolation(error.message);
        if (violation !== undefined) session.broken(violation);
      });
      // Before the listener that resolves, so that there is a result.
      socket.prependListener('close', (code: number) => {
        const end = connectionEnd(code, failure);
        session.closed(end.code, end.detail);
      });
    });
  });

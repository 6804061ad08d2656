import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { WebSocket, type RawData } from 'ws';
import { describeRefusedHandshake } from '../../lib/load/connection.ts';
import { badUpgrade, connectionEnd, framingViolation } from '../../lib/session/connection-end.ts';
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
import { asLenientAsK6, creating, headersAsSent, type Connection } from './node-connect.ts';

/** A service that does not answer the close frame is not waited for longer. */
const closeTimeoutMs = 2_000;

/** What the ping of the drain carries: a pong with another payload is none of ours (RFC 6455 §5.5.3). */
const drainPayload = 'ws-stress';

const textsOf = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

const now = (): number => performance.now();

/** Who wants to know more of a session than its result. */
interface Listeners {
  /** Is given the headers of a handshake that was accepted. */
  onHandshake?: (headers: IncomingHttpHeaders) => void;
  /** Is given the message `connected`. */
  onGreeting?: (text: string) => void;
}

/**
 * Opens a WebSocket, runs a script over it and resolves to what became of it once the connection is closed: the session of
 * lib/k6/connect.ts, in Node.
 */
export const runOverNode = (
  connection: Connection,
  limits: SessionLimits,
  script: (session: Session) => Script,
  { onHandshake, onGreeting }: Listeners = {},
): Promise<SessionResult> =>
  new Promise((resolve, reject) => {
    const startedAt = now();
    const timers = new Set<NodeJS.Timeout>();
    let result: SessionResult | undefined;
    let failure = '';
    let hasOpened = false;
    let upgraded: IncomingMessage | undefined;
    // As a header, and not as a list of ws, which sends it in another form and judges the choice.
    const socket = new WebSocket(connection.url, [], {
      headers: headersAsSent(connection.headers),
      perMessageDeflate: false,
      handshakeTimeout: limits.ackTimeoutMs,
      createConnection: creating(connection, limits.ackTimeoutMs) as never,
      ...asLenientAsK6,
      finishRequest: (request: ClientRequest) => {
        // k6 takes it for the final response.
        request.once('information', ({ statusCode }) => {
          failure = describeRefusedHandshake(statusCode, undefined);
          socket.terminate();
        });
        request.end();
      },
    });

    const after = (ms: number, act: () => void): void => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        act();
      }, ms);
      timers.add(timer);
    };

    socket.on('upgrade', (response) => {
      upgraded = response;
      onHandshake?.({ ...response.headers });
      // k6 takes a service that chooses none of the subprotocols, or one that nobody asked for; ws does not.
      delete response.headers['sec-websocket-protocol'];
    });
    socket.on('unexpected-response', (_request, { statusCode = 0, headers }) => {
      failure =
        statusCode === 101 ? badUpgrade(textsOf(headers)) : describeRefusedHandshake(statusCode, headers.location);
      socket.terminate();
    });
    socket.on('error', (error) => {
      if (failure !== '') return;
      const message = innermostMessage(error);
      // The same words that k6 has for it, which make it a timeout.
      if (/handshake has timed out/.test(message)) {
        failure = `i/o timeout: no answer to the opening handshake within ${limits.ackTimeoutMs} ms`;
      } else if (upgraded !== undefined && !hasOpened) {
        failure = badUpgrade(textsOf(upgraded.headers));
      } else failure = message;
    });
    socket.once('close', () => {
      for (const timer of timers) clearTimeout(timer);
      resolve(result ?? connectFailed(failure, now() - startedAt));
    });
    socket.once('open', () => {
      hasOpened = true;
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
        wakeAfter: (ms) => after(ms, () => session.wake()),
        now,
      };
      const session = startSession(
        transport,
        script,
        { startedAt, limits, trace: false, ...(onGreeting && { onGreeting }) },
        (settled) => {
          result = settled;
          if (settled.bug !== undefined) reject(settled.bug);
        },
      );
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

import http from 'node:http';
import https from 'node:https';
import { withoutSubprotocol } from '../../lib/load/headers.ts';
import { parseUrl } from '../../lib/load/settings.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { asLenientAsK6, creating, headersAsSent, type Connection } from './node-connect.ts';

/** An answer over HTTP, or why there is none. */
export type HttpAnswer = { status: number; body: string; problem?: never } | { status?: never; problem: string };

const maxBodyBytes = 1_048_576;

/** Asks a service for a path beside its WebSocket endpoint, with the headers of the handshake; follows no redirect. */
export const askHttp = async (connection: Connection, path: string, timeoutMs: number): Promise<HttpAnswer> => {
  const { secure, origin } = parseUrl(connection.url) ?? { secure: false, origin: '' };
  const signal = AbortSignal.timeout(timeoutMs);
  const options = {
    headers: headersAsSent(withoutSubprotocol(connection.headers)),
    signal,
    createConnection: creating(connection, timeoutMs) as never,
    ...asLenientAsK6,
  };
  try {
    return await new Promise((resolve, reject) => {
      const request = (secure ? https : http).get(`${origin}${path}`, options, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          body += part;
          if (body.length > maxBodyBytes) response.destroy(new Error(`more than ${maxBodyBytes} bytes`));
        });
        response.once('error', reject);
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
      });
      request.once('error', reject);
      // Node leaves such a connection to whoever listens.
      request.once('upgrade', ({ statusCode }, socket) => {
        socket.destroy();
        resolve({ status: statusCode ?? 0, body: '' });
      });
    });
  } catch (error) {
    return { problem: signal.aborted ? `no answer within ${timeoutMs} ms` : innermostMessage(error) };
  }
};

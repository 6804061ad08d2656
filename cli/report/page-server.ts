import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A page on loopback that changes while it is open. */
export interface PageServer {
  /** With its token: as in http://127.0.0.1:40123/4f…/. */
  readonly url: string;
  /** How many browsers follow it. */
  followers: () => number;
  /** Sends an event to all of them. */
  send: (event: string, data: unknown) => void;
  /** Ends all connections. */
  close: () => Promise<void>;
}

const tokenBytes = 24;
const maxFollowers = 20;
/** A browser that takes nothing is not sent more than this. */
const maxWaitingBytes = 8 * 2 ** 20;
const requestTimeoutMs = 10_000;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Why a request is refused: another site's page asks, under its own name or under one that it made lead here. */
const refusal = (
  { headers, method }: IncomingMessage,
  hosts: readonly string[],
): [status: number, text: string] | undefined => {
  const { host = '', origin } = headers;
  if (!hosts.includes(host)) return [403, 'the Host header is not that of this server'];
  if (origin !== undefined && !hosts.includes(origin.replace(/^http:\/\//, '')))
    return [403, 'a page of another origin may not ask'];
  if (headers['sec-fetch-site'] !== undefined && !/^(same-origin|none)$/.test(headers['sec-fetch-site']))
    return [403, 'a page of another site may not ask'];
  return method === 'GET' ? undefined : [405, 'expected GET'];
};

/**
 * Serves a page on a free port of loopback to whoever knows its token, and tells those who follow it of changes by server-sent
 * events. `onFollower` is called for each new one.
 */
export const servePage = async (page: () => Promise<string>, onFollower: () => void): Promise<PageServer> => {
  const token = randomBytes(tokenBytes).toString('hex');
  const expected = [`/${token}/`, `/${token}/events`].map(digest);
  const followers = new Set<ServerResponse>();
  const server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs });

  const answer = async (
    request: IncomingMessage,
    response: ServerResponse,
    hosts: readonly string[],
  ): Promise<void> => {
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    const fail = (status: number, text: string): void => {
      response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
      response.end(`${text}\n`);
    };
    const refused = refusal(request, hosts);
    if (refused !== undefined) return fail(...refused);
    const asked = digest(request.url ?? '');
    const [isPage, isEvents] = expected.map((path) => timingSafeEqual(path, asked));
    if (isPage === true) {
      const text = await page();
      response.setHeader('Content-Security-Policy', "frame-ancestors 'none'");
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
      response.end(text);
    } else if (isEvents !== true) fail(404, 'nothing here: open the address that ws-stress printed');
    else if (followers.size >= maxFollowers) fail(503, 'too many browsers follow this run');
    else {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.flushHeaders();
      followers.add(response);
      response.once('close', () => followers.delete(response));
      onFollower();
    }
  };

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  server.on('request', (request, response) => {
    request.resume();
    answer(request, response, hosts).catch(() => response.destroy());
  });
  // A run that has ended is not kept by a browser that shows it.
  server.unref();
  return {
    url: `http://127.0.0.1:${port}/${token}/`,
    followers: () => followers.size,
    send: (event, data) => {
      const message = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
      for (const each of followers) if (each.writableLength < maxWaitingBytes) each.write(message);
    },
    close: async () => {
      const closed = new Promise((resolve) => {
        server.close(resolve);
      });
      await Promise.all([...followers].map((each) => ended(each)));
      server.closeAllConnections();
      await closed;
    },
  };
};

const patienceMs = 1000;

/** Ends a response, and waits a moment until its browser has taken all of it. */
const ended = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, patienceMs);
    response.end(() => {
      clearTimeout(timer);
      resolve();
    });
  });

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../../lib/text/errors.ts';
import { processFigures } from '../shared/process-figures.ts';

/** What a helper can do for a script. */
export interface HelperActions {
  /** Makes the service go away. */
  stop?: (() => Promise<void>) | undefined;
  /** Starts the service again; whether it is ready is for the script to see. */
  start?: (() => Promise<void>) | undefined;
  /** Id of the service's process, whose memory is asked for. */
  processId?: (() => number | undefined) | undefined;
  /** Ends what the actions left running, when the helper closes. */
  close?: (() => Promise<void>) | undefined;
}

/** A helper that is listening. */
export interface Helper {
  /** As in http://127.0.0.1:40123. */
  readonly url: string;
  readonly token: string;
  /** The settings that tell a script of it. */
  readonly environment: { readonly STRESS_HELPER_URL: string; readonly STRESS_HELPER_TOKEN: string };
  /** Stops listening and ends what the actions left running. */
  close: () => Promise<void>;
}

interface Answer {
  status: number;
  body: object;
}

const tokenBytes = 32;
const maxBodyBytes = 1024;
/** Time a client has to send a request. */
const requestTimeoutMs = 10_000;

const failure = (status: number, error: string): Answer => ({ status, body: { error } });

/**
 * Starts an HTTP server on loopback that does for a running script what it cannot do itself: stop and start the service,
 * and ask the system for its memory. Whoever has the token may ask; a web page may not.
 */
export const startHelper = async (actions: HelperActions): Promise<Helper> => {
  const token = randomBytes(tokenBytes).toString('hex');
  const authorization = digest(`Bearer ${token}`);
  const routes = routesOf(actions);

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const { authorization: given = '', origin } = request.headers;
    if (origin !== undefined) return failure(403, 'a web page may not ask: expected no Origin header');
    // Digests have the same length, which the comparison in constant time asks for.
    if (!timingSafeEqual(digest(given), authorization)) {
      return failure(401, 'expected the header Authorization: Bearer with the token of STRESS_HELPER_TOKEN');
    }
    const path = request.url ?? '';
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) return failure(404, `nothing here: expected ${Object.keys(routes).join(', ')}`);
    if (request.method !== route.method) return failure(405, `expected ${route.method}, received ${request.method}`);
    if (request.headers['transfer-encoding'] !== undefined) return failure(411, 'expected a body with its length');
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) {
      return failure(413, `expected a body of at most ${maxBodyBytes} bytes`);
    }
    return await route.act();
  };

  const server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs });
  // A POST that meets a connection which is just being closed for its silence would fail, and not be tried again.
  server.keepAliveTimeout = 0;
  server.on('request', (request, response) => {
    request.resume();
    answer(request).then(
      (answered) => reply(response, answered),
      (error: unknown) => reply(response, failure(500, messageOf(error))),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, resolve);
  });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => {
      server.close(resolve);
    });
    server.closeAllConnections();
    await actions.close?.();
    await closed;
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    token,
    environment: { STRESS_HELPER_URL: url, STRESS_HELPER_TOKEN: token },
    close: () => (closing ??= close()),
  };
};

interface Route {
  method: 'GET' | 'POST';
  act: () => Promise<Answer> | Answer;
}

const routesOf = (actions: HelperActions): Readonly<Record<string, Route>> => {
  const { stop, start, processId } = actions;
  let underWay: string | undefined;
  const startTimes = new Map<number, number>();

  const control = async (name: string, action: (() => Promise<void>) | undefined): Promise<Answer> => {
    if (action === undefined) {
      return failure(404, `this helper cannot ${name} the service: --stop-command and --start-command were not given`);
    }
    if (underWay !== undefined) return failure(409, `a ${underWay} is under way already`);
    underWay = name;
    try {
      await action();
      return { status: 200, body: { ok: true } };
    } finally {
      underWay = undefined;
    }
  };

  const figures = (): Answer => {
    if (processId === undefined) return failure(404, 'the process of the service is not known: --target-pid tells it');
    const pid = processId();
    if (pid === undefined) return failure(404, 'the service has no process now');
    const found = processFigures(pid);
    if (typeof found === 'string') return failure(404, found);
    const { residentBytes, children, startedAtTicks } = found;
    const firstSeen = startTimes.get(pid) ?? startedAtTicks;
    startTimes.set(pid, firstSeen);
    if (firstSeen !== startedAtTicks) return failure(404, `process ${pid} is gone; another one has its id now`);
    return { status: 200, body: { residentBytes, children } };
  };

  const capabilities = { stop: stop !== undefined, start: start !== undefined, process: processId !== undefined };
  return {
    '/capabilities': { method: 'GET', act: () => ({ status: 200, body: capabilities }) },
    '/stop': { method: 'POST', act: () => control('stop', stop) },
    '/start': { method: 'POST', act: () => control('start', start) },
    '/process': { method: 'GET', act: figures },
  };
};

const reply = (response: ServerResponse, { status, body }: Answer): void => {
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Cache-Control', 'no-store');
  // What is left of a body that was refused is not waited for.
  if (status >= 400) response.setHeader('Connection', 'close');
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
  response.end(JSON.stringify(body));
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

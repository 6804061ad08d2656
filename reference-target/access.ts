import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isLoopback, type TargetOptions } from './options.ts';

/** The HTTP answer to a refused request. */
export interface Refusal {
  status: number;
  reason: string;
}

/**
 * Refuses a request on loopback whose Host header names another host. Otherwise a web page whose name resolves to 127.0.0.1
 * (DNS rebinding) would have the same origin. Beyond loopback the token protects the target.
 */
export const refuseHost = (request: IncomingMessage, options: TargetOptions): Refusal | undefined => {
  if (!isLoopback(options.host)) return undefined;
  const host = (request.headers.host ?? '').replace(/:[0-9]*$/, '').toLowerCase();
  if (['localhost', '127.0.0.1', '[::1]', options.host].includes(host)) return undefined;
  return { status: 403, reason: `The Host header must name ${options.host} or localhost` };
};

/** Refuses a browser's request unless --origin allows its origin. */
export const refuseOrigin = (request: IncomingMessage, options: TargetOptions): Refusal | undefined => {
  const { origin } = request.headers;
  if (origin === undefined || options.origins.includes(origin)) return undefined;
  return { status: 403, reason: 'This Origin may not connect; allow it with --origin' };
};

/** Refuses a request without the bearer token, if one is set. */
export const refuseToken = (request: IncomingMessage, options: TargetOptions): Refusal | undefined => {
  if (options.token === undefined) return undefined;
  const given = /^Bearer +(.*)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  // timingSafeEqual needs inputs of equal length.
  if (timingSafeEqual(digest(given), digest(options.token))) return undefined;
  return { status: 401, reason: 'Expected the header "Authorization: Bearer <token>" with the token of the target' };
};

/** Refuses another user of this machine, where the target has no token. */
export const otherUser: Refusal = {
  status: 403,
  reason:
    'Without a token only processes of the user who runs the target may connect: start it with WS_STRESS_TARGET_TOKEN, or with --any-user',
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

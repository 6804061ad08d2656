import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isLoopback, type TargetOptions } from './options.ts';

/** Why a request is refused, as an HTTP answer. */
export interface Refusal {
  status: number;
  reason: string;
}

/**
 * Refuses a request that names another host than the loopback one it came to: a web page that has its own name point at
 * 127.0.0.1 (DNS rebinding) would otherwise be of the same origin. Beyond loopback the token protects.
 */
export const refuseHost = (request: IncomingMessage, options: TargetOptions): Refusal | undefined => {
  if (!isLoopback(options.host)) return undefined;
  const host = (request.headers.host ?? '').replace(/:[0-9]*$/, '').toLowerCase();
  if (['localhost', '127.0.0.1', '[::1]', options.host].includes(host)) return undefined;
  return { status: 403, reason: `The Host header must name ${options.host} or localhost` };
};

/** Refuses a browser's request unless its page's origin was named. */
export const refuseOrigin = (request: IncomingMessage, options: TargetOptions): Refusal | undefined => {
  const { origin } = request.headers;
  if (origin === undefined || options.origins.includes(origin)) return undefined;
  return { status: 403, reason: 'This Origin may not connect; the target names those that may by --origin' };
};

/** Refuses a request without the bearer token, where one is set. */
export const refuseToken = (request: IncomingMessage, options: TargetOptions): Refusal | undefined => {
  if (options.token === undefined) return undefined;
  const given = /^Bearer +(.*)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  // Digests have the same length, which the comparison in constant time asks for.
  if (timingSafeEqual(digest(given), digest(options.token))) return undefined;
  return { status: 401, reason: 'Expected the header Authorization: Bearer with the token of the target' };
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

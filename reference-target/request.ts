import { isObject, type Id } from '../lib/jsonrpc/messages.ts';
import { messageOf } from '../lib/text/errors.ts';

/** A text message from a client, by kind. */
export type Incoming =
  | { kind: 'call'; id: Id | undefined; method: string; params: unknown }
  | { kind: 'malformed'; reason: string }
  | { kind: 'invalid'; id: Id | undefined; reason: string };

/**
 * Reads one text message. `strict` follows JSON-RPC 2.0 to the letter; otherwise it is as lenient as the deployed service,
 * which checks neither `jsonrpc` nor the type of `method`.
 */
export const readMessage = (text: string, strict: boolean): Incoming => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { kind: 'malformed', reason: `Expected a JSON text: ${messageOf(error)}` };
  }
  // JSON-RPC 2.0 §6 makes batches optional; one error answers the whole batch.
  if (Array.isArray(value)) return invalid(undefined, 'Expected one request object; batches are not supported');
  if (!isObject(value)) return invalid(undefined, 'Expected a request object');

  const { jsonrpc, method, params, id } = value;
  if (!isId(id, strict)) return invalid(undefined, 'Expected an id that is a string, an exact number or null');
  if (!strict)
    return { kind: 'call', id: id ?? undefined, method: typeof method === 'string' ? method : typeof method, params };
  if (jsonrpc !== '2.0') return invalid(id, 'Expected "jsonrpc":"2.0"');
  if (typeof method !== 'string') return invalid(id, 'Expected a method that is a string');
  return { kind: 'call', id, method, params };
};

const invalid = (id: Id | undefined, reason: string): Incoming => ({ kind: 'invalid', id, reason });

/**
 * Whether the target can echo an id exactly. At an id that is not a string, an integer or null, the deployed service drops
 * the connection; the target does not reproduce this defect but answers with an error.
 */
const isId = (id: unknown, strict: boolean): id is Id | undefined => {
  if (typeof id !== 'number') return id === undefined || id === null || typeof id === 'string';
  if (!Number.isInteger(id)) return strict && Number.isFinite(id);
  return Number.isSafeInteger(id);
};

import { visible } from '../text/visible.ts';

/** An id of a request, as JSON-RPC 2.0 §4 allows it. */
export type Id = string | number | null;

/** An error object (JSON-RPC 2.0 §5.1). */
export interface ErrorObject {
  code: number;
  message: string;
  data?: unknown;
}

/**
 * One received message, told apart by its members (JSON-RPC 2.0 §4, §5). `id` is undefined where a response
 * carries none. `malformed` is whatever is no JSON-RPC object at all; `array` is what it holds where it is a batch (§6).
 */
export type Incoming =
  | { kind: 'notification'; method: string; params: Record<string, unknown> }
  | { kind: 'request'; method: string; id: Id }
  | { kind: 'result'; id: Id | undefined; result: unknown }
  | { kind: 'error'; id: Id | undefined; error: ErrorObject }
  | { kind: 'malformed'; reason: string; array?: readonly unknown[] };

/** A request as text (JSON-RPC 2.0 §4). */
export const serialiseRequest = (id: number, method: string, params?: object): string => {
  // Put together: k6 takes twice as long for the object that holds it.
  const head = `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}`;
  return params === undefined ? `${head}}` : `${head},"params":${JSON.stringify(params)}}`;
};

/** A notification as text: a request without an id, which is never answered (JSON-RPC 2.0 §4.1). */
export const serialiseNotification = (method: string, params: object): string =>
  JSON.stringify({ jsonrpc: '2.0', method, params });

/** Whether a JSON value is an object: not null, not an array. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const excerptLength = 80;

/** Escapes take room: an excerpt is no longer than this, so that nobody has to cut it off. */
const shownLength = 120;

const shown = (text: string): string => visible(JSON.stringify(text));

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;

/** 80 characters of a text, its first where no other begin is given, on one line and all of them visible, for an error message. */
export const excerpt = (text: string, from = 0): string => {
  let part = text.slice(from, from + excerptLength);
  let line = shown(part);
  while (line.length > shownLength) {
    part = part.slice(0, -1);
    line = shown(part);
  }
  const end = from + part.length;
  if (end < text.length && isHigh(text.charCodeAt(end - 1))) line = shown(part.slice(0, -1));
  return `${from > 0 ? '…' : ''}${line}${text.length > end ? '…' : ''}`;
};

/** Two texts that differ, each as an excerpt that has the first difference in it. */
export const excerptsOfDifference = (expected: string, received: string): [expected: string, received: string] => {
  let same = 0;
  while (same < expected.length && expected[same] === received[same]) same++;
  if (same > 0 && isHigh(expected.charCodeAt(same - 1))) same--;
  let from = 0;
  if (same >= excerptLength - 10 || shown(expected.slice(0, same)).length > excerptLength - 10) {
    from = same;
    while (from > 0 && shown(expected.slice(from - 1, same)).length <= excerptLength / 2 + 2) from--;
    if (from > 0 && from < same && isHigh(expected.charCodeAt(from - 1))) from++;
  }
  return [excerpt(expected, from), excerpt(received, from)];
};

const malformed = (reason: string): Incoming => ({ kind: 'malformed', reason });

const isId = (value: unknown): value is Id => value === null || typeof value === 'string' || typeof value === 'number';

/**
 * Reads one text message. Never throws. An absent `jsonrpc` member is tolerated (the service's documentation leaves
 * it out of notifications), another version is not; so is an `error: null` beside a result.
 */
export const parseMessage = (text: string): Incoming => {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return malformed(`expected a JSON object, received ${excerpt(text)}`);
  }
  if (!isObject(message)) {
    const reason = `expected a JSON object, received ${excerpt(text)}`;
    return Array.isArray(message) ? { kind: 'malformed', reason, array: message } : malformed(reason);
  }
  if (message.jsonrpc !== undefined && message.jsonrpc !== '2.0') {
    return malformed(
      `expected "jsonrpc":"2.0", received ${excerpt(JSON.stringify(message.jsonrpc))} in ${excerpt(text)}`,
    );
  }
  const { id, method, params } = message;
  if (id !== undefined && !isId(id))
    return malformed(
      `expected an id of type string, number or null, received ${excerpt(JSON.stringify(id))} in ${excerpt(text)}`,
    );
  if (method !== undefined) {
    if (typeof method !== 'string')
      return malformed(
        `expected a method of type string, received ${excerpt(JSON.stringify(method))} in ${excerpt(text)}`,
      );
    if (id !== undefined) return { kind: 'request', method, id };
    return { kind: 'notification', method, params: isObject(params) ? params : {} };
  }
  const hasResult = message.result !== undefined;
  const { error } = message;
  if (error !== undefined && error !== null) {
    if (hasResult) return malformed(`a response has either result or error, not both: ${excerpt(text)}`);
    if (
      !isObject(error) ||
      typeof error.code !== 'number' ||
      !Number.isFinite(error.code) ||
      typeof error.message !== 'string'
    ) {
      return malformed(
        `expected an error object with code and message, received ${excerpt(JSON.stringify(error))} in ${excerpt(text)}`,
      );
    }
    return { kind: 'error', id, error: { code: error.code, message: error.message, data: error.data } };
  }
  if (!hasResult) return malformed(`expected a method, a result or an error: ${excerpt(text)}`);
  return { kind: 'result', id, result: message.result };
};

import { excerpt, isObject, type Incoming } from '../jsonrpc/messages.ts';
import { visible } from '../text/visible.ts';
import { describeOutcome, type Outcome } from '../session/outcome.ts';
import type { Finding } from './case.ts';

/** The id of the requests that the cases send, where the id is not what they ask about. */
export const caseId = 'case';

/** A method that no service has, so that a request for it is harmless wherever it is sent. */
export const unknownMethod = 'ws-stress.unknown';

/** The bytes of a text; each character must be ASCII or stand for a byte. */
export const bytesOf = (text: string): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
};

/** The error codes that JSON-RPC 2.0 §5.1 defines. */
export const codes = {
  parseError: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
} as const;

/** One way in which a service may answer. */
export interface Answer {
  /** As in `error -32700 with id null`. */
  words: string;
  /** Whether what came, notifications left out, is that. */
  fits: (replies: readonly Incoming[]) => boolean;
}

/** An id as it is told; long ones are cut. */
const shownId = (id: unknown): string => {
  if (id === undefined) return 'without id';
  const text = visible(JSON.stringify(id));
  return text.length > 40 ? `with id ${text.slice(0, 20)}… of ${text.length} characters` : `with id ${text}`;
};

/** The only reply, where there is one. */
const only = (replies: readonly Incoming[]): Incoming | undefined => (replies.length === 1 ? replies[0] : undefined);

/** One error with this code and one of these ids. */
export const error = (code: number, ...ids: readonly unknown[]): Answer => ({
  words: `error ${code} ${ids.map(shownId).join(' or ')}`,
  fits: (replies) => {
    const reply = only(replies);
    return reply?.kind === 'error' && reply.error.code === code && ids.includes(reply.id);
  },
});

/** One error with any code and one of these ids. */
export const anyError = (...ids: readonly unknown[]): Answer => ({
  words: `an error ${ids.map(shownId).join(' or ')}`,
  fits: (replies) => {
    const reply = only(replies);
    return reply?.kind === 'error' && ids.includes(reply.id);
  },
});

/** One error with a code that JSON-RPC leaves to the service (§5.1: -32000 to -32099 and those that are not reserved). */
export const ownError = (id: unknown): Answer => ({
  words: `an error of the service's own ${shownId(id)}`,
  fits: (replies) => {
    const reply = only(replies);
    return reply?.kind === 'error' && reply.id === id && (reply.error.code >= -32_099 || reply.error.code < -32_768);
  },
});

/** One result. */
export const result = (id: unknown): Answer => ({
  words: `a result ${shownId(id)}`,
  fits: (replies) => {
    const reply = only(replies);
    return reply?.kind === 'result' && reply.id === id;
  },
});

/** No answer at all. */
export const silence: Answer = { words: 'no answer', fits: (replies) => replies.length === 0 };

/** One array: the responses to these requests, by id, each once (JSON-RPC 2.0 §6). */
export const batch = (...ids: readonly unknown[]): Answer => ({
  words: `an array of ${ids.length === 1 ? 'one response' : `${ids.length} responses`} (${[...new Set(ids)].map(shownId).join(', ')})`,
  fits: (replies) => {
    const reply = only(replies);
    return reply?.kind === 'malformed' && isBatchResponse(reply.array, ids);
  },
});

/** Whether a JSON value is an array that answers requests with these ids, each once, in any order. */
const isBatchResponse = (value: unknown, ids: readonly unknown[]): boolean => {
  if (!Array.isArray(value) || value.length !== ids.length) return false;
  const left = [...ids];
  return value.every((each) => {
    const at = isObject(each) ? left.indexOf(each.id) : -1;
    if (at < 0) return false;
    left.splice(at, 1);
    return isObject(each) && each.jsonrpc === '2.0' && 'result' in each !== 'error' in each;
  });
};

/** What a case accepts, in words. */
export const expectedWords = (accepts: readonly Answer[], closes: readonly number[]): string =>
  [...accepts.map(({ words }) => words), ...closes.map((code) => `close ${code}`)].join(', or ');

// oxlint-disable-next-line typescript/consistent-return -- the compiler sees that every kind is there
const describeReply = (reply: Incoming): string => {
  switch (reply.kind) {
    case 'error':
      return `error ${reply.error.code} ${excerpt(reply.error.message)} ${shownId(reply.id)}`;
    case 'result':
      return `a result ${shownId(reply.id)}`;
    case 'request':
      return `a request for ${JSON.stringify(reply.method)} ${shownId(reply.id)}`;
    case 'malformed':
      return `no JSON-RPC message: ${reply.reason}`;
    case 'notification':
      return `the notification ${JSON.stringify(reply.method)}`;
  }
};

/** What came, notifications left out: where much came, its beginning. */
export const describeReplies = (replies: readonly Incoming[]): string => {
  if (replies.length === 0) return 'no answer, though a later request was answered';
  const shown = replies.slice(0, 3).map(describeReply);
  return [...shown, ...(replies.length > shown.length ? [`${replies.length - shown.length} more`] : [])].join('; ');
};

/** Judges what came of a session that lives on: as expected or otherwise, but nothing is broken. */
export const evaluateReplies = (received: readonly Incoming[], accepts: readonly Answer[]): Finding => {
  const replies = received.filter(({ kind }) => kind !== 'notification');
  const isFine = accepts.some(({ fits }) => fits(replies));
  const text = replies.length === 0 && isFine ? 'no answer' : describeReplies(replies);
  return { kind: isFine ? 'conforming' : 'deviating', received: text };
};

/** Codes of a close by which a service tells a client what it did wrong, or that all is done (RFC 6455 §7.4). */
const tellingCodes = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]);

/**
 * Whether a session was ended by a close frame of the service's that tells the client why. One that says that the service
 * failed (1011), or nothing, is a lost connection like one without a frame.
 */
const isOrderly = ({ code, detail }: Extract<Outcome, { kind: 'closed' }>): boolean =>
  (tellingCodes.has(code) || code >= 3000) && !detail.startsWith('connection reset');

/** Judges that a session ended before the case had its answer; undefined where that is breaking. */
export const evaluateEnd = (outcome: Outcome, closes: readonly number[]): Finding | undefined => {
  const received = describeOutcome(outcome);
  if (outcome.kind === 'closed' && isOrderly(outcome)) {
    return { kind: closes.includes(outcome.code) ? 'conforming' : 'deviating', received };
  }
  // The service lives, but what it sent is no JSON-RPC, or nobody's answer.
  return outcome.kind === 'protocol-violation' ? { kind: 'deviating', received } : undefined;
};

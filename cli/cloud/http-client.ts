import { isObject } from '../../lib/jsonrpc/messages.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { parsedJson } from '../../lib/text/json.ts';
import { hide } from '../../lib/results/redact.ts';
import { secretsOfAuthorization } from '../../lib/results/secrets.ts';
import { printable } from '../shared/printable.ts';

/** Where the API is, and who asks. */
export interface CloudAccess {
  /** Origin of the API. */
  host: string;
  token: string;
  stackId: string;
}

/** What a client needs of the world; tests bring their own clock. */
export interface ClientWorld {
  waitMs: (ms: number) => Promise<void>;
  /** Says why it takes longer. */
  tell: (text: string) => void;
  /** How long a whole answer may take. */
  answerTimeoutMs: number;
}

/** An answer of the API. */
export interface Answer {
  status: number;
  body: Uint8Array;
}

/** A question to the API. */
export interface Question {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With its query. */
  path: string;
  accept?: string;
  /** A text is JSON. */
  body?: string | FormData | Uint8Array<ArrayBuffer>;
  /** Statuses that the caller deals with; whatever else comes is an error. */
  expected: readonly number[];
}

/** The API did not do what it was asked for; the message is fit for a terminal and holds no token. */
export class CloudError extends Error {
  /** Undefined where no answer came. */
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

const [maxTries, longestWaitMs, maxBodyBytes] = [5, 120_000, 64 * 2 ** 20];

/** How long an answer asks to be waited for, milliseconds; undefined where it does not say, or not understandably. */
export const retryAfterMs = (header: string | null, nowMs: number): number | undefined => {
  if (header === null) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
};

const readBody = async (what: string, response: Response): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new CloudError(`${what}: expected at most ${maxBodyBytes} bytes`, response.status);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
};

/** An answer's body as JSON; undefined where it is none. */
export const jsonOf = ({ body }: Answer): unknown => parsedJson(new TextDecoder().decode(body));

const messageIn = ({ target, message }: Record<string, unknown>): string =>
  `${typeof target === 'string' ? `${target}: ` : ''}${typeof message === 'string' ? message : ''}`;

/** What an answer says is wrong, with the details. */
const reasonOf = (answer: Answer): string => {
  const value = jsonOf(answer);
  const error = isObject(value) && isObject(value.error) ? value.error : undefined;
  if (error === undefined) return new TextDecoder().decode(answer.body.subarray(0, 1000));
  const details = (Array.isArray(error.details) ? error.details : []).filter(isObject);
  return [error, ...details].map(messageIn).join('; ');
};

/** A client of the API: asks, and asks again where that may help. */
export const createClient = (
  { host, token, stackId }: CloudAccess,
  { waitMs, tell, answerTimeoutMs }: ClientWorld,
): ((question: Question) => Promise<Answer>) => {
  const secrets = secretsOfAuthorization(`Bearer ${token}`);
  // A service may repeat what it was sent.
  const shown = (text: string): string => printable(hide(text, secrets), 500);

  const askOnce = async (what: string, { method, path, accept, body }: Question) => {
    const response = await fetch(`${host}${path}`, {
      method,
      // Wherever a redirect leads, the token does not go there.
      redirect: 'manual',
      headers: {
        Authorization: `Bearer ${token}`,
        'X-Stack-Id': stackId,
        Accept: accept ?? 'application/json',
        ...(typeof body === 'string' && { 'Content-Type': 'application/json' }),
        ...(body instanceof Uint8Array && { 'Content-Type': 'application/octet-stream' }),
      },
      ...(body !== undefined && { body }),
      signal: AbortSignal.timeout(answerTimeoutMs),
    });
    const answer: Answer = { status: response.status, body: await readBody(what, response) };
    return { answer, retryAfter: response.headers.get('retry-after') };
  };

  return async (question) => {
    const what = `${question.method} ${question.path.replace(/\?.*/, '')}`;
    for (let tried = 1; ; tried++) {
      let asked;
      let failure: string;
      try {
        asked = await askOnce(what, question);
        const { answer } = asked;
        if (question.expected.includes(answer.status)) return answer;
        failure = `${what}: status ${answer.status}: ${shown(reasonOf(answer)) || 'no reason given'}`;
        if (answer.status !== 429 && answer.status < 500) throw new CloudError(failure, answer.status);
      } catch (error) {
        if (error instanceof CloudError) throw error;
        const timedOut = error instanceof Error && error.name === 'TimeoutError';
        failure = `${what}: ${timedOut ? `no answer within ${answerTimeoutMs / 1000} s` : shown(innermostMessage(error))}`;
      }
      const status = asked?.answer.status;
      if (tried === maxTries) throw new CloudError(`${failure}; ${maxTries} tries`, status);
      const asksMs = retryAfterMs(asked?.retryAfter ?? null, Date.now());
      if (asksMs !== undefined && asksMs > longestWaitMs) {
        throw new CloudError(`${failure}; it asks to wait ${Math.ceil(asksMs / 1000)} s: deploy again then`, status);
      }
      const pauseMs = asksMs ?? 1000 * 2 ** (tried - 1);
      tell(`${failure}; again in ${Math.ceil(pauseMs / 1000)} s`);
      await waitMs(pauseMs);
    }
  };
};

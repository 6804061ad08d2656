import type { ErrorObject, Id, Incoming } from './messages.ts';

/** A response: the result, or the error object. */
export type Response = { result: unknown; error?: never } | { result?: never; error: ErrorObject };

/** A request that was sent, and its response once it is there. */
export interface Request {
  readonly id: number;
  readonly method: string;
  /** When it was sent, milliseconds on the socket's clock. */
  readonly sentAt: number;
  response: Answer | undefined;
}

/** A message that is a response. */
type Answer = Extract<Incoming, { kind: 'result' | 'error' }>;

/** The response that an answered request has. */
export const responseOf = ({ response }: Request): Response =>
  response?.kind === 'error' ? { error: response.error } : { result: response?.result };

/** Matches responses to requests by id, strictly: `1` is not `"1"` (JSON-RPC 2.0 §5). Ids are 1, 2, 3, … */
export class Correlation {
  private readonly requests: Request[] = [];

  /** A request that is about to be sent, with the next id. */
  next(method: string, sentAt: number): Request {
    const request = { id: this.requests.length + 1, method, sentAt, response: undefined };
    this.requests.push(request);
    return request;
  }

  /** Files a response; returns its request, or why it violates the protocol. */
  file(message: Answer): Request | string {
    const { id } = message;
    if (id === undefined || id === null) {
      const shown = message.kind === 'error' ? `${message.error.code} ${message.error.message}` : 'a result';
      return `expected the id of a request in each response, received ${shown} ${id === null ? 'with id null' : 'without id'}`;
    }
    const request = this.request(id);
    if (!request) return `response with an id that no request had: ${JSON.stringify(id)}`;
    if (request.response !== undefined) return `second response to request ${request.id} (${request.method})`;
    request.response = message;
    return request;
  }

  /** Whether an id is that of a request which still waits for its response. */
  awaits(id: Id | undefined): boolean {
    const request = this.request(id);
    return request !== undefined && request.response === undefined;
  }

  private request(id: Id | undefined): Request | undefined {
    return typeof id === 'number' ? this.requests[id - 1] : undefined;
  }
}

import type { ErrorObject, Id, Incoming } from './messages.ts';

/** A response: the result, or the error object. */
export type Response = { result: unknown; error?: never } | { result?: never; error: ErrorObject };

/** Matches responses to requests by id, strictly: `1` is not `"1"` (JSON-RPC 2.0 §5). Ids are 1, 2, 3, … */
export class Correlation {
  private readonly methods: string[] = [];
  private readonly responses: (Response | undefined)[] = [];

  /** Takes the next id for a request that is about to be sent. */
  next(method: string): number {
    return this.methods.push(method);
  }

  /** Files a response; returns why it violates the protocol, or undefined. */
  file(message: Extract<Incoming, { kind: 'result' | 'error' }>): string | undefined {
    const { id } = message;
    if (id === undefined || id === null) {
      const shown = message.kind === 'error' ? `${message.error.code} ${message.error.message}` : 'a result';
      return `expected the id of a request in each response, received ${shown} ${id === null ? 'with id null' : 'without id'}`;
    }
    const method = typeof id === 'number' ? this.methods[id - 1] : undefined;
    if (typeof id !== 'number' || method === undefined) {
      return `response with an id that no request had: ${JSON.stringify(id)}`;
    }
    if (this.responses[id - 1] !== undefined) return `second response to request ${id} (${method})`;
    this.responses[id - 1] = message.kind === 'error' ? { error: message.error } : { result: message.result };
    return undefined;
  }

  /** Whether an id is that of a request which still waits for its response. */
  awaits(id: Id | undefined): boolean {
    return typeof id === 'number' && this.methods[id - 1] !== undefined && this.responses[id - 1] === undefined;
  }

  /** The response to a request, once it is there. */
  response(id: number): Response | undefined {
    return this.responses[id - 1];
  }
}

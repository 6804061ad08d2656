import type { ControlType, JsonRpcId } from './request.ts';

/** A JSON-RPC message that the target sends. */
export interface OutgoingBody {
  jsonrpc?: string;
  method?: string;
  params?: Record<string, unknown>;
  result?: object;
  error?: object;
  id?: JsonRpcId;
}

/** A message on its way out; an `ack` is the result that answers an execute. */
export interface Outgoing {
  kind: 'ack' | 'response' | 'notification';
  body: OutgoingBody;
}

/** What a fault may do to the connection itself. */
export interface Wire {
  send(data: string | Buffer): void;
  close(code: number, reason: string): void;
  /** Ends the TCP connection without a closing handshake. */
  drop(): void;
  /** Ends the TCP connection by a reset. */
  reset(): void;
}

/** Passes a message on, changed, late, twice or not at all. */
type Interceptor = (message: Outgoing, next: (message: Outgoing) => void, wire: Wire) => void;

/** What a fault does to the opening handshake, or right behind it. */
type HandshakeFault = 'tcp-silent' | 'handshake-403' | 'limit' | 'no-pong';

interface FaultDefinition {
  /** By what a range counts: opening handshakes, or sessions in the order of their first execute. */
  counts: 'handshakes' | 'executes';
  description: string;
  /** Given if the fault takes a number of milliseconds, as in `slow:250`. */
  takesMs?: true;
  handshake?: HandshakeFault;
  ignores?: ControlType;
  heartbeat?: true;
  /** Makes the interceptor of one session; `onEnd` is called when the session has ended. */
  intercept?: (milliseconds: number, onEnd: (clean: () => void) => void) => Interceptor;
}

/** Every fault by name, in the order in which messages pass through them. */
const definitions: Readonly<Record<string, FaultDefinition>> = {
  'tcp-silent': {
    counts: 'handshakes',
    description:
      'accepts the connection and never answers the opening handshake (without a range, nor any HTTP request)',
    handshake: 'tcp-silent',
  },
  'handshake-403': {
    counts: 'handshakes',
    description: 'answers the opening handshake with 403',
    handshake: 'handshake-403',
  },
  limit: {
    counts: 'handshakes',
    description: 'refuses the session as over the session limit: error, then close 1008',
    handshake: 'limit',
  },
  'no-pong': { counts: 'handshakes', description: 'never answers a WebSocket ping', handshake: 'no-pong' },
  'heartbeat:MS': {
    counts: 'handshakes',
    description: 'sends its ping notification every MS milliseconds (no fault)',
    takesMs: true,
    heartbeat: true,
  },
  'no-connected': {
    counts: 'handshakes',
    description: 'never sends connected, and answers nothing',
    intercept: () => () => {},
  },
  'close-1008': {
    counts: 'handshakes',
    description: 'closes with 1008 right after connected, without an error message',
    intercept: () => (message, next, wire) => {
      next(message);
      if (isNotification(message, 'connected')) wire.close(1008, 'Policy violation');
    },
  },
  'ignore-pause': { counts: 'executes', description: 'says paused but lets the process run', ignores: 'PAUSE' },
  'ignore-cancel': { counts: 'executes', description: 'says cancelled but lets the process run', ignores: 'CANCEL' },
  silent: {
    counts: 'executes',
    description: 'sends connected, then nothing ever again',
    intercept: () => (message, next) => {
      if (isNotification(message, 'connected')) next(message);
    },
  },
  'exit-3': {
    counts: 'executes',
    description: 'says that the process failed with exit code 3',
    intercept: () => (message, next) => {
      if (isCompleted(message)) next(withParams(message, { status: 'failed', exit_code: 3 }));
      else next(message);
    },
  },
  'process-error': {
    counts: 'executes',
    description: 'sends process.error in place of process.completed',
    intercept: () => (message, next) => {
      if (isCompleted(message)) next(notification('process.error', { error: 'The service failed, as it was told to' }));
      else next(message);
    },
  },
  'lost-line': {
    counts: 'executes',
    description: 'drops the second line of stdout, or the only one',
    intercept: () => onVictim(() => {}),
  },
  'altered-line': {
    counts: 'executes',
    description: 'changes one character in the second line of stdout, or in the only one',
    intercept: () => onVictim((message, next) => next(withParams(message, { data: alter(dataOf(message)) }))),
  },
  'repeated-line': {
    counts: 'executes',
    description: 'sends the second line of stdout, or the only one, twice',
    intercept: () =>
      onVictim((message, next) => {
        next(message);
        next(message);
      }),
  },
  'swapped-lines': { counts: 'executes', description: 'swaps the first two lines of stdout', intercept: swapLines },
  'output-after-completed': {
    counts: 'executes',
    description: 'sends one more line of output after process.completed',
    intercept: () => (message, next) => {
      next(message);
      if (!isCompleted(message)) return;
      const params = { type: 'stdout', data: 'late\n', truncated: false, chunk_index: null, total_chunks: null };
      next(notification('process.output', params));
    },
  },
  'never-completes': {
    counts: 'executes',
    description: 'sends everything but process.completed',
    intercept: () => (message, next) => {
      if (!isCompleted(message)) next(message);
    },
  },
  'duplicate-completed': {
    counts: 'executes',
    description: 'sends process.completed twice',
    intercept: () => (message, next) => {
      next(message);
      if (isCompleted(message)) next(message);
    },
  },
  'no-ack': {
    counts: 'executes',
    description: 'does not answer execute, though everything else comes',
    intercept: () => (message, next) => {
      if (message.kind !== 'ack') next(message);
    },
  },
  'wrong-id': {
    counts: 'executes',
    description: 'answers with the id plus 1000',
    intercept: () => onId((id) => (typeof id === 'number' ? id + 1000 : `${String(id)}1000`)),
  },
  'string-id': { counts: 'executes', description: 'answers with the id as a string', intercept: () => onId(String) },
  'duplicate-response': {
    counts: 'executes',
    description: 'answers execute twice',
    intercept: () => (message, next) => {
      next(message);
      if (message.kind === 'ack') next(message);
    },
  },
  'late-response': {
    counts: 'executes',
    description: 'answers execute a second time after process.completed',
    intercept: () => {
      let ack: Outgoing | undefined;
      return (message, next) => {
        next(message);
        if (message.kind === 'ack') ack = message;
        if (isCompleted(message) && ack !== undefined) next(ack);
      };
    },
  },
  'malformed-json': {
    counts: 'executes',
    description: 'sends a truncated JSON text after the answer to execute',
    intercept: () => afterAck('{"jsonrpc":"2.0","method":"process.out'),
  },
  'not-an-object': {
    counts: 'executes',
    description: 'sends [1,2] after the answer to execute',
    intercept: () => afterAck('[1,2]'),
  },
  'binary-message': {
    counts: 'executes',
    description: 'sends a binary message after the answer to execute',
    intercept: () => afterAck(Buffer.from('{"jsonrpc":"2.0","method":"ping","params":{}}')),
  },
  'slow:MS': {
    counts: 'executes',
    description: 'delays output and process.completed by MS milliseconds',
    takesMs: true,
    intercept: (milliseconds, onEnd) => {
      const timers = new Set<NodeJS.Timeout>();
      onEnd(() => timers.forEach((timer) => clearTimeout(timer)));
      return (message, next) => {
        if (!isOutput(message) && !isCompleted(message)) return next(message);
        const timer = setTimeout(() => {
          timers.delete(timer);
          next(message);
        }, milliseconds);
        timers.add(timer);
      };
    },
  },
  'close-mid-output': {
    counts: 'executes',
    description: 'closes with 1011 after the first line of output, or in place of process.completed',
    intercept: () => midOutput((wire) => wire.close(1011, 'Internal error')),
  },
  'drop-mid-output': {
    counts: 'executes',
    description: 'ends the TCP connection after the first line of output without a closing handshake',
    intercept: () => midOutput((wire) => wire.drop()),
  },
  'reset-mid-output': {
    counts: 'executes',
    description: 'resets the TCP connection after the first line of output',
    intercept: () => midOutput((wire) => wire.reset()),
  },
  notifications: {
    counts: 'handshakes',
    description: 'sprinkles notifications that must not disturb a client (no fault)',
    intercept: sprinkle,
  },
  'bare-notifications': {
    counts: 'handshakes',
    description: 'leaves "jsonrpc" out of notifications, as the documentation prints them (no fault)',
    intercept: () => (message, next) => {
      if (message.kind !== 'notification') return next(message);
      const { jsonrpc: _, ...body } = message.body;
      next({ kind: message.kind, body });
    },
  },
  'spaced-json': {
    counts: 'handshakes',
    description: 'sends its messages with spaces and their members in another order (no fault)',
    intercept: () => (message, _next, wire) => wire.send(spaced(message.body)),
  },
};

/** One line on each fault, for help; those whose ranges count opening handshakes are marked. */
export function faultDescriptions(): string[] {
  return Object.entries(definitions).map(
    ([name, { counts, description }]) => `${name}${counts === 'handshakes' ? '*' : ''}: ${description}`,
  );
}

/** A fault that was asked for: which, with what number, for which ordinals. */
interface FaultRequest {
  definition: FaultDefinition;
  milliseconds: number;
  first: number;
  last: number;
}

/** Reads `NAME`, `NAME:MS`, each with an optional `@N`, `@N-M` or `@N-`; the problem as a string where it is none. */
function readFault(text: string): FaultRequest | string {
  const match = /^([a-z0-9-]+)(?::([1-9][0-9]{0,8}))?(?:@([1-9][0-9]{0,8})(-([1-9][0-9]{0,8})?)?)?$/.exec(text);
  const [, name = '', ms, first, dash, last] = match ?? [];
  const key = ms === undefined ? name : `${name}:MS`;
  const definition = Object.hasOwn(definitions, key) ? definitions[key] : undefined;
  const from = first === undefined ? 1 : Number(first);
  const to = last !== undefined ? Number(last) : first === undefined || dash !== undefined ? Infinity : from;
  if (definition === undefined || from > to) {
    return (
      `expected NAME[@N|@N-M|@N-], for example exit-3@2 or slow:500@3-, got ${JSON.stringify(text)}; ` +
      `names: ${Object.keys(definitions).join(', ')}`
    );
  }
  return { definition, milliseconds: Number(ms ?? 0), first: from, last: to };
}

/** What is wrong with the faults that were asked for, one sentence each. */
export function faultProblems(faults: readonly string[]): string[] {
  return faults.map(readFault).filter((fault) => typeof fault === 'string');
}

/** The faults of one session. */
export class AppliedFaults {
  /** Sends a message through the faults; undefined if none of them touches messages. */
  readonly intercept: ((message: Outgoing, wire: Wire) => void) | undefined;
  /** The controls that are confirmed but not carried out. */
  readonly ignored: ReadonlySet<ControlType>;
  /** Interval of the heartbeat in milliseconds, if it is another than usual. */
  readonly heartbeatMs: number | undefined;
  readonly #requests: readonly FaultRequest[];
  readonly #interceptors: Map<FaultRequest, Interceptor>;
  readonly #cleaners: (() => void)[];

  constructor(
    requests: readonly FaultRequest[],
    earlier = new Map<FaultRequest, Interceptor>(),
    cleaners: (() => void)[] = [],
  ) {
    this.#requests = inOrder(requests);
    this.#cleaners = cleaners;
    this.ignored = new Set(this.#requests.flatMap(({ definition }) => definition.ignores ?? []));
    this.heartbeatMs = this.#requests.find(({ definition }) => definition.heartbeat)?.milliseconds;
    const interceptors = new Map<FaultRequest, Interceptor>();
    for (const request of this.#requests) {
      const made =
        earlier.get(request) ??
        request.definition.intercept?.(request.milliseconds, (clean) => this.#cleaners.push(clean));
      if (made !== undefined) interceptors.set(request, made);
    }
    this.#interceptors = interceptors;
    this.intercept = interceptors.size === 0 ? undefined : chain([...interceptors.values()]);
  }

  /** These faults and those of another, each keeping what it remembers of the session. */
  and(requests: readonly FaultRequest[]): AppliedFaults {
    return new AppliedFaults([...this.#requests, ...requests], this.#interceptors, this.#cleaners);
  }

  /** Ends what the faults have under way. */
  end(): void {
    for (const clean of this.#cleaners) clean();
  }
}

/** What the faults make of one opening handshake. */
export interface HandshakeFaults {
  /** Whether a fault of this kind befalls the handshake. */
  has(kind: HandshakeFault): boolean;
  /** The faults that hold for the session from its start, if any. */
  session: AppliedFaults | undefined;
}

/** All faults of a target, and who is next to meet them. */
export class FaultBook {
  readonly #requests: readonly FaultRequest[];
  #handshakes = 0;
  #executes = 0;

  /** Throws at a fault that there is not: check with `faultProblems` first. */
  constructor(faults: readonly string[]) {
    this.#requests = faults.map((text) => {
      const fault = readFault(text);
      if (typeof fault === 'string') throw new Error(fault);
      return fault;
    });
  }

  /** Whether not even HTTP requests are answered. */
  get allSilent(): boolean {
    return this.#requests.some((request) => request.definition.handshake === 'tcp-silent' && isForAll(request));
  }

  /** The faults of the next opening handshake. */
  nextHandshake(): HandshakeFaults {
    this.#handshakes += 1;
    // A fault for all sessions holds from a session's start, by whatever its range would count.
    const requests = this.#requests.filter(
      (request) =>
        isForAll(request) || (request.definition.counts === 'handshakes' && isFor(request, this.#handshakes)),
    );
    return {
      has: (kind) => requests.some(({ definition }) => definition.handshake === kind),
      session: requests.length === 0 ? undefined : new AppliedFaults(requests),
    };
  }

  /** The faults that begin with the next session's first execute, added to those it has. */
  nextFirstExecute(current: AppliedFaults | undefined): AppliedFaults | undefined {
    this.#executes += 1;
    const requests = this.#requests.filter(
      (request) => !isForAll(request) && request.definition.counts === 'executes' && isFor(request, this.#executes),
    );
    if (requests.length === 0) return current;
    return current === undefined ? new AppliedFaults(requests) : current.and(requests);
  }
}

function isForAll({ first, last }: FaultRequest): boolean {
  return first === 1 && last === Infinity;
}

function isFor({ first, last }: FaultRequest, ordinal: number): boolean {
  return first <= ordinal && ordinal <= last;
}

function inOrder(requests: readonly FaultRequest[]): readonly FaultRequest[] {
  const order = Object.values(definitions);
  return [...requests].sort((a, b) => order.indexOf(a.definition) - order.indexOf(b.definition));
}

function chain(interceptors: readonly Interceptor[]): (message: Outgoing, wire: Wire) => void {
  return (message, wire) => {
    const pass = (index: number, passed: Outgoing): void => {
      const interceptor = interceptors[index];
      if (interceptor === undefined) wire.send(JSON.stringify(passed.body));
      else interceptor(passed, (changed) => pass(index + 1, changed), wire);
    };
    pass(0, message);
  };
}

function notification(method: string, params: Record<string, unknown>): Outgoing {
  return { kind: 'notification', body: { jsonrpc: '2.0', method, params } };
}

function isNotification(message: Outgoing, method: string): boolean {
  return message.kind === 'notification' && message.body.method === method;
}

function isCompleted(message: Outgoing): boolean {
  return isNotification(message, 'process.completed');
}

function isOutput(message: Outgoing): boolean {
  return isNotification(message, 'process.output');
}

function isStdout(message: Outgoing): boolean {
  return isOutput(message) && message.body.params?.['type'] === 'stdout';
}

function dataOf(message: Outgoing): string {
  return String(message.body.params?.['data']);
}

function withParams(message: Outgoing, changes: object): Outgoing {
  return { ...message, body: { ...message.body, params: { ...message.body.params, ...changes } } };
}

/** Puts another character in the middle of a line, or one into an empty line. */
function alter(data: string): string {
  const characters = Array.from(data.replace(/\n$/, ''));
  const middle = Math.floor(characters.length / 2);
  characters[middle] = characters[middle] === 'x' ? 'y' : 'x';
  return characters.join('') + (data.endsWith('\n') ? '\n' : '');
}

/** Does something to the second line of stdout, or to the only one, for which it holds the first back. */
function onVictim(harm: (message: Outgoing, next: (message: Outgoing) => void) => void): Interceptor {
  let held: Outgoing | undefined;
  let done = false;
  return (message, next) => {
    if (!done && isStdout(message)) {
      if (held === undefined) {
        held = message;
        return;
      }
      done = true;
      next(held);
      return harm(message, next);
    }
    if (!done && held !== undefined && isCompleted(message)) {
      done = true;
      harm(held, next);
    }
    next(message);
  };
}

function swapLines(): Interceptor {
  let held: Outgoing | undefined;
  let done = false;
  return (message, next) => {
    if (!done && held === undefined && isStdout(message)) {
      held = message;
      return;
    }
    const last = held !== undefined && (isStdout(message) || isCompleted(message)) ? held : undefined;
    if (last === undefined) return next(message);
    held = undefined;
    done = true;
    if (isCompleted(message)) next(last);
    next(message);
    if (!isCompleted(message)) next(last);
  };
}

function onId(change: (id: JsonRpcId) => JsonRpcId): Interceptor {
  return (message, next) => {
    const { id } = message.body;
    if (id === undefined) next(message);
    else next({ ...message, body: { ...message.body, id: change(id) } });
  };
}

function afterAck(data: string | Buffer): Interceptor {
  return (message, next, wire) => {
    next(message);
    if (message.kind === 'ack') wire.send(data);
  };
}

function midOutput(end: (wire: Wire) => void): Interceptor {
  return (message, next, wire) => {
    if (!isCompleted(message)) next(message);
    if (isOutput(message) || isCompleted(message)) end(wire);
  };
}

function sprinkle(): Interceptor {
  const extras = [
    notification('ping', { timestamp: 0 }),
    notification('hook.warning', { hook: 'pre-execute', message: 'No hook ran' }),
    notification('command.validation_warning', { message: 'The command looks odd', command: 'echo' }),
    notification('task.early_completion', { marker: 'done', time_saved: 1.5 }),
    notification('error.token_limit_exceeded', { limit: 1, error_text: 'Token limit exceeded' }),
    notification('error.rate_limit_exceeded', { retry_after: 1 }),
    notification('x-unknown.notification', { anything: [1, null, { deep: true }] }),
    { kind: 'notification', body: { jsonrpc: '2.0', method: 'no.params' } } as const,
  ];
  let sent = 0;
  return (message, next) => {
    next(message);
    // Behind every message of a short session, and now and then in a flood of output.
    sent += 1;
    if (isCompleted(message) || (sent > 20 && sent % 100 !== 0)) return;
    for (const extra of extras) next(extra);
  };
}

/** The same JSON with spaces between its tokens and the members of each object in reverse order. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[ ${value.map(spaced).join(' , ')} ]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${spaced(member)}`);
  return `{ ${members.reverse().join(', ')} }`;
}

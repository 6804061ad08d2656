import { isObject, type Id } from '../lib/jsonrpc/messages.ts';

/** A JSON-RPC message that the target sends. */
export interface OutgoingBody {
  jsonrpc?: string;
  method?: string;
  params?: Record<string, unknown>;
  result?: object;
  error?: { code: number; message: string; data: unknown };
  id?: Id;
}

/** A message to send; an `ack` is the result that answers an execute. */
export interface Outgoing {
  kind: 'ack' | 'response' | 'notification';
  body: OutgoingBody;
}

/** What a fault can do to the connection itself. */
export interface Wire {
  send(data: string | Buffer): void;
  close(code: number, reason: string): void;
  /** Ends the TCP connection without a closing handshake. */
  drop(): void;
  /** Resets the TCP connection. */
  reset(): void;
}

type Next = (message: Outgoing) => void;

/** Passes a message on: changed, late, twice or not at all. */
export type Interceptor = (message: Outgoing, next: Next, wire: Wire) => void;

/** Makes the interceptor of one session; what it gives to `onEnd` runs when the session has ended. */
export type InterceptorMaker = (number: number, onEnd: (clean: () => void) => void) => Interceptor;

/** A message from the client. */
export interface Received {
  isBinary: boolean;
  /** Its JSON value; undefined if it is binary or not JSON. */
  value: unknown;
}

/** The number of lines that `continueLate` invents, and the time between them. */
const lateLines = { count: 20, intervalMs: 100 };
/** Nesting of at least this depth is deep. */
const deepLevels = 100;
/** The codes that JSON-RPC 2.0 §5.1 defines. */
const jsonRpcCodes = new Set([-32_700, -32_600, -32_601, -32_602, -32_603]);

export const notification = (method: string, params: Record<string, unknown>): Outgoing => ({
  kind: 'notification',
  body: { jsonrpc: '2.0', method, params },
});

/** A `process.output` with one line of stdout. */
export const output = (data: string): Outgoing => {
  const params = { type: 'stdout', data, truncated: false, chunk_index: null, total_chunks: null };
  return notification('process.output', params);
};

export const isNotification = (message: Outgoing, method: string): boolean =>
  message.kind === 'notification' && message.body.method === method;

export const isCompleted = (message: Outgoing): boolean => isNotification(message, 'process.completed');

export const isOutput = (message: Outgoing): boolean => isNotification(message, 'process.output');

const isStdout = (message: Outgoing): boolean => isOutput(message) && message.body.params?.['type'] === 'stdout';

/** The line that a message carries. */
export const dataOf = (message: Outgoing): string => String(message.body.params?.['data']);

/** A notification with some of its parameters changed. */
export const withParams = (message: Outgoing, changes: object): Outgoing => ({
  ...message,
  body: { ...message.body, params: { ...message.body.params, ...changes } },
});

/** Changes the character in the middle of a line, or adds one to an empty line. */
export const alter = (data: string): string => {
  const characters = Array.from(data.replace(/\n$/, ''));
  const middle = Math.floor(characters.length / 2);
  characters[middle] = characters[middle] === 'x' ? 'y' : 'x';
  return characters.join('') + (data.endsWith('\n') ? '\n' : '');
};

/** Harms the second line of stdout, or the only one; it holds the first back until it knows which. */
export const onVictim = (harm: (message: Outgoing, next: (message: Outgoing) => void) => void): Interceptor => {
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
};

/** Swaps the first two lines of stdout. */
export const swapLines = (): Interceptor => {
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
};

/** Changes the id of each answer. */
export const onId =
  (change: (id: Id) => Id): Interceptor =>
  (message, next) => {
    const { id } = message.body;
    if (id === undefined) next(message);
    else next({ ...message, body: { ...message.body, id: change(id) } });
  };

/** Sends `data` after the answer to execute. */
export const afterAck =
  (data: string | Buffer): Interceptor =>
  (message, next, wire) => {
    next(message);
    if (message.kind === 'ack') wire.send(data);
  };

/** Ends the connection after the first line of output, or instead of process.completed. */
export const midOutput =
  (end: (wire: Wire) => void): Interceptor =>
  (message, next, wire) => {
    if (!isCompleted(message)) next(message);
    if (isOutput(message) || isCompleted(message)) end(wire);
  };

/** Adds notifications that a client must ignore. */
export const sprinkle = (): Interceptor => {
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
    // After every message of a short session, and now and then in a flood of output.
    sent += 1;
    if (isCompleted(message) || (sent > 20 && sent % 100 !== 0)) return;
    for (const extra of extras) next(extra);
  };
};

/** The same JSON, with spaces between its tokens and the members of each object in reverse order. */
export const spaced = (value: unknown): string => {
  if (Array.isArray(value)) return `[ ${value.map(spaced).join(' , ')} ]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${spaced(member)}`);
  return `{ ${members.reverse().join(', ')} }`;
};

/** Whether a message reports one of these outcomes of a control. */
const isControlled = (message: Outgoing, ...outcomes: readonly string[]): boolean =>
  outcomes.some((outcome) => isNotification(message, `process.${outcome}`));

/** Repeats the last line of stdout when the process is resumed. */
export const repeatOnResume = (): Interceptor => {
  let last: Outgoing | undefined;
  return (message, next) => {
    if (isStdout(message)) last = message;
    next(message);
    if (isControlled(message, 'resumed') && last !== undefined) next(last);
  };
};

/** Drops the first line of stdout after each resume. */
export const loseOnResume = (): Interceptor => {
  let losing = false;
  return (message, next) => {
    if (losing && isStdout(message)) {
      losing = false;
      return;
    }
    if (isControlled(message, 'resumed')) losing = true;
    next(message);
  };
};

/** Sends more lines like the last one after a cancel; process.completed, if the dialect has it, follows them. */
export const continueLate = (_: number, onEnd: (clean: () => void) => void): Interceptor => {
  let line = output('Late 0\n');
  let held: Outgoing | undefined;
  let timer: NodeJS.Timeout | undefined;
  onEnd(() => clearInterval(timer));
  return (message, next) => {
    if (isStdout(message)) line = message;
    if (timer !== undefined && isCompleted(message)) {
      held = message;
      return;
    }
    next(message);
    if (timer !== undefined || !isControlled(message, 'canceled', 'cancelled')) return;
    let sent = 0;
    timer = setInterval(() => {
      if (sent < lateLines.count) {
        sent += 1;
        line = withParams(line, {
          data: dataOf(line).replace(/[0-9]+(?=[^0-9]*$)/, (digits) => `${Number(digits) + 1}`),
        });
        return next(line);
      }
      clearInterval(timer);
      timer = undefined;
      if (held !== undefined) next(held);
      held = undefined;
    }, lateLines.intervalMs);
  };
};

/** Replaces the codes that JSON-RPC 2.0 defines. */
export const withErrorCode =
  (wrong: number): Interceptor =>
  (message, next) => {
    const { error } = message.body;
    if (error === undefined || !jsonRpcCodes.has(error.code)) next(message);
    else next({ ...message, body: { ...message.body, error: { ...error, code: wrong } } });
  };

/** Sends nothing more after an error. */
export const silentAfterError = (): Interceptor => {
  let failed = false;
  return (message, next) => {
    if (!failed) next(message);
    failed ||= message.body.error !== undefined;
  };
};

/** Whether arrays and objects are nested deeper than in any message of the protocol. */
export const isDeep = ({ value }: Received): boolean => {
  let level = [value];
  for (let depth = 0; depth < deepLevels; depth += 1) {
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
    if (level.length === 0) return false;
  }
  return true;
};

/** Whether a message is JSON but not an object. */
export const isNoObject = ({ value }: Received): boolean => value !== undefined && !isObject(value);

/** Whether the id of a message is a number but not a whole one. */
export const hasFractionId = ({ value }: Received): boolean =>
  isObject(value) && typeof value['id'] === 'number' && !Number.isInteger(value['id']);

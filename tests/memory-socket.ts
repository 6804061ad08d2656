import type { Command } from '../lib/commands/command.ts';
import type { Shapes } from '../lib/jsonrpc/shapes.ts';
import {
  beginScript,
  createShapes,
  type Begin,
  type Script,
  type Session,
  type SessionEvents,
  type SessionLimits,
  type SessionResult,
} from '../lib/session/session.ts';

/** A session over a socket in memory, on a clock that only the test moves. */
export interface MemorySession {
  events: SessionEvents;
  /** Texts the client sent. */
  sent: string[];
  /** Binary messages the client sent. */
  sentBinary: ArrayBuffer[];
  /** Codes of the client's closes. */
  closed: number[];
  pings: number;
  /** How many timers have fired. */
  wakes: number;
  /** Moves the clock, firing every timer that falls due, in order. */
  pass: (ms: number) => void;
  result: SessionResult | undefined;
  /** How often `settled` was called. */
  settledTimes: number;
}

const shortLimits: SessionLimits = { ackTimeoutMs: 1000, messageTimeoutMs: 3000, sessionTimeoutMs: 60_000 };

/** The script of the scenarios: execute, then completion. */
export const executeAndComplete = (command: Command) =>
  function* (session: Session): Script {
    const execution = yield* session.execute(command);
    yield* execution.completes();
  };

/** Starts a script over a socket in memory. */
export const startInMemory = (
  script: (session: Session) => Script,
  options: { limits?: SessionLimits; trace?: boolean; shapes?: Shapes; begin?: Begin } = {},
): MemorySession => {
  let now = 0;
  let timers: { at: number }[] = [];
  const memory: MemorySession = {
    events: undefined as unknown as SessionEvents,
    sent: [],
    sentBinary: [],
    closed: [],
    pings: 0,
    wakes: 0,
    result: undefined,
    settledTimes: 0,
    pass: (ms) => {
      const until = now + ms;
      for (;;) {
        const due = timers.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        timers = timers.filter((timer) => timer !== due);
        now = due.at;
        memory.wakes++;
        memory.events.wake();
      }
      now = until;
    },
  };
  const begin = options.begin ?? beginScript(script);
  memory.events = begin(
    {
      send: (text) => memory.sent.push(text),
      sendBinary: (data) => memory.sentBinary.push(data),
      stall: (ms) => (now += ms),
      ping: () => memory.pings++,
      close: (code) => memory.closed.push(code),
      wakeAfter: (ms) => timers.push({ at: now + ms }),
      now: () => now,
    },
    {
      startedAt: 0,
      limits: options.limits ?? shortLimits,
      trace: options.trace ?? false,
      // Of its own: what other tests' sessions taught is none of this one's.
      shapes: options.shapes ?? createShapes(),
    },
    (result) => {
      memory.result = result;
      memory.settledTimes++;
    },
  );
  return memory;
};

/** The service's messages, as recorded. */
export const service = {
  connected: '{"jsonrpc":"2.0","method":"connected","params":{"session_id":"s","version":"1.0.0","capabilities":[]}}',
  started: (id: number): string => `{"jsonrpc":"2.0","result":{"status":"started","pid":8843,"pgid":8843},"id":${id}}`,
  output: (line: string, type = 'stdout'): string =>
    JSON.stringify({
      jsonrpc: '2.0',
      method: 'process.output',
      params: { type, data: `${line}\n`, truncated: false, chunk_index: null, total_chunks: null },
    }),
  completed: (exitCode = 0, pid = 8843): string =>
    JSON.stringify({
      jsonrpc: '2.0',
      method: 'process.completed',
      params: { status: exitCode === 0 ? 'completed' : 'failed', pid, pgid: pid, exit_code: exitCode, error: null },
    }),
  error: (code: number, message: string, id?: number | null): string =>
    JSON.stringify({ jsonrpc: '2.0', error: { code, message, data: null }, ...(id !== undefined && { id }) }),
};

/** Runs something; returns what it returns, and how often JSON was parsed meanwhile: the fast path parses none. */
export const countingParsed = <Result>(run: () => Result): [Result, number] => {
  const { parse } = JSON;
  let count = 0;
  JSON.parse = (text: string, reviver?: Parameters<typeof parse>[1]): unknown => {
    count++;
    return parse(text, reviver) as unknown;
  };
  try {
    const result = run();
    return [result, count];
  } finally {
    JSON.parse = parse;
  }
};

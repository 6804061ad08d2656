// Takes the place of k6/ws in a profile: a socket in memory, whose service answers at once, and the time between its events.
import exec from 'k6/execution';

let instance;
/** Milliseconds on k6's clock, which has nanoseconds. */
export const now = () => (instance ??= exec.instance).currentTestRunDuration;

/** Milliseconds of each part of a session, summed up: what its handlers take, and what is before and behind the connection. */
export const spent = [];

let last = 0;
let part = 0;

/** Begins a session. */
export const begin = () => {
  part = 0;
  last = now();
};

/** Ends a part of a session, which may be the last one. */
export const mark = () => {
  const at = now();
  spent[part] = (spent[part] ?? 0) + at - last;
  part += 1;
  last = now();
};

/** What a service sends to a session, in order; process and session ids differ. */
const messagesOf = (pid) => [
  `{"jsonrpc":"2.0","method":"connected","params":{"session_id":"${pid}0000-0000-4000-8000-000000000000","version":"1.0.0","capabilities":["execute","control","stream"]}}`,
  `{"jsonrpc":"2.0","result":{"status":"started","pid":${pid},"pgid":${pid}},"id":1}`,
  `{"jsonrpc":"2.0","method":"process.started","params":{"status":"started","pid":${pid},"pgid":${pid},"exit_code":null,"error":null}}`,
  '{"jsonrpc":"2.0","method":"process.output","params":{"type":"stdout","data":"Line 0: \\n","truncated":false,"chunk_index":null,"total_chunks":null}}',
  `{"jsonrpc":"2.0","method":"process.completed","params":{"status":"completed","pid":${pid},"pgid":${pid},"exit_code":0,"error":null,"execution_time":0.00${pid},"early_completion_detected":false,"early_completion_time":null,"time_saved":0,"completion_marker":null}}`,
];

export const exchanges = [1000, 1234, 2345, 7777].map(messagesOf);
let turn = 0;

let handlers = {};
const nothing = () => {};
/** One for all sessions: what k6's own socket costs is none of the profile's concern. */
const socket = {
  on: (event, handler) => {
    handlers[event] = handler;
  },
  send: nothing,
  ping: nothing,
  close: () => handlers.close?.(1000),
  setTimeout: nothing,
};

const connect = (_url, _parameters, opened) => {
  mark();
  handlers = {};
  opened(socket);
  mark();
  const { message, pong } = handlers;
  for (const text of exchanges[turn++ & 3]) {
    message(text);
    mark();
  }
  pong();
  mark();
  return { status: 101, headers: {} };
};

export default { connect };

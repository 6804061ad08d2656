import type { DialectName } from '../reference-target/dialect.ts';
import type { TargetOptions } from '../reference-target/options.ts';

/** What an answer tells the client. */
export type Meaning = 'result' | 'error' | 'nothing';

/** One behaviour of the protocol: what a client sends, and everything but notifications that it must get back. */
export interface ConformanceRow {
  name: string;
  /** The section of the specification, or of the protocol's description, that asks for it. */
  source: string;
  /** Settings of the target that the behaviour depends on. */
  options?: Partial<TargetOptions>;
  /** The client's messages, sent one after the other without waiting. */
  send: readonly string[];
  /** They are sent as binary messages. */
  binary?: true;
  /** The answers in their order; `placeholders` stand for what differs from run to run. */
  answers: Readonly<Record<DialectName, readonly unknown[]>>;
  /** Methods of the notifications, `connected` and output left out; looked at only where given. */
  notifications?: Readonly<Record<DialectName, readonly string[]>>;
  /** The exit code in `process.completed`. */
  exitCode?: number;
  /** How the service closes the connection. */
  closes?: { code: number; reason: string };
  /** What the last answer means, where that is simple to say. */
  meaning?: Readonly<Record<DialectName, Meaning>>;
}

/** Stands for any whole number, such as a process id. */
export const anyInteger = '<integer>';
/** Stands for any text that is not empty, such as the message of an error. */
export const anyText = '<text>';

const started = { status: 'started', pid: anyInteger, pgid: anyInteger };

const call = (method: unknown, params?: unknown, id?: unknown): string =>
  JSON.stringify({ jsonrpc: '2.0', method, params, id });

const result = (value: object, id: unknown): object => ({ jsonrpc: '2.0', result: value, id });

const failure = (code: number, id: unknown, message: string = anyText): object => ({
  jsonrpc: '2.0',
  error: { code, message, data: null },
  id,
});

const failureWithoutId = (code: number, message: string = anyText): object => ({
  jsonrpc: '2.0',
  error: { code, message, data: null },
});

const both = <T>(value: T): Record<DialectName, T> => ({ deployed: value, documented: value });

/** The answers to what is no request and has no id that could be echoed. */
const unanswerable = { deployed: [failureWithoutId(-32603)], documented: [failure(-32600, null)] };
const hookStatus = { enabled: false, message: anyText };
const sleep = call('execute', { command: 'sleep 30' }, 1);

const echoedIds: readonly unknown[] = [0, 1, -1, 2_147_483_648, 9_007_199_254_740_991, '', 'a', '1', 'é"\\\n'];

/** Every behaviour of the protocol that can be put into messages and answers. */
export const conformanceTable: readonly ConformanceRow[] = [
  {
    name: 'execute answers with the process and reports its end',
    source: 'protocol: execute',
    send: [call('execute', { command: 'echo hi' }, 1)],
    answers: both([result(started, 1)]),
    notifications: both(['process.started', 'process.completed']),
    exitCode: 0,
    meaning: both('result'),
  },
  {
    name: 'a command that fails is reported with its exit code',
    source: 'protocol: process.completed',
    send: [call('execute', { command: 'exit 3' }, 1)],
    answers: both([result(started, 1)]),
    notifications: both(['process.started', 'process.completed']),
    exitCode: 3,
    meaning: both('result'),
  },
  {
    name: 'a command that a signal ends has minus its number for an exit code',
    source: 'protocol: process.completed',
    send: [call('execute', { command: 'kill -9 $$' }, 1)],
    answers: both([result(started, 1)]),
    exitCode: -9,
    meaning: both('result'),
  },
  {
    name: 'members that the protocol does not know are no fault',
    source: 'protocol: execute',
    send: [call('execute', { command: 'true', colour: 'red' }, 1)],
    answers: both([result(started, 1)]),
    exitCode: 0,
    meaning: both('result'),
  },
  {
    name: 'member order and spacing do not matter',
    source: 'RFC 8259 §2 and §4',
    send: ['\n{ "id" : 1,\t"params" : { "command" : "\\u0074rue" } , "method" : "execute", "jsonrpc" : "2.0" }\r\n'],
    answers: both([result(started, 1)]),
    exitCode: 0,
    meaning: both('result'),
  },
  ...['', '  \t\n'].map((command): ConformanceRow => ({
    name: `an empty command is refused (${JSON.stringify(command)})`,
    source: 'protocol: command not allowed, or empty',
    send: [call('execute', { command }, 1)],
    answers: {
      deployed: [failure(-32001, 1, 'Command cannot be empty')],
      documented: [failure(-32002, 1, 'Command cannot be empty')],
    },
    meaning: both('error'),
  })),
  ...['rm x', 'echo a; rm x', 'echo $(rm x)'].map((command): ConformanceRow => ({
    name: `a command that is not allowed is refused (${command})`,
    source: 'protocol: command not allowed, or empty',
    options: { allow: ['echo', 'ls'] },
    send: [call('execute', { command }, 1)],
    answers: { deployed: [failure(-32001, 1)], documented: [failure(-32002, 1)] },
    meaning: both('error'),
  })),
  {
    name: 'a command that is allowed runs',
    source: 'protocol: command not allowed, or empty',
    options: { allow: ['echo', 'ls'] },
    send: [call('execute', { command: 'echo a; echo b | echo c' }, 1)],
    answers: both([result(started, 1)]),
    exitCode: 0,
    meaning: both('result'),
  },
  {
    name: 'a second execute while a process runs is refused',
    source: 'protocol: execute',
    send: [sleep, call('execute', { command: 'echo 2' }, 9)],
    answers: both([result(started, 1), failure(-32602, 9, 'A process is already running')]),
    meaning: both('error'),
  },
  ...['PAUSE', 'RESUME', 'CANCEL'].map((type): ConformanceRow => ({
    name: `${type} without a process is refused`,
    source: 'protocol: no process to control',
    send: [call('control', { type }, 1)],
    answers: {
      deployed: [failure(-32002, 1, 'No process is running')],
      documented: [failure(-32003, 1, 'No process is running')],
    },
    meaning: both('error'),
  })),
  {
    name: 'PAUSE and RESUME are confirmed',
    source: 'protocol: control',
    send: [sleep, call('control', { type: 'PAUSE' }, 2), call('control', { type: 'RESUME' }, 3)],
    answers: both([result(started, 1), result({ status: 'paused' }, 2), result({ status: 'resumed' }, 3)]),
    notifications: both(['process.started', 'process.paused', 'process.resumed']),
    meaning: both('result'),
  },
  {
    name: 'CANCEL is confirmed',
    source: 'protocol: CANCEL of a running process',
    send: [sleep, call('control', { type: 'CANCEL' }, 2)],
    answers: {
      deployed: [result(started, 1), result({ status: 'canceled' }, 2)],
      documented: [result(started, 1), result({ status: 'cancelled' }, 2)],
    },
    notifications: {
      deployed: ['process.started', 'process.canceled'],
      documented: ['process.started', 'process.cancelled', 'process.completed'],
    },
    meaning: both('result'),
  },
  ...([{ type: 'STOP' }, { type: 'pause' }, { type: 1 }, {}, null, undefined, 'PAUSE', ['PAUSE']] as const).map(
    (params): ConformanceRow => ({
      name: `control with params ${JSON.stringify(params)} is refused`,
      source: 'protocol: wrong or missing params',
      send: [call('control', params, 1)],
      answers: { deployed: [failure(-32603, 1)], documented: [failure(-32602, 1)] },
      meaning: both('error'),
    }),
  ),
  ...[
    undefined,
    null,
    {},
    [],
    ['echo'],
    'echo',
    { command: 5 },
    { command: null },
    { command: ['echo'] },
    { command: 'echo \0' },
    { command: 'echo', timeout: 'x' },
    { command: 'echo', timeout: 1.5 },
    { command: 'echo', timeout: -1 },
  ].map((params): ConformanceRow => ({
    name: `execute with params ${JSON.stringify(params)} is refused`,
    source: 'protocol: wrong or missing params',
    send: [call('execute', params, 1)],
    answers: { deployed: [failure(-32603, 1)], documented: [failure(-32602, 1)] },
    meaning: both('error'),
  })),
  ...[null, 5, 'x', true].map((params): ConformanceRow => ({
    name: `params that are neither object nor array are refused (${JSON.stringify(params)})`,
    source: 'JSON-RPC 2.0 §4.2',
    send: [call('hook_status', params, 1)],
    answers: { deployed: [result(hookStatus, 1)], documented: [failure(-32602, 1)] },
    meaning: { deployed: 'result', documented: 'error' },
  })),
  {
    name: 'an unknown method is refused',
    source: 'JSON-RPC 2.0 §5.1',
    send: [call('nope', {}, 1)],
    answers: both([failure(-32601, 1)]),
    meaning: both('error'),
  },
  {
    name: 'a method is not found on the prototype of anything',
    source: 'JSON-RPC 2.0 §5.1',
    send: [call('constructor', {}, 1), call('__proto__', {}, 2)],
    answers: both([failure(-32601, 1), failure(-32601, 2)]),
    meaning: both('error'),
  },
  {
    name: 'hook_status answers with an object',
    source: 'protocol: hook_status',
    send: [call('hook_status', undefined, 1)],
    answers: both([result(hookStatus, 1)]),
    meaning: both('result'),
  },
  {
    name: 'pong is not answered',
    source: 'protocol: pong',
    send: [call('pong', {})],
    answers: both([]),
    meaning: both('nothing'),
  },
  ...['{bad', '', ' ', '{"jsonrpc":"2.0"', '{"a":1}{"b":2}', "{'a':1}", '{"id":1,}', 'NaN'].map(
    (text): ConformanceRow => ({
      name: `malformed JSON is answered with an error (${JSON.stringify(text)})`,
      source: 'JSON-RPC 2.0 §5.1',
      send: [text],
      answers: { deployed: [failureWithoutId(-32603)], documented: [failure(-32700, null)] },
      meaning: both('error'),
    }),
  ),
  ...['"str"', '1', 'null', 'true', '[]', '[1,2]', `[${call('hook_status', undefined, 1)}]`].map(
    (text): ConformanceRow => ({
      name: `what is no object is answered with one error (${text})`,
      source: text.startsWith('[') ? 'JSON-RPC 2.0 §6' : 'JSON-RPC 2.0 §4',
      send: [text],
      answers: unanswerable,
      meaning: both('error'),
    }),
  ),
  ...['{"jsonrpc":"1.0","method":"hook_status","id":1}', '{"method":"hook_status","id":1}'].map(
    (text): ConformanceRow => ({
      name: `the version must be 2.0 (${text})`,
      source: 'JSON-RPC 2.0 §4',
      send: [text],
      answers: { deployed: [result(hookStatus, 1)], documented: [failure(-32600, 1)] },
      meaning: { deployed: 'result', documented: 'error' },
    }),
  ),
  ...['{"jsonrpc":"2.0","id":1}', '{"jsonrpc":"2.0","method":5,"id":1}', '{"jsonrpc":"2.0","result":{},"id":1}'].map(
    (text): ConformanceRow => ({
      name: `a request must have a method (${text})`,
      source: 'JSON-RPC 2.0 §4',
      send: [text],
      answers: { deployed: [failure(-32601, 1)], documented: [failure(-32600, 1)] },
      meaning: both('error'),
    }),
  ),
  ...echoedIds.map((id): ConformanceRow => ({
    name: `an id is echoed as it came (${JSON.stringify(id)})`,
    source: 'JSON-RPC 2.0 §5',
    send: [call('hook_status', undefined, id)],
    answers: both([result(hookStatus, id)]),
    meaning: both('result'),
  })),
  {
    name: 'a fraction is echoed, or refused where the deployed service drops the connection',
    source: 'JSON-RPC 2.0 §4',
    send: [call('hook_status', undefined, 1.5)],
    answers: { deployed: [failureWithoutId(-32603)], documented: [result(hookStatus, 1.5)] },
    meaning: { deployed: 'error', documented: 'result' },
  },
  {
    name: 'a request whose id is null is answered',
    source: 'JSON-RPC 2.0 §4',
    send: [call('hook_status', undefined, null)],
    answers: { deployed: [{ jsonrpc: '2.0', result: hookStatus }], documented: [result(hookStatus, null)] },
    meaning: both('result'),
  },
  ...['true', '{}', '[]', '1e400', '9007199254740993'].map((id): ConformanceRow => ({
    name: `an id that cannot be echoed is refused (${id})`,
    source: 'JSON-RPC 2.0 §4',
    send: [`{"jsonrpc":"2.0","method":"hook_status","id":${id}}`],
    answers: unanswerable,
    meaning: both('error'),
  })),
  {
    name: 'a notification is not answered by JSON-RPC, and without an id by the deployed service',
    source: 'JSON-RPC 2.0 §4.1',
    send: [call('hook_status')],
    answers: { deployed: [{ jsonrpc: '2.0', result: hookStatus }], documented: [] },
    meaning: { deployed: 'result', documented: 'nothing' },
  },
  {
    name: 'nor is a notification with a fault',
    source: 'JSON-RPC 2.0 §4.1',
    send: [call('nope'), call('control', { type: 'STOP' }), call('control', { type: 'PAUSE' }), call('execute', {})],
    answers: {
      deployed: [-32601, -32603, -32002, -32603].map((code) => failureWithoutId(code)),
      documented: [],
    },
    meaning: { deployed: 'error', documented: 'nothing' },
  },
  {
    name: 'an execute without an id runs',
    source: 'JSON-RPC 2.0 §4.1',
    send: [call('execute', { command: 'true' })],
    answers: { deployed: [{ jsonrpc: '2.0', result: started }], documented: [] },
    notifications: both(['process.started', 'process.completed']),
    exitCode: 0,
  },
  {
    name: 'a binary message is answered with an error',
    source: 'RFC 6455 §5.6',
    send: [call('hook_status', undefined, 1)],
    binary: true,
    answers: unanswerable,
    meaning: both('error'),
  },
  {
    name: 'a session over the limit is told so and closed',
    source: 'protocol: session limit exceeded',
    options: { maxSessions: 1 },
    send: [],
    answers: {
      deployed: [failureWithoutId(-32003, 'Session limit exceeded')],
      documented: [failure(-32001, null, 'Session limit exceeded')],
    },
    closes: { code: 1008, reason: 'Session limit exceeded' },
    meaning: both('error'),
  },
];

/** The answer with the table's placeholders in place of what they stand for, to be compared with the table. */
export const withPlaceholders = (answer: unknown, expected: unknown): unknown => {
  if (expected === anyInteger && Number.isSafeInteger(answer)) return anyInteger;
  if (expected === anyText && typeof answer === 'string' && answer !== '') return anyText;
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return answer;
  const members = typeof expected === 'object' && expected !== null ? (expected as Record<string, unknown>) : {};
  return Object.fromEntries(
    Object.entries(answer).map(([name, member]) => [name, withPlaceholders(member, members[name])]),
  );
};

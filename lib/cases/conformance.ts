import type { Response } from '../jsonrpc/correlation.ts';
import type { Script, Wait } from '../session/session.ts';
import type { Case } from './case.ts';
import {
  anyError,
  batch,
  caseId,
  codes,
  error,
  expectedWords,
  evaluateEnd,
  evaluateReplies,
  ownError,
  result,
  silence,
  type Answer,
} from './conformance-judging.ts';

/** One message to a service, and how it may answer. */
interface Row {
  name: string;
  section: string;
  /** Makes the message, when the case runs: some are big. */
  send: () => string | ArrayBuffer;
  accepts: readonly Answer[];
  /** Codes of a close frame that are as good as an answer. */
  closes?: readonly number[];
}

const rpc = (section: string): string => `JSON-RPC 2.0 §${section}`;
const json = (section: string): string => `RFC 8259 §${section}`;

const pipelined = 100;
const mebibyte = 1_048_576;
const { parseError, invalidRequest, methodNotFound, invalidParams } = codes;

/** A method that no service has, so that a request for it is harmless wherever it is sent. */
const unknownMethod = 'ws-stress.unknown';

/** A message as text: a request for an unknown method, with some members changed; undefined leaves one out. */
const message = (changes: object): string =>
  JSON.stringify({ jsonrpc: '2.0', method: unknownMethod, id: caseId, ...changes });

/** The same with members whose value is JSON that no value of ours is written as. */
const messageWith = (members: string): string => `{"jsonrpc":"2.0","method":"${unknownMethod}",${members}}`;

/** Half of a surrogate pair stands for itself in no UTF-8 text: this stands for it until a message is made. */
const surrogate = 'SURROGATE';
const surrogateEscape = '\\ud800';
const escaped = (text: string): string => text.replace(surrogate, surrogateEscape);

const ascii = (text: string): ArrayBuffer => {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes.buffer;
};

const nested = (levels: number): string =>
  messageWith(`"params":${'['.repeat(levels)}${']'.repeat(levels)},"id":"${caseId}"`);

const caseOf = ({ name, section, send, accepts, closes = [] }: Row): Case => ({
  name,
  section,
  expected: expectedWords(accepts, closes),
  *script(session) {
    return evaluateReplies(yield* session.probe(send(), accepts.includes(silence) ? 0 : 1), accepts);
  },
  ended: (outcome) => evaluateEnd(outcome, closes),
});

const texts = (): readonly Row[] => {
  const accepts = [error(parseError, null)];
  const section = rpc('5.1');
  return [
    { name: 'malformed-json', section, accepts, send: () => '{bad' },
    { name: 'truncated-json', section, accepts, send: () => message({}).slice(0, -20) },
    { name: 'empty-text', section, accepts, send: () => '' },
    { name: 'two-texts', section, accepts, send: () => message({}) + message({}) },
    {
      name: 'nan-literal',
      section: json('6'),
      accepts,
      send: () => messageWith(`"params":{"n":NaN},"id":"${caseId}"`),
    },
  ];
};

const noObjects = (): readonly Row[] =>
  (
    [
      ['number-message', '42'],
      ['string-message', '"str"'],
      ['true-message', 'true'],
      ['null-message', 'null'],
    ] as const
  ).map(([name, text]) => ({
    name,
    section: rpc('4'),
    send: () => text,
    accepts: [error(invalidRequest, null)],
  }));

/** A service may do without batches: it then refuses one as a whole, as it refuses whatever is no request object. */
const batches = (): readonly Row[] => {
  const section = rpc('6');
  const refused = error(invalidRequest, null);
  const request = (id: string): string => message({ id });
  const notification = message({ id: undefined });
  return [
    { name: 'batch-of-numbers', section, send: () => '[1,2]', accepts: [batch(null, null), refused] },
    { name: 'batch-empty', section, send: () => '[]', accepts: [refused] },
    { name: 'batch-of-one', section, send: () => `[${request('a')}]`, accepts: [batch('a'), refused] },
    {
      name: 'batch-of-three',
      section,
      send: () => `[${['a', 'b', 'c'].map(request).join(',')}]`,
      accepts: [batch('a', 'b', 'c'), refused],
    },
    {
      name: 'batch-with-notification',
      section,
      send: () => `[${notification},${request('a')}]`,
      accepts: [batch('a'), refused],
    },
    {
      name: 'batch-of-notifications',
      section,
      send: () => `[${notification},${notification}]`,
      accepts: [silence, refused],
    },
  ];
};

const members = (): readonly Row[] => {
  const section = rpc('4');
  const invalid = [error(invalidRequest, caseId, null)];
  const unknown = error(methodNotFound, caseId);
  return [
    { name: 'jsonrpc-missing', section, accepts: invalid, send: () => message({ jsonrpc: undefined }) },
    { name: 'jsonrpc-old', section, accepts: invalid, send: () => message({ jsonrpc: '1.0' }) },
    { name: 'jsonrpc-number', section, accepts: invalid, send: () => message({ jsonrpc: 2 }) },
    { name: 'empty-object', section, accepts: [error(invalidRequest, null)], send: () => '{}' },
    { name: 'method-missing', section, accepts: invalid, send: () => message({ method: undefined }) },
    { name: 'method-number', section, accepts: invalid, send: () => message({ method: 5 }) },
    { name: 'method-null', section, accepts: invalid, send: () => message({ method: null }) },
    { name: 'method-empty', section, accepts: [unknown, ...invalid], send: () => message({ method: '' }) },
    { name: 'method-unknown', section: rpc('5.1'), accepts: [unknown], send: () => message({}) },
    { name: 'method-reserved', section, accepts: [unknown], send: () => message({ method: 'rpc.ws-stress' }) },
    { name: 'method-inherited', section, accepts: [unknown], send: () => message({ method: 'constructor' }) },
    { name: 'extra-members', section, accepts: [unknown, ...invalid], send: () => message({ colour: 'red', x: [{}] }) },
    {
      name: 'response-unasked',
      section: rpc('5'),
      accepts: [silence, error(invalidRequest, 99, null)],
      send: () => '{"jsonrpc":"2.0","result":true,"id":99}',
    },
  ];
};

const call =
  (method: string) =>
  (params: unknown): (() => string) =>
  () =>
    message({ method, params });

const params = (): readonly Row[] => {
  const execute = call('execute');
  const control = call('control');
  const section = rpc('5.1');
  const wrong = [error(invalidParams, caseId)];
  // §4.2 asks for a structured value: anything else makes a bad request as well as bad params.
  const unstructured = [...wrong, error(invalidRequest, caseId, null)];
  const carriedOut = [result(caseId), ...wrong, ownError(caseId)];
  return [
    { name: 'params-string', section: rpc('4.2'), accepts: unstructured, send: execute('echo conformance') },
    { name: 'params-number', section: rpc('4.2'), accepts: unstructured, send: execute(5) },
    { name: 'params-null', section: rpc('4.2'), accepts: unstructured, send: execute(null) },
    { name: 'params-positional', section: rpc('4.2'), accepts: carriedOut, send: execute(['echo conformance']) },
    { name: 'execute-without-params', section, accepts: wrong, send: execute(undefined) },
    { name: 'execute-empty-params', section, accepts: wrong, send: execute({}) },
    { name: 'execute-command-number', section, accepts: wrong, send: execute({ command: 5 }) },
    { name: 'execute-command-null', section, accepts: wrong, send: execute({ command: null }) },
    {
      name: 'execute-unknown-param',
      section: rpc('4.2'),
      accepts: carriedOut,
      send: execute({ command: 'echo conformance', colour: 'red' }),
    },
    { name: 'execute-nul', section, accepts: carriedOut, send: execute({ command: 'echo a\u0000b' }) },
    {
      name: 'execute-lone-surrogate',
      section: json('8.2'),
      accepts: carriedOut,
      send: () => escaped(message({ method: 'execute', params: { command: `echo '${surrogate}'` } })),
    },
    { name: 'control-unknown-type', section, accepts: wrong, send: control({ type: 'EXPLODE' }) },
    { name: 'control-without-type', section, accepts: wrong, send: control({}) },
    { name: 'control-lower-case', section, accepts: [...wrong, ownError(caseId)], send: control({ type: 'pause' }) },
  ];
};

const ids = (): readonly Row[] => {
  const section = rpc('4');
  const echoed = (name: string, id: unknown): Row => ({
    name,
    section: rpc('5'),
    accepts: [error(methodNotFound, id)],
    send: () => message({ id }),
  });
  const unusual = (name: string, text: string): Row => ({
    name,
    section,
    accepts: [error(methodNotFound, Number(text)), error(invalidRequest, null)],
    send: () => messageWith(`"id":${text}`),
  });
  const invalid = (name: string, id: unknown): Row => ({
    name,
    section,
    accepts: [error(invalidRequest, null)],
    send: () => message({ id }),
  });
  return [
    echoed('id-empty-string', ''),
    echoed('id-string', 'é😀"\\\n'),
    echoed('id-long-string', 'x'.repeat(4096)),
    echoed('id-zero', 0),
    echoed('id-negative', -1),
    echoed('id-null', null),
    unusual('id-fraction', '1.5'),
    unusual('id-over-2-to-53', '9007199254740994'),
    unusual('id-1e300', '1e300'),
    {
      name: 'id-lone-surrogate',
      section: json('8.2'),
      // k6 reads U+FFFD where others read the half.
      accepts: [
        error(methodNotFound, JSON.parse(`"${surrogateEscape}"`)),
        error(invalidRequest, null),
        error(parseError, null),
      ],
      send: () => escaped(message({ id: surrogate })),
    },
    // A service that takes it for a number takes it for 0, which is no id of the session's.
    invalid('id-boolean', false),
    invalid('id-array', [1]),
    invalid('id-object', { n: 1 }),
  ];
};

const notifications = (): readonly Row[] =>
  (
    [
      ['notification', { method: 'hook_status' }],
      ['notification-pong', { method: 'pong', params: {} }],
      ['notification-unknown-method', {}],
      ['notification-wrong-params', { method: 'execute', params: {} }],
      ['notification-control', { method: 'control', params: { type: 'PAUSE' } }],
      ['notification-execute', { method: 'execute', params: { command: 'echo conformance' } }],
    ] as const
  ).map(([name, changes]) => ({
    name,
    section: rpc('4.1'),
    send: () => message({ id: undefined, ...changes }),
    accepts: [silence],
  }));

const spellings = (): readonly Row[] => {
  const accepts = [error(methodNotFound, caseId)];
  const parts = { method: `"method":"${unknownMethod}"`, id: `"id":"${caseId}"`, version: '"jsonrpc":"2.0"' };
  return [
    {
      name: 'member-order',
      section: json('4'),
      accepts,
      send: () => `{"params":{},${parts.id},${parts.method},${parts.version}}`,
    },
    { name: 'white-space', section: json('2'), accepts, send: () => `\r\n\t ${message({})} \n` },
    {
      name: 'unicode-escapes',
      section: json('7'),
      accepts,
      send: () => `{${parts.version},"\\u006dethod":"\\u0077s-stress.unknown",${parts.id}}`,
    },
    {
      name: 'duplicate-members',
      section: json('4'),
      accepts: [error(methodNotFound, 'first', 'last'), error(invalidRequest, null), error(parseError, null)],
      send: () => messageWith('"id":"first","id":"last"'),
    },
    {
      name: 'lone-surrogate',
      section: json('8.2'),
      accepts: [...accepts, error(invalidRequest, caseId, null), error(parseError, null)],
      send: () => escaped(message({ method: `ws-stress.${surrogate}` })),
    },
    {
      name: 'byte-order-mark',
      section: json('8.1'),
      accepts: [...accepts, error(parseError, null)],
      send: () => `\ufeff${message({})}`,
    },
    {
      name: 'number-over-double',
      section: json('6'),
      accepts: [...accepts, error(invalidParams, caseId), error(parseError, null)],
      send: () => messageWith(`"params":{"n":1e400},"id":"${caseId}"`),
    },
    {
      name: 'number-of-5000-digits',
      section: json('6'),
      accepts: [...accepts, error(invalidParams, caseId), error(parseError, null)],
      send: () => messageWith(`"params":{"n":${'9'.repeat(5000)}},"id":"${caseId}"`),
    },
  ];
};

const binaries = (): readonly Row[] =>
  (
    [
      ['binary-request', message({})],
      ['binary-junk', '\u0000\u00ff\u00fe{'],
    ] as const
  ).map(([name, text]) => ({
    name,
    section: 'RFC 6455 §5.6',
    accepts: [error(methodNotFound, caseId), anyError(null)],
    closes: [1003],
    send: () => ascii(text),
  }));

const sizes = (): readonly Row[] => {
  // What a service finds too big or too deep is its own affair, as long as it says so.
  const accepts = [anyError(caseId, null)];
  const long = (name: string, bytes: number): Row => ({
    name,
    section: 'RFC 6455 §7.4.1',
    accepts,
    closes: [1009],
    send: () => message({ params: { padding: 'x'.repeat(bytes) } }),
  });
  const deep = (name: string, levels: number): Row => ({
    name,
    section: json('9'),
    accepts,
    closes: [1009],
    send: () => nested(levels),
  });
  return [
    deep('nesting-of-10000', 10_000),
    deep('nesting-of-100000', 100_000),
    long('message-over-1-mib', mebibyte + 1024),
    long('message-over-16-mib', 16 * mebibyte + 1024),
  ];
};

const duplicateId = (): Case => {
  const once = error(methodNotFound, caseId);
  const twice: Answer = {
    words: `${once.words}, twice`,
    fits: (replies) => replies.length === 2 && replies.every((reply) => once.fits([reply])),
  };
  return {
    name: 'id-used-again',
    section: rpc('5'),
    expected: twice.words,
    *script(session) {
      yield* session.probe(message({}), 1);
      return evaluateReplies(yield* session.probe(message({}), 2), [twice]);
    },
    ended: (outcome) => evaluateEnd(outcome, []),
  };
};

/** Runs scripts that each wait for one thing, all at once. */
const together = function* <Result>(scripts: readonly Script<Result>[]): Script<Result[]> {
  const waits = scripts.flatMap((script) => script.next().value as Wait);
  yield { ...(waits[0] as Wait), until: () => waits.every((wait) => wait.until()) };
  return scripts.map((script) => script.next().value as Result);
};

const pipelining = (): Case => ({
  name: 'pipelining',
  section: rpc('5'),
  expected: `error ${methodNotFound} to each of ${pipelined} requests sent at once, each id once`,
  *script(session) {
    const requests = Array.from({ length: pipelined }, () => session.request(unknownMethod));
    const responses: Response[] = yield* together(requests);
    const other = responses.find((response) => response.error?.code !== methodNotFound);
    if (!other) return { kind: 'conforming', received: `error ${methodNotFound} to each of ${pipelined}` };
    return { kind: 'deviating', received: other.error ? `error ${other.error.code}` : 'a result' };
  },
  ended: (outcome) => evaluateEnd(outcome, []),
});

/** JSON-RPC 2.0 and its text and binary messages: one question a session; what may break a service comes last. */
export const conformanceCases = (): readonly Case[] => [
  ...[texts, noObjects, batches, members, params, ids].flatMap((rows) => rows().map(caseOf)),
  duplicateId(),
  ...[notifications, spellings].flatMap((rows) => rows().map(caseOf)),
  pipelining(),
  ...[binaries, sizes].flatMap((rows) => rows().map(caseOf)),
];

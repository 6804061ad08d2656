import type { Response } from '../jsonrpc/correlation.ts';
import type { Script, Wait } from '../session/session.ts';
import type { Case } from './case.ts';
import {
  anyError,
  batch,
  bytesOf,
  caseId,
  codes,
  error,
  expectedWords,
  evaluateEnd,
  evaluateReplies,
  ownError,
  result,
  silence,
  unknownMethod,
  type Answer,
} from './conformance-judging.ts';

const rpc = (section: string): string => `JSON-RPC 2.0 §${section}`;
const json = (section: string): string => `RFC 8259 §${section}`;

const pipelined = 100;
const mebibyte = 1_048_576;
const { parseError, invalidRequest, methodNotFound, invalidParams } = codes;

/** A message as text: a request for an unknown method, with some members changed; undefined leaves one out. */
const message = (changes: object): string =>
  JSON.stringify({ jsonrpc: '2.0', method: unknownMethod, id: caseId, ...changes });

/** The same with members whose value is JSON that no value of ours is written as. */
const messageWith = (members: string): string => `{"jsonrpc":"2.0","method":"${unknownMethod}",${members}}`;

/** Half of a surrogate pair stands for itself in no UTF-8 text: this stands for it until a message is made. */
const surrogate = 'SURROGATE';
const surrogateEscape = '\\ud800';
const escaped = (text: string): string => text.replace(surrogate, surrogateEscape);

/**
 * One message to a service, and how it may answer. `send` makes the message when the case runs, because some are big;
 * `closes` are codes of a close frame that are as good as an answer.
 */
const row = (
  name: string,
  section: string,
  accepts: readonly Answer[],
  send: () => string | ArrayBuffer,
  closes: readonly number[] = [],
): Case => ({
  name,
  section,
  expected: expectedWords(accepts, closes),
  *script(session) {
    return evaluateReplies(yield* session.probe(send(), accepts.includes(silence) ? 0 : 1), accepts);
  },
  ended: (outcome) => evaluateEnd(outcome, closes),
});

const texts = (): readonly Case[] => {
  const accepts = [error(parseError, null)];
  const section = rpc('5.1');
  return [
    row('malformed-json', section, accepts, () => '{bad'),
    row('truncated-json', section, accepts, () => message({}).slice(0, -20)),
    row('empty-text', section, accepts, () => ''),
    row('two-texts', section, accepts, () => message({}) + message({})),
    row('nan-literal', json('6'), accepts, () => messageWith(`"params":{"n":NaN},"id":"${caseId}"`)),
  ];
};

const noObjects = (): readonly Case[] =>
  (
    [
      ['number-message', '42'],
      ['string-message', '"str"'],
      ['true-message', 'true'],
      ['null-message', 'null'],
    ] as const
  ).map(([name, text]) => row(name, rpc('4'), [error(invalidRequest, null)], () => text));

/** A service may do without batches: it then refuses one as a whole, as it refuses whatever is no request object. */
const batches = (): readonly Case[] => {
  const section = rpc('6');
  const refused = error(invalidRequest, null);
  const request = (id: string): string => message({ id });
  const notification = message({ id: undefined });
  const three = ['a', 'b', 'c'];
  return [
    row('batch-of-numbers', section, [batch(null, null), refused], () => '[1,2]'),
    row('batch-empty', section, [refused], () => '[]'),
    row('batch-of-one', section, [batch('a'), refused], () => `[${request('a')}]`),
    row('batch-of-three', section, [batch(...three), refused], () => `[${three.map(request).join(',')}]`),
    row('batch-with-notification', section, [batch('a'), refused], () => `[${notification},${request('a')}]`),
    row('batch-of-notifications', section, [silence, refused], () => `[${notification},${notification}]`),
  ];
};

const members = (): readonly Case[] => {
  const section = rpc('4');
  const invalid = [error(invalidRequest, caseId, null)];
  const unknown = error(methodNotFound, caseId);
  const unasked = [silence, error(invalidRequest, 99, null)];
  return [
    row('jsonrpc-missing', section, invalid, () => message({ jsonrpc: undefined })),
    row('jsonrpc-old', section, invalid, () => message({ jsonrpc: '1.0' })),
    row('jsonrpc-number', section, invalid, () => message({ jsonrpc: 2 })),
    row('empty-object', section, [error(invalidRequest, null)], () => '{}'),
    row('method-missing', section, invalid, () => message({ method: undefined })),
    row('method-number', section, invalid, () => message({ method: 5 })),
    row('method-null', section, invalid, () => message({ method: null })),
    row('method-empty', section, [unknown, ...invalid], () => message({ method: '' })),
    row('method-unknown', rpc('5.1'), [unknown], () => message({})),
    row('method-reserved', section, [unknown], () => message({ method: 'rpc.ws-stress' })),
    row('method-inherited', section, [unknown], () => message({ method: 'constructor' })),
    row('extra-members', section, [unknown, ...invalid], () => message({ colour: 'red', x: [{}] })),
    row('response-unasked', rpc('5'), unasked, () => '{"jsonrpc":"2.0","result":true,"id":99}'),
  ];
};

const params = (): readonly Case[] => {
  const call = (method: string) => (name: string, section: string, accepts: readonly Answer[], given: unknown) =>
    row(name, section, accepts, () => message({ method, params: given }));
  const execute = call('execute');
  const control = call('control');
  const [structure, section] = [rpc('4.2'), rpc('5.1')];
  const wrong = [error(invalidParams, caseId)];
  // §4.2 asks for a structured value: anything else makes a bad request as well as bad params.
  const unstructured = [...wrong, error(invalidRequest, caseId, null)];
  const carriedOut = [result(caseId), ...wrong, ownError(caseId)];
  return [
    execute('params-string', structure, unstructured, 'echo conformance'),
    execute('params-number', structure, unstructured, 5),
    execute('params-null', structure, unstructured, null),
    execute('params-positional', structure, carriedOut, ['echo conformance']),
    execute('execute-without-params', section, wrong, undefined),
    execute('execute-empty-params', section, wrong, {}),
    execute('execute-command-number', section, wrong, { command: 5 }),
    execute('execute-command-null', section, wrong, { command: null }),
    execute('execute-unknown-param', structure, carriedOut, { command: 'echo conformance', colour: 'red' }),
    execute('execute-nul', section, carriedOut, { command: 'echo a\u0000b' }),
    row('execute-lone-surrogate', json('8.2'), carriedOut, () =>
      escaped(message({ method: 'execute', params: { command: `echo '${surrogate}'` } })),
    ),
    control('control-unknown-type', section, wrong, { type: 'EXPLODE' }),
    control('control-without-type', section, wrong, {}),
    control('control-lower-case', section, [...wrong, ownError(caseId)], { type: 'pause' }),
  ];
};

const ids = (): readonly Case[] => {
  const refused = error(invalidRequest, null);
  const echoed = (name: string, id: unknown): Case =>
    row(name, rpc('5'), [error(methodNotFound, id)], () => message({ id }));
  const unusual = (name: string, text: string): Case =>
    row(name, rpc('4'), [error(methodNotFound, Number(text)), refused], () => messageWith(`"id":${text}`));
  const invalid = (name: string, id: unknown): Case => row(name, rpc('4'), [refused], () => message({ id }));
  // k6 reads U+FFFD where others read the half.
  const half = [error(methodNotFound, JSON.parse(`"${surrogateEscape}"`)), refused, error(parseError, null)];
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
    row('id-lone-surrogate', json('8.2'), half, () => escaped(message({ id: surrogate }))),
    // A service that takes it for a number takes it for 0, which is no id of the session's.
    invalid('id-boolean', false),
    invalid('id-array', [1]),
    invalid('id-object', { n: 1 }),
  ];
};

const notifications = (): readonly Case[] =>
  (
    [
      ['notification', { method: 'hook_status' }],
      ['notification-pong', { method: 'pong', params: {} }],
      ['notification-unknown-method', {}],
      ['notification-wrong-params', { method: 'execute', params: {} }],
      ['notification-control', { method: 'control', params: { type: 'PAUSE' } }],
      ['notification-execute', { method: 'execute', params: { command: 'echo conformance' } }],
    ] as const
  ).map(([name, changes]) => row(name, rpc('4.1'), [silence], () => message({ id: undefined, ...changes })));

const spellings = (): readonly Case[] => {
  const [unknown, unparsed] = [error(methodNotFound, caseId), error(parseError, null)];
  const number = [unknown, error(invalidParams, caseId), unparsed];
  const [method, id, version] = [`"method":"${unknownMethod}"`, `"id":"${caseId}"`, '"jsonrpc":"2.0"'];
  const escapes = `{${version},"\\u006dethod":"\\u0077s-stress.unknown",${id}}`;
  const twice = [error(methodNotFound, 'first', 'last'), error(invalidRequest, null), unparsed];
  const half = [unknown, error(invalidRequest, caseId, null), unparsed];
  return [
    row('member-order', json('4'), [unknown], () => `{"params":{},${id},${method},${version}}`),
    row('white-space', json('2'), [unknown], () => `\r\n\t ${message({})} \n`),
    row('unicode-escapes', json('7'), [unknown], () => escapes),
    row('duplicate-members', json('4'), twice, () => messageWith('"id":"first","id":"last"')),
    row('lone-surrogate', json('8.2'), half, () => escaped(message({ method: `ws-stress.${surrogate}` }))),
    row('byte-order-mark', json('8.1'), [unknown, unparsed], () => `\ufeff${message({})}`),
    row('number-over-double', json('6'), number, () => messageWith(`"params":{"n":1e400},${id}`)),
    row('number-of-5000-digits', json('6'), number, () => messageWith(`"params":{"n":${'9'.repeat(5000)}},${id}`)),
  ];
};

const binaries = (): readonly Case[] =>
  (
    [
      ['binary-request', message({})],
      ['binary-junk', '\u0000\u00ff\u00fe{'],
    ] as const
  ).map(([name, text]) =>
    row(name, 'RFC 6455 §5.6', [error(methodNotFound, caseId), anyError(null)], () => bytesOf(text).buffer, [1003]),
  );

const sizes = (): readonly Case[] => {
  // What a service finds too big or too deep is its own affair, as long as it says so.
  const accepts = [anyError(caseId, null)];
  const deep = (name: string, levels: number): Case => {
    const nested = (): string => messageWith(`"params":${'['.repeat(levels)}${']'.repeat(levels)},"id":"${caseId}"`);
    return row(name, json('9'), accepts, nested, [1009]);
  };
  const long = (name: string, bytes: number): Case =>
    row(name, 'RFC 6455 §7.4.1', accepts, () => message({ params: { padding: 'x'.repeat(bytes) } }), [1009]);
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
  ...[texts, noObjects, batches, members, params, ids].flatMap((rows) => rows()),
  duplicateId(),
  ...[notifications, spellings].flatMap((rows) => rows()),
  pipelining(),
  ...[binaries, sizes].flatMap((rows) => rows()),
];

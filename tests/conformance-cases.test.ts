import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCase, type Finding, type Judgement } from '../lib/cases/case.ts';
import { conformanceCases } from '../lib/cases/conformance.ts';
import {
  anyError,
  batch,
  bytesOf,
  error,
  evaluateEnd,
  evaluateReplies,
  ownError,
  result,
  silence,
  type Answer,
} from '../lib/cases/conformance-judging.ts';
import {
  closeFrame,
  frame,
  evaluateClosed,
  evaluateFailed,
  evaluateLives,
  evaluateRefused,
  evaluateSurvived,
  rawConformanceCases,
  type Seen,
  type SeenHandshake,
} from '../lib/cases/conformance-raw.ts';
import { allCases } from '../cli/conformance/conformance-run.ts';
import { parseMessage } from '../lib/jsonrpc/messages.ts';
import type { Outcome } from '../lib/session/outcome.ts';
import { service, startInMemory, type MemorySession } from './memory-socket.ts';

void test('each case has a name of its own that can be a tag, a section and words for what is expected', () => {
  const names = allCases().map(({ name }) => name);
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
  for (const { name, section, expected } of allCases()) {
    assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    assert.match(section, /^(JSON-RPC 2\.0|RFC (6455|8259)) §\d+(\.\d+)*$/, name);
    assert.notEqual(expected, '', name);
  }
});

const unknown = '{"jsonrpc":"2.0","error":{"code":-32601,"message":"Unknown"},"id":"case"}';
const refused = '{"jsonrpc":"2.0","error":{"code":-32600,"message":"No batches"},"id":null}';

const replyTable: readonly { accepts: Answer; fits: readonly string[][]; misses: readonly string[][] }[] = [
  {
    accepts: error(-32_601, 'case'),
    fits: [[unknown], ['{"jsonrpc":"2.0","method":"process.started","params":{}}', unknown]],
    misses: [
      [],
      [unknown, unknown],
      [unknown.replace('-32601', '-32603')],
      [unknown.replace('"case"', 'null')],
      [unknown.replace('"case"', '"Case"')],
      [unknown.replace(',"id":"case"', '')],
      ['{"jsonrpc":"2.0","result":{},"id":"case"}'],
      ['{"jsonrpc":"2.0","method":"case","id":"case"}'],
    ],
  },
  {
    accepts: error(-32_600, 'case', null),
    fits: [[refused], [refused.replace('null', '"case"')]],
    misses: [[refused.replace(',"id":null', '')], [refused.replace('null', '0')]],
  },
  {
    accepts: error(-32_601, 0),
    fits: [[unknown.replace('"case"', '0')]],
    misses: [[unknown.replace('"case"', '"0"')]],
  },
  { accepts: anyError(null), fits: [[refused], [refused.replace('-32600', '5')]], misses: [[unknown], []] },
  {
    accepts: ownError('case'),
    fits: [[unknown.replace('-32601', '-32001')], [unknown.replace('-32601', '7')]],
    misses: [[unknown], [unknown.replace('-32601', '-32700')], [unknown.replace('-32601', '-32100')]],
  },
  {
    accepts: result('case'),
    fits: [['{"jsonrpc":"2.0","result":null,"id":"case"}']],
    misses: [[unknown], ['{"jsonrpc":"2.0","result":{},"id":1}'], ['{"jsonrpc":"2.0","result":{}}']],
  },
  {
    accepts: silence,
    fits: [[], ['{"jsonrpc":"2.0","method":"process.output","params":{}}']],
    misses: [[unknown], ['rubbish']],
  },
  {
    accepts: batch('case'),
    fits: [[`[${unknown}]`], [`[ ${unknown.replace('"error":{"code":-32601,"message":"Unknown"}', '"result":1')}]`]],
    misses: [
      ['[]'],
      ['[1]'],
      ['[{"junk":true}]'],
      ['rubbish'],
      [unknown],
      [],
      [`[${unknown}]`, unknown],
      [`[${unknown},${unknown}]`],
    ],
  },
  {
    accepts: batch(null, null),
    fits: [[`[${refused},${refused}]`]],
    misses: [
      [`[${refused}]`],
      [`[${refused},${unknown}]`],
      [`[${refused.replace('"jsonrpc":"2.0",', '')},${refused}]`],
    ],
  },
];

for (const { accepts, fits, misses } of replyTable) {
  void test(`judging of: ${accepts.words}`, () => {
    for (const texts of fits)
      assert.equal(evaluateReplies(texts.map(parseMessage), [accepts]).kind, 'conforming', texts.join(' '));
    for (const texts of misses)
      assert.equal(evaluateReplies(texts.map(parseMessage), [accepts]).kind, 'deviating', texts.join(' '));
  });
}

const received = (...texts: string[]): string => evaluateReplies(texts.map(parseMessage), [silence]).received;

void test('a finding tells what came', () => {
  assert.equal(received(unknown), 'error -32601 "Unknown" with id "case"');
  assert.equal(received('{"jsonrpc":"2.0","result":1}'), 'a result without id');
  assert.match(received(unknown, unknown, unknown, unknown), /; 1 more$/);
  assert.equal(received(), 'no answer');
  assert.equal(evaluateReplies([], [batch('case')]).received, 'no answer, though a later request was answered');
  assert.match(received(unknown.replace('"case"', `"${'x'.repeat(4096)}"`)), /with id "x{19}… of 4098 characters$/);
});

const answerTo = (id: string): string => unknown.replace('"case"', `"${id}"`);

const kindOf = (text: string): string => evaluateReplies([parseMessage(text)], [batch('a', 'b')]).kind;

void test('a batch is answered once for each request, whatever the order', () => {
  assert.equal(kindOf(`[${answerTo('b')},${answerTo('a')}]`), 'conforming');
  for (const wrong of [
    `[${answerTo('a')}]`,
    `[${answerTo('a')},${answerTo('a')}]`,
    `[${answerTo('a')},${answerTo('b')},${answerTo('c')}]`,
    `[${answerTo('a')},${answerTo('b').replace('"jsonrpc":"2.0",', '')}]`,
    answerTo('a'),
    '[',
  ]) {
    assert.equal(kindOf(wrong), 'deviating', wrong);
  }
});

void test('the end of a session is conforming, deviating or breaking by how it ended', () => {
  const kinds: [Outcome, Finding['kind'] | undefined][] = [
    [{ kind: 'closed', code: 1009, detail: 'closed by the service' }, 'conforming'],
    [{ kind: 'closed', code: 1008, detail: 'closed by the service' }, 'deviating'],
    [{ kind: 'closed', code: 1011, detail: 'closed by the service' }, undefined],
    [{ kind: 'closed', code: 1005, detail: 'closed by the service' }, undefined],
    [{ kind: 'closed', code: 1000, detail: 'closed by the service' }, 'deviating'],
    [{ kind: 'protocol-violation', reason: 'a binary message' }, 'deviating'],
    [{ kind: 'closed', code: 1006, detail: 'the connection ended without a close frame' }, undefined],
    // What k6 makes of a reset.
    [{ kind: 'closed', code: 1001, detail: 'connection reset: broken pipe' }, undefined],
    [{ kind: 'timeout', phase: 'acknowledgement', detail: 'nothing after 5000 ms' }, undefined],
  ];
  for (const [outcome, kind] of kinds) assert.equal(evaluateEnd(outcome, [1009])?.kind, kind, JSON.stringify(outcome));
});

/** Runs a case in memory up to where it has sent its message and the request behind it. */
const ask = (name: string): { memory: MemorySession; finding: () => Judgement } => {
  const found = conformanceCases().find((each) => each.name === name);
  assert.ok(found, name);
  const run = runCase(found);
  const memory = startInMemory(run.script);
  memory.events.message(service.connected);
  return {
    memory,
    finding: () => {
      memory.events.pong();
      assert.ok(memory.result, 'the session has not ended');
      return run.finding(memory.result);
    },
  };
};

void test('a case sends its message, then a request that must be answered', () => {
  const { memory, finding } = ask('malformed-json');
  assert.deepEqual(memory.sent, ['{bad', '{"jsonrpc":"2.0","id":1,"method":"ws-stress.are-you-there"}']);
  memory.events.message(service.error(-32_700, 'Parse error', null));
  memory.events.message(service.error(-32_601, 'Unknown', 1));
  assert.deepEqual(finding(), { kind: 'conforming', received: 'error -32700 "Parse error" with id null' });
});

void test('a service that falls silent hangs: breaking', () => {
  const { memory, finding } = ask('malformed-json');
  memory.events.message(service.error(-32_700, 'Parse error', null));
  memory.pass(10_000);
  assert.equal(finding().kind, 'breaking');
});

void test('a connection that ends without a close frame: breaking', () => {
  const { memory, finding } = ask('batch-of-numbers');
  memory.events.closed(1006, 'the connection ended without a close frame');
  assert.deepEqual(finding(), {
    kind: 'breaking',
    received: 'closed (1006): the connection ended without a close frame',
  });
});

void test('a close frame is an answer where the specification has it', () => {
  for (const [name, code, kind] of [
    ['binary-junk', 1003, 'conforming'],
    ['binary-junk', 1008, 'deviating'],
    ['binary-junk', 1011, 'breaking'],
    ['message-over-16-mib', 1009, 'conforming'],
    ['id-array', 1009, 'deviating'],
  ] as const) {
    const { memory, finding } = ask(name);
    memory.events.closed(code, 'closed by the service');
    assert.equal(finding().kind, kind, `${name} ${code}`);
  }
});

void test('a binary answer deviates', () => {
  const { memory, finding } = ask('binary-request');
  assert.equal(memory.sentBinary.length, 1);
  memory.events.binary(12);
  assert.equal(finding().kind, 'deviating');
});

const unknownTo = (id: number, code = -32_601): string => service.error(code, 'Unknown', id);

void test('requests sent at once are all answered, in any order, each once', () => {
  const ids = Array.from({ length: 100 }, (_, at) => 100 - at);
  const sound = ask('pipelining');
  assert.equal(sound.memory.sent.length, 100);
  for (const id of ids) sound.memory.events.message(unknownTo(id));
  assert.equal(sound.finding().kind, 'conforming');

  const twice = ask('pipelining');
  for (const id of [100, ...ids]) twice.memory.events.message(unknownTo(id));
  assert.equal(twice.finding().kind, 'deviating');

  const otherwise = ask('pipelining');
  for (const id of ids) otherwise.memory.events.message(unknownTo(id, id === 50 ? -32_603 : undefined));
  assert.deepEqual(otherwise.finding(), { kind: 'deviating', received: 'error -32603' });

  const lost = ask('pipelining');
  for (const id of ids.slice(1)) lost.memory.events.message(unknownTo(id));
  lost.memory.pass(10_000);
  assert.equal(lost.finding().kind, 'breaking');
});

void test('an id that is used again is answered again', () => {
  const { memory, finding } = ask('id-used-again');
  memory.events.message(unknown);
  memory.events.message(service.error(-32_601, 'Unknown', 1));
  memory.events.message(service.error(-32_601, 'Unknown', 2));
  memory.pass(1500);
  assert.equal(finding().kind, 'deviating');
});

const seen: Seen = { frames: [], texts: [], replies: [], answered: false };

const failed = (changes: Partial<Seen>): string => evaluateFailed({ ...seen, ...changes }, [1002]).kind;

void test('a connection that must fail: a close frame conforms, going on or a bare end deviates, silence breaks', () => {
  assert.equal(failed({ closeCode: 1002, ended: 'closed' }), 'conforming');
  assert.equal(failed({ closeCode: 1000 }), 'deviating');
  assert.equal(failed({ ended: 'reset' }), 'deviating');
  assert.equal(failed({ answered: true }), 'deviating');
  assert.equal(failed({}), 'breaking');
});

const lives = (changes: Partial<Seen>, problem?: string): Finding =>
  evaluateLives({ ...seen, ...changes }, () => problem);

void test('a session that must live: silence and a bare end break, a close frame deviates, a wrong answer too', () => {
  assert.equal(lives({ answered: true }).kind, 'conforming');
  assert.deepEqual(lives({ answered: true }, 'no pong'), { kind: 'deviating', received: 'no pong' });
  assert.equal(lives({ closeCode: 1002 }).kind, 'deviating');
  assert.equal(lives({ ended: 'closed' }).kind, 'breaking');
  assert.equal(lives({}).kind, 'breaking');
});

const closed = (changes: Partial<Seen>): string => evaluateClosed({ ...seen, ...changes }, [1000]).kind;

void test('a close must be answered and the connection ended', () => {
  assert.equal(closed({ closeCode: 1000, ended: 'closed' }), 'conforming');
  assert.equal(closed({ closeCode: 1000 }), 'deviating');
  assert.equal(closed({ closeCode: 1002, ended: 'closed' }), 'deviating');
  assert.equal(closed({ ended: 'closed' }), 'deviating');
  assert.equal(closed({}), 'breaking');
  assert.equal(evaluateSurvived({ ...seen, answered: true }).kind, 'conforming');
  assert.equal(evaluateSurvived(seen).kind, 'breaking');
});

const version = (value: string) => ({ status: 426, headers: { 'sec-websocket-version': value } });

void test('a handshake must be refused by HTTP', () => {
  const none: SeenHandshake = { headers: {}, accepted: false };
  const cases = rawConformanceCases();
  const evaluateOf = (name: string, changes: Partial<SeenHandshake>): string => {
    const found = cases.find((each) => each.name === name);
    assert.ok(found && !('bytes' in found));
    return found.judge({ ...none, ...changes }).kind;
  };
  assert.equal(evaluateRefused({ ...none, status: 400 }).kind, 'conforming');
  for (const status of [101, 200, 500]) assert.equal(evaluateRefused({ ...none, status }).kind, 'deviating');
  assert.equal(evaluateRefused({ ...none, ended: 'closed' }).kind, 'deviating');
  assert.equal(evaluateRefused(none).kind, 'breaking');
  assert.equal(evaluateOf('handshake-of-another-version', version('13, 8')), 'conforming');
  assert.equal(evaluateOf('handshake-of-another-version', version('130')), 'deviating');
  assert.equal(evaluateOf('handshake-of-another-version', { status: 426 }), 'deviating');
  assert.equal(evaluateOf('handshake', { status: 101, accepted: true }), 'conforming');
  assert.equal(evaluateOf('handshake', { status: 101 }), 'deviating');
  assert.equal(evaluateOf('handshake', { status: 500 }), 'breaking');
  assert.equal(evaluateOf('handshake', {}), 'breaking');
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

void test('frames are as RFC 6455 §5.7 has them', () => {
  assert.equal(hex(frame(0x1, bytesOf('Hello'))), '818537fa213d7f9f4d5158');
  assert.equal(hex(frame(0x1, bytesOf('Hello'), { masked: false })), '810548656c6c6f');
  assert.equal(hex(frame(0x1, bytesOf('Hel'), { masked: false, final: false })), '010348656c');
  assert.equal(hex(frame(0x2, new Uint8Array(256), { masked: false })).slice(0, 8), '827e0100');
  assert.equal(hex(closeFrame(1005)), '888037fa213d');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { badUpgrade, connectionEnd, framingViolation } from '../lib/session/connection-end.ts';

const good = { Upgrade: 'websocket', Connection: 'keep-alive, Upgrade' };

for (const [headers, told] of [
  [{ ...good, Upgrade: 'h2c' }, /header Upgrade: websocket, received "h2c"/],
  [{ Connection: 'Upgrade' }, /header Upgrade: websocket, received none/],
  [{ upgrade: 'WebSocket', connection: 'close' }, /header Connection: Upgrade, received "close"/],
  [{ ...good, 'sec-websocket-extensions': 'permessage-deflate' }, /no extension.*received.*"permessage-deflate"/],
  [{ ...good, 'Sec-Websocket-Accept': 'eHh4' }, /Sec-WebSocket-Accept that answers the key.*received "eHh4"/],
  [good, /Sec-WebSocket-Accept that answers the key.*received none/],
] as const) {
  void test(`a bad 101 says what is wrong: ${JSON.stringify(headers)}`, () => assert.match(badUpgrade(headers), told));
}

for (const [code, failure, expected] of [
  [
    undefined,
    '',
    {
      code: 1006,
      detail: 'the connection broke: a reset, or a frame that RFC 6455 forbids; k6 does not say which',
    },
  ],
  [1001, '', { code: 1001, detail: 'closed by the service' }],
  [
    1001,
    'write tcp 127.0.0.1:1->127.0.0.1:2: write: broken pipe',
    { code: 1006, detail: 'connection reset: write tcp 127.0.0.1:1->127.0.0.1:2: write: broken pipe' },
  ],
  [1006, 'read ECONNRESET', { code: 1006, detail: 'connection reset: read ECONNRESET' }],
  [1001, 'tls: bad record MAC', { code: 1006, detail: 'the connection broke: tls: bad record MAC' }],
  [
    1006,
    'websocket: close 1006 (abnormal closure): unexpected EOF',
    { code: 1006, detail: 'the connection ended without a close frame' },
  ],
  [
    1008,
    'websocket: close 1008 (policy violation): full',
    { code: 1008, detail: 'closed by the service: websocket: close 1008 (policy violation): full' },
  ],
] as const) {
  void test(`the end of a connection: ${code} ${failure}`, () =>
    assert.deepEqual(connectionEnd(code, failure), expected));
}

void test('a close frame that k6 sent of its own accord', () =>
  assert.match(framingViolation('websocket: close sent') ?? '', /a frame that RFC 6455 forbids; k6 does not say/));

for (const [failure, broken] of [
  ['websocket: RSV1 set, bad opcode 3', 'RSV1 set, bad opcode 3'],
  ['websocket: bad MASK', 'bad MASK'],
  ['websocket: len > 125 for control', 'len > 125 for control'],
  ['websocket: continuation after FIN', 'continuation after FIN'],
  ['websocket: bad close code 999', 'bad close code 999'],
  ['Invalid WebSocket frame: invalid UTF-8 sequence', 'Invalid WebSocket frame: invalid UTF-8 sequence'],
  ['websocket: close 1006 (abnormal closure): unexpected EOF', undefined],
  ['read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer', undefined],
] as const) {
  void test(`framing that RFC 6455 forbids: ${failure}`, () =>
    assert.equal(
      framingViolation(failure),
      broken === undefined ? undefined : `the service sent a frame that RFC 6455 forbids: ${broken}`,
    ));
}

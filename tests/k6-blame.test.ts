import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runOverNode } from '../cli/shared/node-session.ts';
import { runBundle } from './k6.ts';
import { service } from './memory-socket.ts';
import { frame, greet, startRawService, upgrade, type RawBehaviour } from './raw-service.ts';

const withService = async (behaviour: RawBehaviour, use: (url: string, handshakes: () => number) => Promise<void>) => {
  const raw = await startRawService(behaviour);
  try {
    await use(raw.url, raw.handshakes);
  } finally {
    await raw.close();
  }
};

const hello = (text: string): string => /echo '?([^"']*)/.exec(text)?.[1] ?? '';

/** Answers an execute of `echo` as the service does, with other bytes in place of the output where given. */
const runs =
  (output?: Buffer): NonNullable<RawBehaviour['message']> =>
  (socket, text) => {
    const { id } = JSON.parse(text) as { id: number };
    socket.write(frame(service.started(id)));
    if (output !== undefined) {
      socket.write(output);
      return;
    }
    socket.write(frame(service.output(hello(text))));
    socket.write(frame(service.completed()));
  };

const fleet = { STRESS_FLEET: '2', STRESS_ROUNDS: '2', STRESS_ACK_TIMEOUT: '1s' };

void describe('what a connection’s end means', { concurrency: 2 }, () => {
  for (const [what, bytes] of [
    ['a reserved bit', frame('x', 0xc1)],
    ['an unknown opcode', frame('x', 0x83)],
    ['a continuation of nothing', frame('x', 0x80)],
    ['a long ping', frame('x'.repeat(200), 0x89)],
    ['a bad close code', frame(Buffer.from([0x03, 0xe7]), 0x88)],
  ] as const) {
    void test(`${what} is a protocol violation`, () =>
      withService({ message: runs(bytes) }, async (url) => {
        const { code, stderr, result } = await runBundle('single', url);
        assert.equal(code, 99, stderr);
        assert.deepEqual(result?.outcomes, { 'protocol-violation': 1 });
        assert.match(stderr, /protocol-violation: the service sent a frame that RFC 6455 forbids/);
      }));
  }

  void test('of broken framing in a fleet k6 says nothing, and that is said', () =>
    withService({ message: runs(frame('x', 0xc1)) }, async (url) => {
      const { stderr, result } = await runBundle('concurrent', url, fleet);
      assert.deepEqual(result?.outcomes, { closed: 2 });
      assert.match(stderr, /closed \(1006\): the connection broke: a reset, or a frame that RFC 6455 forbids/);
    }));

  void test('framing is a protocol violation over Node too, and a pong with another payload ends no drain', () =>
    withService(
      {
        message: (socket, text) => {
          socket.write(frame('other', 0x8a));
          runs()(socket, text);
          socket.write(frame('other', 0x8a));
          socket.write(frame('x', 0xc1));
        },
      },
      async (url) => {
        const limits = { ackTimeoutMs: 2000, messageTimeoutMs: 2000, sessionTimeoutMs: 5000 };
        const connection = { url, headers: {}, insecure: false };
        const { outcome } = await runOverNode(connection, limits, function* (session) {
          const run = yield* session.execute({
            name: 'hi',
            class: 'simple',
            command: 'echo hi',
            proof: { lines: ['hi'] },
          });
          yield* run.completes();
        });
        assert.equal(outcome.kind, 'protocol-violation');
      },
    ));

  void test('a bad 101 stops the run in set-up, and says what is wrong', () =>
    withService({ answer: () => upgrade('eHh4') }, async (url) => {
      const { code, stderr } = await runBundle('single', url);
      assert.equal(code, 108, stderr);
      assert.match(
        stderr,
        /bad opening handshake with status 101: expected a Sec-WebSocket-Accept .* received \\*"eHh4/,
      );
    }));

  void test('a greeting that went missing is asked for once more, whatever else came; a service that does not greet does so twice', async () => {
    await withService(
      {
        opened: (socket, handshake) => {
          // The first is set-up's.
          if (handshake === 2) socket.write(frame('{"jsonrpc":"2.0","method":"hook.warning","params":{}}'));
          else greet(socket);
        },
        message: runs(),
      },
      async (url, handshakes) => {
        const { result } = await runBundle('concurrent', url, fleet);
        assert.equal(handshakes(), 4);
        assert.equal(result?.outcomes['timeout'], undefined);
      },
    );
    await withService(
      { opened: (socket) => void socket.write(frame('{"jsonrpc":"2.0","method":"x","params":{}}')) },
      async (url, handshakes) => {
        const { result } = await runBundle('concurrent', url, fleet);
        assert.deepEqual(result?.outcomes, { timeout: 2 });
        assert.equal(handshakes(), 5);
      },
    );
  });
});

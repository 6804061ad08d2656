import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, targetFor, within } from './target-client.ts';

/** How long a test watches that something does not happen, in milliseconds. */
const watchMs = 150;
const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

for (const dialect of ['deployed', 'documented'] as const) {
  for (const [fault, text, binary] of [
    ['drop-on-malformed', '{bad', false],
    ['drop-on-not-an-object', '[1,2]', false],
    ['drop-on-not-an-object', '"str"', false],
    ['drop-on-not-an-object', 'null', false],
    ['drop-on-binary', '{"jsonrpc":"2.0","method":"hook_status","id":1}', true],
    ['drop-on-fraction-id', '{"jsonrpc":"2.0","method":"hook_status","id":1.5}', false],
    ['drop-on-deep-nesting', `{"jsonrpc":"2.0","method":"hook_status","params":${nested(400_000)},"id":1}`, false],
  ] as const) {
    void test(`${fault}: ${text.slice(0, 40)} drops the connection, other invalid messages do not (${dialect})`, async (t) => {
      const client = await connect(t, await targetFor(t, { dialect, faults: [fault] }));
      await client.notification('connected');
      if (fault !== 'drop-on-malformed') client.socket.send('{bad');
      if (fault !== 'drop-on-not-an-object') client.socket.send('7');
      if (fault !== 'drop-on-binary') client.socket.send('{}', { binary: true });
      client.socket.send(`{"jsonrpc":"2.0","method":"nope","params":${nested(50)},"id":"deep"}`);
      assert.equal((await client.ask('hook_status')).error, undefined);
      client.socket.send(text, { binary });
      assert.equal((await within('close', client.closed)).code, 1006);
    });
  }

  void test(`hang-on-batch: nothing is answered after an array (${dialect})`, async (t) => {
    const target = await targetFor(t, { dialect, faults: ['hang-on-batch@1'] });
    const client = await connect(t, target);
    await client.notification('connected');
    client.socket.send('"str"');
    await client.ask('hook_status');
    const { length } = client.received;
    client.socket.send('[1,2]');
    client.send('hook_status');
    await delay(watchMs);
    assert.equal(client.received.length, length);
    assert.equal(client.socket.readyState, client.socket.OPEN);
    const sound = await connect(t, target);
    sound.socket.send('[1,2]');
    await sound.ask('hook_status');
  });

  void test(`answers-notifications: an error without an id, but no answer to a valid one (${dialect})`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect, faults: ['answers-notifications'] }));
    await client.notification('connected');
    client.socket.send('{"jsonrpc":"2.0","method":"pong","params":{}}');
    client.socket.send('{"jsonrpc":"2.0","method":"nope"}');
    await client.ask('hook_status');
    const [error, ...others] = client.bodies.slice(1, -1);
    assert.deepEqual([error?.error?.code, Object.hasOwn(error ?? {}, 'id'), others], [-32_601, false, []]);
  });

  void test(`wrong-error-codes: -32603 instead of JSON-RPC's own codes, others stay (${dialect})`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect, faults: ['wrong-error-codes'] }));
    await client.notification('connected');
    client.socket.send('{bad');
    client.socket.send('{"jsonrpc":"2.0","id":7}');
    await client.ask('nope');
    await client.ask('execute', {});
    await client.ask('control', { type: 'PAUSE' });
    const noProcess = dialect === 'deployed' ? -32_002 : -32_003;
    assert.deepEqual(
      client.bodies.flatMap(({ error }) => error?.code ?? []),
      [-32_603, -32_603, -32_603, -32_603, noProcess],
    );
  });

  void test(`refuses-after-error: nothing follows an error (${dialect})`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect, faults: ['refuses-after-error'] }));
    await client.run('echo a');
    await client.ask('hook_status');
    assert.equal((await client.ask('nope')).error?.code, -32_601);
    const { length } = client.received;
    client.send('hook_status');
    client.send('execute', { command: 'true' });
    await delay(watchMs);
    assert.equal(client.received.length, length);
  });

  void test(`null-id-dropped: an answer to null has no id, others have theirs (${dialect})`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect, faults: ['null-id-dropped'] }));
    await client.notification('connected');
    client.send('hook_status', undefined, null);
    await client.ask('hook_status');
    const [answer] = client.bodies.slice(1);
    assert.ok(answer?.result !== undefined && !Object.hasOwn(answer, 'id'));
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dialects, isDialectName } from '../reference-target/dialect.ts';
import { conformanceTable, withPlaceholders } from './conformance-table.ts';
import { connect, targetFor, within } from './target-client.ts';

for (const dialect of Object.keys(dialects).filter(isDialectName)) {
  void test(`${dialect}: after any text the session stays open, and each message gets at most one answer`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect, allow: ['true'] }));
    await client.notification('connected');
    const member = fc.oneof(fc.jsonValue(), fc.constantFrom('2.0', 'control', 'hook_status', 'pong', 'nope', 7));
    const request = fc.dictionary(fc.constantFrom('jsonrpc', 'method', 'params', 'id', 'other'), member);
    const message = fc.oneof(
      request.map((value) => JSON.stringify(value)),
      fc.json(),
      fc.string({ unit: 'binary' }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 5 }), fc.uuid(), async (messages, last) => {
        const before = client.received.length;
        for (const text of messages) client.socket.send(text);
        client.send('hook_status', undefined, last);
        await client.answer(last);
        assert.ok(client.received.length - before <= messages.length + 1);
        for (const { body } of client.received.slice(before)) {
          assert.equal(body?.jsonrpc, '2.0');
          assert.notEqual(body.result === undefined, body.error === undefined);
        }
      }),
    );
  });

  void test(`${dialect}: nesting as deep as a message can hold harms nothing`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect }));
    await client.notification('connected');
    const deep = `${'['.repeat(500_000)}${']'.repeat(500_000)}`;
    for (const member of ['method', 'params', 'id', 'other']) {
      client.socket.send(`{"jsonrpc":"2.0","${member}":${deep}}`);
    }
    client.socket.send(deep);
    assert.deepEqual((await client.ask('hook_status')).error, undefined);
  });

  void test(`${dialect}: ids, names and numbers as long as a message can hold harm nothing`, async (t) => {
    const client = await connect(t, await targetFor(t, { dialect }));
    await client.notification('connected');
    const long = 'x'.repeat(1_000_000);
    const digits = '7'.repeat(1_000_000);
    for (const members of [`"id":${digits}`, `"id":-${digits}e-${digits.slice(0, 9)}`, `"${long}":1,"id":"a"`]) {
      client.socket.send(`{"jsonrpc":"2.0","method":"hook_status",${members}}`);
    }
    client.socket.send(`{"jsonrpc":"2.0","id":"b","method":"${long}"}`);
    assert.ok((await client.answer('b')).error!.message.length < 200);
    assert.equal((await client.answer('a')).error, undefined);
    assert.equal((await client.answer(client.send('hook_status', undefined, long))).error, undefined);
    // Two ids, of which the last counts (RFC 8259 §4), and names with a meaning in JavaScript.
    client.socket.send('{"jsonrpc":"2.0","id":1,"__proto__":{"id":2},"constructor":3,"method":"hook_status","id":4}');
    assert.equal((await client.answer(4)).error, undefined);
  });

  for (const row of conformanceTable) {
    void test(`${dialect}: ${row.name}`, async (t) => {
      const target = await targetFor(t, { dialect, ...row.options });
      if (row.closes !== undefined) await (await connect(t, target)).notification('connected');
      const client = await connect(t, target);
      if (row.closes === undefined) await client.notification('connected');

      for (const message of row.send) client.socket.send(message, { binary: row.binary === true });
      if (row.closes === undefined) {
        // The target handles messages in order, so nothing more can follow this answer.
        client.send('hook_status', undefined, 'last');
        await client.answer('last');
      } else {
        assert.deepEqual(await within('close', client.closed), row.closes);
      }
      const answers = client.bodies.filter(({ method, id }) => method === undefined && id !== 'last');
      const expected = row.answers[dialect];
      assert.deepEqual(
        answers.map((answer, index) => withPlaceholders(answer, expected[index])),
        expected,
      );

      if (row.exitCode !== undefined) {
        const { params } = await client.notification('process.completed');
        assert.equal(params?.['exit_code'], row.exitCode);
        assert.equal(params['status'], row.exitCode === 0 ? 'completed' : 'failed');
      }
      const methods = row.notifications?.[dialect];
      if (methods !== undefined) {
        await client.notification(methods.at(-1) ?? '');
        assert.deepEqual(client.methods(), ['connected', ...methods]);
      }
    });
  }
}

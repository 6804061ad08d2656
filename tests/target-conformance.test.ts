import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dialects, isDialectName } from '../target/dialect.ts';
import { conformanceTable, withPlaceholders } from './conformance-table.ts';
import { connect, targetFor, within } from './target-client.ts';

for (const dialect of Object.keys(dialects).filter(isDialectName)) {
  for (const row of conformanceTable) {
    void test(`${dialect}: ${row.name}`, async (t) => {
      const target = await targetFor(t, { dialect, ...row.options });
      if (row.closes !== undefined) await (await connect(t, target)).notification('connected');
      const client = await connect(t, target);
      if (row.closes === undefined) await client.notification('connected');

      for (const message of row.send) client.socket.send(message, { binary: row.binary === true });
      if (row.closes === undefined) {
        // Messages are handled in their order, so what has not come before this answer is not to come.
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

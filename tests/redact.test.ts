import assert from 'node:assert/strict';
import test from 'node:test';
import { excerpt } from '../lib/jsonrpc/messages.ts';
import { hide, hiding, secretsIn, secretsInQuery } from '../lib/results/redact.ts';

const secrets = secretsIn({ Authorization: 'Bearer s3cr3t', 'X-Key': 'a"b\\c', 'X-Flag': 'yes' });

test('a header’s value is a secret, the token of a bearer too; a short one is none', () => {
  assert.deepEqual(secrets, ['Bearer s3cr3t', 's3cr3t', 'a"b\\c']);
});

test('each value in a URL’s query is a secret, and no URL without one has any', () => {
  assert.deepEqual(secretsInQuery('ws://host/path?token=abcd&v=1&efgh'), ['abcd', 'efgh']);
  assert.deepEqual(secretsInQuery('ws://host/path'), []);
});

test('a text shows no secret, nor as JSON writes it', () => {
  assert.equal(hide('told s3cr3t, a"b\\c and "a\\"b\\\\c"', secrets), 'told …, … and "…"');
  assert.equal(hide('told yes', secrets), 'told yes');
});

test('JSON shows no secret in a string, and stays JSON where a secret looks like a number or a name', () => {
  const replacer = hiding(secretsIn({ 'X-Number': '1000', 'X-Name': 'count' }));
  const text = JSON.stringify({ count: 1000, told: 'count 1000', nested: [{ told: '21000' }] }, replacer);
  assert.deepEqual(JSON.parse(text), { count: 1000, told: '… …', nested: [{ told: '2…' }] });
  assert.equal(hiding([]), undefined);
});

test('the beginning of a secret shows neither where an excerpt was cut off within it', () => {
  const token = 'SECRETVALUE123LONG';
  const bearer = secretsIn({ Authorization: `Bearer ${token}` });
  for (let before = 40; before <= 120; before++) {
    const told = `${'x'.repeat(before)} Bearer ${token} and more, ${'y'.repeat(100)}`;
    for (const cut of [
      excerpt(told),
      `received ${excerpt(told)} and so on`,
      `${told.slice(0, 100)}…`,
      told.slice(0, 90),
    ]) {
      assert.doesNotMatch(hide(cut, bearer), /SECR/, cut);
    }
  }
  assert.equal(hide(`${'x'.repeat(90)} and no secret`, bearer), `${'x'.repeat(90)} and no secret`);
});

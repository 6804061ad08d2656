import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { closingTable, readFailures } from '../cli/run/closing-table.ts';
import type { Outcome } from '../lib/session/outcome.ts';
import { findingLine, sessionLine } from './records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const tableOf = async (t: TestContext, lines: readonly string[], isInterrupted = false): Promise<string> => {
  const file = path.join(temporaryDirectory(t), 'records.ndjson');
  writeFileSync(file, lines.join('\n'));
  return closingTable(await readFailures(file, isInterrupted), 3);
};

const rejected = (reason: string): Outcome => ({ kind: 'rejected', code: -32_001, message: 'no', reason });

void test('failures of one kind with several causes are told apart, the first three of each', async (t) => {
  const full = Array.from({ length: 5 }, () => sessionLine(rejected('session limit')));
  const table = await tableOf(t, [...full, sessionLine(rejected('not allowed')), sessionLine({ kind: 'ok' })]);
  assert.match(table, /concurrent rejected \(session limit\): 5 sessions, the first 3/);
  assert.match(table, /concurrent rejected \(not allowed\): 1 session\n {4}round 1 session 0 \(echo\)/);
});

void test('a session that a case opened is told where no finding tells it', async (t) => {
  const hang: Outcome = { kind: 'timeout', phase: 'connected', detail: 'nothing' };
  const dropped: Outcome = { kind: 'closed', code: 1006, detail: 'dropped' };
  const table = await tableOf(t, [
    sessionLine(hang, { case: 'guest' }),
    sessionLine(dropped, { case: 'leak' }),
    sessionLine(dropped, { case: 'binary-junk' }),
  ]);
  assert.match(table, /concurrent timeout \(connected\): 1 session\n {4}case guest/);
  assert.match(table, /concurrent closed: 1 session\n {4}case leak/);
});

void test('what an interrupt cut off is no failure of the service', async (t) => {
  const cut: Outcome = { kind: 'closed', code: 1001, detail: 'closed by the service' };
  assert.match(await tableOf(t, [sessionLine(cut)]), /closed \(1001\)/);
  assert.equal(await tableOf(t, [sessionLine(cut)], true), '');
  const finding = findingLine('slow-reader', { finding: 'breaking', received: 'closed (1001): closed by the service' });
  assert.match(await tableOf(t, [finding]), /closed \(1001\)/);
  assert.equal(await tableOf(t, [finding], true), '');
});

void test('of many findings the first are shown, and how the others are had', async (t) => {
  const table = await tableOf(
    t,
    ['a', 'b', 'c', 'd', 'e'].map((name) => findingLine(name)),
  );
  assert.match(table, /command-validation c /);
  assert.doesNotMatch(table, /command-validation d /);
  assert.match(table, /2 more; command-validation run by itself,\s+with the same addresses, shows all of them/);
});

void test('what is long is wrapped at 80 columns, further in, and what a service wrote moves no cursor', async (t) => {
  const words = Array.from({ length: 60 }, (_, index) => `w${index}`).join(' ');
  const table = await tableOf(t, [
    findingLine('long', { expected: words, received: `\u001b[2J${words}` }),
    sessionLine({ kind: 'closed', code: 1011, detail: `\u001b]0;x\u0007${words}` }),
  ]);
  const lines = table.split('\n');
  assert.ok(
    lines.every((line) => line.length <= 80),
    table,
  );
  assert.ok(table.replaceAll(/\s+/g, ' ').includes(`expected ${words}`));
  // oxlint-disable-next-line no-control-regex -- what must not be there
  assert.doesNotMatch(table, /[\u0000-\u0009\u000b-\u001f]/);
});

void test('a message stands on one line, so that it can be copied', async (t) => {
  const message = `< {"jsonrpc":"2.0","method":"process.output","params":{"type":"stdout","data":"${'ten words '.repeat(15)}"}}`;
  const closed: Outcome = { kind: 'closed', code: 1011, detail: 'x' };
  const table = await tableOf(t, [
    sessionLine(closed, { trace: [message] }),
    findingLine('a-case', { trace: [message] }),
  ]);
  assert.deepEqual(
    table.split('\n').filter((line) => line.includes('ten words')),
    [`      ${message}`, `${' '.repeat(19)}${message}`],
  );
});

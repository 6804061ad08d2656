import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownText } from '../cli/shared/markdown.ts';
import { printable } from '../cli/shared/printable.ts';
import { OutputCheck } from '../lib/commands/output-check.ts';
import { parseCommandSet } from '../lib/commands/command-set.ts';
import { excerpt, excerptsOfDifference, parseMessage } from '../lib/jsonrpc/messages.ts';
import { plain } from '../lib/text/visible.ts';

void test('an excerpt shows what can not be seen', () => {
  for (const code of [
    0x7f, 0x85, 0x9b, 0xa0, 0xad, 0x61c, 0x200b, 0x200e, 0x202e, 0x2028, 0x2060, 0x2066, 0x3000, 0xfeff,
  ]) {
    const escaped = `\\u${code.toString(16).padStart(4, '0')}`;
    assert.equal(excerpt(`a${String.fromCharCode(code)}b`), `"a${escaped}b"`);
  }
  assert.equal(excerpt(`a${String.fromCodePoint(0xe0041)}`), String.raw`"a\udb40\udc41"`);
  assert.equal(excerpt('Grüße, 世界 👋'), '"Grüße, 世界 👋"');
});

void test('of two long texts the excerpts show where they differ', () => {
  const [expected, received] = excerptsOfDifference(`${'x'.repeat(200)}a`, `${'x'.repeat(200)}b`);
  assert.match(expected, /^…"x+a"$/);
  assert.match(received, /^…"x+b"$/);
  assert.deepEqual(excerptsOfDifference('ab', 'ac'), ['"ab"', '"ac"']);
  const line = new OutputCheck({ lines: ['y'.repeat(300)] }).line(`${'y'.repeat(299)}\u00a0`);
  assert.match(line ?? '', /received …"y+\\u00a0"/);
  const numbered = new OutputCheck({ numbered: { line: `${'z'.repeat(100)}{i}`, from: 1, to: 3 } });
  assert.match(numbered.line(`${'z'.repeat(100)}7`) ?? '', /expected …"z+1", received …"z+7"/);
});

void test('a message that is wrong shows the member that is', () => {
  const long = 'p'.repeat(200);
  for (const [text, told] of [
    [`{"params":"${long}","jsonrpc":"1.0"}`, /received "\\"1\.0\\""/],
    [`{"params":"${long}","id":[4711]}`, /received "\[4711\]"/],
    [`{"params":"${long}","method":4711}`, /received "4711"/],
    [`{"data":"${long}","id":1,"error":{"code":"4711"}}`, /4711/],
  ] as const) {
    const message = parseMessage(text);
    assert.equal(message.kind, 'malformed');
    assert.match('reason' in message ? message.reason : '', told);
  }
});

void test('a command set may begin with a byte order mark', () => {
  const commands = [{ name: 'e', class: 'simple', command: 'echo hi', proof: { lines: ['hi'] } }];
  assert.ok('commands' in parseCommandSet(`\ufeff${JSON.stringify({ version: 1, commands })}`));
});

void test('nothing that others wrote is a command to a CI system', () => {
  for (const shown of [printable, plain, markdownText]) {
    for (const text of ['::error::x', 'a ::set-output name=x::y', '\n::add-mask::z', 'a ##[error]b']) {
      assert.doesNotMatch(shown(text, 200), /(^|\s)::|##\[/, text);
    }
    assert.match(shown('std::vector', 200), /std::vector/);
  }
});

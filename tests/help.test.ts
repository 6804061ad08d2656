import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { columns, folded, plain } from '../lib/text/fold.ts';
import { runProgram } from './k6.ts';

const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
const helpOf = async (...command: string[]): Promise<string> => {
  const { code, stdout, stderr } = await runProgram(process.execPath, [cli, ...command, '--help']);
  assert.equal(code, 0, stderr);
  return stdout;
};

void test('the help of every command fits a terminal of 80 columns', async () => {
  const general = await helpOf();
  const names = [...general.matchAll(/^ {2}([a-z0-9-]+) .*$/gm)].map(([, name = '']) => name);
  assert.ok(names.includes('export') && names.includes('k8s') && names.length > 8, general);
  for (const name of ['', ...names]) {
    const help = name === '' ? general : await helpOf(name);
    assert.match(help, /^Usage: /);
    const wide = help.split('\n').filter((line) => line.length > columns);
    assert.deepEqual(wide, [], name);
  }
});

void test('a line is broken at blanks alone, what follows stands further in, and colours take no room', () => {
  const words = Array.from({ length: 40 }, (_, index) => `word${index}`);
  const lines = folded(`  ${words.join(' ')}`).split('\n');
  assert.ok(lines.length > 3 && lines.every((line) => line.length <= columns), lines.join('\n'));
  assert.ok(lines.slice(1).every((line) => /^ {6}\S/.test(line)));
  assert.deepEqual(lines.join(' ').trim().split(/ +/), words);

  const exact = `  ${'x'.repeat(70)} ${'y'.repeat(7)}`;
  assert.equal(folded(exact), exact);
  assert.equal(folded(`\u001b[32m${exact}\u001b[0m`), `\u001b[32m${exact}\u001b[0m`);
  assert.equal(folded(`${exact}z`), `  ${'x'.repeat(70)}\n      ${'y'.repeat(7)}z`);

  const unbroken = 'x'.repeat(300);
  assert.equal(folded(unbroken), unbroken);
  assert.equal(folded(`${unbroken} end`), `${unbroken}\n    end`);
  assert.equal(folded(`${' '.repeat(90)}x`), `${' '.repeat(90)}x`);
});

void test('what others wrote does not move a terminal’s cursor', () => {
  assert.equal(plain('a\u001b[2Jb\r\nc\u009bd'), 'a [2Jb c d');
});

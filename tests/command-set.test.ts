import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { forSession, type Command } from '../lib/commands/command.ts';
import { parseCommandSet } from '../lib/commands/command-set.ts';
import { OutputCheck } from '../lib/commands/output-check.ts';

const read = (name: string): Command[] => {
  const parsed = parseCommandSet(readFileSync(new URL(`../lib/commands/${name}.json`, import.meta.url), 'utf8'));
  assert.ok('commands' in parsed, JSON.stringify(parsed));
  return parsed.commands;
};

const hasPython = ((): boolean => {
  try {
    execFileSync('sh', ['-c', 'command -v python'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

for (const set of ['posix', 'python'] as const) {
  test(`${set}: simple, timed, paced, simple, burst, in the document's order`, () => {
    assert.deepEqual(
      read(set).map((command) => command.class),
      ['simple', 'timed', 'paced', 'simple', 'burst'],
    );
  });

  for (const command of read(set)) {
    const skip = command.command.startsWith('python ') && !hasPython ? 'no python here' : false;
    test(`${set}: ${command.name} run by sh prints what proves it`, { skip }, () => {
      const { command: text, proof } = forSession(command, 7);
      const started = performance.now();
      const lines = execFileSync('sh', ['-c', text], { encoding: 'utf8' }).split('\n').slice(0, -1);
      assert.ok(performance.now() - started >= (proof.minDurationMs ?? 0));
      const check = new OutputCheck(proof);
      for (const line of lines) assert.equal(check.line(line), undefined);
      assert.equal(check.end(), undefined);
    });
  }
}

test('{session} is replaced everywhere, {i} only in numbered lines', () => {
  const command = forSession(
    {
      name: 'x',
      class: 'burst',
      command: 'a {session} {i} {session}',
      proof: {
        lines: ['{session}'],
        numbered: { line: '{session}: {i}', from: 0, to: 1 },
        pattern: '^{session}$',
        each: '{session}',
      },
    },
    3,
  );
  assert.equal(command.command, 'a 3 {i} 3');
  assert.deepEqual(command.proof, {
    lines: ['3'],
    numbered: { line: '3: {i}', from: 0, to: 1 },
    pattern: '^3$',
    each: '3',
  });
});

test('a pattern needs one line that matches, maxLines no line more', () => {
  const pattern = new OutputCheck({ pattern: '^total' });
  assert.equal(pattern.line('x'), undefined);
  assert.match(pattern.end() ?? '', /a line that matches \/\^total\/, received 1 lines/);
  assert.equal(pattern.line('total 5'), undefined);
  assert.equal(pattern.end(), undefined);
  const few = new OutputCheck({ maxLines: 1 });
  assert.equal(few.line('a'), undefined);
  assert.match(few.line('b') ?? '', /at most 1 lines/);
});

test('each holds every line to its form, count holds their number', () => {
  const random = new OutputCheck({ each: '^[a-z]{3}$', count: 2 });
  assert.equal(random.line('abc'), undefined);
  assert.equal(random.end(), 'expected 2 lines, received 1');
  assert.match(random.line('ab') ?? '', /line 2: expected a line that matches \/\^\[a-z\]\{3\}\$\/, received "ab"/);
  assert.equal(random.end(), undefined);
  assert.match(random.line('xyz') ?? '', /line 3: expected no more lines, received "xyz"/);
});

const one = (changes: object): string =>
  JSON.stringify({ version: 1, commands: [{ name: 'n', class: 'simple', command: 'true', proof: {}, ...changes }] });

const bad: [name: string, text: string, message: RegExp][] = [
  ['no JSON', '{', /expected JSON/],
  ['no set', '[]', /expected {"version": 1/],
  ['another version', '{"version":2,"commands":[]}', /"version": 1/],
  ['no command', '{"version":1,"commands":[]}', /at least one command/],
  ['unknown member of the file', one({}).replace('"version"', '"x":1,"version"'), /unknown member "x"/],
  ['command no object', '{"version":1,"commands":[5]}', /commands\[0\]: expected an object/],
  ['unknown member', one({ tmeout: 5 }), /unknown member "tmeout"/],
  ['blank command', one({ command: ' ' }), /commands\[0\]\.command: expected a text/],
  ['no class', one({ class: undefined }), /class: expected a class in kebab-case .*received nothing/],
  ['class not in kebab-case', one({ class: 'Slow query' }), /class: expected a class in kebab-case .*"Slow query"/],
  [
    'too many classes',
    JSON.stringify({
      version: 1,
      commands: Array.from({ length: 21 }, (_, i) => ({ name: 'n', class: `c${i}`, command: 'true', proof: {} })),
    }),
    /expected at most 20 different classes, received 21/,
  ],
  ['no proof', one({ proof: undefined }), /expected a proof/],
  ['unknown proof', one({ proof: { line: 'x' } }), /unknown member "line"/],
  ['exit code', one({ proof: { exitCode: 'x' } }), /exitCode: expected a whole number/],
  ['lines', one({ proof: { lines: 'x' } }), /lines: expected a list/],
  ['numbered without {i}', one({ proof: { numbered: { line: 'x', from: 0, to: 1 } } }), /numbered: expected/],
  ['numbered backwards', one({ proof: { numbered: { line: '{i}', from: 2, to: 1 } } }), /numbered: expected/],
  ['lines and numbered', one({ proof: { lines: [], numbered: { line: '{i}', from: 0, to: 1 } } }), /received both/],
  ['pattern', one({ proof: { pattern: '(' } }), /a regular expression/],
  ['each', one({ proof: { each: '(' } }), /each: expected a regular expression/],
  ['count', one({ proof: { count: 1.5 } }), /count: expected a whole number/],
  ['maxLines', one({ proof: { maxLines: -1 } }), /maxLines: expected/],
];

for (const [name, text, message] of bad) {
  test(`refused: ${name}`, () => {
    const parsed = parseCommandSet(text);
    assert.ok('problems' in parsed, 'is refused');
    assert.match(parsed.problems.join('\n'), message);
  });
}

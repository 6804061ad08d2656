import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { allowListProblems, interpretersIn, judge } from '../reference-target/allow-list.ts';

const allowed = new Set(['echo', 'ls', 'head', 'printf', 'sleep', 'wait', 'true', 'python3.11', 'g++', 'a_b-c']);

const accepted: readonly string[] = [
  'echo',
  'echo a',
  '  echo a\t b  ',
  "echo 'Hello from session 3'",
  'echo "a b"\'c d\'e',
  'ls -la | head -20',
  'echo a; echo b',
  'echo a;',
  'echo a &',
  'sleep 1 & wait',
  'echo a && echo b || echo c',
  'echo a &&\n  echo b',
  'echo a |\n\n head -1',
  'echo a\necho b\n',
  '\n\necho a\n\n\necho b;\n',
  'echo a & \n echo b',
  "echo '$(rm x) `rm x` ; rm x | rm x & rm x > y'",
  'echo "; rm x | rm y & rm z > y #"',
  'echo \\$\\(rm x\\)',
  'echo "\\$(rm x) \\`rm x\\`"',
  'echo a\\;rm',
  "echo 'a\nrm x'",
  'echo "a\nrm x"',
  'echo a#b',
  'echo "#" \\# \'#\'',
  'echo a=b x=y',
  'echo *.txt ~ {a,b} [ab] a!b a^b a%b',
  "echo 'é😀'",
  'ls 2>&1',
  'ls 2>/dev/null >/dev/null',
  'ls > /dev/null 2>&1 | head',
  'ls </dev/null;echo a',
  'ls 2>&1|head',
  'ls >&2&',
  "printf '%s\\n' -v x",
  'wait 7',
  'python3.11 -V',
  'g++ --version',
  'a_b-c d',
];

/** Commands that could run something else, each with a part of the reason to refuse it. */
const refused: readonly (readonly [string, RegExp])[] = [
  ['', /empty/],
  ['  \t\n ', /empty/],
  ['rm x', /"rm" is not in/],
  ['echo a; rm x', /"rm" is not in/],
  ['echo a;rm x', /"rm" is not in/],
  ['echo a && rm x', /"rm" is not in/],
  ['echo a || rm x', /"rm" is not in/],
  ['echo a | rm x', /"rm" is not in/],
  ['echo a & rm x', /"rm" is not in/],
  ['echo a &rm x', /"rm" is not in/],
  ['echo a\nrm x', /"rm" is not in/],
  ['\nrm x', /"rm" is not in/],
  ['echo a;\n\trm x', /"rm" is not in/],
  ['echo a |\nrm x', /"rm" is not in/],
  ["echo 'a'\nrm x", /"rm" is not in/],
  ['echo $(rm x)', /expansions/],
  ['echo `rm x`', /command substitution/],
  ['echo "$(rm x)"', /expansions/],
  ['echo "`rm x`"', /command substitution/],
  ['echo "a" "$(rm x)"', /expansions/],
  ["echo '\\'$(rm x)'", /expansions/],
  ['echo "\\\\$(rm x)"', /expansions/],
  ['echo \\\\$(rm x)', /expansions/],
  ['echo $((a[$(rm x)]))', /expansions/],
  ['echo $[1]', /expansions/],
  ['echo ${x:=$(rm x)}', /expansions/],
  ['echo ${x@P}', /expansions/],
  ['echo $x', /expansions/],
  ["echo $'a\\nrm x'", /expansions/],
  ['$x', /expansions/],
  ['${x}', /expansions/],
  ['echo a | $0', /expansions/],
  ['ls <(rm x)', /redirection/],
  ['ls >(rm x)', /redirection/],
  ['ls > x', /redirections/],
  ['ls >> x', /redirections/],
  ['ls >| x', /redirections/],
  ['ls <> x', /redirections/],
  ['ls < x', /redirections/],
  ['ls 2> x', /redirections/],
  ['ls > /dev/null/../../x', /redirections/],
  ['ls > /dev/nullx', /redirections/],
  ['ls > "/dev/null"x', /redirections/],
  ['ls >&x', /redirections/],
  ['ls >&1x', /redirections/],
  ['ls >&12', /redirections/],
  ['ls >& /dev/null', /redirections/],
  ['ls &> x', /redirection/],
  ['ls &>/dev/null', /redirection/],
  ['ls <<EOF\nrm x\nEOF', /redirections/],
  ['ls <<<x', /redirections/],
  ['ls {PATH}>/dev/null', /redirection directly after a word/],
  ['ls x>/dev/null', /redirection directly after a word/],
  ['>/dev/null ls', /redirection/],
  ['>x', /redirection/],
  ['2>/dev/null ls', /redirection/],
  ['(rm x)', /parentheses/],
  ['(echo a)', /parentheses/],
  ['echo (a)', /parentheses/],
  ['echo() { rm x; }; echo', /parentheses/],
  ['echo () { rm x; }', /parentheses/],
  ['echo a=(b)', /parentheses/],
  ['ls @(a|rm)', /parentheses/],
  ['{ echo a; }', /not a plain/],
  ['{ rm x; }', /not a plain/],
  ['{rm,x}', /not a plain/],
  ['! echo a', /not a plain/],
  ['if true; then rm x; fi', /"if" is not in/],
  ['true; then rm x', /"then" is not in/],
  ['while true; do rm x; done', /"while" is not in/],
  ['for i in a; do echo a; done', /"for" is not in/],
  ['case a in a) rm x;; esac', /"case" is not in/],
  ['function echo { rm x; }', /"function" is not in/],
  ['time rm x', /"time" is not in/],
  ['exec rm x', /"exec" is not in/],
  ['eval echo', /"eval" is not in/],
  ['command rm x', /"command" is not in/],
  ['. ./x', /not a plain/],
  ['[ -f x ]', /not a plain/],
  ['[[ -f x ]]', /not a plain/],
  ['PATH=. ls', /not a plain/],
  ['A= echo', /not a plain/],
  ['a+=b echo', /not a plain/],
  ['/bin/echo a', /not a plain/],
  ['./echo a', /not a plain/],
  ['../echo', /not a plain/],
  ['~/echo', /not a plain/],
  ["'echo' a", /not a plain/],
  ['"echo" a', /not a plain/],
  ["e'ch'o a", /not a plain/],
  ['\\echo a', /not a plain/],
  ['ec\\ho a', /not a plain/],
  ["''echo a", /not a plain/],
  ["'' a", /not a plain/],
  ["'r'm x", /not a plain/],
  ['e?ho a', /not a plain/],
  ['e*', /not a plain/],
  ['[e]cho', /not a plain/],
  ['-x', /not a plain/],
  ['echo a;; echo b', /expected a command word/],
  ['; echo a', /expected a command word/],
  ['& echo a', /expected a command word/],
  ['| echo a', /expected a command word/],
  ['echo a ; ; echo b', /expected a command word/],
  ['echo a &; echo b', /expected a command word/],
  ['echo a |& rm x', /expected a command word/],
  ['echo a &&& rm x', /expected a command word/],
  ['echo a &&', /expected a command word/],
  ['echo a ||\n', /expected a command word/],
  ['echo a |', /expected a command word/],
  ['# comment', /comments/],
  ['echo a # comment\nrm x', /comments/],
  ['echo a #\\\nrm x', /comments/],
  ['echo a;#', /comments/],
  ["echo 'a", /no closing/],
  ['echo "a', /no closing/],
  ['echo "a\\"', /no closing/],
  ["echo 'a'\\''", /no closing/],
  ['echo a\\', /backslash/],
  ['echo a\\\nrm x', /backslash/],
  ['ec\\\nho a', /backslash/],
  ['echo "a\\\nb"', /backslash/],
  ['echo a \\\n; rm x', /backslash/],
  ['echo a\0', /control/],
  ['echo a\r\nrm x', /control/],
  ['echo\va', /control/],
  ['echo\fa', /control/],
  ["echo '\u001b[2J'", /control/],
  ["echo '\u0085'", /control/],
  ['echo é', /beyond ASCII/],
  ['echo\u00a0a', /beyond ASCII/],
  ['ｅｃｈｏ a', /beyond ASCII/],
  ['echo \\é', /beyond ASCII/],
  ['printf -v PATH .', /option of printf/],
  ["printf '-v' PATH .", /option of printf/],
  ['printf -"v" PATH .', /option of printf/],
  ['printf \\-v PATH .', /option of printf/],
  ["printf '-%s' x", /option of printf/],
  ["printf '%n' PATH", /%n/],
  ["printf 'a%%5lln' PATH", /%n/],
  ["printf %d 'a[$(rm x)]'", /arguments of printf/],
  ["printf %d 'a[`rm x`]'", /arguments of printf/],
  ["wait 'a[$(rm x)]'", /arguments of wait/],
  ['printf {-v,PATH} .', /arguments of printf/],
  ['printf * .', /arguments of printf/],
  ['printf 2>&1 -v PATH .', /option of printf/],
  ['echo a | printf -v PATH .', /option of printf/],
  ['wait -n -p PATH', /option of wait/],
  ['__proto__', /is not in/],
  ['constructor', /is not in/],
  ['hasOwnProperty', /is not in/],
];

for (const command of accepted) {
  void test(`allowed: ${JSON.stringify(command)}`, () => {
    assert.deepEqual(judge(command, allowed), { allowed: true });
  });
}

for (const [command, reason] of refused) {
  void test(`refused: ${JSON.stringify(command)}`, () => {
    const judgement = judge(command, allowed);
    assert.ok(!judgement.allowed);
    assert.match(judgement.reason, reason);
  });
}

/** The shells on this machine that some system has as /bin/sh: a program and its options. */
const shells: readonly (readonly [string, ...string[]])[] = [
  ['sh'],
  ['dash'],
  ['bash', '--posix'],
  ['bash'],
  ['busybox', 'ash'],
  ['ksh'],
  ['zsh', '--emulate', 'sh'],
].flatMap(([name = '', ...options]) => {
  const path = spawnSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
  return path === '' ? [] : [[path, ...options] as const];
});

/** A folder of programs: the allowed ones do nothing, all others leave a file when they run. */
const sandbox = (): { run: (shell: readonly string[], command: string) => string[]; remove: () => void } => {
  const folder = mkdtempSync(join(tmpdir(), 'allow-list-'));
  const [programs, work, marks] = [join(folder, 'bin'), join(folder, 'work'), join(folder, 'marks')];
  for (const name of [programs, work, marks]) mkdirSync(name);
  const add = (name: string, script: string): void => {
    writeFileSync(join(programs, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(programs, name), 0o755);
  };
  for (const name of ['ls', 'head', 'sleep']) add(name, 'exit 0');
  for (const name of ['forbidden', 'x', 'a']) add(name, `: > '${marks}/${name}'`);
  return {
    run: ([program = '', ...options], command) => {
      const env = { PATH: programs };
      spawnSync(program, [...options, '-c', command], { cwd: work, env, timeout: 5_000, stdio: 'ignore' });
      return [...readdirSync(marks), ...readdirSync(work)];
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};

/** Commands from parts with a meaning to the shell; most are invalid in some way. */
const pieces = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      'echo',
      'ls',
      'printf',
      'true',
      'forbidden',
      'x',
      'a',
      'if',
      'then',
      '-v',
      '%n',
      'PATH',
      "'a[$(x)]'",
    ),
  },
  { weight: 6, arbitrary: fc.constantFrom(' ', ' ', ' ', '\t', '\n') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(';', '&', '&&', '||', '|', '(', ')', '{', '}', '!', '<', '>', '#', '=', '*'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('$', '`', '$(', '${', '\\', "'", '"', '\\\n', '1', '2>&1', '>/dev/null', '[', ']'),
  },
);
const commands = fc
  .array(pieces, { minLength: 1, maxLength: 14 })
  .map((parts) => parts.join(''))
  .map((tail) => `echo ${tail}`);

void test('an allowed command runs nothing else in any shell', (t) => {
  t.diagnostic(`shells: ${shells.map((shell) => shell.join(' ')).join(', ')}`);
  for (const shell of shells) {
    const dirty = sandbox();
    t.after(dirty.remove);
    // Proves that the marks work; without them the property would always hold.
    assert.deepEqual(dirty.run(shell, 'echo a; forbidden'), ['forbidden']);
  }

  const clean = sandbox();
  t.after(clean.remove);
  const list = new Set(['echo', 'ls', 'printf', 'true', 'wait']);
  fc.assert(
    fc.property(commands, fc.constantFrom(...shells), (command, shell) => {
      fc.pre(judge(command, list).allowed);
      assert.deepEqual(clean.run(shell, command), []);
    }),
    { numRuns: 400 },
  );
});

void test('a shell can parse every allowed command', () => {
  for (const shell of shells) {
    const [program, ...options] = shell;
    for (const command of accepted) {
      assert.equal(spawnSync(program, [...options, '-n', '-c', command]).status, 0, `${shell.join(' ')}: ${command}`);
    }
  }
});

void test('only the list decides about a word', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,12}$/), fc.boolean(), (name, listed) => {
      const list = new Set(listed ? [name, 'echo'] : ['echo']);
      const expected = listed || name === 'echo';
      for (const command of [name, `echo a; ${name} b`, `echo a |${name}`, `echo a&&\n${name}`]) {
        assert.equal(judge(command, list).allowed, expected);
      }
    }),
  );
});

void test('a list that would allow anything is refused', () => {
  assert.deepEqual(allowListProblems(['echo', 'ls', 'python3.11', 'g++']), []);
  assert.match(allowListProblems([]).join(), /at least one command name/);
  for (const name of ['/bin/ls', 'a b', '', '*', '-x', 'a;b', '[', '.', '!', '{', '~', 'é']) {
    assert.match(allowListProblems([name]).join(), /expected plain command names/, name);
  }
  for (const name of ['if', 'eval', 'exec', 'command', 'time', 'source', 'trap', 'alias', 'read', 'export', 'test']) {
    assert.match(allowListProblems([name]).join(), /cannot judge what it does/, name);
  }
});

void test('interpreters in a list are recognised', () => {
  assert.deepEqual(interpretersIn(['echo', 'sh', 'python3.11', 'python', 'xargs', 'ls', 'awk', 'find']), [
    'sh',
    'python3.11',
    'python',
    'xargs',
    'awk',
    'find',
  ]);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Case, FindingKind } from '../lib/cases/case.ts';
import { allowList, hasAllowList, validationCases } from '../lib/cases/validation.ts';
import type { TargetOptions } from '../reference-target/options.ts';
import { askTarget, casesNamed, impatient, patient } from './ask-cases.ts';
import { atOnce } from './busy.ts';

const dialects = ['deployed', 'documented'] as const;
const allow = ['echo', 'ls', 'sleep'];
const cases = validationCases('echo');
const names = cases.map(({ name }) => name);

/** What runs behind the allowed word where only the first word of a command is looked at. */
const behindFirstWord = [
  'semicolon',
  'and-list',
  'or-list',
  'pipe',
  'background',
  'newline',
  'substitution',
  'quoted-substitution',
  'backticks',
  'here-document',
];

/** What needs a shell that knows more than POSIX asks for. */
const bashOnly = new Set(['process-substitution']);

/** The service's answer to the question whether it has an allow-list, as a case. */
const hasList: Case = {
  ...allowList,
  *script(session) {
    return { kind: 'conforming', received: String(yield* hasAllowList(session)) };
  },
};

test('names are kebab-case, and each is there once', () => {
  assert.equal(new Set(names).size, names.length);
  for (const { name, section, expected } of cases) {
    assert.match(name, /^[a-z]+(-[a-z]+)*$/);
    assert.match(section, /^protocol: /);
    assert.ok(expected.length > 20);
  }
});

test('no case says in its command what shows that it was run', () => {
  for (const { expected } of validationCases('ls')) assert.doesNotMatch(expected, /4242/);
});

for (const dialect of dialects) {
  test(`${dialect}: whether there is an allow-list is told by what runs`, { timeout: 120_000 }, async (t) => {
    const told = async (options: Partial<TargetOptions>): Promise<string> => {
      const [answer] = await askTarget(t, [hasList], { dialect, ...options });
      return answer?.received ?? '';
    };
    assert.equal(await told({}), 'false');
    assert.equal(await told({ allow }), 'true');
    assert.equal(await told({ allow, faults: ['first-word-only'] }), 'true');
    assert.equal(await told({ allow, faults: ['allow-list-ignored'] }), 'false');
    assert.match(await told({ allow, faults: ['rejection-closes'] }), /closed \(1008\)/);
    assert.match(await told({ faults: ['no-ack'] }), /^timeout \(acknowledgement\)/);
    assert.match(await told({ faults: ['never-completes'] }), /^timeout \(message\)/);
  });

  for (const allowed of allow) {
    test(`${dialect}: a list that holds conforms in all, asked for ${allowed}`, { timeout: 120_000 }, async (t) => {
      const answers = await askTarget(t, validationCases(allowed), { dialect, allow }, patient);
      for (const { name, kind, received } of answers) assert.equal(kind, 'conforming', `${name}: ${received}`);
      assert.deepEqual(
        answers.filter(({ received }) => !received.startsWith('rejected: ')).map(({ name }) => name),
        ['allowed', 'leading-blanks'],
      );
    });
  }
}

/** Which cases a fault is meant for; the others conform. */
const faults: { fault: string; failing: readonly string[]; kind: FindingKind; received: RegExp }[] = [
  {
    fault: 'first-word-only',
    failing: [...behindFirstWord, 'redirection'],
    kind: 'bypass',
    received: /^accepted: .*("a?4242"|\/ws-stress\/nowhere)/,
  },
  {
    fault: 'no-empty-check',
    failing: ['empty', 'blank', 'tab-and-newline'],
    kind: 'deviating',
    received: /^accepted: no output, exit code 0$/,
  },
  {
    fault: 'rejection-closes',
    failing: names.filter((name) => name !== 'allowed' && name !== 'leading-blanks'),
    kind: 'breaking',
    received: /^closed \(1008\)/,
  },
  {
    fault: 'allow-list-ignored',
    failing: [
      'not-allowed',
      ...behindFirstWord,
      'subshell',
      'brace-group',
      'negation',
      'if-clause',
      'assignment-prefix',
      'quoted-word',
      'backslash-word',
      'leading-redirection',
      'eval',
      'exec',
      'command',
      'env',
      'redirection',
      'path-elsewhere',
      'relative-path',
      'longer-word',
      'assignment-like-word',
    ],
    kind: 'bypass',
    received: /^accepted: /,
  },
  {
    fault: 'lost-line',
    failing: names.filter((name) => name !== 'leading-blanks'),
    kind: 'breaking',
    received: /output-mismatch/,
  },
  { fault: 'drop-mid-output', failing: names, kind: 'breaking', received: /^closed \(1006\)/ },
  { fault: 'no-ack', failing: ['allowed'], kind: 'breaking', received: /^timeout \(acknowledgement\)/ },
];

// Beside each other, for they wait more than they work.
void describe(
  'each fault fails the cases that are meant for it, and no other',
  { concurrency: atOnce(4), timeout: 900_000 },
  () => {
    for (const { fault, failing, kind, received } of faults) {
      for (const dialect of dialects) {
        void test(`${fault} is ${kind} (${dialect})`, { timeout: 300_000 }, async (t) => {
          const asked = fault === 'no-ack' ? casesNamed(cases, failing) : cases;
          const answers = await askTarget(
            t,
            asked,
            { dialect, allow, faults: [fault] },
            fault === 'no-ack' ? impatient : patient,
          );
          for (const answer of answers) {
            const { name } = answer;
            if (bashOnly.has(name) && kind === 'bypass') continue;
            const isFailing = failing.includes(name);
            assert.equal(answer.kind, isFailing ? kind : 'conforming', `${name}: ${answer.received}`);
            if (isFailing) assert.match(answer.received, received, name);
          }
          casesNamed(cases, failing);
        });
      }
    }
  },
);

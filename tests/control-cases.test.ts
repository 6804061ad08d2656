import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { controlCases } from '../lib/cases/control.ts';
import { runCase, type Case, type FindingKind } from '../lib/cases/case.ts';
import { count, countToThirty } from '../lib/commands/count.ts';
import { askTarget, casesNamed, impatient, patient } from './ask-cases.ts';
import { atOnce, slowness } from './busy.ts';
import { service, startInMemory } from './memory-socket.ts';

const dialects = ['deployed', 'documented'] as const;
const cases = controlCases();

test('names are kebab-case, and each is there once', () => {
  const names = cases.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, section, expected } of cases) {
    assert.match(name, /^[a-z]+(-[a-z]+)*$/);
    assert.match(section, /^protocol: (control|execute)$/);
    assert.ok(expected.length > 20);
  }
});

test('the command of process control counts to thirty, a second each', () => {
  const { command, proof } = countToThirty(false);
  assert.equal(command, 'i=0; while [ $i -lt 30 ]; do echo "Count $i"; i=$((i+1)); sleep 1; done');
  assert.deepEqual(proof, { numbered: { line: 'Count {i}', from: 0, to: 29 } });
  assert.deepEqual(countToThirty(true).proof, proof);
});

test('only CANCEL can have ended what it must end: by itself that outlasts all tries', () => {
  const named = cases.filter(({ name }) => /^cancel-(while-paused|twice)$/.test(name));
  assert.equal(named.length, 2);
  for (const each of named) {
    const session = startInMemory(runCase(each).script);
    session.events.message(service.connected);
    const [, lines, pause] = /-lt (\d+) .*sleep ([\d.]+);/.exec(session.sent.join('')) ?? [];
    assert.ok(Number(lines) * Number(pause) > 12 + 3, `${each.name}: ${session.sent.join('')}`);
  }
});

for (const python of [false, true]) {
  const skip = python && spawnSync('python', ['--version']).status !== 0 && 'python is not there';
  test(
    `counting in ${python ? 'Python' : 'sh'} prints each line when it is due`,
    { skip, timeout: 30_000 },
    async (t) => {
      const counts: Case = {
        name: 'counts',
        section: 'protocol: control',
        expected: 'all lines, in time',
        *script(session) {
          const run = yield* session.execute(count(4, 1, python));
          yield* run.reaches(1);
          const seen = [run.lines];
          yield* session.sleep(1500);
          seen.push(run.lines);
          yield* run.completes();
          return { kind: 'conforming', received: [...seen, run.lines].join(', ') };
        },
      };
      const [answer] = await askTarget(t, [counts], {});
      assert.equal(answer?.received, '1, 2, 4');
    },
  );
}

for (const dialect of dialects) {
  test(`${dialect}: a service without a fault conforms in all, within 15 s`, { timeout: 60_000 }, async (t) => {
    const answers = await askTarget(t, cases, { dialect });
    for (const { name, kind, received } of answers) {
      // The deployed dialect has -32603 for params that are invalid, and the protocol's own words have -32602.
      const expected = dialect === 'deployed' && name === 'unknown-control' ? 'deviating' : 'conforming';
      assert.equal(kind, expected, `${name}: ${received}`);
    }
    const tookMs = answers.reduce((sum, answer) => sum + answer.tookMs, 0);
    assert.ok(tookMs < 15_000 * slowness, `took ${tookMs} ms`);
  });
}

/** Which cases a fault is meant for, and what they come to. */
const faults: { fault: string; names: string[]; kind: FindingKind; received: RegExp }[] = [
  {
    fault: 'control-without-process-succeeds',
    names: ['pause', 'resume', 'cancel'].flatMap((type) => [`${type}-without-process`, `${type}-after-completed`]),
    kind: 'deviating',
    received: /^result \{"status":"(paused|resumed|cancell?ed)"\}$/,
  },
  {
    fault: 'ignore-pause',
    names: ['pause-twice', 'resume-twice', 'cancel-while-paused', 'execute-while-paused'],
    kind: 'breaking',
    received: /expected no output for \d+ ms, received line|expected the process to run on/,
  },
  {
    fault: 'ignore-resume',
    names: ['pause-twice', 'resume-twice', 'execute-while-paused'],
    kind: 'breaking',
    received: /timeout \(message\): expected output to go on/,
  },
  {
    fault: 'late-resume:6000',
    names: ['pause-twice', 'resume-twice', 'execute-while-paused'],
    kind: 'breaking',
    received: /expected output to go on, none came for 2150 ms/,
  },
  {
    fault: 'double-line-on-resume',
    names: ['pause-twice', 'resume-while-running', 'resume-twice', 'execute-while-paused'],
    kind: 'breaking',
    received: /repeated or out of order/,
  },
  {
    fault: 'lost-line-on-resume',
    names: ['pause-twice', 'resume-while-running', 'resume-twice', 'execute-while-paused'],
    kind: 'breaking',
    received: /a gap/,
  },
  {
    fault: 'output-after-cancel',
    names: ['cancel-while-paused', 'cancel-twice'],
    kind: 'breaking',
    received: /a further execute: output-mismatch|no output after CANCEL/,
  },
  {
    fault: 'stuck-cancel',
    names: ['cancel-while-paused'],
    kind: 'breaking',
    received:
      /the process stays, every further execute for 12 s was refused: error -32602 "A process is already running"/,
  },
  {
    fault: 'cancel-leaves-running',
    names: ['cancel-twice', 'cancel-while-paused'],
    kind: 'breaking',
    received: /the process stays, every further execute for 12 s was refused/,
  },
  {
    fault: 'ignore-cancel',
    names: ['cancel-twice'],
    kind: 'breaking',
    received: /a further execute: output-mismatch|no output after CANCEL/,
  },
  {
    fault: 'second-execute-kills',
    names: ['execute-while-running', 'execute-while-paused'],
    kind: 'breaking',
    received: /^error -32602 "A process is already running"; then .*(exit code 0, received -9|ended with exit code -9)/,
  },
  {
    fault: 'second-execute-runs',
    names: ['execute-while-running', 'execute-while-paused'],
    kind: 'breaking',
    received: /^accepted beside the first; then .*(received "second"|received line|has ended)/,
  },
  {
    fault: 'drop-mid-output',
    names: ['resume-while-running', 'execute-while-running', 'unknown-control'],
    kind: 'breaking',
    received: /closed \(1006\)/,
  },
  {
    fault: 'slow-control:3000',
    names: ['pause-without-process', 'pause-twice', 'unknown-control'],
    kind: 'breaking',
    received: /timeout \(acknowledgement\)/,
  },
];

// Beside each other, for they wait more than they work.
void describe('each fault fails the cases that are meant for it', { concurrency: atOnce(8), timeout: 600_000 }, () => {
  for (const { fault, names, kind, received } of faults) {
    for (const dialect of dialects) {
      void test(`${fault} is ${kind} (${dialect})`, async (t) => {
        // Only what answers late is to be waited for no longer than usual.
        const limits = fault.startsWith('slow-control')
          ? impatient
          : { ...impatient, ackTimeoutMs: patient.ackTimeoutMs };
        const answers = await askTarget(t, casesNamed(cases, names), { dialect, faults: [fault] }, limits);
        for (const answer of answers) {
          assert.equal(answer.kind, kind, `${answer.name}: ${answer.received}`);
          assert.match(answer.received, received, answer.name);
        }
      });
    }
  }
});

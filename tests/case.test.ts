import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCase, type Case, type Finding, type Judgement } from '../lib/cases/case.ts';
import type { Outcome } from '../lib/session/outcome.ts';
import { service, startInMemory } from './memory-socket.ts';

const asked = (finding: Finding, ended?: Case['ended']): Case => ({
  name: 'some-case',
  section: 'RFC 6455 §1',
  expected: 'an answer',
  // oxlint-disable-next-line require-yield -- it has its answer at once
  *script() {
    return finding;
  },
  ...(ended && { ended }),
});

/** What a case comes to whose script has run, or has not, in a session that ended so. */
const findingOf = (each: Case, outcome: Outcome, hasRun = true): Judgement => {
  const run = runCase(each);
  if (hasRun) startInMemory(run.script).events.message(service.connected);
  return run.finding({ outcome });
};

const conforming: Finding = { kind: 'conforming', received: 'an answer' };
const closed: Outcome = { kind: 'closed', code: 1006, detail: 'gone' };
const noPong: Outcome = { kind: 'timeout', phase: 'drain', detail: 'nothing after 5000 ms' };

test('the finding of a session that ended in order is what its script found', () => {
  assert.deepEqual(findingOf(asked(conforming), { kind: 'ok' }), conforming);
});

test('a session that ended before its script is breaking, unless the case says what it means', () => {
  assert.deepEqual(findingOf(asked(conforming), closed, false), { kind: 'breaking', received: 'closed (1006): gone' });
  const deviating: Finding = { kind: 'deviating', received: 'closed with 1006' };
  assert.deepEqual(
    findingOf(
      asked(conforming, ({ kind }) => (kind === 'closed' ? deviating : undefined)),
      closed,
      false,
    ),
    deviating,
  );
});

test('an answer and then a lost connection is breaking', () => {
  assert.deepEqual(findingOf(asked(conforming), closed), {
    kind: 'breaking',
    received: 'an answer; then closed (1006): gone',
  });
});

test('a service that never answers a ping keeps its other findings, and conforms in none', () => {
  const received = 'an answer; then no pong to the ping before closing';
  assert.deepEqual(findingOf(asked(conforming), noPong), { kind: 'deviating', received });
  for (const kind of ['deviating', 'bypass', 'breaking'] as const) {
    assert.equal(findingOf(asked({ ...conforming, kind }), noPong).kind, kind);
  }
  assert.equal(findingOf(asked(conforming), noPong, false).kind, 'breaking');
});

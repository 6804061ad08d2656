import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as v from 'valibot';
import { packageRoot } from '../cli/shared/package-root.ts';
import { closingOf } from '../lib/results/closing.ts';
import { criterionTitle } from '../lib/results/criterion-title.ts';
import { gatherFailures } from '../lib/results/failures.ts';
import type { FindingRecord, RunRecord, SessionRecord } from '../lib/results/record-schema.ts';
import { linkOf, resultOf } from '../lib/results/result-model.ts';
import { causeKinds, resultSchema, type Result } from '../lib/results/result-schema.ts';
import { runRecord } from './run-records.ts';

const ofRun = { version: 1, run: 'r1', marker: 'WEBSOCKET_STRESS_20250625_143000', test: 'concurrent' } as const;

const session = (outcome: SessionRecord['outcome'], more: Partial<SessionRecord> = {}): SessionRecord => ({
  type: 'session',
  ...ofRun,
  round: 1,
  session: 0,
  vu: 1,
  startedAt: '2025-06-25T14:30:01.000Z',
  outcome,
  durationMs: 10,
  messagesReceived: 3,
  controls: [],
  commands: [{ name: 'echo', class: 'simple', outcome, durationMs: 5, lines: 1, bytes: 6 }],
  ...more,
});

const finding = (more: Partial<FindingRecord>): FindingRecord => ({
  type: 'finding',
  ...ofRun,
  case: 'pause-twice',
  section: 'protocol: control',
  expected: 'a second PAUSE is answered',
  finding: 'breaking',
  received: 'nothing',
  ...more,
});

const failed: RunRecord['criteria'] = [
  { test: 'concurrent', selector: 'session_success', expression: 'rate>=0.9', status: 'FAIL', observed: 0.2 },
  { test: 'concurrent', selector: 'timeouts', expression: 'count==0', status: 'PASS', observed: 0 },
  { test: 'concurrent', selector: 'findings{finding:breaking}', expression: 'count==0', status: 'FAIL', observed: 2 },
];

/** The result of a run with these records, which must fit its schema. */
const resultWith = (records: readonly (SessionRecord | FindingRecord)[], more: Partial<RunRecord> = {}): Result => {
  const failures = gatherFailures(more.cutShort === true);
  for (const each of records) {
    if (each.type === 'session') failures.session(each);
    else failures.finding(each);
  }
  const record = runRecord('r1', more);
  const result = resultOf(record, { failures: failures.groups().groups });
  return v.parse(resultSchema, JSON.parse(JSON.stringify(result)));
};

const [round = assert.fail()] = runRecord('r').rounds;
const lost = { kind: 'output-mismatch', detail: 'expected 5 lines, received 4: "Count 5" is missing' } as const;

void test('failed sessions of one kind are one cause: how many of how many, where, expected and received', () => {
  const records = Array.from({ length: 28 }, (_, at) => session(lost, { session: at, round: 2 }));
  const { sentence, causes } = resultWith(records, {
    verdict: 'FAIL',
    criteria: failed.slice(0, 2),
    rounds: [
      { ...round, successful: 10, failed: 0 },
      { ...round, successful: 7, failed: 28 },
    ],
  });
  assert.equal(sentence, 'FAIL: 28 of 35 sessions lost output lines; 1 of 2 checks failed');
  const [cause = assert.fail()] = causes;
  assert.equal(causes.length, 1);
  assert.equal(cause.place, 'concurrent, round 2, command echo');
  assert.deepEqual([cause.expected, cause.received], ['5 lines', '4: "Count 5" is missing']);
  assert.equal(cause.link, 'docs/reading-a-failure.md#output-mismatch');
  assert.equal(cause.weight, 'failure');
  assert.equal(cause.examples.length, 3);
});

void test('the last message sent and received are taken from the trace', () => {
  const trace = ['> {"id":1}', '< {"result":1}', '> {"id":2}', '< {"method":"process.output"}'];
  const [cause] = resultWith([session(lost, { trace })], { verdict: 'FAIL', criteria: failed }).causes;
  assert.equal(cause?.messageSent, '{"id":2}');
  assert.equal(cause?.messageReceived, '{"method":"process.output"}');
});

void test('findings that failed in one way are one cause, others one each; the worst first', () => {
  const received = 'result {"status":"paused"}; then output-mismatch: expected no output for 300 ms, received line 7';
  const { causes, sentence } = resultWith(
    [
      finding({ case: 'unknown', finding: 'deviating', received: 'error -32603' }),
      finding({ case: 'limit', received: 'accepted' }),
      finding({ received }),
      finding({ case: 'resume-twice', received }),
      finding({ case: 'later', finding: 'not-run', received: 'nobody counts' }),
    ],
    {
      verdict: 'FAIL',
      criteria: failed.slice(1),
      findings: [{ test: 'concurrent', conforming: 8, deviating: 1, bypass: 0, breaking: 3 }],
    },
  );
  assert.deepEqual(
    causes.map((each) => [each.weight, each.sentence]),
    [
      ['failure', '2 of 12 cases received output while the process was paused: pause-twice and resume-twice'],
      ['failure', '1 of 12 cases failed: limit (accepted)'],
      ['tolerated', '1 of 12 cases deviated from the specification: unknown'],
      ['not-checked', '1 case could not be asked: nobody counts'],
    ],
  );
  assert.equal(
    sentence,
    'FAIL: 2 of 12 cases received output while the process was paused: pause-twice and resume-twice, and 1 more problem; 1 of 2 checks failed',
  );
});

void test('a time above its limit and criteria without data are causes of their own', () => {
  const { sentence, causes } = resultWith([], {
    verdict: 'FAIL',
    criteria: [
      {
        test: 'single',
        selector: 'command_duration{class:simple}',
        expression: 'p(95)<5000',
        status: 'FAIL',
        observed: 5213.4,
        unit: 'ms',
      },
      { test: 'single', selector: 'control_duration{type:PAUSE}', expression: 'p(95)<1000', status: 'NO DATA' },
    ],
  });
  assert.equal(sentence, 'FAIL: p95 of simple commands was 5.2 s, expected less than 5 s; 2 of 2 checks failed');
  assert.equal(causes[1]?.sentence, '1 check had no data: p95 of PAUSE is less than 1 s');
});

void test('a run that did nothing says why, and what to do', () => {
  const reason =
    'The service at ws://h/ refuses a connection: it answered the opening handshake with status 403 instead of 101. Check the path and the token (--token …).';
  const { sentence, causes } = resultWith([], { verdict: 'NOT RUN', reason, criteria: [], rounds: [] });
  assert.match(sentence, /^Not run: the service at ws:\/\/h\/ refuses a connection: .* status 403 instead of 101$/);
  assert.equal(causes[0]?.advice, 'Check the path and the token (--token …).');
});

void test('an INVALID run names the generator, one that was cut short the interruption', () => {
  const dropped = {
    test: 'concurrent',
    selector: 'dropped_iterations',
    expression: 'count==0',
    status: 'FAIL',
  } as const;
  const { sentence } = resultWith([], { verdict: 'INVALID', criteria: [{ ...dropped, observed: 12 }] });
  assert.equal(sentence, 'INVALID: the load generator did not start 12 sessions that were due');
  const cut = resultWith([session({ kind: 'closed', code: 1001, detail: 'x' })], {
    verdict: 'INVALID',
    cutShort: true,
  });
  assert.match(cut.sentence, /^INVALID: the run ended before its end/);
  assert.equal(cut.causes.length, 1);
});

void test('a run that passed says what that proves; failures that the criteria allow are tolerated', () => {
  const result = resultWith([session({ kind: 'failed-exit', code: 3, detail: 'expected exit code 0, received 3' })]);
  assert.equal(result.sentence, 'PASS: all 2 checks passed; tolerated: 1 of 50 sessions ended with exit code 3');
  assert.deepEqual(result.proven, ['all 50 sessions succeeded']);
  assert.equal(result.causes[0]?.weight, 'tolerated');
  assert.deepEqual(
    closingOf(result).causes.map(({ sentence }) => sentence),
    ['tolerated: 1 of 50 sessions ended with exit code 3'],
  );
});

void test('without records the counts of the run record are the causes', () => {
  const record = runRecord('r', { verdict: 'FAIL', criteria: failed.slice(0, 2), outcomes: { ok: 5, timeout: 20 } });
  record.total = { ...record.total, successful: 5, failed: 20 };
  const { sentence } = resultOf(record);
  assert.equal(sentence, 'FAIL: 20 of 25 sessions failed (20 timeout); 1 of 2 checks failed');
});

void test('every shipped criterion has a title that a person would say', () => {
  const titles = [
    ['session_success', 'rate>=0.9', 'At least 90 % of sessions succeed'],
    ['session_success{round:3}', 'rate==1', 'All sessions succeed in round 3'],
    ['findings{finding:breaking}', 'count==0', 'No case breaks the service'],
    ['sessions{outcome:closed}', 'count==0', 'No connection is closed early'],
    ['command_duration{round:1,class:simple}', 'p(95)<5000', 'p95 of simple commands is less than 5 s in round 1'],
    ['recovery_duration{case:recovery}', 'max<10000', 'Maximum of time until the service is back is less than 10 s'],
  ];
  for (const [selector = '', expression = '', title] of titles)
    assert.equal(criterionTitle({ selector, expression }), title);
});

void test('every kind of cause has a section in docs/reading-a-failure.md', () => {
  const text = readFileSync(path.join(packageRoot, 'docs/reading-a-failure.md'), 'utf8');
  const headings = new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-')),
  );
  for (const kind of causeKinds) assert.ok(headings.has(linkOf(kind).split('#')[1] ?? ''), `${kind}: ${linkOf(kind)}`);
});

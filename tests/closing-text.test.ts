import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closingText } from '../cli/run/closing-text.ts';
import { roundKey } from '../cli/run/round-figures.ts';
import { gatherFailures } from '../lib/results/failures.ts';
import type { FindingRecord, JudgedCriterion, RunRecord, SessionRecord } from '../lib/results/record-schema.ts';
import { resultOf } from '../lib/results/result-model.ts';
import type { Outcome } from '../lib/session/outcome.ts';
import { findingLine, sessionLine } from './records.ts';
import { runRecord } from './run-records.ts';

const broken = (selector: string, scenario: string): JudgedCriterion => ({
  test: scenario,
  selector,
  expression: 'count==0',
  status: 'FAIL',
  observed: 1,
});

const ofSessions = { ...broken('session_success', 'concurrent'), expression: 'rate>=0.9', observed: 0.2 };
const ofCases = broken('findings{finding:bypass}', 'command-validation');
const failed: Partial<RunRecord> = { verdict: 'FAIL', criteria: [ofSessions] };
const bothFailed: Partial<RunRecord> = { verdict: 'FAIL', criteria: [ofSessions, ofCases] };

/** What the end of a run says that has these records. */
const textOf = (lines: readonly string[], more: Partial<RunRecord> = failed, colour = false): string => {
  const failures = gatherFailures(more.cutShort === true);
  for (const line of lines) {
    const record = JSON.parse(line) as SessionRecord | FindingRecord;
    if (record.type === 'session') failures.session(record);
    else failures.finding(record);
  }
  const record = runRecord('r', more);
  return closingText(resultOf(record, { failures: failures.groups().groups }), record, new Map(), colour);
};

const unfolded = (text: string): string => text.replaceAll(/\s+/g, ' ');

const rejected = (reason: string): Outcome => ({ kind: 'rejected', code: -32_001, message: 'no', reason });

void test('the first ten lines say what failed, where, what was expected and received, and what to do', () => {
  const text = textOf([sessionLine({ kind: 'failed-exit', code: 3, detail: 'expected exit code 0, received 3' })]);
  const first = text.trimStart().split('\n').slice(0, 10).join('\n');
  assert.match(first, /^FAIL: /);
  for (const label of ['where', 'expected', 'do', 'see']) {
    assert.match(first, new RegExp(`^ {4}${label} +\\S`, 'm'));
  }
  assert.match(first, /ended with exit code 3/);
});

void test('failures of one kind with several causes are told apart', () => {
  const full = Array.from({ length: 5 }, () => sessionLine(rejected('session limit')));
  const text = unfolded(textOf([...full, sessionLine(rejected('not allowed')), sessionLine({ kind: 'ok' })]));
  assert.match(text, / 5 of 50 sessions [^.]*session limit/);
  assert.match(text, / 1 of 50 sessions [^.]*allow-list/);
});

void test('a session that a case opened is told where no finding tells it', () => {
  const hang: Outcome = { kind: 'timeout', phase: 'connected', detail: 'nothing' };
  const dropped: Outcome = { kind: 'closed', code: 1006, detail: 'dropped' };
  const text = textOf([
    sessionLine(hang, { case: 'guest' }),
    sessionLine(dropped, { case: 'leak' }),
    sessionLine(dropped, { case: 'binary-junk' }),
  ]);
  assert.match(text, /case guest/);
  assert.match(text, /case leak/);
  assert.doesNotMatch(text, /binary-junk/);
});

void test('what an interrupt cut off is no failure of the service', () => {
  const cut: Outcome = { kind: 'closed', code: 1001, detail: 'closed by the service' };
  const interrupted: Partial<RunRecord> = { verdict: 'INVALID', cutShort: true };
  assert.match(textOf([sessionLine(cut)]), /closed/);
  assert.doesNotMatch(textOf([sessionLine(cut)], interrupted), /closed/);
  const finding = findingLine('slow-reader', { received: 'closed (1001): closed by the service' });
  assert.match(textOf([finding], bothFailed), /closed \(1001\)/);
  assert.doesNotMatch(textOf([finding], interrupted), /closed/);
});

void test('of many causes the three worst are shown, and how many more there are', () => {
  const kinds = [1, 2, 3, 4, 5].map((code) => sessionLine({ kind: 'failed-exit', code, detail: '' }));
  const text = textOf(kinds);
  assert.equal(text.match(/^ {4}where /gm)?.length, 3);
  assert.match(text, /^ {2}2 more problems: see the report$/m);
});

void test('what is long is wrapped at 80 columns, further in, and what a service wrote moves no cursor', () => {
  const words = Array.from({ length: 60 }, (_, index) => `w${index}`).join(' ');
  const text = textOf(
    [
      findingLine('long', { expected: words, received: `\u001b[2J${words}` }),
      sessionLine({ kind: 'closed', code: 1011, detail: `\u001b]0;x\u0007${words}` }),
    ],
    bothFailed,
  );
  assert.ok(
    text.split('\n').every((line) => line.length <= 80),
    text,
  );
  assert.ok(unfolded(text).includes(`expected ${words}`), text);
  // oxlint-disable-next-line no-control-regex -- what must not be there
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f]/);
});

void test('a message stands on one line, so that it can be copied', () => {
  const message = `{"jsonrpc":"2.0","method":"process.output","params":{"type":"stdout","data":"${'ten words '.repeat(15)}"}}`;
  const closed: Outcome = { kind: 'closed', code: 1011, detail: 'x' };
  const text = textOf(
    [sessionLine(closed, { trace: [`< ${message}`] }), findingLine('a-case', { trace: [`< ${message}`] })],
    bothFailed,
  );
  assert.deepEqual(
    text.split('\n').filter((line) => line.includes('ten words')),
    [`    got       ${message}`, `    got       ${message}`],
  );
});

void test('a run in which nothing ran says why and what to do, in twelve lines at most', () => {
  const reason =
    'The service at ws://localhost:8003/ws/mcp refuses a connection: expected status 101, received status 403. Check STRESS_TOKEN.';
  const criteria = Array.from({ length: 90 }, (_, at) => ({
    ...broken(`session_success{round:${at + 1}}`, 'concurrent'),
    status: 'NOT RUN' as const,
  }));
  const text = textOf([], { verdict: 'NOT RUN', reason, criteria, rounds: [] });
  assert.ok(text.trim().split('\n').length <= 12, text);
  assert.match(unfolded(text), /Not run: [^]*received status 403 [^]*Check STRESS_TOKEN/);
});

void test('a run that passed is short: what it proved, the rounds, and what was tolerated', () => {
  const deviating = findingLine('loose', { finding: 'deviating' });
  const text = textOf([deviating], {});
  assert.match(text.trimStart(), /^PASS: all 2 checks passed; tolerated: 1 case /);
  assert.match(text, /^ {2}all 50 sessions succeeded$/m);
  assert.match(text, /^ {2}note: 1 case /m);
  assert.doesNotMatch(text, /Failed checks/);
  assert.ok(text.trim().split('\n').length <= 15, text);
});

void test('checks that failed are named in words, with their expression below; colours only where they are asked for', () => {
  const line = sessionLine({ kind: 'closed', code: 1011, detail: 'x' });
  const text = textOf([line]);
  assert.match(
    text,
    /^ {2}Failed checks\n {4}At least 90 % of sessions succeed: observed 20 %\n {6}session_success rate>=0.9$/m,
  );
  const coloured = textOf([line], failed, true);
  assert.ok(coloured.includes('\u001b[31mFAIL\u001b[0m: '), coloured);
  // oxlint-disable-next-line no-control-regex -- a colour
  assert.equal(coloured.replaceAll(/\u001b\[\d+m/g, ''), text);
});

void test('the table of rounds has throughput, median, p95 and p99, a dash where there are too few sessions, in 80 columns', () => {
  const label = '1000 sessions at once, 500 a VU, and more';
  const round = { test: 'concurrent', label, successful: 900, failed: 100 };
  const record = runRecord('r', { rounds: [round, { ...round, successful: 3 }] });
  const figures = new Map([
    [roundKey('concurrent', 1), { perSecond: 123.4, medianMs: 380.4, p95Ms: 2096, p99Ms: 5100 }],
    [roundKey('concurrent', 2), { perSecond: 1.25, medianMs: 20 }],
  ]);
  const lines = closingText(resultOf(record), record, figures).split('\n');
  const at = lines.findIndex((line) => line.startsWith('  round '));
  const cells = lines.slice(at, at + 3).map((line) => line.trim().split(/ {2,}/));
  assert.deepEqual(cells[0], ['round', 'ok', 'failed', 'sessions/s', 'median', 'p95', 'p99']);
  assert.deepEqual(cells[1]?.slice(-6), ['900', '100', '123', '380 ms', '2.1 s', '5.1 s']);
  assert.deepEqual(cells[2]?.slice(-6), ['3', '100', '1.3', '20 ms', '–', '–']);
  assert.ok(lines.every((line) => line.length <= 80));
});

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { gatherReport } from '../cli/report/gather.ts';
import { reportPage } from '../cli/report/page.ts';
import { junitXml } from '../cli/results/junit.ts';
import { markdownSummary } from '../cli/results/markdown-summary.ts';
import { readRecords } from '../cli/results/record-reader.ts';
import { readResult } from '../cli/results/result.ts';
import { runFolder } from '../cli/results/run-folder.ts';
import { readFailures } from '../cli/run/closing-table.ts';
import { stopReason } from '../cli/run/stop-reason.ts';
import { closingOf } from '../lib/results/closing.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import type { Result } from '../lib/results/result-schema.ts';
import { faultTable } from '../reference-target/fault-table.ts';
import type { TargetOptions } from '../reference-target/options.ts';
import { alone, atOnce, slowness } from './busy.ts';
import { harmless, nameInTable, serviceFor } from './k6-cases.ts';
import { runBundle } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A fault, the smallest run that finds it, and the phrase that names it for a reader. */
interface Row {
  fault: string;
  scenario: string;
  phrase: RegExp;
  settings?: Readonly<Record<string, string>>;
  target?: Partial<TargetOptions>;
  busy?: true;
}

const impatient = { STRESS_ACK_TIMEOUT: '1s', STRESS_MESSAGE_TIMEOUT: '3s' };

const rowsOf =
  (scenario: string, common: Omit<Row, 'fault' | 'scenario' | 'phrase'> = {}) =>
  (fault: string, phrase: RegExp, own: Omit<Row, 'fault' | 'scenario' | 'phrase'> = {}): Row => ({
    scenario,
    fault,
    phrase,
    ...common,
    ...own,
  });

const single = rowsOf('single');
const limit = rowsOf('session-limit', { target: { maxSessions: 4 } });
const control = rowsOf('process-control', {
  target: { dialect: 'documented', killGraceMs: 1000 },
  settings: { STRESS_MESSAGE_TIMEOUT: '4s' },
});
const conformance = rowsOf('conformance', { target: { dialect: 'documented' } });
const validation = rowsOf('command-validation', { target: { allow: ['echo', 'ls', 'sleep'] } });
const memory = rowsOf('memory', { target: { maxSessions: 100_000 }, settings: { STRESS_MEMORY_DURATION: '500ms' } });

const rows: Row[] = [
  single('tcp-silent', /no service answers .*timeout/i),
  single('handshake-403', /status 403/),
  single('no-pong', /received no pong to the ping before closing/, { settings: impatient }),
  single('no-connected', /received no connected message in time/, { settings: impatient }),
  single('close-1008', /close 1008/),
  single('limit', /hit the session limit/),
  limit('limit-drop', /lost the connection without a close frame: beyond-limit/),
  limit('limit-hang', /received no connected message in time/, { settings: { STRESS_ACK_TIMEOUT: '5s' } }),
  limit('limit-close-only', /closed \(1008\).*without an error before/),
  limit('limit-wrong-code', /and close 1000/),
  limit('limit-disturbs@10', /close 1008\): undisturbed/),
  limit('limit-kills', /ended with exit code -15: undisturbed/),
  limit('limit-off-by-one', /beyond-limit \(accepted\)/),
  limit('slot-leak-vanished', /slot-after-vanished/),
  limit('slot-leak-closed@6', /slot-after-close/),
  limit('slot-leak-refused', /slot-after-refused/),
  limit('health-miscounts@2-', /health-count \(5 with 4 open\)/),

  memory('leak:40000', /leak \(growth /, {
    settings: { STRESS_MEMORY_DURATION: `${Math.ceil(40 * slowness)}s`, STRESS_VUS: '50' },
    busy: true,
  }),
  memory('leak-children', /leftovers \(\d+ child processes, \d+ before the load/),
  rowsOf('high-output')('unbounded-buffer', /unread-memory \(grew by /, {
    settings: { STRESS_LINES: '5000', STRESS_WIDTH: '2000' },
    busy: true,
  }),

  conformance('drop-on-malformed', /cases lost the connection without a close frame: malformed-/),
  conformance('drop-on-not-an-object', /cases lost the connection without a close frame: /),
  conformance('drop-on-binary', /without a close frame: binary-request and binary-junk/),
  conformance('drop-on-fraction-id', /without a close frame: id-fraction/),
  conformance('drop-on-deep-nesting', /without a close frame: nesting-of-10000 and nesting-of-100000/),
  conformance('hang-on-batch', /cases received no response to a request in time.*batch/, {
    settings: { STRESS_ACK_TIMEOUT: '1s' },
  }),
  conformance('refuses-after-error', /cases received no response to a request in time/, {
    settings: { STRESS_ACK_TIMEOUT: '1s' },
  }),
  conformance('wrong-error-codes', /deviated from the specification.*-32603/),
  conformance('answers-notifications', /deviated from the specification.*notification-/),
  conformance('null-id-dropped', /deviated from the specification.*without id/),

  validation('first-word-only', /11 of 35 cases ran a command that the allow-list does not allow/),
  validation('allow-list-ignored@2-', /28 of 35 cases ran a command that the allow-list does not allow/),
  validation('no-empty-check', /deviated from the specification.*empty/),
  validation('rejection-closes', /close 1008.*allow-list/),

  control('ignore-pause', /received output while the process was paused/),
  control('ignore-resume', /received no output after RESUME/),
  control('late-resume:6000', /received no output after RESUME/),
  control('ignore-cancel', /received output after CANCEL/),
  control('cancel-leaves-running', /received no process\.completed after CANCEL/),
  control('stuck-cancel', /cancel-while-paused/),
  control('output-after-cancel', /received output after CANCEL/),
  control('double-line-on-resume', /received output lines twice or out of order/),
  control('lost-line-on-resume', /lost output lines|lines missing or out of order/),
  control('slow-control:2500', /p95 of (PAUSE|RESUME|CANCEL) was 2\.5 s, expected less than 1 s/i),
  control('control-without-process-succeeds', /deviated from the specification.*-without-process/),
  control('second-execute-kills', /execute-while-/),
  control('second-execute-runs', /execute-while-/),

  single('silent', /received no response to a request in time/, { settings: impatient }),
  single('exit-3', /ended with exit code 3/),
  single('process-error', /received process\.error/),
  single('lost-line', /lost output lines/),
  single('altered-line', /received wrong output/),
  single('repeated-line', /received output lines twice or out of order/),
  rowsOf('concurrent')('swapped-lines', /received output lines out of order/, { settings: { STRESS_ROUNDS: '5' } }),
  single('output-after-completed', /received output when no command was running/),
  single('never-completes', /received no output or completion in time/, { settings: impatient }),
  single('duplicate-completed', /received process\.completed when no command was running/),
  single('no-ack', /received no response to a request in time/, { settings: impatient }),
  single('wrong-id', /received a response with an id that no request had/),
  single('string-id', /received a response with an id that no request had/),
  single('duplicate-response', /received a second response to one request/),
  single('late-response', /received a second response to one request/),
  single('malformed-json', /received a message that is not JSON-RPC 2\.0/),
  single('not-an-object', /received a message that is not JSON-RPC 2\.0/),
  single('binary-message', /received a binary message/),
  single('slow:5200', /p95 of simple commands was 5\.\d s, expected less than 5 s/i),
  single('close-mid-output', /close 1011/),
  single('drop-mid-output', /lost the connection without a close frame/),
  single('reset-mid-output', /lost the connection without a close frame/),
];

const unescaped = (text: string): string =>
  text
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');

/** Messages and texts of what is not a success, with the names of its test cases, as a CI system shows them. */
const shownOfJunit = (xml: string): string =>
  [...xml.matchAll(/name="([^"]*)">\s*<(?:failure|error|skipped)[^>]*message="([^"]*)"[^>]*>([^<]*)/g)]
    .map(([, name = '', message = '', text = '']) => unescaped(`${message} ${text} (${name})`))
    .join('\n');

/** The sentence and the causes in the order in which a terminal has them, a line each. */
const closingLines = (result: Result): string[] => {
  const { sentence, causes } = closingOf(result);
  return [sentence].concat(
    causes.flatMap(({ sentence: cause, lines }) => [cause].concat(lines.map(({ label, text }) => `${label} ${text}`))),
  );
};

/** The head of the report, without what a click opens. */
const firstScreen = async (records: string, record: RunRecord, result: Result): Promise<string> => {
  const gathering = gatherReport(record, true);
  for await (const read of readRecords(records)) gathering.addRead(read);
  const page = reportPage({ data: gathering.data(), result, samples: undefined }, { script: '', style: '' });
  const head = /<header>[^]*<\/header>/.exec(page)?.[0] ?? '';
  return unescaped(head.replaceAll(/<details[^]*?<\/details>/g, ''))
    .replaceAll(/\s+/g, ' ')
    .slice(0, 2000);
};

const flat = (text: string): string => text.replaceAll(/\s+/g, ' ');

const never = { first: new AbortController().signal } as never;

/** What people get of a run against a service with a fault, by the name of the outlet. */
const outletsOf = async (
  t: TestContext,
  { scenario, fault, settings, target }: Row,
): Promise<Record<string, string>> => {
  const folder = runFolder(temporaryDirectory(t), 'r');
  folder.records = path.join(folder.base, 'records.ndjson');
  const service = await serviceFor({ ...target, faults: [fault] }, scenario === 'memory');
  const out = ['--console-output', folder.records, '--log-format', 'raw'];
  const ended = await runBundle(scenario, service.url, { STRESS_RECORDS: 'all', ...settings }, out).finally(() =>
    service.close(),
  );
  const record: RunRecord = ended.result ?? assert.fail(ended.stderr);
  const reason = await stopReason(folder, record, never);
  if (reason !== undefined) record.reason = reason;
  const result = await readResult(folder, record);
  return {
    'first ten lines of the closing output': closingLines(result).slice(0, 10).join('\n'),
    'first screen of the report': await firstScreen(folder.records, record, result),
    'causes in Markdown': unescaped(
      markdownSummary(record, await readFailures(folder.records), result).split('### Crit')[0] ?? '',
    ),
    JUnit: shownOfJunit(junitXml(record, result)),
  };
};

const check = async (t: TestContext, row: Row): Promise<void> => {
  for (const [outlet, text] of Object.entries(await outletsOf(t, row))) {
    assert.match(flat(text), row.phrase, outlet);
  }
};

describe('a fault → the phrase that names it, in every outlet', { concurrency: atOnce(8) }, () => {
  for (const row of rows) {
    test(`${row.fault} (${row.scenario})`, (t) => (row.busy === true ? alone(() => check(t, row)) : check(t, row)));
  }
});

void test('every fault of the reference target is in the table', () => {
  const known = new Set(rows.map(({ fault }) => nameInTable(fault)));
  const missing = Object.keys(faultTable).filter((name) => !known.has(name) && !Object.hasOwn(harmless, name));
  assert.deepEqual(missing, []);
});

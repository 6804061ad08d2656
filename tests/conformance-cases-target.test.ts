import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { allCases, runConformance, type CaseReport } from '../cli/conformance/conformance-run.ts';
import type { TargetOptions } from '../reference-target/options.ts';
import { targetFor } from './target-client.ts';

const recoveryMs = 500;
/** Long enough for every answer of a target that does answer, and for the longest message. */
const patienceMs = 5_000;
/** Long enough for short messages; a hang is waited for in vain. */
const hangMs = 1_000;

/** Asks a target the cases whose names match; what they came to. */
const ask = async (
  t: TestContext,
  options: Partial<TargetOptions>,
  names = /./,
  caseMs = patienceMs,
): Promise<CaseReport[]> => {
  const { url } = await targetFor(t, options);
  const cases = allCases().filter(({ name }) => names.test(name));
  const service = { url, headers: {}, insecure: false };
  const report = await runConformance(cases, service, { caseMs, recoveryMs }, () => {});
  assert.equal(report.downAfter, undefined);
  assert.equal(report.cases.length, cases.length);
  return report.cases;
};

/** The cases that did not conform, by finding. */
const faulty = (reports: readonly CaseReport[]): Record<string, string[]> => {
  const found: Record<string, string[]> = {};
  for (const { name, finding } of reports) if (finding !== 'conforming') (found[finding] ??= []).push(name);
  return found;
};

void test('the documented dialect conforms in everything', async (t) => {
  const reports = await ask(t, { dialect: 'documented' });
  assert.deepEqual(
    reports.filter(({ finding }) => finding !== 'conforming'),
    [],
  );
});

const parseErrors = ['malformed-json', 'truncated-json', 'empty-text', 'two-texts', 'nan-literal'];
const noObjects = ['number-message', 'string-message', 'true-message', 'null-message'];
const batches = [
  'batch-of-numbers',
  'batch-empty',
  'batch-of-one',
  'batch-of-three',
  'batch-with-notification',
  'batch-of-notifications',
];
const invalidIds = ['id-boolean', 'id-array', 'id-object'];
const nulls = ['id-null', ...invalidIds];
const wrongParams = [
  'params-string',
  'params-number',
  'params-null',
  'params-positional',
  'execute-without-params',
  'execute-empty-params',
  'execute-command-number',
  'execute-command-null',
  'execute-nul',
  'control-unknown-type',
  'control-without-type',
  'control-lower-case',
];
const faultyNotifications = ['notification-unknown-method', 'notification-wrong-params', 'notification-control'];
const binaries = ['binary-request', 'binary-junk'];

void test('the deployed dialect deviates where its description says so, and breaks nowhere', async (t) => {
  const reports = await ask(t, { dialect: 'deployed' });
  assert.deepEqual(faulty(reports), {
    deviating: [
      ...parseErrors,
      ...noObjects,
      ...batches,
      'jsonrpc-missing',
      'jsonrpc-old',
      'jsonrpc-number',
      'empty-object',
      'method-missing',
      'method-number',
      'method-null',
      'response-unasked',
      ...wrongParams,
      'id-null',
      'id-fraction',
      'id-over-2-to-53',
      'id-1e300',
      ...invalidIds,
      'notification',
      ...faultyNotifications,
      'notification-execute',
      'byte-order-mark',
      ...binaries,
      'batch-in-full',
    ],
  });
  const received = (name: string): string | undefined => reports.find((each) => each.name === name)?.received;
  assert.match(received('malformed-json') ?? '', /^error -32603 .* without id$/);
  assert.match(received('execute-empty-params') ?? '', /^error -32603 .* with id "case"$/);
  assert.match(received('notification-unknown-method') ?? '', /^error -32601 .* without id$/);
  assert.match(received('id-null') ?? '', /^error -32601 .* without id$/);
});

/** What each fault makes of the cases that look for it, in the documented dialect; all others of them conform. */
const faults: readonly { fault: string; names: RegExp; finds: Record<string, string[]> }[] = [
  {
    fault: 'drop-on-malformed',
    names: /json|text|literal|-message$|batch|mark/,
    finds: { breaking: [...parseErrors, 'byte-order-mark'] },
  },
  {
    fault: 'drop-on-not-an-object',
    names: /json|-message$|batch|empty/,
    finds: { breaking: [...noObjects, ...batches, 'batch-in-full'] },
  },
  { fault: 'drop-on-binary', names: /binary|json/, finds: { breaking: binaries } },
  { fault: 'drop-on-fraction-id', names: /^id-/, finds: { breaking: ['id-fraction'] } },
  {
    fault: 'drop-on-deep-nesting',
    names: /nesting|extra/,
    finds: { breaking: ['nesting-of-10000', 'nesting-of-100000'] },
  },
  { fault: 'hang-on-batch', names: /batch|-message$/, finds: { breaking: [...batches, 'batch-in-full'] } },
  { fault: 'answers-notifications', names: /notification/, finds: { deviating: faultyNotifications } },
  {
    fault: 'wrong-error-codes',
    names: /-json|^method-|^batch-of-one$|notification-unknown/,
    finds: {
      deviating: [
        'malformed-json',
        'truncated-json',
        'batch-of-one',
        'method-missing',
        'method-number',
        'method-null',
        'method-empty',
        'method-unknown',
        'method-reserved',
        'method-inherited',
      ],
    },
  },
  {
    fault: 'refuses-after-error',
    names: /^malformed|^execute-unknown-param|^id-zero|^notification$/,
    finds: { breaking: ['malformed-json', 'id-zero'] },
  },
  {
    fault: 'null-id-dropped',
    names: /^id-|^malformed|^string-message|^batch-empty|^method-missing/,
    finds: { deviating: ['malformed-json', 'string-message', 'batch-empty', ...nulls, 'id-over-2-to-53', 'id-1e300'] },
  },
];

const sorted = (record: Record<string, string[]>) =>
  Object.fromEntries(Object.entries(record).map(([kind, cases]) => [kind, cases.toSorted()]));

for (const { fault, names, finds } of faults) {
  void test(`${fault} is found by the cases meant for it, and by no other`, async (t) => {
    const found = faulty(
      await ask(t, { dialect: 'documented', faults: [fault] }, names, /hang|refuses/.test(fault) ? hangMs : patienceMs),
    );
    assert.deepEqual(sorted(found), sorted(finds));
  });
}

void test('a limit of messages that closes with 1009 conforms', async (t) => {
  const reports = await ask(t, { maxMessageBytes: 65_536 }, /^message-over|^nesting/);
  assert.deepEqual(
    reports.map(({ finding }) => finding),
    ['conforming', 'conforming', 'conforming', 'conforming'],
  );
  assert.match(reports.at(-1)?.received ?? '', /1009/);
});

void test('commands that are not allowed are refused in a way that conforms', async (t) => {
  const reports = await ask(t, { dialect: 'documented', allow: ['ls'] }, /^execute-|^params-|^notification/);
  assert.deepEqual(faulty(reports), {});
});

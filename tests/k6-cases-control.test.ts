import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { faultTable } from '../reference-target/fault-table.ts';
import { startTarget } from '../reference-target/server.ts';
import { casesTests, checkCases, harmless, nameInTable, runCases, type CasesRow } from './k6-cases.ts';
import { atOnce, slowness } from './busy.ts';

const breaking = 'findings{finding:breaking}';
const rate = 'session_success';
const first = 'session_success{round:1}';
const [pause, resume, cancel] = ['PAUSE', 'RESUME', 'CANCEL'].map((type) => `control_duration{type:${type}}`) as [
  string,
  string,
  string,
];
const passes = { code: 0, verdict: 'PASS' } as const;
const fails = { code: 99, verdict: 'FAIL' } as const;

const control = (row: Omit<CasesRow, 'scenario'>): CasesRow => ({
  scenario: 'process-control',
  target: { dialect: 'documented', killGraceMs: 1000 },
  settings: { STRESS_MESSAGE_TIMEOUT: '4s' },
  ...row,
});
const all = (names: readonly string[], end: 'breaking' | 'deviating' | 'inconclusive') =>
  Object.fromEntries(names.map((name) => [name, end]));
const cancels = ['cancel-while-paused', 'cancel-twice'];
const resumes = ['pause-twice', 'resume-twice', 'execute-while-paused'];
const seconds = ['execute-while-running', 'execute-while-paused'];
const withoutProcess = ['pause', 'resume', 'cancel'].flatMap((type) => [
  `${type}-without-process`,
  `${type}-after-completed`,
]);

const controlRows: CasesRow[] = [
  control({
    faults: ['cancel-leaves-running'],
    ...fails,
    failing: { [rate]: 'FAIL', [first]: 'FAIL', timeouts: 'FAIL', [breaking]: 'FAIL' },
    cases: all(cancels, 'breaking'),
    told: /the process stays, every further execute for 12 s was refused/,
  }),
  control({
    faults: ['ignore-cancel'],
    ...fails,
    failing: { [rate]: 'FAIL', [first]: 'FAIL', [breaking]: 'FAIL' },
    cases: all(cancels, 'breaking'),
  }),
  control({
    faults: ['stuck-cancel'],
    ...fails,
    failing: { [breaking]: 'FAIL' },
    cases: { 'cancel-while-paused': 'breaking' },
  }),
  control({
    faults: ['slow-control:2500'],
    ...fails,
    failing: { [pause]: 'FAIL', [resume]: 'FAIL', [cancel]: 'FAIL', [breaking]: 'NO DATA' },
    cases: all(resumes, 'inconclusive'),
    told: /process-control +PAUSE, p95 {2}(?:2[5-9]|[3-9]\d)\d\d ms/,
  }),
  control({
    faults: ['ignore-resume'],
    ...fails,
    failing: { [rate]: 'FAIL', [first]: 'FAIL', timeouts: 'FAIL', [cancel]: 'NO DATA', [breaking]: 'FAIL' },
    cases: all(resumes, 'breaking'),
  }),
  control({
    faults: ['late-resume:6000'],
    ...fails,
    failing: { [rate]: 'FAIL', [first]: 'FAIL', timeouts: 'FAIL', [cancel]: 'NO DATA', [breaking]: 'FAIL' },
    cases: all(resumes, 'breaking'),
    told: /expected output to go on, none came for 3500 ms/,
  }),
  control({ faults: [], ...passes }),
  control({
    about: 'deployed',
    faults: [],
    target: { killGraceMs: 1000 },
    ...passes,
    cases: { 'unknown-control': 'deviating' },
  }),
  control({
    faults: ['ignore-pause'],
    ...fails,
    failing: { [rate]: 'FAIL', [first]: 'FAIL', [resume]: 'NO DATA', [cancel]: 'NO DATA', [breaking]: 'FAIL' },
    cases: all([...resumes, 'cancel-while-paused'], 'breaking'),
  }),
  control({
    faults: ['output-after-cancel'],
    ...fails,
    failing: { [rate]: 'FAIL', [first]: 'FAIL', [breaking]: 'FAIL' },
    cases: all(cancels, 'breaking'),
  }),
  ...['double-line-on-resume', 'lost-line-on-resume'].map((fault) =>
    control({
      faults: [fault],
      ...fails,
      failing: { [rate]: 'FAIL', [first]: 'FAIL', [cancel]: 'NO DATA', [breaking]: 'FAIL' },
      cases: all([...resumes, 'resume-while-running'], 'breaking'),
      told: fault.startsWith('lost') ? /a gap/ : /repeated or out of order/,
    }),
  ),
  control({
    faults: ['control-without-process-succeeds'],
    ...passes,
    cases: all(withoutProcess, 'deviating'),
  }),
  ...['second-execute-kills', 'second-execute-runs'].map((fault) =>
    control({ faults: [fault], ...fails, failing: { [breaking]: 'FAIL' }, cases: all(seconds, 'breaking') }),
  ),
];

const bypass = 'findings{finding:bypass}';
const validation = (row: Omit<CasesRow, 'scenario'>): CasesRow => ({
  scenario: 'command-validation',
  target: { allow: ['echo', 'ls', 'sleep'] },
  ...row,
});
/** All of `command-validation`. */
const notApplicable = {
  code: 0,
  verdict: 'NOT APPLICABLE',
  failing: { [breaking]: 'NOT APPLICABLE', [bypass]: 'NOT APPLICABLE' },
  counts: { 'not-applicable': 35 },
  told: /the service runs whatever it is given: it has no allow-list/,
} as const;

const validationRows: CasesRow[] = [
  validation({ faults: [], ...passes }),
  validation({ about: 'no allow-list', faults: [], target: {}, ...notApplicable }),
  // Whoever ignores its list can't be told from one without, unless it is said to have one.
  validation({ faults: ['allow-list-ignored'], ...notApplicable }),
  // From the second command on, so that there is a list.
  validation({
    faults: ['allow-list-ignored@2-'],
    ...fails,
    failing: { [bypass]: 'FAIL' },
    counts: { bypass: 28 },
  }),
  validation({ faults: ['first-word-only'], ...fails, failing: { [bypass]: 'FAIL' }, counts: { bypass: 11 } }),
  validation({
    faults: ['no-empty-check'],
    ...passes,
    cases: { empty: 'deviating', blank: 'deviating', 'tab-and-newline': 'deviating' },
  }),
  validation({
    faults: ['rejection-closes'],
    ...fails,
    failing: { [breaking]: 'FAIL', [bypass]: 'NOT RUN' },
    counts: { breaking: 1, 'not-run': 35 },
    told: /"case":"allow-list"[^]*closed \(1008\)/,
  }),
];

const conformance = (row: Omit<CasesRow, 'scenario'>): CasesRow => ({
  scenario: 'conformance',
  target: { dialect: 'documented' },
  ...row,
});
const drops = { ...fails, failing: { [breaking]: 'FAIL' } } as const;

const conformanceRows: CasesRow[] = [
  conformance({ faults: [], ...passes }),
  conformance({ faults: ['drop-on-malformed'], ...drops, counts: { breaking: 6 } }),
  conformance({ faults: ['drop-on-not-an-object'], ...drops, counts: { breaking: 10 } }),
  conformance({
    faults: ['drop-on-binary'],
    ...drops,
    cases: { 'binary-request': 'breaking', 'binary-junk': 'breaking' },
  }),
  conformance({ faults: ['drop-on-fraction-id'], ...drops, cases: { 'id-fraction': 'breaking' } }),
  conformance({
    faults: ['drop-on-deep-nesting'],
    ...drops,
    cases: { 'nesting-of-10000': 'breaking', 'nesting-of-100000': 'breaking' },
  }),
  conformance({
    faults: ['hang-on-batch'],
    settings: { STRESS_ACK_TIMEOUT: '1s' },
    ...fails,
    failing: { [breaking]: 'FAIL', timeouts: 'FAIL' },
    counts: { breaking: 6 },
    told: /timeout \(acknowledgement\)/,
  }),
  // Cut short, for each of them hangs for the time that it may; longer than an answer takes on a machine that is busy.
  conformance({
    faults: ['refuses-after-error'],
    settings: { STRESS_ACK_TIMEOUT: `${Math.round(1500 * Math.min(2, slowness))}ms` },
    ...fails,
    failing: { [breaking]: 'FAIL', timeouts: 'FAIL' },
    counts: { breaking: 67 },
  }),
  conformance({
    faults: ['wrong-error-codes'],
    ...passes,
    counts: { deviating: 63 },
  }),
  conformance({
    faults: ['answers-notifications'],
    ...passes,
    counts: { deviating: 3 },
    told: /"case":"notification-unknown-method"[^\n]*"finding":"deviating"/,
  }),
  conformance({
    faults: ['null-id-dropped'],
    ...passes,
    counts: { deviating: 25 },
    told: /"case":"malformed-json"[^\n]*"finding":"deviating"/,
  }),
];

const single = (row: Omit<CasesRow, 'scenario'>): CasesRow => ({ scenario: 'single', ...row });
const response = 'command_duration{class:simple}';

/** What no scenario with cases is meant for, and tests/k6-faults.test.ts does not have. */
const otherRows: CasesRow[] = [
  single({ faults: ['bare-notifications'], ...passes }),
  single({
    faults: ['drop-mid-output'],
    ...fails,
    failing: { [rate]: 'FAIL', [response]: 'NO DATA', 'sessions{outcome:closed}': 'FAIL' },
    told: /closed.*1006/,
  }),
  single({
    faults: ['tcp-silent'],
    code: 108,
    verdict: 'NOT RUN',
    told: /test aborted: No service answers at ws:.*timeout/,
  }),
];

// Beside each other, for they wait more than they work.
describe('faults → exit code, verdict, cases and failing criteria', { concurrency: atOnce(10) }, () => {
  test('command-validation, allow-list-ignored where STRESS_LIMITED_URL says that there is a list → bypass', async (t) => {
    const service = await startTarget({ port: 0, allow: ['echo'], faults: ['allow-list-ignored'], shutdownMs: 300 });
    t.after(() => service.close());
    checkCases(await runCases('command-validation', service.url, { STRESS_LIMITED_URL: service.url }), {
      ...fails,
      failing: { [bypass]: 'FAIL' },
      cases: { 'allow-list': 'bypass' },
    });
  });

  casesTests([...controlRows, ...validationRows, ...conformanceRows, ...otherRows]);
});

/** Where faults are held to what they must come to. */
const tables = readdirSync(new URL('.', import.meta.url)).filter((name) =>
  /^k6-(cases.*|faults)\.test\.ts$/.test(name),
);

test('every fault of the reference target is in a table, through k6', () => {
  const text = tables.map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')).join('\n');
  const asked = [...text.matchAll(/\bfaults?: (\[[^\]]*\]|'[^']*')/g)].flatMap(([, faults = '']) =>
    [...faults.matchAll(/'([^']+)'/g)].map(([, fault = '']) => fault),
  );
  const mapped = [...text.matchAll(/\['([a-z0-9-]+)', '([a-z0-9-]+)'\]\.map\(\(fault\)/g)].flatMap(
    ([, ...names]) => names,
  );
  const known = new Set([...asked, ...mapped].filter((fault) => fault !== 'none').map(nameInTable));
  const missing = Object.keys(faultTable).filter((name) => !known.has(name));
  assert.deepEqual(missing, []);
  for (const name of Object.keys(harmless)) assert.ok(Object.hasOwn(faultTable, name), name);
});

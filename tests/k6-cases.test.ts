import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import type { RunResult } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { alone } from './busy.ts';
import { casesTests, checkCases, proxyWithoutHttp, runCases, serviceFor, type CasesRow } from './k6-cases.ts';
import { atOnce } from './busy.ts';
import { cleanEnv, k6Path } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const breaking = 'findings{finding:breaking}';
const deviating = 'findings{finding:deviating}';
const unread = 'findings{case:unread-memory,finding:breaking}';
const closed = 'sessions{outcome:closed}';
const rate = 'session_success';
const [first, second] = ['session_success{round:1}', 'session_success{round:2}'];
const passes = { code: 0, verdict: 'PASS' } as const;
const fails = { code: 99, verdict: 'FAIL' } as const;

const fewLines = { STRESS_LINES: '200' };
const output = (row: Omit<CasesRow, 'scenario'>): CasesRow => ({
  scenario: 'high-output',
  settings: fewLines,
  busy: true,
  ...row,
});

// Command 1 prints the long line, 2 is read slowly, 3 is that of the first round, 4 to 7 are those of the second.
const outputRows: CasesRow[] = [
  output({
    about: 'one round of three',
    faults: [],
    target: { dialect: 'documented' },
    settings: { ...fewLines, STRESS_VUS: '3' },
    ...passes,
    told: /3 sessions at once +3 +0[^]*high-output +output a session, median {2}\d+ lines\/s/,
  }),
  output({
    faults: ['altered-line@1', 'lost-line@2-3'],
    ...fails,
    failing: { [rate]: 'FAIL', [first]: 'FAIL', [breaking]: 'FAIL' },
    cases: { 'long-line': 'breaking', 'slow-reader': 'breaking' },
    told: /line 2: expected ."Line 1: x+.".*received ."Line 2: x+.".*a gap/,
  }),
  output({
    faults: ['lost-line@1', 'altered-line@2', 'swapped-lines@4'],
    ...fails,
    failing: { [rate]: 'FAIL', [second]: 'FAIL', protocol_violations: 'FAIL', [breaking]: 'FAIL' },
    cases: { 'long-line': 'breaking', 'slow-reader': 'breaking' },
    told: /expected chunk 1 of a line, received 2[^]*line 1: expected ."Line 0: x+.".*received ."Line 1: x+."/,
  }),
  output({
    about: 'rounds of much output beside it',
    faults: ['unbounded-buffer'],
    settings: { STRESS_LINES: '5000', STRESS_WIDTH: '2000' },
    ...fails,
    failing: { [breaking]: 'FAIL', [unread]: 'FAIL' },
    cases: { 'unread-memory': 'breaking' },
    told: /grew by \d+\.\d MiB while nothing was read for \d+\.\d s, in which it prints \d+\.\d MiB/,
  }),
  output({
    faults: ['close-mid-output'],
    ...fails,
    failing: {
      [rate]: 'FAIL',
      [first]: 'FAIL',
      [second]: 'FAIL',
      [breaking]: 'FAIL',
      [unread]: 'NOT RUN',
      [closed]: 'FAIL',
    },
    cases: { 'long-line': 'breaking', 'slow-reader': 'breaking', 'unread-memory': 'not-run' },
    told: /closed \(1011\)/,
  }),
  output({
    about: 'for a duration: no cases',
    faults: [],
    settings: { ...fewLines, STRESS_VUS: '2', STRESS_DURATION: '1s' },
    ...passes,
    failing: { [breaking]: 'NOT RUN', [unread]: 'NOT RUN' },
  }),
  output({
    about: 'k6’s own --vus: no cases',
    faults: [],
    k6Args: ['--vus', '2', '--iterations', '2'],
    ...passes,
    failing: { [breaking]: 'NOT RUN', [unread]: 'NOT RUN', [second]: 'NOT RUN' },
  }),
  output({
    about: 'k6’s own --vus',
    faults: ['repeated-line'],
    k6Args: ['--vus', '2', '--iterations', '2'],
    ...fails,
    failing: { [rate]: 'FAIL', [first]: 'FAIL', [breaking]: 'NOT RUN', [unread]: 'NOT RUN', [second]: 'NOT RUN' },
    told: /repeated or out of order/,
  }),
];

const limit = (row: Omit<CasesRow, 'scenario'>): CasesRow => ({
  scenario: 'session-limit',
  target: { maxSessions: 4 },
  ...row,
});
const limitCases = [
  'limit-fill',
  'slot-after-vanished',
  'slot-after-close',
  'beyond-limit',
  'slot-after-refused',
  'health-count',
  'undisturbed',
];
const untried = Object.fromEntries(limitCases.map((name) => [name, 'not-run' as const]));
const broken = { ...fails, failing: { [breaking]: 'FAIL' } } as const;

// Handshakes: 1 is set-up's, 2 to 4 are guests, 5 vanishes, 6 and 7 take its slot and that of 6, 8 to 10 are beyond.
const limitRows: CasesRow[] = [
  limit({ faults: [], ...passes }),
  limit({ about: 'documented', faults: [], target: { maxSessions: 4, dialect: 'documented' }, ...passes }),
  limit({ about: 'one session', faults: [], target: { maxSessions: 1 }, ...passes }),
  limit({
    faults: ['limit@3'],
    ...broken,
    cases: { 'limit-fill': 'breaking', 'beyond-limit': 'breaking' },
    told: /1 of 4, then rejected \(session limit\)/,
  }),
  limit({
    faults: ['limit@2-'],
    ...fails,
    failing: { [breaking]: 'FAIL', 'findings{finding:deviating}': 'NOT RUN' },
    cases: { ...untried, 'limit-fill': 'breaking' },
    told: /its limit was not reached: rejected/,
  }),
  limit({
    faults: ['limit-drop'],
    ...broken,
    cases: { 'beyond-limit': 'breaking' },
    told: /closed \(1006\): the connection ended without a close frame/,
  }),
  limit({
    faults: ['limit-hang'],
    settings: { STRESS_ACK_TIMEOUT: '5s' },
    ...fails,
    failing: { [breaking]: 'FAIL', timeouts: 'FAIL' },
    cases: { 'beyond-limit': 'breaking' },
    told: /timeout \(connected\): nothing after 5000 ms/,
  }),
  limit({
    faults: ['limit-close-only'],
    ...fails,
    failing: { [deviating]: 'FAIL' },
    cases: { 'beyond-limit': 'deviating' },
    told: /closed \(1008\).*without an error before/,
  }),
  limit({
    faults: ['limit-wrong-code'],
    ...fails,
    failing: { [deviating]: 'FAIL' },
    cases: { 'beyond-limit': 'deviating' },
    told: /Session limit exceeded, and close 1000/,
  }),
  limit({ faults: ['limit-kills'], ...broken, cases: { undisturbed: 'breaking' }, told: /received -15/ }),
  limit({ faults: ['limit-disturbs@10'], ...broken, cases: { undisturbed: 'breaking' }, told: /closed \(1008\)/ }),
  limit({ faults: ['limit-off-by-one'], ...broken, cases: { 'beyond-limit': 'breaking' }, told: /"accepted"/ }),
  limit({
    faults: ['slot-leak-vanished'],
    ...broken,
    cases: { 'slot-after-vanished': 'breaking', 'health-count': 'breaking' },
    told: /4 with 3 open/,
  }),
  limit({
    faults: ['slot-leak-closed@6'],
    ...broken,
    cases: { 'slot-after-close': 'breaking', 'health-count': 'breaking' },
  }),
  limit({ faults: ['slot-leak-refused'], ...broken, cases: { 'slot-after-refused': 'breaking' } }),
  limit({ faults: ['health-miscounts@2-'], ...broken, cases: { 'health-count': 'breaking' }, told: /5 with 4 open/ }),
  // What is counted from the start may be somebody else's session: then there is a slot more than counted.
  limit({ faults: ['health-miscounts'], ...broken, cases: { 'beyond-limit': 'breaking' } }),
  limit({
    about: 'a limit that is higher than the service’s',
    faults: [],
    settings: { STRESS_MAX_SESSIONS: '6' },
    ...broken,
    cases: { 'limit-fill': 'breaking', 'slot-after-vanished': 'breaking' },
    told: /4 of 6, then rejected/,
  }),
  limit({
    about: 'a limit that is lower than the service’s',
    faults: [],
    settings: { STRESS_MAX_SESSIONS: '3' },
    ...broken,
    cases: { 'beyond-limit': 'breaking' },
  }),
  limit({
    about: 'a limit that is too large to be tried',
    faults: [],
    target: { maxSessions: 300 },
    code: 108,
    verdict: 'NOT RUN',
    cases: untried,
    told: /expected a limit of at most 200 sessions and a free slot; it is 300, 0 open: give --max-sessions/,
  }),
  limit({
    about: 'a limited service that is not there',
    faults: [],
    settings: { STRESS_MAX_SESSIONS: '3', STRESS_LIMITED_URL: 'ws://127.0.0.1:1/ws/mcp' },
    code: 108,
    verdict: 'NOT RUN',
    told: /No service answers at ws:\/\/127\.0\.0\.1:1\/ws\/mcp \(STRESS_LIMITED_URL\): .*refused/,
  }),
];

const onlyCases: CasesRow[] = ['session-limit', 'memory', 'service-down'].map((scenario) => ({
  scenario,
  about: 'k6’s own --vus',
  faults: [],
  k6Args: ['--vus', '2', '--iterations', '2'],
  code: 108,
  verdict: 'NOT RUN',
  told: /This scenario has no sessions for k6's own --vus, --duration or --stage: run it without them/,
}));

describe('much output → exit code, verdict, cases and failing criteria', () => {
  casesTests(outputRows, true);

  test('high-output, a service without figures → its memory is NOT RUN, the rest passes', async (t) => {
    const target = await startTarget({ port: 0, shutdownMs: 300 });
    t.after(() => target.close());
    const proxy = await proxyWithoutHttp(target.port);
    t.after(proxy.close);
    const run = await alone(() => runCases('high-output', proxy.url, fewLines));
    checkCases(run, {
      ...passes,
      failing: { [unread]: 'NOT RUN' },
      cases: { 'unread-memory': 'not-run' },
      told: /no figures of its memory: neither \/metrics nor --target-pid tells them/,
    });
  });
});

// Beside each other, for they wait more than they work.
describe('faults → exit code, verdict, cases and failing criteria', { concurrency: atOnce(8) }, () => {
  casesTests([...limitRows, ...onlyCases]);

  test('session-limit, a service that tells no limit → NOT RUN', async (t) => {
    const target = await startTarget({ port: 0, maxSessions: 4, shutdownMs: 300 });
    t.after(() => target.close());
    const proxy = await proxyWithoutHttp(target.port);
    t.after(proxy.close);
    checkCases(await runCases('session-limit', proxy.url), {
      code: 108,
      verdict: 'NOT RUN',
      cases: untried,
      told: /it is not known, 0 open: give --max-sessions, or --limited-url/,
    });
    checkCases(await runCases('session-limit', proxy.url, { STRESS_MAX_SESSIONS: '4' }), {
      ...passes,
      failing: {},
      cases: { 'health-count': 'not-applicable' },
    });
  });

  test('interrupted in the middle of its cases → INVALID, exit 105', async (t) => {
    const service = await serviceFor({ faults: [] }, true);
    t.after(service.close);
    const resultFile = path.join(temporaryDirectory(t), 'result.json');
    const settings = { STRESS_URL: service.url, STRESS_RESULT: resultFile, STRESS_RECORDS: 'failures', ...fewLines };
    const e = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const args = ['run', '--quiet', '--no-usage-report', '--address', '', '--log-format', 'raw', ...e];
    const child = spawn(await k6Path(), [...args, path.join(packageRoot, 'dist/high-output.js')], {
      env: cleanEnv(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    t.after(() => child.kill('SIGKILL'));
    const ended = once(child, 'exit');
    // The long line is over: the slow reader is next.
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('"case":"long-line"')) child.kill('SIGINT');
    });
    assert.deepEqual(await ended, [105, null]);
    const { verdict, findings } = JSON.parse(await readFile(resultFile, 'utf8')) as RunResult;
    assert.equal(verdict, 'INVALID');
    assert.equal(findings[0]?.conforming, 1);
  });
});

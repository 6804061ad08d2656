import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { startHelper, type HelperActions } from '../cli/run/helper.ts';
import { restartableTarget, type RestartableTarget } from '../cli/run/service-control.ts';
import { startTarget } from '../reference-target/server.ts';
import { checkCases, runCases, type CasesEnd } from './k6-cases.ts';
import { atOnce } from './busy.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const nowhere = 'ws://127.0.0.1:1/ws/mcp';
const breaking = 'findings{finding:breaking}';
const recoveryBreaking = 'findings{case:recovery,finding:breaking}';
const duration = 'recovery_duration{case:recovery}';
const ignored = async (): Promise<void> => {};
const failsBy = (text: string) => async (): Promise<void> => {
  throw new Error(text);
};

/** Starts a service of which every command fails, or those that the fault says. */
const startBroken = async (url: string, t: TestContext, fault = 'exit-3'): Promise<void> => {
  const broken = await startTarget({ port: Number(new URL(url).port), shutdownMs: 300, faults: [fault] });
  t.after(() => broken.close());
};

/** What a service that goes down, and the helper that makes it so, are told → what the run must come to. */
interface Row extends CasesEnd {
  about: string;
  /** What the helper does; no helper where absent. */
  helper?: (target: RestartableTarget, t: TestContext) => HelperActions;
  settings?: (target: RestartableTarget) => Record<string, string>;
  faults?: string[];
  /** Longest that the run takes, milliseconds. */
  withinMs?: number;
}

const notRestarted: Pick<CasesEnd, 'failing' | 'cases'> = {
  failing: { [breaking]: 'NOT RUN', [recoveryBreaking]: 'NOT RUN', [duration]: 'NOT RUN' },
  cases: { closes: 'not-run', down: 'not-run', recovery: 'not-run' },
};
const notBack: Pick<CasesEnd, 'failing' | 'cases'> = {
  failing: { [breaking]: 'FAIL', [recoveryBreaking]: 'FAIL', [duration]: 'NO DATA' },
  cases: { recovery: 'breaking' },
};
const impatient = (): Record<string, string> => ({ STRESS_RECOVERY_TIMEOUT: '2s' });

const rows: Row[] = [
  {
    about: 'no helper',
    code: 108,
    verdict: 'NOT RUN',
    ...notRestarted,
    failing: {},
    told: /nobody can stop and start the service/,
  },
  {
    about: 'no helper, and the service is not there',
    settings: () => ({ STRESS_URL: nowhere }),
    code: 108,
    verdict: 'NOT RUN',
    ...notRestarted,
    failing: {},
  },
  {
    about: 'a helper that can do nothing of it',
    helper: () => ({ processId: () => process.pid }),
    code: 108,
    verdict: 'NOT RUN',
    ...notRestarted,
    failing: {},
  },
  {
    about: 'a service that goes and comes back',
    helper: (target) => target,
    code: 0,
    verdict: 'PASS',
    told: /service-down +back after +\d+ ms/,
  },
  {
    about: 'something listens where nothing should',
    settings: ({ url }) => ({ STRESS_DOWN_URL: url }),
    code: 99,
    verdict: 'FAIL',
    failing: { ...notRestarted.failing, [breaking]: 'FAIL' },
    cases: { ...notRestarted.cases, refused: 'breaking' },
    told: /"case":"refused".*"received":"ok, after \d+ ms"/,
  },
  {
    about: 'a start that fails',
    helper: (target) => ({ stop: target.stop, start: failsBy('no space left') }),
    settings: impatient,
    code: 99,
    verdict: 'FAIL',
    ...notBack,
    told: /connection refused, after \d+ ms: no space left/,
    withinMs: 15_000,
  },
  {
    about: 'a start that does nothing',
    helper: (target) => ({ stop: target.stop, start: ignored }),
    settings: impatient,
    code: 99,
    verdict: 'FAIL',
    ...notBack,
    withinMs: 15_000,
  },
  {
    about: 'a stop that does nothing',
    helper: () => ({ stop: ignored, start: ignored }),
    code: 99,
    verdict: 'FAIL',
    failing: { [breaking]: 'FAIL' },
    cases: { closes: 'breaking', down: 'breaking' },
    told: /a session saw no end/,
    withinMs: 20_000,
  },
  {
    about: 'a stop that fails',
    helper: () => ({ stop: failsBy('not permitted'), start: ignored }),
    code: 110,
    verdict: 'INVALID',
    told: /the service could not be stopped: not permitted/,
    withinMs: 15_000,
  },
  {
    about: 'a service that is not there, and a helper that could stop it',
    helper: () => ({ stop: ignored, start: ignored }),
    settings: () => ({ STRESS_URL: nowhere, ...impatient() }),
    code: 99,
    verdict: 'FAIL',
    failing: { [breaking]: 'FAIL', [recoveryBreaking]: 'FAIL', [duration]: 'NO DATA' },
    cases: { closes: 'breaking', recovery: 'breaking' },
    withinMs: 15_000,
  },
  {
    about: 'a helper that is not there',
    settings: () => ({ STRESS_HELPER_URL: 'http://127.0.0.1:1', STRESS_HELPER_TOKEN: 'secret' }),
    code: 110,
    verdict: 'INVALID',
    told: /STRESS_HELPER_URL http:\/\/127\.0\.0\.1:1: .*connection refused/,
  },
  {
    about: 'a helper with another token',
    helper: (target) => target,
    settings: () => ({ STRESS_HELPER_TOKEN: 'another' }),
    code: 110,
    verdict: 'INVALID',
    told: /STRESS_HELPER_URL .*: expected the header Authorization: Bearer/,
  },
  {
    about: 'a service that comes back broken',
    helper: (target, t) => ({ stop: target.stop, start: () => startBroken(target.url, t) }),
    settings: impatient,
    code: 99,
    verdict: 'FAIL',
    ...notBack,
    told: /failed-exit: expected exit code 0, received 3, after \d+ ms/,
    withinMs: 15_000,
  },
  {
    about: 'a service that comes back for one session',
    helper: (target, t) => ({ stop: target.stop, start: () => startBroken(target.url, t, 'exit-3@2-') }),
    settings: impatient,
    code: 99,
    verdict: 'FAIL',
    ...notBack,
    told: /failed-exit: expected exit code 0, received 3, after \d+ ms/,
    withinMs: 15_000,
  },
  {
    about: 'sessions that end before the service is stopped',
    faults: ['close-mid-output@1-5'],
    helper: (target) => target,
    code: 99,
    verdict: 'FAIL',
    failing: { [breaking]: 'FAIL' },
    cases: { closes: 'breaking' },
    told: /before the service was stopped: closed \(1011\)/,
  },
];

// Most of a row is waiting.
describe(
  'a service that goes down → exit code, verdict, cases and failing criteria',
  { concurrency: atOnce(4) },
  () => {
    for (const { about, helper: actions, settings, faults, withinMs, ...expected } of rows) {
      test(`${about} → ${expected.verdict}, exit ${expected.code}`, async (t) => {
        const target = await restartableTarget({ port: 0, shutdownMs: 300, faults: faults ?? [] });
        t.after(() => target.close());
        // The target is closed above, however the helper was told to use it.
        const helper = actions && (await startHelper({ ...actions(target, t), close: ignored }));
        if (helper) t.after(() => helper.close());
        const startedAt = performance.now();
        const run = await runCases('service-down', target.url, { ...helper?.environment, ...settings?.(target) });
        checkCases(run, expected);
        const tookMs = performance.now() - startedAt;
        assert.ok(tookMs < (withinMs ?? Infinity), `took ${tookMs} ms`);
      });
    }

    test('a recovery that takes longer than a criterion allows → FAIL of that criterion alone', async (t) => {
      const target = await restartableTarget({ port: 0, shutdownMs: 300 });
      t.after(() => target.close());
      const helper = await startHelper({ ...target, close: ignored });
      t.after(() => helper.close());
      const thresholds = path.join(temporaryDirectory(t), 'thresholds.json');
      const criteria = { timeouts: ['count==0'], [duration]: ['max<1'] };
      writeFileSync(thresholds, JSON.stringify({ version: 1, scenarios: { 'service-down': criteria } }));
      const settings = { ...helper.environment, STRESS_THRESHOLDS: thresholds };
      checkCases(await runCases('service-down', target.url, settings), {
        code: 99,
        verdict: 'FAIL',
        failing: { [duration]: 'FAIL' },
      });
    });
  },
);

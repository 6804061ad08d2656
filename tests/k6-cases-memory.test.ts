import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { startHelper } from '../cli/run/helper.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { atOnce, slowness } from './busy.ts';
import { casesTests, checkCases, proxyWithoutHttp, runCases, serviceFor, type CasesRow } from './k6-cases.ts';
import { cleanEnv, k6Path } from './k6.ts';
import { service } from './memory-socket.ts';

const breaking = 'findings{finding:breaking}';
const leakBreaking = 'findings{case:leak,finding:breaking}';
const leftBreaking = 'findings{case:leftovers,finding:breaking}';
const fails = { code: 99, verdict: 'FAIL' } as const;

/** So short that a leak can't be judged, for what else is. */
const moment = { STRESS_MEMORY_DURATION: '500ms' };

const memory = (row: Omit<CasesRow, 'scenario'>): CasesRow => ({
  scenario: 'memory',
  // What leaks slots would reach a smaller limit, and fail by that.
  target: { maxSessions: 100_000 },
  settings: moment,
  ...row,
});

const quickRows: CasesRow[] = [
  memory({
    about: 'too short a run',
    faults: [],
    ...fails,
    failing: { [leakBreaking]: 'NO DATA' },
    cases: { leak: 'inconclusive' },
    told: /expected at least 12 samples over 900 sessions after the warm-up, received .*: run longer/,
  }),
  memory({
    faults: ['leak-children'],
    ...fails,
    failing: { [breaking]: 'FAIL', [leakBreaking]: 'NO DATA', [leftBreaking]: 'FAIL' },
    cases: { leak: 'inconclusive', leftovers: 'breaking' },
    told: /\d+ child processes, \d+ before the load/,
  }),
  memory({
    faults: ['slot-leak-closed', 'slot-leak-vanished'],
    ...fails,
    failing: { [breaking]: 'FAIL', [leakBreaking]: 'NO DATA', [leftBreaking]: 'FAIL' },
    cases: { leak: 'inconclusive', leftovers: 'breaking' },
    told: /\d+ sessions, \d+ before the load/,
  }),
  memory({
    faults: ['exit-3'],
    ...fails,
    failing: { [leakBreaking]: 'NO DATA' },
    cases: { leak: 'inconclusive' },
    told: /too many sessions failed to judge the memory: (\d+) of \1 sessions failed, the first by .*exit code 0, received 3/,
  }),
];

/** 1800 sessions or more, of which the first half is the warm-up, beside other tests; where they are not reached it goes on as long again. */
const watched = { STRESS_MEMORY_DURATION: `${Math.ceil(40 * slowness)}s`, STRESS_VUS: '50' };

const watchedRows: CasesRow[] = [
  // Harmless, so that it shows as well that a service without a fault passes.
  memory({
    faults: ['warm-up:50000'],
    target: { maxSessions: 100_000, dialect: 'documented' },
    settings: watched,
    busy: true,
    code: 0,
    verdict: 'PASS',
    told: /"case":"leak".*"received":"growth .* a session .* are tolerated/,
  }),
  memory({
    faults: ['leak:40000'],
    settings: watched,
    busy: true,
    ...fails,
    failing: { [breaking]: 'FAIL', [leakBreaking]: 'FAIL' },
    cases: { leak: 'breaking' },
    told: /memory +memory a session {2}\d+ bytes\/session/,
  }),
];

describe('faults → exit code, verdict, cases and failing criteria', { concurrency: atOnce(5) }, () => {
  casesTests(quickRows, true);

  test('memory, a service without figures → NOT RUN; with those of its process → judged', async (t) => {
    const service = await serviceFor({ faults: [] }, true);
    t.after(service.close);
    const proxy = await proxyWithoutHttp(Number(new URL(service.url).port));
    t.after(proxy.close);
    checkCases(await runCases('memory', proxy.url, moment), {
      code: 108,
      verdict: 'NOT RUN',
      cases: { leak: 'not-run', leftovers: 'not-run' },
      told: /no figures of its memory: neither \/metrics nor --target-pid tells them/,
    });
    const helper = await startHelper({ processId: () => service.pid });
    t.after(() => helper.close());
    checkCases(await runCases('memory', proxy.url, { ...moment, ...helper.environment }), {
      ...fails,
      failing: { [leakBreaking]: 'NO DATA' },
      cases: { leak: 'inconclusive' },
      told: /received \d+ over \d+: run longer/,
    });
  });
});

// One after the other, for each takes what the machine has.
describe('memory over many sessions → exit code, verdict, cases and failing criteria', () => {
  casesTests(watchedRows, true);
});

/** A service that answers each command with one line and runs nothing, so that sessions follow one another fast. */
const answeringService = async (t: TestContext, line: string): Promise<{ url: string; sessions: () => number }> => {
  let sessions = 0;
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  t.after(() => server.close());
  server.on('connection', (socket) => {
    sessions++;
    socket.send(service.connected);
    socket.on('message', () => {
      for (const text of [service.started(1), service.output(line), service.completed()]) socket.send(text);
    });
  });
  await once(server, 'listening');
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/mcp`, sessions: () => sessions };
};

/** Sessions that the generator's own memory is watched over, and from which on. */
const [sessions, from] = [1500, 500];
/** Bytes a session; measured were 115 to 2580, for a runtime takes and gives back a MiB or more meanwhile. */
const maxGeneratorBytes = 8192;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? assert.fail('no samples');

test(`k6 itself grows by no more than ${maxGeneratorBytes} bytes a session`, async (t) => {
  const target = await answeringService(t, 'Hello from stress test');
  const args = ['run', '--quiet', '--no-usage-report', '--address', '', '-e', `STRESS_URL=${target.url}`];
  const load = ['--vus', '10', '--iterations', String(sessions), path.join(packageRoot, 'dist/single.js')];
  const child = spawn(await k6Path(), [...args, ...load], { env: cleanEnv(), stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const samples: { sessions: number; bytes: number }[] = [];
  while (child.exitCode === null) {
    const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
    if (kib !== undefined) samples.push({ sessions: target.sessions(), bytes: Number(kib) * 1024 });
    await delay(20);
  }
  assert.deepEqual(await ended, [0, null]);
  const half = (from + sessions) / 2;
  const middle = (low: number, high: number): number =>
    median(samples.filter((each) => each.sessions >= low && each.sessions < high).map(({ bytes }) => bytes));
  const grown = (middle(half, sessions) - middle(from, half)) / (half - from);
  t.diagnostic(`${Math.round(grown)} bytes a session`);
  assert.ok(grown <= maxGeneratorBytes, `${grown} bytes a session`);
});

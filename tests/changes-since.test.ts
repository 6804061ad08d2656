import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesInHistory, changesSince, runFigures } from '../cli/results/changes-since.ts';
import { appendRun } from '../cli/results/history-file.ts';
import { addressOf, effectiveSettings, loadOf } from '../cli/results/run-load.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { runRecord } from './run-records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A run whose simple commands have this p95, in milliseconds. */
const timed = (run: string, observed: number, more: Partial<RunRecord> = {}): RunRecord =>
  runRecord(run, {
    criteria: [1, 2].map((round) => ({
      test: 'concurrent',
      selector: `command_duration{class:simple,test:concurrent,round:${round}}`,
      expression: 'p(95)<5000',
      status: 'PASS' as const,
      observed: observed / round,
    })),
    ...more,
  });

const runsOf = (times: readonly number[], more: Partial<RunRecord> = {}): RunRecord[] =>
  times.map((each, at) => timed(`r${at}`, each, more));

const changes = (times: readonly number[], last: RunRecord) => changesSince(last, runsOf(times));

const sentenceOf = (times: readonly number[], now: number): string | undefined =>
  changes(times, timed('now', now))?.sentence;

void test('a change is told in a plain sentence once there are runs enough to tell it from chance', () => {
  assert.equal(
    sentenceOf([380, 381, 379, 382, 610, 611, 609], 612),
    'Slower: p95 of simple commands 381 → 611 ms over 8 runs',
  );
  assert.match(
    sentenceOf([610, 611, 609, 612, 380, 381, 379], 382) ?? '',
    /^Faster: p95 of simple commands 611 → 381 ms over 8 runs$/,
  );
  assert.equal(
    sentenceOf([380, 385, 390, 381, 386, 391, 382], 387),
    'Nothing got worse over 8 runs: p95 of simple commands 382 → 387 ms',
  );
  assert.equal(sentenceOf([380, 385], 900), 'Too few runs to tell, 3 of 8: p95 of simple commands 385 → 900 ms');
  assert.match(
    sentenceOf([380, 385, 390, 381, 386, 391, 382], 1900) ?? '',
    /^Slower than in each of the 7 runs before: p95 of simple commands 385 ms → 1\.90 s; run again/,
  );
});

void test('fewer sessions that succeed, and a verdict that turned, are told before times', () => {
  const total = { ...runRecord('r').total, successful: 35, failed: 15 };
  const lost = changes([380, 380], timed('now', 900, { verdict: 'FAIL', total }));
  assert.deepEqual([lost?.status, lost?.sentence], ['worse', 'Less reliable: 100 → 70 % of sessions succeeded']);
  const failing = changesSince(timed('now', 380, { verdict: 'FAIL' }), [
    timed('r0', 380),
    timed('r1', 380, { verdict: 'FAIL' }),
  ]);
  assert.equal(failing?.sentence, 'Failing for 2 runs: the last one that passed was r0');
  const again = changesSince(timed('now', 380), runsOf([380], { verdict: 'FAIL' }));
  assert.deepEqual([again?.status, again?.sentence], ['better', 'Passing again: the comparable run before it failed']);
});

void test('the figures are those of the last comparable run and of this one', () => {
  const found = changes([300, 400], timed('now', 600));
  assert.equal(found?.previous.run, 'r1');
  assert.equal(found.runs, 3);
  assert.deepEqual(
    found.figures.map(({ id, label, before, after, changePercent }) => [id, label, before, after, changePercent]),
    [
      ['success', 'sessions that succeeded', 1, 1, 0],
      ['p95', 'p95 of simple commands', 400, 600, 50],
    ],
  );
  assert.deepEqual([runFigures(runRecord('r')).p95Of, runFigures(runRecord('r')).p95Ms], ['sessions', 28]);
});

void test('runs of another scenario, address, load, machine or k6, and those that prove nothing, are not compared', () => {
  const last = timed('now', 380);
  const machine = runRecord('r').machine as NonNullable<RunRecord['machine']>;
  for (const more of [
    { test: 'single' },
    { url: 'ws://localhost:9999/ws/mcp' },
    { settings: { STRESS_VUS: '60' } },
    { machine: { ...machine, cores: 64 } },
    { k6Version: '2.3.0' },
    { verdict: 'INVALID' },
    { cutShort: true },
    { run: 'now' },
  ] satisfies Partial<RunRecord>[])
    assert.equal(changesSince(last, runsOf([380], more)), undefined, JSON.stringify(more));
  assert.equal(changesSince({ ...last, verdict: 'INVALID' }, runsOf([380])), undefined);
  assert.ok(changesSince(last, runsOf([380], { bundle: 'other', suiteVersion: '9' })));
});

void test('the history of a folder tells the changes of a run, which may be in it already', async (t) => {
  const base = temporaryDirectory(t);
  const last = timed('now', 380);
  assert.equal(await changesInHistory(base, last), undefined);
  for (const each of [timed('r0', 380), timed('r1', 400, { test: 'single' }), last]) await appendRun(base, each);
  assert.equal((await changesInHistory(base, last))?.previous.run, 'r0');
});

const settingsOf = (test: string, settings: Record<string, string>) =>
  Object.fromEntries(effectiveSettings({ test, settings }));

void test('default settings equal the same values spelled out, and different spellings of one value', () => {
  const spelled: [test: string, settings: Record<string, string>, same: Record<string, string>][] = [
    ['concurrent', {}, { STRESS_ROUNDS: '5,10,20', STRESS_PAUSE: '1000ms', STRESS_COMMANDS: 'posix' }],
    ['concurrent', { STRESS_ROUNDS: '50' }, { STRESS_VUS: '50', STRESS_FLEET: '1' }],
    ['concurrent', { STRESS_ROUNDS: '5, 6' }, { STRESS_ROUNDS: '5,6', STRESS_ACK_TIMEOUT: '0.5m' }],
    ['concurrent', { STRESS_RATE: '5', STRESS_DURATION: '90s' }, { STRESS_RATE: '5.0', STRESS_DURATION: '1m30s' }],
    ['single', {}, { STRESS_VUS: '1' }],
    ['suite', {}, { STRESS_ROUNDS: '5,10,20' }],
    ['suite', { STRESS_ONLY: 'concurrent,single' }, { STRESS_ONLY: 'single,concurrent' }],
    ['memory', {}, { STRESS_MEMORY_DURATION: '20000ms' }],
  ];
  for (const [scenario, settings, same] of spelled) {
    assert.deepEqual(settingsOf(scenario, settings), settingsOf(scenario, same), JSON.stringify(same));
    assert.equal(loadOf({ test: scenario, settings }), loadOf({ test: scenario, settings: same }));
  }
  assert.notDeepEqual(settingsOf('concurrent', {}), settingsOf('concurrent', { STRESS_ROUNDS: '5,10' }));
  assert.notDeepEqual(settingsOf('memory', { STRESS_VUS: '5' }), settingsOf('memory', {}));
});

const load = (scenario: string, settings: Record<string, string> = {}): string => loadOf({ test: scenario, settings });

void test('a load is named in words, other settings of it by their flags', () => {
  assert.equal(load('concurrent'), 'default (5, 10, 20 sessions at once)');
  assert.equal(load('single'), 'default (1 session)');
  assert.equal(load('conformance'), 'default (its cases)');
  assert.equal(load('suite'), 'default');
  assert.equal(load('suite', { STRESS_SKIP: 'memory' }).startsWith('default, --only single,'), true);
  assert.equal(load('concurrent', { STRESS_VUS: '50' }), '50 sessions at once');
  assert.equal(load('concurrent', { STRESS_VUS: '50', STRESS_DURATION: '60s' }), '50 sessions at a time for 1m');
  assert.equal(load('concurrent', { STRESS_RATE: '20', STRESS_DURATION: '60s' }), '20 sessions/s for 1m');
  assert.equal(
    load('concurrent', { STRESS_COMMANDS: './own.json', STRESS_PAUSE: '2s' }),
    'default (5, 10, 20 sessions at once), --pause 2s, --commands ./own.json',
  );
  assert.equal(load('concurrent', { STRESS_ACK_TIMEOUT: '2s' }), 'default (5, 10, 20 sessions at once)');
  assert.equal(load('gone', { STRESS_ROUNDS: '5,6' }), '5, 6 sessions at once');
});

const of = (url: string): string => addressOf({ url });

void test('an address is the same in every spelling, and the reference target has one, whatever its port', () => {
  assert.equal(of('ws://Host:80/ws'), 'ws://host/ws');
  assert.equal(of('wss://host:443'), 'wss://host/');
  assert.equal(of('ws://host:8003/WS/mcp?…'), 'ws://host:8003/WS/mcp?…');
  assert.equal(of('ws://[::1]:8003/ws'), 'ws://[::1]:8003/ws');
  assert.equal(addressOf({ url: 'ws://127.0.0.1:45123/ws/mcp', withTarget: true }), 'reference target');
});

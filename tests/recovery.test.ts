import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { mergeRun, nameOf, parseCase, type RecoveryCase, type Told } from '../cli/results/recovery-cases.ts';
import { keepFailures } from '../cli/results/keep-failures.ts';
import { runFolder } from '../cli/results/run-folder.ts';
import { changeCases, indexForRun, readCases } from '../cli/results/recovery-store.ts';
import { resultsLayout } from '../cli/results/results-layout.ts';
import type { Command } from '../lib/commands/command.ts';
import { isCaseName, recoveryIndexProblems } from '../lib/commands/recovery-index.ts';
import type { Outcome } from '../lib/session/outcome.ts';
import { sessionRecord } from '../lib/results/record.ts';
import { startTarget } from '../reference-target/server.ts';
import { runBundle, runProgram } from './k6.ts';
import { findingLine, sessionLine } from './records.ts';
import { runRecord } from './run-records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const echo: Command = { name: 'echo', class: 'simple', command: 'echo a', proof: { lines: ['a'] } };
const lost: Outcome = { kind: 'output-mismatch', detail: 'expected 1 lines, received 0' };
const seen = { run: 'r1', at: '2026-01-01T00:00:00.000Z' };
const address = 'ws://localhost:8003/ws/mcp';
const none = new Set<string>();

const failing = (outcome: Outcome = lost, command = echo): Told => ({
  failures: [{ test: 'concurrent', command, outcome, trace: undefined, sessions: 3 }],
  replayed: new Map(),
  address,
  settings: {},
  seen,
});

const replaying = (name: string, came: 'held' | 'failed'): Told => ({
  failures: [],
  replayed: new Map([[name, came]]),
  address,
  settings: {},
  seen: { ...seen, run: 'r2' },
});

const one = (kept: readonly RecoveryCase[], told: Told): RecoveryCase => {
  const { written } = mergeRun(kept, none, told);
  assert.equal(written.length, 1);
  return written[0] ?? assert.fail();
};

void test('equal failures are kept once and counted, others apart', () => {
  const first = one([], failing());
  assert.equal(first.name, 'concurrent-echo-output-mismatch');
  const again = one([first], { ...failing(), seen: { ...seen, run: 'r2' } });
  assert.deepEqual(again.counts, { failed: 2, held: 0, heldInARow: 0, sessions: 6 });
  assert.deepEqual([again.firstSeen.run, again.lastSeen.run], ['r1', 'r2']);
  const other = one([first], failing({ kind: 'timeout', phase: 'message', detail: '' }));
  assert.equal(other.name, 'concurrent-echo-timeout-message');
  const [a, b] = ['1', '2'].map((id): Outcome => ({ kind: 'protocol-violation', reason: `id ${id} "x${id}"` }));
  assert.equal(one([one([], failing(a))], failing(b)).counts.failed, 2);
});

void test('a case graduates by ten held in a row for each failure, and a new failure makes it active again', () => {
  let kept = one([one([], failing())], failing());
  const { name } = kept;
  for (let time = 1; time <= 19; time++) kept = one([kept], replaying(name, 'held'));
  assert.equal(kept.state, 'active');
  const failed = one([kept], replaying(name, 'failed'));
  assert.deepEqual([failed.counts.failed, failed.counts.heldInARow, failed.counts.held], [3, 0, 19]);
  const { graduated, written } = mergeRun([kept], none, replaying(name, 'held'));
  assert.deepEqual([graduated, written[0]?.state], [[name], 'graduated']);
  assert.equal(one(written, failing()).state, 'active');
  assert.equal(one([{ ...kept, state: 'retired' }], failing()).state, 'retired');
});

void test('two hundred are kept: then a graduated one gives way, or a new one is left out', () => {
  const kept = Array.from({ length: 200 }, (_, index) => one([], failing(lost, { ...echo, name: `echo ${index}` })));
  assert.equal(mergeRun(kept, none, failing()).left, 1);
  const [first, ...rest] = kept;
  const { left, removed, added } = mergeRun(
    [{ ...(first ?? assert.fail()), state: 'graduated' }, ...rest],
    none,
    failing(),
  );
  assert.deepEqual([left, removed, added.length], [0, [first?.name], 1]);
});

void test('the same failure at two addresses is two cases; a case without an address becomes that of the next failure', () => {
  const first = one([], failing());
  assert.equal(first.address, address);
  const other = one([first], { ...failing(), address: 'ws://other/ws' });
  assert.deepEqual([other.address, other.counts.failed], ['ws://other/ws', 1]);
  assert.match(other.name, /^concurrent-echo-output-mismatch-[0-9a-f]{8}$/);
  assert.equal(one([first, other], { ...failing(), address: 'ws://other/ws' }).name, other.name);

  const { address: _, ...old } = first;
  assert.ok(parseCase(JSON.stringify(old), first.name));
  const adopted = one([old], { ...failing(), address: 'ws://other/ws' });
  assert.deepEqual([adopted.name, adopted.address, adopted.counts.failed], [first.name, 'ws://other/ws', 2]);
  assert.equal(one([old], replaying(first.name, 'held')).address, undefined);
});

const namesIn = (file: string): string[] =>
  (JSON.parse(readFileSync(file, 'utf8')) as { cases: { name: string }[] }).cases.map(({ name }) => name);

void test('a run replays the cases of its address, and those without one', async (t) => {
  const base = temporaryDirectory(t);
  const folder = folderWith(base, []);
  const [here, there] = [one([], failing()), { ...one([], failing(lost, { ...echo, name: 'b' })), address: 'ws://b/' }];
  const { address: _, ...anywhere } = one([], failing(lost, { ...echo, name: 'c' }));
  await changeCases(base, () => ({ written: [here, there, anywhere], removed: [] }));
  const { index, left } = await indexForRun(folder, address);
  assert.deepEqual(namesIn(index), [anywhere.name, here.name]);
  assert.equal(path.dirname(index), folder.path);
  assert.deepEqual(left, { cases: 1, addresses: ['ws://b/'] });
  const all = await indexForRun(folder, undefined);
  assert.equal(all.index, resultsLayout(base).recoveryIndex);
  assert.equal(namesIn(all.index).length, 3);
});

void test('names are safe whatever a command is called, and two that would be one differ', () => {
  for (const name of ['../../etc/passwd', '<script>', '\u001B[2J\n', '', '…', 'x'.repeat(500)]) {
    const made = nameOf(
      'concurrent',
      name,
      { kind: 'rejected', code: 1, message: '', reason: '../a'.repeat(99) },
      () => true,
    );
    assert.ok(isCaseName(made), made);
  }
  const first = one([], failing());
  const other = one([first], failing(lost, { ...echo, name: 'ECHO!' }));
  assert.match(other.name, /^concurrent-echo-output-mismatch-[0-9a-f]{8}$/);
});

void test('files that are no cases are told and left alone; the others stay', async (t) => {
  const base = temporaryDirectory(t);
  const folder = path.join(base, 'recovery');
  mkdirSync(folder);
  const good = one([], failing());
  const files = {
    broken: '{"version":1',
    newer: JSON.stringify({ ...good, name: 'newer', version: 2 }),
    'other-name': JSON.stringify(good),
    'no-proof': JSON.stringify({ ...good, name: 'no-proof', command: { ...echo, proof: { lines: 5 } } }),
    [good.name]: 'x',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, `${name}.json`), text);
  const { stored } = await changeCases(base, ({ cases, problems }) =>
    mergeRun(cases, new Set(problems.map(({ name }) => name)), failing()),
  );
  assert.equal(stored.problems.length, 5);
  assert.match(stored.problems.map(({ problem }) => problem).join(), /version 1 .*received 2: another version/);
  assert.throws(() => parseCase('null', 'x'), /version 1/);
  for (const [name, text] of Object.entries(files))
    assert.equal(readFileSync(path.join(folder, `${name}.json`), 'utf8'), text);
  const { cases } = await readCases(base);
  assert.equal(cases.length, 1);
  const index = JSON.parse(readFileSync(resultsLayout(base).recoveryIndex, 'utf8')) as { cases: { name: string }[] };
  assert.deepEqual(
    index.cases.map(({ name }) => name),
    cases.map(({ name }) => name),
  );
});

void test('two runs that end at once lose no count', async (t) => {
  const base = temporaryDirectory(t);
  await Promise.all(
    Array.from({ length: 4 }, () => changeCases(base, ({ cases }) => mergeRun(cases, none, failing()))),
  );
  assert.equal((await readCases(base)).cases[0]?.counts.failed, 4);
});

void test('an index of another form is refused, by k6 too', async (t) => {
  const good = { name: 'a', test: 'single', fault: 'f', command: echo };
  assert.deepEqual(recoveryIndexProblems({ version: 1, cases: [good] }), []);
  const bad = [
    null,
    [],
    { version: 2, cases: [] },
    { version: 1 },
    ...[{ ...good, name: '../a' }, { ...good, more: 1 }, { ...good, test: 5 }, { ...good, command: {} }, 5].map(
      (each) => ({ version: 1, cases: [each] }),
    ),
  ];
  for (const each of bad) assert.notDeepEqual(recoveryIndexProblems(each), [], JSON.stringify(each));
  const file = path.join(temporaryDirectory(t), 'index.json');
  for (const text of ['{', '{"version":2,"cases":[]}']) {
    writeFileSync(file, text);
    const { code, stderr } = await runBundle('recovery', 'ws://127.0.0.1:1/', { STRESS_RECOVERY: file });
    assert.notEqual(code, 0);
    assert.match(stderr, /STRESS_RECOVERY .*index\.json: expected/);
  }
});

const resultsIn = (cwd: string): string => path.join(cwd, 'stress-results');

const wsStress = (cwd: string, ...args: string[]): ReturnType<typeof runProgram> =>
  runProgram(process.execPath, [path.join(packageRoot, 'cli/ws-stress.mjs'), ...args], { cwd });

void test('a failure is kept, fails again while its fault is there, and holds when it is gone', async (t) => {
  const cwd = temporaryDirectory(t);
  const faulty = await startTarget({ port: 0, faults: ['lost-line'] });
  t.after(() => faulty.close());
  const sound = await startTarget({ port: 0 });
  t.after(() => sound.close());
  const nothing = await wsStress(cwd, 'run', 'recovery', '--url', sound.url);
  assert.equal(nothing.code, 0, nothing.stderr);
  assert.match(nothing.stdout, /\nNOT APPLICABLE: [^\n]*\n$/);
  const unnamed = await runBundle('recovery', sound.url, {});
  assert.equal(unnamed.code, 108, unnamed.stderr);

  const first = await wsStress(cwd, 'run', 'concurrent', '--rounds', '5', '--url', faulty.url);
  assert.equal(first.code, 99, first.stderr);
  assert.match(first.stderr, /kept as recovery cases: concurrent-/);
  const { cases } = await readCases(resultsIn(cwd));
  assert.ok(cases.length > 0 && cases.every(({ state, counts }) => state === 'active' && counts.failed === 1));
  assert.ok(existsSync(resultsLayout(resultsIn(cwd)).recoveryIndex));

  const again = await wsStress(cwd, 'run', 'recovery', '--url', faulty.url);
  assert.equal(again.code, 99, again.stderr);
  assert.match(again.stdout, /where +recovery, cases? concurrent-/);
  assert.match(again.stderr.replaceAll(/\s+/g, ' '), /failed again: concurrent-.*recovery retire NAME stops replaying/);
  const failed = (await readCases(resultsIn(cwd))).cases;
  assert.ok(failed.every(({ counts }) => counts.failed === 2 && counts.heldInARow === 0));

  const elsewhere = await wsStress(cwd, 'run', 'recovery', '--url', sound.url);
  assert.match(elsewhere.stdout, /\nNOT APPLICABLE: [^\n]*\n$/);
  assert.match(
    elsewhere.stderr.replaceAll(/\s+/g, ' '),
    new RegExp(
      `kept failures? from another address \\(${faulty.url}\\) will not be replayed; --replay-all replays all`,
    ),
  );
  assert.deepEqual((await readCases(resultsIn(cwd))).cases, failed);

  const suite = await wsStress(cwd, 'run', 'suite', '--only', 'single,recovery', '--url', sound.url, '--replay-all');
  assert.equal(suite.code, 0, suite.stderr + suite.stdout);
  const held = (await readCases(resultsIn(cwd))).cases;
  assert.ok(held.every(({ counts }) => counts.failed === 2 && counts.heldInARow === 1));

  const [{ name } = assert.fail()] = held;
  const refused = await wsStress(cwd, 'recovery', 'replay', name, '--url', sound.url);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /failed at ws:.* this run is for ws:.* name that address with --url, or .*--replay-all/);
  const { port } = faulty;
  await faulty.close();
  const mended = await startTarget({ port });
  t.after(() => mended.close());
  const replay = await wsStress(cwd, 'recovery', 'replay', name, '--url', mended.url);
  assert.equal(replay.code, 0, replay.stderr);
  const listed = await wsStress(cwd, 'recovery');
  assert.match(listed.stdout, /active, failed 2, held 2 in a row; concurrent/);
  assert.ok(listed.stdout.split('\n').every((line) => line.length <= 100));
  assert.match((await wsStress(cwd, 'recovery', 'show', name)).stdout, /proof/);
  assert.equal((await wsStress(cwd, 'recovery', 'show', '../x')).code, 2);
  assert.equal((await wsStress(cwd, 'recovery', 'replay', '../x')).code, 2);
  assert.equal((await wsStress(cwd, 'recovery', 'show', 'not-there')).code, 1);
  assert.equal((await wsStress(cwd, 'recovery', 'retire', name)).code, 0);
  assert.equal(readFileSync(resultsLayout(resultsIn(cwd)).recoveryIndex, 'utf8').includes(`"${name}"`), false);
  assert.equal(readdirSync(path.join(resultsIn(cwd), 'recovery')).filter((file) => file.endsWith('.tmp')).length, 0);
});

void test('a suite without kept failures is not failed by it', async (t) => {
  const cwd = temporaryDirectory(t);
  const sound = await startTarget({ port: 0 });
  t.after(() => sound.close());
  const run = await wsStress(cwd, 'run', 'suite', '--only', 'single,recovery', '--url', sound.url);
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /no kept failure is left to be replayed \(recovery,\s+case kept-failures\)/);
});

const folderWith = (base: string, lines: readonly string[]): ReturnType<typeof runFolder> => {
  const folder = runFolder(base, 'r1');
  mkdirSync(folder.path, { recursive: true });
  writeFileSync(folder.records, lines.map((line) => `${line}\n`).join(''));
  return folder;
};

void test('a command that holds a secret of the run is not in its record, is not kept, and the run says so', async (t) => {
  const base = temporaryDirectory(t);
  const keep = (command: Command, secrets: readonly string[]): Promise<string | undefined> => {
    const run = { id: 'r1', marker: 'm', test: 'concurrent', startedAt: seen.at };
    const place = { test: 'concurrent', round: 1, session: 0, vu: 1, startedAtMs: 0 };
    const result = { outcome: lost, durationMs: 1, messagesReceived: 1, controls: [], commands: [] };
    const line = sessionRecord(run, place, result, { secrets, ofCommands: secrets }, command);
    assert.ok(!line.includes('SECRETVALUE') || secrets.length === 0);
    return keepFailures(folderWith(base, [line]), runRecord('r1', { verdict: 'FAIL' }));
  };
  const command = { ...echo, command: 'echo SECRETVALUE', proof: { lines: ['SECRETVALUE'] } };
  assert.match(
    (await keep(command, ['SECRETVALUE'])) ?? '',
    /1 failed session not kept: concurrent: its command holds a secret/,
  );
  assert.deepEqual((await readCases(base)).cases, []);
  assert.match((await keep(echo, ['another secret'])) ?? '', /kept as recovery cases: concurrent-echo/);
  const [kept] = (await readCases(base)).cases;
  assert.deepEqual(kept?.command, echo);
});

void test('what an interrupt cut off of a replay is no failure of its case', async (t) => {
  const base = temporaryDirectory(t);
  await changeCases(base, ({ cases }) => mergeRun(cases, none, failing()));
  const [{ name } = assert.fail()] = (await readCases(base)).cases;
  const cut = { test: 'recovery', finding: 'breaking', received: 'closed (1001): closed by the service' };
  const folder = folderWith(base, [findingLine(name, cut)]);
  const record = runRecord('r1', { test: 'recovery', verdict: 'FAIL' });
  await keepFailures(folder, { ...record, cutShort: true });
  assert.equal((await readCases(base)).cases[0]?.counts.failed, 1);
  await keepFailures(folder, record);
  assert.equal((await readCases(base)).cases[0]?.counts.failed, 2);
});

/** What `keepFailures` says of sessions with these outcomes, each of one command, and the names it keeps. */
const keptOf = async (
  t: TestContext,
  sessions: readonly {
    outcome: Outcome;
    command?: Command;
    connectedMs?: number | undefined;
    test?: string;
    controls?: object[];
  }[],
  settings: Record<string, string> = {},
) => {
  const base = temporaryDirectory(t);
  const lines = sessions.map(({ outcome, command = echo, test: scenario = 'concurrent', ...more }, session) =>
    sessionLine(outcome, {
      round: 1,
      session,
      test: scenario,
      command,
      commands: [{ name: command.name, class: command.class, outcome, durationMs: 1, lines: 1, bytes: 1 }],
      ...more,
    }),
  );
  const told = (await keepFailures(folderWith(base, lines), runRecord('r1', { verdict: 'FAIL', settings }))) ?? '';
  return { told: told.replaceAll(/\s+/g, ' '), names: (await readCases(base)).cases.map(({ name }) => name) };
};

const notConnected = (reason: string) => ({
  outcome: { kind: 'connect-failed', reason } as const,
  connectedMs: undefined,
});

const rejected = (reason: string, code: number): Outcome => ({ kind: 'rejected', code, message: 'no', reason });

void test('mistakes of the user create no case: limit, allow-list, address, proofs of their own', async (t) => {
  const ok = { outcome: { kind: 'ok' } as const };
  const own = { STRESS_COMMANDS: './own.json' };
  const mistakes: [why: RegExp, sessions: Parameters<typeof keptOf>[1], settings?: Record<string, string>][] = [
    [/session limit/, [ok, { outcome: rejected('session limit', -32_003) }]],
    [/allow-list does not have its command/, [ok, { outcome: rejected('not allowed', -32_001) }]],
    [/no session of the run was connected/, [notConnected('connection refused')]],
    [/check the address, the token/, [ok, notConnected('expected status 101 to the opening handshake, received 404')]],
    [/check the address, the token/, [ok, notConnected('expected status 101 to the opening handshake, received 429')]],
    [/no more files or ports/, [ok, notConnected('dial tcp: too many open files')]],
    [/check the address/, [{ outcome: { kind: 'timeout', phase: 'connected', detail: '' }, connectedMs: undefined }]],
    [/does not have its command/, [ok, { outcome: { kind: 'failed-exit', code: 127, detail: '' } }]],
    [/satisfied its proof; check the proof in \.\/own\.json/, [{ outcome: lost }], own],
    [/check the proof in the scenario mine/, [{ outcome: lost, test: 'mine' }]],
  ];
  for (const [why, sessions, settings] of mistakes) {
    const { told, names } = await keptOf(t, sessions, settings);
    assert.deepEqual(names, [], String(why));
    assert.match(told, /1 failed session not kept: /);
    assert.match(told, why);
    assert.doesNotMatch(told, /retire/);
  }
});

void test('failures of the service do, and the message says how to retire one', async (t) => {
  const ok = { outcome: { kind: 'ok' } as const };
  const own = { STRESS_COMMANDS: './own.json' };
  const failures: [sessions: Parameters<typeof keptOf>[1], settings?: Record<string, string>][] = [
    [[{ outcome: lost }]],
    [[ok, { outcome: lost }], own],
    [[{ outcome: lost, controls: [{ type: 'PAUSE', durationMs: 1 }] }], own],
    [[{ outcome: { kind: 'protocol-violation', reason: 'x' } }], own],
    [[ok, notConnected('connection reset by peer')]],
    [[ok, { outcome: { kind: 'timeout', phase: 'connected', detail: '' }, connectedMs: undefined }]],
    [[{ outcome: { kind: 'failed-exit', code: 3, detail: '' } }]],
    [[{ outcome: { kind: 'rejected', code: -32_603, message: 'no', reason: 'other' } }]],
  ];
  for (const [sessions, settings] of failures) {
    const { told, names } = await keptOf(t, sessions, settings);
    assert.equal(names.length, 1, JSON.stringify(sessions));
    assert.match(told, /kept as recovery cases: .* ws-stress recovery retire NAME stops replaying one of them/);
  }
});

void test('a run without records keeps nothing, and says so where that matters', async (t) => {
  const base = temporaryDirectory(t);
  const folder = runFolder(base, 'r1');
  const { total } = runRecord('r1');
  const failed = runRecord('r1', { verdict: 'FAIL', total: { ...total, failed: 1 } });
  assert.match((await keepFailures(folder, failed)) ?? '', /nothing was kept or counted, for the run left no records/);
  assert.equal(await keepFailures(folder, runRecord('r1')), undefined);
});

void test('a folder of recovery cases that can’t be used takes neither verdict nor results of a run', async (t) => {
  const cwd = temporaryDirectory(t);
  const faulty = await startTarget({ port: 0, faults: ['lost-line'] });
  t.after(() => faulty.close());
  mkdirSync(resultsIn(cwd));
  writeFileSync(path.join(resultsIn(cwd), 'recovery'), '');
  const { code, stdout, stderr } = await wsStress(cwd, 'run', 'single', '--url', faulty.url, '--junit', 'j.xml');
  assert.equal(code, 99, stderr);
  assert.match(stderr, /recovery: nothing was kept or counted: .*recovery/);
  assert.match(stderr, /^report: /m);
  assert.match(stdout, /\nFAIL: [^\n]*\n$/);
  assert.ok(existsSync(path.join(cwd, 'j.xml')));
});

void test('a broken index is written anew from the cases before it is replayed', async (t) => {
  const cwd = temporaryDirectory(t);
  const sound = await startTarget({ port: 0 });
  t.after(() => sound.close());
  await changeCases(resultsIn(cwd), ({ cases }) => mergeRun(cases, none, failing()));
  writeFileSync(resultsLayout(resultsIn(cwd)).recoveryIndex, 'bro\u001b[31mken');
  const { code, stderr } = await wsStress(cwd, 'run', 'recovery', '--url', sound.url, '--replay-all');
  assert.equal(code, 0, stderr);
  assert.equal((await readCases(resultsIn(cwd))).cases[0]?.counts.heldInARow, 1);
});

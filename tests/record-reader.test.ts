import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { memoryRecord } from '../lib/results/memory-record.ts';
import { sessionRecord } from '../lib/results/record.ts';
import { readRecords, type Read } from '../cli/results/record-reader.ts';
import { parseRecord } from '../cli/results/parse-record.ts';
import type { Outcome } from '../lib/session/outcome.ts';
import { sessionLine } from './records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const run = {
  id: 'r1',
  marker: 'WEBSOCKET_STRESS_20250625_143000',
  test: 'single',
  startedAt: '2025-06-25T14:30:00.000Z',
};

const line = (session: number): string =>
  sessionRecord(
    run,
    { test: 'single', round: 1, session, vu: 1, startedAtMs: Date.UTC(2025, 5, 25) },
    {
      outcome: { kind: 'ok' },
      openedMs: 1,
      connectedMs: 2,
      durationMs: 10,
      commands: [{ name: 'echo', class: 'simple', outcome: { kind: 'ok' }, durationMs: 9, lines: 1, bytes: 6 }],
      controls: [{ type: 'PAUSE', durationMs: 1 }],
      messagesReceived: 4,
    },
  );

const read = async (file: string): Promise<Read[]> => {
  const all: Read[] = [];
  for await (const each of readRecords(file)) all.push(each);
  return all;
};

void test('records are read one by one, with what is wrong between them and what is no record', async (t) => {
  const file = path.join(temporaryDirectory(t), 'records.ndjson');
  const other = JSON.stringify({ ...(JSON.parse(line(0)) as object), version: 2 });
  const wrong = JSON.stringify({ ...(JSON.parse(line(0)) as object), durationMs: 'long' });
  const unknown = JSON.stringify({ type: 'surprise', version: 1 });
  const text = [
    line(0),
    'k6 says something',
    other,
    '',
    wrong,
    unknown,
    '{broken',
    `${line(1)}\r`,
    line(2).slice(0, 60),
  ];
  writeFileSync(file, text.join('\n'));
  const all = await read(file);
  assert.deepEqual(
    all.map((each) => ('record' in each ? each.record.type : 'other' in each ? each.other : each.problem)),
    [
      'session',
      'k6 says something',
      'expected version 1 of the session record, received 2: another version of ws-stress wrote it',
      'the session record: durationMs: expected number, received "long"',
      'expected a record whose type is session, finding, memory, stop, run; received none such',
      'expected a record, a JSON object; received no JSON, or a part of it',
      'session',
      'expected a record, a JSON object; received no JSON, or a part of it',
    ],
  );
  assert.deepEqual(
    all.map((each) => each.line),
    [1, 2, 3, 5, 6, 7, 8, 9],
  );
  const [, , version, , , , , torn] = all;
  assert.equal(version && 'problem' in version && version.isLast, false);
  assert.equal(torn && 'problem' in torn && torn.isLast, true);
});

void test('an empty file holds no record', async (t) => {
  const file = path.join(temporaryDirectory(t), 'empty.ndjson');
  writeFileSync(file, '');
  assert.deepEqual(await read(file), []);
});

void test('members that a later version adds are let through', () => {
  const added = parseRecord(JSON.stringify({ ...(JSON.parse(line(0)) as object), added: 1 }));
  assert.equal((added as unknown as { added: number }).added, 1);
});

void test('a session record is read back with the outcome that was written, whichever it is', () => {
  const each: { [Kind in Outcome['kind']]: Extract<Outcome, { kind: Kind }> } = {
    ok: { kind: 'ok' },
    'failed-exit': { kind: 'failed-exit', code: null, detail: 'd' },
    rejected: { kind: 'rejected', code: -32_003, message: 'm', reason: 'session limit' },
    'output-mismatch': { kind: 'output-mismatch', detail: 'd' },
    timeout: { kind: 'timeout', phase: 'drain', detail: 'd' },
    'connect-failed': { kind: 'connect-failed', reason: 'r' },
    closed: { kind: 'closed', code: 1006, detail: 'd' },
    'protocol-violation': { kind: 'protocol-violation', reason: 'r' },
    'script-error': { kind: 'script-error', detail: 'd' },
  };
  for (const outcome of Object.values(each)) {
    const record = parseRecord(sessionLine(outcome));
    assert.deepEqual(record.type === 'session' && [record.outcome, record.commands[0]?.outcome], [outcome, outcome]);
  }
});

void test('a line of hundreds of megabytes is told by its size and not kept', async (t) => {
  const file = path.join(temporaryDirectory(t), 'long.ndjson');
  const handle = await open(file, 'w');
  const piece = Buffer.alloc(2 ** 20, 'x');
  for (let at = 0; at < 300; at++) await handle.write(piece);
  await handle.write(`\n${line(7)}\n`);
  await handle.close();
  const before = process.memoryUsage().rss;
  const all = await read(file);
  assert.ok(process.memoryUsage().rss - before < 150 * 2 ** 20, 'less than half of the line was kept');
  assert.match((all[0] as { problem: string }).problem, /expected at most 4194304 bytes, received 314572800/);
  assert.equal('record' in (all[1] as object), true);
});

void test('a memory record whose interval has no end is read, and leaves the end out', () => {
  const samples = [{ atMs: 0.4, sessions: 10, bytes: 1000 }];
  const judged = { slopeBytes: 1, lowBytes: -Infinity, highBytes: Infinity };
  const record = parseRecord(memoryRecord(run, 'memory', 'leak', { samples, ...judged }));
  const { marker } = run;
  const place = { type: 'memory', version: 1, run: 'r1', marker, test: 'memory', case: 'leak' };
  assert.deepEqual(record, { ...place, samples: [[0, 10, 1000]], slopeBytes: 1 });
});

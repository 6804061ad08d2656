import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from '../lib/commands/command.ts';
import { describeOutcome, isGeneratorLimit, type Outcome } from '../lib/session/outcome.ts';
import { connectFailed, type Script, type Session } from '../lib/session/session.ts';
import { executeAndComplete, service, startInMemory, type MemorySession } from './memory-socket.ts';

const echo: Command = { name: 'echo', class: 'simple', command: 'echo hi', proof: { lines: ['hi'] } };
const counting: Command = {
  name: 'count',
  class: 'burst',
  command: 'count',
  proof: { numbered: { line: 'n {i}', from: 1, to: 5 } },
};

/** One thing that happens to a session: a message, or an event. */
type Event = string | ((session: MemorySession) => void);

const pong: Event = (session) => session.events.pong();
const closesItself = new Set<Event>();
const closes = (code: number): Event => {
  const event: Event = (session) => session.events.closed(code, 'by the service');
  closesItself.add(event);
  return event;
};
const passes =
  (ms: number): Event =>
  (session) =>
    session.pass(ms);
const binary: Event = (session) => session.events.binary(3);

const { connected, started, output, completed, error } = service;
const lines = (...numbers: number[]): Event[] => numbers.map((number) => output(`n ${number}`));

const play = (command: Command, events: readonly Event[], trace = false): MemorySession => {
  const session = startInMemory(executeAndComplete(command), { trace });
  for (const event of events) {
    if (typeof event === 'string') session.events.message(event);
    else event(session);
  }
  return session;
};

/** A row: what the service does → the session's outcome; the command's where it differs. */
const rows: { name: string; command?: Command; events: Event[]; outcome: Outcome['kind']; match?: RegExp }[] = [
  { name: 'all is well', events: [connected, started(1), output('hi'), completed(), pong], outcome: 'ok' },
  {
    name: 'the service closes normally while draining',
    events: [connected, started(1), output('hi'), completed(), closes(1000)],
    outcome: 'ok',
  },
  {
    name: 'output and completion come before the response',
    events: [connected, output('hi'), completed(), started(1), pong],
    outcome: 'ok',
  },
  {
    name: 'messages with spaces and other member order',
    events: [
      connected,
      '{ "id" : 1, "result" : {"pid": 8843}, "jsonrpc" : "2.0" }',
      '{"params": {"data": "hi\\n", "type": "stdout"}, "method": "process.output"}',
      completed(),
      pong,
    ],
    outcome: 'ok',
  },
  {
    name: 'every other notification is tolerated',
    events: [
      connected,
      '{"method":"hook.warning","params":{}}',
      started(1),
      '{"method":"process.started","params":{"pid":8843}}',
      '{"method":"task.early_completion"}',
      '{"method":"error.rate_limit_exceeded","params":[1]}',
      output('hi'),
      '{"method":"never.heard.of"}',
      completed(),
      pong,
    ],
    outcome: 'ok',
  },
  {
    name: 'stderr is no part of the proof',
    events: [connected, started(1), output('warning', 'stderr'), output('hi'), completed(), pong],
    outcome: 'ok',
  },
  {
    name: 'a line in chunks',
    events: [
      connected,
      started(1),
      '{"method":"process.output","params":{"type":"stdout","data":"h","chunk_index":0,"total_chunks":2}}',
      '{"method":"process.output","params":{"type":"stdout","data":"i\\n","chunk_index":1,"total_chunks":2}}',
      completed(),
      pong,
    ],
    outcome: 'ok',
  },
  {
    name: 'completed in the middle of a chunked line',
    command: { ...echo, proof: { maxLines: 5 } },
    events: [
      connected,
      started(1),
      '{"method":"process.output","params":{"type":"stdout","data":"h","chunk_index":0,"total_chunks":2}}',
      completed(),
    ],
    outcome: 'protocol-violation',
    match: /in the middle of a line/,
  },
  {
    name: 'a predicted line in the middle of a chunked one',
    command: counting,
    events: [
      connected,
      started(1),
      ...lines(1, 2, 3),
      '{"method":"process.output","params":{"type":"stdout","data":"n 4","chunk_index":0,"total_chunks":2}}',
      ...lines(4),
    ],
    outcome: 'protocol-violation',
    match: /expected chunk 1/,
  },
  {
    name: 'chunk 5 of 1',
    events: [
      connected,
      started(1),
      '{"method":"process.output","params":{"type":"stdout","data":"hi","chunk_index":5,"total_chunks":1}}',
    ],
    outcome: 'protocol-violation',
    match: /expected chunk 0 of a line, received 5/,
  },
  {
    name: 'process.error, and completed all the same',
    events: [connected, '{"method":"process.error","params":{"error":"boom"}}', output('hi'), completed(), started(1)],
    outcome: 'failed-exit',
    match: /boom/,
  },
  {
    name: 'completed of another process, before the response',
    events: [connected, output('hi'), completed(0, 1), started(1)],
    outcome: 'protocol-violation',
    match: /expected pid 8843, received 1/,
  },
  {
    name: 'status failed with exit code 0',
    events: [
      connected,
      started(1),
      output('hi'),
      '{"method":"process.completed","params":{"status":"failed","exit_code":0}}',
    ],
    outcome: 'failed-exit',
    match: /another status/,
  },
  {
    name: 'heartbeats do not hide a hang in numbered output',
    command: counting,
    events: [
      connected,
      started(1),
      ...lines(1, 2, 3),
      ...Array.from({ length: 10 }, () => [passes(400), '{"method":"ping","params":{}}'] as Event[]).flat(),
    ],
    outcome: 'timeout',
    match: /message/,
  },
  {
    name: 'chunks out of order',
    events: [
      connected,
      started(1),
      '{"method":"process.output","params":{"type":"stdout","data":"i","chunk_index":1,"total_chunks":2}}',
    ],
    outcome: 'protocol-violation',
    match: /chunk 0/,
  },
  {
    name: 'numbered lines, in order',
    command: counting,
    events: [connected, started(1), ...lines(1, 2, 3, 4, 5), completed(), pong],
    outcome: 'ok',
  },
  {
    name: 'numbered lines, one missing',
    command: counting,
    events: [connected, started(1), ...lines(1, 2, 4, 5), completed()],
    outcome: 'output-mismatch',
    match: /line 3.*a gap/,
  },
  {
    name: 'numbered lines, one twice',
    command: counting,
    events: [connected, started(1), ...lines(1, 2, 3, 3, 4, 5), completed()],
    outcome: 'output-mismatch',
    match: /repeated/,
  },
  {
    name: 'numbered lines, the last missing',
    command: counting,
    events: [connected, started(1), ...lines(1, 2, 3, 4), completed()],
    outcome: 'output-mismatch',
    match: /expected 5 lines, received 4/,
  },
  {
    name: 'numbered lines, one too many',
    command: counting,
    events: [connected, started(1), ...lines(1, 2, 3, 4, 5, 6), completed()],
    outcome: 'output-mismatch',
    match: /no more lines/,
  },
  {
    name: 'several lines in one message, the first of which is none of the command’s',
    command: counting,
    events: [connected, started(1), ...lines(1, 2), output('\n[timed out]'), completed()],
    outcome: 'output-mismatch',
    match: /line 3: expected "n 3", received "", in "\\n\[timed out\]\\n"/,
  },
  {
    name: 'no output',
    events: [connected, started(1), completed()],
    outcome: 'output-mismatch',
    match: /"hi" is missing/,
  },
  {
    name: 'other output',
    events: [connected, started(1), output('ho'), completed()],
    outcome: 'output-mismatch',
    match: /expected "hi", received "ho"/,
  },
  {
    name: 'completed too soon',
    command: { ...echo, proof: { minDurationMs: 2000 } },
    events: [connected, started(1), passes(900), completed()],
    outcome: 'output-mismatch',
    match: /at least 2000 ms/,
  },
  {
    name: 'exit code 3',
    events: [connected, started(1), output('hi'), completed(3)],
    outcome: 'failed-exit',
    match: /expected exit code 0, received 3/,
  },
  {
    name: 'an expected exit code',
    command: { ...echo, proof: { exitCode: 3 } },
    events: [connected, started(1), completed(3), pong],
    outcome: 'ok',
  },
  {
    name: 'no exit code',
    events: [connected, started(1), output('hi'), '{"method":"process.completed","params":{}}'],
    outcome: 'failed-exit',
    match: /received null/,
  },
  {
    name: 'process.error',
    events: [connected, started(1), '{"method":"process.error","params":{"error":"boom"}}'],
    outcome: 'failed-exit',
    match: /boom/,
  },
  {
    name: 'session limit, deployed',
    events: [error(-32003, 'Session limit exceeded'), closes(1008)],
    outcome: 'rejected',
    match: /session limit/,
  },
  {
    name: 'session limit, documented',
    events: [error(-32001, 'Too many sessions', null), closes(1008)],
    outcome: 'rejected',
    match: /session limit/,
  },
  { name: 'close 1008 without an error', events: [closes(1008)], outcome: 'closed', match: /1008/ },
  {
    name: 'not allowed, deployed',
    events: [connected, error(-32001, 'Command not allowed', 1)],
    outcome: 'rejected',
    match: /not allowed/,
  },
  {
    name: 'not allowed, documented',
    events: [connected, error(-32002, 'Command not allowed', 1)],
    outcome: 'rejected',
    match: /not allowed/,
  },
  {
    name: 'already running',
    events: [connected, error(-32602, 'A process is already running', 1)],
    outcome: 'rejected',
    match: /already running/,
  },
  { name: 'connected never comes', events: [passes(1000)], outcome: 'timeout', match: /connected/ },
  {
    name: 'heartbeats in place of connected',
    events: ['{"method":"ping"}', passes(600), '{"method":"ping"}', passes(400)],
    outcome: 'timeout',
    match: /connected/,
  },
  { name: 'connected twice', events: [connected, connected], outcome: 'protocol-violation', match: /second time/ },
  {
    name: 'no response',
    events: [connected, output('hi'), completed(), passes(1000)],
    outcome: 'timeout',
    match: /acknowledgement/,
  },
  {
    name: 'never completes',
    events: [
      connected,
      started(1),
      output('hi'),
      passes(2999),
      (session) => assert.equal(session.result, undefined),
      passes(1),
    ],
    outcome: 'timeout',
    match: /message.*no message for 3000 ms/,
  },
  {
    name: 'heartbeats do not hide a hang',
    events: [
      connected,
      started(1),
      ...Array.from({ length: 6 }, () => [passes(500), '{"method":"ping","params":{}}'] as Event[]).flat(),
    ],
    outcome: 'timeout',
    match: /message/,
  },
  {
    name: 'progress keeps it waiting',
    command: counting,
    events: [
      connected,
      started(1),
      ...[1, 2, 3, 4, 5].flatMap((n) => [passes(2000), output(`n ${n}`)]),
      completed(),
      pong,
    ],
    outcome: 'ok',
  },
  {
    name: 'progress without end',
    command: { ...counting, proof: {} },
    events: [
      connected,
      started(1),
      ...Array.from({ length: 31 }, (_, n) => [passes(2000), output(`n ${n}`)] as Event[]).flat(),
    ],
    outcome: 'timeout',
    match: /session/,
  },
  {
    name: 'no pong',
    events: [connected, started(1), output('hi'), completed(), passes(1000)],
    outcome: 'timeout',
    match: /drain/,
  },
  {
    name: 'wrong id',
    events: [connected, started(1001)],
    outcome: 'protocol-violation',
    match: /no request had: 1001/,
  },
  {
    name: 'id as a string',
    events: [connected, '{"jsonrpc":"2.0","result":{},"id":"1"}'],
    outcome: 'protocol-violation',
    match: /"1"/,
  },
  {
    name: 'no id',
    events: [connected, '{"jsonrpc":"2.0","result":{}}'],
    outcome: 'protocol-violation',
    match: /without id/,
  },
  {
    name: 'an error without id after connected',
    events: [connected, error(-32603, 'internal')],
    outcome: 'protocol-violation',
    match: /-32603 internal without id/,
  },
  {
    name: 'response twice',
    events: [connected, started(1), started(1)],
    outcome: 'protocol-violation',
    match: /second response to request 1/,
  },
  {
    name: 'response a second time, late',
    events: [connected, started(1), output('hi'), completed(), started(1), pong],
    outcome: 'protocol-violation',
    match: /second response/,
  },
  {
    name: 'completed twice',
    events: [connected, started(1), output('hi'), completed(), completed(), pong],
    outcome: 'protocol-violation',
    match: /without a running command/,
  },
  {
    name: 'completed of another process',
    events: [connected, started(1), output('hi'), completed(0, 1)],
    outcome: 'protocol-violation',
    match: /expected pid 8843, received 1/,
  },
  {
    name: 'output after completion',
    events: [connected, started(1), output('hi'), completed(), output('hi'), pong],
    outcome: 'protocol-violation',
    match: /without a running command/,
  },
  {
    name: 'output before execute',
    events: [output('hi')],
    outcome: 'protocol-violation',
    match: /without a running command/,
  },
  {
    name: 'malformed JSON',
    events: [connected, '{"jsonrpc":"2.0","meth'],
    outcome: 'protocol-violation',
    match: /expected a JSON object/,
  },
  { name: 'not an object', events: [connected, '[1,2]'], outcome: 'protocol-violation', match: /\[1,2\]/ },
  { name: 'null', events: ['null'], outcome: 'protocol-violation', match: /null/ },
  {
    name: 'another version',
    events: ['{"jsonrpc":"1.0","method":"connected"}'],
    outcome: 'protocol-violation',
    match: /"2.0"/,
  },
  {
    name: 'result and error',
    events: [connected, '{"id":1,"result":{},"error":{"code":1,"message":"m"}}'],
    outcome: 'protocol-violation',
    match: /not both/,
  },
  {
    name: 'neither result nor error',
    events: [connected, '{"id":1}'],
    outcome: 'protocol-violation',
    match: /a method, a result or an error/,
  },
  {
    name: 'an error that is none',
    events: [connected, '{"id":1,"error":"no"}'],
    outcome: 'protocol-violation',
    match: /error object/,
  },
  {
    name: 'a request from the service',
    events: [connected, '{"id":1,"method":"execute"}'],
    outcome: 'protocol-violation',
    match: /request from the service/,
  },
  {
    name: 'an id of another type',
    events: [connected, '{"id":{},"result":{}}'],
    outcome: 'protocol-violation',
    match: /string, number or null/,
  },
  {
    name: 'output of no stream',
    events: [connected, '{"method":"process.output","params":{"type":"out","data":"hi"}}'],
    outcome: 'protocol-violation',
    match: /stdout or stderr|without a running/,
  },
  {
    name: 'output without data',
    events: [connected, started(1), '{"method":"process.output","params":{"type":"stdout"}}'],
    outcome: 'protocol-violation',
    match: /data of type string/,
  },
  {
    name: 'a binary message',
    events: [connected, binary],
    outcome: 'protocol-violation',
    match: /binary message of 3 bytes/,
  },
  { name: 'closed before connected', events: [closes(1011)], outcome: 'closed', match: /1011/ },
  {
    name: 'closed in the middle of output',
    events: [connected, started(1), output('hi'), closes(1011)],
    outcome: 'closed',
    match: /1011/,
  },
  { name: 'gone without a close frame', events: [connected, closes(1006)], outcome: 'closed', match: /1006/ },
  {
    name: 'closed in the drain, not normally',
    events: [connected, started(1), output('hi'), completed(), closes(1011)],
    outcome: 'closed',
    match: /1011/,
  },
];

for (const { name, command = echo, events, outcome, match } of rows) {
  test(`outcome of a session: ${name} → ${outcome}`, () => {
    const session = play(command, events);
    assert.ok(session.result, 'settled');
    assert.equal(session.result.outcome.kind, outcome, JSON.stringify(session.result.outcome));
    if (match) assert.match(describeOutcome(session.result.outcome), match);
    const own = events.some((event) => closesItself.has(event)) ? [] : undefined;
    assert.deepEqual(
      session.closed,
      own ?? [outcome === 'protocol-violation' ? 1002 : 1000],
      'closed once, by one side',
    );
    assert.equal(session.settledTimes, 1);
    // Whatever comes now changes nothing.
    session.events.message(output('late'));
    session.events.pong();
    session.events.closed(1006, '');
    session.pass(100_000);
    assert.equal(session.settledTimes, 1);
    const kinds = session.result.commands.map((each) => each.outcome.kind);
    assert.ok(kinds.length <= 1);
    if (outcome === 'ok') assert.deepEqual(kinds, ['ok']);
  });
}

test('a session at any point of its life settles when the connection ends or time runs out', () => {
  const events = [connected, started(1), output('hi'), completed(), pong];
  for (let count = 0; count < events.length; count++) {
    for (const ending of [closes(1006), passes(120_000), binary]) {
      const session = play(echo, [...events.slice(0, count), ending]);
      assert.equal(session.settledTimes, 1, `after ${count} events`);
      assert.notEqual(session.result?.outcome.kind, 'ok');
    }
  }
});

test('the heartbeat is answered with pong, a notification', () => {
  const session = play(echo, [connected, '{"jsonrpc":"2.0","method":"ping","params":{}}']);
  assert.deepEqual(JSON.parse(session.sent.at(-1) ?? ''), { jsonrpc: '2.0', method: 'pong', params: {} });
});

test('how a service closes a session that it refuses is told, or that it does not', () => {
  const refusal = error(-32003, 'Session limit exceeded');
  const closed = play(echo, [refusal, passes(900), closes(1008)]);
  assert.deepEqual([closed.result?.outcome.kind, closed.result?.closeCode], ['rejected', 1008]);
  const left = play(echo, [refusal, passes(999)]);
  assert.equal(left.settledTimes, 0);
  left.pass(1);
  assert.deepEqual([left.result?.outcome.kind, left.result?.closeCode], ['rejected', undefined]);
  assert.equal(left.result?.waitedMs, 1000);
  assert.deepEqual(left.closed, [1000]);
});

test('times are told from opening the connection', () => {
  const session = play(echo, [
    passes(10),
    connected,
    passes(20),
    started(1),
    passes(30),
    output('hi'),
    passes(40),
    completed(),
    passes(50),
    pong,
  ]);
  const [command] = session.result?.commands ?? [];
  assert.equal(session.result?.connectedMs, 10);
  assert.equal(session.result?.durationMs, 150);
  assert.deepEqual(
    command && [command.ackMs, command.firstOutputMs, command.durationMs, command.lines],
    [20, 50, 100, 1],
  );
});

test('a command that was cut off has the outcome of its session', () => {
  const session = play(echo, [connected, started(1), passes(5000)]);
  assert.equal(session.result?.commands[0]?.outcome.kind, 'timeout');
  assert.equal(session.result?.commands[0]?.durationMs, 3000);
});

test('a violation after a proven command is the session’s, not the command’s', () => {
  const session = play(echo, [connected, started(1), output('hi'), completed(), started(1)]);
  assert.equal(session.result?.outcome.kind, 'protocol-violation');
  assert.equal(session.result?.commands[0]?.outcome.kind, 'ok');
});

test('the dialect shows in the codes', () => {
  assert.equal(play(echo, [error(-32003, 'Session limit exceeded'), closes(1008)]).result?.dialect, 'deployed');
  assert.equal(play(echo, [error(-32001, 'Session limit exceeded'), closes(1008)]).result?.dialect, 'documented');
  assert.equal(play(echo, [connected, error(-32001, 'Command not allowed', 1)]).result?.dialect, 'deployed');
  assert.equal(play(echo, [connected, error(-32002, 'Command not allowed', 1)]).result?.dialect, 'documented');
  assert.equal(play(echo, [connected, started(1), output('hi'), completed(), pong]).result?.dialect, undefined);
});

test('a script that throws settles its session and hands the bug on', () => {
  const bug = new Error('oops');
  // oxlint-disable-next-line require-yield -- it throws first
  const session = startInMemory(function* (): Script {
    throw bug;
  });
  session.events.message(connected);
  assert.equal(session.result?.outcome.kind, 'script-error');
  assert.equal(session.result?.bug, bug);
  assert.deepEqual(session.closed, [1000]);
});

test('a script that is cut off runs its finally blocks', () => {
  let cleaned = false;
  const session = startInMemory(function* (open: Session): Script {
    try {
      yield* open.sleep(5000);
    } finally {
      cleaned = true;
    }
  });
  session.events.message(connected);
  session.events.closed(1006, '');
  assert.equal(cleaned, true);
});

const boom = (): void => {
  throw new Error('boom');
};

test('a finally block that throws loses no result', () => {
  const seen: string[] = [];
  const session = startInMemory(function* (open: Session): Script {
    try {
      yield* open.sleep(5000);
    } finally {
      seen.push('cleaned');
      boom();
    }
  });
  session.events.message(connected);
  assert.throws(() => session.events.closed(1006, ''), /boom/);
  assert.equal(session.result?.outcome.kind, 'closed');
  assert.deepEqual(seen, ['cleaned']);
});

test('a script controls, requests and sleeps, in the order it reads', () => {
  const seen: unknown[] = [];
  const session = startInMemory(function* (open: Session): Script {
    const execution = yield* open.execute({ ...counting, proof: {} });
    seen.push(execution.pid);
    yield* open.sleep(700);
    seen.push(execution.lines);
    seen.push(yield* open.control('PAUSE'));
    seen.push(yield* open.request('hook_status'));
    yield* execution.completes();
  });
  session.events.message(connected);
  session.events.message(started(1));
  session.events.message(output('n 1'));
  session.pass(699);
  assert.deepEqual(seen, [8843]);
  session.pass(1);
  assert.match(session.sent.at(-1) ?? '', /"method":"control","params":\{"type":"PAUSE"\}/);
  session.events.message('{"jsonrpc":"2.0","result":{"status":"paused"},"id":2}');
  session.events.message(error(-32601, 'Method not found', 3));
  session.events.message(completed());
  session.events.pong();
  assert.deepEqual(seen, [
    8843,
    1,
    { status: 'paused' },
    { error: { code: -32601, message: 'Method not found', data: null } },
  ]);
  assert.equal(session.result?.outcome.kind, 'ok');
});

test('a control that is rejected ends the session with it', () => {
  const session = startInMemory(function* (open: Session): Script {
    yield* open.control('CANCEL');
  });
  session.events.message(connected);
  session.events.message(error(-32002, 'No process is running', 1));
  assert.deepEqual(session.result?.outcome, {
    kind: 'rejected',
    code: -32002,
    message: 'No process is running',
    reason: 'no process',
  });
  assert.equal(session.result?.dialect, 'deployed');
});

test('timers do not multiply: what is over stays over', () => {
  const session = startInMemory(
    function* (open: Session): Script {
      for (;;) {
        yield* open.request('hook_status');
        yield* open.sleep(100);
      }
    },
    { limits: { ackTimeoutMs: 1000, messageTimeoutMs: 1000, sessionTimeoutMs: 1e9 } },
  );
  session.events.message(connected);
  for (let id = 1; id <= 500; id++) {
    session.events.message(`{"jsonrpc":"2.0","result":{},"id":${id}}`);
    session.pass(100);
  }
  assert.equal(session.settledTimes, 0);
  assert.ok(session.wakes < 1600, `${session.wakes} wakes`);
});

test('a connection that is waited for in vain is a timeout, other failures are not', () => {
  assert.equal(connectFailed('dial tcp 127.0.0.1:9: i/o timeout', 60_000).outcome.kind, 'timeout');
  const refused = connectFailed('connect: connection refused', 1).outcome;
  assert.equal(refused.kind, 'connect-failed');
  assert.equal(isGeneratorLimit(refused), false);
  assert.equal(isGeneratorLimit(connectFailed('socket: too many open files', 1).outcome), true);
});

test('a trace is bounded, whatever comes', () => {
  const endless = { ...counting, proof: {} };
  const noise = Array.from({ length: 500 }, (_, n) => output(`${n} ${'x'.repeat(1000)}`));
  const session = play(endless, [connected, started(1), ...noise, closes(1006)], true);
  const trace = session.result?.trace ?? [];
  assert.equal(trace.length, 31);
  assert.ok(trace.every((line) => line.length < 310));
  assert.match(trace[10] ?? '', /473 messages/);
});

for (const [name, after, expected] of [
  ['a second process.completed', [service.completed()], 'protocol-violation'],
  ['a response', [service.error(-32_601, 'Unknown method', 2)], 'ok'],
] as const) {
  void test(`a pong that nothing asked for ends no drain: then ${name} comes`, () => {
    const session = startInMemory(
      executeAndComplete({ name: 'hi', class: 'simple', command: 'echo hi', proof: { lines: ['hi'] } }),
    );
    const { events } = session;
    events.message(service.connected);
    events.message(service.started(1));
    events.pong();
    events.message(service.output('hi'));
    events.message(service.completed());
    assert.equal(session.pings, 1);
    assert.equal(session.settledTimes, 0);
    events.pong();
    assert.equal(session.settledTimes, 0);
    for (const text of after) events.message(text);
    assert.equal(session.result?.outcome.kind, expected);
  });
}

void test('a service that pongs unasked and does not answer an unknown method is waited for a second', () => {
  const session = startInMemory(function* () {});
  session.events.pong();
  session.events.message(service.connected);
  session.events.pong();
  session.pass(999);
  assert.equal(session.settledTimes, 0);
  session.pass(1);
  assert.equal(session.result?.outcome.kind, 'ok');
});

void test('a service that sent no pong unasked is sent no request to end the drain', () => {
  const session = startInMemory(function* () {});
  session.events.message(service.connected);
  session.events.pong();
  assert.equal(session.result?.outcome.kind, 'ok');
  assert.deepEqual(session.sent, []);
});

void test('broken framing is a violation, and a connection that is closed already is not closed again', () => {
  const session = startInMemory(function* (open) {
    yield* open.sleep(1000);
  });
  session.events.message(service.connected);
  session.events.broken('a frame');
  assert.deepEqual(session.result?.outcome, { kind: 'protocol-violation', reason: 'a frame' });
  assert.deepEqual(session.closed, []);
});

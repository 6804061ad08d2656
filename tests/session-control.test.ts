import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Command } from '../lib/commands/command.ts';
import type { Incoming } from '../lib/jsonrpc/messages.ts';
import { describeOutcome, type Outcome } from '../lib/session/outcome.ts';
import { outcomeOf } from '../lib/session/script.ts';
import {
  createShapes,
  type Attempt,
  type CommandEnd,
  type ControlType,
  type Execution,
  type Script,
  type Session,
  type SessionResult,
} from '../lib/session/session.ts';
import { executeAndComplete, service, startInMemory, type MemorySession, countingParsed } from './memory-socket.ts';

const { connected, started, output, completed, error } = service;

const counting: Command = {
  name: 'count',
  class: 'control',
  command: 'count',
  proof: { numbered: { line: 'n {i}', from: 1, to: 1000 } },
};
const short: Command = { ...counting, proof: { numbered: { line: 'n {i}', from: 1, to: 3 } } };
const echo: Command = { name: 'echo', class: 'simple', command: 'echo hi', proof: { lines: ['hi'] } };

const throws = (): never => {
  throw new Error('oops');
};

/** One thing that happens to a session: a message, or an event. */
type Event = string | ((session: MemorySession) => void);

const passes =
  (ms: number): Event =>
  (session) =>
    session.pass(ms);
const pong: Event = (session) => session.events.pong();
const closes =
  (code: number): Event =>
  (session) =>
    session.events.closed(code, 'by the service');
const isSettled =
  (wanted: boolean): Event =>
  (session) =>
    assert.equal(session.settledTimes, wanted ? 1 : 0, wanted ? 'settled by now' : JSON.stringify(session.result));

const lines = (from: number, to = from): Event[] =>
  Array.from({ length: to - from + 1 }, (_, index) => output(`n ${from + index}`));
const part = (data: string, index = 0, total = 2): Event =>
  JSON.stringify({
    method: 'process.output',
    params: { type: 'stdout', data, chunk_index: index, total_chunks: total },
  });
const result = (id: number, body: object): string => JSON.stringify({ jsonrpc: '2.0', result: body, id });
const startedAs = (id: number, pid: number): string => result(id, { status: 'started', pid, pgid: pid });
const statuses = { PAUSE: 'paused', RESUME: 'resumed', CANCEL: 'canceled' } as const;
const answers = (id: number, type: ControlType, status: string = statuses[type]): Event => result(id, { status });
const notification = (method: string): Event => JSON.stringify({ jsonrpc: '2.0', method, params: {} });

const play = (
  script: (session: Session) => Script,
  events: readonly Event[],
  options?: Parameters<typeof startInMemory>[1],
): MemorySession => {
  const session = startInMemory(script, options);
  for (const event of events) {
    if (typeof event === 'string') session.events.message(event);
    else event(session);
  }
  return session;
};

/** A script over a command under way, which is the session's first request. */
const during = (steps: (run: Execution, session: Session) => Script, command = counting) =>
  function* (session: Session): Script {
    const run = yield* session.execute(command);
    yield* steps(run, session);
  };

interface Row {
  name: string;
  events: Event[];
  outcome: Outcome['kind'];
  match?: RegExp;
  command?: Command;
}

/** Holds each row's outcome; what the session is over with happens once, whatever follows. */
const holdsFor = (what: string, steps: (run: Execution, session: Session) => Script, rows: readonly Row[]): void => {
  for (const { name, events, outcome, match, command = counting } of rows) {
    test(`${what}: ${name} → ${outcome}`, () => {
      const session = play(during(steps, command), [connected, started(1), ...events]);
      assert.ok(session.result, 'settled');
      assert.equal(session.result.outcome.kind, outcome, JSON.stringify(session.result.outcome));
      if (match) assert.match(describeOutcome(session.result.outcome), match);
      session.events.message(output('late'));
      session.events.closed(1006, '');
      session.pass(100_000);
      assert.equal(session.settledTimes, 1);
    });
  }
};

holdsFor('continuesFor', (run) => run.continuesFor(2000), [
  {
    name: 'lines come',
    events: [...lines(1, 2), passes(500), ...lines(3), passes(1499), isSettled(false), passes(1), pong],
    outcome: 'ok',
  },
  {
    name: 'what a pause has held back comes, then nothing',
    events: [passes(499), ...lines(1, 2), passes(3500), isSettled(false), passes(1)],
    outcome: 'timeout',
    match: /message.*expected output to go on, none came for 3500 ms/,
  },
  {
    name: 'a line comes after the time, in time for a message',
    events: [passes(2000), isSettled(false), passes(900), ...lines(1), pong],
    outcome: 'ok',
  },
  {
    name: 'a line on stderr comes',
    events: [passes(500), output('warning', 'stderr'), passes(1500), pong],
    outcome: 'ok',
  },
  {
    name: 'lines that came before do not count',
    events: [passes(2000), passes(1999), isSettled(false), passes(1)],
    outcome: 'timeout',
    match: /message.*expected output to go on, none came for 3500 ms/,
  },
  {
    name: 'none comes, heartbeats do',
    events: Array.from({ length: 12 }, () => [passes(500), notification('ping')]).flat(),
    outcome: 'timeout',
    match: /message/,
  },
  {
    name: 'the process completes early',
    events: [...lines(1), passes(500), completed(0), isSettled(true)],
    outcome: 'output-mismatch',
    match: /run on, it has ended with exit code 0/,
  },
  {
    name: 'the process completes early, all lines there',
    command: short,
    events: [...lines(1, 3), completed(0), isSettled(true)],
    outcome: 'output-mismatch',
    match: /run on/,
  },
  {
    name: 'the process dies',
    events: [...lines(1), completed(-9)],
    outcome: 'output-mismatch',
    match: /exit code -9/,
  },
  {
    name: 'process.error',
    events: [...lines(1), '{"method":"process.error","params":{"error":"boom"}}'],
    outcome: 'output-mismatch',
    match: /by boom/,
  },
  {
    name: 'a gap',
    events: [...lines(1, 2), passes(500), ...lines(4), passes(1500)],
    outcome: 'output-mismatch',
    match: /line 3.*a gap/,
  },
  {
    name: 'a repeat',
    events: [...lines(1, 2), passes(500), ...lines(2), passes(1500)],
    outcome: 'output-mismatch',
    match: /line 3.*repeated/,
  },
  { name: 'the connection closes', events: [...lines(1), closes(1011)], outcome: 'closed', match: /1011/ },
]);

holdsFor('continuesFor longer than the session', (run) => run.continuesFor(120_000), [
  {
    name: 'lines come',
    events: [...lines(1), passes(59_999), isSettled(false), passes(1)],
    outcome: 'timeout',
    match: /session.*60000 ms/,
  },
]);

holdsFor('staysSilentFor', (run) => run.staysSilentFor(2000), [
  {
    name: 'nothing comes',
    events: [...lines(1), passes(2499), isSettled(false), passes(1), pong],
    outcome: 'ok',
  },
  {
    name: 'what was under way comes within the grace',
    events: [passes(499), ...lines(1, 3), passes(2001), pong],
    outcome: 'ok',
  },
  {
    name: 'notifications that are no output',
    events: [passes(600), notification('process.paused'), notification('ping'), notification('x'), passes(1900), pong],
    outcome: 'ok',
  },
  {
    name: 'a line after the grace',
    events: [...lines(1), passes(500), ...lines(2), isSettled(true)],
    outcome: 'output-mismatch',
    match: /no output for 2000 ms, received line 2/,
  },
  {
    name: 'a line at the very end',
    events: [passes(2499), ...lines(1), isSettled(true)],
    outcome: 'output-mismatch',
    match: /received line 1/,
  },
  {
    name: 'a line on stderr after the grace',
    events: [passes(500), output('warning', 'stderr')],
    outcome: 'output-mismatch',
    match: /received line 1/,
  },
  {
    name: 'a part of a line after the grace',
    events: [passes(500), part('n')],
    outcome: 'output-mismatch',
    match: /received a part of a line/,
  },
  {
    name: 'the rest of a line after the grace',
    events: [part('n '), passes(500), part('1\n', 1)],
    outcome: 'output-mismatch',
    match: /received line 1/,
  },
  {
    name: 'a wrong line within the grace',
    events: [...lines(2), passes(2500)],
    outcome: 'output-mismatch',
    match: /line 1.*a gap/,
  },
  {
    name: 'the process completes within the grace',
    events: [passes(100), completed(0), isSettled(true)],
    outcome: 'output-mismatch',
    match: /run on, it has ended with exit code 0/,
  },
  {
    name: 'the process completes after the grace',
    events: [passes(600), completed(0), isSettled(true)],
    outcome: 'output-mismatch',
    match: /run on/,
  },
  {
    name: 'process.error',
    events: [passes(600), '{"method":"process.error","params":{"error":"boom"}}', isSettled(true)],
    outcome: 'output-mismatch',
    match: /by boom/,
  },
  { name: 'the connection closes', events: [passes(600), closes(1006)], outcome: 'closed', match: /1006/ },
]);

const pauseAndResume = function* (run: Execution, session: Session): Script {
  yield* run.reaches(5);
  yield* session.control('PAUSE');
  yield* run.staysSilentFor(2000);
  yield* session.control('RESUME');
  yield* run.continuesFor(2000);
};
const paused: Event[] = [...lines(1, 5), answers(2, 'PAUSE'), ...lines(6), passes(2500), answers(3, 'RESUME')];

holdsFor('PAUSE and RESUME', pauseAndResume, [
  {
    name: 'nothing is lost',
    events: [...paused, ...lines(7, 8), passes(500), ...lines(9), passes(1500), pong],
    outcome: 'ok',
  },
  {
    name: 'a line is lost',
    events: [...paused, passes(500), ...lines(8, 9), passes(1500)],
    outcome: 'output-mismatch',
    match: /line 7: expected "n 7", received "n 8" \(a gap\)/,
  },
  {
    name: 'a line is repeated',
    events: [...paused, passes(500), ...lines(6, 9), passes(1500)],
    outcome: 'output-mismatch',
    match: /received "n 6" \(repeated/,
  },
  {
    name: 'the process stays stopped',
    events: [...paused, passes(5000)],
    outcome: 'timeout',
    match: /message/,
  },
  {
    name: 'the process has gone',
    events: [...paused, completed(-9)],
    outcome: 'output-mismatch',
    match: /exit code -9/,
  },
  {
    name: 'a line while it is paused',
    events: [...lines(1, 5), answers(2, 'PAUSE'), passes(600), ...lines(6)],
    outcome: 'output-mismatch',
    match: /received line 6/,
  },
  {
    name: 'PAUSE is not answered',
    events: [...lines(1, 5), passes(1000)],
    outcome: 'timeout',
    match: /acknowledgement/,
  },
]);

const cancelAndGoOn = function* (run: Execution, session: Session): Script {
  yield* session.control('CANCEL');
  yield* run.endsWithin(5000);
  const next = yield* session.execute(echo);
  yield* next.completes();
};
const canceled = answers(2, 'CANCEL', 'canceled');
const cancelled = answers(2, 'CANCEL', 'cancelled');
const nextRuns: Event[] = [startedAs(3, 9000), output('hi'), completed(0, 9000), pong];

holdsFor('endsWithin, deployed', cancelAndGoOn, [
  {
    name: 'silence',
    events: [...lines(1, 2), canceled, notification('process.canceled'), passes(5000), ...nextRuns],
    outcome: 'ok',
  },
  {
    name: 'what was under way comes within the grace',
    events: [...lines(1, 2), canceled, passes(499), ...lines(3), passes(4501), ...nextRuns],
    outcome: 'ok',
  },
  { name: 'it completes all the same', events: [canceled, passes(10), completed(-15), ...nextRuns], outcome: 'ok' },
  {
    name: 'it completes late, while the next command runs',
    events: [canceled, passes(5000), startedAs(3, 9000), completed(-15), output('hi'), completed(0, 9000), pong],
    outcome: 'ok',
  },
  {
    name: 'it completes late, before the next is accepted',
    events: [canceled, passes(5000), completed(-15), ...nextRuns],
    outcome: 'ok',
  },
  {
    name: 'it completes late, after the next has completed',
    events: [canceled, passes(5000), ...nextRuns.slice(0, 3), completed(-15), pong],
    outcome: 'ok',
  },
  {
    name: 'it completes late, twice',
    events: [canceled, passes(5000), startedAs(3, 9000), completed(-15), completed(-15)],
    outcome: 'protocol-violation',
    match: /expected pid 9000, received 8843/,
  },
  {
    name: 'it completes late, twice, the second time while nothing runs',
    events: [canceled, passes(5000), ...nextRuns.slice(0, 3), completed(-15), completed(-15)],
    outcome: 'protocol-violation',
    match: /without a running command/,
  },
  {
    name: 'output goes on',
    events: [...lines(1, 2), canceled, passes(600), ...lines(3), isSettled(true)],
    outcome: 'output-mismatch',
    match: /no output after CANCEL, received line 3/,
  },
  {
    name: 'a part of a line comes after the grace',
    events: [canceled, passes(600), part('n '), isSettled(true)],
    outcome: 'output-mismatch',
    match: /received a part of a line/,
  },
  {
    name: 'a line was lost before',
    events: [...lines(1), ...lines(3), canceled, passes(5000)],
    outcome: 'output-mismatch',
    match: /a gap/,
  },
  {
    name: 'its output comes after the next command has completed',
    events: [canceled, passes(5000), ...nextRuns.slice(0, 3), ...lines(3)],
    outcome: 'output-mismatch',
    match: /no output after CANCEL/,
  },
  {
    name: 'its output comes while the next command runs',
    events: [canceled, passes(5000), startedAs(3, 9000), ...lines(3), output('hi'), completed(0, 9000)],
    outcome: 'output-mismatch',
    match: /expected "hi", received "n 3"/,
  },
  {
    name: 'the next is refused, for it runs still',
    events: [canceled, passes(5000), error(-32602, 'A process is already running', 3)],
    outcome: 'rejected',
    match: /already running/,
  },
  { name: 'the connection closes', events: [canceled, passes(100), closes(1006)], outcome: 'closed' },
]);

holdsFor('endsWithin, documented', cancelAndGoOn, [
  { name: 'completed', events: [cancelled, passes(10), completed(-15), ...nextRuns], outcome: 'ok' },
  { name: 'completed with another exit code', events: [cancelled, completed(143), ...nextRuns], outcome: 'ok' },
  {
    name: 'completed at the last moment',
    events: [cancelled, passes(4999), isSettled(false), completed(-9), ...nextRuns],
    outcome: 'ok',
  },
  {
    name: 'it had completed before the answer',
    events: [completed(-15), cancelled, ...nextRuns],
    outcome: 'ok',
  },
  {
    name: 'process.error, then completed',
    events: [
      cancelled,
      '{"method":"process.error","params":{"error":"canceled"}}',
      startedAs(3, 9000),
      completed(-15),
      output('hi'),
      completed(0, 9000),
      pong,
    ],
    outcome: 'ok',
  },
  {
    name: 'never completed',
    events: [cancelled, passes(4999), isSettled(false), passes(1)],
    outcome: 'timeout',
    match: /expected process.completed within 5000 ms of CANCEL/,
  },
  {
    name: 'completed twice',
    events: [cancelled, completed(-15), completed(-15), startedAs(3, 9000)],
    outcome: 'protocol-violation',
    match: /expected pid 9000, received 8843/,
  },
  {
    name: 'output goes on after the grace',
    events: [cancelled, passes(600), ...lines(1), isSettled(true)],
    outcome: 'output-mismatch',
    match: /received line 1/,
  },
  {
    name: 'output after its end',
    events: [cancelled, completed(-15), startedAs(3, 9000), ...lines(1), output('hi'), completed(0, 9000)],
    outcome: 'output-mismatch',
    match: /received "n 1"/,
  },
  {
    name: 'completed in the middle of a line',
    events: [part('n '), cancelled, completed(-15)],
    outcome: 'protocol-violation',
    match: /in the middle of a line/,
  },
]);

test('a grace that is longer than the time for the end is cut to it', () => {
  const session = play(
    during(function* (run, session) {
      yield* session.control('CANCEL');
      yield* run.endsWithin(100);
    }),
    [connected, started(1), canceled, passes(101), pong],
  );
  assert.equal(session.result?.outcome.kind, 'ok');
});

test('a canceled command is ok once it has ended, with its times; one cut off has the outcome of its session', () => {
  const script = during(cancelAndGoOn);
  const ended = play(script, [connected, started(1), ...lines(1), passes(100), cancelled, completed(-15), ...nextRuns]);
  assert.deepEqual(
    ended.result?.commands.map(({ outcome, durationMs, lines: count }) => [outcome.kind, durationMs, count]),
    [
      ['ok', 100, 1],
      ['ok', 0, 1],
    ],
  );
  const cut = play(script, [connected, started(1), cancelled, closes(1006)]);
  assert.deepEqual(
    cut.result?.commands.map(({ outcome }) => outcome.kind),
    ['closed'],
  );
});

const cancelsThree = function* (session: Session): Script {
  for (let count = 0; count < 3; count++) {
    const run = yield* session.execute(counting);
    yield* session.control('CANCEL');
    yield* run.endsWithin(600);
  }
};

test('output of a canceled command is a mismatch, though no other command follows', () => {
  const script = during(function* (run, session) {
    yield* session.control('CANCEL');
    yield* run.endsWithin(600);
    yield* session.sleep(1000);
  });
  const { result: ended } = play(script, [connected, started(1), canceled, passes(700), ...lines(1)]);
  assert.match(describeOutcome(ended?.outcome as Outcome), /output-mismatch: expected no output after CANCEL/);
});

test('a process that has the id of one that was canceled completes for itself', () => {
  const script = during(cancelAndGoOn);
  const events = [connected, started(1), canceled, passes(5000), startedAs(3, 8843), output('hi')];
  assert.equal(play(script, [...events, completed(), pong]).result?.outcome.kind, 'ok');
  assert.equal(play(script, [...events, completed(1)]).result?.outcome.kind, 'failed-exit');
});

test('canceled commands linger side by side, each told apart by its process', () => {
  const session = play(cancelsThree, [
    connected,
    ...[1, 3, 5].flatMap((id) => [startedAs(id, 7000 + id), answers(id + 1, 'CANCEL'), passes(600)]),
    completed(-15, 7005),
    completed(-15, 7001),
    completed(-15, 7003),
    pong,
  ]);
  assert.equal(session.result?.outcome.kind, 'ok', JSON.stringify(session.result?.outcome));
});

test('where a service reports no process ids, the late end of a canceled process is tolerated once', () => {
  const script = during(function* (run, session) {
    yield* session.control('CANCEL');
    yield* run.endsWithin(600);
  });
  const late = notification('process.completed');
  const events = [connected, result(1, { status: 'started' }), canceled, passes(600)];
  assert.equal(play(script, [...events, late, pong]).result?.outcome.kind, 'ok');
  assert.equal(play(script, [...events, late, late]).result?.outcome.kind, 'protocol-violation');
  // Or it reports them in the one message and not in the other.
  assert.equal(play(script, [...events, completed(-15), pong]).result?.outcome.kind, 'ok');
  assert.equal(play(script, [...events, completed(-15), completed(-15)]).result?.outcome.kind, 'protocol-violation');
});

test('a command whose canceled predecessor was not seen to its end stands for itself', () => {
  const script = during(function* (_, session) {
    yield* session.control('CANCEL');
    const next = yield* session.execute(echo);
    yield* next.completes();
  });
  for (const end of [[], [completed(-15)]]) {
    const session = play(script, [connected, started(1), ...lines(1), cancelled, ...end, ...nextRuns]);
    assert.equal(session.result?.outcome.kind, 'ok', JSON.stringify(session.result?.outcome));
  }
});

test('endsWithin sees the end of a process behind which others were tried', () => {
  const tried: Attempt[] = [];
  const script = during(function* (run, session) {
    yield* session.control('CANCEL');
    tried.push(yield* session.attempt(echo));
    yield* run.endsWithin(5000);
    tried.push(yield* session.attempt(echo));
  });
  const session = play(script, [
    connected,
    started(1),
    cancelled,
    error(-32602, 'A process is already running', 3),
    passes(1000),
    completed(-15),
    startedAs(4, 9000),
    pong,
  ]);
  assert.equal(session.result?.outcome.kind, 'ok', JSON.stringify(session.result?.outcome));
  assert.equal(tried[0]?.rejection?.reason, 'already running');
  assert.equal(tried[1]?.execution?.pid, 9000);
});

/** Runs `second` while the first runs, then the first to its end. */
const secondBesideFirst = (attempts: Attempt[], second = echo) =>
  during(function* (run, session) {
    yield* run.reaches(1);
    attempts.push(yield* session.attempt(second));
    yield* run.completes();
  }, short);

test('attempt: a refusal is a value, and leaves the first and its lines unharmed', () => {
  const attempts: Attempt[] = [];
  const session = play(secondBesideFirst(attempts), [
    connected,
    started(1),
    ...lines(1, 2),
    error(-32602, 'A process is already running', 2),
    ...lines(3),
    completed(),
    pong,
  ]);
  assert.equal(session.result?.outcome.kind, 'ok', JSON.stringify(session.result?.outcome));
  assert.deepEqual(attempts[0]?.rejection, {
    kind: 'rejected',
    code: -32602,
    message: 'A process is already running',
    reason: 'already running',
  });
  assert.deepEqual(
    session.result?.commands.map(({ outcome, lines: count }) => [outcome.kind, count]),
    [
      ['ok', 3],
      ['rejected', 0],
    ],
  );
});

test('attempt: the first is held to its proof, though a second was refused', () => {
  const events = [connected, started(1), ...lines(1), error(-32602, 'A process is already running', 2)];
  for (const [end, match] of [
    [[...lines(3), completed()], /a gap/],
    [[...lines(2), completed(-9)], /received -9/],
    [[passes(3000)], /no message/],
  ] as const) {
    const { result: ended } = play(secondBesideFirst([]), [...events, ...end]);
    assert.match(describeOutcome(ended?.outcome as Outcome), match);
  }
});

test('attempt: the refusal of the only command is a value too, and the next one stands for itself', () => {
  const attempts: Attempt[] = [];
  const session = play(
    function* (open: Session): Script {
      attempts.push(yield* open.attempt(echo));
      const next = yield* open.execute(echo);
      yield* next.completes();
    },
    [connected, error(-32001, 'Command not allowed', 1), startedAs(2, 9000), output('hi'), completed(0, 9000), pong],
  );
  assert.equal(session.result?.outcome.kind, 'ok', JSON.stringify(session.result?.outcome));
  assert.equal(attempts[0]?.rejection?.reason, 'not allowed');
});

test('attempt: output behind a refusal belongs to nobody', () => {
  const session = play(
    function* (open: Session): Script {
      yield* open.attempt(echo);
      yield* open.sleep(1000);
    },
    [connected, error(-32001, 'Command not allowed', 1), output('hi')],
  );
  assert.equal(session.result?.outcome.kind, 'protocol-violation');
});

test('attempt: no answer is a timeout, a lost connection is closed', () => {
  const events = [connected, started(1), ...lines(1)];
  const late = play(secondBesideFirst([]), [...events, passes(1000)]).result?.outcome as Outcome;
  assert.match(describeOutcome(late), /timeout \(acknowledgement\)/);
  assert.equal(play(secondBesideFirst([]), [...events, closes(1006)]).result?.outcome.kind, 'closed');
});

const bothEnds: { name: string; events: Event[]; outcome: Outcome['kind'] }[] = [
  {
    name: 'the second ends first',
    events: [startedAs(2, 9000), completed(0, 9000), ...lines(2, 3), completed()],
    outcome: 'ok',
  },
  {
    name: 'the second ends before it is answered',
    events: [completed(0, 9000), startedAs(2, 9000), ...lines(2, 3), completed()],
    outcome: 'ok',
  },
  {
    name: 'the first ends first',
    events: [startedAs(2, 9000), ...lines(2, 3), completed(), completed(0, 9000)],
    outcome: 'ok',
  },
  {
    name: 'output of the second is told from none of the first',
    events: [startedAs(2, 9000), output('hi'), ...lines(2, 3), completed()],
    outcome: 'output-mismatch',
  },
  {
    name: 'the second completes as a third process',
    events: [completed(0, 9001), startedAs(2, 9000)],
    outcome: 'protocol-violation',
  },
  {
    name: 'the end of a third process',
    events: [startedAs(2, 9000), completed(0, 9001)],
    outcome: 'protocol-violation',
  },
  {
    name: 'the second ends twice',
    events: [startedAs(2, 9000), completed(0, 9000), completed(0, 9000)],
    outcome: 'protocol-violation',
  },
];

for (const { name, events, outcome } of bothEnds) {
  test(`attempt: a second is accepted beside the first; ${name} → ${outcome}`, () => {
    const attempts: Attempt[] = [];
    const session = play(secondBesideFirst(attempts), [connected, started(1), ...lines(1), ...events, pong]);
    assert.equal(session.result?.outcome.kind, outcome, JSON.stringify(session.result?.outcome));
    if (outcome === 'ok') assert.equal(attempts[0]?.execution?.pid, 9000);
  });
}

test('attempt: where the first ends before the second is answered, output is the second’s', () => {
  const session = play(
    during(function* (run, open) {
      yield* run.reaches(3);
      const { execution } = yield* open.attempt(echo);
      yield* run.completes();
      if (execution) yield* execution.completes();
    }, short),
    [connected, started(1), ...lines(1, 3), completed(), output('hi'), startedAs(2, 9000), completed(0, 9000), pong],
  );
  assert.equal(session.result?.outcome.kind, 'ok', JSON.stringify(session.result?.outcome));
  assert.deepEqual(
    session.result.commands.map(({ outcome, lines: count }) => [outcome.kind, count]),
    [
      ['ok', 3],
      ['ok', 1],
    ],
  );
});

/** How a command ended, and its session. */
const ended = (events: readonly Event[], command = counting): [CommandEnd | undefined, SessionResult | undefined] => {
  let end: CommandEnd | undefined;
  const script = during(function* (run) {
    end = yield* run.ends();
  }, command);
  const { result: settled } = play(script, [connected, started(1), ...events, pong]);
  return [end, settled];
};

test('ends: tells how a command ended that is held to nothing, and what came first', () => {
  assert.deepEqual(ended([output('not that'), output('warning', 'stderr'), completed(127)])[0], {
    exitCode: 127,
    beginning: ['not that', 'warning'],
  });
  assert.deepEqual(ended(['{"method":"process.error","params":{"error":"boom"}}'])[0], {
    exitCode: null,
    beginning: [],
    error: 'boom',
  });
  assert.deepEqual(ended([part('n '), part('1\n', 1), completed()])[0]?.beginning, ['n 1']);
  const many = ended([output('a\nb'), output('x'.repeat(300)), ...lines(1, 20), completed()])[0];
  assert.deepEqual(many?.beginning, ['a', 'b', 'x'.repeat(200), ...[1, 2, 3, 4, 5, 6, 7].map((n) => `n ${n}`)]);
  assert.equal(ended([...lines(1), passes(3000)])[1]?.outcome.kind, 'timeout');
  assert.equal(ended([...lines(1), closes(1006)])[1]?.outcome.kind, 'closed');
});

test('outcomeOf: what would end the session is a value, a bug is not', () => {
  const seen: Outcome[] = [];
  const script = during(function* (run) {
    seen.push(yield* outcomeOf(run.completes()));
  }, echo);
  assert.equal(play(script, [connected, started(1), output('hi'), completed(), pong]).result?.outcome.kind, 'ok');
  const failed = play(script, [connected, started(1), output('ho'), completed(), pong]).result;
  assert.equal(failed?.outcome.kind, 'ok');
  assert.equal(failed.commands[0]?.outcome.kind, 'output-mismatch');
  assert.deepEqual(
    seen.map(({ kind }) => kind),
    ['ok', 'output-mismatch'],
  );
  // What ends the session from outside still does.
  assert.equal(play(script, [connected, started(1), closes(1006)]).result?.outcome.kind, 'closed');
  const bug = play(
    during(function* () {
      yield* outcomeOf(throws());
    }),
    [connected, started(1)],
  );
  assert.equal(bug.result?.outcome.kind, 'script-error');
  assert.equal(seen.length, 2);
});

const controls = (type: ControlType) => during((_, session) => session.control(type) as Script);

/** How a control ends that is not acknowledged. */
const controlEnd = (type: ControlType, event: Event): string => {
  const session = play(controls(type), [connected, started(1), event]);
  assert.deepEqual(session.result?.controls, [], 'what was not acknowledged has no latency');
  return describeOutcome(session.result.outcome);
};

for (const type of ['PAUSE', 'RESUME', 'CANCEL'] as const) {
  test(`control ${type}: its latency is recorded, from request to response`, () => {
    const session = play(controls(type), [
      connected,
      passes(50),
      started(1),
      ...lines(1),
      passes(30),
      notification(`process.${statuses[type]}`),
      answers(2, type),
      pong,
    ]);
    assert.equal(session.result?.outcome.kind, 'ok');
    assert.deepEqual(session.result.controls, [{ type, durationMs: 30 }]);
    assert.equal(session.result.dialect, type === 'CANCEL' ? 'deployed' : undefined);
  });

  test(`control ${type}: a wrong status is a violation`, () => {
    const wrong = [{ status: 'done' }, {}, { status: null }, { status: statuses[type].toUpperCase() }].map((body) =>
      result(2, body),
    );
    const others = (Object.keys(statuses) as ControlType[]).filter((other) => other !== type);
    for (const answer of [...wrong, '{"id":2,"result":null}', ...others.map((other) => answers(2, other))]) {
      const outcome = play(controls(type), [connected, started(1), answer]).result?.outcome as Outcome;
      assert.match(
        describeOutcome(outcome),
        new RegExp(`violation: control ${type}: expected status ${statuses[type]}`),
      );
    }
  });

  test(`control ${type}: an error is a rejection, silence a timeout, a lost connection closed`, () => {
    assert.match(controlEnd(type, error(-32002, 'No process is running', 2)), /rejected \(no process\): -32002/);
    assert.match(controlEnd(type, error(-32003, 'No process', 2)), /rejected \(no process\): -32003/);
    assert.match(controlEnd(type, error(-32603, 'boom', 2)), /rejected \(other\)/);
    assert.match(controlEnd(type, passes(1000)), /timeout \(acknowledgement\)/);
    assert.match(controlEnd(type, closes(1006)), /closed \(1006\)/);
  });
}

test('control CANCEL: the status tells the dialect', () => {
  assert.equal(play(controls('CANCEL'), [connected, started(1), cancelled, pong]).result?.dialect, 'documented');
  assert.equal(play(controls('CANCEL'), [connected, started(1), canceled, pong]).result?.dialect, 'deployed');
});

/** Probes with a message and keeps what comes; the barrier is the session's first request, with id 1. */
const probing = (message: string | ArrayBuffer, wanted: number, seen: (readonly Incoming[])[]) =>
  function* (session: Session): Script {
    seen.push(yield* session.probe(message, wanted));
  };
const barrier = error(-32601, 'Unknown method', 1);

test('probe: what comes besides the barrier’s answer is handed over, whatever it is', () => {
  const oddities = [
    error(-32700, 'Parse error', null),
    error(-32603, 'without id'),
    '{"jsonrpc":"2.0","result":{},"id":"case"}',
    '{"jsonrpc":"2.0","result":{},"id":77}',
    'no JSON',
    '[{"jsonrpc":"2.0"}]',
    '{"jsonrpc":"2.0","method":"ask","id":1}',
    '{"jsonrpc":"2.0","method":"hook.warning"}',
    output('nobody’s'),
    completed(),
  ];
  const seen: (readonly Incoming[])[] = [];
  const session = play(probing('{bad', 9, seen), [connected, ...oddities.slice(0, 5), barrier, ...oddities.slice(5)]);
  assert.deepEqual(session.sent[0], '{bad');
  assert.equal(seen.length, 0, '7 are answers, the rest notifications: two more are waited for');
  session.events.message('{"id":1.5,"error":{"code":1,"message":"m"}}');
  session.events.message(barrier);
  assert.deepEqual(
    seen[0]?.map(({ kind }) => kind),
    [
      'error',
      'error',
      'result',
      'result',
      'malformed',
      'malformed',
      'request',
      'notification',
      'notification',
      'notification',
      'error',
      'error',
    ],
    'a second answer to the barrier is one too many, and told',
  );
  session.events.pong();
  assert.equal(session.result?.outcome.kind, 'ok');
});

test('probe: heartbeats are answered and not handed over', () => {
  const seen: (readonly Incoming[])[] = [];
  const session = play(probing('{bad', 0, seen), [connected, notification('ping'), barrier, passes(200), pong]);
  assert.deepEqual(seen, [[]]);
  assert.match(session.sent.at(-1) ?? '', /"pong"/);
  assert.equal(session.result?.outcome.kind, 'ok');
});

/** How many messages each probe that has come to its end was handed. */
const probeCounts = (wanted: number, events: readonly Event[]): number[] => {
  const seen: (readonly Incoming[])[] = [];
  play(probing('{bad', wanted, seen), [connected, barrier, ...events]);
  return seen.map(({ length }) => length);
};

test('probe: an answer may come late, what must not come is waited for a while', () => {
  const answer = error(-32700, 'Parse error', null);
  assert.deepEqual(probeCounts(1, [passes(999)]), []);
  assert.deepEqual(probeCounts(1, [passes(999), answer]), [1]);
  assert.deepEqual(probeCounts(1, [passes(1000)]), [0]);
  assert.deepEqual(probeCounts(0, [answer, passes(199)]), []);
  assert.deepEqual(probeCounts(0, [answer, passes(200)]), [1]);
});

test('probe: all since the first is returned, and the session takes whatever comes after it', () => {
  const seen: (readonly Incoming[])[] = [];
  const session = play(
    function* (open: Session): Script {
      yield* open.probe('one', 1);
      seen.push(yield* open.probe('two', 2));
      yield* open.sleep(100);
    },
    [connected, 'answer', barrier, 'answer', error(-32601, 'Unknown method', 2), 'more', passes(100), 'more', pong],
  );
  assert.equal(seen.at(0)?.length, 2, 'what comes later is not in it');
  assert.equal(session.result?.outcome.kind, 'ok');
});

test('probe: no answer to the barrier is a timeout, a lost connection closed', () => {
  const seen: (readonly Incoming[])[] = [];
  const hang = play(probing('{bad', 1, seen), [connected, error(-32700, 'Parse error', null), passes(1000)]);
  assert.match(describeOutcome(hang.result?.outcome as Outcome), /timeout \(acknowledgement\)/);
  for (const event of [passes(1), error(-32700, 'Parse error', null), barrier]) {
    const lost = play(probing('{bad', 2, seen), [connected, event, closes(1006)]);
    assert.equal(lost.result?.outcome.kind, 'closed');
  }
  assert.deepEqual(seen, []);
});

test('probe: a binary message is sent as such, and shows in the trace by its size', () => {
  const session = play(probing(new Uint8Array([1, 2, 3]).buffer, 1, []), [connected], {
    trace: true,
  });
  assert.deepEqual(
    session.sentBinary.map((data) => [...new Uint8Array(data)]),
    [[1, 2, 3]],
  );
  session.events.closed(1006, '');
  assert.equal(session.result?.trace?.[1], '> 3 bytes');
});

test('holds: waits until a notify finds that it is so, and takes what comes meanwhile', () => {
  let open = false;
  const session = play(
    during(function* (run, { holds }) {
      yield* holds(() => open);
      yield* run.completes();
    }, short),
    [connected, started(1), ...lines(1, 3), passes(30_000), (each) => each.events.notify(), isSettled(false)],
  );
  open = true;
  session.events.notify();
  session.events.message(completed());
  session.events.pong();
  assert.equal(session.result?.outcome.kind, 'ok', JSON.stringify(session.result?.outcome));
});

test('holds: it holds already → no wait', () => {
  const session = play(
    function* ({ holds }: Session): Script {
      yield* holds(() => true);
    },
    [connected, pong],
  );
  assert.equal(session.result?.outcome.kind, 'ok');
});

test('a notify that nothing waits for, or before or after the session, changes nothing', () => {
  const session = startInMemory(executeAndComplete(echo));
  const events: Event[] = [connected, started(1), output('hi'), completed(), pong];
  for (const event of events) {
    session.events.notify();
    if (typeof event === 'string') session.events.message(event);
    else event(session);
  }
  session.events.notify();
  assert.equal(session.result?.outcome.kind, 'ok');
  assert.equal(session.settledTimes, 1);
});

test('stall: the time passes, and the session goes on', () => {
  const session = play(
    during(function* (run, open) {
      for (let due = 1; due <= 3; due++) {
        yield* run.reaches(due);
        open.stall(1000);
      }
      yield* run.completes();
    }, short),
    [connected, started(1), ...lines(1, 3), completed(), pong],
  );
  assert.equal(session.result?.outcome.kind, 'ok');
  assert.equal(session.result.durationMs, 3000);
});

/** Every wait that there is, each reached after `connected` and the answer to execute. */
const waits: Record<string, (run: Execution, session: Session) => Script> = {
  completes: (run) => run.completes(),
  ends: (run) => run.ends() as unknown as Script,
  reaches: (run) => run.reaches(5),
  continuesFor: (run) => run.continuesFor(1000),
  staysSilentFor: (run) => run.staysSilentFor(1000),
  endsWithin: (run) => run.endsWithin(1000),
  attempt: (_, session) => session.attempt(echo) as unknown as Script,
  execute: (_, session) => session.execute(echo) as unknown as Script,
  control: (_, session) => session.control('PAUSE') as Script,
  request: (_, session) => session.request('hook_status') as unknown as Script,
  probe: (_, session) => session.probe('{bad', 1) as unknown as Script,
  sleep: (_, session) => session.sleep(1000),
  holds: (_, session) => session.holds(() => false),
};

for (const [name, wait] of Object.entries(waits)) {
  test(`every wait ends: ${name}`, () => {
    for (const [ending, kinds] of [
      [closes(1006), ['closed']],
      [(session: MemorySession) => session.events.binary(3), ['protocol-violation']],
      [passes(60_000), ['timeout', 'ok']],
    ] as const) {
      let cleaned = false;
      const script = during(function* (run, open) {
        try {
          yield* wait(run, open);
        } finally {
          cleaned = true;
        }
      });
      const session = play(script, [connected, started(1), isSettled(false), ending]);
      // A wait that time ends is followed by the drain.
      session.events.pong();
      assert.equal(session.settledTimes, 1);
      assert.equal(cleaned, true);
      assert.ok(
        kinds.some((kind) => kind === session.result?.outcome.kind),
        JSON.stringify(session.result),
      );
    }
    const broken = play(
      during(function* (run, open) {
        yield* wait(run, open);
        throws();
      }),
      [connected, started(1), ...lines(1, 5), answers(2, 'PAUSE'), passes(60_000)],
    );
    assert.equal(broken.settledTimes, 1);
    assert.notEqual(broken.result?.outcome.kind, 'ok');
  });
}

test('a condition that throws settles its session and hands the bug on', () => {
  let cleaned = false;
  const session = play(
    function* ({ holds }: Session): Script {
      try {
        yield* holds(throws);
      } finally {
        cleaned = true;
      }
    },
    [connected],
  );
  assert.equal(session.result?.outcome.kind, 'script-error');
  assert.match(String(session.result.bug), /oops/);
  assert.equal(cleaned, true);
});

test('a script in whose own step the connection is lost runs its finally blocks', () => {
  let cleaned = false;
  const memory = startInMemory(function* (session: Session): Script {
    try {
      memory.events.closed(1006, 'while it sends');
      yield* session.sleep(10);
    } finally {
      cleaned = true;
    }
  });
  memory.events.message(connected);
  assert.equal(memory.result?.outcome.kind, 'closed');
  assert.equal(cleaned, true);
});

const thousand: Command = { ...counting, proof: { numbered: { line: 'n {i}', from: 1, to: 1000 } } };

test('no line goes by unseen while it is watched, and nearly all do once completion is waited for', () => {
  const seen: number[] = [];
  const script = (watched: number) =>
    during(function* (run) {
      for (let due = 100; due <= watched; due += 100) {
        yield* run.reaches(due);
        seen.push(run.lines);
      }
      yield* run.completes();
    }, thousand);
  const events = [connected, started(1), ...lines(1, 1000), completed(), pong];
  const [unwatched, ofUnwatched] = countingParsed(() => play(script(0), events));
  // What is learnt is tried by a parser too.
  assert.ok(ofUnwatched < 30, `${ofUnwatched} messages were parsed`);
  const [half, ofHalf] = countingParsed(() => play(script(500), events));
  assert.deepEqual(seen, [100, 200, 300, 400, 500], 'each step is resumed at the very line');
  assert.ok(ofHalf >= 500 && ofHalf < 530, `${ofHalf} messages were parsed`);
  for (const session of [unwatched, half]) {
    assert.equal(session.result?.outcome.kind, 'ok');
    assert.equal(session.result.commands[0]?.lines, 1000);
  }
  assert.equal(half.result?.commands[0]?.bytes, unwatched.result?.commands[0]?.bytes);
});

test('a line lost or repeated anywhere is found, before, while and after it is watched', () => {
  const script = during(
    function* (run, session) {
      yield* session.sleep(10);
      yield* run.continuesFor(100);
      yield* run.completes();
    },
    { ...counting, proof: { numbered: { line: 'n {i}', from: 1, to: 60 } } },
  );
  const run = (sent: readonly Event[]): Outcome => {
    const events = [...sent.slice(0, 20), passes(10), ...sent.slice(20, 40), passes(100), ...sent.slice(40)];
    return play(script, [connected, started(1), ...events, completed(), pong]).result?.outcome as Outcome;
  };
  const sent = lines(1, 60);
  assert.deepEqual(run(sent), { kind: 'ok' });
  for (let at = 0; at < sent.length; at++) {
    assert.match(describeOutcome(run(sent.toSpliced(at, 1))), /output-mismatch: (line|expected 60)/, `lost ${at}`);
    assert.match(
      describeOutcome(run(sent.toSpliced(at, 0, ...sent.slice(at, at + 1)))),
      /output-mismatch/,
      `repeated ${at}`,
    );
  }
});

test('what was learned of one command’s lines is not applied to the next one’s', () => {
  const other: Command = { ...counting, proof: { numbered: { line: 'm {i}', from: 1, to: 5 } } };
  const script = during(function* (run, session) {
    yield* run.reaches(3);
    yield* session.control('CANCEL');
    yield* run.endsWithin(600);
    const next = yield* session.execute(other);
    yield* next.completes();
  });
  const events = [connected, started(1), ...lines(1, 3), canceled, passes(600), startedAs(3, 9000)];
  // Two lines in a message teach nothing, so that a template of before would be used on.
  const two = output('m 1\nm 2');
  const good = ['m 3', 'm 4', 'm 5'].map((line) => output(line));
  assert.equal(play(script, [...events, two, ...good, completed(0, 9000), pong]).result?.outcome.kind, 'ok');
  const wrong = play(script, [...events, two, ...lines(3), ...good.slice(1), completed(0, 9000)]);
  assert.match(describeOutcome(wrong.result?.outcome as Outcome), /expected "m 3", received "n 3"/);
});

const lineText = fc
  .oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 6 }), fc.constantFrom('é', '漢', '😀'))
  .filter((text) => !/[\n{}]/.test(text));

/** The result of numbered lines, and how many of them the fast path took at least. */
const playLines = (line: string, messages: readonly string[], isWatched: boolean): [SessionResult, number] => {
  const to = messages.length - 1;
  const command: Command = { ...counting, proof: { numbered: { line, from: 0, to } } };
  const script = during(function* (execution) {
    if (isWatched) yield* execution.reaches(to + 1);
    yield* execution.completes();
  }, command);
  const [session, parsed] = countingParsed(() => play(script, [connected, started(1), ...messages, completed(), pong]));
  return [session.result as SessionResult, messages.length - parsed];
};

test('property: bytes are those of the lines in UTF-8, by the fast path as by the slow one', () => {
  let taken = 0;
  fc.assert(
    fc.property(
      lineText,
      lineText,
      fc.integer({ min: 2, max: 120 }),
      fc.constantFrom('\n', ''),
      fc.boolean(),
      (head, tail, count, ending, escaped) => {
        const texts = Array.from({ length: count }, (_, number) => `${head}${number}${tail}${ending}`);
        const messages = texts.map((data) => {
          const text = JSON.stringify({ method: 'process.output', params: { type: 'stdout', data } });
          // A \u escape in the message makes it longer than its line.
          return escaped
            ? text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
            : text;
        });
        const [fast, byFastPath] = playLines(`${head}{i}${tail}`, messages, false);
        const [slow] = playLines(`${head}{i}${tail}`, messages, true);
        taken += Math.max(0, byFastPath);
        const expected = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
        assert.equal(fast.outcome.kind, 'ok', JSON.stringify(fast.outcome));
        assert.equal(fast.commands[0]?.bytes, expected);
        assert.equal(slow.commands[0]?.bytes, expected);
        assert.equal(slow.commands[0]?.lines, count);
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(taken > 10_000, `the fast path took only ${taken} messages: the property would show nothing`);
});

const outputMs = (events: readonly Event[]): number | undefined =>
  play(executeAndComplete(short), [connected, started(1), ...events]).result?.commands[0]?.outputMs;

test('outputMs is from the first message of output to completion, where both came', () => {
  assert.equal(outputMs([passes(40), ...lines(1), passes(200), ...lines(2, 3), passes(100), completed(), pong]), 300);
  assert.equal(outputMs([completed()]), undefined);
  assert.equal(outputMs([...lines(1), passes(100), closes(1006)]), undefined);
});

test('a script gets all of the answer to a control, of a service whose messages are recognised too', () => {
  const shapes = createShapes();
  for (let pgid = 1; pgid <= 6; pgid++) {
    let answer: unknown;
    const session = startInMemory(
      function* (open) {
        yield* open.execute(short);
        answer = yield* open.control('PAUSE');
      },
      { shapes },
    );
    for (const text of [connected, started(1), `{"result":{"status":"paused","pgid":${pgid}},"id":2}`])
      session.events.message(text);
    session.events.pong();
    assert.deepEqual(answer, { status: 'paused', pgid });
  }
});

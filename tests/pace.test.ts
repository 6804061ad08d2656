import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCase, type Case } from '../lib/cases/case.ts';
import { evaluateBack, evaluateCloses } from '../lib/cases/down.ts';
import { evaluateEnds, evaluateRefusals } from '../lib/cases/limit.ts';
import { echo } from '../lib/commands/echo.ts';
import { Pace } from '../lib/cases/pace.ts';
import type { Outcome, Phase } from '../lib/session/outcome.ts';
import type { Script, Session, SessionResult } from '../lib/session/session.ts';
import { service, startInMemory } from './memory-socket.ts';

const ended = (outcome: Outcome, more: Partial<SessionResult> = {}): SessionResult => ({
  outcome,
  durationMs: 1000,
  commands: [],
  controls: [],
  messagesReceived: 1,
  ...more,
});
const timeout = (phase: Phase, waitedMs?: number, more: Partial<SessionResult> = {}): SessionResult =>
  ended({ kind: 'timeout', phase, detail: 'nothing came' }, { ...(waitedMs !== undefined && { waitedMs }), ...more });

/** A service whose greeting, responses and first output were seen to take so long. */
const seen = (connectedMs?: number, respondedMs?: number, firstOutputMs?: number): Pace => {
  const pace = new Pace();
  const command = { name: 'a', class: 'a', outcome: { kind: 'ok' }, durationMs: 1, lines: 1, bytes: 1 } as const;
  const commands = firstOutputMs === undefined ? [] : [{ ...command, firstOutputMs }];
  pace.learn({
    ...(connectedMs !== undefined && { connectedMs }),
    ...(respondedMs !== undefined && { respondedMs }),
    commands,
  });
  return pace;
};
const quick = seen(3, 3, 3);
const unknown = new Pace();

const judgements: [what: string, Pace, SessionResult, kind: 'breaking' | undefined, RegExp][] = [
  ['no response of a quick service', quick, timeout('acknowledgement', 5000), 'breaking', /^timeout \(ack/],
  [
    'no response of one of which none was seen',
    unknown,
    timeout('acknowledgement', 5000),
    undefined,
    /slow or hangs: timeout/,
  ],
  ['no response, after greetings alone', seen(3), timeout('acknowledgement', 5000), undefined, /slow or hangs/],
  [
    'no response of a slow service',
    seen(3, 2000),
    timeout('acknowledgement', 5000),
    undefined,
    /is slow \(2000 ms for an/,
  ],
  ['no output of a quick service', quick, timeout('message', 2150), 'breaking', /^timeout \(message/],
  ['no output, after responses alone', seen(3, 3), timeout('message', 30_000), undefined, /slow or hangs/],
  ['no output of a slow service', seen(3, 3, 20_000), timeout('message', 30_000), undefined, /20000 ms/],
  ['no greeting of a quick service', quick, timeout('connected', 5000), 'breaking', /connected/],
  ['no greeting of a slow service', seen(4000), timeout('connected', 5000), undefined, /4000 ms/],
  ['a session that lasts too long', quick, timeout('session'), undefined, /could not tell/],
  ['a connection that was lost', unknown, ended({ kind: 'closed', code: 1006, detail: 'gone' }), 'breaking', /^closed/],
  ['a wrong line', seen(9e3, 9e3, 9e3), ended({ kind: 'output-mismatch', detail: 'a gap' }), 'breaking', /gap/],
];
for (const [what, pace, result, kind, received] of judgements) {
  test(`${what}: ${kind ?? 'could not tell'}`, () => {
    const [is, says] = pace.evaluateFailure(result);
    assert.equal(is, kind);
    assert.match(says, received);
  });
}

const asked: Case = {
  name: 'some-case',
  section: 'RFC 6455 §1',
  expected: 'an answer',
  // oxlint-disable-next-line require-yield -- it has its answer at once
  *script() {
    return { kind: 'conforming', received: 'an answer' };
  },
};

test('a case of a slow service could not tell, and keeps what it found where only closing took too long', () => {
  const slow = seen(3, 2000);
  const evaluate = slow.evaluateFailure.bind(slow);
  assert.equal(runCase(asked).finding(timeout('acknowledgement', 5000), evaluate).kind, undefined);
  const run = runCase(asked);
  startInMemory(run.script).events.message(service.connected);
  const found = run.finding(timeout('drain', 5000), evaluate);
  assert.deepEqual(
    [found.kind, /closing: could not tell, the service is slow/.test(found.received)],
    ['conforming', true],
  );
  assert.equal(run.finding(timeout('drain', 5000), quick.evaluateFailure.bind(quick)).kind, 'deviating');
});

test('sessions inside the limit that are slow are not disturbed; one that was closed is', () => {
  const ok = ended({ kind: 'ok' });
  const slow = timeout('acknowledgement', 5000);
  assert.equal(evaluateEnds([ok, slow], true, seen(3, 2000))[0], undefined);
  assert.equal(evaluateEnds([ok, slow], true, quick)[0], 'breaking');
  const closed = ended({ kind: 'closed', code: 1008, detail: 'closed by the service' });
  assert.deepEqual(evaluateEnds([slow, closed], true, unknown)[0], 'breaking');
  assert.equal(evaluateEnds([ok], true, unknown)[0], 'conforming');
});

test('a session beyond the limit that was accepted is breaking, unless a slow one inside it had left its slot', () => {
  const accepted = ended({ kind: 'ok' }, { connectedMs: 3 });
  const acceptedAndSlow = timeout('acknowledgement', 5000, { connectedMs: 3 });
  for (const result of [accepted, acceptedAndSlow]) {
    assert.deepEqual(evaluateRefusals([result], undefined, unknown), ['breaking', 'accepted']);
    const [kind, received] = evaluateRefusals([result], timeout('message', 2000), unknown);
    assert.equal(kind, undefined);
    assert.match(received, /had left its slot: timeout \(message\)/);
  }
  assert.equal(evaluateRefusals([timeout('connected', 5000)], undefined, quick)[0], 'breaking');
  assert.equal(evaluateRefusals([timeout('connected', 5000)], undefined, seen(3000))[0], undefined);
});

test('a refusal that no close follows is deviating, unless the service is slow', () => {
  const refused = { kind: 'rejected', code: -32_003, message: 'full', reason: 'session limit' } as const;
  const unclosed = ended(refused, { waitedMs: 1000 });
  assert.deepEqual(evaluateRefusals([unclosed], undefined, quick)[0], 'deviating');
  for (const pace of [seen(3, 400), unknown]) {
    const [kind, received] = evaluateRefusals([unclosed], undefined, pace);
    assert.equal(kind, undefined);
    assert.match(received, /^could not tell, the service is slow: rejected .*, and no close within 1000 ms$/);
  }
  assert.equal(evaluateRefusals([ended(refused, { closeCode: 1006 })], undefined, unknown)[0], 'deviating');
  assert.equal(evaluateRefusals([ended(refused, { closeCode: 1008 })], undefined, unknown)[0], 'conforming');
});

test('a service that is slow before it is stopped, or once it is back, breaks nothing by that', () => {
  const slow = timeout('message', 5000);
  assert.equal(evaluateCloses([{ result: slow, isEarly: true }], seen(3, 3, 4000))[0], undefined);
  assert.equal(evaluateCloses([{ result: slow, isEarly: true }], quick)[0], 'breaking');
  assert.equal(evaluateBack(timeout('connected', 5000), 60_000, undefined, seen(4000))[0], undefined);
  assert.equal(evaluateBack(timeout('connected', 5000), 60_000, undefined, quick)[0], 'breaking');
});

const pauses = function* (session: Session): Script {
  const run = yield* session.execute(echo('a', 'simple'));
  session.stall(15_000);
  yield* run.completes();
};

test('a client that reads nothing for a while does not take its own pause for silence of the service', () => {
  const limits = { ackTimeoutMs: 60_000, messageTimeoutMs: 20_000, sessionTimeoutMs: 120_000 };
  const memory = startInMemory(pauses, { limits });
  memory.events.message(service.connected);
  memory.events.message(service.started(1));
  const kindsAfter = [19_000, 2000].map((ms) => {
    memory.pass(ms);
    return memory.result?.outcome.kind;
  });
  assert.deepEqual(kindsAfter, [undefined, 'timeout']);
});

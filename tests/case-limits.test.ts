import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCase, type Case, type Judgement } from '../lib/cases/case.ts';
import { conformanceCases } from '../lib/cases/conformance.ts';
import { controlCases } from '../lib/cases/control.ts';
import { longLineCase, slowReaderCase } from '../lib/cases/output.ts';
import { CasePatience } from '../lib/cases/patience.ts';
import { greets } from '../lib/cases/run-command.ts';
import { validationCases } from '../lib/cases/validation.ts';
import type { Outcome } from '../lib/session/outcome.ts';
import type { SessionLimits, SessionResult } from '../lib/session/session.ts';
import { service, startInMemory } from './memory-socket.ts';

const tables: Readonly<Record<string, readonly Case[]>> = {
  control: controlCases(),
  validation: validationCases('echo'),
  conformance: conformanceCases(),
  output: [
    longLineCase(false),
    slowReaderCase(
      false,
      () => 0,
      () => {},
    ),
  ],
};

const limitsOf = (ackTimeoutMs: number, messageTimeoutMs: number): SessionLimits => ({
  ackTimeoutMs,
  messageTimeoutMs,
  sessionTimeoutMs: 3_600_000,
});

interface Waited {
  ms: number;
  finding: Judgement;
  /** Whether a command was sent. */
  executed: boolean;
}

interface Request {
  id: number;
  method: string;
  params?: { type?: string };
}

type Answering = (request: Request) => string[];

/** A request of a session; what a case sends to see how it is refused is none. */
const requestIn = (text: string): Request | undefined => {
  try {
    const message = JSON.parse(text) as Request;
    return typeof message.id === 'number' ? message : undefined;
  } catch {
    return undefined;
  }
};

/** How long a case waits for a service that greets, and answers only as given; milliseconds on the test's own clock. */
const waits = (each: Case, limits: SessionLimits, answer: Answering = () => []): Waited => {
  const run = runCase(each);
  const memory = startInMemory(run.script, { limits });
  memory.events.message(service.connected);
  const stepMs = 100;
  let ms = 0;
  let seen = 0;
  let executed = false;
  while (memory.result === undefined && ms < limits.sessionTimeoutMs) {
    for (; seen < memory.sent.length; seen++) {
      const request = requestIn(memory.sent[seen] ?? '');
      executed ||= request?.method === 'execute';
      for (const message of request === undefined ? [] : answer(request)) memory.events.message(message);
    }
    memory.pass(stepMs);
    ms += stepMs;
  }
  assert.ok(memory.result, `${each.name} ends`);
  return { ms, finding: run.finding(memory.result), executed };
};

/** Commands are accepted and print nothing. */
const accepts: Answering = ({ id, method }) => (method === 'execute' ? [service.started(id)] : []);

for (const [table, cases] of Object.entries(tables)) {
  void test(`${table}: each case waits for an answer as long as --ack-timeout says`, () => {
    for (const each of cases) {
      const [short, long] = [waits(each, limitsOf(7000, 9000)), waits(each, limitsOf(70_000, 9000))];
      assert.ok(long.ms - short.ms >= 63_000, `${each.name}: ${short.ms} ms, then ${long.ms} ms`);
      assert.ok(long.ms < 2 * 70_000, `${each.name}: ${long.ms} ms`);
    }
  });

  if (table === 'conformance') continue;

  void test(`${table}: each case that runs a command waits for its output as long as --message-timeout says`, () => {
    for (const each of cases) {
      const [short, long] = [4000, 40_000].map((ms) => waits(each, limitsOf(70_000, ms), accepts)) as [Waited, Waited];
      if (!short.executed) continue;
      assert.ok(long.ms - short.ms >= 36_000, `${each.name}: ${short.ms} ms, then ${long.ms} ms`);
    }
  });
}

const ended = (outcome: Outcome, more: Partial<SessionResult> = {}): SessionResult => ({
  outcome,
  durationMs: 0,
  messagesReceived: 0,
  controls: [],
  commands: [],
  ...more,
});

const timeout: Outcome = { kind: 'timeout', phase: 'acknowledgement', detail: 'nothing' };

void test('cases wait as the settings say until a service has hung three times, then by what it was seen to take', () => {
  const patience = new CasePatience(limitsOf(60_000, 50_000));
  assert.deepEqual(patience.limits, limitsOf(60_000, 50_000));
  patience.learn(ended({ kind: 'ok' }, { connectedMs: 900 }));
  for (let hangs = 0; hangs < 3; hangs++) {
    assert.equal(patience.limits.ackTimeoutMs, 60_000);
    patience.learn(ended(timeout));
  }
  assert.deepEqual(patience.limits, limitsOf(9000, 50_000));
});

/** How long an answer is waited for after a service has hung, by the settings and by how long a connection took; milliseconds. */
const hung = (ackTimeoutMs: number, connectedMs: number): number => {
  const patience = new CasePatience(limitsOf(ackTimeoutMs, 9000));
  patience.learn(ended({ kind: 'ok' }, { connectedMs }));
  for (let hangs = 0; hangs < 3; hangs++) patience.learn(ended(timeout));
  return patience.limits.ackTimeoutMs;
};

void test('a service that is quick is given five seconds after it hung, one that is slow never more than the settings say', () => {
  assert.equal(hung(60_000, 10), 5000);
  assert.equal(hung(60_000, 20_000), 60_000);
  assert.equal(hung(2000, 10), 2000);
});

void test('a session that only tries whether there is a service waits 5 s, or less where the settings say so', () => {
  assert.equal(new CasePatience(limitsOf(60_000, 9000)).ofTries.ackTimeoutMs, 5000);
  assert.equal(new CasePatience(limitsOf(3000, 9000)).ofTries.ackTimeoutMs, 3000);
});

void test('greetings of a session pool, an outage and a memory watch wait as long as --ack-timeout says', () => {
  const each: Case = {
    name: 'greets',
    section: '',
    expected: '',
    *script(session) {
      yield* greets(session);
      return { kind: 'conforming', received: '' };
    },
  };
  assert.equal(waits(each, limitsOf(70_000, 9000)).ms - waits(each, limitsOf(7000, 9000)).ms, 63_000);
});

const statuses: Readonly<Record<string, string>> = { PAUSE: 'paused', RESUME: 'resumed', CANCEL: 'cancelled' };

void test('a control case of a service whose process is stuck takes 10 s at most, and 20 s where it waits for SIGKILL', () => {
  for (const each of controlCases()) {
    let isRunning = false;
    const stuck: Answering = ({ id, method, params }) => {
      if (method === 'control') {
        return [`{"jsonrpc":"2.0","result":{"status":"${statuses[params?.type ?? ''] ?? 'resumed'}"},"id":${id}}`];
      }
      if (isRunning) return [service.error(-32_602, 'A process is already running', id)];
      isRunning = true;
      return [service.started(id), ...[0, 1, 2].map((line) => service.output(`Count ${line}`))];
    };
    const { ms, finding } = waits(each, limitsOf(2000, 2000), stuck);
    const waitsForKill = finding.received.includes('every further execute for 12 s was refused');
    assert.ok(ms < (waitsForKill ? 20_000 : 10_000), `${each.name} took ${ms} ms: ${finding.received}`);
    if (/^cancel-(twice|while-paused)$/.test(each.name)) assert.ok(waitsForKill, finding.received);
  }
});

void test('output that comes slowly does not hide a PAUSE that is ignored', () => {
  for (const name of ['pause-twice', 'resume-twice', 'cancel-while-paused', 'execute-while-paused']) {
    const found = controlCases().find((each) => each.name === name) ?? assert.fail(name);
    const run = runCase(found);
    const memory = startInMemory(run.script, { limits: limitsOf(60_000, 60_000) });
    memory.events.message(service.connected);
    let seen = 0;
    let line = 0;
    for (let ms = 0; memory.result === undefined && ms < 600_000; ms += 100) {
      for (; seen < memory.sent.length; seen++) {
        const { id, method, params } = JSON.parse(memory.sent[seen] ?? '') as Request;
        const isFirst = seen === 0;
        if (method === 'execute' && isFirst) memory.events.message(service.started(id));
        else if (method === 'execute') memory.events.message(service.error(-32_602, 'already running', id));
        else
          memory.events.message(
            `{"jsonrpc":"2.0","result":{"status":"${params?.type === 'PAUSE' ? 'paused' : 'resumed'}"},"id":${id}}`,
          );
      }
      // A line every 900 ms, whatever was asked.
      if (ms % 900 === 0 && line < 12) memory.events.message(service.output(`Count ${line++}`));
      memory.pass(100);
    }
    const finding = run.finding(memory.result ?? assert.fail('it ends'));
    assert.equal(finding.kind, 'breaking', `${name}: ${finding.received}`);
    assert.match(finding.received, /expected no output for \d+ ms, received line/);
  }
});

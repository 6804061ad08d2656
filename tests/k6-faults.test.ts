import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import type { RunResult } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { runBundle } from './k6.ts';

/** A fault of the service → what the run must come to. Five sessions run, one of each command, unless said. */
interface Row {
  scenario: string;
  fault: string;
  settings?: Record<string, string>;
  code: number;
  verdict: RunResult['verdict'];
  outcomes: RunResult['outcomes'];
  /** Criteria that must not hold, by selector; all others must. */
  failing?: string[];
  /** What the output must tell. */
  told?: RegExp;
}

const five = { STRESS_ROUNDS: '5' };
const impatient = { STRESS_ROUNDS: '2', STRESS_ACK_TIMEOUT: '1s', STRESS_MESSAGE_TIMEOUT: '4s' };
const success = 'session_success{round:1}';
const simple = 'command_duration{round:1,class:simple}';
const simpleAlone = 'command_duration{class:simple}';

const rows: Row[] = [
  { scenario: 'concurrent', fault: 'none', settings: five, code: 0, verdict: 'PASS', outcomes: { ok: 5 } },
  { scenario: 'single', fault: 'none', settings: {}, code: 0, verdict: 'PASS', outcomes: { ok: 1 } },
  { scenario: 'concurrent', fault: 'notifications', settings: five, code: 0, verdict: 'PASS', outcomes: { ok: 5 } },
  { scenario: 'concurrent', fault: 'spaced-json', settings: five, code: 0, verdict: 'PASS', outcomes: { ok: 5 } },
  { scenario: 'concurrent', fault: 'heartbeat:50', settings: five, code: 0, verdict: 'PASS', outcomes: { ok: 5 } },
  {
    scenario: 'concurrent',
    fault: 'handshake-403',
    code: 108,
    verdict: 'NOT RUN',
    outcomes: {},
    told: /test aborted: The service at ws:.* refuses a connection: .* status 403 .*STRESS_TOKEN/,
  },
  {
    scenario: 'concurrent',
    fault: 'handshake-403@2-',
    settings: { STRESS_ROUNDS: '3' },
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'connect-failed': 3 },
    failing: [success, simple],
    told: /connect-failed: expected status 101 .* received 403/,
  },
  {
    scenario: 'concurrent',
    fault: 'silent',
    settings: impatient,
    code: 99,
    verdict: 'FAIL',
    outcomes: { timeout: 2 },
    failing: [success, 'timeouts', simple],
    told: /timeout \(acknowledgement\): nothing after 1000 ms/,
  },
  {
    scenario: 'concurrent',
    fault: 'no-connected',
    settings: impatient,
    code: 99,
    verdict: 'FAIL',
    outcomes: { timeout: 2 },
    failing: [success, 'timeouts', simple],
    told: /timeout \(connected\)/,
  },
  {
    scenario: 'concurrent',
    fault: 'limit',
    settings: { STRESS_ROUNDS: '3' },
    code: 99,
    verdict: 'FAIL',
    outcomes: { rejected: 3 },
    failing: [success, simple],
    told: /rejected \(session limit\): -32003/,
  },
  {
    scenario: 'concurrent',
    fault: 'close-1008',
    settings: { STRESS_ROUNDS: '3' },
    code: 99,
    verdict: 'FAIL',
    outcomes: { closed: 3 },
    failing: [success, simple],
    told: /closed \(1008\)/,
  },
  {
    scenario: 'concurrent',
    fault: 'close-mid-output',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { closed: 5 },
    failing: [success, simple],
    told: /closed \(1011\)/,
  },
  {
    scenario: 'concurrent',
    fault: 'reset-mid-output',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { closed: 5 },
    failing: [success, simple],
    told: /closed \(1006\): (connection reset|the connection)/,
  },
  {
    scenario: 'concurrent',
    fault: 'never-completes',
    settings: impatient,
    code: 99,
    verdict: 'FAIL',
    outcomes: { timeout: 2 },
    failing: [success, 'timeouts', simple],
    told: /timeout \(message\): no message for 4000 ms/,
  },
  {
    scenario: 'concurrent',
    fault: 'no-ack',
    settings: impatient,
    code: 99,
    verdict: 'FAIL',
    outcomes: { timeout: 2 },
    failing: [success, 'timeouts', simple],
    told: /timeout \(acknowledgement\)/,
  },
  {
    scenario: 'concurrent',
    fault: 'no-pong',
    settings: impatient,
    code: 99,
    verdict: 'FAIL',
    outcomes: { timeout: 2 },
    failing: [success, 'timeouts'],
    told: /timeout \(drain\)/,
  },
  {
    scenario: 'concurrent',
    fault: 'wrong-id',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'protocol-violation': 5 },
    failing: [success, simple, 'protocol_violations'],
    told: /no request had: 1001/,
  },
  {
    scenario: 'concurrent',
    fault: 'string-id',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'protocol-violation': 5 },
    failing: [success, simple, 'protocol_violations'],
    told: /no request had: "1"|no request had: \\"1\\"/,
  },
  {
    scenario: 'concurrent',
    fault: 'duplicate-response',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'protocol-violation': 5 },
    failing: [success, simple, 'protocol_violations'],
    told: /second response to request 1/,
  },
  {
    scenario: 'concurrent',
    fault: 'late-response',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'protocol-violation': 5 },
    failing: [success, 'protocol_violations'],
    told: /second response to request 1/,
  },
  {
    scenario: 'concurrent',
    fault: 'duplicate-completed',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'protocol-violation': 5 },
    failing: [success, 'protocol_violations'],
    told: /process\.completed without a running command/,
  },
  {
    scenario: 'concurrent',
    fault: 'output-after-completed',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'protocol-violation': 5 },
    failing: [success, 'protocol_violations'],
    told: /process\.output without a running command/,
  },
  {
    scenario: 'concurrent',
    fault: 'malformed-json',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'protocol-violation': 5 },
    failing: [success, simple, 'protocol_violations'],
    told: /expected a JSON object/,
  },
  {
    scenario: 'concurrent',
    fault: 'not-an-object',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'protocol-violation': 5 },
    failing: [success, simple, 'protocol_violations'],
    told: /\[1,2\]/,
  },
  {
    scenario: 'concurrent',
    fault: 'binary-message',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'protocol-violation': 5 },
    failing: [success, simple, 'protocol_violations'],
    told: /binary message of/,
  },
  {
    scenario: 'concurrent',
    fault: 'exit-3',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'failed-exit': 5 },
    failing: [success, simple],
    told: /failed-exit: expected exit code 0, received 3/,
  },
  {
    scenario: 'concurrent',
    fault: 'process-error',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'failed-exit': 5 },
    failing: [success, simple],
    told: /process\.error/,
  },
  // `ls` may lose a line unnoticed: its output can't be known beforehand.
  {
    scenario: 'concurrent',
    fault: 'lost-line',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { ok: 1, 'output-mismatch': 4 },
    failing: [success],
    told: /output-mismatch: .*is missing|a gap/,
  },
  {
    scenario: 'concurrent',
    fault: 'repeated-line',
    settings: { STRESS_ROUNDS: '3' },
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'output-mismatch': 3 },
    failing: [success, simple],
    told: /no more lines|repeated/,
  },
  {
    scenario: 'concurrent',
    fault: 'altered-line',
    settings: five,
    code: 99,
    verdict: 'FAIL',
    outcomes: { ok: 1, 'output-mismatch': 4 },
    failing: [success],
    told: /output-mismatch/,
  },
  {
    scenario: 'single',
    fault: 'exit-3',
    code: 99,
    verdict: 'FAIL',
    outcomes: { 'failed-exit': 1 },
    failing: ['session_success', simpleAlone],
  },
  {
    scenario: 'single',
    fault: 'slow:5200',
    code: 99,
    verdict: 'FAIL',
    outcomes: { ok: 1 },
    failing: [simpleAlone],
    told: /command_duration/,
  },
  {
    scenario: 'concurrent',
    fault: 'exit-3@17',
    settings: { STRESS_ROUNDS: '5,10,20', STRESS_PAUSE: '1ms' },
    code: 0,
    verdict: 'PASS',
    outcomes: { ok: 34, 'failed-exit': 1 },
  },
  {
    scenario: 'concurrent',
    fault: 'exit-3@17-19',
    settings: { STRESS_ROUNDS: '5,10,20', STRESS_PAUSE: '1ms' },
    code: 99,
    verdict: 'FAIL',
    outcomes: { ok: 32, 'failed-exit': 3 },
    failing: ['session_success{round:3}'],
  },
];

const check = async (row: Row, url: string): Promise<void> => {
  const { code, stdout, stderr, result } = await runBundle(row.scenario, url, row.settings);
  const output = `${stdout}\n${stderr}`;
  assert.ok(result, output);
  assert.deepEqual(result.outcomes, row.outcomes, output);
  assert.equal(result.verdict, row.verdict, output);
  assert.equal(code, row.code, output);
  if (row.verdict !== 'NOT RUN') {
    const failed = result.criteria.filter(({ status }) => status !== 'PASS').map(({ selector }) => selector);
    // A run of one round fails as a whole with it.
    const failing = (row.failing ?? []).flatMap((each) => (each === success ? [each, 'session_success'] : [each]));
    if (row.outcomes.closed !== undefined) failing.push('sessions{outcome:closed}');
    assert.deepEqual(failed.toSorted(), failing.toSorted(), output);
  }
  if (row.told) assert.match(output, row.told);
};

// Beside each other: most of a row is waiting.
describe('a fault of the service → exit code, verdict, outcomes and failing criteria', { concurrency: 8 }, () => {
  for (const row of rows) {
    test(`${row.scenario}, ${row.fault} → ${row.verdict}, exit ${row.code}`, async () => {
      const target = await startTarget({ port: 0, faults: row.fault === 'none' ? [] : [row.fault] });
      try {
        await check(row, target.url);
      } finally {
        await target.close();
      }
    });
  }

  test('nothing listens → NOT RUN, exit 108, one message with the address and what to do', async () => {
    const target = await startTarget({ port: 0 });
    const { url } = target;
    await target.close();
    const { code, stdout, stderr } = await runBundle('concurrent', url);
    assert.equal(code, 108);
    assert.match(stdout, /NOT RUN: nothing was judged/);
    const lines = stderr.split('\n').filter((line) => /level=(error|warn)/.test(line));
    assert.equal(lines.length, 1, stderr);
    assert.ok(lines[0]?.includes(url) && lines[0].includes('connection refused'));
    assert.match(lines[0] ?? '', /Start the service there/);
  });

  test('a peer that accepts and says nothing → NOT RUN after 10 s, exit 108', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    try {
      const { code, stderr } = await runBundle('concurrent', `ws://127.0.0.1:${port}/ws/mcp`);
      assert.equal(code, 108);
      assert.match(stderr, /test aborted: No service answers at ws:\/\/127\.0\.0\.1:\d+\/ws\/mcp: .*timeout/);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  test('a command set without a simple command → its criterion has NO DATA, and the run fails', async () => {
    const target = await startTarget({ port: 0 });
    try {
      const set = new URL('./fixtures/only-burst.json', import.meta.url).pathname;
      const { code, result } = await runBundle('concurrent', target.url, { STRESS_ROUNDS: '2', STRESS_COMMANDS: set });
      assert.equal(code, 99);
      assert.equal(result?.criteria.find(({ selector }) => selector === simple)?.status, 'NO DATA');
      assert.deepEqual(result?.outcomes, { ok: 2 });
    } finally {
      await target.close();
    }
  });
});

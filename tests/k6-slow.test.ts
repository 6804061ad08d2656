import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import type { RunResult } from '../lib/results/record-schema.ts';
import type { TargetOptions } from '../reference-target/options.ts';
import { checkCases, runCases, serviceFor } from './k6-cases.ts';
import type { K6Run } from './k6.ts';

/** Which bytes of a WebSocket connection come late: all, or all but the first message, a greeting or a refusal. */
type Late = 'everything' | 'answers';

/** A service whose WebSocket messages come late, by the way there; plain HTTP is as quick as it is. */
const slowly = async (
  t: TestContext,
  port: number,
  lateMs: number,
  late: Late,
  handshakeMs = (_number: number): number => 0,
): Promise<string> => {
  const sockets = new Set<Socket>();
  let handshakes = 0;
  const server = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1');
    let isWebSocket = false;
    let isGreeted = false;
    const waits = (data: Buffer): number => {
      if (!isWebSocket) return 0;
      if (late === 'everything' || isGreeted) return lateMs;
      isGreeted = /"connected"|"error"/.test(data.toString('latin1'));
      return 0;
    };
    socket.on('data', (data: Buffer) => {
      const isHandshake = !isWebSocket && /^upgrade: websocket/im.test(data.toString('latin1'));
      isWebSocket ||= isHandshake;
      const ms = isHandshake ? handshakeMs(++handshakes) : 0;
      if (ms === 0) upstream.write(data);
      else setTimeout(() => upstream.write(data), ms).unref();
    });
    upstream.on('data', (data: Buffer) => {
      const ms = waits(data);
      if (ms === 0) socket.write(data);
      else setTimeout(() => socket.write(data), ms).unref();
    });
    upstream.on('close', () => setTimeout(() => socket.end(), isWebSocket ? lateMs : 0).unref());
    socket.on('close', () => upstream.destroy());
    for (const end of [socket, upstream]) {
      sockets.add(end);
      end.on('error', () => {}).on('close', () => sockets.delete(end));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/mcp`;
};

/** What judges time, and is all that slowness may fail. */
const ofTime = /^(timeouts|session_success|session_duration|command_duration|control_duration|recovery_duration)\b/;

/** Holds a run of a slow service to blaming nothing but its slowness; returns its result and its findings by kind. */
const blamesSlownessAlone = (run: K6Run): { result: RunResult; findings: Record<string, string[]> } => {
  const output = `${run.stdout}\n${run.stderr}`;
  const findings: Record<string, string[]> = {};
  for (const line of run.stderr.split('\n').filter((each) => each.startsWith('{"type":"finding"'))) {
    const { test: scenario, case: name, finding } = JSON.parse(line) as Record<string, string>;
    (findings[finding ?? ''] ??= []).push(`${scenario} ${name}`);
  }
  const { breaking, bypass, deviating } = findings;
  assert.deepEqual(
    { breaking, bypass, deviating },
    { breaking: undefined, bypass: undefined, deviating: undefined },
    output,
  );
  assert.ok(run.result, output);
  for (const { selector, status } of run.result.criteria) {
    if (status === 'FAIL') assert.match(selector, ofTime, output);
  }
  return { result: run.result, findings };
};

interface SlowRow {
  scenario: string;
  /** What is slow. */
  slow: { faults: string[] } | { late: Late; ms: number };
  target?: Partial<TargetOptions>;
  settings?: Readonly<Record<string, string>>;
  /** Every case conforms, for what is slow is within the limits. */
  conforms?: true;
}

/** Answers come after the wait for them is over, though greetings are quick: nothing shows that they would not come. */
const tooLate = { late: 'answers', ms: 3000 } as const;
const short = { STRESS_ACK_TIMEOUT: '400ms', STRESS_LINES: '200', STRESS_MEMORY_DURATION: '500ms' };
/** Later than scripts wait of their own accord, and within what the settings allow. */
const late = { late: 'everything', ms: 700 } as const;
const long = { STRESS_ACK_TIMEOUT: '20s', STRESS_MESSAGE_TIMEOUT: '20s', STRESS_LINES: '200' };
const limited = { maxSessions: 4, allow: ['echo', 'sleep'] };

const rows: SlowRow[] = [
  ...['single', 'concurrent', 'process-control', 'high-output', 'conformance', 'memory'].map((scenario) => ({
    scenario,
    slow: tooLate,
    settings: short,
  })),
  { scenario: 'command-validation', slow: tooLate, target: limited, settings: short },
  { scenario: 'session-limit', slow: tooLate, target: limited, settings: short },
  { scenario: 'process-control', slow: late, settings: long, conforms: true },
  { scenario: 'high-output', slow: late, settings: long, conforms: true },
  { scenario: 'session-limit', slow: late, target: limited, settings: long, conforms: true },
  { scenario: 'process-control', slow: { faults: ['slow:600'] }, settings: long, conforms: true },
  { scenario: 'process-control', slow: { faults: ['slow-control:4000'] }, settings: long },
  { scenario: 'session-limit', slow: { faults: ['slow:3000'] }, target: limited, settings: long, conforms: true },
  {
    scenario: 'session-limit',
    slow: { faults: ['slow:6000'] },
    target: limited,
    settings: { STRESS_MESSAGE_TIMEOUT: '2s' },
  },
];

describe('a slow service is reported as slow, and nothing else', { concurrency: 4 }, () => {
  for (const { scenario, slow, target: options, settings = {}, conforms } of rows) {
    const what = 'faults' in slow ? slow.faults.join() : `${slow.late} ${slow.ms} ms late`;
    test(`${scenario}: ${what}`, async (t) => {
      // Apart, for memory is judged, and here the messages that come late are held.
      const dialect = scenario === 'process-control' ? 'documented' : 'deployed';
      const service = await serviceFor({ dialect, ...options, faults: 'faults' in slow ? slow.faults : [] }, true);
      t.after(service.close);
      const port = Number(new URL(service.url).port);
      const url = 'faults' in slow ? service.url : await slowly(t, port, slow.ms, slow.late);
      const { findings } = blamesSlownessAlone(await runCases(scenario, url, settings));
      if (conforms) assert.equal(findings['inconclusive'], undefined);
    });
  }

  test('session-limit: sessions whose commands are killed keep their slots while others try, however late these come', async (t) => {
    const service = await serviceFor({ maxSessions: 4, faults: ['limit-kills'] }, true);
    t.after(service.close);
    // As in tests/k6-cases.test.ts: handshakes 8 to 10 are beyond the limit.
    const url = await slowly(t, Number(new URL(service.url).port), 0, 'answers', (number) => (number > 8 ? 1500 : 0));
    checkCases(await runCases('session-limit', url), {
      code: 99,
      verdict: 'FAIL',
      failing: { 'findings{finding:breaking}': 'FAIL' },
      cases: { undisturbed: 'breaking' },
      told: /received -15/,
    });
  });
});

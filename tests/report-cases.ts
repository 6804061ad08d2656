import type { Outcome } from '../lib/session/outcome.ts';
import { findingLine, sessionLine } from './records.ts';
import { memoryLine, reportOf, runRecord, samplesRecord } from './report-parts.ts';
import type { Report } from '../cli/report/page.ts';

const began = Date.parse('2025-06-25T14:30:00.000Z');

/** Numbers that look like chance and are the same in each run. */
const likeChance = (seed: number): number => {
  const value = Math.sin(seed * 12.9898) * 43_758.5453;
  return value - Math.floor(value);
};

interface Load {
  test?: string;
  round?: number;
  sessions: number;
  overMs: number;
  durationMs: (at: number) => number;
  outcome?: (at: number) => Outcome;
  fromMs?: number;
  case?: string;
  trace?: string[];
}

const ok: Outcome = { kind: 'ok' };

/** Lines of sessions that start evenly over a time. */
const linesOf = ({
  test = 'concurrent',
  round = 1,
  sessions,
  overMs,
  durationMs,
  outcome,
  fromMs = 0,
  ...more
}: Load): string[] =>
  Array.from({ length: sessions }, (_, at) => {
    const tookMs = Math.round(durationMs(at) * (0.7 + 0.6 * likeChance(at)) * 100) / 100;
    const became = outcome?.(at) ?? ok;
    const [name, kind] = at % 3 === 0 ? ['hundred-lines', 'burst'] : ['echo', 'simple'];
    return sessionLine(became, {
      test,
      ...(more.case === undefined ? { round, session: at } : { case: more.case }),
      startedAt: new Date(began + fromMs + Math.round((at * overMs) / sessions)).toISOString(),
      durationMs: tookMs + 3,
      openedMs: 1,
      connectedMs: 2,
      commands: [
        {
          name,
          class: kind,
          outcome: became,
          durationMs: tookMs,
          ackMs: 1,
          firstOutputMs: tookMs / 2,
          outputMs: tookMs / 2,
          lines: at % 3 === 0 ? 100 : 1,
          bytes: 600,
        },
      ],
      ...(became.kind !== 'ok' && more.trace && { trace: more.trace }),
    });
  });

const lost: Outcome = { kind: 'output-mismatch', detail: 'expected 100 lines, received 99: "Line 2" is missing' };
const trace = [
  '> {"jsonrpc":"2.0","id":1,"method":"execute","params":{"command":"for i in $(seq 100); do echo Line $i; done"}}',
  '< {"jsonrpc":"2.0","id":1,"result":{"status":"started","pid":4711}}',
  '< {"jsonrpc":"2.0","method":"process.completed","params":{"exit_code":0}}',
];

const round = (label: string, successful: number, failed: number) => ({
  test: 'concurrent',
  label,
  successful,
  failed,
  avgMs: 120,
  minMs: 20,
  maxMs: 900,
  p95Ms: 400,
});

const criterion = { test: 'concurrent', selector: 'session_success', expression: 'rate>=0.9', observed: 0.66 };

const someLost = (at: number): Outcome => (at % 3 === 0 ? lost : ok);

/** A suite in which a third of the sessions lost lines, and cases had findings. */
const failingSuite = (): Report => {
  const lines = [
    ...[5, 10, 20, 40].flatMap((sessions, at) =>
      linesOf({
        round: at + 1,
        sessions,
        overMs: 1000,
        fromMs: at * 5000,
        durationMs: () => 200 * (at + 1),
        outcome: someLost,
        trace,
      }),
    ),
    ...Array.from({ length: 12 }, (_, at) =>
      findingLine(`a-case-with-a-long-name-${at}`, {
        test: 'process-control',
        finding: at < 4 ? 'breaking' : 'deviating',
        section: 'JSON-RPC 2.0 §4.1',
        expected: 'a second PAUSE is answered, and changes nothing',
        received: `result {"status":"paused"}; then ${'x'.repeat(at === 0 ? 400 : 20)}`,
        trace,
      }),
    ),
    ...linesOf({ test: 'memory', case: 'leak', sessions: 300, overMs: 8000, fromMs: 21_000, durationMs: () => 30 }),
  ];
  const total = { ...round('all', 48, 27), test: '' };
  const run = runRecord({
    test: 'suite',
    verdict: 'FAIL',
    durationMs: 30_000,
    criteria: [
      { ...criterion, status: 'FAIL' },
      {
        test: 'process-control',
        selector: 'findings{finding:breaking}',
        expression: 'count==0',
        status: 'FAIL',
        observed: 4,
      },
      { test: 'memory', selector: 'timeouts', expression: 'count==0', status: 'PASS', observed: 0 },
    ],
    rounds: [5, 10, 20, 40].map((sessions) =>
      round(`${sessions} sessions at once`, Math.floor((sessions * 2) / 3), Math.ceil(sessions / 3)),
    ),
    total,
    findings: [{ test: 'process-control', conforming: 3, deviating: 8, bypass: 0, breaking: 4 }],
    outcomes: { ok: 348, 'output-mismatch': 27 },
    success: [{ title: '90 %+ success rate for concurrent sessions', status: 'FAIL', left: [] }],
  });
  return reportOf(lines, run, samplesRecord(60));
};

/** A minute of twenty VUs, all of it well. */
const minute = (): Report => {
  const sessions = 1800;
  const lines = linesOf({ sessions, overMs: 59_000, durationMs: (at) => 600 + 300 * Math.sin(at / 150) });
  const figures = round('20 at a time for 60s', sessions, 0);
  const run = runRecord({
    verdict: 'PASS',
    durationMs: 61_000,
    criteria: [{ ...criterion, status: 'PASS', observed: 1 }],
    rounds: [figures],
    total: { ...figures, test: '' },
    outcomes: { ok: sessions },
  });
  return reportOf(lines, run, samplesRecord(122));
};

/** A service whose memory grows. */
const leak = (): Report => {
  const lines = [
    ...linesOf({ test: 'memory', case: 'leak', sessions: 2000, overMs: 19_000, durationMs: () => 40 }),
    memoryLine({
      samples: Array.from({ length: 200 }, (_, at) => [at * 100, at * 10, 50 * 2 ** 20 + at * 1_900_000]),
      slopeBytes: 190_000,
      lowBytes: 185_000,
      highBytes: 195_000,
    }),
    findingLine('leak', {
      test: 'memory',
      finding: 'breaking',
      expected: 'memory does not grow with the number of sessions',
      received: '190000 bytes per session over 1000 sessions',
    }),
  ];
  const run = runRecord({
    test: 'memory',
    verdict: 'FAIL',
    durationMs: 20_000,
    criteria: [
      { test: 'memory', selector: 'findings{finding:breaking}', expression: 'count==0', status: 'FAIL', observed: 1 },
    ],
    rounds: [],
    total: { test: '', label: 'all', successful: 0, failed: 0 },
    findings: [{ test: 'memory', conforming: 1, deviating: 0, bypass: 0, breaking: 1 }],
    outcomes: { ok: 2000 },
  });
  return reportOf(lines, run, samplesRecord(40));
};

/** A run in which nothing could be run. */
const notRun = (): Report => {
  const run = runRecord({
    verdict: 'NOT RUN',
    durationMs: 40,
    reason: 'The service answered 403 to the opening handshake. Check --token.',
    criteria: [{ ...criterion, status: 'NOT RUN' }],
    rounds: [],
    total: { test: '', label: 'all', successful: 0, failed: 0 },
    outcomes: {},
  });
  return reportOf([], run);
};

const failed = (at: number): boolean => at > 45_000 && at < 52_000 && at % 4 === 0;

/** A hundred thousand sessions over twenty minutes, of which some were dropped in the middle. */
const manySessions = (): Report => {
  const sessions = 100_000;
  const closed: Outcome = { kind: 'closed', code: 1006, detail: 'the connection was dropped' };
  const lines = linesOf({
    sessions,
    overMs: 1_200_000,
    durationMs: (at) => 60 + at / 1000,
    outcome: (at) => (failed(at) ? closed : ok),
  });
  const lostOnes = Array.from({ length: sessions }, (_, at) => failed(at)).filter(Boolean).length;
  const figures = round('83 sessions per second for 20m', sessions - lostOnes, lostOnes);
  const run = runRecord({
    verdict: 'FAIL',
    durationMs: 1_201_000,
    criteria: [
      {
        test: 'concurrent',
        selector: 'sessions{outcome:closed}',
        expression: 'count==0',
        status: 'FAIL',
        observed: lostOnes,
      },
    ],
    rounds: [figures],
    total: { ...figures, test: '' },
    outcomes: { ok: sessions - lostOnes, closed: lostOnes },
  });
  return reportOf(lines, run, samplesRecord(300));
};

/** Reports that are hard to show, a phrase of the cause that a reader must see first, and how many charts there are. */
export const hardCases: Readonly<Record<string, { report: () => Report; cause: string; charts: number }>> = {
  'failing-suite': { charts: 9, report: failingSuite, cause: 'lost output lines' },
  minute: { charts: 11, report: minute, cause: '1800 of 1800 sessions' },
  leak: { charts: 8, report: leak, cause: 'leak' },
  'not-run': { charts: 0, report: notRun, cause: '403' },
  'many-sessions': { charts: 11, report: manySessions, cause: 'closed' },
};

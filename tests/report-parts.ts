import { gatherReport, type ReportData } from '../cli/report/gather.ts';
import { reportPage, type Report } from '../cli/report/page.ts';
import { readPageAssets } from '../cli/report/report-command.ts';
import { gatherFailures } from '../lib/results/failures.ts';
import type { RunRecord, SamplesRecord } from '../lib/results/record-schema.ts';
import { resultOf } from '../lib/results/result-model.ts';
import { type DetailRecord, parseRecord, parseRunRecord } from '../cli/results/parse-record.ts';
import { findingLine, sessionLine } from './records.ts';
import { runRecord as passingRun } from './run-records.ts';

/** A run record; `more` takes the place of what it holds otherwise. */
export const runRecord = (more: Partial<RunRecord> = {}): RunRecord => {
  const round = { successful: 5, failed: 0, avgMs: 10, minMs: 9, maxMs: 12, p95Ms: 12 };
  const record = passingRun('r1', {
    service: { name: 'service', version: '1' },
    settings: { STRESS_ROUNDS: '5' },
    criteria: [
      { test: 'concurrent', selector: 'session_success', expression: 'rate>=0.9', status: 'PASS', observed: 1 },
      {
        test: 'concurrent',
        selector: 'command_duration',
        expression: 'p(95)<5000',
        status: 'FAIL',
        observed: 6100,
        unit: 'ms',
      },
    ],
    rounds: [{ test: 'concurrent', label: '5 sessions at once', ...round }],
    total: { test: '', label: 'all', ...round },
    outcomes: { ok: 5 },
    k6Version: 'v2.2.0',
    machine: { system: 'linux 6.1 x64', cpu: 'a processor', cores: 2, memoryBytes: 2 ** 33 },
    generator: { cores: 2, cpuSeconds: 1.5, residentBytes: 2 ** 26, busiestShare: 0.25, tooBusyShare: 0 },
    ...more,
  });
  return parseRunRecord(JSON.stringify(record));
};

const recordOf = (line: string): DetailRecord => {
  const record = parseRecord(line);
  if (record.type === 'run') throw new Error('a run record is no detail');
  return record;
};

/** A memory record's line. */
export const memoryLine = (more: object = {}): string =>
  JSON.stringify({
    type: 'memory',
    version: 1,
    run: 'r1',
    marker: 'WEBSOCKET_STRESS_20250625_143000',
    test: 'memory',
    case: 'leak',
    samples: Array.from({ length: 50 }, (_, at) => [at * 100, at * 10, 50 * 2 ** 20 + at * 10_000]),
    slopeBytes: 1000,
    lowBytes: 900,
    highBytes: 1100,
    ...more,
  });

/** What is gathered from lines that are all records. */
export const gathered = (lines: readonly string[], run = runRecord()): ReportData => {
  const gathering = gatherReport(run, true);
  for (const line of lines) gathering.add(recordOf(line));
  return gathering.data();
};

const assets = await readPageAssets();

/** What a report of these lines shows. */
export const reportOf = (lines: readonly string[], run = runRecord(), samples?: SamplesRecord): Report => {
  const failures = gatherFailures(run.cutShort === true);
  for (const record of lines.map(recordOf)) {
    if (record.type === 'finding') failures.finding(record);
    else if (record.type === 'session') failures.session(record);
  }
  const result = resultOf(run, { failures: failures.groups().groups });
  return { data: gathered(lines, run), result, samples };
};

/** The page of a report, with the script and style sheet of the build. */
export const pageOf = (report: Report): string => reportPage(report, assets);

/** Samples of k6 and of a service, one a second. */
export const samplesRecord = (count: number): SamplesRecord => {
  const numbers = Array.from({ length: count }, (_, at) => at);
  return {
    type: 'samples',
    version: 1,
    run: 'r1',
    startedAt: '2025-06-25T14:30:00.000Z',
    atMs: numbers.map((at) => at * 1000),
    cores: 2,
    // oxlint-disable-next-line unicorn/no-null -- as in the record
    generatorShare: numbers.map((at) => (at === 0 ? null : 0.2 + (at % 7) / 20)),
    generatorBytes: numbers.map((at) => 60 * 2 ** 20 + (at % 5) * 2 ** 20),
    serviceBytes: numbers.map((at) => 90 * 2 ** 20 + at * 2 ** 18),
  };
};

/** Lines of a run that has something of everything. */
export const manyLines = (): string[] => [
  ...Array.from({ length: 20 }, (_, session) =>
    sessionLine(
      { kind: 'ok' },
      {
        round: 1,
        session,
        startedAt: new Date(Date.parse('2025-06-25T14:30:00.000Z') + session * 200).toISOString(),
        durationMs: 20 + session,
        controls: [{ type: 'PAUSE', durationMs: 2 + session }],
        commands: [
          {
            name: 'echo',
            class: 'simple',
            outcome: { kind: 'ok' },
            durationMs: 9 + session,
            ackMs: 1,
            firstOutputMs: 2,
            outputMs: 1,
            lines: 1,
            bytes: 6,
          },
        ],
      },
    ),
  ),
  sessionLine(
    { kind: 'rejected', code: -32_000, message: '<img src=x onerror=alert(1)>', reason: 'limit' },
    { round: 2, session: 0 },
  ),
  findingLine('a-case'),
  memoryLine(),
];

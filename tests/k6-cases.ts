import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import type { FindingKind } from '../lib/cases/case.ts';
import type { SkipReason } from '../lib/load/thresholds.ts';
import type { CriterionStatus } from '../lib/results/criterion-status.ts';
import { faultTable } from '../reference-target/fault-table.ts';
import { optionTable, type TargetOptions } from '../reference-target/options.ts';
import { startTarget } from '../reference-target/server.ts';
import { alone } from './busy.ts';
import { runBundle, type K6Run } from './k6.ts';
import type { RunResult } from '../lib/results/record-schema.ts';

/** What became of a case, as its record says. */
export type CaseEnd = FindingKind | SkipReason | 'inconclusive';

/** What a run of a scenario with cases must come to. */
export interface CasesEnd {
  code: number;
  verdict: RunResult['verdict'];
  /** Criteria that do not pass, by selector, with how they end; all others must pass. */
  failing?: Readonly<Record<string, CriterionStatus>>;
  /** Cases that do not conform, with what they come to; all others must conform. */
  cases?: Readonly<Record<string, CaseEnd>>;
  /** Or, where they are many, how many come to what. */
  counts?: Readonly<Partial<Record<CaseEnd, number>>>;
  /** What summary, findings and console must tell. */
  told?: RegExp;
}

/** Faults of a service, what it is told else, and settings → what the run must come to. */
export interface CasesRow extends CasesEnd {
  scenario: string;
  /** What is told apart beside the faults, for the reader. */
  about?: string;
  faults: readonly string[];
  target?: Partial<TargetOptions>;
  settings?: Readonly<Record<string, string>>;
  k6Args?: readonly string[];
  /** It keeps all processors busy for seconds. */
  busy?: boolean;
}

/** Faults of the table that are none, with the reason why no criterion may mind them. */
export const harmless: Readonly<Partial<Record<keyof typeof faultTable, string>>> = {
  'heartbeat:MS': 'notifications that a client must bear',
  notifications: 'notifications that a client must bear',
  'bare-notifications': 'the form in which the documentation prints notifications',
  'spaced-json': 'the same JSON, written otherwise',
  'warm-up:BYTES': 'memory that stays bounded',
};

/** The name in the fault table of a fault as it is asked for, such as `slow:250@2-`. */
export const nameInTable = (fault: string): string => {
  const [, name = '', number] = /^([a-z0-9-]+)(:\d+)?(?:@.*)?$/.exec(fault) ?? [];
  const names = number === undefined ? [name] : [`${name}:MS`, `${name}:BYTES`];
  return names.find((each) => Object.hasOwn(faultTable, each)) ?? assert.fail(`no such fault: ${fault}`);
};

/** A run whose console holds records, of failures and of every case. */
export const runCases = async (
  scenario: string,
  url: string,
  settings: Readonly<Record<string, string>> = {},
  k6Args: readonly string[] = [],
): Promise<K6Run> =>
  runBundle(scenario, url, { STRESS_RECORDS: 'failures', ...settings }, ['--log-format', 'raw', ...k6Args]);

/** What the cases of a run came to that do not conform, by name. */
const casesIn = ({ stderr }: K6Run): Record<string, CaseEnd> => {
  const ends: Record<string, CaseEnd> = {};
  for (const line of stderr.split('\n').filter((each) => each.startsWith('{"type":"finding"'))) {
    const { case: name, finding } = JSON.parse(line) as { case: string; finding: CaseEnd };
    assert.ok(!Object.hasOwn(ends, name), `${name} came to something twice\n${stderr}`);
    ends[name] = finding;
  }
  return Object.fromEntries(Object.entries(ends).filter(([, end]) => end !== 'conforming'));
};

/** Holds a run to what it must come to. */
export const checkCases = (run: K6Run, expected: CasesEnd): void => {
  const { code, result } = run;
  const output = `${run.stdout}\n${run.stderr}`;
  const failing = Object.fromEntries(
    (result?.criteria ?? [])
      // A run that was cut short proves nothing: what does not fail is NOT RUN.
      .filter(({ status }) => status !== 'PASS' && !(result?.verdict === 'INVALID' && status === 'NOT RUN'))
      .map(({ selector, status }) => [selector, status]),
  );
  const cases = casesIn(run);
  const counts: Partial<Record<CaseEnd, number>> = {};
  for (const end of Object.values(cases)) counts[end] = (counts[end] ?? 0) + 1;
  assert.deepEqual(
    {
      code,
      verdict: result?.verdict,
      cases: expected.counts ? counts : cases,
      failing: result?.verdict === 'NOT RUN' ? {} : failing,
    },
    {
      code: expected.code,
      verdict: expected.verdict,
      cases: expected.counts ?? expected.cases ?? {},
      failing: expected.failing ?? {},
    },
    output,
  );
  if (expected.told) assert.match(output, expected.told);
};

/** A service that ends with the test. */
export interface Service {
  url: string;
  pid: number;
  close: () => Promise<unknown>;
}

/** Starts the reference target: beside the test, or, where its memory is judged, in a process of its own. */
export const serviceFor = async (options: Partial<TargetOptions>, apart: boolean): Promise<Service> => {
  if (!apart) {
    const target = await startTarget({ port: 0, shutdownMs: 300, ...options });
    return { url: target.url, pid: process.pid, close: () => target.close() };
  }
  const args = Object.entries({ port: 0, shutdownMs: '300ms', ...options }).flatMap(([key, value]) => {
    const { name } = optionTable.find((row) => row.key === key) ?? assert.fail(key);
    return [value].flat().map((each) => `--${name}=${String(each)}`);
  });
  // A small nursery, so that what its heap takes at first is little.
  const command = ['--max-semi-space-size=1', path.join(packageRoot, 'cli/ws-stress.mjs'), 'target', ...args];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'exit');
  child.stdout.setEncoding('utf8');
  const said = await Promise.race([once(child.stdout, 'data'), ended]);
  const [, url] = /^listening on (ws:\S+)\n/.exec(String(said[0])) ?? [];
  assert.ok(url !== undefined && child.pid !== undefined, `the target did not start: ${String(said)}`);
  const close = (): Promise<unknown> => {
    child.kill('SIGTERM');
    return ended;
  };
  return { url, pid: child.pid, close };
};

const isFault = (fault: string): boolean => !Object.hasOwn(harmless, nameInTable(fault));

/** A test for each row, with a target of its own; whatever is a fault must leave its mark. */
export const casesTests = (rows: readonly CasesRow[], apart = false): void => {
  for (const { scenario, about, faults, target: options, settings, k6Args, busy = false, ...expected } of rows) {
    const what = [scenario, ...faults, ...(about === undefined ? [] : [about])].join(', ');
    test(`${what} → ${expected.verdict}, exit ${expected.code}`, async () => {
      const isMarked = expected.verdict !== 'PASS' || Object.keys(expected.counts ?? expected.cases ?? {}).length > 0;
      assert.ok(isMarked || !faults.some(isFault), 'a fault that nobody minds');
      const work = async (): Promise<void> => {
        const service = await serviceFor({ ...options, faults }, apart);
        try {
          checkCases(await runCases(scenario, service.url, settings, k6Args), expected);
        } finally {
          await service.close();
        }
      };
      await (busy ? alone(work) : work());
    });
  }
};

/** The service at a port, but without plain HTTP: whatever is no upgrade is answered by 404, or by a body that is given. */
export const proxyWithoutHttp = async (port: number, health?: string): Promise<{ url: string; close: () => void }> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('data', (data) => {
      if (!/upgrade: websocket/i.test(data.toString())) {
        const status = health === undefined ? '404 Not Found' : '200 OK';
        const body = health ?? '';
        socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        return;
      }
      const upstream = connect(port, '127.0.0.1');
      upstream.write(data);
      socket.pipe(upstream).pipe(socket);
      for (const end of [socket, upstream]) {
        end.on('error', () => {}).on('close', () => [socket, upstream].forEach((each) => each.destroy()));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/mcp`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};

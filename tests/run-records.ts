import type { RunRecord } from '../lib/results/record-schema.ts';

/** A run record that passes; `more` takes the place of what it holds otherwise. */
export const runRecord = (run: string, more: Partial<RunRecord> = {}): RunRecord => ({
  type: 'run',
  version: 1,
  run,
  marker: 'WEBSOCKET_STRESS_20250625_143000',
  test: 'concurrent',
  startedAt: '2025-06-25T14:30:00.000Z',
  durationMs: 5000,
  url: 'ws://localhost:8003/ws/mcp',
  service: { name: 'cc_executor', version: '1.0.0' },
  settings: { STRESS_VUS: '50' },
  verdict: 'PASS',
  criteria: [
    { test: 'concurrent', selector: 'session_success', expression: 'rate>=0.9', status: 'PASS', observed: 1 },
    { test: 'concurrent', selector: 'timeouts', expression: 'count==0', status: 'PASS', observed: 0 },
  ],
  rounds: [
    {
      test: 'concurrent',
      label: '50 sessions',
      successful: 50,
      failed: 0,
      avgMs: 20,
      minMs: 10,
      maxMs: 30,
      p95Ms: 28,
    },
  ],
  total: { test: '', label: 'all', successful: 50, failed: 0, avgMs: 20, minMs: 10, maxMs: 30, p95Ms: 28 },
  findings: [],
  measured: [],
  outcomes: { ok: 50 },
  suiteVersion: '0.1.0',
  k6Version: '2.2.0',
  bundle: '09001a7b136f77db',
  machine: { system: 'linux 6.1 x64', cpu: 'AMD EPYC', cores: 2, memoryBytes: 8 * 2 ** 30 },
  ...more,
});

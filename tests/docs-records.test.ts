import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { startTarget } from '../reference-target/server.ts';
import { runBundle } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const namesIn = (value: unknown): string[] => {
  if (Array.isArray(value)) return value.flatMap(namesIn);
  if (typeof value !== 'object' || value === null) return [];
  // What `outcomes` holds are kinds of outcome.
  return Object.entries(value).flatMap(([name, member]) => [name].concat(name === 'outcomes' ? [] : namesIn(member)));
};

/** The records that a run of a scenario prints. */
const recordsOf = async (t: TestContext, scenario: string, url: string, settings: Record<string, string>) => {
  const records = path.join(temporaryDirectory(t), 'records.ndjson');
  const variables = { STRESS_RECORDS: 'all', STRESS_TRACE: 'failures', ...settings };
  const run = await runBundle(scenario, url, variables, ['--console-output', records, '--log-format', 'raw']);
  const lines = readFileSync(records, 'utf8').trim().split('\n');
  return { ...run, records: lines.filter((line) => line.startsWith('{')).map((line): unknown => JSON.parse(line)) };
};

void test('docs/records.md names every member of a record and of a result', async (t) => {
  const faulty = await startTarget({ port: 0, faults: ['lost-line@1'] });
  t.after(() => faulty.close());
  const target = await startTarget({ port: 0, faults: ['ignore-resume@2-'] });
  t.after(() => target.close());
  const [rounds, cases] = await Promise.all([
    recordsOf(t, 'suite', faulty.url, { STRESS_VUS: '2', STRESS_ONLY: 'single,concurrent' }),
    recordsOf(t, 'process-control', target.url, { STRESS_MESSAGE_TIMEOUT: '1s' }),
  ]);
  const values = [rounds.result, cases.result, ...rounds.records, ...cases.records];
  const documented = readFileSync(path.join(packageRoot, 'docs/records.md'), 'utf8');
  const names = new Set(values.flatMap(namesIn));
  const few = [
    'verdict',
    'observed',
    'trace',
    'ackMs',
    'outputMs',
    'controls',
    'case',
    'section',
    'measured',
    'decidedBy',
    'settings',
    'STRESS_VUS',
    'startedAt',
  ];
  for (const name of few) assert.ok(names.has(name), `no ${name}\n${rounds.stderr}${cases.stderr}`);
  // Those of settings are docs/settings.md's.
  const own = [...names].filter((name) => !name.startsWith('STRESS_'));
  for (const name of own) assert.ok(documented.includes(`\`${name}\``), `docs/records.md does not name ${name}`);
});

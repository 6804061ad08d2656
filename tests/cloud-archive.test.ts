import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { createTar, parseTar } from 'nanotar';
import { makeArchive, readArchive, type MadeArchive } from '../cli/cloud/archive.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { scenarioNames, scenariosOf } from '../cli/shared/scenarios.ts';
import { k6Thresholds, parseThresholds } from '../lib/load/thresholds.ts';
import { casesAsked } from '../lib/results/verdict.ts';
import { startTarget } from '../reference-target/server.ts';
import { k6Path, runBundle, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const url = 'wss://service.example/ws/mcp';
const bundleOf = (scenario: string): string => path.join(packageRoot, 'dist', `${scenario}.js`);

const archiveOf = async (scenario: string, settings: Record<string, string> = {}): Promise<MadeArchive> =>
  makeArchive(await k6Path(), bundleOf(scenario), { STRESS_URL: url, ...settings });

interface Options {
  cloud: unknown;
  scenarios: Record<string, { exec: string }>;
  thresholds: Record<string, string[]>;
}

const optionsOf = ({ options }: MadeArchive): Options => options as unknown as Options;

const shipped: unknown = JSON.parse(readFileSync(path.join(packageRoot, 'thresholds.json'), 'utf8'));

void test('the archive of every scenario is its bundle and its settings, with all criteria, and nothing else', async () => {
  for (const scenario of scenarioNames()) {
    const archive = await archiveOf(scenario);
    const files = parseTar(archive.bytes.slice().buffer);
    const contents = files.filter(({ size }) => size > 0).map(({ name }) => name);
    assert.deepEqual(contents, ['metadata.json', 'data'], scenario);
    // The code, under the path that it was read from; nothing beside it.
    const others = files.filter(({ name, type }) => type !== 'directory' && !contents.includes(name));
    assert.deepEqual(
      others.map(({ name, type }) => [name, type]),
      [[`file${bundleOf(scenario)}`, 'hardLink']],
      scenario,
    );
    const [metadata, code] = files;
    assert.equal(code?.text, readFileSync(bundleOf(scenario), 'utf8'));
    const { env } = JSON.parse(metadata?.text ?? '') as { env: unknown };
    assert.deepEqual(env, { STRESS_URL: url }, scenario);

    const { cloud, scenarios, thresholds } = optionsOf(archive);
    assert.deepEqual(cloud, { name: `websocket-mcp-stress: ${scenario}` });
    assert.ok(Object.keys(scenarios).length > 0 && Object.values(scenarios).every(({ exec }) => exec === 'run'));
    const rounds = (test: string): number =>
      Object.keys(scenarios).filter((name) => name.startsWith(`${test}-round-`)).length;
    const tests = scenariosOf(scenario).map(({ name }) => ({ name, rounds: rounds(name) }));
    const parsed = parseThresholds(shipped, tests, scenarioNames(), scenario);
    assert.ok('criteria' in parsed, scenario);
    for (const [selector, expressions] of Object.entries(k6Thresholds(parsed.criteria))) {
      assert.deepEqual(thresholds[selector], expressions, `${scenario}: ${selector}`);
    }
    const cases = Object.keys(scenarios).filter((name) => name.endsWith('-cases')).length;
    assert.equal(thresholds[casesAsked]?.[0], cases === 0 ? undefined : `count>=${cases}`, scenario);
  }
});

void test('name, project and load zones of the settings stand in the options for the cloud', async () => {
  const archive = await archiveOf('single', {
    STRESS_CLOUD_NAME: 'Nightly',
    STRESS_CLOUD_PROJECT: '4711',
    STRESS_CLOUD_ZONES: 'amazon:us:ashburn=60, amazon:de:frankfurt=40',
  });
  assert.deepEqual(optionsOf(archive).cloud, {
    name: 'Nightly',
    projectID: 4711,
    distribution: {
      amazon_us_ashburn: { loadZone: 'amazon:us:ashburn', percent: 60 },
      amazon_de_frankfurt: { loadZone: 'amazon:de:frankfurt', percent: 40 },
    },
  });
});

void test('an archive is known again by what it does, not by where, when and by which k6 it was made', async () => {
  const made = await archiveOf('single');
  const again = await archiveOf('single');
  assert.equal(again.fingerprint, made.fingerprint);
  const other = await archiveOf('single', { STRESS_VUS: '2' });
  assert.notEqual(other.fingerprint, made.fingerprint);

  const files = parseTar(made.bytes.slice().buffer);
  const edited = (edit: (metadata: Record<string, unknown>) => object, code = files[1]?.text ?? ''): string => {
    const metadata = edit(JSON.parse(files[0]?.text ?? '') as Record<string, unknown>);
    return readArchive(
      createTar([
        { name: 'metadata.json', data: JSON.stringify(metadata) },
        { name: 'data', data: code },
      ]),
    ).fingerprint;
  };
  const elsewhere = { filename: 'file:///x/single.js', pwd: 'file:///x', k6version: '9.9.9', goos: 'plan9' };
  assert.equal(
    edited((metadata) => ({ ...metadata, ...elsewhere })),
    made.fingerprint,
  );
  assert.equal(
    edited((metadata) => ({ ...metadata, options: { ...(metadata.options as object), later: null } })),
    made.fingerprint,
  );
  assert.notEqual(
    edited((metadata) => ({ ...metadata, env: {} })),
    made.fingerprint,
  );
  assert.notEqual(
    edited((metadata) => ({ ...metadata, options: { ...(metadata.options as object), vus: 3 } })),
    made.fingerprint,
  );
  assert.notEqual(
    edited((metadata) => metadata, 'export default () => {}'),
    made.fingerprint,
  );
  assert.throws(() => readArchive(createTar([{ name: 'data', data: 'x' }])), /with metadata\.json in it/);
  assert.throws(() => readArchive(new Uint8Array(3)), /expected an archive of k6/);
});

void test('nothing of the environment gets into an archive, and settings that are wrong make none', async (t) => {
  process.env.K6_VUS = '77';
  process.env.STRESS_VUS = '77';
  t.after(() => {
    delete process.env.K6_VUS;
    delete process.env.STRESS_VUS;
  });
  const archive = await archiveOf('single');
  assert.equal(archive.options.vus, undefined);
  assert.ok(!Buffer.from(archive.bytes).includes('77"'));
  await assert.rejects(archiveOf('single', { STRESS_VUS: 'many' }), /STRESS_VUS: expected a whole number/);
});

/** Writes an archive to a file and runs it with plain k6. */
const runArchive = async (
  t: TestContext,
  scenario: string,
  settings: Record<string, string>,
  k6Args: string[] = [],
) => {
  const file = path.join(temporaryDirectory(t), 'archive.tar');
  const result = path.join(path.dirname(file), 'result.json');
  const { bytes } = await archiveOf(scenario, settings);
  writeFileSync(file, bytes);
  const k6 = ['--no-color', '-e', `STRESS_RESULT=${result}`, ...k6Args];
  const run = await runArchiveFile(file, k6);
  return { ...run, result: JSON.parse(readFileSync(result, 'utf8')) as { verdict: string; test: string } };
};

const runArchiveFile = async (file: string, k6Args: string[]) => {
  return runProgram(await k6Path(), ['run', '--quiet', '--no-usage-report', '--address', '', ...k6Args, file]);
};

void test('archives of concurrent and of the suite run and pass, one load generator having the whole load', async (t) => {
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  const concurrent = await runArchive(t, 'concurrent', { STRESS_URL: target.url }, [
    '--execution-segment',
    '0:1',
    '--execution-segment-sequence',
    '0,1',
  ]);
  assert.equal(concurrent.code, 0, concurrent.stderr + concurrent.stdout);
  assert.equal(concurrent.result.verdict, 'PASS');
  const settings = {
    STRESS_URL: target.url,
    STRESS_ONLY: 'single,concurrent,command-validation',
    STRESS_ROUNDS: '2,3',
  };
  const suite = await runArchive(t, 'suite', settings);
  assert.equal(suite.code, 0, suite.stderr + suite.stdout);
  assert.deepEqual([suite.result.test, suite.result.verdict], ['suite', 'PASS']);
});

void test('the criteria of an archive judge without a summary, as they do in the cloud', async (t) => {
  const faulty = await startTarget({ port: 0, faults: ['lost-line@1-'] });
  t.after(() => faulty.close());
  const file = path.join(temporaryDirectory(t), 'archive.tar');
  writeFileSync(file, (await archiveOf('concurrent', { STRESS_URL: faulty.url, STRESS_ROUNDS: '2' })).bytes);
  const failing = await runArchiveFile(file, ['--summary-mode', 'disabled']);
  assert.equal(failing.code, 99, failing.stderr);
  const half = await runBundle('concurrent', faulty.url, { STRESS_ROUNDS: '2,2' }, ['--execution-segment', '0:1/2']);
  assert.match(half.stderr, /follow one another within one k6 process only/);
});

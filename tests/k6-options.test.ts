import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { guardedEnvironment, k6OptionProblems, k6Options, settingsTyped } from '../cli/run/k6-options.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, k6Path, runBundle, runCli, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

void test('the table has every option of k6 run, with its short form and whether it takes a value', async () => {
  const { stdout } = await runProgram(await k6Path(), ['run', '--help']);
  const flags = [...stdout.matchAll(/^ {2}(?:(-\w), | {4})(--[a-z0-9-]+)(.*)$/gm)];
  assert.ok(flags.length > 50, stdout);
  for (const [, short, flag = '', rest = ''] of flags) {
    const row = k6Options.find((each) => each.flag === flag);
    assert.ok(row, `${flag} is not in the table`);
    assert.equal(row.short, short, flag);
    // A switch has no word before the description; a value that may be left out is never the next argument.
    assert.equal(row.takes === true, /^ \S/.test(rest) && !/^ \w+\[=/.test(rest), flag);
  }
});

void test('what would bypass the product is refused in every form in which k6 reads it', () => {
  const refused = [
    ['--no-thresholds'],
    ['--no-thresholds=true'],
    ['--no-thresholds=1'],
    ['--no-thresholds=maybe'],
    ['--vus', '2', '--no-setup'],
    ['--include-system-env-vars=false'],
    ['--include-system-env-vars=F'],
    ['-qw'],
    ['-w=true'],
    ['-p'],
    ['--summary-mode', 'disabled'],
    ['--summary-mode=full'],
    ['--http-debug=full'],
    ['--insecure-skip-tls-verify'],
    ['-tarchive'],
  ];
  for (const args of refused) assert.equal(k6OptionProblems(args).length, 1, args.join(' '));
  const accepted = [
    ['--no-thresholds=false'],
    ['--include-system-env-vars'],
    ['--tag', '--no-thresholds'],
    ['-e', '--no-thresholds'],
    ['-u5', '-d', '1s'],
    ['-o', 'json=-w'],
    ['-ojson=-p'],
    ['--console-output', '--throw'],
  ];
  for (const args of accepted) assert.deepEqual(k6OptionProblems(args), [], args.join(' '));
  assert.deepEqual(k6OptionProblems(['--insecure-skip-tls-verify'], { STRESS_INSECURE: 'true' }), []);
  assert.equal(k6OptionProblems(['--insecure-skip-tls-verify=false'], { STRESS_INSECURE: 'true' }).length, 1);
});

void test('settings are taken out of what was typed for k6, and the rest stays as it is', () => {
  const args = [
    '-qe',
    'STRESS_VUS=5',
    '--tag',
    'a=b',
    '--env=STRESS_URL=ws://h/?a=b',
    '-e',
    'OTHER=1',
    '-eSTRESS_TOKEN=',
  ];
  assert.deepEqual(settingsTyped(args), {
    settings: { STRESS_VUS: '5', STRESS_URL: 'ws://h/?a=b', STRESS_TOKEN: '' },
    others: ['-q', '--tag', 'a=b', '-e', 'OTHER=1'],
  });
});

void test('variables that would bypass the product are kept from k6, and each is warned of unless it changes nothing', () => {
  const { env, warnings } = guardedEnvironment({
    K6_NO_THRESHOLDS: 'true',
    K6_THROW: 'false',
    K6_SUMMARY_MODE: 'disabled',
    K6_INSECURE_SKIP_TLS_VERIFY: 'false',
    K6_INCLUDE_SYSTEM_ENV_VARS: '',
    K6_VUS: '3',
    STRESS_INSECURE: 'true',
  });
  assert.deepEqual(env, { K6_INCLUDE_SYSTEM_ENV_VARS: '', K6_VUS: '3', STRESS_INSECURE: 'true' });
  assert.deepEqual(
    warnings.map((warning) => warning.split(':')[0]),
    ['K6_NO_THRESHOLDS', 'K6_INSECURE_SKIP_TLS_VERIFY', 'K6_SUMMARY_MODE'],
  );
});

const onlyRecord = (base: string): RunRecord => {
  const [id = ''] = readdirSync(path.join(base, 'stress-results/runs'));
  return JSON.parse(readFileSync(path.join(base, 'stress-results/runs', id, 'run.json'), 'utf8')) as RunRecord;
};

void test('ws-stress run gives the same verdict and exit code whatever k6 finds in its environment', async (t) => {
  const target = await startTarget({ port: 0, faults: ['exit-3'] });
  t.after(() => target.close());
  const base = temporaryDirectory(t);
  const config = path.join(base, 'k6.json');
  writeFileSync(
    config,
    JSON.stringify({ linger: true, paused: true, noSetup: true, throw: true, discardResponseBodies: true }),
  );
  const bypass = {
    K6_NO_THRESHOLDS: 'true',
    K6_NO_SETUP: 'true',
    K6_INCLUDE_SYSTEM_ENV_VARS: 'false',
    K6_DISCARD_RESPONSE_BODIES: 'true',
    K6_SUMMARY_MODE: 'disabled',
    K6_SUMMARY_TREND_STATS: 'avg',
    K6_NEW_MACHINE_READABLE_SUMMARY: 'true',
    K6_THROW: 'true',
    K6_MIN_ITERATION_DURATION: '1m',
    K6_HTTP_DEBUG: 'full',
    K6_SYSTEM_TAGS: 'ip,url',
    K6_PAUSED: 'true',
    K6_LINGER: 'true',
    K6_CONSOLE_OUTPUT: 'elsewhere.txt',
    K6_LOG_FORMAT: 'json',
    K6_CONFIG: config,
  };
  const { code, stderr } = await runCli(['run', 'single', '--url', target.url, '--', '-e', 'STRESS_RUN_ID=mine'], {
    cwd: base,
    env: { ...cleanEnv(), K6_BIN: await k6Path(), ...bypass },
  });
  assert.equal(code, 99, stderr);
  const record = onlyRecord(base);
  assert.deepEqual([record.verdict, record.run, record.service.version], ['FAIL', 'mine', '1.0.0']);
  assert.deepEqual(record.outcomes, { 'failed-exit': 1 });
  for (const name of Object.keys(bypass).filter((each) => each !== 'K6_CONFIG')) {
    assert.match(stderr, new RegExp(`^${name}: it is ignored`, 'm'));
  }
});

void test('a setting after -- takes precedence over its flag, is checked as one, and is named as it was written', async (t) => {
  const base = temporaryDirectory(t);
  const { code, stderr } = await runCli(
    ['run', 'single', '--vus', '2', '--pause', 'x', '--', '-e', 'STRESS_VUS=many'],
    {
      cwd: base,
      env: { ...cleanEnv(), K6_BIN: await k6Path() },
    },
  );
  assert.equal(code, 2, stderr);
  assert.match(stderr, /STRESS_VUS: expected a whole number[^\n]*received "many"/);
  assert.match(stderr, /--pause: expected a duration/);
});

void test('with plain k6 the bundle refuses what it can see, and says what it cannot prevent', async (t) => {
  const target = await startTarget({ port: 0, faults: ['exit-3'] });
  t.after(() => target.close());
  const refused = [
    ['--insecure-skip-tls-verify'],
    ['--summary-trend-stats', 'avg'],
    ['--min-iteration-duration', '1ms'],
    ['--rps', '100'],
    ['--system-tags', 'ip'],
    ['--tag', 'round=1'],
    ['--http-debug'],
  ];
  for (const args of refused) {
    const { code, stderr } = await runBundle('single', target.url, {}, args);
    assert.equal(code, 108, `${args.join(' ')}: ${stderr}`);
    assert.ok(stderr.includes(args[0] ?? ''), stderr);
  }
  const discarding = await runBundle('single', target.url, {}, ['--discard-response-bodies']);
  assert.equal(discarding.result?.service.version, '1.0.0');
  const unjudged = await runBundle('single', target.url, {}, ['--no-thresholds']);
  assert.match(unjudged.stdout, /FAIL: [^]*its exit code does not follow the verdict/);
  const withoutSetup = await runBundle('single', target.url, {}, ['--no-setup']);
  assert.equal(withoutSetup.result?.verdict, 'INVALID');
  assert.match(withoutSetup.stdout, /The set-up was skipped/);
});

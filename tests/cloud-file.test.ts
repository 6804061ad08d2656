import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parseCloudFile } from '../cli/cloud/cloud-file.ts';
import { cloudAccess } from '../cli/cloud/deploy.ts';
import { cloudShare } from '../cli/cloud/left-out.ts';
import { isSameSchedule, scheduleProblems, scheduleRequest, type Schedule } from '../cli/cloud/schedule.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { parseZones } from '../lib/load/cloud.ts';
import { parseSettings } from '../lib/load/settings.ts';

const read = (file: string): string => readFileSync(path.join(packageRoot, file), 'utf8');

const validate = new Ajv2020({
  strict: true,
  allErrors: true,
  formats: { 'date-time': (text: string) => /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(text) },
}).compile(JSON.parse(read('schemas/cloud.schema.json')) as object);

const example = JSON.parse(read('docs/examples/cloud.json')) as { tests: { schedule?: object }[] };
const single = { name: 'A', scenario: 'single' };
const starts = '2030-01-01T00:00:00Z';
const file = (test: object, more: object = {}): object => ({ version: 1, project: 1, tests: [test], ...more });

void test('the example fits its schema, and the schema refuses what the command refuses', () => {
  const good = [
    example,
    file(single),
    file({ ...single, schedule: null }),
    file({ ...single, settings: { STRESS_VUS: '5' }, schedule: { starts } }),
    file({ ...single, schedule: { starts, recurrence: { frequency: 'HOURLY', interval: 2, count: 3 } } }),
  ];
  for (const value of good) {
    assert.ok(validate(value), JSON.stringify(validate.errors));
    const parsed = parseCloudFile(JSON.stringify(value));
    assert.ok('file' in parsed, JSON.stringify(parsed));
  }
  const bad = [
    [],
    {},
    file(single, { version: 2 }),
    file(single, { project: '1' }),
    file(single, { project: 1.5 }),
    file(single, { tests: [] }),
    file(single, { tests: Array.from({ length: 101 }, (_, index) => ({ ...single, name: String(index) })) }),
    file(single, { more: 1 }),
    file(single, { settings: { STRESS_VUS: 5 } }),
    file(single, { settings: { STRESS_TOKEN: 'x' } }),
    file({ ...single, name: '' }),
    file({ ...single, name: 'a\u0007' }),
    file({ ...single, name: 'x'.repeat(301) }),
    file({ ...single, scenario: 'everything' }),
    file({ ...single, settings: { STRESS_CLOUD_NAME: 'x' } }),
    file({ ...single, settings: { STRESS_VU: '5' } }),
    file({ ...single, schedule: {} }),
    file({ ...single, schedule: { starts: '2030-01-01' } }),
    file({ ...single, schedule: { starts, cron: '@daily' } }),
    file({ ...single, schedule: { starts, cron: { expression: '@daily' } } }),
    file({ ...single, schedule: { starts, recurrence: { frequency: 'SECONDLY' } } }),
    file({ ...single, schedule: { starts, recurrence: { frequency: 'DAILY', interval: 0 } } }),
    file({ ...single, schedule: { starts, recurrence: { frequency: 'WEEKLY', days: [] } } }),
  ];
  for (const value of bad) {
    assert.ok(!validate(value), `the schema takes ${JSON.stringify(value)}`);
    assert.ok('problems' in parseCloudFile(JSON.stringify(value)), `the command takes ${JSON.stringify(value)}`);
  }
});

const cron = (expression: string, timeZone = 'UTC'): Schedule => ({ starts, cron: { expression, timeZone } });

void test('a cron has five fields or is an alias, and comes', () => {
  for (const fine of [
    '0 3 * * *',
    '*/15 0-6,22 1 JAN-JUL MON-FRI',
    '@hourly',
    '@annually',
    '0 0 29 2 *',
    '5 4 * * 7',
  ]) {
    assert.deepEqual(scheduleProblems(cron(fine)), [], fine);
  }
  for (const wrong of [
    '',
    '* * * *',
    '0 0 3 * * *',
    '60 * * * *',
    '0 3 * * 8',
    '*/0 * * * *',
    '5-1 * * * *',
    '@reboot',
    '@every 5m',
    '0 3 L * *',
    '0 3 15W * *',
    '0 3 * * 5L',
    '0 3 * * 1#2',
    '0 3 ? * *',
    'a b c d e',
    '0\t3 * * *',
  ]) {
    assert.match(scheduleProblems(cron(wrong))[0] ?? '', /^cron\.expression: expected five fields/, wrong);
  }
  assert.match(scheduleProblems(cron('0 3 30 2 *'))[0] ?? '', /expected a time that comes; "0 3 30 2 \*" never does/);
});

void test('a time zone is an IANA name', () => {
  for (const zone of ['UTC', 'Europe/Berlin', 'America/Argentina/Ushuaia']) {
    assert.deepEqual(scheduleProblems(cron('@daily', zone)), [], zone);
  }
  for (const zone of ['', '+02:00', 'Mars/Olympus', 'Europe', 'Europe/Berlin\n']) {
    assert.match(scheduleProblems(cron('@daily', zone))[0] ?? '', /^cron\.timeZone: expected an IANA name/, zone);
  }
});

void test('a recurrence ends in one way, after it began, and has weekdays with WEEKLY alone', () => {
  const recurrence = { frequency: 'DAILY', days: ['MO' as const], until: '2029-01-01T00:00:00Z', count: 2 } as const;
  const both = { ...cron('@daily'), recurrence: { ...recurrence, days: ['MO' as const] } };
  assert.deepEqual(
    scheduleProblems(both).map((problem) => problem.replace(/;.*/, '')),
    [
      'expected cron or recurrence, received both',
      'recurrence.days: expected with WEEKLY',
      'recurrence: expected until or count, by which it ends',
      'recurrence.until: expected a time after starts, 2030-01-01T00:00:00Z',
    ],
  );
  assert.match(scheduleProblems({ starts: '2030-02-30T00:00:00Z' })[0] ?? '', /^starts: expected a time that exists/);
});

void test('schedules are the same however they are written', () => {
  const told = scheduleRequest({
    starts: '2030-01-01T01:00:00+01:00',
    recurrence: { frequency: 'WEEKLY', days: ['SU', 'MO'] },
  });
  const rule = { frequency: 'WEEKLY', byday: ['MO', 'SU'], until: null };
  assert.ok(isSameSchedule(told, { starts, cron: null, recurrence_rule: rule }));
  const others = [
    { starts, cron: null, recurrence_rule: null },
    { starts, cron: null, recurrence_rule: { ...rule, interval: 2 } },
    { starts, cron: null, recurrence_rule: { ...rule, byday: null } },
    { starts, cron: null, recurrence_rule: { ...rule, count: 1 } },
    { starts, cron: null, recurrence_rule: { ...rule, until: starts } },
    { starts: '2030-01-01T00:00:01Z', cron: null, recurrence_rule: rule },
    { starts, cron: { schedule: '@daily', time_zone: 'UTC' }, recurrence_rule: null },
  ];
  for (const other of others) assert.ok(!isSameSchedule(told, other), JSON.stringify(other));
});

const share = (STRESS_URL: string): object => cloudShare('single', { STRESS_URL });

void test('an address of the machine itself is known in every form', () => {
  for (const host of [
    'localhost:8003',
    'a.localhost',
    '127.0.0.1',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    'LOCALHOST.',
  ]) {
    assert.ok('because' in share(`ws://${host}/ws`), host);
  }
  for (const host of ['service.example', '10.0.0.1', '128.0.0.1', 'localhost.example', '[2001:db8::1]']) {
    assert.deepEqual(share(`ws://${host}/ws`), { settings: { STRESS_URL: `ws://${host}/ws` }, without: [] }, host);
  }
  // k6 takes these for names: no setting may be one of them.
  for (const host of ['127.1', '2130706433']) {
    const { problems } = parseSettings({ STRESS_URL: `ws://${host}/ws` });
    assert.match(problems.join(), /STRESS_URL: expected an address whose host is a name or a whole IP address/, host);
  }
  // Where none is given the default one is.
  assert.ok('because' in cloudShare('single', {}));
  const limited = { STRESS_URL: 'ws://a.example/', STRESS_LIMITED_URL: 'ws://localhost:1/' };
  assert.deepEqual(cloudShare('session-limit', limited), {
    because: 'STRESS_LIMITED_URL is an address of the machine that it is used on',
  });
});

void test('of the suite the cloud runs what it can', () => {
  const settings = { STRESS_URL: 'ws://a.example/' };
  const only = { ...settings, STRESS_ONLY: 'service-down' };
  assert.match(
    JSON.stringify(cloudShare('suite', only)),
    /"because":"nothing else is in it than service-down: nobody there/,
  );
  const others = { ...settings, STRESS_ONLY: 'single,concurrent' };
  assert.deepEqual(cloudShare('suite', others), { settings: others, without: [] });
  const files = { ...settings, STRESS_COMMANDS: './mine.json', STRESS_THRESHOLDS: 'own.json' };
  assert.deepEqual(cloudShare('suite', files), {
    because: 'STRESS_COMMANDS names a file of this machine; STRESS_THRESHOLDS names a file of this machine',
  });
});

void test('load zones add up to all of the load', () => {
  assert.deepEqual(parseZones('amazon:us:ashburn'), [{ zone: 'amazon:us:ashburn', percent: 100 }]);
  assert.deepEqual(parseZones('a=60, b=40'), [
    { zone: 'a', percent: 60 },
    { zone: 'b', percent: 40 },
  ]);
  for (const wrong of [
    '',
    'a=60',
    'a=60,b=41',
    'a,b',
    'a=0',
    'a=100,b=0',
    'a=50,a=50',
    'a=50.5,b=49.5',
    'a b',
    'a=100=',
    'a=-1',
    ',',
  ]) {
    assert.equal(parseZones(wrong), undefined, wrong);
  }
  const { problems } = parseSettings({ STRESS_CLOUD_ZONES: 'a=1', STRESS_CLOUD_PROJECT: 'mine' });
  assert.match(
    problems.join('\n'),
    /STRESS_CLOUD_PROJECT: expected a whole number from 1 .* received "mine"\nSTRESS_CLOUD_ZONES: expected load zones/,
  );
});

const hostProblems = (K6_CLOUD_HOST_V6: string): string[] =>
  cloudAccess({ K6_CLOUD_TOKEN: 't', K6_CLOUD_STACK_ID: '1', K6_CLOUD_HOST_V6 }).problems;

void test('the token goes to https:// or to loopback', () => {
  for (const host of [
    '',
    'https://api.example',
    'https://api.example/',
    'http://127.0.0.1:8080',
    'http://localhost:8080',
  ]) {
    assert.deepEqual(hostProblems(host), [], host);
  }
  for (const host of [
    'http://api.example',
    'http://localhost.example',
    'api.example',
    'https://a@b',
    'https://a/b',
    'http://127.0.0.1@x',
  ]) {
    assert.equal(hostProblems(host).length, 1, host);
  }
});

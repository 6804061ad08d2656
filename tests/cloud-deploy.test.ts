import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { apiError, startCloud, type Asked, type FakeCloud } from './cloud-api.ts';
import { compiledProgram } from './compiled-program.ts';
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const url = 'wss://service.example/ws/mcp';
const nightly = {
  name: 'Nightly',
  scenario: 'concurrent',
  schedule: {
    starts: '2030-01-01T00:00:00Z',
    cron: { expression: '0 3 * * *', timeZone: 'Europe/Berlin' },
  },
};
const weekly = {
  name: 'Weekly – <b>"quoted"</b>',
  scenario: 'single',
  settings: { STRESS_VUS: '2' },
  schedule: { starts: '2030-01-02T05:00:00+01:00', recurrence: { frequency: 'WEEKLY', days: ['SU', 'SA'] } },
};

/** A cloud.json of these tests against a service elsewhere. */
const fileOf = (...tests: object[]): object => ({ version: 1, project: 4711, settings: { STRESS_URL: url }, tests });

/** One round, of these load zones. */
const at = (zones: string): object => ({ STRESS_VUS: '9', STRESS_CLOUD_ZONES: zones });

interface Deployed {
  code: number | null;
  stdout: string;
  stderr: string;
}

const program = compiledProgram('cloud-deploy.ts');

/** Deploys a cloud.json to a fake cloud, and sees to it that the token is not shown. */
const deployTo = async (
  t: TestContext,
  cloud: FakeCloud,
  file: unknown,
  args: readonly string[] = [],
  more: Record<string, string> = {},
): Promise<Deployed> => {
  const name = path.join(temporaryDirectory(t), 'cloud.json');
  writeFileSync(name, typeof file === 'string' ? file : JSON.stringify(file));
  const env = {
    ...cleanEnv(),
    K6_BIN: await k6Path(),
    K6_CLOUD_HOST_V6: cloud.url,
    K6_CLOUD_TOKEN: cloud.token,
    K6_CLOUD_STACK_ID: '1234',
    ...more,
  };
  cloud.asked = [];
  const run = await runProgram(process.execPath, [program, name, ...args], { env });
  assert.ok(!`${run.stdout}${run.stderr}`.includes(cloud.token), `the token is shown: ${run.stdout}${run.stderr}`);
  assert.ok(!cloud.tests.some(({ script }) => script?.includes(cloud.token)), 'the token is in a script');
  return run;
};

const succeeds = async (...args: Parameters<typeof deployTo>): Promise<string> => {
  const { code, stdout, stderr } = await deployTo(...args);
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual(args[1].violations, []);
  return stdout;
};

void test('a first deployment makes tests and schedules, a second changes nothing and says so', async (t) => {
  const cloud = await startCloud(t);
  const file = fileOf(nightly, weekly);
  const dry = await succeeds(t, cloud, file, ['--dry-run']);
  assert.match(dry, /create +"Nightly" \(concurrent\)\n +schedule: cron 0 3 \* \* \* Europe\/Berlin, from 2030-01-01/);
  assert.match(dry, /about 1\.5 VU hours a run/);
  assert.match(dry, /Dry run: nothing was changed\./);
  assert.deepEqual(cloud.writes, []);

  const first = await succeeds(t, cloud, file);
  assert.match(first, /Deploying:\n {2}"Nightly" created\n {2}schedule of "Nightly" set\n {2}"Weekly.*\n.*\nDeployed/);
  assert.deepEqual(
    cloud.tests.map(({ name }) => name),
    [nightly.name, weekly.name],
  );
  const [{ starts: _, ...daily } = {}, sundays] = cloud.schedules;
  assert.deepEqual((daily as { cron: unknown }).cron, { schedule: '0 3 * * *', time_zone: 'Europe/Berlin' });
  assert.equal(sundays?.starts, '2030-01-02T04:00:00.000Z');
  const rule = { frequency: 'WEEKLY', interval: 1, byday: ['SU', 'SA'], until: null, count: null };
  assert.deepEqual(sundays.recurrence_rule, rule);

  // The cloud tells the same in its own words.
  Object.assign(sundays, { starts: '2030-01-02T04:00:00Z', recurrence_rule: { ...rule, byday: ['SA', 'SU'] } });
  const second = await succeeds(t, cloud, file);
  assert.match(second, /unchanged +"Nightly"/);
  assert.match(second, /Nothing to change: the cloud has it all\./);
  assert.deepEqual(cloud.writes, []);
});

void test('what differs alone is changed: a script, a schedule; the rest of the project is left alone', async (t) => {
  const cloud = await startCloud(t);
  await succeeds(t, cloud, fileOf(nightly, weekly));
  const [ofNightly, ofWeekly] = cloud.tests;
  cloud.tests.push({ id: 7, project_id: cloud.project, name: 'Of others', script: Buffer.from('export default 1') });

  const larger = { ...weekly, settings: { STRESS_VUS: '3' } };
  const later = { ...nightly, schedule: { ...nightly.schedule, cron: { expression: '0 4 * * *', timeZone: 'UTC' } } };
  const told = await succeeds(t, cloud, fileOf(later, larger));
  assert.deepEqual(cloud.writes, [
    `POST /cloud/v6/load_tests/${ofNightly?.id}/schedule`,
    `PUT /cloud/v6/load_tests/${ofWeekly?.id}/script`,
  ]);
  assert.match(told.replaceAll(/\s+/g, ' '), /schedule: cron 0 4 \* \* \* UTC, from [^ ]+, in place of cron 0 3/);
  assert.match(told, /Deploying:\n {2}schedule of "Nightly" replaced\n {2}script of "Weekly.*\nDeployed/);

  // Without a schedule none is touched; null removes it.
  const { schedule: _, ...bare } = later;
  await succeeds(t, cloud, fileOf(bare));
  assert.deepEqual(cloud.writes, []);
  assert.equal(cloud.schedules.length, 2);
  const removed = await succeeds(t, cloud, fileOf({ ...bare, schedule: null }));
  assert.match(removed, /schedule of "Nightly" removed/);
  assert.equal(cloud.schedules.length, 1);
  await succeeds(t, cloud, fileOf({ ...bare, schedule: null }));
  assert.deepEqual(cloud.writes, []);
});

void test('a schedule that somebody paused stays paused', async (t) => {
  const cloud = await startCloud(t);
  await succeeds(t, cloud, fileOf(nightly));
  const [before] = cloud.schedules;
  assert.ok(before);
  before.deactivated = true;
  assert.match(await succeeds(t, cloud, fileOf(nightly)), /schedule as it is, paused/);
  const later = { ...nightly, schedule: { starts: '2031-01-01T00:00:00Z' } };
  const told = (await succeeds(t, cloud, fileOf(later))).replaceAll(/\s+/g, ' ');
  assert.match(told, /schedule: once, 2031-01-01T00:00:00\.000Z, in place of .*; stays paused/);
  assert.match(told, /schedule of "Nightly" replaced schedule of "Nightly" paused as it was/);
  assert.deepEqual(
    cloud.schedules.map(({ deactivated }) => deactivated),
    [true],
  );
});

void test('a script that somebody replaced, or that is no archive, is put back', async (t) => {
  const cloud = await startCloud(t);
  await succeeds(t, cloud, fileOf(nightly));
  const [kept] = cloud.tests;
  assert.ok(kept?.script);
  const archive = kept.script;
  for (const other of [Buffer.from('export default () => {}'), archive.subarray(0, 5000), undefined]) {
    kept.script = other;
    const told = await succeeds(t, cloud, fileOf(nightly));
    assert.match(told, /script of "Nightly" replaced/);
    assert.ok(Buffer.isBuffer(kept.script) && kept.script.length === archive.length);
  }
  // The cloud has it as text, and none as an archive.
  cloud.instead = ({ what }) => (/^GET .*script$/.test(what) ? apiError(406, 'Not an archive.') : undefined);
  assert.match(await succeeds(t, cloud, fileOf(nightly)), /script of "Nightly" replaced/);
});

void test('a test is found on whatever page it is', async (t) => {
  const cloud = await startCloud(t);
  cloud.pageSize = 2;
  for (const name of ['a', 'b', 'c', 'd']) {
    cloud.tests.push({ id: cloud.id(), project_id: cloud.project, name, script: undefined });
  }
  await succeeds(t, cloud, fileOf(nightly));
  await succeeds(t, cloud, fileOf(nightly));
  const lists = cloud.asked.filter((what) => what === `GET /cloud/v6/projects/${cloud.project}/load_tests`);
  assert.equal(lists.length, 3);
  assert.deepEqual(cloud.writes, []);
});

void test('what the cloud can’t run is left out, and is told with its reason', async (t) => {
  const cloud = await startCloud(t);
  const file = fileOf(
    { name: 'All', scenario: 'suite', settings: { STRESS_SKIP: 'conformance' } },
    { name: 'Outage', scenario: 'service-down' },
    { name: 'Again', scenario: 'recovery' },
    { name: 'Here', scenario: 'single', settings: { STRESS_URL: 'ws://127.0.0.2:8003/ws/mcp' } },
    { name: 'Files', scenario: 'single', settings: { STRESS_RESULT: 'result.json' } },
    { name: 'Helped', scenario: 'memory', settings: { STRESS_HELPER_URL: 'http://127.0.0.1:1' } },
  );
  const told = (await succeeds(t, cloud, file)).replaceAll(/\s+/g, ' ');
  assert.deepEqual(
    cloud.tests.map(({ name }) => name),
    ['All'],
  );
  assert.match(told, /without service-down: nobody there can stop and start the service/);
  assert.match(told, /without memory by process id/);
  assert.match(told, /left out "Outage" \(service-down\) nobody there can stop/);
  assert.match(told, /without recovery: the failures that it replays are kept in files/);
  assert.match(told, /left out "Again" \(recovery\) the failures that it replays/);
  assert.match(told, /left out "Here" \(single\) STRESS_URL is an address of the machine/);
  assert.match(told, /left out "Files" \(single\) STRESS_RESULT names a file/);
  assert.match(told, /left out "Helped" \(memory\) STRESS_HELPER_URL: a helper serves the machine/);
  assert.ok(cloud.tests[0]?.script?.includes('"STRESS_SKIP": "conformance,recovery,service-down"'));

  const nothing = await deployTo(t, cloud, fileOf({ name: 'Outage', scenario: 'service-down' }));
  assert.equal(nothing.code, 2, nothing.stdout);
  assert.match(nothing.stderr, /expected one that the cloud can run; received none\n.*"Outage": nobody there/);
});

void test('what is wrong with the cloud’s side comes at once, before anything is changed', async (t) => {
  const cloud = await startCloud(t);
  for (const id of [5, 6]) cloud.tests.push({ id, project_id: cloud.project, name: 'Twice', script: undefined });
  cloud.zones.push({ ...cloud.zones[0], k6_load_zone_id: 'plz-of-us', public: false });
  const { code, stderr } = await deployTo(
    t,
    cloud,
    fileOf(
      nightly,
      { name: 'Twice', scenario: 'single' },
      { name: 'Nowhere', scenario: 'single', settings: at('amazon:mars:olympus') },
      { name: 'Private', scenario: 'single', settings: at('plz-of-us=50,amazon:us:ashburn=50') },
      { name: 'Closed', scenario: 'single', settings: at('amazon:jp:tokyo') },
    ),
  );
  assert.equal(code, 2, stderr);
  assert.match(stderr, /^Nothing was changed in the cloud\.\n/m);
  assert.match(stderr, /"Twice": expected one load test of that name; the project has 2: 5, 6/);
  assert.match(
    stderr,
    /"Nowhere": .*no such load zone: amazon:mars:olympus; there are amazon:us:ashburn, amazon:de:frankfurt/,
  );
  assert.match(stderr, /"Private": .*may not use plz-of-us, which is private/);
  assert.match(stderr, /"Closed": .*amazon:jp:tokyo can't be used now/);
  assert.deepEqual(cloud.writes, []);

  cloud.allowed = cloud.zones.slice(-1);
  await succeeds(t, cloud, fileOf({ name: 'Private', scenario: 'single', settings: at('plz-of-us') }));
});

void test('a project that is not there, and options that the cloud would not run', async (t) => {
  const cloud = await startCloud(t);
  const wrong = await deployTo(t, cloud, { ...fileOf(nightly), project: 12 });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /project: expected a project of the stack K6_CLOUD_STACK_ID; there is none with id 12/);

  const details = [{ message: 'at most 10', code: 'x', target: 'vus' }];
  cloud.instead = ({ what }) =>
    what.endsWith('/validate_options') ? apiError(400, 'Too many VUs.\u001b[31m', details) : undefined;
  const many = await deployTo(t, cloud, fileOf(nightly));
  assert.equal(many.code, 2);
  assert.match(
    many.stderr,
    /"Nightly": the cloud would not run it: .*status 400: Too many VUs\.\\u001b\[31m; vus: at most 10/,
  );
  assert.deepEqual(cloud.writes, []);
  assert.deepEqual(cloud.violations, []);
});

void test('rounds can’t be shared by load zones, a duration can', async (t) => {
  const cloud = await startCloud(t);
  const zones = { STRESS_CLOUD_ZONES: 'amazon:us:ashburn=50,amazon:de:frankfurt=50' };
  const rounds = await deployTo(
    t,
    cloud,
    fileOf({ ...nightly, settings: zones }, { name: 'Cases', scenario: 'conformance', settings: zones }),
  );
  assert.equal(rounds.code, 2);
  assert.match(rounds.stderr, /"Nightly": STRESS_CLOUD_ZONES: expected one load zone, .*received 2/);
  assert.match(rounds.stderr, /"Cases": STRESS_CLOUD_ZONES: expected one load zone/);
  const long = { ...zones, STRESS_RATE: '2', STRESS_DURATION: '1m' };
  await succeeds(t, cloud, fileOf({ ...nightly, settings: long }));
  assert.ok(cloud.tests[0]?.script?.includes('"loadZone": "amazon:de:frankfurt"'));
});

void test('a token that is not accepted, or that may not do it', async (t) => {
  const cloud = await startCloud(t);
  const { token } = cloud;
  cloud.token = 'another-token';
  const unknown = await deployTo(t, cloud, fileOf(nightly), [], { K6_CLOUD_TOKEN: token });
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /Nothing was changed.*\n.*status 401: Invalid token\.: K6_CLOUD_TOKEN was not accepted/);
  assert.ok(!unknown.stderr.includes(token));
  assert.equal(cloud.asked.length, 1);

  cloud.instead = () => apiError(403, 'Not yours.');
  const forbidden = await deployTo(t, cloud, fileOf(nightly));
  assert.equal(forbidden.code, 1);
  assert.match(forbidden.stderr, /status 403: Not yours\.: K6_CLOUD_TOKEN may not do this in the stack/);
});

void test('a test of the name that was made meanwhile is not overwritten', async (t) => {
  const cloud = await startCloud(t);
  const isCreate = ({ what }: Asked): boolean => what === `POST /cloud/v6/projects/${cloud.project}/load_tests`;
  cloud.instead = (asked) => {
    if (!isCreate(asked) || cloud.tests.some(({ name }) => name === weekly.name)) return undefined;
    if (!asked.body.includes('Weekly')) return undefined;
    cloud.tests.push({ id: 8, project_id: cloud.project, name: weekly.name, script: Buffer.from('another') });
    return undefined;
  };
  const { code, stderr } = await deployTo(t, cloud, fileOf(nightly, weekly));
  assert.equal(code, 1);
  assert.match(stderr, /Not all of it was deployed\.\n.*was made meanwhile, and it is another/);
  assert.match(
    stderr,
    /Done\.\n {2}- "Nightly" created\n {2}- schedule of "Nightly" set\nNot done, or not known to be\.\n {2}- "Weekly/,
  );
  assert.equal(cloud.tests.at(-1)?.script?.toString(), 'another');
  assert.deepEqual(cloud.violations, []);

  // A further call shows in its plan that it replaces it.
  const again = await succeeds(t, cloud, fileOf(nightly, weekly));
  assert.match(again, /update +"Weekly.*\n +script: another, replaced/);
});

void test('a test whose answer got lost is ours: it is not made twice', async (t) => {
  const cloud = await startCloud(t);
  let lost = 0;
  cloud.after = ({ what }) =>
    /^POST .*load_tests$/.test(what) && lost++ === 0 ? { status: 0, drop: true } : undefined;
  const { code, stdout, stderr } = await deployTo(t, cloud, fileOf(nightly));
  assert.equal(code, 0, stderr);
  assert.match(stderr, /load_tests: .*; again in 1 s\nwaited 1000 ms/);
  assert.match(stdout, /"Nightly" created\n {2}schedule of "Nightly" set/);
  assert.equal(cloud.tests.length, 1);
});

void test('a step that fails is told with what was done, and a further call goes on from there', async (t) => {
  const cloud = await startCloud(t);
  cloud.instead = ({ what }) => (/^POST .*schedule$/.test(what) ? apiError(500, `boom ${cloud.token}`) : undefined);
  const { code, stderr } = await deployTo(t, cloud, fileOf(nightly, weekly));
  assert.equal(code, 1);
  assert.match(
    stderr,
    /status 500: boom …; 5 tries\nDone\.\n {2}- "Nightly" created\nNot done, or not known to be\.\n {2}- schedule of "Nightly" set\n {2}- "Weekly/,
  );
  assert.match(stderr, /Deploy again when that is mended/);
  assert.equal(cloud.asked.filter((what) => /^POST .*schedule$/.test(what)).length, 5);

  cloud.instead = () => undefined;
  const again = (await succeeds(t, cloud, fileOf(nightly, weekly))).replaceAll(/\s+/g, ' ');
  assert.match(again, /Deploying: schedule of "Nightly" set "Weekly.* created schedule of "Weekly/);
  assert.equal(cloud.tests.length, 2);
});

void test('all that is wrong with environment and file comes at once, and nothing is asked', async (t) => {
  const cloud = await startCloud(t);
  const file = {
    version: 1,
    project: 0,
    settings: { STRESS_TOKEN: 'x', STRESS_URLL: url },
    tests: [
      { name: 'A', scenario: 'concurent' },
      { name: 'B', scenario: 'single', settings: { STRESS_VUS: 'many', STRESS_ROUNDZ: '1', PATH: '/' } },
      { name: 'B', scenario: 'single', schedule: { starts: 'soon' } },
      {
        name: 'C',
        scenario: 'single',
        schedule: { starts: '2030-01-01T00:00:00Z', cron: { expression: '0 25 * * *', timeZone: 'Mars/Olympus' } },
      },
      { name: 'D', scenario: 'memory', settings: { STRESS_ROUNDS: '1', STRESS_CLOUD_PROJECT: '7' }, colour: 'red' },
    ],
  };
  const { code, stderr } = await deployTo(t, cloud, file, [], { K6_CLOUD_TOKEN: '', K6_CLOUD_STACK_ID: 'mine' });
  assert.equal(code, 2, stderr);
  for (const problem of [
    /K6_CLOUD_TOKEN: expected a token/,
    /K6_CLOUD_STACK_ID: expected the number of a stack.* received "mine"/,
    /project: expected at least 1; received 0/,
    /settings: STRESS_TOKEN: a secret does not belong in a file/,
    /settings: "STRESS_URLL": no such setting; did you mean STRESS_URL\?/,
    /tests\.0 "A": scenario: .*received "concurent"; did you mean concurrent\?/,
    /tests\.1 "B": STRESS_VUS: expected a whole number/,
    /tests\.1 "B": "STRESS_ROUNDZ": no such setting; did you mean STRESS_ROUNDS\?/,
    /tests\.1 "B": "PATH": no such setting/,
    /tests: expected each name once; received "B" more than once/,
    /tests\.2 "B": schedule\.starts: expected a time with its offset.*received "soon"/,
    /tests\.3 "C": schedule\.cron\.expression: expected five fields.*received "0 25 \* \* \*": Invalid value for hour: 25/,
    /tests\.3 "C": schedule\.cron\.timeZone: expected an IANA name.*received "Mars\/Olympus"/,
    /tests\.4 "D": colour: expected no such member; received "colour"/,
  ]) {
    assert.match(stderr, problem);
  }
  assert.deepEqual(cloud.asked, []);

  const misfit = { name: 'D', scenario: 'memory', settings: { STRESS_ROUNDS: '1', STRESS_CLOUD_PROJECT: '7' } };
  const other = await deployTo(t, cloud, fileOf(misfit));
  assert.match(other.stderr, /"D": STRESS_CLOUD_PROJECT: the project stands above the tests/);
  assert.match(other.stderr, /"D": STRESS_ROUNDS: memory has no rounds/);

  for (const [text, expected] of [
    ['{', /expected JSON/],
    ['[]', /version: expected "version"; received undefined\n.*project: expected/],
    [
      '{"version":2,"project":1,"tests":[]}',
      /version: expected 1; received 2\n.*tests: expected a length of at least 1; received 0/,
    ],
  ] as const) {
    const refused = await deployTo(t, cloud, text);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, expected);
  }
  const secret = await deployTo(t, cloud, fileOf(nightly), [], {
    K6_CLOUD_TOKEN: 'with blank',
    K6_CLOUD_HOST_V6: 'http://x',
  });
  assert.match(secret.stderr, /K6_CLOUD_TOKEN: expected a token without blanks/);
  assert.match(secret.stderr, /K6_CLOUD_HOST_V6: expected an address of https:\/\//);
  assert.ok(!secret.stderr.includes('with blank'));
});

void test('the command line: no such file, options and commands, and the same from the bundle', async (t) => {
  const cloud = await startCloud(t);
  const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
  const env = { ...cleanEnv(), K6_BIN: await k6Path(), K6_CLOUD_TOKEN: cloud.token, K6_CLOUD_STACK_ID: '1' };
  const run = (args: string[], more: object = {}): Promise<Deployed> =>
    runProgram(process.execPath, [cli, 'cloud', ...args], { env: { ...env, ...more } });
  for (const [args, expected] of [
    [['deploi'], /no such command: cloud deploi; did you mean deploy\? \(deploy\)/],
    [['deploy', '--dryrun'], /no such option: --dryrun; did you mean --dry-run\?/],
    [['deploy', 'a', 'b'], /expected one file, received also b/],
    [['deploy', 'nowhere.json'], /nowhere\.json: expected a file such as docs\/examples\/cloud\.json: ENOENT/],
  ] as const) {
    const { code, stderr } = await run([...args]);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, expected);
  }
  const example = path.join(packageRoot, 'docs/examples/cloud.json');
  cloud.project = 123_456;
  const { code, stdout, stderr } = await run(['deploy', example], { K6_CLOUD_HOST_V6: cloud.url });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^Project 123456, "Gates \\u001b\[2J":/);
  assert.match(stdout.replaceAll(/\s+/g, ' '), /from 40 % amazon:de:frankfurt, 60 % amazon:us:ashburn/);
  assert.equal(cloud.tests.length, 2);
  assert.deepEqual(cloud.violations, []);
});

void test('what k6 itself uploads is the same to a deployment, and a deployed test is found by k6', async (t) => {
  const cloud = await startCloud(t);
  const { token } = cloud;
  const upload = async (): Promise<void> => {
    const settings = { STRESS_URL: url, STRESS_CLOUD_NAME: nightly.name, STRESS_CLOUD_PROJECT: String(cloud.project) };
    const e = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const access = {
      K6_CLOUD_TOKEN: token,
      K6_CLOUD_STACK_ID: '1',
      K6_CLOUD_HOST: cloud.url,
      K6_CLOUD_HOST_V6: cloud.url,
    };
    const args = ['cloud', 'upload', '--quiet', ...e, path.join(packageRoot, 'dist/concurrent.js')];
    const { code, stderr } = await runProgram(await k6Path(), args, { env: { ...cleanEnv(), ...access } });
    assert.equal(code, 0, `${stderr}${cloud.asked.join('\n')}`);
    assert.deepEqual(cloud.violations, []);
  };
  await upload();
  const [test] = cloud.tests;
  assert.ok(test?.script);
  // k6 puts the token into the archive; a deployment does not.
  const theirs = test.script;
  test.script = undefined;
  const { schedule: _, ...bare } = nightly;
  await succeeds(t, cloud, fileOf(bare));
  test.script = theirs;
  cloud.token = 'token-of-no-deployment';
  const told = await succeeds(t, cloud, fileOf(bare));
  assert.match(told, /Nothing to change/);
  assert.deepEqual(cloud.writes, []);

  cloud.token = token;
  await upload();
  assert.equal(cloud.tests.length, 1);
});

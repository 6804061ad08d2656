import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withLock } from '../cli/shared/lock.mjs';
import { fakeGo, madeFiles, runEnsureK6, serve, setupFixture, startSetup, until } from './setup-fixture.ts';

/** Whether a process is alive; a zombie is not. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !readFileSync(stat, 'latin1').includes(') Z ');
};

for (const [signal, exitCode] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const) {
  void test(`${signal} during a build ends it and leaves no files, and the next run works`, async (t) => {
    const fixture = setupFixture(t);
    const started = join(fixture.directory, 'started');
    fakeGo(fixture, {
      before: `echo half > "$out"\nsleep 600 &\necho $! > '${started}.new'; mv '${started}.new' '${started}'\nwait`,
    });
    const run = startSetup(t, fixture);
    await until('the build', () => existsSync(started));
    const compiler = Number(readFileSync(started, 'utf8'));
    assert.equal(isAlive(compiler), true);

    run.child.kill(signal);
    // Under npm and from a terminal a signal may arrive twice.
    run.child.kill(signal);
    const result = await run.finished;
    assert.equal(result.code, exitCode);
    assert.match(result.stderr, new RegExp(`\nk6: setup was interrupted by ${signal}\n$`));
    await until('the end of what the build started', () => !isAlive(compiler));
    assert.deepEqual(madeFiles(fixture), []);
    assert.deepEqual(readdirSync(join(fixture.build, 'setup.lock')), []);

    fakeGo(fixture);
    const next = await runEnsureK6(fixture);
    assert.ok('k6' in next && next.k6.source === 'built with Go');
  });
}

void test('SIGTERM during a download leaves no files', async (t) => {
  const fixture = setupFixture(t);
  let isFetching = false;
  fixture.env['WS_STRESS_K6_RELEASES'] = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('half');
    isFetching = true;
  });
  const run = startSetup(t, fixture);
  await until('the download', () => isFetching && madeFiles(fixture).length > 0);
  run.child.kill('SIGTERM');
  const result = await run.finished;
  assert.equal(result.code, 143, result.stderr);
  assert.deepEqual(madeFiles(fixture), []);
});

void test('the next run removes the files of a killed one', async (t) => {
  const fixture = setupFixture(t);
  const started = join(fixture.directory, 'started');
  fakeGo(fixture, { before: `echo half > "$out"\necho $$ > '${started}'\nexec sleep 600` });
  const run = startSetup(t, fixture);
  await until('the build', () => existsSync(started) && readFileSync(started, 'utf8').endsWith('\n'));
  run.child.kill('SIGKILL');
  await run.finished;
  process.kill(Number(readFileSync(started, 'utf8')), 'SIGKILL');
  assert.match(madeFiles(fixture).join(), /^tmp-/);
  assert.equal(readdirSync(join(fixture.build, 'setup.lock')).length, 1);

  fakeGo(fixture);
  const next = await runEnsureK6(fixture);
  assert.ok('k6' in next);
  assert.deepEqual(madeFiles(fixture), [next.k6.path.slice(fixture.build.length + 1)]);
  assert.deepEqual(readdirSync(join(fixture.build, 'setup.lock')), []);
});

void test('of two setups at once, the second reports that it waits, and takes the k6 of the first', async (t) => {
  const fixture = setupFixture(t);
  const goOn = join(fixture.directory, 'go-on');
  const go = fakeGo(fixture, { before: `while [ ! -e '${goOn}' ]; do sleep 0.05; done` });
  const first = startSetup(t, fixture, '--print');
  await until('the first build', () => go.builds().length === 1);
  const second = startSetup(t, fixture, '--print');
  await until('the second waiting', () => second.stderr().includes('waiting for another setup'));
  assert.ok(second.stderr().includes(`waiting for another setup (process ${first.child.pid})`));
  writeFileSync(goOn, '');
  const [one, two] = await Promise.all([first.finished, second.finished]);
  assert.deepEqual([one.code, two.code], [0, 0], one.stderr + two.stderr);
  assert.equal(two.stdout, one.stdout);
  assert.match(two.stderr, /is ready \(set up before\)/);
  assert.equal(go.builds().length, 1);
});

void test('a waiting setup can be interrupted', async (t) => {
  const fixture = setupFixture(t);
  fakeGo(fixture);
  await withLock(join(fixture.build, 'setup.lock'), async () => {
    const run = startSetup(t, fixture);
    await until('the waiting', () => run.stderr().includes('waiting for another setup'));
    run.child.kill('SIGINT');
    assert.equal((await run.finished).code, 130);
  });
  assert.deepEqual(madeFiles(fixture), []);
});

void test('the claim of a process that has ended does not hold the lock, even if its id is in use again', async (t) => {
  const { directory } = setupFixture(t);
  const lock = join(directory, 'lock');
  mkdirSync(lock);
  writeFileSync(join(lock, `${process.pid}-1-earlier`), '');
  writeFileSync(join(lock, '999999999-1-gone'), '');
  const result = await withLock(lock, async () => readdirSync(lock).length, {
    onWait: (holder) => assert.fail(`waited for ${holder}`),
  });
  assert.equal(result, 1);
});

void test('one holder at a time has the lock, and it is free after the work throws', async (t) => {
  const { directory } = setupFixture(t);
  const lock = join(directory, 'lock');
  let inside = 0;
  const work = async (): Promise<void> => {
    inside += 1;
    assert.equal(inside, 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    inside -= 1;
    throw new Error('as planned');
  };
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => withLock(lock, work)));
  assert.deepEqual(
    results.map((result) => (result.status === 'rejected' ? String(result.reason) : result.status)),
    results.map(() => 'Error: as planned'),
  );
  assert.deepEqual(readdirSync(lock), []);
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, copyFileSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { findOnPath } from '../../cli/setup/k6-source.ts';
import { packageRoot } from '../../cli/shared/package-root.ts';
import { scenarioNames } from '../../cli/shared/scenarios.ts';
import { readImage, runContainer, startNetwork, type Image, type RunOptions, type Running } from './container.ts';
import { runProgram } from '../k6.ts';
import { until } from '../target-client.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

const needed = ['buildah', 'debootstrap', 'go', 'npm', 'unshare', 'nsenter', 'setpriv', 'ip'];
const missing = needed.filter((name) => findOnPath(name, process.env.PATH).length === 0);
/** Why the images can't be built and entered here; false where they can. */
const whyNot = (): string | false => {
  if (missing.length > 0) return `not on PATH: ${missing.join(', ')}`;
  if (process.getuid?.() !== 0) return 'only root can build and enter images';
  const may = spawnSync('unshare', ['--mount', '--pid', '--fork', '--net', 'true']).status === 0;
  return !may && 'namespaces of its own are not allowed here';
};

const url = 'ws://127.0.0.1:8003/ws/mcp';

/** Runs a container to its end. */
const finished = async (t: TestContext, image: Image, args: readonly string[] | undefined, options: RunOptions) => {
  const running = runContainer(t, image, args, options);
  const code = await running.exit;
  return { code, stdout: running.stdout(), stderr: running.stderr() };
};

/** Starts the reference target and waits until it listens. */
const startTarget = async (t: TestContext, image: Image, args: readonly string[], options: RunOptions) => {
  const target = runContainer(t, image, args, options);
  await until('the address', () => {
    assert.equal(target.child.exitCode, null, target.stderr());
    return target.stdout().includes('\n');
  });
  return target;
};

/** Asks the image's health check. */
const askHealth = (t: TestContext, image: Image, options: RunOptions) => {
  const [kind, ...command] = image.config.Healthcheck?.Test ?? [];
  assert.equal(kind, 'CMD');
  return finished(t, image, [], { ...options, entrypoint: command });
};

const stopped = async (target: Running): Promise<number | null> => {
  process.kill(-target.child.pid!, 'SIGTERM');
  return await target.exit;
};

void test(
  'the images of the Dockerfile, built on stand-ins for their bases',
  { skip: whyNot(), timeout: 1_200_000 },
  async (t) => {
    const folder = temporaryDirectory(t);
    const built = await runProgram(path.join(packageRoot, 'scripts/build-without-registry.sh'), [folder], {
      env: process.env,
      timeoutMs: 1_200_000,
    });
    assert.equal(built.code, 0, built.stderr);
    const k6 = readImage(folder, 'stress');
    const reference = readImage(folder, 'reference-target');

    await t.test('k6 and the bundles are all there is, and belong to nobody who runs them', () => {
      assert.deepEqual(k6.config.Entrypoint, ['k6']);
      assert.deepEqual(k6.config.Cmd, ['run', 'dist/concurrent.js']);
      assert.match(k6.config.User, /^[1-9]\d*:[1-9]\d*$/);
      const files = (readdirSync(k6.root, { recursive: true }) as string[]).filter((file) =>
        statSync(path.join(k6.root, file)).isFile(),
      );
      const bundles = scenarioNames().map((name) => `ws-stress/dist/${name}.js`);
      const others = [
        'etc/ssl/certs/ca-certificates.crt',
        'usr/bin/k6',
        'ws-stress/LICENSE',
        'ws-stress/thresholds.json',
      ];
      assert.deepEqual(files.toSorted(), [...bundles, ...others].toSorted());
      for (const file of files) assert.equal(statSync(path.join(k6.root, file)).uid, 0, file);
    });

    await t.test('the target has what it needs to run, and neither sources nor what builds them', () => {
      assert.match(reference.config.User, /^[1-9]\d*:[1-9]\d*$/);
      assert.deepEqual(Object.keys(reference.config.ExposedPorts ?? {}), ['8003/tcp']);
      assert.deepEqual(readdirSync(path.join(reference.root, 'ws-stress')).toSorted(), [
        'LICENSE',
        'cli',
        'dist',
        'node_modules',
        'package.json',
      ]);
      const modules = readdirSync(path.join(reference.root, 'ws-stress/node_modules'));
      assert.ok(modules.includes('ws'));
      for (const name of ['typescript', 'esbuild', 'uplot']) assert.ok(!modules.includes(name), name);
    });

    await t.test('both say what they are', () => {
      for (const { config } of [k6, reference]) {
        for (const name of ['title', 'description', 'licenses']) {
          assert.notEqual(config.Labels[`org.opencontainers.image.${name}`] ?? '', '', name);
        }
      }
    });

    await t.test('neither has a secret of this machine in its configuration', () => {
      const names = [...k6.config.Env, ...reference.config.Env].map((variable) => variable.split('=')[0]);
      assert.deepEqual(
        names.filter((name) => !/^(PATH|NODE_VERSION|YARN_VERSION|K6_[A-Z_]+)$/.test(name ?? '')),
        [],
      );
    });

    await t.test('k6 says its version where nothing can be written', async (t) => {
      const network = await startNetwork(t);
      const { code, stdout, stderr } = await finished(t, k6, ['version'], { network });
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^k6\S* v2\./);
    });

    await t.test(
      'a run against the target beside it passes, both with nothing to write to but the target’s /tmp',
      async (t) => {
        const options = { network: await startNetwork(t) };
        const early = await askHealth(t, reference, options);
        assert.equal(early.code, 1, 'healthy before anything listens');
        const target = await startTarget(t, reference, ['--any-user'], { ...options, tmpfs: ['/tmp'] });
        assert.match(target.stdout(), /^listening on ws:\/\/127\.0\.0\.1:8003\//);
        const health = await askHealth(t, reference, options);
        assert.equal(health.code, 0, health.stderr);

        const run = await finished(t, k6, ['run', 'dist/concurrent.js', '-e', `STRESS_URL=${url}`], options);
        assert.equal(run.code, 0, run.stdout + run.stderr);
        assert.match(run.stdout, /^ *PASS: every criterion that was judged holds/m);

        const results = temporaryDirectory(t);
        const user = '1234:1234';
        chownSync(results, 1234, 1234);
        copyFileSync(path.join(packageRoot, 'docs/examples/thresholds.json'), path.join(results, 'thresholds.json'));
        const variables = {
          STRESS_URL: url,
          STRESS_RESULT: '/results/run.json',
          STRESS_THRESHOLDS: '/results/thresholds.json',
        };
        const settings = Object.entries(variables).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
        const leaving = await finished(t, k6, ['run', '--quiet', ...settings, 'dist/single.js'], {
          ...options,
          user,
          volume: { from: results, to: '/results' },
        });
        assert.equal(leaving.code, 0, leaving.stdout + leaving.stderr);
        const record = JSON.parse(readFileSync(path.join(results, 'run.json'), 'utf8')) as { verdict: string };
        assert.equal(record.verdict, 'PASS');

        const failing = await finished(
          t,
          k6,
          ['run', '-e', 'STRESS_URL=ws://127.0.0.1:9/ws/mcp', 'dist/single.js'],
          options,
        );
        assert.equal(failing.code, 108, failing.stderr);
        assert.equal(await stopped(target), 0, target.stderr());
      },
    );

    await t.test('nobody in a container is root, and nothing but /tmp can be written to', async (t) => {
      const options = { network: await startNetwork(t), tmpfs: ['/tmp'] };
      const shell = [
        'sh',
        '-c',
        'id -u; id -g; touch /tmp/a && echo tmp; for f in /a /ws-stress/a /ws-stress/dist/a; do touch $f && echo $f; done',
      ];
      const { stdout, stderr } = await finished(t, reference, [], { ...options, entrypoint: shell });
      const [uid, gid] = reference.config.User.split(':');
      assert.deepEqual(stdout.trim().split('\n'), [uid, gid, 'tmp'], stderr);
      assert.match(stderr, /Read-only file system/);
    });

    await t.test('beyond loopback the target refuses to listen without a token and an allow-list', async (t) => {
      const options = { network: await startNetwork(t), tmpfs: ['/tmp'] };
      const open = await finished(t, reference, ['--host', '0.0.0.0'], options);
      assert.deepEqual([open.code, open.stdout], [2, '']);
      assert.match(open.stderr, /beyond loopback.*--token.*--allow/);
    });

    await t.test('beyond loopback it serves who has the token, and nobody else', async (t) => {
      const options = { network: await startNetwork(t) };
      const token = 'open-sesame';
      const env = { WS_STRESS_TARGET_TOKEN: token };
      const args = ['--host', '0.0.0.0', '--allow', 'echo'];
      const target = await startTarget(t, reference, args, { ...options, env, tmpfs: ['/tmp'] });
      assert.equal((await askHealth(t, reference, options)).code, 0);
      const run = ['run', '--quiet', '-e', `STRESS_URL=${url}`, 'dist/single.js'];
      const without = await finished(t, k6, run, options);
      assert.equal(without.code, 108, without.stdout + without.stderr);
      const allowed = await finished(t, k6, run, { ...options, env: { STRESS_TOKEN: token } });
      assert.equal(allowed.code, 0, allowed.stdout + allowed.stderr);
      assert.ok(![target.stdout(), target.stderr(), allowed.stdout, allowed.stderr].join('').includes(token));
    });
  },
);

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { startTarget } from '../reference-target/server.ts';
import { freePort } from './free-port.ts';
import { cleanEnv, k6Path } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { noSchemas, readYaml, schemaProblems } from './yaml-files.ts';

interface Step {
  name?: string;
  uses?: string;
  run?: string;
  env?: Record<string, string>;
  if?: string;
  with?: Record<string, unknown>;
}

interface Workflow {
  permissions: object;
  jobs: Record<string, { steps: Step[]; permissions?: object; 'timeout-minutes': number }>;
}

interface Artifacts {
  when: string;
  paths: string[];
  reports: { junit: string };
}

type GitLabJob = {
  extends?: string;
  before_script?: string[];
  script?: string[];
  artifacts?: Artifacts;
  timeout?: string;
};

const githubFile = 'docs/examples/ci/github-actions.yml';
const gitlabFile = 'docs/examples/ci/gitlab-ci.yml';
const workflow = readYaml(githubFile) as Workflow;
const gitlab = readYaml(gitlabFile) as Record<string, GitLabJob>;
const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);

void test('the examples are valid by the schemas of their systems', { skip: noSchemas() }, () => {
  const schemas = ['vendor.github-workflows', 'custom.github-workflows-require-timeout'];
  for (const schema of schemas) assert.equal(schemaProblems(schema, githubFile), '');
  assert.equal(schemaProblems('vendor.gitlab-ci', gitlabFile), '');
});

void test('on GitHub a job may read and nothing else, actions are pinned, and no expression becomes shell', () => {
  assert.deepEqual(workflow.permissions, { contents: 'read' });
  for (const job of Object.values(workflow.jobs)) assert.equal(job.permissions, undefined);
  for (const { uses, run, with: settings } of steps) {
    if (uses !== undefined) assert.match(uses, /^actions\/[a-z-]+@v\d+\.\d+\.\d+$/);
    if (uses?.startsWith('actions/checkout') === true) assert.equal(settings?.['persist-credentials'], false);
    assert.doesNotMatch(run ?? '', /\$\{\{/);
  }
});

void test('a secret is in the environment of the one step that needs it, and on no command line', () => {
  const withSecret = steps.filter((step) => JSON.stringify(step).includes('secrets.'));
  assert.deepEqual(
    withSecret.map(({ env }) => env),
    [{ STRESS_URL: '${{ vars.STRESS_URL }}', STRESS_TOKEN: '${{ secrets.STRESS_TOKEN }}' }],
  );
  for (const file of [githubFile, gitlabFile])
    assert.doesNotMatch(readFileSync(path.join(packageRoot, file), 'utf8'), /--token/);
});

void test('what a run leaves is kept when it failed', () => {
  const kept = steps.filter(({ uses }) => uses?.startsWith('actions/upload-artifact') === true);
  assert.deepEqual(
    kept.map((step) => step.if),
    Array.from(kept, () => '${{ !cancelled() }}'),
  );
  assert.equal(kept.length, Object.keys(workflow.jobs).length);
  assert.equal(gitlab['.stress']?.artifacts?.when, 'always');
});

/** What git does not have is not in a checkout. */
const notChecked = new Set(['.git', 'node_modules', 'dist', 'dist-webpack', 'stress-results', 'runtime/build']);

const environment = async (): Promise<NodeJS.ProcessEnv> => ({
  ...cleanEnv(),
  K6_BIN: await k6Path(),
  CI: 'true',
});

/** A checkout of this repository, as a job finds it, after the steps that set it up. */
const setUpCheckout = async (t: TestContext): Promise<string> => {
  const folder = path.join(temporaryDirectory(t), 'checkout');
  cpSync(packageRoot, folder, { recursive: true, filter: (file) => !notChecked.has(path.relative(packageRoot, file)) });
  const { code, output } = await runScript(t, setUp.join('\n'), folder, await environment());
  assert.equal(code, 0, output);
  return folder;
};

/** A copy of a checkout, which shares what is installed. */
const copyOf = (checkout: string, t: TestContext): string => {
  const folder = path.join(temporaryDirectory(t), 'checkout');
  const modules = path.join(checkout, 'node_modules');
  cpSync(checkout, folder, { recursive: true, filter: (file) => file !== modules });
  symlinkSync(modules, path.join(folder, 'node_modules'));
  return folder;
};

/** Runs a script as the systems do: a shell that ends at the first failure. What it left behind ends with the test. */
const runScript = async (t: TestContext, script: string, cwd: string, env: NodeJS.ProcessEnv) => {
  // Into files, for a target that goes on holds pipes open, and without their end there may be something in them still.
  const folder = temporaryDirectory(t);
  const [out, errors] = [path.join(folder, 'stdout'), path.join(folder, 'stderr')];
  const files = [openSync(out, 'a'), openSync(errors, 'a')];
  const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', ...files],
  });
  files.forEach((file) => closeSync(file));
  t.after(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // It left nothing behind.
    }
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  const stdout = readFileSync(out, 'utf8');
  return { code, output: stdout + readFileSync(errors, 'utf8'), stdout };
};

/** What a file holds; nothing where it is not there. */
const left = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** Runs scripts one after another, up to the first that fails. */
const runJob = async (t: TestContext, checkout: string, scripts: readonly string[], env: Record<string, string>) => {
  const folder = copyOf(checkout, t);
  const summary = path.join(folder, '..', 'step-summary.md');
  writeFileSync(summary, '');
  const port = await freePort();
  const all = { ...(await environment()), GITHUB_STEP_SUMMARY: summary, ...env };
  let ended = { code: 0 as number | null, output: '', stdout: '' };
  for (const script of scripts) {
    // Others may have the port here, which nobody has in a job's own machine.
    const own = script
      .replaceAll('127.0.0.1:8003', `127.0.0.1:${port}`)
      .replace('ws-stress target', `ws-stress target --port ${port}`);
    ended = await runScript(t, own, folder, all);
    if (ended.code !== 0) break;
  }
  const [run = ''] = existsSync(path.join(folder, 'stress-results/runs'))
    ? readdirSync(path.join(folder, 'stress-results/runs'))
    : [];
  return {
    ...ended,
    junit: left(path.join(folder, 'junit.xml')),
    summary: left(summary),
    report: left(path.join(folder, 'stress-results/runs', run, 'report.html')),
    summaryOfRun: left(path.join(folder, 'stress-results/runs', run, 'summary.md')),
  };
};

/** How every job begins; it is done once for all of them. */
const setUp = ['npm ci', 'npm run build', 'npx ws-stress setup'];

/** What a job runs after that. */
const afterSetUp = (commands: readonly string[]): string[] => {
  assert.deepEqual(commands.slice(0, setUp.length), setUp);
  return commands.slice(setUp.length);
};

const githubScripts = (name: string): string[] =>
  afterSetUp((workflow.jobs[name]?.steps ?? assert.fail(name)).flatMap(({ run }) => (run === undefined ? [] : [run])));

const gitlabScripts = (name: string): string[] => {
  const job = gitlab[name] ?? assert.fail(name);
  const shared = gitlab[job.extends ?? ''];
  // One shell runs them all.
  return [afterSetUp([...(shared?.before_script ?? []), ...(job.script ?? [])]).join('\n')];
};

const jobs = [
  { system: 'GitHub', scripts: githubScripts },
  { system: 'GitLab', scripts: gitlabScripts },
];

// Beside each other, for they wait more than they work.
void test('the jobs of the examples, run as their systems do', { concurrency: true }, async (t) => {
  const checkout = await setUpCheckout(t);
  const tests: Promise<void>[] = [];
  for (const { system, scripts } of jobs) {
    tests.push(
      t.test(`${system}: the steps of a change’s job pass, and leave JUnit, Markdown and the report`, async (t) => {
        const job = await runJob(t, checkout, scripts('change'), {});
        assert.equal(job.code, 0, job.output);
        assert.match(job.stdout, /^PASS: every criterion that was judged holds\n$/m);
        assert.match(job.junit, /<testsuites /);
        assert.match(system === 'GitHub' ? job.summary : job.summaryOfRun, /PASS/);
        assert.match(job.report, /^<!doctype html>/i);
      }),
    );

    tests.push(
      t.test(
        `${system}: the steps of a night’s job judge the service that the variables name, by the exit code`,
        async (t) => {
          const token = 'not-to-be-shown';
          const target = await startTarget({ port: 0, token, faults: ['lost-line'] });
          t.after(() => target.close());
          const few = { STRESS_URL: target.url, STRESS_ONLY: 'single,concurrent', STRESS_ROUNDS: '2' };
          const job = await runJob(t, checkout, scripts('nightly'), { ...few, STRESS_TOKEN: token });
          assert.equal(job.code, 99, job.output);
          assert.match(job.junit, /<failure /);
          assert.match(system === 'GitHub' ? job.summary : job.summaryOfRun, /FAIL/);
          assert.match(job.report, /^<!doctype html>/i);
          for (const text of Object.values(job)) assert.ok(!String(text).includes(token), 'the token is shown');
        },
      ),
    );
  }

  tests.push(
    t.test('a night’s job whose service is not there fails, and says that nothing was run', async (t) => {
      // A variable that is not set comes as an empty text.
      const env = { STRESS_URL: `ws://127.0.0.1:${await freePort()}/ws/mcp`, STRESS_TOKEN: '' };
      const job = await runJob(t, checkout, githubScripts('nightly'), env);
      assert.equal(job.code, 108, job.output);
      assert.doesNotMatch(job.summary, /PASS/);
    }),
  );
  await Promise.all(tests);
});

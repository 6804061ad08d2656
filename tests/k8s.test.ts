import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { parse, parseAllDocuments } from 'yaml';
import { renderManifests, type Rendered } from '../cli/k8s/manifest.ts';
import { imageProblem, neededMiB } from '../cli/k8s/options.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { scenarioNames } from '../cli/shared/scenarios.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
const image = ['--image', 'grafana/k6:2.2.0'];

const render = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runProgram(process.execPath, [cli, 'k8s', 'render', ...args], { env: { ...cleanEnv(), ...env } });

interface EnvEntry {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef?: { name: string; key: string }; fieldRef?: { fieldPath: string } };
}

interface Pod {
  image: string;
  env: EnvEntry[];
  disabled?: boolean;
  resources: { requests: { memory: string; cpu: string }; limits: Record<string, string> };
}

interface TestRun {
  kind: 'TestRun';
  metadata: { name?: string; generateName?: string; namespace?: string };
  spec: {
    parallelism: number;
    script: { configMap: { name: string; file: string } };
    arguments?: string;
    args?: string[];
    cleanup?: string;
    initializer: Pod;
    runner: Pod;
  };
}

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string };
  data: Record<string, string>;
  rules: unknown;
}

const documentsOf = (yaml: string): Manifest[] =>
  parseAllDocuments(yaml).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as Manifest;
  });

const schema = JSON.parse(readFileSync(path.join(packageRoot, 'tests/fixtures/testrun-schema.json'), 'utf8')) as object;
const fits = new Ajv({ allowUnionTypes: true }).compile(schema);

const checked = (document: unknown): TestRun => {
  assert.ok(fits(document), JSON.stringify(fits.errors));
  return document as TestRun;
};

const testRunOf = (yaml: string): TestRun => checked(documentsOf(yaml).find(({ kind }) => kind === 'TestRun'));

for (const scenario of scenarioNames()) {
  test(`${scenario} is rendered as the operator's schema has it, in less than a ConfigMap holds`, async () => {
    const { code, stdout, stderr } = await render([scenario, ...image]);
    assert.equal(code, 0, stderr);
    const [configMap, run] = documentsOf(stdout);
    const { metadata, spec } = checked(run);
    assert.equal(metadata.name, `ws-stress-${scenario}`);
    assert.deepEqual(spec.script.configMap, { name: metadata.name, file: `${scenario}.js` });
    assert.equal(spec.runner.image, 'grafana/k6:2.2.0');
    const bundle = readFileSync(path.join(packageRoot, 'dist', `${scenario}.js`), 'utf8');
    assert.deepEqual(configMap?.data, { [`${scenario}.js`]: bundle });
    assert.ok(Buffer.byteLength(bundle) < 1024 * 1024);
  });
}

const byName = (pod: Pod) =>
  Object.fromEntries(pod.env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]));

test('settings are variables, files of theirs go with the bundle, and a secret is a reference for runners alone', async () => {
  const { code, stdout, stderr } = await render(
    [
      'concurrent',
      ...image,
      '--parallelism',
      '3',
      '--vus',
      '300',
      '--url',
      'ws://service:8003/ws/mcp',
      '--commands',
      'docs/examples/failing-command.json',
      '--thresholds',
      'thresholds.json',
      '--secret',
      'STRESS_TOKEN=ws-stress/token',
      '--secret',
      'K6_PROMETHEUS_RW_PASSWORD=prom/password',
      '--write-to',
      'http://prometheus:9090/api/v1/write',
      '--allowed-command',
      '$(HOSTNAME) $x',
      '--separate',
    ],
    { STRESS_TOKEN: 'geheim', STRESS_HEADERS: '{"a":"geheim"}' },
  );
  assert.equal(code, 0, stderr);
  assert.ok(!stdout.includes('geheim'));
  const [configMap] = documentsOf(stdout);
  assert.deepEqual(Object.keys(configMap?.data ?? {}), ['concurrent.js', 'thresholds.json', 'commands.json']);
  const { spec } = testRunOf(stdout);
  assert.deepEqual(byName(spec.runner), {
    STRESS_URL: 'ws://service:8003/ws/mcp',
    STRESS_VUS: '300',
    STRESS_COMMANDS: '/test/commands.json',
    STRESS_THRESHOLDS: '/test/thresholds.json',
    // The kubelet makes `$` of it.
    STRESS_ALLOWED_COMMAND: '$$(HOSTNAME) $$x',
    STRESS_RUN_ID: { fieldRef: { fieldPath: "metadata.labels['k6_cr']" } },
    K6_OUT: 'experimental-prometheus-rw',
    K6_PROMETHEUS_RW_SERVER_URL: 'http://prometheus:9090/api/v1/write',
    K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM: 'true',
    K6_NO_USAGE_REPORT: 'true',
    STRESS_TOKEN: { secretKeyRef: { name: 'ws-stress', key: 'token' } },
    K6_PROMETHEUS_RW_PASSWORD: { secretKeyRef: { name: 'prom', key: 'password' } },
  });
  assert.deepEqual(
    spec.initializer.env.map(({ name }) => name),
    ['STRESS_URL', 'STRESS_VUS', 'STRESS_COMMANDS', 'STRESS_THRESHOLDS', 'STRESS_ALLOWED_COMMAND'],
  );
  assert.deepEqual(spec.runner.resources, {
    requests: { cpu: '1', memory: '185Mi' },
    limits: { memory: '278Mi' },
  });
});

test('a runner asks for the memory that was measured for its sessions', () => {
  assert.equal(neededMiB({ STRESS_VUS: '1000' }, 1).memoryMiB, 690);
  assert.equal(neededMiB({ STRESS_VUS: '1000' }, 4).memoryMiB, 269);
  assert.equal(neededMiB({ STRESS_VUS: '10000', STRESS_FLEET: '100' }, 1).memoryMiB, 1144);
  assert.equal(neededMiB({ STRESS_RATE: '20', STRESS_DURATION: '1m' }, 1).memoryMiB, 241);
});

test('k6’s options: plain ones as one string, others element by element, as nothing splits or expands them', async () => {
  const plain = testRunOf((await render(['single', ...image, '--', '--tag', 'team=core', '--verbose'])).stdout);
  assert.equal(plain.spec.arguments, '--tag team=core --verbose');
  assert.equal(plain.spec.args, undefined);
  const hostile = ['--tag', 'a=b c\'; $(touch x) `y` "*'];
  const exact = testRunOf((await render(['single', ...image, '--', ...hostile])).stdout);
  assert.equal(exact.spec.arguments, undefined);
  assert.deepEqual(exact.spec.args, ['--tag', 'a=b c\'; $$(touch x) `y` "*']);
});

test('a schedule may create test runs in its namespace, and nothing else', async () => {
  const { code, stdout, stderr } = await render([
    'concurrent',
    ...image,
    '--vus',
    '5',
    '--namespace',
    'load',
    '--name',
    'nightly',
    '--cron',
    '0 3 * * 1-5',
    '--kubectl-image',
    `registry.k8s.io/kubectl@sha256:${'a'.repeat(64)}`,
  ]);
  assert.equal(code, 0, stderr);
  const documents = documentsOf(stdout);
  assert.deepEqual(
    documents.map(({ kind, metadata }) => `${kind} ${metadata.namespace} ${metadata.name}`),
    [
      'ConfigMap load nightly',
      'ConfigMap load nightly-cron',
      'ServiceAccount load nightly-cron',
      'Role load nightly-cron',
      'RoleBinding load nightly-cron',
      'CronJob load nightly-cron',
    ],
  );
  assert.deepEqual(documents[3]?.rules, [{ apiGroups: ['k6.io'], resources: ['testruns'], verbs: ['create'] }]);
  const run = checked(parse(documents[1]?.data['testrun.yaml'] ?? ''));
  assert.deepEqual(run.metadata, { generateName: 'nightly-', namespace: 'load' });
  assert.equal(run.spec.cleanup, 'post');
});

test('an image says exactly which it is', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const exact = [
    'grafana/k6:2.2.0',
    `grafana/k6@${digest}`,
    `localhost:5000/k6:latest@${digest}`,
    'r.example/a/b:v1.2.3-rc1',
  ];
  for (const reference of exact) assert.equal(imageProblem('--image', reference), undefined, reference);
  const vague = [
    'grafana/k6',
    'grafana/k6:latest',
    'grafana/k6:2',
    'grafana/k6:2.2',
    'localhost:5000/k6',
    'k6@sha256:0',
    'K6:1.0.0',
    'a:1.0.0 b',
    '',
  ];
  for (const reference of vague) assert.match(imageProblem('--image', reference) ?? '', /--image: expected/, reference);
});

const refusals: [args: string[], told: RegExp][] = [
  [['concurrent'], /--image: expected the image of the runners/],
  [['concurrent', '--image', 'grafana/k6:latest'], /latest may be another image tomorrow/],
  [['concurent', ...image], /expected a scenario, .* did you mean concurrent\?/],
  [['concurrent', ...image, '--parallelism', '3'], /--parallelism: rounds and cases follow one another/],
  [['concurrent', ...image, '--parallelism', '0'], /--parallelism: expected a whole number/],
  [['concurrent', ...image, '--parallelism', '3', '--vus', '2'], /expected at most a runner a VU, 2; received 3/],
  [['process-control', ...image, '--parallelism', '2', '--vus', '9'], /process-control has cases/],
  [['memory', ...image, '--parallelism', '2'], /--parallelism: rounds and cases/],
  [['single', ...image, '--token', 'geheim'], /--token: expected as --secret STRESS_TOKEN=secret\/key/],
  [['single', ...image, '--url', 'ws://a/b?key=geheim'], /--url: a query may hold a secret/],
  [['single', ...image, '--secret', 'STRESS_TOKEN=geheim'], /received something else \(not shown\)/],
  [['single', ...image, '--secret', 'PATH=a/b'], /expected a setting or a variable of k6/],
  [['single', ...image, '--secret', 'STRESS_TOKEN=a/b', '--secret', 'STRESS_TOKEN=a/c'], /expected STRESS_TOKEN once/],
  [['single', ...image, '--result', 'x.json'], /--result: a pod has no such place/],
  [['single', ...image, '--write-to', 'http://me:geheim@p/'], /--write-to: expected an address .* without a name/],
  [['single', ...image, '--name', 'stress-a'], /does not begin with stress-/],
  [['single', ...image, '--name', 'A'], /--name: expected at most 40/],
  [
    ['single', ...image, '--cron', 'daily'],
    /--cron: expected five fields[^]*--cron: expected together with --namespace/,
  ],
  [['single', ...image, '--kubectl-image', 'a:1.2.3'], /--kubectl-image: expected together with --cron/],
  [['single', ...image, '--memory', '1'], /--memory: expected an amount/],
  [['single', ...image, '--cpu', '0'], /--cpu: expected processors/],
  [['single', ...image, '--vus', 'x'], /--vus: expected a whole number/],
  [['single', ...image, '--thresholds', 'no-such.json'], /can't read no-such\.json/],
  [['single', ...image, '--', '--out', 'json'], /an output is rendered from --write-to/],
  [['single', ...image, '--', '-e', 'A=geheim'], /"-e": outputs and variables/],
  [['single', ...image, '--', '--no-thresholds'], /could not be judged/],
  [['single', ...image, '--', '--tag', 'instance_id=1'], /the operator sets this tag/],
  [['single', ...image, '--', '--execution-segment', '0:1'], /splits the test by --parallelism/],
  [['single', ...image, '--', 'x.js'], /expected options of k6/],
  [['single', ...image, '--', '--tag', ''], /expected no empty argument/],
];

for (const [args, told] of refusals) {
  test(`refused: ${args.join(' ')}`, async () => {
    const { code, stdout, stderr } = await render(args);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, told);
    assert.ok(!stderr.includes('geheim'));
  });
}

test('a command that is no render is told', async () => {
  const { code, stderr } = await runProgram(process.execPath, [cli, 'k8s', 'apply', 'single'], { env: cleanEnv() });
  assert.equal(code, 2);
  assert.match(stderr, /no such command: k8s apply \(render\)/);
});

test('texts stay texts: what looks like YAML comes out as it went in', () => {
  const value = 'yes\n---\nkind: Secret # !!js';
  const rendered: Rendered = {
    name: 'a',
    namespace: undefined,
    image: 'k6:2.2.0',
    starterImage: 'starter:1.6.0',
    parallelism: 1,
    separate: false,
    files: { 'a.js': `${value}\n${'x'.repeat(300)}` },
    script: 'a.js',
    variables: [{ name: 'STRESS_X', value }],
    k6Args: [],
    resources: { memoryMiB: 1, memoryLimitMiB: 2, cpu: '1' },
    skipInitializer: true,
    cron: undefined,
  };
  const yaml = renderManifests(rendered);
  const documents = documentsOf(yaml);
  assert.equal(documents.length, 2);
  assert.deepEqual(documents[0]?.data, rendered.files);
  const { spec } = testRunOf(yaml);
  assert.deepEqual(spec.runner.env, [{ name: 'STRESS_X', value }]);
  assert.deepEqual(spec.initializer, { disabled: true });
});

test('k6 takes what is rendered, as the operator calls it: archive, inspect, and a run of each segment', async (t) => {
  const target = await startTarget({ port: 0, token: 'geheim' });
  t.after(() => target.close());
  const folder = temporaryDirectory(t);
  const { stdout, code } = await render([
    'concurrent',
    ...image,
    '--parallelism',
    '2',
    '--vus',
    '6',
    '--url',
    target.url,
    '--secret',
    'STRESS_TOKEN=ws/token',
    '--',
    '--tag',
    'team=core',
  ]);
  assert.equal(code, 0);
  const [configMap] = documentsOf(stdout);
  const { spec } = testRunOf(stdout);
  mkdirSync(path.join(folder, 'test'));
  for (const [name, text] of Object.entries(configMap?.data ?? {}))
    writeFileSync(path.join(folder, 'test', name), text);
  const script = path.join(folder, 'test', spec.script.configMap.file);
  const k6 = await k6Path();
  const extra = (spec.arguments ?? '').split(' ');
  const archive = path.join(folder, 'archive.tar');
  const variables = spec.initializer.env.flatMap(({ name, value }) => ['-e', `${name}=${value}`]);
  const made = await runProgram(k6, ['archive', script, ...variables, '-O', archive, ...extra]);
  assert.equal(made.code, 0, made.stderr);
  const inspected = await runProgram(k6, ['inspect', '--execution-requirements', archive]);
  assert.equal(inspected.code, 0, inspected.stderr);
  assert.equal((JSON.parse(inspected.stdout) as { maxVUs: number }).maxVUs, 6);
  const values = Object.fromEntries(
    spec.runner.env.map(({ name, value, valueFrom }) => [
      name,
      value ?? (valueFrom?.secretKeyRef ? 'geheim' : 'ws-stress-concurrent'),
    ]),
  );
  const parts = [1, 2].map((index) =>
    runProgram(
      k6,
      [
        'run',
        '--quiet',
        `--execution-segment=${index === 1 ? '0:1/2' : '1/2:1'}`,
        '--execution-segment-sequence=0,1/2,1',
        ...extra,
        script,
        '--address=',
        '--tag',
        `instance_id=${index}`,
        '--tag',
        'testrun_name=ws-stress-concurrent',
      ],
      { env: { ...cleanEnv(), ...values } },
    ),
  );
  for (const part of await Promise.all(parts)) {
    assert.equal(part.code, 0, part.stderr);
    assert.match(part.stdout, /run ws-stress-concurrent/);
    assert.match(part.stdout, /1 {2}6 sessions at once +3 +0/);
  }
});

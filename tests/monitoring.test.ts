import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { findOnPath } from '../cli/setup/k6-source.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { metricsTable, type MetricRow } from '../lib/load/metrics.ts';
import { defaultOptions } from '../reference-target/options.ts';
import { startTarget } from '../reference-target/server.ts';
import { maxWaitingBytes } from '../reference-target/session.ts';
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { hasPrometheus, startPrometheus } from './prometheus.ts';
import { noSchemas, readYaml, schemaProblems } from './yaml-files.ts';

interface Service {
  image: string;
  build?: { target: string };
  command?: string[];
  ports?: string[];
  volumes?: string[];
  profiles?: string[];
  environment?: Record<string, string>;
  network_mode?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: object;
  deploy?: { resources: { limits: Record<string, unknown> } };
}

const compose = readYaml('docker/compose.yaml') as { services: Record<string, Service>; volumes: object };
const services = Object.entries(compose.services);
const service = (name: string): Service => compose.services[name] ?? assert.fail(`compose.yaml has no ${name}`);
const dockerfile = readFileSync(path.join(packageRoot, 'Dockerfile'), 'utf8');

/** A tag that names one release. */
const exactTag = /:v?\d+\.\d+\.\d+(-[\w.-]+)?$/;

void test('compose.yaml is valid by the compose specification', { skip: noSchemas() }, () => {
  assert.equal(schemaProblems('vendor.compose-spec', 'docker/compose.yaml'), '');
});

void test('whatever compose.yaml starts is bounded, writes nowhere but where it must, and is reached from this machine only', () => {
  for (const [name, { ports = [], ...each }] of services) {
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/, name);
    assert.equal(each.read_only, true, name);
    assert.deepEqual([each.cap_drop, each.security_opt], [['ALL'], ['no-new-privileges:true']], name);
    assert.deepEqual(Object.keys(each.deploy?.resources.limits ?? {}), ['cpus', 'memory', 'pids'], name);
  }
  // It runs commands for whoever connects.
  assert.deepEqual([service('target').ports, service('target').command], [undefined, undefined]);
  assert.equal(service('k6').network_mode, 'service:target');
  assert.deepEqual(service('k6').profiles, ['run']);
});

void test('what a target with its default limits holds for clients that do not read fits the memory that compose.yaml gives it', () => {
  const memory = String(service('target').deploy?.resources.limits.memory);
  const [, number, unit = ''] = /^(\d+)([mg])$/.exec(memory) ?? assert.fail(memory);
  const bytes = Number(number) * (unit === 'g' ? 2 ** 30 : 2 ** 20);
  // For Node.js itself, and for the commands.
  const others = 256 * 2 ** 20;
  assert.ok(maxWaitingBytes(defaultOptions) + others <= bytes, `${maxWaitingBytes(defaultOptions)} of ${memory}`);
});

void test('compose.yaml waits for what is healthy, of which each says how that is told', () => {
  const waitedFor = services.flatMap(([, each]) => Object.entries(each.depends_on ?? {}));
  assert.ok(waitedFor.length > 0);
  for (const [name, { condition }] of waitedFor) {
    assert.equal(condition, 'service_healthy', name);
    const stage = service(name).build?.target;
    const own =
      stage === undefined ? '' : (dockerfile.split(/^FROM /m).find((text) => text.includes(` AS ${stage}\n`)) ?? '');
    assert.ok(service(name).healthcheck !== undefined || own.includes('\nHEALTHCHECK '), `${name} has no health check`);
  }
});

void test('images are named by exact tags, stages and mounted files are there', () => {
  const stages = new Set([...dockerfile.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name = '']) => name));
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)]
    .map(([, base = '']) => base)
    .filter((base) => base !== 'scratch' && !stages.has(base));
  assert.ok(bases.length > 0);
  const images = services.filter(([, { build }]) => build === undefined).map(([, { image }]) => image);
  for (const image of [...bases, ...images]) assert.match(image, exactTag);
  for (const [name, { build, volumes = [] }] of services) {
    if (build !== undefined) assert.ok(dockerfile.includes(` AS ${build.target}\n`), name);
    for (const volume of volumes) {
      const [from = ''] = volume.split(':');
      const isThere = from.startsWith('.')
        ? existsSync(path.join(packageRoot, 'docker', from))
        : from in compose.volumes;
      assert.ok(isThere, `${name}: ${volume}`);
      assert.ok(!from.startsWith('.') || volume.endsWith(':ro'), `${name}: ${volume}`);
    }
  }
});

const isMissing = (name: string): string | false =>
  findOnPath(name, process.env.PATH).length === 0 && `${name} is not on PATH`;

void test('Prometheus takes its configuration', { skip: isMissing('promtool') }, async () => {
  const { code, stderr } = await runProgram('promtool', ['check', 'config', 'docker/prometheus.yml']);
  assert.equal(code, 0, stderr);
});

interface Dashboard {
  uid: string;
  templating: { list: { name: string; query: { query: string } }[] };
  panels: { id: number; title: string; targets: { expr: string; datasource: { uid: string } }[] }[];
}

const dashboard = JSON.parse(
  readFileSync(path.join(packageRoot, 'docker/grafana/dashboards/ws-stress.json'), 'utf8'),
) as Dashboard;
const queries = dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })));

/** The name that k6 gives a metric in Prometheus, where trends are native histograms. */
const prometheusName = ([name, row]: [string, MetricRow]): string => {
  if (row.type === 'counter') return `k6_${name}_total`;
  if (row.type === 'rate') return `k6_${name}_rate`;
  return row.time === true ? `k6_${name}_seconds` : `k6_${name}`;
};

/** What k6 itself counts, without tags of ours. */
const ofK6 = new Set(['k6_data_received_total', 'k6_data_sent_total', 'k6_vus', 'k6_vus_max']);

void test('every query of the dashboard names metrics that there are, with tags that they have', () => {
  const rows = new Map(Object.entries<MetricRow>(metricsTable).map((entry) => [prometheusName(entry), entry[1]]));
  for (const { title, expr } of queries) {
    const names = [...expr.matchAll(/k6_\w+/g)].map(([name]) => name);
    assert.ok(names.length > 0, title);
    const known = names.map(
      (name) => rows.get(name) ?? (ofK6.has(name) ? { tags: [] } : assert.fail(`${title}: ${name}`)),
    );
    const tags = [...expr.matchAll(/by \(([^)]*)\)|(\w+)=~?"/g)].flatMap(([, by, tag]) =>
      (by ?? tag ?? '').split(', '),
    );
    for (const tag of tags)
      assert.ok(
        known.every((row) => row.tags.some((own) => own === tag)),
        `${title}: ${tag}`,
      );
  }
});

void test('the dashboard asks the data source that is provisioned, and panels have ids of their own', () => {
  const provisioned = readYaml('docker/grafana/provisioning/datasources/prometheus.yaml') as {
    datasources: { uid: string; url: string; jsonData: { timeInterval: string } }[];
  };
  const [source] = provisioned.datasources;
  assert.equal(source?.url, 'http://prometheus:9090');
  for (const { targets } of dashboard.panels)
    for (const { datasource } of targets) assert.equal(datasource.uid, source.uid);
  assert.equal(source.jsonData.timeInterval, service('k6').environment?.K6_PROMETHEUS_RW_PUSH_INTERVAL);
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
});

/** Prometheus' flags in compose.yaml, but for where it finds and keeps things. */
const prometheusFlags = (service('prometheus').command ?? []).filter(
  (flag) => !/^--(config\.file|storage\.tsdb\.path)=/.test(flag),
);

interface Answer {
  status: string;
  error?: string;
  data: { result: { values?: [number, string][]; histograms?: [number, object][] }[] };
}

/** How many points a query has over a time. */
const pointsOf = async (prometheus: string, expr: string, startS: number, endS: number): Promise<number> => {
  // As Grafana has it with all scenarios chosen; four times the push interval.
  const query = expr.replaceAll('$test', '.*').replaceAll('$__rate_interval', '4s');
  const parameters = new URLSearchParams({ query, start: String(startS), end: String(endS), step: '1' });
  const answer = (await (await fetch(`${prometheus}/api/v1/query_range?${parameters}`)).json()) as Answer;
  assert.equal(answer.status, 'success', `${expr}: ${answer.error}`);
  let points = 0;
  for (const { values = [], histograms = [] } of answer.data.result) {
    points += values.filter(([, value]) => value !== 'NaN').length + histograms.length;
  }
  return points;
};

void test(
  'every panel of the dashboard shows something of runs that k6 wrote to a real Prometheus',
  { skip: !hasPrometheus && 'prometheus is not on PATH' },
  async (t) => {
    const prometheus = await startPrometheus(t, '127.0.0.1', {
      config: path.join(packageRoot, 'docker/prometheus.yml'),
      flags: prometheusFlags,
    });
    const target = await startTarget({ port: 0 });
    t.after(() => target.close());
    const run = async (bundle: string, settings: Record<string, string>): Promise<void> => {
      const env = {
        ...cleanEnv(),
        ...service('k6').environment,
        K6_PROMETHEUS_RW_SERVER_URL: `${prometheus}/api/v1/write`,
        STRESS_URL: target.url,
        ...settings,
      };
      const args = ['run', '--quiet', '--no-usage-report', '--address', '', path.join(packageRoot, 'dist', bundle)];
      const { code, stdout, stderr } = await runProgram(await k6Path(), args, { env });
      assert.equal(code, 0, stdout + stderr);
      assert.doesNotMatch(stderr, /Prometheus remote write/, stderr);
    };
    const startS = Math.floor(Date.now() / 1000);
    await run('suite.js', { STRESS_ONLY: 'concurrent,process-control,high-output', STRESS_ROUNDS: '3,5' });
    await run('concurrent.js', { STRESS_VUS: '5', STRESS_DURATION: '8s' });
    const endS = Math.ceil(Date.now() / 1000);

    for (const { title, expr } of queries) {
      assert.ok((await pointsOf(prometheus, expr, startS, endS)) > 0, `${title} shows nothing: ${expr}`);
    }
    // A query that shows something whatever was run would prove nothing.
    assert.equal(await pointsOf(prometheus, 'sum(k6_no_such_metric)', startS, endS), 0);
    assert.deepEqual(
      dashboard.templating.list.map(({ name, query }) => `${name} ${query.query}`),
      ['test label_values(k6_sessions_total, test)'],
    );
    const labels = await fetch(`${prometheus}/api/v1/label/test/values?match[]=k6_sessions_total`);
    const { data } = (await labels.json()) as { data: string[] };
    assert.deepEqual(data, ['concurrent', 'high-output', 'process-control']);
  },
);

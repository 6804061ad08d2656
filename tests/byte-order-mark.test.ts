import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseCloudFile } from '../cli/cloud/cloud-file.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { startTarget } from '../reference-target/server.ts';
import { runCli } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const mark = '\ufeff';
const marked = (file: string): void => writeFileSync(file, mark + readFileSync(file, 'utf8'));

void test('every file of JSON that a user may write or edit may begin with a byte order mark', async (t) => {
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  const cwd = temporaryDirectory(t);
  const write = (name: string, value: unknown): string => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    writeFileSync(path.join(cwd, name), mark + text);
    return name;
  };
  const run = async (codes: readonly number[], ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCli(args, { cwd });
    assert.ok(codes.includes(code ?? -1), `${args.join(' ')}: ${code}\n${stdout}${stderr}`);
    return stdout + stderr;
  };
  const shipped = JSON.parse(readFileSync(path.join(packageRoot, 'thresholds.json'), 'utf8')) as object;
  const commands = [{ name: 'hi', class: 'simple', command: 'echo hi', proof: { lines: ['hi'] } }];
  const thresholds = write('thresholds.json', shipped);
  const set = write('commands.json', { version: 1, commands });
  const concurrent = ['run', 'concurrent', '--url', target.url, '--vus', '1', '--headers', `${mark}{"X-Team":"core"}`];
  const text = await run([0], ...concurrent, '--thresholds', thresholds, '--commands', set, '--run-id', 'r');
  assert.match(text, /PASS/);

  marked(path.join(cwd, 'stress-results/runs/r/run.json'));
  marked(path.join(cwd, 'stress-results/runs/r/records.ndjson'));
  marked(path.join(cwd, 'stress-results/history/runs.jsonl'));
  assert.doesNotMatch(await run([0], 'report', 'r'), /runs\/r\/records/);
  assert.match(await run([0], 'history'), /concurrent/);
  await run([0], 'baseline', 'r');
  marked(path.join(cwd, 'stress-results/history/baseline.json'));
  assert.match(await run([0], 'baseline'), /concurrent at .*: r$/m);

  // One session satisfies the proof, so that the other's failure is not taken for a wrong proof.
  const fails = '[ {session} = 0 ] && echo hi || echo ho';
  const wrong = write('wrong.json', { version: 1, commands: [{ ...commands[0], command: fails }] });
  const list = write('findings.json', { version: 1, findings: [] });
  const two = ['run', 'concurrent', '--url', target.url, '--vus', '2'];
  await run([99], ...two, '--commands', wrong, '--expect', list);
  const kept = readdirSync(path.join(cwd, 'stress-results/recovery')).filter((name) => name.endsWith('.json'));
  assert.equal(kept.length, 2, kept.join(', '));
  for (const file of kept) marked(path.join(cwd, 'stress-results/recovery', file));
  assert.match(await run([0], 'recovery', 'list'), /output-mismatch/);
  assert.doesNotMatch(await run([0, 99], 'run', 'recovery', '--url', target.url), /NOT RUN|problem/);
});

void test('the files of a project and the list of cloud tests may begin with a byte order mark', async (t) => {
  const cwd = temporaryDirectory(t);
  cpSync(path.join(packageRoot, 'docs/examples/project'), cwd, { recursive: true });
  mkdirSync(path.join(cwd, 'node_modules'));
  symlinkSync(packageRoot, path.join(cwd, 'node_modules/websocket-mcp-stress'));
  marked(path.join(cwd, 'package.json'));
  const thresholds = path.join(cwd, 'thresholds.json');
  if (!existsSync(thresholds)) writeFileSync(thresholds, '{"extends":"default"}');
  marked(thresholds);
  const built = await runCli(['build'], { cwd });
  assert.equal(built.code, 0, built.stderr);
  assert.ok(existsSync(path.join(cwd, 'dist')));

  const own = temporaryDirectory(t);
  writeFileSync(path.join(own, 'package.json'), `${mark}{"name":"mine"}`);
  const made = await runCli(['init'], { cwd: own });
  assert.equal(made.code, 0, made.stderr);
  assert.match(readFileSync(path.join(own, 'package.json'), 'utf8'), /^\{[^]*"mine"/);

  const tests = [{ name: 'a', scenario: 'single', settings: { STRESS_URL: 'wss://h/ws' } }];
  const plain = JSON.stringify({ version: 1, tests });
  assert.deepEqual(parseCloudFile(mark + plain), parseCloudFile(plain));
});

void test('certificates behind a byte order mark, which k6 overlooks, are refused', async (t) => {
  const file = path.join(temporaryDirectory(t), 'ca.pem');
  const certificate = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
  writeFileSync(file, mark + certificate + certificate);
  for (const command of [['run', 'single'], ['doctor'], ['conformance']]) {
    const { code, stderr } = await runCli([...command, '--url', 'wss://127.0.0.1:1/ws', '--ca', file]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /behind a byte order mark/);
  }
});

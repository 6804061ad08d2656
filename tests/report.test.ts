import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Outcome } from '../lib/session/outcome.ts';
import { addValue, cumulative, emptyHistogram, quantile } from '../cli/results/histogram.ts';
import { markup, visible } from '../cli/results/html.ts';
import { writeReport } from '../cli/results/report-command.ts';
import { gatherReport, maxBars } from '../cli/results/report-data.ts';
import { loadDraw } from '../cli/results/report-draw.ts';
import { reportPage } from '../cli/results/report-page.ts';
import { reportColours, reportStyle } from '../cli/results/report-style.ts';
import { runFolder, type RunFolder } from '../cli/results/run-folder.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { findingLine, sessionLine } from './records.ts';
import { gathered, manyLines, memoryLine, runRecord } from './report-parts.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const draw = await loadDraw();

const page = (lines: readonly string[], run = runRecord()): string => reportPage(gathered(lines, run), draw);

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

void test('a round of many sessions is drawn by an even sample, and says so', () => {
  const lines = Array.from({ length: 1000 }, (_, session) => sessionLine(ok, { round: 1, session: 999 - session }));
  const data = gathered(lines);
  const [round] = data.rounds;
  assert.equal(round?.sessions, 1000);
  assert.equal(round.every, 4);
  assert.deepEqual(
    round.bars.map(({ session }) => session),
    Array.from({ length: 250 }, (_, at) => at * 4),
  );
  assert.ok(round.bars.length <= maxBars);
  assert.match(reportPage(data, draw), /even sample: every 4th session by its number, 250 of 1000/);
  assert.doesNotMatch(page(lines.slice(0, 300)), /even sample/);
});

void test('what is kept is bounded whatever the records hold', () => {
  const lines = Array.from({ length: 700 }, (_, at) =>
    sessionLine(
      { kind: 'rejected', code: 1, message: 'm', reason: `r${at}` },
      { round: at, session: 0, startedAt: new Date(Date.UTC(2025, 5, 25) + at ** 4).toISOString() },
    ),
  );
  const data = gathered([...lines, ...Array.from({ length: 700 }, () => sessionLine(ok))]);
  assert.ok(data.rounds.length <= 40 && data.failures.length <= 100 && data.timeline.sessions.length <= 600);
  assert.equal(
    data.timeline.sessions.reduce((sum, count) => sum + count, 0),
    1400,
  );
  assert.ok(data.beyond > 0);
  assert.match(reportPage(data, draw), /more rounds, classes or kinds of failure than a report shows/);
  const same = gathered(Array.from({ length: 900 }, () => sessionLine(ok)));
  assert.ok((same.rounds[0]?.bars.length ?? 0) <= maxBars, 'all with one number');
});

void test('a report has what a run came to, and every picture tells its figures', () => {
  const text = page(manyLines(), runRecord({ verdict: 'FAIL' }));
  for (const expected of [
    '<html lang="en">',
    'a criterion does not hold, or had no data. 1 of 2 criteria hold; 5 of 5 sessions of rounds succeeded',
    'p(95)&lt;5000',
    '6.10 s',
    'STRESS_ROUNDS',
    'linux 6.1 x64',
    'v2.2.0',
    '1.5 s, of 2 cores',
    'concurrent rejected (limit): 1 session',
    'bypass: command-validation',
    'slope 1000 bytes a session, 95 % interval 900 bytes to 1100 bytes',
  ])
    assert.ok(text.includes(expected), expected);
  const pictures = [...text.matchAll(/<svg[^>]*role="img" aria-label="([^"]*)"/g)].map(([, alt]) => alt ?? '');
  assert.equal(pictures.length, 6, 'two rounds, a class of commands, time, controls, memory');
  for (const alt of pictures) assert.match(alt, /\d/);
  const shown = [...text.matchAll(/<svg[^>]*>/g)].map(([tag]) => tag);
  for (const tag of shown) assert.match(tag, /role="img" aria-label|aria-hidden="true"/);
});

void test('the page is ordered: one h1, headings without gaps, tables with captions and header cells', () => {
  const text = page(manyLines(), runRecord({ success: [{ title: 'Fast', status: 'PASS', left: [] }] }));
  const levels = [...text.matchAll(/<h([1-6])>/g)].map(([, level]) => Number(level));
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
    for (const name of names) assert.doesNotMatch(name, /^(on|src|href|xlink|xmlns)/, tag.slice(0, 300));
  }
});

void test('nothing on the page asks for the network or runs a script', () => {
  const text = page(manyLines());
  assert.match(text, /http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
  assert.doesNotMatch(text, /<script|https?:|@import/i);
  assert.doesNotMatch(attributes(text).join('\n'), /\s(src|href|data|action)=/i);
  assert.deepEqual(
    [...new Set([...text.matchAll(/url\(([^)]*)\)/g)].map(([, to]) => to?.[0]))],
    ['#'],
    'clip paths alone',
  );
  const ids = [...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(
    [...text.matchAll(/(?:fill|stroke)="(#[^"]*)"/g)].filter(([, value]) => value !== '#000').map(([, value]) => value),
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

void test('a run without records has a report without pictures, that says so', () => {
  const text = reportPage(gatherReport(runRecord(), false).data(), draw);
  assert.match(text, /left no file of records: there are no pictures/);
  assert.doesNotMatch(text, /role="img"/);
});

void test('a report of an empty file of records, and of a run that asked nothing', () => {
  const empty = runRecord({ verdict: 'NOT RUN', criteria: [], rounds: [], settings: {}, outcomes: { ok: 3 } });
  const text = page([], { ...empty, total: { ...empty.total, successful: 0 } });
  assert.match(text, /The records have 0 of 3 sessions/);
  assert.doesNotMatch(text, /role="img"|NaN|Infinity|undefined/);
});

void test('records of another run are left out, and counted', () => {
  const text = page([sessionLine(ok), sessionLine(ok, { run: 'r2' })]);
  assert.match(text, /1 record of other runs in the file left out/);
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
  assert.match(stderr, /records\.ndjson is not there: the report has no pictures/);
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
  await writeReport(folder, runRecord());
  assert.match(String(said.mock.calls.at(-1)?.arguments[0]), /^no report: .*; ws-stress report r1 tries again$/);
});

void test('a run leaves its report and says where', { timeout: 120_000 }, async (t) => {
  const base = temporaryDirectory(t);
  const env = { ...cleanEnv(), K6_BIN: await k6Path() };
  const args = ['run', 'single', '--with-target', '--folder', base, '--run-id', 'mine'];
  const { code, stderr } = await runProgram(process.execPath, [cliPath, ...args], { env });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^report: .*runs\/mine\/report\.html$/m);
  assert.match(readFileSync(path.join(base, 'runs/mine/report.html'), 'utf8'), /<h1>single: PASS<\/h1>/);
});

void test('of several scenarios the criteria that do not hold come first, all of them at the end', () => {
  const [held, failed] = runRecord().criteria;
  assert.ok(held && failed);
  const run = runRecord({
    test: 'suite',
    criteria: [held, { ...failed, test: 'memory' }, { ...held, test: 'memory' }],
  });
  const [overview = '', all = ''] = page([], run).split('<h2>All criteria</h2>');
  assert.match(overview, /<td>1 of 2<\/td>/);
  assert.match(overview, /do not hold[\s\S]*p\(95\)&lt;5000[\s\S]*FAIL/);
  assert.ok(!overview.includes('session_success'));
  assert.ok(!overview.includes('Criteria of'));
  for (const each of ['concurrent', 'memory']) assert.ok(all.includes(`Criteria of ${each}: 1 of`), each);
});

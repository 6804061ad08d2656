import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';
import { findOnPath } from '../cli/setup/k6-source.ts';
import { loadDraw } from '../cli/results/report-draw.ts';
import { reportPage } from '../cli/results/report-page.ts';
import { runProgram } from './k6.ts';
import { gathered, manyLines, runRecord } from './report-parts.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const chromium = findOnPath('chromium', process.env.PATH)[0];
const options = { skip: chromium === undefined && 'chromium is not on PATH', timeout: 120_000 };

/** Runs Chromium without a window and without a network, on a page of many records. */
const browse = async (t: TestContext, ...args: string[]) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'report.html');
  writeFileSync(file, reportPage(gathered(manyLines(), runRecord({ verdict: 'FAIL' })), await loadDraw()));
  const { code, stdout, stderr } = await runProgram(chromium ?? '', [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    // A name that resolves, or a server that answers, would be the network.
    '--host-resolver-rules=MAP * ~NOTFOUND',
    `--user-data-dir=${path.join(directory, 'profile')}`,
    ...args.map((arg) => arg.replace('DIRECTORY', directory)),
    pathToFileURL(file).href,
  ]);
  assert.equal(code, 0, stderr);
  return { directory, stdout, stderr };
};

/** How many different colours a PNG has, counted up to a few dozens, and that of its first pixel. */
const coloursOf = (file: string): { count: number; first: number[] } => {
  const png = readFileSync(file);
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const bytes = inflateSync(Buffer.concat(parts));
  // Filtered as they are, rows of one colour are all alike.
  return { count: new Set(bytes.subarray(0, 4_000_000)).size, first: [...bytes.subarray(1, 4)] };
};

void test(
  'a browser shows the report as it is meant: headings in order, pictures with alternative texts',
  options,
  async (t) => {
    const { stdout } = await browse(t, '--dump-dom');
    const levels = [...stdout.matchAll(/<h([1-6])[ >]/g)].map(([, level]) => Number(level));
    assert.equal(levels.filter((level) => level === 1).length, 1);
    for (const [at, level] of levels.entries()) assert.ok(level <= (levels[at - 1] ?? 0) + 1);
    assert.equal([...stdout.matchAll(/<svg[^>]* role="img" aria-label="[^"]{20,}"/g)].length, 6);
    assert.match(stdout, /&lt;img src=x onerror=alert\(1\)&gt;/, 'hostile text stays text');
    assert.doesNotMatch(stdout, /<(img|script)\b/);
    assert.match(stdout, /<\/html>\s*$/);
  },
);

for (const [mode, flag] of [
  ['light', '--blink-settings=preferredColorScheme=1'],
  ['dark', '--blink-settings=preferredColorScheme=0'],
] as const) {
  void test(`a browser draws the report, ${mode}, wide and narrow`, options, async (t) => {
    for (const size of ['1200,4000', '500,4000']) {
      const { directory } = await browse(t, flag, `--window-size=${size}`, '--screenshot=DIRECTORY/shot.png');
      const { count, first } = coloursOf(path.join(directory, 'shot.png'));
      assert.deepEqual(first, mode === 'light' ? [255, 255, 255] : [0x14, 0x17, 0x1c]);
      assert.ok(count > 50, `${count} different bytes: an empty page has a few`);
    }
  });
}

void test('no text of a picture is cut off or lies over another', options, async (t) => {
  const directory = temporaryDirectory(t);
  const page = reportPage(gathered(manyLines()), await loadDraw());
  // The page itself has no script and lets none run: this one looks at a copy.
  const measuring = `<script>
    const out = [];
    for (const svg of document.querySelectorAll('figure svg[role=img]')) {
      const frame = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()]);
      for (const [name, box] of texts) {
        if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) out.push('cut off: ' + name);
        for (const [other, over] of texts)
          if (over !== box && box.left < over.right - 1 && over.left < box.right - 1 && box.top < over.bottom - 1 && over.top < box.bottom - 1) out.push(name + ' over ' + other);
      }
    }
    if (document.documentElement.scrollWidth > innerWidth) out.push('the page is wider than the window');
    document.body.innerHTML = '<p id="measured">' + (document.fonts ? 'measured ' : '') + out.join('; ') + '.</p>';
  </script></body>`;
  const file = path.join(directory, 'copy.html');
  writeFileSync(
    file,
    page.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '').replace('</body>', measuring),
  );
  for (const size of ['1200,900', '500,900']) {
    const { stdout } = await runProgram(chromium ?? '', [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      `--user-data-dir=${path.join(directory, 'profile')}`,
      `--window-size=${size}`,
      '--dump-dom',
      pathToFileURL(file).href,
    ]);
    assert.equal(/<p id="measured">([^<]*)/.exec(stdout)?.[1], 'measured .', size);
  }
});

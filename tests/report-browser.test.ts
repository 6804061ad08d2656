import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { chromium, startBrowser, type View } from './chromium.ts';
import { findingLine } from './records.ts';
import { hardCases } from './report-cases.ts';
import { manyLines, pageOf, reportOf, runRecord } from './report-parts.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const options = { skip: chromium === undefined && 'chromium is not on PATH', timeout: 240_000 };

const views: Readonly<Record<string, View>> = {
  desktop: { width: 1280, height: 800 },
  'desktop-dark': { width: 1280, height: 800, scheme: 'dark' },
  phone: { width: 400, height: 800 },
  'phone-dark': { width: 400, height: 800, scheme: 'dark' },
  print: { width: 794, height: 1123, media: 'print' },
};

/** What of a page's text can be seen before anyone scrolls. */
const firstScreen = `(() => {
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.height > 0 && box.top < innerHeight && !node.parentElement.closest('nav')) texts.push(node.data);
  }
  return texts.join(' ');
})()`;

/** Texts of pictures that are cut off or lie over another one. */
const badTexts = `(() => {
  const bad = [];
  for (const svg of document.querySelectorAll('figure svg[role=img]')) {
    const frame = svg.getBoundingClientRect();
    if (frame.width === 0) continue;
    const texts = [...svg.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()]);
    for (const [name, box] of texts) {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) bad.push('cut off: ' + name);
      for (const [other, over] of texts)
        if (over !== box && box.left < over.right - 1 && over.left < box.right - 1 && box.top < over.bottom - 1 && over.top < box.bottom - 1) bad.push(name + ' over ' + other);
    }
  }
  return bad;
})()`;

/** Of the parts of the page that a rule is about, those that are shown. */
const shownCount = (selector: string): string =>
  `[...document.querySelectorAll(${JSON.stringify(selector)})].filter((element) => element.getClientRects().length > 0).length`;

const written = (folder: string, name: string, text: string): string => {
  const file = path.join(folder, `${name}.html`);
  writeFileSync(file, text);
  return pathToFileURL(file).href;
};

void test(
  'the hard cases are shown well: light, dark, wide, narrow, on paper, with and without scripts',
  options,
  async (t) => {
    // Whoever wants to look at the pictures names a folder for them.
    const folder = process.env.REPORT_PICTURES || temporaryDirectory(t);
    mkdirSync(folder, { recursive: true });
    const page = await startBrowser(t);
    for (const [name, { report, cause, charts }] of Object.entries(hardCases)) {
      const text = pageOf(report());
      const url = written(folder, name, text);
      await t.test(`${name}: it is small enough to be mailed`, () => {
        assert.ok(Buffer.byteLength(text) < 1_000_000, `${Buffer.byteLength(text)} bytes`);
      });
      for (const [of, view] of Object.entries(views)) {
        await t.test(`${name}, ${of}`, async () => {
          await page.open(url, view);
          await page.picture(path.join(folder, `${name}-${of}.png`), true);
          assert.deepEqual(page.complaints(), []);
          const wide = await page.value<number>('document.documentElement.scrollWidth');
          assert.ok(wide <= view.width, `the page is ${wide} wide, the window ${view.width}`);
          if (of !== 'print') {
            const seen = await page.value<string>(firstScreen);
            assert.ok(seen.includes(cause), `expected ${cause} on the first screen, received ${seen}`);
          }
          const drawn = await page.value<number>(shownCount('.plot .uplot'));
          const pictures = await page.value<number>(shownCount('.plot > svg'));
          assert.deepEqual([drawn, pictures], of === 'print' ? [0, charts] : [charts, 0]);
        });
      }
      await t.test(`${name}, without scripts`, async () => {
        await page.open(url, { width: 1280, height: 800, hasScript: false });
        await page.picture(path.join(folder, `${name}-no-script.png`), true);
        assert.equal(await page.value<number>(shownCount('.plot > svg')), charts);
        assert.deepEqual(await page.value<string[]>(badTexts), []);
      });
    }
  },
);

void test(
  'with a script charts show values at the pointer, can be zoomed together, and hide series',
  options,
  async (t) => {
    const minute = hardCases.minute;
    assert.ok(minute);
    const page = await startBrowser(t);
    await page.open(written(temporaryDirectory(t), 'minute', pageOf(minute.report())), { width: 1280, height: 1000 });
    const at = async (selector: string): Promise<{ x: number; y: number; width: number; height: number }> =>
      page.value(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element.scrollIntoView({ block: 'center' });
      const { x, y, width, height } = element.getBoundingClientRect();
      return { x, y, width, height };
    })()`);
    const plot = await at('[data-chart=active] .u-over');
    await page.move(plot.x + plot.width / 2, plot.y + plot.height / 2);
    assert.match(
      await page.value('document.querySelector("[data-chart=active] .tip").textContent'),
      /^\d+ sactive \d+/,
    );
    const other = 'document.querySelector("[data-chart=rates] .legend output").textContent';
    assert.match(await page.value(other), /^\d+(\.\d+)?\/s$/, 'other charts show their values at the same time');

    const out = shownCount('[data-act=zoom-out]');
    assert.equal(await page.value(out), 0);
    await page.drag([plot.x + plot.width * 0.25, plot.y + 50], [plot.x + plot.width * 0.5, plot.y + 50]);
    assert.equal(await page.value(out), 1);
    await page.move(plot.x + plot.width - 3, plot.y + 50);
    const lastTime = 'document.querySelector("[data-chart=active] .tip").textContent';
    assert.match(await page.value(lastTime), /^(29|30|31) s/, 'the right end is half of the run');
    await page.value('document.querySelector("[data-act=zoom-out]").click()');
    assert.equal(await page.value(out), 0);
    await page.move(plot.x + plot.width - 2, plot.y + 51);
    assert.match(await page.value(lastTime), /^(59|60|61) s/);

    const pressed = 'document.querySelector("[data-chart=outcomes] .legend button").getAttribute("aria-pressed")';
    assert.equal(await page.value(pressed), 'true');
    await page.value('document.querySelector("[data-chart=outcomes] .legend button").click()');
    assert.equal(await page.value(pressed), 'false');
    assert.deepEqual(page.complaints(), []);
  },
);

void test(
  'a browser shows the report as it is meant: headings in order, hostile text as text, links that open',
  options,
  async (t) => {
    const page = await startBrowser(t);
    const text = pageOf(
      reportOf([...manyLines(), findingLine('a-deviation', { finding: 'deviating' })], runRecord({ verdict: 'FAIL' })),
    );
    const url = written(temporaryDirectory(t), 'report', text);
    await page.open(url, { width: 1200, height: 800 });
    const levels = await page.value<number[]>(
      '[...document.querySelectorAll("h1,h2,h3,h4")].map(({ tagName }) => Number(tagName[1]))',
    );
    assert.equal(levels.filter((level) => level === 1).length, 1);
    for (const [at, level] of levels.entries()) assert.ok(level <= (levels[at - 1] ?? 0) + 1);
    assert.equal(await page.value('document.querySelectorAll("img, iframe, object, link").length'), 0);
    assert.ok((await page.value<string>('document.body.innerText')).includes('<img src=x onerror=alert(1)>'));
    const closed = await page.value<string>(
      '[...document.querySelectorAll("details:not([open]) [id]")].map(({ id }) => id)[0] ?? ""',
    );
    assert.notEqual(closed, '', 'something is behind a click');
    await page.open(`${url}#${closed}`, { width: 1200, height: 800 });
    assert.ok(await page.value<boolean>(`document.getElementById(${JSON.stringify(closed)}).checkVisibility()`));
    assert.deepEqual(page.complaints(), []);
  },
);

void test('light and dark are as the reader prefers, and change while the page is open', options, async (t) => {
  const page = await startBrowser(t);
  const url = written(temporaryDirectory(t), 'report', pageOf(reportOf(manyLines())));
  const ground = 'getComputedStyle(document.body).backgroundColor';
  for (const [scheme, colour] of [
    ['light', 'rgb(255, 255, 255)'],
    ['dark', 'rgb(20, 23, 28)'],
  ] as const) {
    await page.open(url, { width: 800, height: 600, scheme });
    assert.equal(await page.value(ground), colour);
  }
  await page.open(url, { width: 800, height: 600, scheme: 'dark', media: 'print' });
  assert.equal(await page.value(ground), 'rgb(255, 255, 255)', 'paper is white');
});

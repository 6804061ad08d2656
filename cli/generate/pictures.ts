import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { cutTo } from '../../lib/text/visible.ts';
import { startTarget } from '../../reference-target/server.ts';
import { markup, type Markup } from '../results/html.ts';
import { reportColours } from '../report/style.ts';
import { findOnPath } from '../setup/k6-source.ts';
import { packageRoot } from '../shared/package-root.ts';

// Makes the pictures of the README from a real run against a service that loses lines: `npm run pictures`. It needs Chromium.

const command = ['run', 'concurrent', '--rounds', '5,10,20'];

/** Runs a program to its end; returns what it wrote to standard output. */
const outputOf = async (
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<string> => {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  return output;
};

const fontSize = 13;
const lineHeight = 18;
const columns = 82;
const margin = 16;
const titleHeight = 34;

const colourOf = (line: string): string => {
  const { text, bad, good, quiet } = reportColours.dark;
  if (/^\s*(FAIL|NO DATA)\b/.test(line)) return bad;
  if (/^\s*PASS\b/.test(line)) return good;
  return line.startsWith('$') ? quiet : text;
};

/** Lines of a terminal as a picture, in SVG. */
const terminalPicture = (lines: readonly string[]): string => {
  const { panel, page, line: edge } = reportColours.dark;
  const width = Math.ceil(columns * fontSize * 0.602) + 2 * margin;
  const height = titleHeight + lines.length * lineHeight + margin;
  const shown = lines.map(
    (line, at): Markup =>
      markup`<text x="${margin}" y="${titleHeight + at * lineHeight + 12}" fill="${colourOf(line)}" xml:space="preserve">${line}</text>
`,
  );
  return markup`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="${fontSize}">
<rect width="${width}" height="${height}" rx="8" fill="${page}" stroke="${edge}" />
<rect x="1" y="1" width="${width - 2}" height="22" rx="7" fill="${panel}" />
${['#ff5f57', '#febc2e', '#28c840'].map((colour, at) => markup`<circle cx="${16 + at * 18}" cy="12" r="5" fill="${colour}" />`)}
${shown}</svg>
`.text;
};

const maxLines = 44;

/** What a run leaves on a terminal of 80 columns, from its begin. */
const shownLines = (output: string): string[] => {
  const lines = output
    .trim()
    .split('\n')
    .map((line) => cutTo(line, 79));
  return lines.length > maxLines ? [...lines.slice(0, maxLines - 3), '  …', '', lines.at(-1) ?? ''] : lines;
};

const makePictures = async (folder: string): Promise<void> => {
  const chromium = findOnPath('chromium', process.env.PATH)[0];
  if (chromium === undefined) throw new Error('expected Chromium on PATH as chromium, for the picture of the report');
  const token = 'of-the-pictures';
  const target = await startTarget({ port: 0, token, faults: ['lost-line@7-40'] });
  const work = mkdtempSync(path.join(tmpdir(), 'ws-stress-pictures-'));
  try {
    const env = { ...process.env, STRESS_URL: target.url, STRESS_TOKEN: token, STRESS_TRACE: 'failures' };
    const id = ['--run-id', 'example'];
    const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
    const output = await outputOf(process.execPath, [cli, ...command, ...id], env, work);
    mkdirSync(folder, { recursive: true });
    const lines = [`$ npx ws-stress ${command.join(' ')}`, '', ...shownLines(output)];
    writeFileSync(path.join(folder, 'terminal.svg'), terminalPicture(lines));
    const report = path.join(work, 'stress-results/runs/example/report.html');
    const picture = path.join(work, 'report.png');
    await outputOf(
      chromium,
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--hide-scrollbars',
        '--window-size=1200,900',
        `--user-data-dir=${path.join(work, 'profile')}`,
        `--screenshot=${picture}`,
        pathToFileURL(report).href,
      ],
      process.env,
      work,
    );
    writeFileSync(path.join(folder, 'report.png'), readFileSync(picture));
  } finally {
    await target.close();
    rmSync(work, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
};

await makePictures(path.join(packageRoot, 'docs/images'));

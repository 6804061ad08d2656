import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../cli/shared/package-root.ts';
import { columns, folded } from '../lib/text/fold.ts';
import { plain } from '../lib/text/visible.ts';
import { runProgram } from './k6.ts';

const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
const helpOf = async (...command: string[]): Promise<string> => {
  const { code, stdout, stderr } = await runProgram(process.execPath, [cli, ...command, '--help']);
  assert.equal(code, 0, stderr);
  return stdout;
};

void test('the help of every command fits a terminal of 80 columns', async () => {
  const general = await helpOf();
  const names = [...general.matchAll(/^ {2}([a-z0-9-]+) .*$/gm)].map(([, name = '']) => name);
  assert.ok(names.includes('export') && names.includes('k8s') && names.length > 8, general);
  for (const name of ['', ...names]) {
    const help = name === '' ? general : await helpOf(name);
    assert.match(help, /^Usage: /);
    const wide = help.split('\n').filter((line) => line.length > columns);
    assert.deepEqual(wide, [], name);
  }
});

const run = (...args: string[]) => runProgram(process.execPath, [cli, ...args]);

void test('help of a command is the same by both of its names, and groups what is most wanted first', async () => {
  const help = await helpOf('run');
  assert.equal((await run('help', 'run')).stdout, help);
  assert.equal((await run('run', 'single', '-h')).stdout, help);
  const headings = [...help.matchAll(/^(\S.*):$/gm)].map(([, heading]) => heading);
  assert.deepEqual(headings.slice(0, 3), ['Target service', 'Scenarios and load', 'Criteria and results']);
  assert.equal(headings.at(-1), 'Examples');
  assert.match(help, /^ {2}--url <url> .*\[STRESS_URL\]$/ms);
  assert.match(help, /--trace <off\|failures>/);
  assert.equal((await run()).stdout, (await run('help')).stdout);
  assert.equal((await run('help', 'recovery', 'show')).stdout, await helpOf('recovery', 'show'));
});

void test('a command that does not exist is named with the one that is near', async () => {
  for (const [args, expected] of [
    [['rum'], /no such command: rum; did you mean run\?/],
    [['help', 'rum'], /no such command: rum; did you mean run\?/],
    [['recovery', 'shwo'], /no such command: recovery shwo; did you mean show\? \(list, show, replay, retire\)/],
    [['--verison'], /no such command: --verison/],
  ] as const) {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, expected);
  }
});

void test('help says the unit of a setting before its default', async () => {
  const help = (await helpOf('run')).replaceAll(/\s+/g, ' ');
  assert.match(help, /`timeout` with execute, in seconds\. Default: none is sent, and the service decides\./);
  assert.match(help, /Default: all, into the run's folder, with ws-stress run; off with plain k6\. \[STRESS_RECORDS\]/);
  assert.match(help, /needs --duration \(STRESS_DURATION\)/);
});

void test('a command whose reader has gone ends quietly', () => {
  const script = `set -o pipefail; "$0" "$1" run --help | head -c 1 >&2; exit "\${PIPESTATUS[0]}"`;
  const { status, stderr } = spawnSync('bash', ['-c', script, process.execPath, cli], { encoding: 'utf8' });
  assert.equal(stderr, 'U');
  assert.equal(status, 0);
});

void test('everything wrong with the options of a run comes in one message', async () => {
  const options = '--urll ws://127.0.0.1:9/ --vus --rate x --insecure=yes --token= --no-such=1 --headers';
  const { code, stdout, stderr } = await run('run', 'sngle', 'more', ...options.split(' '), '--', '--no-thresholds');
  assert.equal(code, 2);
  assert.equal(stdout, '');
  for (const problem of [
    /^Nothing was run\.$/m,
    /expected a scenario, received sngle; did you mean single\? \(single, .*\)/,
    /expected one scenario, received also more$/m,
    /no such option: --urll; did you mean --url\?; --help lists them, and those of k6 follow --$/m,
    /--vus: expected a value, received the next option; a value that begins with - is written --vus=-…/,
    /RATE: expected a number|--rate: expected a number/,
    /--insecure: expected without a value/,
    /--token: expected a value, received nothing/,
    /no such option: --no-such; /,
    /--headers: expected a value, received nothing/,
    /--no-thresholds: a run without criteria/,
  ])
    assert.match(stderr, problem);
});

void test('a line is broken at blanks alone, what follows stands further in, and colours take no room', () => {
  const words = Array.from({ length: 40 }, (_, index) => `word${index}`);
  const lines = folded(`  ${words.join(' ')}`).split('\n');
  assert.ok(lines.length > 3 && lines.every((line) => line.length <= columns), lines.join('\n'));
  assert.ok(lines.slice(1).every((line) => /^ {6}\S/.test(line)));
  assert.deepEqual(lines.join(' ').trim().split(/ +/), words);

  const exact = `  ${'x'.repeat(70)} ${'y'.repeat(7)}`;
  assert.equal(folded(exact), exact);
  assert.equal(folded(`\u001b[32m${exact}\u001b[0m`), `\u001b[32m${exact}\u001b[0m`);
  assert.equal(folded(`${exact}z`), `  ${'x'.repeat(70)}\n      ${'y'.repeat(7)}z`);

  const unbroken = 'x'.repeat(300);
  assert.equal(folded(unbroken), unbroken);
  assert.equal(folded(`${unbroken} end`), `${unbroken}\n    end`);
  assert.equal(folded(`${' '.repeat(90)}x`), `${' '.repeat(90)}x`);
});

void test('what others wrote does not move a terminal’s cursor', () => {
  assert.equal(plain('a\u001b[2Jb\r\nc\u009bd'), String.raw`a\u001b[2Jb\r\nc\u009bd`);
});

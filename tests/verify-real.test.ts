import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import {
  compareFindings,
  expectedText,
  parseExpected,
  type ExpectedOfService,
  type RunFindings,
} from '../cli/run/expected-findings.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { markdownText } from '../cli/shared/markdown.ts';
import { allCases } from '../cli/conformance/conformance-run.ts';
import { scenariosOf } from '../cli/shared/scenarios.ts';

const testNames = scenariosOf('suite').map(({ name }) => name);
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { targetFor } from './target-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const run = (given: Partial<RunFindings>): RunFindings => ({
  findings: [],
  criteria: [],
  failures: [],
  tests: testNames,
  mayLack: () => false,
  ...given,
});

const expected = (given: Partial<ExpectedOfService>) => ({ findings: [], sessions: [], criteria: [], ...given });

const bypass = { test: 'command-validation', case: 'pipe', finding: 'bypass' };
const excused = { ...bypass, finding: 'not-applicable', received: 'it has no allow-list' };
const either = { ...bypass, or: 'conforming', reason: 'it depends' };
const speed = { selector: 'command_duration{test:concurrent,round:3}', expression: 'p(95)<5000' };
const slow = { ...speed, test: 'concurrent', status: 'FAIL' as const };
const failure = { test: 'process-control', outcome: 'output-mismatch: received "[Stream timed out]"' };

describe('findings are held to what is expected', () => {
  const comparisons: {
    name: string;
    of: Partial<ExpectedOfService>;
    came: Partial<RunFindings>;
    is: { new?: string[]; missing?: string[]; notAsked?: string[]; met?: number };
  }[] = [
    {
      name: 'a finding that is expected',
      of: { findings: [bypass] },
      came: { findings: [{ ...bypass, received: 'ran' }] },
      is: { met: 1 },
    },
    {
      name: 'a finding that is not',
      of: {},
      came: { findings: [{ ...bypass, received: 'ran' }] },
      is: { new: ['command-validation pipe: bypass: ran'] },
    },
    {
      name: 'an expected one that was not found',
      of: { findings: [bypass] },
      came: {},
      is: { missing: ['command-validation pipe: expected bypass, received conforming'] },
    },
    {
      name: 'another finding than expected',
      of: { findings: [bypass] },
      came: { findings: [{ ...bypass, finding: 'breaking', received: 'hung' }] },
      is: { missing: ['command-validation pipe: expected bypass, received breaking: hung'] },
    },
    {
      name: 'an expected one of a test that was left out',
      of: { findings: [bypass] },
      came: { tests: ['single'] },
      is: { notAsked: ['command-validation pipe: bypass'] },
    },
    {
      name: 'an expected one that lacked what was not given',
      of: { findings: [bypass] },
      came: { findings: [excused], mayLack: (name) => name === 'command-validation' },
      is: { notAsked: ['command-validation pipe: bypass'] },
    },
    {
      name: 'an expected one that was not asked although all was given',
      of: { findings: [bypass] },
      came: { findings: [excused] },
      is: {
        missing: ['command-validation pipe: expected bypass, received not-applicable: it has no allow-list'],
      },
    },
    { name: 'a case that was excused and not expected', of: {}, came: { findings: [excused] }, is: {} },
    {
      name: 'one that may be either, and was found',
      of: { findings: [either] },
      came: { findings: [{ ...bypass, received: 'ran' }] },
      is: { met: 1 },
    },
    { name: 'one that may be either, and was not found', of: { findings: [either] }, came: {}, is: { met: 1 } },
    {
      name: 'a criterion that is not expected to fail',
      of: {},
      came: { criteria: [slow] },
      is: { new: ['concurrent command_duration{test:concurrent,round:3} p(95)<5000: FAIL'] },
    },
    {
      name: 'a criterion that is expected to fail, and holds',
      of: { criteria: [{ ...speed, status: 'FAIL' }] },
      came: { criteria: [{ ...slow, status: 'PASS' }] },
      is: {
        missing: ['concurrent command_duration{test:concurrent,round:3} p(95)<5000: expected FAIL, received PASS'],
      },
    },
    {
      name: 'a criterion that may be either',
      of: { criteria: [{ ...speed, status: 'FAIL', or: 'PASS', reason: 'it depends' }] },
      came: { criteria: [{ ...slow, status: 'PASS' }] },
      is: { met: 1 },
    },
    {
      name: 'a criterion that was not run',
      of: {},
      came: { criteria: [{ ...slow, status: 'NOT RUN' }] },
      is: {},
    },
    {
      name: 'a failed session',
      of: {},
      came: { failures: [failure] },
      is: { new: [`process-control, a session: ${failure.outcome}`] },
    },
    {
      name: 'a failed session that says what is expected',
      of: { sessions: [{ test: 'process-control', says: '[Stream timed out', reason: 'it invents a line' }] },
      came: { failures: [failure] },
      is: {},
    },
    {
      name: 'a failed session that says something else',
      of: { sessions: [{ test: 'process-control', says: 'lost', reason: 'it loses a line' }] },
      came: { failures: [failure] },
      is: { new: [`process-control, a session: ${failure.outcome}`] },
    },
  ];
  for (const { name, of, came, is } of comparisons) {
    test(name, () => {
      const { updated: _, ...difference } = compareFindings(expected(of), run(came));
      assert.deepEqual(difference, { new: [], missing: [], notAsked: [], met: 0, ...is });
    });
  }

  test('what would have been expected of a run keeps what it could not ask, and reasons', () => {
    const other = { test: 'conformance', case: 'batch', finding: 'breaking' };
    const gone = { test: 'conformance', case: 'gone', finding: 'deviating' };
    const before = expected({ findings: [bypass, { ...other, finding: 'deviating' }, gone] });
    const came = run({
      findings: [{ ...other, received: '1006' }],
      criteria: [slow],
      tests: ['conformance', 'concurrent'],
    });
    assert.deepEqual(compareFindings(before, came).updated, {
      findings: [bypass, other],
      criteria: [{ ...speed, status: 'FAIL' }],
    });
  });
});

describe('the file of expectations', () => {
  const file = path.join(packageRoot, 'cli/run/expected-findings.json');

  test('is read and written as it is', () => {
    const text = readFileSync(file, 'utf8');
    assert.equal(expectedText(parseExpected(JSON.parse(text))), text);
  });

  test('names cases and tests that exist', () => {
    const conformance = new Set(allCases().map(({ name }) => name));
    for (const { findings, sessions } of parseExpected(JSON.parse(readFileSync(file, 'utf8')))) {
      for (const each of [...findings, ...sessions]) assert.ok(testNames.includes(each.test), each.test);
      for (const each of findings) {
        assert.ok(each.test !== 'conformance' || conformance.has(each.case), each.case);
      }
    }
  });

  test('is refused with everything that is wrong with it', () => {
    const service = {
      service: 'a',
      findings: [{ test: 'single', case: 'x', found: 'breaking' }],
      sessions: {},
      criteria: [{ ...speed, status: 'FAIL', or: 'PASS' }],
    };
    assert.throws(
      () => parseExpected({ version: 1, services: [service] }),
      (error: Error) => {
        assert.deepEqual(error.message.split('\n'), [
          'services[0].version: expected a text',
          'services[0].findings[0].finding: expected a text',
          'services[0].findings[0].found: no such member',
          'services[0].sessions: expected a list',
          'services[0].criteria[0]: expected a text as or, and the reason why it may be either',
        ]);
        return true;
      },
    );
    assert.throws(() => parseExpected([]), /version 1 and a list of services/);
  });
});

test('what a service says is one cell of a table, whatever it holds', () => {
  const cells: [text: string, shown: string][] = [
    ['a|b', String.raw`a\|b`],
    ['`a` *b* _c_', '\\`a\\` \\*b\\* \\_c\\_'],
    ['<b>&[x](y)\\', String.raw`&lt;b&gt;&amp;\[x\](y)\\`],
    ['one\ntwo\r\n\tthree', 'one two three'],
    ['\u001b[31mred\u0000', String.raw`\[31mred`],
    ['left\u202eright\u2028next', 'left right next'],
    ['x'.repeat(500), `${'x'.repeat(160)}…`],
  ];
  for (const [text, shown] of cells) assert.equal(markdownText(text), shown);
});

const verify = async (folder: string, url: string, ...args: string[]) => {
  const env = { ...cleanEnv(), K6_BIN: await k6Path() };
  const out = path.join(folder, 'shown.md');
  const main = ['cli/ws-stress.mjs', 'verify-real', '--url', url, '--out', out, ...args];
  const ended = await runProgram(process.execPath, main, { env });
  return { ...ended, document: existsSync(out) ? readFileSync(out, 'utf8') : undefined };
};

describe('ws-stress verify-real', { concurrency: 5 }, () => {
  test('a service that is not known exits by the verdict, and is written down', async (t) => {
    const target = await targetFor(t);
    const shown = await verify(temporaryDirectory(t), target.url, '--only', 'single', '--token', 'secret-token');
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stderr, /nothing is known of .*: the verdict decides/);
    assert.match(shown.document ?? '', /Verdict: \*\*PASS\*\*/);
    assert.match(shown.document ?? '', /\| single \| 1: 1 session at once \| 1 \| 0 \|/);
    assert.match(shown.document ?? '', /\| All single session tests pass \| PASS \| 1 \| `session_success/);
    assert.doesNotMatch(shown.document ?? '', /secret-token/);
  });

  test('a service that is held to a wrong expectation exits with 1 and the difference', async (t) => {
    const target = await targetFor(t, { faults: ['lost-line'] });
    const folder = temporaryDirectory(t);
    const file = path.join(folder, 'expected.json');
    const health = (await (await fetch(target.url.replace(/^ws(.*)\/ws\/mcp$/, 'http$1/health'))).json()) as {
      service: string;
      version: string;
    };
    const service = {
      service: health.service,
      version: health.version,
      findings: [{ test: 'high-output', case: 'slow-reader', finding: 'deviating' }],
      sessions: [],
      criteria: [],
    };
    writeFileSync(file, expectedText([service]));
    const shown = await verify(folder, target.url, '--only', 'single,high-output', '--lines', '500', '--expect', file);
    assert.equal(shown.code, 1, shown.stdout + shown.stderr);
    assert.match(shown.stdout, /^ {2}missing {2}high-output slow-reader: expected deviating, received breaking/m);
    assert.match(shown.stdout, /^ {2}new {6}high-output, a session: output-mismatch/m);
    assert.match(shown.document ?? '', /\*\*What came differs from it:\*\*/);
  });

  test('what was found can be written into the file, and is then expected', async (t) => {
    const target = await targetFor(t);
    const folder = temporaryDirectory(t);
    const file = path.join(folder, 'expected.json');
    writeFileSync(file, expectedText([]));
    const asked = ['--only', 'single', '--expect', file];
    const unknown = await verify(folder, target.url, ...asked);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stdout, /is not known to the file of --expect/);
    assert.equal((await verify(folder, target.url, ...asked, '--update-expected')).code, 0);
    assert.equal((await verify(folder, target.url, ...asked)).code, 0);
  });

  test('a service that is not there is passed on as k6 has it, and nothing is written', async (t) => {
    const shown = await verify(temporaryDirectory(t), 'ws://127.0.0.1:1/ws/mcp', '--only', 'single');
    assert.equal(shown.code, 108, shown.stderr);
    assert.equal(shown.document, undefined);
  });

  test('wrong options are refused together', async (t) => {
    const folder = temporaryDirectory(t);
    const file = path.join(folder, 'expected.json');
    writeFileSync(file, '{}');
    const shown = await verify(folder, '', '--expect', file, '--stop-command', 'true', '--vus', 'many');
    assert.equal(shown.code, 2);
    for (const told of [/--url/, /--expect: expected/, /--start-command: expected together/, /--vus: expected/]) {
      assert.match(shown.stderr, told);
    }
    assert.equal(shown.document, undefined);
  });
});

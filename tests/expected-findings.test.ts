import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import {
  compareFindings,
  expectedText,
  judgedByExpected,
  parseExpected,
  type ExpectedFindings,
  type RunFindings,
} from '../cli/run/expected-findings.ts';
import { comparisonText, otherService } from '../cli/run/expected-text.ts';
import { junitXml } from '../cli/results/junit.ts';
import { markdownSummary } from '../cli/results/markdown-summary.ts';
import { readRunRecord, runFolder } from '../cli/results/run-folder.ts';
import { verdictLineOf } from '../cli/results/verdict-text.ts';
import { markdownText } from '../cli/shared/markdown.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { allCases } from '../cli/conformance/conformance-run.ts';
import { scenariosOf } from '../cli/shared/scenarios.ts';
import { cleanEnv, k6Path, runCli } from './k6.ts';
import { runRecord } from './run-records.ts';
import { targetFor } from './target-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const testNames = scenariosOf('suite').map(({ name }) => name);

const run = (given: Partial<RunFindings>): RunFindings => ({
  findings: [],
  criteria: [],
  failures: [],
  scenarios: testNames,
  ...given,
});

const expected = (given: Partial<ExpectedFindings>): ExpectedFindings => ({ version: 1, findings: [], ...given });

const bypass = { scenario: 'command-validation', case: 'pipe', finding: 'bypass' } as const;
const found = { test: bypass.scenario, case: bypass.case, finding: bypass.finding, received: 'ran' } as const;
const conforming = { ...found, finding: 'conforming' } as const;
const excused = { ...found, finding: 'not-applicable', received: 'it has no allow-list' } as const;
const either = { ...bypass, or: 'conforming', note: 'it depends' } as const;
const speed = 'command_duration{test:concurrent,round:3,class:simple} p(95)<5000';
const slow = {
  test: 'concurrent',
  selector: 'command_duration{test:concurrent,round:3,class:simple}',
  expression: 'p(95)<5000',
  status: 'FAIL',
  observed: 6000,
} as const;
const bypasses = {
  test: 'command-validation',
  selector: 'findings{test:command-validation,finding:bypass}',
  expression: 'count==0',
  status: 'FAIL',
  observed: 1,
} as const;
const finding = (scenario: string, name: string, kind: RunFindings['findings'][number]['finding']) => ({
  test: scenario,
  case: name,
  finding: kind,
  received: '',
});
const failure = { test: 'process-control', outcome: 'output-mismatch: received "[Stream timed out]"' };
const difference = { scenario: 'command-validation', name: 'pipe', expected: 'bypass', received: 'conforming' };

describe('the findings of a run are compared with a list', () => {
  const comparisons: {
    name: string;
    of: Partial<ExpectedFindings>;
    came: Partial<RunFindings>;
    is: Partial<Omit<ReturnType<typeof compareFindings>, 'excused' | 'updated'>>;
  }[] = [
    { name: 'an expected finding', of: { findings: [bypass] }, came: { findings: [found] }, is: { met: 1 } },
    {
      name: 'a new one',
      of: {},
      came: { findings: [found] },
      is: { new: [{ ...difference, expected: 'conforming', received: 'bypass: ran' }] },
    },
    {
      name: 'one that vanished',
      of: { findings: [bypass] },
      came: { findings: [conforming] },
      is: { missing: [difference] },
    },
    {
      name: 'one whose case is gone',
      of: { findings: [bypass] },
      came: {},
      is: { missing: [{ ...difference, received: 'no such case' }] },
    },
    {
      name: 'another finding than expected',
      of: { findings: [bypass] },
      came: { findings: [{ ...found, finding: 'breaking', received: 'hung' }] },
      is: { missing: [{ ...difference, received: 'breaking: hung' }] },
    },
    {
      name: 'of a case that was asked twice the worst finding counts',
      of: { findings: [bypass] },
      came: { findings: [conforming, found, conforming] },
      is: { met: 1 },
    },
    {
      name: 'one of a scenario that was left out',
      of: { findings: [bypass] },
      came: { scenarios: ['single'] },
      is: { notAsked: [{ ...difference, received: 'the run did not include the scenario' }] },
    },
    {
      name: 'one that lacked what was not given',
      of: { findings: [bypass] },
      came: { findings: [excused] },
      is: { notAsked: [{ ...difference, received: 'not-applicable: it has no allow-list' }] },
    },
    { name: 'a case that was not asked, and not expected', of: {}, came: { findings: [excused] }, is: {} },
    {
      name: 'one that may be either, and was found',
      of: { findings: [either] },
      came: { findings: [found] },
      is: { met: 1 },
    },
    {
      name: 'one that may be either, and was not found',
      of: { findings: [either] },
      came: { findings: [conforming] },
      is: { met: 1 },
    },
    { name: 'a criterion that is not expected to fail is no finding', of: {}, came: { criteria: [slow] }, is: {} },
    {
      name: 'a criterion that is expected to fail, and holds',
      of: { criteria: [{ criterion: speed, status: 'FAIL' }] },
      came: { criteria: [{ ...slow, status: 'PASS' }] },
      is: { missing: [{ scenario: 'concurrent', name: speed, expected: 'FAIL', received: 'PASS' }] },
    },
    {
      name: 'a criterion that may be either',
      of: { criteria: [{ criterion: speed, status: 'FAIL', or: 'PASS', note: 'it depends' }] },
      came: { criteria: [{ ...slow, status: 'PASS' }] },
      is: { met: 1 },
    },
    {
      name: 'a criterion that was not run',
      of: { criteria: [{ criterion: speed, status: 'FAIL' }] },
      came: { criteria: [{ ...slow, status: 'NOT RUN' }] },
      is: { notAsked: [{ scenario: 'concurrent', name: speed, expected: 'FAIL', received: 'NOT RUN' }] },
    },
    {
      name: 'a criterion of another scenario',
      of: { criteria: [{ criterion: speed, status: 'FAIL' }] },
      came: {},
      is: { notAsked: [{ scenario: '', name: speed, expected: 'FAIL', received: 'not a criterion of this run' }] },
    },
    { name: 'a failed session, which criteria judge', of: {}, came: { failures: [failure] }, is: {} },
    {
      name: 'a failed session that fails as expected',
      of: { sessions: [{ scenario: 'process-control', outcome: '[Stream timed out', note: 'it invents a line' }] },
      came: { failures: [failure] },
      is: {},
    },
    {
      name: 'a failed session that fails otherwise',
      of: { sessions: [{ scenario: 'process-control', outcome: 'lost', note: 'it loses a line' }] },
      came: { failures: [failure, failure] },
      is: {
        new: [
          {
            scenario: 'process-control',
            name: 'a session',
            expected: 'a failure only with "lost"',
            received: failure.outcome,
          },
        ],
      },
    },
  ];
  for (const { name, of, came, is } of comparisons) {
    test(name, () => {
      const { updated: _, excused: __, ...compared } = compareFindings(expected(of), run(came));
      assert.deepEqual(compared, { new: [], missing: [], notAsked: [], met: 0, ...is });
    });
  }

  test('the list that a run would have met keeps notes and what the run did not ask', () => {
    const other = { scenario: 'conformance', case: 'batch', finding: 'breaking' } as const;
    const gone = { scenario: 'conformance', case: 'gone', finding: 'deviating' } as const;
    const noted = { scenario: 'conformance', case: 'noted', finding: 'deviating', note: 'why' } as const;
    const was = { criterion: speed, status: 'FAIL', or: 'NO DATA', note: 'it is slow' } as const;
    const before = expected({
      findings: [bypass, { ...other, finding: 'deviating' }, gone, noted],
      criteria: [was, { criterion: 'unsettled count==0', status: 'FAIL' }],
    });
    const came = run({
      findings: [
        finding('conformance', 'batch', 'breaking'),
        finding('conformance', 'gone', 'conforming'),
        finding('conformance', 'noted', 'deviating'),
      ],
      criteria: [
        slow,
        { test: 'concurrent', selector: 'unsettled', expression: 'count==0', status: 'PASS', observed: 0 },
      ],
      scenarios: ['conformance'],
    });
    const { updated } = compareFindings(before, came);
    assert.deepEqual(updated, { findings: [bypass, other, noted], criteria: [was] });
    assert.deepEqual(compareFindings({ ...before, ...updated }, came).missing, []);
  });
});

const judge = (of: Partial<ExpectedFindings>, came: Partial<RunFindings>) => {
  const { criteria = [] } = came;
  const record = runRecord('r', { verdict: 'FAIL', criteria: [...criteria] });
  return judgedByExpected(record, compareFindings(expected(of), run(came)));
};

describe('the verdict of a run that a list judges', () => {
  test('a criterion that fails because of expected findings alone does not fail the run', () => {
    const judged = judge({ findings: [bypass] }, { findings: [found], criteria: [bypasses] });
    assert.equal(judged.verdict, 'PASS');
    assert.deepEqual(judged.criteria, [{ ...bypasses, expected: true }]);
    assert.match(verdictLineOf(judged), /^PASS: .*apart from expected findings$/);
    assert.match(junitXml(judged), /failures="0".*<skipped type="FAIL" message="FAIL, as the list/s);
    assert.match(markdownSummary(judged), /1 as expected, 0 new/);
    assert.match(markdownSummary(judged), /^\| FAIL, expected \|/m);
  });

  test('one that has a new finding too fails it', () => {
    const more = { ...found, case: 'newline' };
    const judged = judge({ findings: [bypass] }, { findings: [found, more], criteria: [{ ...bypasses, observed: 2 }] });
    assert.equal(judged.verdict, 'FAIL');
    assert.deepEqual(judged.criteria, [{ ...bypasses, observed: 2 }]);
    assert.match(verdictLineOf(judged), /^FAIL: 1 new finding, 0 vanished or changed$/);
    assert.match(junitXml(judged), /name="finding newline">\s*<failure type="new" message="new: expected conforming/);
    assert.match(markdownSummary(judged), /^\| new \| .*newline.* \| .*bypass/m);
  });

  test('a new finding fails a run whose criteria hold, and so does one that vanished', () => {
    const deviating = { ...found, finding: 'deviating' } as const;
    assert.equal(judge({}, { findings: [deviating] }).verdict, 'FAIL');
    const gone = judge({ findings: [bypass] }, { findings: [conforming] });
    assert.equal(gone.verdict, 'FAIL');
    assert.match(
      junitXml(gone),
      /<failure type="vanished or changed" message="[^"]*expected bypass, received conforming/,
    );
  });

  test('other criteria are judged as ever, unless they are listed', () => {
    const came = { findings: [found], criteria: [bypasses, slow] };
    const judged = judge({ findings: [bypass] }, came);
    assert.equal(judged.verdict, 'FAIL');
    assert.match(verdictLineOf(judged), /^FAIL: the findings are as expected, but another criterion does not hold$/);
    const listed = { findings: [bypass], criteria: [{ criterion: speed, status: 'FAIL' as const }] };
    assert.equal(judge(listed, came).verdict, 'PASS');
  });

  test('a criterion over findings without data is excused by an expected inconclusive finding, and by nothing else', () => {
    const leak = { scenario: 'memory', case: 'leak', finding: 'inconclusive' } as const;
    const noData = {
      test: 'memory',
      selector: 'findings{test:memory,case:leak,finding:breaking}',
      expression: 'count==0',
      status: 'NO DATA',
      observed: undefined,
    } as const;
    assert.equal(
      judge({ findings: [leak] }, { findings: [finding('memory', 'leak', 'inconclusive')], criteria: [noData] })
        .verdict,
      'PASS',
    );
    const either = { ...leak, or: 'conforming', note: 'it depends' } as const;
    assert.equal(
      judge({ findings: [either] }, { findings: [finding('memory', 'leak', 'conforming')], criteria: [noData] })
        .verdict,
      'FAIL',
    );
    assert.equal(
      judge({}, { findings: [finding('memory', 'leak', 'inconclusive')], criteria: [noData] }).verdict,
      'FAIL',
    );
  });

  test('a criterion over findings of which no record is there is not excused', () => {
    assert.equal(judge({ findings: [bypass] }, { findings: [excused], criteria: [bypasses] }).verdict, 'FAIL');
  });
});

describe('the list of expected findings', () => {
  const file = path.join(packageRoot, 'docs/examples/expected-findings.json');
  const text = readFileSync(file, 'utf8');

  test('is read and written as it is', () => {
    assert.equal(expectedText(parseExpected(text)), text);
  });

  test('is valid by its schema, which refuses what the parser refuses', () => {
    const schema = readFileSync(path.join(packageRoot, 'schemas/expected-findings.schema.json'), 'utf8');
    const validate = new Ajv2020({ allErrors: true }).compile(JSON.parse(schema) as object);
    assert.ok(validate(JSON.parse(text)), JSON.stringify(validate.errors));
    assert.ok(!validate({ version: 1, findings: [{ ...bypass, finding: 'conforming' }] }));
  });

  test('names cases and scenarios that exist', () => {
    const conformance = new Set(allCases().map(({ name }) => name));
    const { findings, sessions = [] } = parseExpected(text);
    for (const each of [...findings, ...sessions]) assert.ok(testNames.includes(each.scenario), each.scenario);
    for (const each of findings) {
      assert.ok(each.scenario !== 'conformance' || conformance.has(each.case), each.case);
    }
  });

  test('is refused with everything that is wrong with it', () => {
    const wrong = {
      version: 2,
      findings: [{ scenario: 'single', case: 'x', found: 'breaking' }, bypass],
      sessions: {},
      criteria: [{ criterion: speed, status: 'FAIL', or: 'PASS' }],
    };
    assert.throws(
      () => parseExpected(JSON.stringify(wrong)),
      (error: Error) => {
        assert.deepEqual(error.message.split('\n'), [
          'version: expected 1, received 2',
          'findings.0.finding: expected "finding", received undefined',
          'findings.0.found: no such member',
          'sessions: expected Array, received Object',
          'criteria.0: expected a note that says why there is an or, received Object',
        ]);
        return true;
      },
    );
    assert.throws(() => parseExpected('null'), /the file: expected Object, received null/);
    assert.throws(() => parseExpected('{'), /expected JSON: /);
    const twice = JSON.stringify({ version: 1, findings: [bypass, bypass] });
    assert.throws(() => parseExpected(twice), /findings: command-validation pipe is listed twice/);
  });

  test('says when it is from another service or version', () => {
    const service = { name: 'a', version: '1' };
    assert.equal(otherService(service, service), undefined);
    assert.equal(otherService(undefined, service), undefined);
    assert.equal(otherService({ name: 'a' }, { name: 'a', version: '2' }), undefined);
    assert.equal(otherService(service, { name: 'a', version: '2' }), "The list is from a 1; the run's service is a 2.");
  });

  test('each difference is told with what was expected and received', () => {
    const told = comparisonText(
      'findings.json',
      {
        met: 1,
        new: [{ ...difference, name: 'new' }],
        missing: [difference],
        notAsked: [{ ...difference, name: 'b' }],
      },
      undefined,
    );
    assert.match(told, /^1 finding as expected, 1 new, 1 vanished or changed \(findings\.json\)$/m);
    assert.match(told, /^ {2}new {7}command-validation new\n {12}expected bypass\n {12}received conforming$/m);
    assert.match(told, /^ {2}vanished {2}command-validation pipe$/m);
    assert.match(told, /^ {2}not asked command-validation: conforming \(b\)$/m);
    assert.match(told, /--write-expect\s+findings\.json/);
  });
});

test('what a service says is one cell of a table, whatever it holds', () => {
  const cells: [text: string, shown: string][] = [
    ['a|b', String.raw`a\|b`],
    ['`a` *b* _c_', '\\`a\\` \\*b\\* \\_c\\_'],
    ['<b>&[x](y)\\', String.raw`&lt;b&gt;&amp;\[x\](y)\\`],
    ['one\ntwo\r\n\tthree', String.raw`one\\ntwo\\r\\n\\tthree`],
    ['\u001b[31mred\u0000', String.raw`\\u001b\[31mred\\u0000`],
    ['left\u202eright\u2028next', String.raw`left\\u202eright\\u2028next`],
    ['x'.repeat(500), `${'x'.repeat(160)}…`],
  ];
  for (const [text, shown] of cells) assert.equal(markdownText(text), shown);
});

const runExpected = async (folder: string, url: string, scenario: string, ...args: string[]) => {
  const env = { ...cleanEnv(), K6_BIN: await k6Path() };
  const ended = await runCli(['run', scenario, '--url', url, '--folder', folder, '--run-id', 'r', ...args], { env });
  const { run: file, path: own } = runFolder(folder, 'r');
  return {
    ...ended,
    record: existsSync(file) ? await readRunRecord(file) : undefined,
    summary: existsSync(file) ? readFileSync(path.join(own, 'summary.md'), 'utf8') : '',
  };
};

describe('ws-stress run --expect', { concurrency: 2 }, () => {
  test('a list that was written from a run judges the next one: frames too, and a new version is only mentioned', async (t) => {
    const target = await targetFor(t, { faults: ['drop-on-binary', 'drop-on-deep-nesting'] });
    const file = path.join(temporaryDirectory(t), 'findings.json');
    const written = await runExpected(temporaryDirectory(t), target.url, 'conformance', '--write-expect', file);
    assert.equal(written.code, 0, written.stdout + written.stderr);
    assert.match(written.stdout, /^\d+ expected findings written to /m);
    const list = parseExpected(readFileSync(file, 'utf8'));
    assert.deepEqual(list.service, written.record?.service);
    const names = list.findings.map((each) => each.case);
    for (const name of ['nesting-of-100000', 'batch-in-full']) assert.ok(names.includes(name), names.join());

    writeFileSync(file, expectedText({ ...list, service: { ...list.service, version: '0' } }));
    const met = await runExpected(temporaryDirectory(t), target.url, 'conformance', '--expect', file);
    assert.equal(met.code, 0, met.stdout + met.stderr);
    assert.equal(met.record?.verdict, 'PASS');
    assert.equal(met.record?.expected?.met, list.findings.length);
    assert.match(met.stdout, /findings as expected, 0 new, 0 vanished or changed/);
    assert.match(met.stdout, /The list is from ws_stress_reference_target 0;/);
    assert.match(met.stdout, /^PASS: .*apart from expected findings$/m);

    const sound = await targetFor(t);
    const gone = await runExpected(temporaryDirectory(t), sound.url, 'conformance', '--expect', file);
    assert.equal(gone.code, 99, gone.stdout + gone.stderr);
    const { missing = [], new: others } = gone.record?.expected ?? {};
    assert.deepEqual(
      missing.map(({ name, received }) => `${name}: ${received.split(' ')[0]}`),
      [
        'binary-request: deviating:',
        'binary-junk: deviating:',
        'nesting-of-10000: conforming',
        'nesting-of-100000: conforming',
      ],
    );
    assert.deepEqual(others, []);
    assert.match(
      gone.stdout,
      /^ {2}vanished {2}conformance nesting-of-100000\n {12}expected breaking\n {12}received conforming$/m,
    );
  });

  test('what differs from a list is named with what was expected and received, and exits with 99', async (t) => {
    const target = await targetFor(t, { faults: ['lost-line'] });
    const folder = temporaryDirectory(t);
    const file = path.join(folder, 'findings.json');
    writeFileSync(
      file,
      expectedText(
        expected({
          findings: [
            { scenario: 'high-output', case: 'slow-reader', finding: 'deviating' },
            { scenario: 'conformance', case: 'batch-of-one', finding: 'breaking' },
          ],
          sessions: [{ scenario: 'high-output', outcome: 'timeout' }],
        }),
      ),
    );
    const shown = await runExpected(folder, target.url, 'high-output', '--lines', '500', '--expect', file);
    assert.equal(shown.code, 99, shown.stdout + shown.stderr);
    assert.match(
      shown.stdout,
      /^ {2}changed {3}high-output slow-reader\n {12}expected deviating\n {12}received breaking:/m,
    );
    assert.match(shown.stdout, /^ {2}new {7}high-output a session\n.*"timeout"\n {12}received output-mismatch/m);
    assert.match(shown.stdout, /^ {2}not asked conformance: .*\(batch-of-one\)$/m);
    assert.match(shown.summary, /### Expected findings/);
    assert.match(shown.summary, /### Failed sessions\n[\s\S]*?output-mismatch/);
    assert.match(
      shown.summary,
      /### Findings\n[\s\S]*?\n\| breaking \| <code>high-output<\/code> \| <code>slow-reader/,
    );
  });

  test('a list from other scenarios changes nothing of a run without cases', async (t) => {
    const target = await targetFor(t);
    const folder = temporaryDirectory(t);
    const file = path.join(folder, 'findings.json');
    writeFileSync(file, expectedText(expected({ findings: [bypass] })));
    const shown = await runExpected(folder, target.url, 'single', '--expect', file, '--token', 'secret-token');
    assert.equal(shown.code, 0, shown.stdout + shown.stderr);
    assert.equal(shown.record?.expected?.notAsked.length, 1);
    assert.match(shown.summary, /PASS/);
    assert.doesNotMatch(shown.summary, /secret-token/);
  });

  test('a service that is not there is passed on as k6 has it, and no list is written', async (t) => {
    const folder = temporaryDirectory(t);
    const file = path.join(folder, 'findings.json');
    const shown = await runExpected(folder, 'ws://127.0.0.1:1/ws/mcp', 'single', '--write-expect', file);
    assert.equal(shown.code, 108, shown.stderr);
    assert.ok(!existsSync(file));
  });

  test('wrong options are refused together', async (t) => {
    const folder = temporaryDirectory(t);
    const file = path.join(folder, 'findings.json');
    writeFileSync(file, '{}');
    const args = ['--expect', file, '--write-expect', file, '--records', 'failures', '--vus', 'many'];
    const shown = await runExpected(folder, '', 'single', ...args, '--', '--console-output', 'x');
    assert.equal(shown.code, 2);
    for (const told of [
      /--url/,
      /expected --expect or --write-expect, received both/,
      /--expect: expected --records all, received failures/,
      /--expect: expected no --console-output/,
      /--expect: .*findings\.json: version: expected "version", received undefined/,
      /--expect: .*findings\.json: findings: expected "findings", received undefined/,
      /--vus/,
    ]) {
      assert.match(shown.stderr, told);
    }
    const absent = await runExpected(
      folder,
      'ws://127.0.0.1:1',
      'single',
      '--expect',
      path.join(folder, 'absent.json'),
    );
    assert.equal(absent.code, 2);
    assert.match(absent.stderr, /--expect: .*absent\.json.*ENOENT/);
    const noFile = await runExpected(folder, 'ws://127.0.0.1:1', 'single', '--write-expect', folder);
    assert.equal(noFile.code, 2);
    assert.match(
      noFile.stderr,
      /--write-expect: expected a file that can be written: .* is a folder; name a file in it/,
    );
    const folderThere = path.join(folder, 'a', 'findings.json');
    const none = await runExpected(folder, 'ws://127.0.0.1:1/ws/mcp', 'single', '--write-expect', folderThere);
    assert.equal(none.code, 108);
  });
});

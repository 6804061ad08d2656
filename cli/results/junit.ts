import { causeLines } from '../../lib/results/closing.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { resultOf } from '../../lib/results/result-model.ts';
import type { Cause, CauseExample, Check, Result } from '../../lib/results/result-schema.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';
import { xmlText } from '../shared/xml.ts';
import { saturationText } from './verdict-text.ts';
import { runFacts } from './result-tables.ts';

/** The same of a text that has lines of its own. */
const xmlLines = (text: string): string => text.split('\n').map(xmlText).join('\n');

const element = (name: string, attributes: Readonly<Record<string, string>>, children: readonly string[]): string => {
  const start = [name, ...Object.entries(attributes).map(([key, value]) => `${key}="${xmlText(value)}"`)].join(' ');
  if (children.length === 0) return `<${start}/>`;
  const inner = children.map((child) => child.replaceAll(/^(?=.)/gm, '  '));
  return [`<${start}>`, ...inner, `</${name}>`].join('\n');
};

/** A test case's end other than success. */
interface Ended {
  kind: 'failure' | 'error' | 'skipped';
  type: string;
  message: string;
  /** For the reader of the failure, where there is more to say. */
  text?: string;
}

const skips = {
  'NOT RUN': 'not asked, or the run ended before',
  'NOT APPLICABLE': 'the service has nothing that it is about',
} as const;

/** A cause with what is known of it, a line each. */
const causeText = (cause: Cause): string =>
  [
    cause.sentence,
    ...causeLines(cause).map(({ label, text }) => `${label.padEnd(8)} ${printable(text, outcomeCharacters)}`),
  ].join('\n');

const outcomesLine = ({ run, test, outcomes }: RunRecord): string => {
  const counts = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`);
  return `run ${run} of ${test}; sessions: ${counts.join(', ') || 'none'}`;
};

const endOf = (
  { status, expected, observed, title, causes: ids }: Check,
  { causes }: Result,
  record: RunRecord,
): Ended | undefined => {
  if (status === 'PASS') return undefined;
  const end = { kind: 'skipped', type: status } as const;
  if (expected === true) return { ...end, message: `${status}, as the list of expected findings says` };
  if (status === 'NOT RUN' || status === 'NOT APPLICABLE') return { ...end, message: `${status}: ${skips[status]}` };
  const mine = causes.filter(({ id }) => ids.includes(id));
  const [first] = mine;
  const seen = `expected: ${title}; observed ${observed ?? 'nothing, there was no data'}`;
  return {
    kind: 'failure',
    type: status,
    message: first === undefined ? seen : first.kind === 'criterion' ? first.sentence : `${first.sentence} (${seen})`,
    text: [...mine.slice(0, 5).map(causeText), outcomesLine(record)].join('\n\n'),
  };
};

const findingKinds: ReadonlySet<Cause['kind']> = new Set([
  'breaking',
  'bypass',
  'deviating',
  'inconclusive',
  'not-run',
  'not-applicable',
]);

const did: Partial<Readonly<Record<Cause['kind'], string>>> = { deviating: 'deviated from the specification' };

const endOfFinding = ({ kind, weight, advice, link }: Cause, example: CauseExample): Ended => {
  const { expected, received, messageSent, messageReceived } = example;
  if (weight !== 'failure')
    return {
      kind: 'skipped',
      type: kind,
      message:
        weight === 'tolerated'
          ? `tolerated: ${did[kind] ?? kind}: expected ${expected}, received ${received}`
          : received,
    };
  const lines = [
    `expected ${expected}`,
    `received ${received}`,
    ...(messageSent === undefined ? [] : [`sent     ${messageSent}`]),
    ...(messageReceived === undefined ? [] : [`got      ${messageReceived}`]),
    `do       ${advice}`,
    `see      ${link}`,
  ];
  return {
    kind: 'failure',
    type: kind,
    message: `expected ${expected}, received ${received}`,
    text: lines.map((line) => printable(line, outcomeCharacters)).join('\n'),
  };
};

/** What came of the run as a whole, where that is an error: nothing ran, or it says nothing of the service. */
const endOfRun = ({ verdict, sentence, causes }: Result): Ended | undefined => {
  if (verdict !== 'INVALID' && verdict !== 'NOT RUN') return undefined;
  const first = causes.find(({ weight }) => weight === 'failure');
  return { kind: 'error', type: verdict, message: sentence, ...(first && { text: causeText(first) }) };
};

/** A test case with its end. */
interface Case {
  name: string;
  end: Ended | undefined;
}

const caseElement = (suite: string, { name, end }: Case): string => {
  const ended =
    end === undefined
      ? []
      : [
          end.text === undefined
            ? element(end.kind, { type: end.type, message: end.message }, [])
            : `<${end.kind} type="${xmlText(end.type)}" message="${xmlText(end.message)}">${xmlLines(end.text)}</${end.kind}>`,
        ];
  return element('testcase', { classname: suite, name }, ended);
};

const count = (cases: readonly Case[], kind: Ended['kind']): string =>
  String(cases.filter(({ end }) => end?.kind === kind).length);

const properties = (record: RunRecord): string =>
  element(
    'properties',
    {},
    [
      ...runFacts(record),
      ...(record.saturation ? [['warning', saturationText(record.saturation)] as const] : []),
      ...Object.entries(record.settings),
    ].map(([name, value]) => element('property', { name, value }, [])),
  );

/**
 * The cases of each suite: the run as a whole where nothing ran or it says nothing, a criterion each, a finding each that is not as
 * expected, and what differs from the list of expected findings.
 */
const casesOf = (record: RunRecord, result: Result): Map<string, Case[]> => {
  const suites = new Map<string, Case[]>();
  const add = (suite: string, each: Case): void => {
    suites.set(suite, [...(suites.get(suite) ?? []), each]);
  };
  const ofRun = endOfRun(result);
  if (ofRun) add(record.test, { name: record.verdict === 'INVALID' ? 'generator' : 'run', end: ofRun });
  for (const check of result.checks) {
    add(check.scenario, { name: check.expression, end: endOf(check, result, record) });
  }
  for (const cause of result.causes.filter(({ kind }) => findingKinds.has(kind))) {
    for (const example of cause.examples) {
      add(example.scenario, { name: `case ${example.case ?? ''}`, end: endOfFinding(cause, example) });
    }
  }
  for (const [kind, differences] of [
    ['new', record.expected?.new ?? []],
    ['vanished or changed', record.expected?.missing ?? []],
  ] as const) {
    for (const { scenario, name, expected, received } of differences) {
      const message = `${kind}: expected ${expected}, received ${received}`;
      add(scenario || record.test, { name: `finding ${name}`, end: { kind: 'failure', type: kind, message } });
    }
  }
  if (suites.size === 0) suites.set(record.test, []);
  return suites;
};

/** A run as JUnit XML: a test suite a scenario, a test case a criterion or finding. */
export const junitXml = (record: RunRecord, result: Result = resultOf(record)): string => {
  const suites = casesOf(record, result);
  const time = (record.durationMs / 1000).toFixed(3);
  const timestamp = record.startedAt.slice(0, 19);
  const all = [...suites.values()].flat();
  const children = [...suites].map(([name, cases]) =>
    element(
      'testsuite',
      {
        name,
        tests: String(cases.length),
        failures: count(cases, 'failure'),
        errors: count(cases, 'error'),
        skipped: count(cases, 'skipped'),
        timestamp,
        // How long each scenario of several took, a run record does not tell.
        ...(suites.size === 1 && { time }),
      },
      [properties(record), ...cases.map((each) => caseElement(name, each))],
    ),
  );
  const totals = { tests: String(all.length), failures: count(all, 'failure'), errors: count(all, 'error') };
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('testsuites', { name: `ws-stress ${record.test}`, ...totals, time }, children)}\n`;
};

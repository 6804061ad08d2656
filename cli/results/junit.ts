import { plain } from '../../lib/text/visible.ts';
import type { JudgedCriterion, RunRecord } from '../../lib/results/record-schema.ts';
import { saturationText, verdictLineOf } from './verdict-text.ts';
import { quantity } from '../../lib/text/quantities.ts';
import { runFacts } from './result-tables.ts';

const references: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** A text of whatever origin as XML 1.0 can hold it, within an attribute too: it forbids much of what can't be seen. */
const xmlText = (text: string): string => plain(text).replaceAll(/[&<>"]/g, (each) => references[each] ?? each);

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
  'NOT RUN': 'what it judges was not asked, or not to the end',
  'NOT APPLICABLE': 'the service has nothing of what it judges',
} as const;

const endOf = (criterion: JudgedCriterion, record: RunRecord): Ended | undefined => {
  const { status, expected, expression, observed, unit } = criterion;
  if (status === 'PASS') return undefined;
  const end = { kind: 'skipped', type: status } as const;
  if (expected === true) return { ...end, message: `${status}, as the list of expected findings says` };
  if (status === 'NOT RUN' || status === 'NOT APPLICABLE') return { ...end, message: `${status}: ${skips[status]}` };
  const outcomes = Object.entries(record.outcomes).map(([outcome, count]) => `${count} ${outcome}`);
  return {
    kind: 'failure',
    type: status,
    message: `expected ${expression}, observed ${status === 'NO DATA' ? 'nothing: there was no data' : quantity(observed, unit)}`,
    text: `run ${record.run} of ${record.test}; sessions: ${outcomes.join(', ') || 'none'}`,
  };
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
            : `<${end.kind} type="${xmlText(end.type)}" message="${xmlText(end.message)}">${xmlText(end.text)}</${end.kind}>`,
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

/** The cases of each suite: a criterion each, what differs from expected findings, and of an INVALID run the generator, which fell short. */
const casesOf = (record: RunRecord): Map<string, Case[]> => {
  const suites = new Map<string, Case[]>();
  const add = (suite: string, each: Case): void => {
    suites.set(suite, [...(suites.get(suite) ?? []), each]);
  };
  if (record.verdict === 'INVALID') {
    add(record.test, { name: 'generator', end: { kind: 'error', type: 'INVALID', message: verdictLineOf(record) } });
  }
  for (const criterion of record.criteria) {
    add(criterion.test, { name: `${criterion.selector} ${criterion.expression}`, end: endOf(criterion, record) });
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

/** A run record as JUnit XML: a test suite a scenario, a test case a criterion. */
export const junitXml = (record: RunRecord): string => {
  const suites = casesOf(record);
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

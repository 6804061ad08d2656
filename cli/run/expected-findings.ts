import { visibleJson } from '../../lib/text/visible.ts';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';
import * as v from 'valibot';
import type {
  ExpectedComparison,
  ExpectedDifference,
  FindingRecord,
  JudgedCriterion,
  RunRecord,
} from '../../lib/results/record-schema.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { issueText } from '../shared/schema-issue.ts';

const text = v.pipe(v.string(), v.nonEmpty());
const note = v.optional(v.pipe(text, v.description('Why this is expected, for people')));

/** Both states are expected only for a reason. */
const noteWithOr = <Row extends { or?: string | undefined; note?: string | undefined }>() =>
  v.check<Row, string>(
    ({ or, note: why }) => or === undefined || why !== undefined,
    'a note that says why there is an or',
  );

const findingSchema = v.pipe(
  v.strictObject({
    scenario: text,
    case: text,
    finding: v.pipe(
      v.picklist(['deviating', 'bypass', 'breaking', 'inconclusive']),
      v.description('A case that is not listed is expected to be conforming'),
    ),
    or: v.optional(v.picklist(['conforming', 'deviating', 'bypass', 'breaking', 'inconclusive'])),
    note,
  }),
  noteWithOr(),
);

const sessionSchema = v.strictObject({
  scenario: text,
  outcome: v.pipe(text, v.description('Part of the outcome of a failed session, as the report shows it')),
  note,
});

const criterionSchema = v.pipe(
  v.strictObject({
    criterion: v.pipe(text, v.description('Selector and expression, as the summary of a run shows them')),
    status: v.picklist(['FAIL', 'NO DATA']),
    or: v.optional(v.picklist(['FAIL', 'NO DATA', 'PASS'])),
    note,
  }),
  noteWithOr(),
);

/** A file of expected findings (docs/expected-findings.md). */
export const expectedFindingsSchema = v.strictObject({
  $schema: v.optional(v.pipe(v.string(), v.description('The schema that an editor completes this file by'))),
  version: v.literal(1),
  service: v.optional(
    v.pipe(
      v.strictObject({ name: v.optional(text), version: v.optional(text) }),
      v.description('The service that the findings are from'),
    ),
  ),
  findings: v.pipe(v.array(findingSchema), v.description('Known defects')),
  sessions: v.optional(
    v.pipe(
      v.array(sessionSchema),
      v.description('Where a scenario is listed here, sessions of its rounds may fail in these ways only'),
    ),
  ),
  criteria: v.optional(
    v.pipe(
      v.array(criterionSchema),
      v.description('Criteria that are known not to hold. Those of the metric findings follow from the findings'),
    ),
  ),
});

export type ExpectedFindings = v.InferOutput<typeof expectedFindingsSchema>;

type FindingKind = FindingRecord['finding'];
type RunFinding = Pick<FindingRecord, 'test' | 'case' | 'finding' | 'received'>;

/** What a run found, as far as a list of expected findings judges it. */
export interface RunFindings {
  /** Of all cases: those that conform and those that were not asked too. */
  findings: readonly RunFinding[];
  criteria: readonly JudgedCriterion[];
  /** Failed sessions of rounds, each with its outcome in a sentence. */
  failures: readonly { test: string; outcome: string }[];
  /** The scenarios whose cases the run asked. */
  scenarios: readonly string[];
}

/** A run compared with a list. */
export interface Compared extends ExpectedComparison {
  /** The criteria that fail as expected, or only because of expected findings. */
  excused: ReadonlySet<JudgedCriterion>;
  /** The list that this run would have met. Nobody but people can know why a session or criterion may fail. */
  updated: Pick<ExpectedFindings, 'findings' | 'criteria'>;
}

const isNotAsked = (state: string): boolean => /^not[- ]/i.test(state);
const either = ({ or }: { or?: string | undefined }, state: string): string =>
  or === undefined ? state : `${state} or ${or}`;

const kindsByWeight: readonly FindingKind[] = [
  'breaking',
  'bypass',
  'inconclusive',
  'deviating',
  'conforming',
  'not-run',
  'not-applicable',
];
const weight = ({ finding }: RunFinding): number => kindsByWeight.indexOf(finding);

/** The findings by their cases; of a case that was asked several times the worst. */
const byCase = (findings: readonly RunFinding[]): Map<string, RunFinding> => {
  const worst = new Map<string, RunFinding>();
  for (const each of findings) {
    const key = `${each.test} ${each.case}`;
    const before = worst.get(key);
    if (before === undefined || weight(each) < weight(before)) worst.set(key, each);
  }
  return worst;
};

const criterionName = ({ selector, expression }: JudgedCriterion): string => `${selector} ${expression}`;

/** The tags that a selector asks for, as in `findings{test:conformance,finding:breaking}`. */
const tagsOf = (selector: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (/\{(.*)\}/.exec(selector)?.[1] ?? '').split(',').flatMap((tag): [string, string][] => {
      const at = tag.indexOf(':');
      return at < 0 ? [] : [[tag.slice(0, at), tag.slice(at + 1)]];
    }),
  );

/** Whether a criterion over findings fails because of expected ones alone. */
const failsAsExpected = (
  { selector, status }: JudgedCriterion,
  findings: readonly RunFinding[],
  met: ReadonlySet<RunFinding>,
): boolean => {
  if (!/^findings(\{|$)/.test(selector)) return false;
  const tags = tagsOf(selector);
  const kind = status === 'NO DATA' ? 'inconclusive' : tags.finding;
  const counted = findings.filter(
    (each) =>
      (tags.test === undefined || tags.test === each.test) &&
      (tags.case === undefined || tags.case === each.case) &&
      (kind === undefined || kind === each.finding),
  );
  return counted.length > 0 && counted.every((each) => met.has(each));
};

/** Compares what a run found with what a list expects. */
export const compareFindings = (
  { findings, sessions = [], criteria = [] }: Pick<ExpectedFindings, 'findings' | 'sessions' | 'criteria'>,
  run: RunFindings,
): Compared => {
  const compared = { met: 0, new: [], missing: [], notAsked: [] } as ExpectedComparison;
  const updated: { findings: ExpectedFindings['findings']; criteria: NonNullable<ExpectedFindings['criteria']> } = {
    findings: [],
    criteria: [],
  };
  const excused = new Set<JudgedCriterion>();
  const metFindings = new Set<RunFinding>();
  const received = ({ finding, received: what }: RunFinding): string =>
    finding === 'conforming' ? finding : `${finding}: ${what}`;

  const came = byCase(run.findings);
  for (const each of findings) {
    const { scenario, case: name, finding, or } = each;
    const key = `${scenario} ${name}`;
    const found = came.get(key);
    came.delete(key);
    const difference = (what: string): ExpectedDifference => ({
      scenario,
      name,
      expected: either(each, finding),
      received: what,
    });
    if (found !== undefined && (found.finding === finding || found.finding === or)) {
      compared.met++;
      metFindings.add(found);
      updated.findings.push(each);
    } else if (found === undefined && !run.scenarios.includes(scenario)) {
      compared.notAsked.push(difference('the run did not include the scenario'));
      updated.findings.push(each);
    } else if (found !== undefined && isNotAsked(found.finding)) {
      compared.notAsked.push(difference(received(found)));
      updated.findings.push(each);
    } else {
      compared.missing.push(difference(found === undefined ? 'no such case' : received(found)));
      if (found !== undefined && found.finding !== 'conforming') updated.findings.push(asExpected(found));
    }
  }
  for (const each of came.values()) {
    if (each.finding === 'conforming' || isNotAsked(each.finding)) continue;
    compared.new.push({ scenario: each.test, name: each.case, expected: 'conforming', received: received(each) });
    updated.findings.push(asExpected(each));
  }

  for (const each of criteria) {
    const { criterion: name, status, or } = each;
    const found = run.criteria.find((judged) => criterionName(judged) === name);
    const difference = (what: string): ExpectedDifference => ({
      scenario: found?.test ?? '',
      name,
      expected: either(each, status),
      received: what,
    });
    if (found === undefined || isNotAsked(found.status)) {
      compared.notAsked.push(difference(found?.status ?? 'not a criterion of this run'));
      updated.criteria.push(each);
    } else if (found.status === status || found.status === or) {
      compared.met++;
      excused.add(found);
      updated.criteria.push(each);
    } else {
      compared.missing.push(difference(found.status));
    }
  }
  for (const each of run.criteria) if (failsAsExpected(each, run.findings, metFindings)) excused.add(each);

  const known = new Set(sessions.map(({ scenario }) => scenario));
  const told = new Set<string>();
  for (const { test, outcome } of run.failures) {
    const mine = sessions.filter(({ scenario }) => scenario === test);
    if (!known.has(test) || told.has(`${test} ${outcome}`) || mine.some((each) => outcome.includes(each.outcome)))
      continue;
    told.add(`${test} ${outcome}`);
    const expected = `a failure only with ${mine.map((each) => JSON.stringify(each.outcome)).join(' or ')}`;
    compared.new.push({ scenario: test, name: 'a session', expected, received: outcome });
  }
  return { ...compared, excused, updated };
};

const asExpected = ({ test, case: name, finding }: RunFinding): ExpectedFindings['findings'][number] => ({
  scenario: test,
  case: name,
  finding: finding as ExpectedFindings['findings'][number]['finding'],
});

const isOpen = ({ status, expected }: JudgedCriterion): boolean =>
  (status === 'FAIL' || status === 'NO DATA') && expected !== true;

/** A run record as a list of expected findings judges it: by what is new or missing, and by every other criterion as ever. */
export const judgedByExpected = (record: RunRecord, compared: Compared): RunRecord => {
  const { excused, met, new: found, missing, notAsked } = compared;
  const criteria = record.criteria.map((each) =>
    excused.has(each) && each.status !== 'PASS' ? { ...each, expected: true as const } : each,
  );
  const isDifferent = found.length + missing.length > 0;
  return {
    ...record,
    verdict: isDifferent || criteria.some(isOpen) ? 'FAIL' : 'PASS',
    criteria,
    expected: { met, new: found, missing, notAsked },
  };
};

/** Reads a list of expected findings from its JSON; throws an Error that lists everything wrong with it, one problem a line. */
export const parseExpected = (json: string): ExpectedFindings => {
  let value: unknown;
  try {
    value = JSON.parse(withoutMark(json));
  } catch (error) {
    throw new Error(`expected JSON: ${innermostMessage(error)}`, { cause: error });
  }
  const parsed = v.safeParse(expectedFindingsSchema, value);
  if (!parsed.success) throw new Error(parsed.issues.map((issue) => issueText(issue, 'the file')).join('\n'));
  const names = parsed.output.findings.map((each) => `${each.scenario} ${each.case}`);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  if (twice.length > 0)
    throw new Error([...new Set(twice)].map((name) => `findings: ${name} is listed twice`).join('\n'));
  return parsed.output;
};

const rowText = (row: object): string => {
  const members = Object.entries(row)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${visibleJson(name)}: ${visibleJson(value)}`);
  const line = `    { ${members.join(', ')} }`;
  // As prettier has it, where lines may have 120 characters.
  return line.length < 120 ? line : `    {\n${members.map((each) => `      ${each}`).join(',\n')}\n    }`;
};

const listText = (rows: readonly object[]): string =>
  rows.length === 0 ? '[]' : `[\n${rows.map(rowText).join(',\n')}\n  ]`;

/** A list of expected findings as JSON, a finding a line where it fits. */
export const expectedText = ({ $schema, version, service, findings, sessions, criteria }: ExpectedFindings): string => {
  const members = [
    ...($schema === undefined ? [] : [`"$schema": ${JSON.stringify($schema)}`]),
    `"version": ${version}`,
    ...(service === undefined ? [] : [`"service": ${rowText(service).trim()}`]),
    `"findings": ${listText(findings)}`,
    ...(sessions === undefined || sessions.length === 0 ? [] : [`"sessions": ${listText(sessions)}`]),
    ...(criteria === undefined || criteria.length === 0 ? [] : [`"criteria": ${listText(criteria)}`]),
  ];
  return `{\n  ${members.join(',\n  ')}\n}\n`;
};

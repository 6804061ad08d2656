import { isObject } from '../../lib/jsonrpc/messages.ts';
import type { CriterionStatus } from '../../lib/results/criterion-status.ts';

/** What a case of a test is expected to come to. A case that is not listed conforms. */
export interface ExpectedFinding {
  test: string;
  case: string;
  finding: string;
  /** What it may come to as well, and why it may be either. */
  or?: string;
  reason?: string;
}

/** A criterion that is not expected to hold. One that is not listed holds, or is not judged for a reason. */
export interface ExpectedCriterion {
  selector: string;
  expression: string;
  status: string;
  or?: string;
  reason?: string;
}

/** Sessions of a test's rounds may fail so: their outcome has this text in it. Every other failed session is new. */
export interface ExpectedFailure {
  test: string;
  says: string;
  reason: string;
}

/** What is known of one version of a service. */
export interface ExpectedOfService {
  service: string;
  version: string;
  findings: ExpectedFinding[];
  sessions: ExpectedFailure[];
  criteria: ExpectedCriterion[];
}

/** A finding of a run; cases that conform need not be there. */
export interface RunFinding {
  test: string;
  case: string;
  finding: string;
  received: string;
}

/** A criterion of a run. */
export interface RunCriterion {
  test: string;
  selector: string;
  expression: string;
  status: CriterionStatus;
}

/** What a run came to. */
export interface RunFindings {
  findings: readonly RunFinding[];
  criteria: readonly RunCriterion[];
  /** Failed sessions of rounds: each outcome in a sentence. */
  failures: readonly { test: string; outcome: string }[];
  /** Tests that were run. */
  tests: readonly string[];
  /** Whether a case or criterion of this test that was not judged lacked what the caller did not give. */
  mayLack: (test: string) => boolean;
}

/** How a run differs from what is expected; each line tells one thing. */
export interface Difference {
  /** Found, and not expected. */
  new: string[];
  /** Expected, and not found. */
  missing: string[];
  /** Expected, and not looked for: not a difference. */
  notAsked: string[];
  /** How many expectations were met. */
  met: number;
  /** What would have been expected of this run; failed sessions need a reason that only people know. */
  updated: Pick<ExpectedOfService, 'findings' | 'criteria'>;
}

const isExcuse = (finding: string): boolean =>
  ['not-run', 'not-applicable', 'NOT RUN', 'NOT APPLICABLE'].includes(finding);

const oneOf = (wanted: string, or: string | undefined): string => (or === undefined ? wanted : `${wanted} or ${or}`);

interface Row {
  test: string;
  name: string;
  is: string;
  or: string | undefined;
}

/** Compares what may be listed with what came; `usual` is what everything is that is not listed. */
const compareRows = <Expected extends { or?: string; reason?: string }, Found>(
  expected: readonly Expected[],
  found: readonly Found[],
  { mayLack, tests }: Pick<RunFindings, 'mayLack' | 'tests'>,
  of: {
    usual: string;
    row: (each: Expected) => Row;
    found: (each: Found) => Omit<Row, 'or'> & { told: string };
    expectation: (each: Found) => Expected;
  },
): { difference: Omit<Difference, 'updated'>; updated: Expected[] } => {
  const difference: Omit<Difference, 'updated'> = { new: [], missing: [], notAsked: [], met: 0 };
  const updated: Expected[] = [];
  const came = new Map(found.map((each) => [`${of.found(each).test} ${of.found(each).name}`, each]));
  for (const each of expected) {
    const { test, name, is, or } = of.row(each);
    const key = `${test} ${name}`;
    const it = came.get(key);
    const { is: now, told } = it === undefined ? { is: of.usual, told: of.usual } : of.found(it);
    came.delete(key);
    if (now === is || now === or) {
      difference.met++;
      updated.push(each);
    } else if (!tests.includes(test) || (isExcuse(now) && mayLack(test))) {
      if (or !== of.usual) difference.notAsked.push(`${key}: ${is}`);
      updated.push(each);
    } else {
      difference.missing.push(`${key}: expected ${oneOf(is, or)}, received ${told}`);
      if (it !== undefined && !isExcuse(now)) updated.push(of.expectation(it));
    }
  }
  for (const [key, each] of came) {
    const { is, told } = of.found(each);
    if (is === of.usual || isExcuse(is)) continue;
    difference.new.push(`${key}: ${told}`);
    updated.push(of.expectation(each));
  }
  return { difference, updated };
};

/** A criterion's test, from its selector, as `{test:name}` says it; the whole run's have none. */
const testOf = (selector: string): string => /[{,]test:([^,}]+)/.exec(selector)?.[1] ?? 'suite';

/** Holds what a run found to what is expected of the service. */
export const compareFindings = (
  expected: Pick<ExpectedOfService, 'findings' | 'criteria' | 'sessions'>,
  run: RunFindings,
): Difference => {
  const tests = [...run.tests, 'suite'];
  const cases = compareRows(
    expected.findings,
    run.findings,
    { ...run, tests },
    {
      usual: 'conforming',
      row: ({ test, case: name, finding, or }) => ({ test, name, is: finding, or }),
      found: ({ test, case: name, finding, received }) => ({
        test,
        name,
        is: finding,
        told: `${finding}: ${received}`,
      }),
      expectation: ({ test, case: name, finding }) => ({ test, case: name, finding }),
    },
  );
  const criteria = compareRows(
    expected.criteria,
    run.criteria,
    { ...run, tests },
    {
      usual: 'PASS',
      row: ({ selector, expression, status, or }) => ({
        test: testOf(selector),
        name: `${selector} ${expression}`,
        is: status,
        or,
      }),
      found: ({ selector, expression, status }) => ({
        test: testOf(selector),
        name: `${selector} ${expression}`,
        is: status,
        told: status,
      }),
      expectation: ({ selector, expression, status }) => ({ selector, expression, status }),
    },
  );
  const failures = run.failures
    .filter(({ test, outcome }) => !expected.sessions.some((each) => each.test === test && outcome.includes(each.says)))
    .map(({ test, outcome }) => `${test}, a session: ${outcome}`);
  const both = [cases.difference, criteria.difference];
  return {
    new: [...both.flatMap((each) => each.new), ...new Set(failures)],
    missing: both.flatMap((each) => each.missing),
    notAsked: both.flatMap((each) => each.notAsked),
    met: cases.difference.met + criteria.difference.met,
    updated: { findings: cases.updated, criteria: criteria.updated },
  };
};

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const rowProblems = (rows: unknown, place: string, needed: readonly string[]): string[] => {
  if (!Array.isArray(rows)) return [`${place}: expected a list`];
  return rows.flatMap((row: unknown, index) => {
    const at = `${place}[${index}]`;
    if (!isObject(row)) return [`${at}: expected an object`];
    const { or, reason } = row;
    const unknown = Object.keys(row).filter((name) => ![...needed, 'or', 'reason'].includes(name));
    return [
      ...needed.filter((name) => !isText(row[name])).map((name) => `${at}.${name}: expected a text`),
      ...unknown.map((name) => `${at}.${name}: no such member`),
      ...(or !== undefined && !(isText(or) && isText(reason))
        ? [`${at}: expected a text as or, and the reason why it may be either`]
        : []),
    ];
  });
};

/** Reads a file of expectations; throws an Error that lists everything wrong with it. */
export const parseExpected = (document: unknown): ExpectedOfService[] => {
  const services = isObject(document) && document.version === 1 ? document.services : undefined;
  if (!Array.isArray(services)) throw new Error('expected an object with version 1 and a list of services');
  const problems = services.flatMap((each: unknown, index) => {
    const at = `services[${index}]`;
    if (!isObject(each)) return [`${at}: expected an object`];
    return [
      ...['service', 'version'].filter((name) => !isText(each[name])).map((name) => `${at}.${name}: expected a text`),
      ...rowProblems(each.findings, `${at}.findings`, ['test', 'case', 'finding']),
      ...rowProblems(each.sessions, `${at}.sessions`, ['test', 'says', 'reason']),
      ...rowProblems(each.criteria, `${at}.criteria`, ['selector', 'expression', 'status']),
    ];
  });
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return services as ExpectedOfService[];
};

const rowText = (row: object): string => {
  const members = Object.entries(row).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const line = `        { ${members.join(', ')} }`;
  // As prettier has it.
  return line.length < 120 ? line : `        {\n${members.map((each) => `          ${each}`).join(',\n')}\n        }`;
};

const listText = (rows: readonly object[]): string =>
  rows.length === 0 ? '[]' : `[\n${rows.map(rowText).join(',\n')}\n      ]`;

/** A file of expectations as text, one line each where it fits. */
export const expectedText = (services: readonly ExpectedOfService[]): string => {
  const blocks = services.map(
    ({ service, version, findings, sessions, criteria }) => `    {
      "service": ${JSON.stringify(service)},
      "version": ${JSON.stringify(version)},
      "findings": ${listText(findings)},
      "sessions": ${listText(sessions)},
      "criteria": ${listText(criteria)}
    }`,
  );
  return `{\n  "version": 1,\n  "services": [\n${blocks.join(',\n')}\n  ]\n}\n`;
};

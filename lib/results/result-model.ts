import { selectedTags } from '../load/thresholds.ts';
import { counted, listed } from '../text/quantities.ts';
import { criterionTitle, limitText, measureText, metricOf, observedText } from './criterion-title.ts';
import { kebab, type FailureGroup } from './failures.ts';
import type { JudgedCriterion, RunRecord } from './record-schema.ts';
import type { Cause, Check, KeyFigures, Result } from './result-schema.ts';

/** What is known of a run beside its run record. */
export interface RunDetails {
  /** Gathered from its session records and findings (failures.ts); absent where there are no such records. */
  failures?: readonly FailureGroup[];
  /** Response times of simple commands that succeeded. */
  simpleCommands?: KeyFigures['simpleCommands'];
  /** Why the load generator fell short, where its processor time says so. */
  generator?: string | undefined;
  /** That the machine was short of processor time, and what to do. */
  saturation?: string | undefined;
  /** How it differs from the comparable runs before it. */
  changes?: Result['changes'];
}

const guide = 'docs/reading-a-failure.md';

/** The sections of causes that are no outcome or finding; those have sections of their name. */
const sections: Partial<Readonly<Record<Cause['kind'], string>>> = {
  criterion: 'a-time-or-figure-misses-its-limit',
  'no-data': 'a-check-had-no-data',
  unexpected: 'a-finding-is-not-as-expected',
  invalid: 'the-load-generator-fell-short',
  'cut-short': 'the-run-was-cut-short',
  'busy-machine': 'the-machine-was-busy',
};

/** Where a reader finds more about causes of a kind. */
export const linkOf = (kind: Cause['kind']): string => `${guide}#${sections[kind] ?? kind}`;

/** Findings weigh by their kind; sessions by how many failed. */
const order: readonly Cause['kind'][] = [
  'nothing-was-run',
  'invalid',
  'cut-short',
  'script-error',
  'unexpected',
  'bypass',
];
const lastOrder: readonly Cause['kind'][] = [
  'deviating',
  'criterion',
  'no-data',
  'inconclusive',
  'not-run',
  'not-applicable',
];
const weights: readonly Cause['weight'][] = ['failure', 'warning', 'tolerated', 'not-checked'];

const rankOf = ({ kind }: Cause): number => {
  const [first, last] = [order.indexOf(kind), lastOrder.indexOf(kind)];
  return first >= 0 ? first : last >= 0 ? 100 + last : 50;
};

const shareOf = ({ count, of = count }: Cause): number => count / Math.max(1, of);

const worstFirst = (causes: readonly Cause[]): Cause[] =>
  causes.toSorted(
    (a, b) =>
      weights.indexOf(a.weight) - weights.indexOf(b.weight) ||
      rankOf(a) - rankOf(b) ||
      Number(a.thing === 'case') - Number(b.thing === 'case') ||
      shareOf(b) - shareOf(a) ||
      b.count - a.count,
  );

type Place = Pick<Cause, 'scenarios' | 'rounds' | 'cases' | 'commands'>;

const named = (thing: string, names: readonly (string | number)[]): string[] =>
  names.length === 0 ? [] : [`${thing}${names.length === 1 ? '' : 's'} ${listed(names.map(String))}`];

const placeText = ({ scenarios, rounds, cases, commands }: Place): string =>
  [listed(scenarios), ...named('round', rounds), ...named('case', cases), ...named('command', commands)].join(', ');

/** A cause that is about no place in particular. */
const ofRun = (
  record: RunRecord,
  cause: Pick<Cause, 'kind' | 'weight' | 'sentence' | 'advice'> & Partial<Cause>,
): Cause => ({
  id: cause.kind,
  count: 1,
  thing: 'run',
  place: record.test,
  scenarios: [record.test],
  rounds: [],
  cases: [],
  commands: [],
  link: linkOf(cause.kind),
  examples: [],
  ...cause,
});

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);

const sessionsOf = ({ rounds }: RunRecord, scenarios: readonly string[], numbers: ReadonlySet<number>): number => {
  const isMeant = (test: string, number: number): boolean =>
    scenarios.includes(test) && (numbers.size === 0 || numbers.has(number));
  const seen = new Map<string, number>();
  return sum(
    rounds.map(({ test, successful, failed }) => {
      const number = (seen.get(test) ?? 0) + 1;
      seen.set(test, number);
      return isMeant(test, number) ? successful + failed : 0;
    }),
  );
};

const casesOf = ({ findings }: RunRecord, scenarios: readonly string[]): number =>
  sum(
    findings
      .filter(({ test }) => scenarios.includes(test))
      .map(({ conforming, deviating, bypass, breaking }) => conforming + deviating + bypass + breaking),
  );

const isBroken = ({ status, expected }: JudgedCriterion): boolean =>
  expected !== true && (status === 'FAIL' || status === 'NO DATA');

const ofSessions = new Set(['session_success', 'timeouts', 'protocol_violations', 'sessions', 'unsettled']);

/** Whether a criterion that does not hold counts what a group holds. */
const decides = (criterion: JudgedCriterion, group: FailureGroup, isSuite: boolean): boolean => {
  if (!isBroken(criterion)) return false;
  const metric = metricOf(criterion);
  const tags = selectedTags(criterion.selector);
  if (!group.scenarios.has(criterion.test) && !(isSuite && tags.test === undefined)) return false;
  if (group.thing === 'session') return ofSessions.has(metric) && criterion.status === 'FAIL';
  if (metric !== 'findings') return false;
  if (tags.case !== undefined && !group.cases.has(tags.case)) return false;
  if (criterion.status === 'NO DATA') return group.kind === 'inconclusive';
  return (tags.finding ?? group.kind) === group.kind;
};

const weightOf = (record: RunRecord, group: FailureGroup): Cause['weight'] => {
  if (group.kind === 'script-error') return 'failure';
  if (record.verdict !== 'FAIL') {
    return group.kind === 'inconclusive' || group.kind.startsWith('not-') || record.verdict !== 'PASS'
      ? 'not-checked'
      : 'tolerated';
  }
  const isUnexpected = (test: string, name: string): boolean =>
    record.expected === undefined ||
    [...record.expected.new, ...record.expected.missing].some(
      (each) => each.scenario === test && (each.name === name || each.name === ''),
    );
  const isDecisive =
    record.criteria.some((each) => decides(each, group, record.success !== undefined)) ||
    (record.expected !== undefined && group.thing === 'case' && !group.kind.startsWith('not-'));
  if (
    isDecisive &&
    (group.thing === 'session' || group.examples.some(({ scenario, case: name }) => isUnexpected(scenario, name ?? '')))
  ) {
    return 'failure';
  }
  return group.kind === 'inconclusive' || group.kind.startsWith('not-') ? 'not-checked' : 'tolerated';
};

/** Of how many a group's failures are: of its rounds where all of it are in some, else of all of their kind. */
const wholeOf = (record: RunRecord, group: FailureGroup): number | undefined => {
  const scenarios = [...group.scenarios.keys()];
  if (group.thing === 'case') {
    const all = casesOf(record, scenarios);
    return group.kind === 'breaking' || group.kind === 'deviating' || group.kind === 'bypass' ? all : undefined;
  }
  const all = group.cases.size > 0 && group.rounds.size === 0 ? 0 : sessionsOf(record, scenarios, group.rounds);
  return all >= group.count ? all : undefined;
};

/** The cases that a group is about, where what happened does not name them: a case's name tells what was sent. */
const casesText = ({ thing, kind, cases, did }: FailureGroup): string => {
  const isTold = thing === 'session' || kind.startsWith('not-') || cases.size === 0;
  const [first = ''] = cases;
  return isTold || (cases.size === 1 && did.includes(first)) ? '' : `: ${listed([...cases], 3)}`;
};

const causeOf = (record: RunRecord, group: FailureGroup): Cause => {
  const scenarios = [...group.scenarios.keys()];
  const of = wholeOf(record, group);
  const [first] = group.examples;
  const place = {
    scenarios,
    rounds: [...group.rounds].toSorted((a, b) => a - b),
    cases: [...group.cases],
    commands: [...group.commands],
  };
  const subject =
    of === undefined || of < group.count
      ? counted(group.count, group.thing)
      : `${group.count} of ${counted(of, group.thing)}`;
  return {
    kind: group.kind,
    id: group.id,
    weight: weightOf(record, group),
    sentence: `${subject} ${group.did}${casesText(group)}`,
    count: group.count,
    ...(of !== undefined && { of }),
    thing: group.thing,
    place: placeText(place),
    ...place,
    ...(first && { expected: first.expected, received: first.received }),
    ...(first?.messageSent !== undefined && { messageSent: first.messageSent }),
    ...(first?.messageReceived !== undefined && { messageReceived: first.messageReceived }),
    ...(group.section !== undefined && { section: group.section }),
    advice: group.advice,
    link: linkOf(group.kind),
    examples: group.examples,
  };
};

/** A cause, and the criteria that do not hold for it. */
interface Explained {
  cause: Cause;
  criteria: readonly JudgedCriterion[];
}

const explainedBy = (record: RunRecord, group: FailureGroup): Explained => ({
  cause: causeOf(record, group),
  criteria: record.criteria.filter((each) => decides(each, group, record.success !== undefined)),
});

/** Whether a criterion that does not hold counts what a cause without records is about. */
const countsFor = ({ thing, kind }: Cause, each: JudgedCriterion): boolean =>
  isBroken(each) &&
  (thing === 'session'
    ? ofSessions.has(metricOf(each)) && each.status === 'FAIL'
    : metricOf(each) === 'findings' && (selectedTags(each.selector).finding ?? kind) === kind);

/** Whether findings tell of all that a group of sessions is about, for cases opened them. */
const isCoveredBy = (sessions: FailureGroup, found: FailureGroup): boolean =>
  sessions.thing === 'session' &&
  sessions.rounds.size === 0 &&
  found.thing === 'case' &&
  (found.kind === 'breaking' || found.kind === 'inconclusive') &&
  [...sessions.cases].some((name) => found.cases.has(name));

/** The causes of the groups; what findings tell of is no cause of its own, but explains the criteria that count sessions. */
const explainedGroups = (record: RunRecord, groups: readonly FailureGroup[]): Explained[] =>
  groups
    .filter((group) => !groups.some((found) => isCoveredBy(group, found)))
    .map((group) => {
      const explained = explainedBy(record, group);
      const covered = groups.filter((sessions) => isCoveredBy(sessions, group));
      const others = covered.flatMap((sessions) => explainedBy(record, sessions).criteria);
      return others.length === 0
        ? explained
        : {
            cause: Object.assign(explained.cause, { weight: 'failure' as const }),
            criteria: [...explained.criteria, ...others],
          };
    });

/** What failed where no records tell of it, by the counts of the run record. */
const countedCauses = (record: RunRecord): Explained[] => {
  const { total, outcomes, findings, verdict } = record;
  const weight = verdict === 'FAIL' ? 'failure' : verdict === 'PASS' ? 'tolerated' : 'not-checked';
  const failures = Object.entries(outcomes).filter(([kind]) => kind !== 'ok');
  const [worst] = failures.toSorted(([, a], [, b]) => b - a);
  const ofRounds =
    total.failed === 0 || worst === undefined
      ? []
      : [
          ofRun(record, {
            kind: worst[0] as 'timeout',
            weight,
            sentence: `${total.failed} of ${counted(total.failed + total.successful, 'session')} failed (${failures.map(([kind, count]) => `${count} ${kind}`).join(', ')})`,
            count: total.failed,
            of: total.failed + total.successful,
            thing: 'session',
            advice: 'Run again with records in the folder of the run (without --console-output) to see each failure.',
          }),
        ];
  const ofCases = (['bypass', 'breaking', 'deviating'] as const).flatMap((kind) => {
    const counts = findings.filter((each) => each[kind] > 0);
    const all = sum(counts.map((each) => each[kind]));
    const scenarios = counts.map(({ test }) => test);
    const did = {
      bypass: 'got past the allow-list',
      breaking: 'broke the service',
      deviating: 'deviated from the specification',
    };
    return all === 0
      ? []
      : [
          ofRun(record, {
            kind,
            weight,
            sentence: `${all} of ${counted(casesOf(record, scenarios), 'case')} ${did[kind]}`,
            count: all,
            of: casesOf(record, scenarios),
            thing: 'case',
            scenarios,
            place: listed(scenarios),
            advice: 'Run again with records in the folder of the run (without --console-output) to see each finding.',
          }),
        ];
  });
  return [...ofRounds, ...ofCases].map((cause) => ({
    cause,
    criteria: record.criteria.filter((each) => countsFor(cause, each)),
  }));
};

const criterionSentence = (criterion: JudgedCriterion, isMeasure: boolean): string => {
  const [expected, received] = [limitText(criterion), observedText(criterion) ?? 'nothing'];
  if (metricOf(criterion) === 'session_success') return `${received} of sessions succeeded, expected ${expected}`;
  return isMeasure
    ? `${measureText(criterion)} was ${received}, expected ${expected}`
    : `a check failed: ${criterionTitle(criterion)} (observed ${received})`;
};

/** Criteria that no failure of a session or case explains: times, figures, and those without data. */
const criterionCauses = (record: RunRecord, others: readonly Explained[]): Explained[] => {
  const isExplained = (each: JudgedCriterion): boolean =>
    others.some(({ cause, criteria }) => cause.weight === 'failure' && criteria.includes(each));
  const broken = record.criteria.filter((each) => isBroken(each) && !isExplained(each));
  const measures = new Map<string, JudgedCriterion[]>();
  for (const each of broken.filter(({ status }) => status === 'FAIL')) {
    const key = `${each.test} ${measureText(each)} ${each.expression}`;
    measures.set(key, [...(measures.get(key) ?? []), each]);
  }
  const rows = [...measures.values()].flatMap((all): Explained[] => {
    const [first] = all;
    if (first === undefined || metricOf(first) === 'dropped_iterations') return [];
    const worst = all.reduce((a, b) => ((b.observed ?? 0) > (a.observed ?? 0) ? b : a));
    const rounds = all.flatMap(({ selector }) => selectedTags(selector).round ?? []).map(Number);
    const [expected, received] = [limitText(worst), observedText(worst) ?? 'nothing'];
    const isMeasure = /\((?:avg|med|max|min|p\()/.test(`(${first.expression}`);
    const cause = ofRun(record, {
      kind: 'criterion',
      id: `criterion-${kebab(`${first.test} ${measureText(first)} ${first.expression}`)}`,
      weight: 'failure',
      sentence: criterionSentence(worst, isMeasure),
      count: all.length,
      thing: 'check',
      scenarios: [first.test],
      rounds,
      place: placeText({ scenarios: [first.test], rounds, cases: [], commands: [] }),
      expected,
      received,
      advice: isMeasure
        ? 'Compare the rounds: if the time grows with the load, the service is at its limit; if not, it is slow by itself.'
        : 'The criterion is in thresholds.json.',
    });
    return [{ cause, criteria: all }];
  });
  const without = broken.filter(({ status }) => status === 'NO DATA');
  if (without.length === 0) return rows;
  const scenarios = [...new Set(without.map(({ test }) => test))];
  const titles = [...new Set(without.map(criterionTitle))];
  const cause = ofRun(record, {
    kind: 'no-data',
    weight: 'failure',
    sentence: `${counted(without.length, 'check')} had no data: ${listed(titles, 2)}`,
    count: without.length,
    thing: 'check',
    scenarios,
    place: listed(scenarios),
    advice: 'Nothing succeeded that these checks could measure: see the other causes first.',
  });
  return [...rows, { cause, criteria: without }];
};

const unexpectedCauses = (record: RunRecord): Cause[] =>
  (record.expected?.missing ?? []).map(({ scenario, name, expected, received }, at) =>
    ofRun(record, {
      kind: 'unexpected',
      id: `unexpected-${at + 1}`,
      weight: 'failure',
      sentence: `${name} is not as expected: ${received}`,
      scenarios: scenario === '' ? [] : [scenario],
      cases: [name],
      place: [scenario, name].filter((part) => part !== '').join(', '),
      expected,
      received,
      advice: 'If the service changed on purpose, update the list with --write-expect.',
    }),
  );

/** A reason of several sentences: what happened, and what to do. */
const splitReason = (reason: string): { what: string; advice: string } => {
  const [, what, advice] = /^([^]*?[^.])\. ([A-Z][^]*)$/.exec(reason) ?? [];
  return what === undefined || advice === undefined
    ? { what: reason.replace(/\.$/, ''), advice: '' }
    : { what, advice };
};

const lowered = (text: string): string =>
  /^[A-Z][a-z]/.test(text) ? `${text.slice(0, 1).toLowerCase()}${text.slice(1)}` : text;

const notRunCauses = (record: RunRecord, others: readonly Cause[]): Cause[] => {
  if (record.verdict !== 'NOT RUN' && record.verdict !== 'NOT APPLICABLE') return [];
  const skipped = others.find(({ kind }) => kind === 'not-run' || kind === 'not-applicable');
  const reason = record.reason ?? skipped?.received ?? 'k6 ended before it ran anything; its output above says why';
  const { what, advice } = splitReason(reason.replace(/^[\w-]+: NOT RUN: /, ''));
  return [
    ofRun(record, {
      kind: 'nothing-was-run',
      weight: 'failure',
      sentence: lowered(what),
      advice: advice || skipped?.advice || 'Run ws-stress doctor with the same settings: it checks each of them.',
    }),
  ];
};

const generatorAdvice =
  'Nothing is said of the service. Run with a smaller load, more memory or processors, or on several machines (docs/scale.md).';

const invalidCauses = (record: RunRecord, { generator }: RunDetails): Cause[] => {
  const { verdict, cutShort, reason, outcomes, criteria } = record;
  if (verdict !== 'INVALID' && cutShort !== true) return [];
  if (verdict !== 'INVALID' || cutShort === true) {
    const weight = verdict === 'INVALID' ? 'failure' : 'warning';
    const sentence =
      lowered(splitReason(reason ?? '').what) || 'the run ended before its end: it was interrupted, or k6 was stopped';
    return [ofRun(record, { kind: 'cut-short', weight, sentence, advice: 'Run again, to the end.' })];
  }
  if ((outcomes['script-error'] ?? 0) > 0) return [];
  const dropped = criteria.find(
    (each) => metricOf(each) === 'dropped_iterations' && (each.observed ?? 0) > 0,
  )?.observed;
  const lost = record.resultLost === true ? 'k6 ran to its end, but its results were lost' : undefined;
  const why =
    reason ??
    lost ??
    generator ??
    (dropped === undefined
      ? 'the load generator fell short'
      : `the load generator did not start ${counted(dropped, 'session')} that were due`);
  const { what, advice } = splitReason(why.replace(/^INVALID: /, ''));
  return [
    ofRun(record, { kind: 'invalid', weight: 'failure', sentence: lowered(what), advice: advice || generatorAdvice }),
  ];
};

const busyCauses = (record: RunRecord, { saturation }: RunDetails): Cause[] => {
  if (saturation === undefined) return [];
  const { what, advice } = splitReason(saturation);
  return [ofRun(record, { kind: 'busy-machine', weight: 'warning', sentence: lowered(what), advice })];
};

const keyFigures = (record: RunRecord, details: RunDetails): KeyFigures => {
  const { total, durationMs, rounds } = record;
  const sessions = total.successful + total.failed;
  const numbers = new Map<string, number>();
  const rated = rounds.flatMap(({ test, label, successful, failed, p95Ms }) => {
    const round = (numbers.get(test) ?? 0) + 1;
    numbers.set(test, round);
    const all = successful + failed;
    return all === 0
      ? []
      : [{ scenario: test, round, label, successRate: successful / all, ...(p95Ms !== undefined && { p95Ms }) }];
  });
  const [worstRound] = rated.toSorted((a, b) => a.successRate - b.successRate || (b.p95Ms ?? 0) - (a.p95Ms ?? 0));
  return {
    sessions,
    failed: total.failed,
    ...(sessions > 0 && { successRate: total.successful / sessions }),
    ...(sessions > 0 && durationMs > 0 && { sessionsPerSecond: (sessions * 1000) / durationMs }),
    ...(details.simpleCommands && { simpleCommands: details.simpleCommands }),
    ...(worstRound && rated.length > 1 && { worstRound }),
  };
};

const checksOf = ({ criteria }: RunRecord, explained: readonly Explained[]): Check[] =>
  criteria.map((each) => {
    const observed = observedText(each);
    return {
      scenario: each.test,
      title: criterionTitle(each),
      expression: `${each.selector} ${each.expression}`,
      status: each.status,
      ...(observed !== undefined && { observed }),
      ...(each.expected === true && { expected: true as const }),
      causes: explained.filter((of) => of.criteria.includes(each)).map(({ cause }) => cause.id),
    };
  });

const checkCounts = ({ criteria }: RunRecord): string => {
  const passed = criteria.filter(({ status }) => status === 'PASS').length;
  const failed = criteria.filter(isBroken).length;
  const unasked = criteria.filter(({ status }) => status.startsWith('NOT ')).length;
  if (failed > 0) return `${failed} of ${counted(criteria.length, 'check')} failed`;
  const all = criteria.length;
  const whole = passed === all ? `all ${counted(all, 'check')} passed` : `${passed} of ${counted(all, 'check')} passed`;
  return `${whole}${unasked > 0 ? `, ${unasked} not asked` : ''}`;
};

const heads: Readonly<Record<RunRecord['verdict'], string>> = {
  PASS: 'PASS',
  FAIL: 'FAIL',
  INVALID: 'INVALID',
  'NOT RUN': 'Not run',
  'NOT APPLICABLE': 'Not applicable',
};

const sentenceOf = (record: RunRecord, causes: readonly Cause[]): string => {
  const head = heads[record.verdict];
  if (record.verdict === 'PASS') {
    const met = record.expected?.met ?? 0;
    const tolerated = causes.find(({ weight }) => weight === 'tolerated');
    const expected = met > 0 ? `, apart from ${counted(met, 'expected finding')}` : '';
    return `${head}: ${checkCounts(record)}${expected}${tolerated === undefined ? '' : `; tolerated: ${tolerated.sentence}`}`;
  }
  const [first, ...others] = causes.filter(({ weight }) => weight === 'failure');
  const more = others.filter(({ kind }) => kind !== 'no-data').length;
  if (record.verdict !== 'FAIL') return `${head}: ${first?.sentence ?? 'nothing was proven'}`;
  const checks = record.criteria.some(isBroken) ? checkCounts(record) : undefined;
  if (first === undefined) return `${head}: ${checks ?? 'the findings are not as expected'}`;
  return `${head}: ${first.sentence}${more > 0 ? `, and ${counted(more, 'more problem')}` : ''}${checks === undefined ? '' : `; ${checks}`}`;
};

const succeededText = (successful: number, all: number): string => {
  if (successful < all) return `${successful} of ${all} sessions succeeded`;
  return all === 1 ? 'the session succeeded' : `all ${all} sessions succeeded`;
};

const provenBy = (record: RunRecord): string[] => {
  if (record.verdict !== 'PASS') return [];
  const { total, rounds, findings } = record;
  const sessions = total.successful + total.failed;
  const cases = findings.filter(({ conforming, deviating }) => conforming + deviating > 0);
  const times = record.criteria.filter(
    (each) => each.status === 'PASS' && each.unit === 'ms' && selectedTags(each.selector).round === undefined,
  );
  return [
    ...(sessions > 0
      ? [`${succeededText(total.successful, sessions)}${rounds.length > 1 ? ` in ${rounds.length} rounds` : ''}`]
      : []),
    ...times.map((each) => `${measureText(each)} was ${observedText(each)}, ${limitText(each)} as required`),
    ...cases.map(
      ({ test, conforming, deviating }) =>
        `${test}: ${conforming} of ${counted(conforming + deviating, 'case')} went as the specification says${deviating > 0 ? ', the others did no harm' : ''}`,
    ),
  ];
};

/** The result of a run in words, from its run record and what its other records tell. */
export const resultOf = (record: RunRecord, details: RunDetails = {}): Result => {
  const { run, marker, test, startedAt, durationMs, url, verdict } = record;
  const failed = details.failures === undefined ? countedCauses(record) : explainedGroups(record, details.failures);
  const judged = verdict === 'FAIL' ? criterionCauses(record, failed) : [];
  const ofRecords = failed.map(({ cause }) => cause);
  const causes = worstFirst([
    ...notRunCauses(record, ofRecords),
    ...invalidCauses(record, details),
    ...unexpectedCauses(record),
    ...ofRecords,
    ...judged.map(({ cause }) => cause),
    ...busyCauses(record, details),
  ]);
  return {
    type: 'result',
    version: 1,
    run,
    marker,
    test,
    startedAt,
    durationMs,
    url,
    verdict,
    sentence: sentenceOf(record, causes),
    causes,
    proven: provenBy(record),
    figures: keyFigures(record, details),
    checks: checksOf(record, [...failed, ...judged]),
    ...(details.changes && { changes: details.changes }),
  };
};

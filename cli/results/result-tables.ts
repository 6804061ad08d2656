import type { ExpectedDifference, Figures, JudgedCriterion, RunRecord } from '../../lib/results/record-schema.ts';
import { bytes, counted, duration, minuteOf, number, percent, quantity } from '../../lib/text/quantities.ts';

/** A column: `count` and `time` (milliseconds) have numbers, `status` one of a few words, `code` what someone typed. */
export interface Column {
  name: string;
  kind?: 'count' | 'time' | 'status' | 'code';
}

/** A part of a run's results, which every document prints in its own form. Texts are of whatever origin. */
export interface ResultTable {
  title: string;
  /** What its rows are, in a sentence. */
  caption: string;
  columns: readonly Column[];
  rows: readonly (readonly (string | number | undefined)[])[];
}

/** Columns of one kind. */
export const columnsOf = (kind: Column['kind'], ...names: string[]): Column[] =>
  names.map((name) => (kind === undefined ? { name } : { name, kind }));

const observedIn = ({ observed, unit }: JudgedCriterion): string => quantity(observed, unit);

/** Criteria and how they ended; of several scenarios with the scenario of each. */
const criteriaTable = (caption: string, criteria: readonly JudgedCriterion[], hasScenarios: boolean): ResultTable => ({
  title: 'Criteria',
  caption,
  columns: [
    ...columnsOf(undefined, ...(hasScenarios ? ['Scenario'] : [])),
    ...columnsOf('code', 'Criterion', 'Expected'),
    { name: 'Status', kind: 'status' },
    { name: 'Observed' },
  ],
  rows: criteria.map((each) => [
    ...(hasScenarios ? [each.test] : []),
    each.selector,
    each.expression,
    each.expected === true ? `${each.status}, expected` : each.status,
    observedIn(each),
  ]),
});

const successTable = ({ success = [] }: RunRecord): ResultTable => ({
  title: 'Success criteria',
  caption: 'The success criteria of the suite and the criterion that decides each',
  columns: [
    { name: 'Success criterion' },
    { name: 'Status', kind: 'status' },
    ...columnsOf(undefined, 'Decided by', 'Observed'),
  ],
  rows: success.map(({ title, status, decidedBy, left }) => [
    title,
    status,
    decidedBy && `${decidedBy.test}: ${decidedBy.selector} ${decidedBy.expression}`,
    decidedBy ? observedIn(decidedBy) : left.length > 0 ? `left out: ${left.join(', ')}` : undefined,
  ]),
});

const figuresRow = (name: string, { label, successful, failed, avgMs, minMs, p95Ms, maxMs }: Figures) => [
  name,
  label,
  successful,
  failed,
  avgMs,
  minMs,
  p95Ms,
  maxMs,
];

/** A round's scenario, with the round's number where the scenario has several. */
const roundName = (rounds: readonly Figures[], at: number): string => {
  const test = rounds[at]?.test ?? '';
  const isOfIt = (each: Figures): boolean => each.test === test;
  return rounds.filter(isOfIt).length > 1 ? `${test} ${rounds.slice(0, at + 1).filter(isOfIt).length}` : test;
};

const roundsTable = ({ rounds, total }: RunRecord): ResultTable => ({
  title: 'Rounds',
  caption: 'Sessions of each round and how long they took',
  columns: [
    ...columnsOf(undefined, 'Scenario', 'Round'),
    ...columnsOf('count', 'Successful', 'Failed'),
    ...columnsOf('time', 'avg', 'min', 'p95', 'max'),
  ],
  rows: [
    ...rounds.map((each, at) => figuresRow(roundName(rounds, at), each)),
    ...(rounds.length > 1 ? [figuresRow('all', { ...total, label: '' })] : []),
  ],
});

const differences = (kind: string, all: readonly ExpectedDifference[]): string[][] =>
  all.map(({ scenario, name, expected, received }) => [kind, scenario, name, expected, received]);

const shareOf = (share: number | undefined, whole: string): string | undefined =>
  share === undefined ? undefined : `${percent(share)} of ${whole}`;

/** What ran, against what and with what: names and values. */
export const runFacts = (record: RunRecord): [name: string, value: string][] => {
  const { service, machine, generator: k6 } = record;
  const facts: [string, string | undefined][] = [
    ['run', record.run],
    ['marker', record.marker],
    ['scenario', record.test],
    ['verdict', record.verdict],
    ['began', `${minuteOf(record.startedAt)} UTC`],
    ['took', duration(record.durationMs)],
    ['url', record.url],
    ['service', service.name],
    ['service version', service.version],
    ['websocket-mcp-stress', record.suiteVersion],
    ['k6', record.k6Version],
    ['bundle, SHA-256 begins', record.bundle],
    ['machine', machine?.system],
    ['processor', machine && `${machine.cpu}, ${counted(machine.cores, 'core')}`],
    ['memory', machine && bytes(machine.memoryBytes)],
    ['generator: processor time', k6 && `${number(k6.cpuSeconds)} s, of ${counted(k6.cores, 'core')}`],
    ['generator: memory at most', k6 && bytes(k6.residentBytes)],
    ['generator: busiest five seconds', shareOf(k6?.busiestShare, 'all cores')],
    ['generator: too busy', shareOf(k6?.tooBusyShare, 'the time')],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
};

/** What a run record says, in tables; one of which there is nothing has no rows. */
export const resultTables = (record: RunRecord) => {
  const { criteria, findings, measured, outcomes, settings, expected, verdict } = record;
  const wasRun = verdict !== 'NOT RUN';
  return {
    success: successTable(record),
    criteria: criteriaTable('All criteria', criteria, true),
    rounds: wasRun ? roundsTable(record) : { ...roundsTable(record), rows: [] },
    outcomes: {
      title: 'Sessions by outcome',
      caption: 'Sessions by outcome, those of cases too',
      columns: [{ name: 'Outcome' }, ...columnsOf('count', 'Sessions')],
      rows: Object.entries(outcomes),
    },
    cases: {
      title: 'Cases',
      caption: 'How many cases of each scenario had which finding',
      columns: [{ name: 'Scenario' }, ...columnsOf('count', 'conforming', 'deviating', 'bypass', 'breaking')],
      rows: (wasRun ? findings : []).map((each) => [
        each.test,
        each.conforming,
        each.deviating,
        each.bypass,
        each.breaking,
      ]),
    },
    measured: {
      title: 'Measured',
      caption: 'Measured in addition to the durations',
      columns: columnsOf(undefined, 'Scenario', 'Figure', 'Value'),
      rows: measured.map(({ test, label, value, unit }) => [test, label, quantity(value, unit)]),
    },
    expected: {
      title: 'Expected findings',
      caption: 'In what the run differs from the list of expected findings',
      columns: [
        { name: 'Difference', kind: 'status' },
        ...columnsOf(undefined, 'Scenario', 'Name', 'Expected', 'Received'),
      ],
      rows: [
        ...differences('new', expected?.new ?? []),
        ...differences('vanished or changed', expected?.missing ?? []),
        ...differences('not asked', expected?.notAsked ?? []),
      ],
    },
    settings: {
      title: 'Settings that were given',
      caption: 'Settings that were given',
      columns: columnsOf('code', 'Name', 'Value'),
      rows: Object.entries(settings),
    },
    facts: {
      title: 'Run, service and versions',
      caption: 'What ran, where, and against what',
      columns: columnsOf(undefined, 'Name', 'Value'),
      rows: runFacts(record),
    },
  } satisfies Record<string, ResultTable>;
};

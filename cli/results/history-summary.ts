import type { RunRecord } from '../../lib/results/record-schema.ts';
import { wilsonInterval, type Interval } from './statistics.ts';

/** What a history shows of one run. */
export interface PastRun {
  run: string;
  /** ISO 8601, in UTC. */
  startedAt: string;
  verdict: RunRecord['verdict'];
  /** Sessions of its rounds. */
  successful: number;
  failed: number;
  /** Of the sessions' durations. */
  p95Ms: number | undefined;
  suiteVersion: string | undefined;
  k6Version: string | undefined;
  /** Name and version of the service, as far as they are known. */
  service: string | undefined;
}

/** One thing that is otherwise in a run than in the one before. */
export interface Change {
  what: string;
  before: string | undefined;
  after: string | undefined;
}

/** What changed from one run of a scenario to the next. */
export interface Evolution {
  from: string;
  to: string;
  /** When the later one began, ISO 8601 in UTC. */
  at: string;
  changes: Change[];
}

/** What is known of a scenario over all of its runs; bounded, however many there are. */
export interface ScenarioHistory {
  test: string;
  /** Runs that came to PASS. */
  success: number;
  /** Runs that came to FAIL. */
  failure: number;
  /** Runs that count as neither, by verdict. */
  neither: Partial<Record<RunRecord['verdict'], number>>;
  executions: number;
  /** When the last of them began, ISO 8601 in UTC. */
  lastUpdated: string;
  /** The last ones, oldest first. */
  runs: PastRun[];
  /** The last ones, oldest first. */
  evolution: Evolution[];
  /** How many of them are not in `evolution` any more. */
  earlierEvolution: number;
}

/** Ten successes for each failure graduate a test, and no fewer than ten runs. */
export const graduation = { successesForAFailure: 10, leastRuns: 10 };

/** Whether a test has graduated, and the 95 % interval of its success rate by Wilson. */
export const standingOf = ({
  success,
  failure,
}: Pick<ScenarioHistory, 'success' | 'failure'>): { graduated: boolean; interval: Interval; missing: number } => {
  const wanted = Math.max(graduation.successesForAFailure * failure, graduation.leastRuns - failure);
  return {
    graduated: success >= wanted,
    interval: wilsonInterval(success, success + failure),
    missing: Math.max(0, wanted - success),
  };
};

/** The name and version of a service, as far as they are known. */
export const serviceName = ({ service }: Pick<RunRecord, 'service'>): string | undefined => {
  const known = [service.name, service.version].filter((each) => each !== undefined);
  return known.length === 0 ? undefined : known.join(' ');
};

const machineName = ({ machine }: RunRecord): string | undefined =>
  machine && `${machine.system}, ${machine.cpu}, ${machine.cores} cores, ${gibibytes(machine.memoryBytes)} GiB`;

/** Bytes as GiB to a tenth: the memory of one machine differs a little from one start to the next. */
export const gibibytes = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);

const criteriaBySelector = ({ criteria }: RunRecord): Map<string, string> => {
  const by = new Map<string, string>();
  for (const { test, selector, expression } of criteria) {
    const name = `criterion ${test} ${selector}`;
    const before = by.get(name);
    by.set(name, before === undefined ? expression : `${before} and ${expression}`);
  }
  return by;
};

const settingsByName = ({ settings }: RunRecord): Map<string, string> =>
  new Map(Object.entries(settings).map(([name, value]) => [`setting ${name}`, value]));

const differences = (before: Map<string, string>, after: Map<string, string>): Change[] =>
  [...new Set([...before.keys(), ...after.keys()])]
    .filter((what) => before.get(what) !== after.get(what))
    .map((what) => ({ what, before: before.get(what), after: after.get(what) }));

const factsOf = (record: RunRecord): Map<string, string> =>
  new Map(
    Object.entries({
      bundle: record.bundle,
      'suite version': record.suiteVersion,
      'k6 version': record.k6Version,
      service: serviceName(record),
      machine: machineName(record),
    }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );

/** What is otherwise in a run than in an earlier one: settings, criteria, bundle, versions, service and machine. */
export const changesBetween = (before: RunRecord, after: RunRecord): Change[] => [
  ...differences(settingsByName(before), settingsByName(after)),
  ...differences(criteriaBySelector(before), criteriaBySelector(after)),
  ...differences(factsOf(before), factsOf(after)),
];

const pastRun = (record: RunRecord): PastRun => ({
  run: record.run,
  startedAt: record.startedAt,
  verdict: record.verdict,
  successful: record.total.successful,
  failed: record.total.failed,
  p95Ms: record.total.p95Ms,
  suiteVersion: record.suiteVersion,
  k6Version: record.k6Version,
  service: serviceName(record),
});

/** So many runs and changes of a scenario are kept at most. */
const maxEvolutions = 50;

/** A scenario's history and its last run, whole. */
interface Growing {
  scenario: ScenarioHistory;
  last: RunRecord;
}

const begun = (record: RunRecord): Growing => ({
  scenario: {
    test: record.test,
    success: 0,
    failure: 0,
    neither: {},
    executions: 0,
    lastUpdated: record.startedAt,
    runs: [],
    evolution: [],
    earlierEvolution: 0,
  },
  last: record,
});

/** Takes runs one by one, in the order in which they ended, and tells of each scenario what they came to. */
export const historyOf = (
  maxRuns: number,
): { add: (record: RunRecord) => void; scenarios: () => ScenarioHistory[] } => {
  const by = new Map<string, Growing>();
  const add = (record: RunRecord): void => {
    const growing = by.get(record.test) ?? begun(record);
    by.set(record.test, growing);
    const { scenario: of, last } = growing;
    of.executions++;
    if (record.verdict === 'PASS') of.success++;
    else if (record.verdict === 'FAIL') of.failure++;
    else of.neither[record.verdict] = (of.neither[record.verdict] ?? 0) + 1;
    if (Date.parse(record.startedAt) > Date.parse(of.lastUpdated)) of.lastUpdated = record.startedAt;
    const changes = changesBetween(last, record);
    if (changes.length > 0) {
      of.evolution.push({ from: last.run, to: record.run, at: record.startedAt, changes });
      if (of.evolution.length > maxEvolutions) {
        of.evolution.shift();
        of.earlierEvolution++;
      }
    }
    growing.last = record;
    of.runs.push(pastRun(record));
    if (of.runs.length > maxRuns) of.runs.shift();
  };
  const scenarios = (): ScenarioHistory[] => [...by.values()].map(({ scenario }) => scenario);
  return { add, scenarios };
};

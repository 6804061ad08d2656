import type { RunRecord } from '../../lib/results/record-schema.ts';
import { runFigures, trendOf, type RunFigures, type Told } from './changes-since.ts';
import { changesBetween, conditionsKey, serviceName, type Difference } from './run-differences.ts';
import { addressOf, loadOf } from './run-load.ts';
import { wilsonInterval, type Interval } from './statistics.ts';

/** What a history shows of one run. */
export type PastRun = ReturnType<typeof pastRun>;

const pastRun = (record: RunRecord) => ({
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

/** What changed from one run of a scenario to the next. */
export interface Evolution {
  from: string;
  to: string;
  /** When the later one began, ISO 8601 in UTC. */
  at: string;
  changes: Difference[];
}

/** What is known of a scenario at an address under a load, over all runs; bounded, however many there are. */
export interface ScenarioHistory {
  test: string;
  /** Of the service, without what may be secret. */
  address: string;
  /** In words. */
  load: string;
  /** How the last run differs from those before it under the same conditions; absent where there is none. */
  change?: Told;
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

/** The most changes of a scenario that are kept. */
const maxEvolutions = 50;

/** The most runs that a change is looked for in. */
const maxFigures = 100;

/** A group while runs are added to it. */
interface Growing {
  scenario: ScenarioHistory;
  last: RunRecord;
  /** Of the runs that were judged to their end, with what must be equal for two to be compared. */
  figures: { key: string; of: RunFigures }[];
}

const begun = (record: RunRecord): Growing => ({
  scenario: {
    test: record.test,
    address: addressOf(record),
    load: loadOf(record),
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
  figures: [],
});

/** How the last run of a group differs from those before it. */
const changeOf = ({ figures, last }: Growing): Told | undefined => {
  const key = figures.at(-1)?.key;
  const comparable = figures.filter((each) => each.key === key).map(({ of }) => of);
  return comparable.at(-1)?.run === last.run ? trendOf(comparable) : undefined;
};

/** Takes runs one by one, in the order in which they ended, and groups them by scenario, address and load. */
export const historyOf = (
  maxRuns: number,
): { add: (record: RunRecord) => void; scenarios: () => ScenarioHistory[] } => {
  const by = new Map<string, Growing>();
  const add = (record: RunRecord): void => {
    const key = [record.test, addressOf(record), loadOf(record)].join('\n');
    const growing = by.get(key) ?? begun(record);
    by.set(key, growing);
    if (record.cutShort !== true) growing.figures.push({ key: conditionsKey(record), of: runFigures(record) });
    if (growing.figures.length > maxFigures) growing.figures.shift();
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
  const scenarios = (): ScenarioHistory[] =>
    [...by.values()].map((growing) => {
      const change = changeOf(growing);
      return change === undefined ? growing.scenario : Object.assign({ change }, growing.scenario);
    });
  return { add, scenarios };
};

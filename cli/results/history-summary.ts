import type { RunRecord } from '../../lib/results/record-schema.ts';
import { changesBetween, serviceName, type Difference } from './run-differences.ts';
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

/** The most changes of a scenario that are kept. */
const maxEvolutions = 50;

const begun = (record: RunRecord): { scenario: ScenarioHistory; last: RunRecord } => ({
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
  const by = new Map<string, ReturnType<typeof begun>>();
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

import type { Settings } from './settings.ts';

/** Longest that k6 may hold a session beyond its own timeout: TCP connect 30 s and opening handshake 60 s, both fixed. */
const connectMs = 90_000;

/** The k6 scenario that, after an open model, counts what k6 did not start. */
export const generatorWatch = 'generator-watch';

/** What k6 keeps for a session of an executor that is not ours: its default `gracefulStop`, less a second to close. */
export const foreignSessionMs = 29_000;

/** What a scenario asks for: rounds of sessions where the settings name none, and cases, which one VU asks. */
export interface ScenarioLoad {
  name: string;
  /** Sessions of each round. */
  rounds: readonly number[];
  /** Among several scenarios, the load settings shape its rounds. */
  takesLoad: boolean;
  /** Longest that its cases take, milliseconds; undefined where it has none. */
  casesMs?: number;
  /** Its cases are asked before its rounds. */
  casesFirst?: boolean;
}

/** One round of the run, as the summary shows it. */
export interface Round {
  test: string;
  /** Counted from 1 in its test. */
  number: number;
  /** In words, such as `5 sessions at once`. */
  label: string;
  /** Sessions that belong to it, where that is known beforehand. */
  sessions: number | undefined;
}

/** A run's load: k6's `scenarios`, and what they mean. */
export interface Profile {
  scenarios: Record<string, Record<string, unknown>>;
  rounds: readonly Round[];
  /** The tests whose cases are asked. */
  cases: readonly string[];
  /** Iterations that end before a k6 scenario begins, by its name. */
  before: Readonly<Record<string, number>>;
  /** Iterations that an open model owes; undefined for every other load. */
  owed: number | undefined;
  /** How long sessions are opened again and again, milliseconds; undefined where their number is known. */
  durationMs?: number;
}

/** What a k6 scenario is: a round of a test, or its cases. */
export interface Place {
  test: string;
  round: number | 'cases';
}

/** The name of a k6 scenario. */
export const scenarioOf = ({ test, round }: Place): string =>
  round === 'cases' ? `${test}-cases` : `${test}-round-${round}`;

/** What the k6 scenario of that name is; undefined for one that is not ours (`k6 run --vus …`). */
export const placeOf = (scenario: string): Place | undefined => {
  const [, test, round] = /^(.+)-(?:round-(\d+)|cases)$/.exec(scenario) ?? [];
  return test === undefined ? undefined : { test, round: round === undefined ? 'cases' : Number(round) };
};

const sessionsLabel = (count: number): string => `${count} session${count === 1 ? '' : 's'}`;

/** VUs for so many sessions, where each carries a fleet. */
const vusFor = (sessions: number, fleet: number): number => Math.ceil(sessions / fleet);

const aVu = (fleet: number): string => (fleet > 1 ? `, ${fleet} a VU` : '');

const inSeconds = (ms: number): string => `${ms / 1000}s`;

const openModel = (test: string, rate: number, durationMs: number, vus: number, gracefulStop: string): Profile => {
  const owed = Math.max(1, Math.round((rate * durationMs) / 1000));
  const periodMs = 1000 / rate;
  const vusReady = Math.max(1, vus);
  return {
    scenarios: {
      [scenarioOf({ test, round: 1 })]: {
        executor: 'constant-arrival-rate',
        exec: 'run',
        // k6 takes whole numbers for the rate; a thousand seconds let it have three decimals.
        rate: Math.round(rate * 1000),
        timeUnit: '1000s',
        // Half a period less: whether the start due exactly at the end happens would be left to chance.
        duration: `${Math.max(1000, Number(((owed - 0.5) * periodMs).toFixed(4)))}ms`,
        preAllocatedVUs: vusReady,
        maxVUs: vusReady,
        gracefulStop,
      },
      [generatorWatch]: {
        executor: 'per-vu-iterations',
        exec: 'run',
        vus: 1,
        iterations: 1,
        startTime: `${Math.round(durationMs)}ms`,
        maxDuration: gracefulStop,
        gracefulStop: '10s',
      },
    },
    rounds: [{ test, number: 1, label: `${rate} sessions/s for ${inSeconds(durationMs)}`, sessions: owed }],
    cases: [],
    before: {},
    owed,
  };
};

/** Rounds of so many sessions each and cases, test after test. */
const inTurn = (tests: readonly ScenarioLoad[], fleet: number, longestMs: number, pauseMs: number): Profile => {
  const scenarios: Profile['scenarios'] = {};
  const rounds: Round[] = [];
  const cases: string[] = [];
  const before: Record<string, number> = {};
  let vusBefore = 0;
  let endMs = 0;
  const add = (place: Place, vus: number, mostMs: number): void => {
    endMs += mostMs;
    const name = scenarioOf(place);
    scenarios[name] = {
      executor: 'per-vu-iterations',
      exec: 'run',
      vus,
      iterations: 1,
      maxDuration: `${endMs}ms`,
      gracefulStop: '0s',
    };
    before[name] = vusBefore;
    vusBefore += vus;
  };
  for (const { name, takesLoad, rounds: sizes, casesMs, casesFirst = false } of tests) {
    const addCases = (): void => {
      if (casesMs === undefined) return;
      cases.push(name);
      add({ test: name, round: 'cases' }, 1, casesMs);
    };
    if (casesFirst) addCases();
    sizes.forEach((size, index) => {
      const carried = isShaped({ takesLoad }, tests) ? fleet : 1;
      const label = `${sessionsLabel(size)} at once${aVu(carried)}`;
      rounds.push({ test: name, number: index + 1, label, sessions: size });
      add({ test: name, round: index + 1 }, vusFor(size, carried), longestMs + pauseMs);
    });
    if (!casesFirst) addCases();
  }
  return { scenarios, rounds, cases, before, owed: undefined };
};

/** Load settings shape the rounds of the only scenario, or among several those of the ones that take them. */
export const isShaped = ({ takesLoad }: Pick<ScenarioLoad, 'takesLoad'>, scenarios: readonly unknown[]): boolean =>
  scenarios.length === 1 || takesLoad;

/**
 * Which sessions of a round an iteration runs, counted from 0: one, or its share of a fleet; `sessions` are those of the round,
 * where that is known.
 */
export const sessionsOf = (iteration: number, fleet: number, sessions: number | undefined): number[] => {
  const first = iteration * fleet;
  const count = Math.min(fleet, (sessions ?? Infinity) - first);
  return Array.from({ length: count }, (_, index) => first + index);
};

/**
 * The load that the settings ask for. They shape the rounds of the only scenario, or of those that take load settings; for a
 * duration, or at a rate, its sessions alone are run and no cases.
 */
export const planLoad = (settings: Settings, tests: readonly ScenarioLoad[]): Profile => {
  const { vus, durationMs, rate, pauseMs, fleet = 1 } = settings;
  const longestMs = settings.sessionTimeoutMs + connectMs;
  const gracefulStop = `${longestMs}ms`;
  const [only] = tests;
  if (tests.length === 1 && only && only.rounds.length > 0 && durationMs !== undefined) {
    const { name: test } = only;
    if (rate !== undefined) return openModel(test, rate, durationMs, vus ?? Math.ceil(rate * 10), gracefulStop);
    if (vus !== undefined) {
      const executor = {
        executor: 'constant-vus',
        exec: 'run',
        vus: vusFor(vus, fleet),
        duration: `${durationMs}ms`,
        gracefulStop,
      };
      const label = `${vus} at a time for ${inSeconds(durationMs)}${aVu(fleet)}`;
      return {
        scenarios: { [scenarioOf({ test, round: 1 })]: executor },
        rounds: [{ test, number: 1, label, sessions: undefined }],
        cases: [],
        before: {},
        owed: undefined,
        durationMs,
      };
    }
  }
  const asked = vus === undefined ? settings.rounds : [vus];
  const shaped = tests.map((test) =>
    asked && test.rounds.length > 0 && isShaped(test, tests) ? { ...test, rounds: asked } : test,
  );
  return inTurn(shaped, fleet, longestMs, pauseMs);
};

/** Whether the sessions that ended in this time are all that the load asks for; fewer mean that the run was cut short. */
export const isComplete = ({ rounds, durationMs }: Profile, ended: number, runMs: number): boolean =>
  durationMs === undefined ? ended >= rounds.reduce((sum, { sessions = 0 }) => sum + sessions, 0) : runMs >= durationMs;

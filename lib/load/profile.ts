import type { Settings } from './settings.ts';

/** Longest that k6 may hold a session beyond its own timeout: TCP connect 30 s and opening handshake 60 s, both fixed. */
const connectMs = 90_000;

/** The k6 scenario that, after an open model, counts what k6 did not start. */
export const generatorWatch = 'generator-watch';

/** What k6 keeps for a session of an executor that is not ours: its default `gracefulStop`, less a second to close. */
export const foreignSessionMs = 29_000;

/** One round of the run, as the summary shows it. */
export interface Round {
  /** In words, such as `5 sessions at once`. */
  label: string;
  /** Sessions that belong to it, where that is known beforehand. */
  sessions: number | undefined;
}

/** A run's load: k6's `scenarios`, and what they mean. Rounds are counted from 1. */
export interface Profile {
  scenarios: Record<string, Record<string, unknown>>;
  rounds: readonly Round[];
  /** Iterations that an open model owes; undefined for every other load. */
  owed: number | undefined;
  /** How long sessions are opened again and again, milliseconds; undefined where their number is known. */
  durationMs?: number;
}

/** The name of a round's k6 scenario. */
export const roundScenario = (round: number): string => `round-${round}`;

/** The round that a k6 scenario is; 1 for one that is not ours (`k6 run --vus …`). */
export const roundOf = (scenario: string): number => Number(/^round-(\d+)$/.exec(scenario)?.[1] ?? 1);

const sessionsLabel = (count: number): string => `${count} session${count === 1 ? '' : 's'}`;

const inSeconds = (ms: number): string => `${ms / 1000}s`;

const openModel = (rate: number, durationMs: number, vus: number, gracefulStop: string): Profile => {
  const owed = Math.max(1, Math.round((rate * durationMs) / 1000));
  const periodMs = 1000 / rate;
  const vusReady = Math.max(1, vus);
  return {
    scenarios: {
      [roundScenario(1)]: {
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
    rounds: [{ label: `${rate} sessions/s for ${inSeconds(durationMs)}`, sessions: owed }],
    owed,
  };
};

/** The load that the settings ask for; `rounds` is the scenario's own default. */
export const planLoad = (settings: Settings, rounds: readonly number[]): Profile => {
  const { vus, durationMs, rate, pauseMs } = settings;
  const longestMs = settings.sessionTimeoutMs + connectMs;
  const gracefulStop = `${longestMs}ms`;
  if (rate !== undefined && durationMs !== undefined) {
    return openModel(rate, durationMs, vus ?? Math.ceil(rate * 10), gracefulStop);
  }
  if (vus !== undefined && durationMs !== undefined) {
    return {
      scenarios: {
        [roundScenario(1)]: { executor: 'constant-vus', exec: 'run', vus, duration: `${durationMs}ms`, gracefulStop },
      },
      rounds: [{ label: `${vus} at a time for ${inSeconds(durationMs)}`, sessions: undefined }],
      owed: undefined,
      durationMs,
    };
  }
  const sizes = vus === undefined ? (settings.rounds ?? rounds) : [vus];
  const scenarios: Profile['scenarios'] = {};
  sizes.forEach((size, index) => {
    scenarios[roundScenario(index + 1)] = {
      executor: 'per-vu-iterations',
      exec: 'run',
      vus: size,
      iterations: 1,
      maxDuration: `${(index + 1) * (longestMs + pauseMs)}ms`,
      gracefulStop: '0s',
    };
  });
  return {
    scenarios,
    rounds: sizes.map((size) => ({ label: `${sessionsLabel(size)} at once`, sessions: size })),
    owed: undefined,
  };
};

/** Whether so many sessions, begun within so long, are all that this load asks for; less means that it was cut short. */
export const isComplete = ({ rounds, durationMs }: Profile, begun: number, runMs: number): boolean =>
  durationMs === undefined ? begun >= sessionsBefore(rounds, rounds.length + 1) : runMs >= durationMs;

/** Sessions of the rounds before this one: when so many have ended, the round may begin. */
export const sessionsBefore = (rounds: readonly Round[], round: number): number =>
  rounds.slice(0, round - 1).reduce((sum, { sessions = 0 }) => sum + sessions, 0);

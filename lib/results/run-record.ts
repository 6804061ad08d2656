import type { SuccessCriterion } from './success-criteria.ts';
import type { RunResult } from './verdict.ts';

/** What k6 took of its machine over a run. */
export interface GeneratorFigures {
  cores: number;
  /** Processor time in all. */
  cpuSeconds: number;
  /** Most of its memory that was seen. */
  residentBytes: number;
  /** Share of all cores in its busiest five seconds, 0 to 1; absent where it ran for less. */
  busiestShare?: number;
  /** Share of the run's windows of five seconds in which it was too busy, 0 to 1; absent where it ran for less. */
  tooBusyShare?: number;
}

/** Where a run took place. */
export interface Machine {
  /** Such as `linux 6.1 x64`. */
  system: string;
  cpu: string;
  cores: number;
  memoryBytes: number;
}

/**
 * The run record, version 1 (docs/records.md): one JSON object a run. What k6 can't know of itself, `ws-stress run` adds; it
 * holds no header, no token and no address's query.
 */
export interface RunRecord extends RunResult {
  type: 'run';
  version: 1;
  /** The run's id. */
  run: string;
  marker: string;
  /** The scenario, or `suite`. */
  test: string;
  /** ISO 8601, in UTC. */
  startedAt: string;
  durationMs: number;
  /** The service's address, without what may be secret. */
  url: string;
  service: { name?: string | undefined; version?: string | undefined };
  /** The settings that were given and shape the run, by their `STRESS_` names, as they were written. */
  settings: Readonly<Record<string, string>>;
  /** Of the suite only. */
  success?: SuccessCriterion[];
  /** The version of this product. */
  suiteVersion?: string;
  /** The version of k6. */
  k6Version?: string;
  /** Tells one bundle from another: the beginning of its SHA-256. */
  bundle?: string;
  machine?: Machine;
  generator?: GeneratorFigures;
}

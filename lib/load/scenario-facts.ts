import type { MetricName } from './metrics.ts';

/**
 * What a scenario asks of a service, or of what is beside it:
 * - `commands`: it runs more than `echo`, so an allow-list must have its commands
 * - `allow-list`, `limit`: the service has one, or an instance of it that --limited-url names
 * - `memory-figures`: figures of the service's memory
 * - `restart`: the service can be stopped and started
 * - `kept-failures`: failures that earlier runs have kept as recovery cases
 * - `frames`: a client that can send wrong WebSocket frames, which k6 can't
 */
export type Need = 'commands' | 'allow-list' | 'limit' | 'memory-figures' | 'restart' | 'kept-failures' | 'frames';

/** The success criteria of the stress test that scenarios serve (websocket_stress_test.md, "Success Criteria"). */
export type SuccessCriterionId =
  'single-sessions' | 'concurrent-sessions' | 'reliable-control' | 'output-memory' | 'no-crashes' | 'response-times';

/** A figure of the summary: an aggregation, such as `p(95)`, of a metric's samples with this tag. */
export interface Figure {
  label: string;
  metric: MetricName;
  tag?: string;
  of: string;
}

/** What others than its own bundle need to know of a scenario; the build writes it to dist/scenarios.json. */
export interface ScenarioFacts {
  /** As its file in scenarios/ is called. */
  name: string;
  /** What it asks, in a sentence. */
  question: string;
  /** Sessions of each round where the settings name none; none where cases alone are asked. */
  rounds: readonly number[];
  hasCases: boolean;
  /** Among the scenarios of a suite, its rounds are the ones that the load settings shape. */
  takesLoad: boolean;
  /** It has no rounds, but its cases use STRESS_VUS. */
  usesVus: boolean;
  /** It may begin while the service is down. */
  mayBeDown: boolean;
  /** Without all of these it can't be run. */
  needs: readonly Need[];
  /** Without these a part of its cases is not run. */
  uses: readonly Need[];
  /** Why Grafana Cloud k6 can't run it; absent where it can. */
  notInCloud?: string;
  /** What the summary shows beside the durations of its sessions. */
  figures: readonly Figure[];
  /** The success criteria that it serves, each with the metrics of it that must be there. */
  serves: Readonly<Partial<Record<SuccessCriterionId, readonly MetricName[]>>>;
  /** Those that a suite runs, in this order; absent where it is none. */
  scenarios?: readonly string[];
}

/** What a definition says of itself; the rest follows. */
export type DeclaredFacts = Pick<ScenarioFacts, 'question'> &
  Partial<Omit<ScenarioFacts, 'name' | 'hasCases' | 'scenarios'>>;

/** All facts of a scenario or suite, from its definition. */
export const factsOf = (
  definition: DeclaredFacts & { name: string; cases?: unknown; members?: readonly { name: string }[] },
): ScenarioFacts => ({
  name: definition.name,
  question: definition.question,
  rounds: definition.rounds ?? [],
  hasCases: definition.cases !== undefined,
  takesLoad: definition.takesLoad ?? false,
  usesVus: definition.usesVus ?? false,
  mayBeDown: definition.mayBeDown ?? false,
  needs: definition.needs ?? [],
  uses: definition.uses ?? [],
  ...(definition.notInCloud !== undefined && { notInCloud: definition.notInCloud }),
  figures: definition.figures ?? [],
  serves: definition.serves ?? {},
  ...(definition.members && { scenarios: definition.members.map(({ name }) => name) }),
});

/** Whether a scenario needs or uses something. */
const wants = ({ needs, uses }: Pick<ScenarioFacts, 'needs' | 'uses'>, need: Need): boolean =>
  needs.includes(need) || uses.includes(need);

/** Whether it asks the instance of the service that has an allow-list and a small session limit. */
export const wantsLimitedInstance = (facts: Pick<ScenarioFacts, 'needs' | 'uses'>): boolean =>
  wants(facts, 'allow-list') || wants(facts, 'limit');

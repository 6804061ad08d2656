import * as v from 'valibot';
import { findingKinds } from '../cases/case.ts';
import { phases } from '../session/outcome.ts';
import { criterionStatuses } from './criterion-status.ts';

// The declaration of every record (docs/records.md): its type, its check on reading and its JSON Schema follow from it. What
// runs in k6 imports only types from here: valibot would cost memory in every VU.

/**
 * An object to which a later release may add members within the version: they are let through, while its type has only the
 * members known here.
 */
export const extensible = <const Entries extends v.ObjectEntries>(
  entries: Entries,
): v.ObjectSchema<Entries, undefined> => v.looseObject(entries) as unknown as v.ObjectSchema<Entries, undefined>;

export const count = v.pipe(v.number(), v.minValue(0));
export const ms = count;
export const instant = v.pipe(v.string(), v.isoTimestamp());
const maybeMs = v.optional(ms);
export const trace = v.optional(v.array(v.string()));

/** An outcome, as records and recovery cases hold it. */
export const outcomeSchema = v.variant('kind', [
  extensible({ kind: v.literal('ok') }),
  extensible({ kind: v.literal('failed-exit'), code: v.nullable(v.number()), detail: v.string() }),
  extensible({ kind: v.literal('rejected'), code: v.number(), message: v.string(), reason: v.string() }),
  extensible({ kind: v.literal('output-mismatch'), detail: v.string() }),
  extensible({ kind: v.literal('timeout'), phase: v.picklist(phases), detail: v.string() }),
  extensible({ kind: v.literal('connect-failed'), reason: v.string() }),
  extensible({ kind: v.literal('closed'), code: v.number(), detail: v.string() }),
  extensible({ kind: v.literal('protocol-violation'), reason: v.string() }),
  extensible({ kind: v.literal('script-error'), detail: v.string() }),
]);

export const ofRun = {
  version: v.literal(1),
  /** The run's id. */
  run: v.string(),
  /** `WEBSOCKET_STRESS_<date>_<time>`, in UTC. */
  marker: v.string(),
  /** The scenario; in a run record perhaps `suite`. */
  test: v.string(),
};

const commandSchema = extensible({
  name: v.string(),
  class: v.string(),
  outcome: outcomeSchema,
  durationMs: ms,
  ackMs: maybeMs,
  firstOutputMs: maybeMs,
  outputMs: maybeMs,
  lines: count,
  bytes: count,
});

const ranSchema = extensible({
  name: v.string(),
  class: v.string(),
  command: v.string(),
  proof: v.record(v.string(), v.unknown()),
});
/** A command and its proof, as a session ran it (docs/command-sets.md). */
export type RanCommand = v.InferOutput<typeof ranSchema>;

/** What became of a session. It holds no header, no token and no output but the excerpt that an outcome quotes. */
export const sessionSchema = extensible({
  type: v.literal('session'),
  ...ofRun,
  /** Counted from 1; absent where a case opened it. */
  round: v.optional(count),
  /** Counted from 0 in its round. */
  session: v.optional(count),
  /** The case that opened it. */
  case: v.optional(v.string()),
  vu: count,
  /** When the opening handshake began. */
  startedAt: instant,
  outcome: outcomeSchema,
  openedMs: maybeMs,
  connectedMs: maybeMs,
  durationMs: ms,
  messagesReceived: count,
  dialect: v.optional(v.string()),
  controls: v.array(extensible({ type: v.string(), durationMs: ms })),
  commands: v.array(commandSchema),
  /** What a failed session of a round ran, so that it can be replayed; null where it holds a secret of the run. */
  command: v.optional(v.nullable(ranSchema)),
  trace,
});
export type SessionRecord = v.InferOutput<typeof sessionSchema>;

/** The answer to a case, or why it was not asked. */
export const findingSchema = extensible({
  type: v.literal('finding'),
  ...ofRun,
  case: v.string(),
  section: v.string(),
  expected: v.string(),
  finding: v.picklist([...findingKinds, 'inconclusive', 'not-run', 'not-applicable']),
  received: v.string(),
  trace,
});
export type FindingRecord = v.InferOutput<typeof findingSchema>;

/** What was read of a service's memory under a load. */
export const memorySchema = extensible({
  type: v.literal('memory'),
  ...ofRun,
  case: v.string(),
  /** Milliseconds since the load began, sessions finished, resident memory in bytes. */
  samples: v.array(v.tuple([ms, count, count])),
  /** Bytes a session. */
  slopeBytes: v.optional(v.number()),
  lowBytes: v.optional(v.number()),
  highBytes: v.optional(v.number()),
});
export type MemoryRecord = v.InferOutput<typeof memorySchema>;

/** Why a run was stopped before its end, or why nothing was run. */
export const stopSchema = extensible({
  type: v.literal('stop'),
  ...ofRun,
  /** What happened, and what to do. */
  reason: v.string(),
});
export type StopRecord = v.InferOutput<typeof stopSchema>;

const nullableSeries = v.array(v.nullable(v.number()));

/** What `ws-stress run` read of k6's process, and of the service's, during a run: lists with one member for each reading. */
export const samplesSchema = extensible({
  type: v.literal('samples'),
  version: v.literal(1),
  run: v.string(),
  startedAt: instant,
  /** Milliseconds since `startedAt`. */
  atMs: v.array(ms),
  cores: count,
  /** Processor time of k6 since the reading before, as a share of all cores; null for the first. */
  generatorShare: nullableSeries,
  /** Resident memory of k6. */
  generatorBytes: nullableSeries,
  /** Resident memory of the process that --target-pid names; absent without that. */
  serviceBytes: v.optional(nullableSeries),
});
export type SamplesRecord = v.InferOutput<typeof samplesSchema>;

const figuresSchema = extensible({
  test: v.string(),
  label: v.string(),
  successful: count,
  failed: count,
  /** How many of those that failed timed out; absent of the whole run, and in older records. */
  timedOut: v.optional(count),
  avgMs: maybeMs,
  minMs: maybeMs,
  maxMs: maybeMs,
  p95Ms: maybeMs,
});
/** Figures of a round or of the whole run; times are absent where no session has one. */
export type Figures = v.InferOutput<typeof figuresSchema>;

const criterionSchema = extensible({
  test: v.string(),
  selector: v.string(),
  expression: v.string(),
  status: v.picklist(criterionStatuses),
  observed: v.optional(v.number()),
  /** What the observed value is counted in. */
  unit: v.optional(v.string()),
  /** It does not hold, as a list of expected findings says. */
  expected: v.optional(v.literal(true)),
});
/** A criterion with what was observed. */
export type JudgedCriterion = v.InferOutput<typeof criterionSchema>;

const findingsSchema = extensible({ test: v.string(), ...v.entriesFromList(findingKinds, count) });
/** How many cases of a test had which finding. */
export type Findings = v.InferOutput<typeof findingsSchema>;

const measurementSchema = extensible({ test: v.string(), label: v.string(), value: v.number(), unit: v.string() });
/** A figure that a run measured, for the reader. */
export type Measurement = v.InferOutput<typeof measurementSchema>;

const successSchema = extensible({
  title: v.string(),
  status: v.picklist(criterionStatuses),
  /** The criterion that decided: of the worst, the one that tells most. */
  decidedBy: v.optional(criterionSchema),
  /** What it rests on and was not judged: a test, or a metric of one. */
  left: v.array(v.string()),
});
/** One success criterion of the stress test: what came of it, and the criterion of thresholds.json that said so. */
export type SuccessCriterion = v.InferOutput<typeof successSchema>;

const differenceSchema = extensible({
  scenario: v.string(),
  /** The case, or the criterion. */
  name: v.string(),
  expected: v.string(),
  received: v.string(),
});
/** An expectation that a run did not meet, or could not ask for. */
export type ExpectedDifference = v.InferOutput<typeof differenceSchema>;

const comparisonSchema = extensible({
  /** How many expectations were met. */
  met: count,
  /** Found, and not expected. */
  new: v.array(differenceSchema),
  /** Expected, and found otherwise or not at all. */
  missing: v.array(differenceSchema),
  /** Expected, and not asked for: no difference. */
  notAsked: v.array(differenceSchema),
});
/** A run compared with a list of expected findings. */
export type ExpectedComparison = v.InferOutput<typeof comparisonSchema>;

const machineSchema = extensible({
  /** Such as `linux 6.1 x64`. */
  system: v.string(),
  cpu: v.string(),
  cores: count,
  memoryBytes: count,
});
/** Where a run took place. */
export type Machine = v.InferOutput<typeof machineSchema>;

const generatorSchema = extensible({
  cores: count,
  /** Processor time in all. */
  cpuSeconds: v.number(),
  /** Most of its memory that was seen. */
  residentBytes: count,
  /** Share of all cores in its busiest five seconds, 0 to 1; absent where it ran for less. */
  busiestShare: v.optional(v.number()),
  /** Share of the run's windows of five seconds in which it was too busy, 0 to 1; absent where it ran for less. */
  tooBusyShare: v.optional(v.number()),
});
/** What k6 took of its machine over a run. */
export type GeneratorFigures = v.InferOutput<typeof generatorSchema>;

/** A part of a whole, 0 to 1. */
export const share = v.number();

const saturationSchema = extensible({
  /** Seconds in which the machine was short of processor time through others, of those that were watched. */
  seconds: v.number(),
  watchedSeconds: v.number(),
  /** What other processes took of its processor time meanwhile; absent where they are not the reason. */
  othersShare: v.optional(share),
  /** What the hypervisor gave to other guests; absent where that is not the reason. */
  stolenShare: v.optional(share),
  /** Periods in which the CPU limit of the control group (container) stopped it; absent where that is not the reason. */
  stoppedShare: v.optional(share),
  /** Time watched in which something waited for a processor, and how many processes wanted one on average while saturated. */
  waitedShare: v.optional(share),
  runnable: v.optional(v.number()),
  /** The other process that took most, and its share of all processor time of the run. */
  busiest: v.optional(extensible({ pid: count, name: v.string(), share })),
});
/** How others than k6 and this product left a machine too little processor time. */
export type Saturation = v.InferOutput<typeof saturationSchema>;

export const verdict = v.picklist(['PASS', 'FAIL', 'INVALID', 'NOT RUN', 'NOT APPLICABLE']);

const resultEntries = {
  /**
   * INVALID: the generator fell short, or the run was cut short, before anything was proven. NOT RUN and NOT APPLICABLE: nothing
   * that it was to ask could be asked.
   */
  verdict,
  /** Less was run than was asked for. */
  cutShort: v.optional(v.literal(true)),
  /** k6 ran to its end, but could write its results nowhere. */
  resultLost: v.optional(v.literal(true)),
  /** Why nothing was run, or why the run was stopped, and what to do; absent where it ran to its end. */
  reason: v.optional(v.string()),
  criteria: v.array(criterionSchema),
  rounds: v.array(figuresSchema),
  total: figuresSchema,
  findings: v.array(findingsSchema),
  measured: v.array(measurementSchema),
  /** Sessions by outcome, those that occurred. */
  outcomes: v.record(v.string(), count),
  /** How late k6 handled its own timers; absent where it did not look. */
  lag: v.optional(extensible({ medianMs: ms, p95Ms: ms, maxMs: ms })),
};
/** What the metrics of a run say of it. */
export type RunResult = v.InferOutput<v.ObjectSchema<typeof resultEntries, undefined>>;

/**
 * What became of a run: one JSON object. k6 writes it, `ws-stress run` adds what k6 can't know of itself. It holds no header, no
 * token and no address's query.
 */
export const runSchema = extensible({
  type: v.literal('run'),
  ...ofRun,
  startedAt: instant,
  durationMs: ms,
  /** The service's address, without what may be secret. */
  url: v.string(),
  /** The service is the reference target, which the run itself started on a free port. */
  withTarget: v.optional(v.literal(true)),
  service: extensible({ name: v.optional(v.string()), version: v.optional(v.string()) }),
  /** The settings that were given and shape the run, by their `STRESS_` names, as they were written. */
  settings: v.record(v.string(), v.string()),
  ...resultEntries,
  /** Of the suite only. */
  success: v.optional(v.array(successSchema)),
  /** How it compares with the list of expected findings that judged it. */
  expected: v.optional(comparisonSchema),
  /** The version of this product. */
  suiteVersion: v.optional(v.string()),
  k6Version: v.optional(v.string()),
  /** Tells one bundle from another: the beginning of its SHA-256. */
  bundle: v.optional(v.string()),
  machine: v.optional(machineSchema),
  generator: v.optional(generatorSchema),
  /** Absent where the machine had time to spare. */
  saturation: v.optional(saturationSchema),
});
export type RunRecord = v.InferOutput<typeof runSchema>;

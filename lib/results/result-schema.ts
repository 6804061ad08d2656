import * as v from 'valibot';
import { findingKinds } from '../cases/case.ts';
import { outcomeKinds } from '../session/outcome.ts';
import { criterionStatuses } from './criterion-status.ts';
import { count, extensible, instant, ms, ofRun, share, trace, verdict } from './record-schema.ts';

// The result of a run in words, made once from its records (result-model.ts): whatever people or programs read prints this.

/** What a cause is about. Each has a section in docs/reading-a-failure.md. */
export const causeKinds = [
  ...outcomeKinds.filter((kind) => kind !== 'ok'),
  ...findingKinds.filter((kind) => kind !== 'conforming'),
  'inconclusive',
  'not-run',
  'not-applicable',
  'criterion',
  'no-data',
  'unexpected',
  'nothing-was-run',
  'invalid',
  'cut-short',
  'busy-machine',
] as const;

const exampleSchema = extensible({
  scenario: v.string(),
  round: v.optional(count),
  session: v.optional(count),
  case: v.optional(v.string()),
  command: v.optional(v.string()),
  expected: v.string(),
  received: v.string(),
  /** The last message sent and the last one received, where a trace was kept. */
  messageSent: v.optional(v.string()),
  messageReceived: v.optional(v.string()),
  trace,
});
/** One failure of a cause. */
export type CauseExample = v.InferOutput<typeof exampleSchema>;

const causeSchema = extensible({
  kind: v.picklist(causeKinds),
  /** In kebab-case, unique in a result: for deep links. */
  id: v.string(),
  /**
   * `failure`: it decided the verdict. `tolerated`: the criteria allow it. `not-checked`: something that was not asked or could
   * not be told. `warning`: of the machine, not of the service.
   */
  weight: v.picklist(['failure', 'tolerated', 'not-checked', 'warning']),
  /** What happened: `28 of 35 sessions lost output lines`. */
  sentence: v.string(),
  /** How many of what, and of how many, where that is known. */
  count,
  of: v.optional(count),
  thing: v.picklist(['session', 'case', 'check', 'run']),
  /** Where, in words: `concurrent, rounds 2 and 3, command echo`. */
  place: v.string(),
  scenarios: v.array(v.string()),
  rounds: v.array(count),
  cases: v.array(v.string()),
  commands: v.array(v.string()),
  /** Of the first failure. */
  expected: v.optional(v.string()),
  received: v.optional(v.string()),
  messageSent: v.optional(v.string()),
  messageReceived: v.optional(v.string()),
  /** Where it is written what must happen, such as `JSON-RPC 2.0 §4.1`. */
  section: v.optional(v.string()),
  /** What to do, in a sentence or two. */
  advice: v.string(),
  /** `docs/reading-a-failure.md#output-mismatch`. */
  link: v.string(),
  /** The first ones. */
  examples: v.array(exampleSchema),
});
/** Failures or findings of one kind, grouped for a reader. */
export type Cause = v.InferOutput<typeof causeSchema>;

const roundSchema = extensible({
  scenario: v.string(),
  /** Counted from 1 in its scenario. */
  round: count,
  label: v.string(),
  successRate: share,
  p95Ms: v.optional(ms),
});

const keyFiguresSchema = extensible({
  sessions: count,
  failed: count,
  /** Absent where there was no session. */
  successRate: v.optional(share),
  sessionsPerSecond: v.optional(v.number()),
  /** Response times of simple commands that succeeded; a percentile only of enough of them. */
  simpleCommands: v.optional(extensible({ count, p50Ms: ms, p95Ms: v.optional(ms), p99Ms: v.optional(ms) })),
  /** Where several rounds ran: the one with the lowest success rate, or the slowest of them. */
  worstRound: v.optional(roundSchema),
});
/** The figures that a reader looks for first. */
export type KeyFigures = v.InferOutput<typeof keyFiguresSchema>;

const checkSchema = extensible({
  scenario: v.string(),
  /** `At least 90 % of sessions succeed`. */
  title: v.string(),
  /** As thresholds.json has it: `session_success rate>=0.9`. */
  expression: v.string(),
  status: v.picklist(criterionStatuses),
  /** With its unit: `97 %`, `5.2 s`. */
  observed: v.optional(v.string()),
  /** It fails as a list of expected findings says. */
  expected: v.optional(v.literal(true)),
  /** The ids of the causes for which it does not hold. */
  causes: v.array(v.string()),
});
/** A criterion in words. */
export type Check = v.InferOutput<typeof checkSchema>;

const changeSchema = extensible({
  /** `p95 of simple commands`. */
  name: v.string(),
  /** With their units; absent where a run has no such figure. */
  before: v.optional(v.string()),
  after: v.optional(v.string()),
  /** Of the value before. */
  percent: v.optional(v.number()),
  direction: v.picklist(['better', 'worse', 'same']),
});

const changesSchema = extensible({
  /** `Slower: p95 of simple commands 380 → 610 ms over 8 runs`. */
  sentence: v.string(),
  /** `too few` where the runs are too few to tell a change from chance. */
  status: v.picklist(['better', 'worse', 'same', 'too few']),
  /** Comparable runs, this one included. */
  runs: count,
  /** The last one before it. */
  previous: extensible({ run: v.string(), startedAt: instant }),
  figures: v.array(changeSchema),
});
/** How a run differs from the comparable ones before it. */
export type Changes = v.InferOutput<typeof changesSchema>;

/** The result of a run: verdict, sentence and causes, worst first. */
export const resultSchema = extensible({
  type: v.literal('result'),
  ...ofRun,
  startedAt: instant,
  durationMs: ms,
  url: v.string(),
  verdict,
  /** `FAIL: 28 of 35 sessions lost output lines`. */
  sentence: v.string(),
  causes: v.array(causeSchema),
  /** Of a run that passed: what that proves, a sentence each. */
  proven: v.array(v.string()),
  figures: keyFiguresSchema,
  checks: v.array(checkSchema),
  /** How it differs from the comparable runs before it; absent where there is none. */
  changes: v.optional(changesSchema),
});
export type Result = v.InferOutput<typeof resultSchema>;

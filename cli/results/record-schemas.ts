import * as v from 'valibot';
import { outcomeKinds } from '../../lib/session/outcome.ts';
import type { RunRecord } from '../../lib/results/run-record.ts';
import { criterionStatuses } from '../../lib/results/verdict.ts';

// Within a version members may be added: what is not known here is let through.

const count = v.pipe(v.number(), v.minValue(0));
const ms = v.pipe(v.number(), v.minValue(0));
const texts = v.record(v.string(), v.string());
const instant = v.pipe(v.string(), v.isoTimestamp());

const outcome = v.looseObject({
  kind: v.picklist(outcomeKinds),
  code: v.optional(v.nullable(v.number())),
  message: v.optional(v.string()),
  reason: v.optional(v.string()),
  phase: v.optional(v.string()),
  detail: v.optional(v.string()),
});

const ofRun = { version: v.literal(1), run: v.string(), marker: v.string(), test: v.string() };

const command = v.looseObject({
  name: v.string(),
  class: v.string(),
  outcome,
  durationMs: ms,
  ackMs: v.optional(ms),
  firstOutputMs: v.optional(ms),
  outputMs: v.optional(ms),
  lines: count,
  bytes: count,
});

/** A session record, as docs/records.md has it. */
export const sessionSchema = v.looseObject({
  ...ofRun,
  type: v.literal('session'),
  round: v.optional(count),
  session: v.optional(count),
  case: v.optional(v.string()),
  vu: count,
  startedAt: instant,
  outcome,
  openedMs: v.optional(ms),
  connectedMs: v.optional(ms),
  durationMs: ms,
  messagesReceived: count,
  dialect: v.optional(v.string()),
  controls: v.array(v.looseObject({ type: v.string(), durationMs: ms })),
  commands: v.array(command),
  trace: v.optional(v.array(v.string())),
});
export type SessionRecord = v.InferOutput<typeof sessionSchema>;

/** A finding record, as docs/records.md has it. */
export const findingSchema = v.looseObject({
  ...ofRun,
  type: v.literal('finding'),
  case: v.string(),
  section: v.string(),
  expected: v.string(),
  finding: v.picklist(['conforming', 'deviating', 'bypass', 'breaking', 'inconclusive', 'not-run', 'not-applicable']),
  received: v.string(),
  trace: v.optional(v.array(v.string())),
});
export type FindingRecord = v.InferOutput<typeof findingSchema>;

/** A memory record, as docs/records.md has it. */
export const memorySchema = v.looseObject({
  ...ofRun,
  type: v.literal('memory'),
  case: v.string(),
  samples: v.array(v.tuple([ms, count, count])),
  slopeBytes: v.optional(v.number()),
  lowBytes: v.optional(v.number()),
  highBytes: v.optional(v.number()),
});
export type MemoryRecord = v.InferOutput<typeof memorySchema>;

const maybeMs = v.optional(ms);

const figures = v.looseObject({
  test: v.string(),
  label: v.string(),
  successful: count,
  failed: count,
  avgMs: maybeMs,
  minMs: maybeMs,
  maxMs: maybeMs,
  p95Ms: maybeMs,
});

const criterion = v.looseObject({
  test: v.string(),
  selector: v.string(),
  expression: v.string(),
  status: v.picklist(criterionStatuses),
  observed: v.optional(v.number()),
  unit: v.optional(v.string()),
});

/** A run record, as docs/records.md has it. */
export const runSchema = v.looseObject({
  ...ofRun,
  type: v.literal('run'),
  startedAt: instant,
  durationMs: ms,
  url: v.string(),
  service: v.looseObject({ name: v.optional(v.string()), version: v.optional(v.string()) }),
  settings: texts,
  verdict: v.picklist(['PASS', 'FAIL', 'INVALID', 'NOT RUN', 'NOT APPLICABLE']),
  cutShort: v.optional(v.literal(true)),
  criteria: v.array(criterion),
  rounds: v.array(figures),
  total: figures,
  findings: v.array(
    v.looseObject({ test: v.string(), conforming: count, deviating: count, bypass: count, breaking: count }),
  ),
  measured: v.array(v.looseObject({ test: v.string(), label: v.string(), value: v.number(), unit: v.string() })),
  outcomes: v.record(v.string(), count),
  success: v.optional(
    v.array(
      v.looseObject({
        title: v.string(),
        status: v.picklist(criterionStatuses),
        decidedBy: v.optional(criterion),
        left: v.array(v.string()),
      }),
    ),
  ),
  lag: v.optional(v.looseObject({ medianMs: ms, p95Ms: ms, maxMs: ms })),
  suiteVersion: v.optional(v.string()),
  k6Version: v.optional(v.string()),
  bundle: v.optional(v.string()),
  machine: v.optional(v.looseObject({ system: v.string(), cpu: v.string(), cores: count, memoryBytes: count })),
  generator: v.optional(
    v.looseObject({
      cores: count,
      cpuSeconds: v.number(),
      residentBytes: count,
      busiestShare: v.optional(v.number()),
      tooBusyShare: v.optional(v.number()),
    }),
  ),
});

/** A record of any type that a run leaves beside its run record. */
export type DetailRecord = SessionRecord | FindingRecord | MemoryRecord;

const schemas = { session: sessionSchema, finding: findingSchema, memory: memorySchema, run: runSchema };
type AnyRecord = v.InferOutput<(typeof schemas)[keyof typeof schemas]>;

const isType = (type: unknown): type is keyof typeof schemas =>
  typeof type === 'string' && Object.hasOwn(schemas, type);

/** What is wrong with a value that should be a record, in words. */
export class RecordProblem extends Error {}

const pathOf = (issue: v.BaseIssue<unknown>): string => v.getDotPath(issue) ?? 'the record';

/** Reads a record, of whatever type, from a line of JSON; throws a RecordProblem that says what was expected. */
export const parseRecord = (line: string): AnyRecord => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new RecordProblem('expected a record, a JSON object; received no JSON, or a part of it');
  }
  const { type, version } = (value ?? {}) as { type?: unknown; version?: unknown };
  if (!isType(type)) {
    throw new RecordProblem(`expected a record whose type is ${Object.keys(schemas).join(', ')}; received none such`);
  }
  if (version !== 1) {
    throw new RecordProblem(
      `expected version 1 of the ${type} record, received ${JSON.stringify(version)?.slice(0, 40)}: another version of ws-stress wrote it`,
    );
  }
  const result = v.safeParse(schemas[type], value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new RecordProblem(
    `the ${type} record: ${pathOf(issue)}: expected ${issue.expected}, received ${issue.received.slice(0, 100)}`,
  );
};

/** Reads a run record from its JSON; throws a RecordProblem that says what was expected. */
export const parseRunRecord = (text: string): RunRecord => {
  const record = parseRecord(text);
  if (record.type !== 'run') throw new RecordProblem(`expected a run record, received a ${record.type} record`);
  return record as RunRecord;
};

import * as v from 'valibot';
import {
  findingSchema,
  memorySchema,
  runSchema,
  sessionSchema,
  type FindingRecord,
  type MemoryRecord,
  type RunRecord,
  type SessionRecord,
} from '../../lib/results/record-schema.ts';
import { issueText } from '../shared/schema-issue.ts';

/** A record of any type that a run leaves beside its run record. */
export type DetailRecord = SessionRecord | FindingRecord | MemoryRecord;

const schemas = { session: sessionSchema, finding: findingSchema, memory: memorySchema, run: runSchema };
type AnyRecord = v.InferOutput<(typeof schemas)[keyof typeof schemas]>;

const isType = (type: unknown): type is keyof typeof schemas =>
  typeof type === 'string' && Object.hasOwn(schemas, type);

/** What is wrong with a value that should be a record, in words. */
export class RecordProblem extends Error {}

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
  throw new RecordProblem(`the ${type} record: ${issueText(result.issues[0], 'the record')}`);
};

/** Reads a run record from its JSON; throws a RecordProblem that says what was expected. */
export const parseRunRecord = (text: string): RunRecord => {
  const record = parseRecord(text);
  if (record.type !== 'run') throw new RecordProblem(`expected a run record, received a ${record.type} record`);
  return record;
};

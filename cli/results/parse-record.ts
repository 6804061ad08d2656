import * as v from 'valibot';
import {
  findingSchema,
  memorySchema,
  runSchema,
  samplesSchema,
  sessionSchema,
  stopSchema,
  type FindingRecord,
  type MemoryRecord,
  type RunRecord,
  type SamplesRecord,
  type SessionRecord,
  type StopRecord,
} from '../../lib/results/record-schema.ts';
import { issueText } from '../shared/schema-issue.ts';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';

/** A record of any type that a run leaves beside its run record. */
export type DetailRecord = SessionRecord | FindingRecord | MemoryRecord | StopRecord;

const schemas = {
  session: sessionSchema,
  finding: findingSchema,
  memory: memorySchema,
  stop: stopSchema,
  run: runSchema,
};
type AnyRecord = v.InferOutput<(typeof schemas)[keyof typeof schemas]>;

const isType = (type: unknown): type is keyof typeof schemas =>
  typeof type === 'string' && Object.hasOwn(schemas, type);

/** What is wrong with a value that should be a record, in words. */
export class RecordProblem extends Error {}

/** Parses JSON; throws a RecordProblem that says what was expected. */
export const parseJson = (text: string, expected: string): unknown => {
  try {
    return JSON.parse(withoutMark(text));
  } catch {
    throw new RecordProblem(`expected a ${expected}, a JSON object; received no JSON, or a part of it`);
  }
};

/** Checks a value of version 1 by its schema; throws a RecordProblem that says what was expected. */
export const checkVersion1 = <Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  name: string,
): v.InferOutput<Schema> => {
  const { version } = (value ?? {}) as { version?: unknown };
  if (version !== 1) {
    const received = JSON.stringify(version)?.slice(0, 40) ?? 'none';
    throw new RecordProblem(
      `expected version 1 of the ${name}, received ${received}: another version of ws-stress wrote it`,
    );
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw new RecordProblem(`the ${name}: ${issueText(result.issues[0], `the ${name}`)}`);
};

/** Reads a record, of whatever type, from a line of JSON; throws a RecordProblem that says what was expected. */
export const parseRecord = (line: string): AnyRecord => {
  const value = parseJson(line, 'record');
  const { type } = (value ?? {}) as { type?: unknown };
  if (!isType(type)) {
    throw new RecordProblem(`expected a record whose type is ${Object.keys(schemas).join(', ')}; received none such`);
  }
  return checkVersion1<v.GenericSchema<unknown, AnyRecord>>(schemas[type], value, `${type} record`);
};

/** Reads a run record from its JSON; throws a RecordProblem that says what was expected. */
export const parseRunRecord = (text: string): RunRecord => {
  const record = parseRecord(text);
  if (record.type !== 'run') throw new RecordProblem(`expected a run record, received a ${record.type} record`);
  return record;
};

/** Reads what a run's samples.json holds; throws a RecordProblem that says what was expected. */
export const parseSamples = (text: string): SamplesRecord =>
  checkVersion1(samplesSchema, parseJson(text, 'samples record'), 'samples record');

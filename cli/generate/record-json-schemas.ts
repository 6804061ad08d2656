import { toJsonSchema } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';
import { findingSchema, memorySchema, runSchema, sessionSchema, stopSchema } from '../../lib/results/record-schema.ts';
import { resultSchema } from '../../lib/results/result-schema.ts';
import { expectedFindingsSchema } from '../run/expected-findings.ts';
import type { JsonSchema } from './schemas.ts';

const bare = (schema: GenericSchema): JsonSchema => {
  // A check has no form in JSON Schema.
  const { $schema: _, ...rest } = toJsonSchema(schema, { target: 'draft-2020-12', errorMode: 'ignore' });
  return rest;
};

const documentOf = (title: string, description: string, schema: JsonSchema): JsonSchema => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title,
  description,
  ...schema,
});

/** The JSON Schema of a run record. */
export const runRecordSchema = (): JsonSchema =>
  documentOf(
    'ws-stress run record, version 1',
    'stress-results/runs/<id>/run.json: what a run came to. Times are milliseconds; members may be added within a version (docs/records.md)',
    bare(runSchema),
  );

/** The JSON Schema of a run's result in words. */
export const resultJsonSchema = (): JsonSchema =>
  documentOf(
    'ws-stress result, version 1',
    'stress-results/runs/<id>/result.json: the result of a run in words, causes first. Times are milliseconds; members may be added within a version (docs/ci-results.md)',
    bare(resultSchema),
  );

/** The JSON Schema of the records that a run leaves beside its run record, one a line. */
export const detailSchema = (): JsonSchema =>
  documentOf(
    'ws-stress session, finding, memory or stop record, version 1',
    'A line of stress-results/runs/<id>/records.ndjson. Times are milliseconds; members may be added within a version (docs/records.md)',
    {
      type: 'object',
      required: ['type', 'version'],
      oneOf: [sessionSchema, findingSchema, memorySchema, stopSchema].map((schema) => bare(schema)),
    },
  );

/** The JSON Schema of a list of expected findings. */
export const expectedFindingsJsonSchema = (): JsonSchema =>
  documentOf(
    'Expected findings of websocket-mcp-stress',
    'Known defects of a service, for ws-stress run --expect (docs/expected-findings.md)',
    bare(expectedFindingsSchema),
  );

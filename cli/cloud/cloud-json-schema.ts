import { toJsonSchema } from '@valibot/to-json-schema';
import { isObject } from '../../lib/jsonrpc/messages.ts';
import type { JsonSchema } from '../generate/schemas.ts';
import { settingMeaning } from '../shared/settings-options.ts';
import { cloudFileSchema, cloudSettings } from './cloud-file.ts';

/** A part of a schema, by the names that lead to it. */
const at = (schema: unknown, path: readonly string[]): Record<string, unknown> => {
  const [name, ...rest] = path;
  if (!isObject(schema)) throw new Error(`no such part of the schema: ${path.join('.')}`);
  return name === undefined ? schema : at(schema[name], rest);
};

/** The JSON Schema of cloud.json. */
export const cloudSchema = (): JsonSchema => {
  const { $schema: _, ...schema } = toJsonSchema(cloudFileSchema(), {
    target: 'draft-2020-12',
    // A check has no form that a schema could tell.
    errorMode: 'ignore',
  });
  const settings = {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(
      cloudSettings().map((row) => [row.name, { type: 'string', description: settingMeaning(row) }]),
    ),
  };
  for (const path of [['properties'], ['properties', 'tests', 'items', 'properties']]) {
    const members = at(schema, path);
    const { description } = at(members, ['settings']);
    members.settings = { $ref: '#/$defs/settings', description };
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'cloud.json of websocket-mcp-stress',
    description: 'Load tests of Grafana Cloud k6 that ws-stress cloud deploy makes; docs/cloud.md says more.',
    ...schema,
    $defs: { settings },
  };
};

import { classForm, longestClass } from '../../lib/commands/command.ts';
import { countToThirty } from '../../lib/commands/count.ts';
import { highOutput } from '../../lib/commands/high-output.ts';
import posix from '../../lib/commands/posix.json' with { type: 'json' };
import { metricsTable, type MetricRow } from '../../lib/load/metrics.ts';
import type { ScenarioFacts } from '../../lib/load/scenario-facts.ts';
import { allScenarios } from '../shared/scenarios.ts';
import { tagForms, tagValues } from '../../lib/load/thresholds.ts';

/** A JSON Schema, or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>;

type MetricType = MetricRow['type'];

/** The scenarios that criteria can be about: all but suites. */
const singleNames = (all: readonly ScenarioFacts[]): string[] =>
  all.flatMap(({ name, scenarios }) => (scenarios ? [] : [name]));

const draft = 'https://json-schema.org/draft/2020-12/schema';

const editorReference: JsonSchema = { type: 'string', description: 'The schema that an editor completes this file by' };

const operator = '(?:===|==|!=|<=|>=|<|>)';
const percentile = 'p\\(0*(?:100(?:\\.0+)?|\\d{1,2}(?:\\.\\d+)?)\\)';
const aggregations: Readonly<Record<MetricType, string>> = {
  counter: '(?:count|rate)',
  rate: 'rate',
  trend: `(?:avg|min|max|med|${percentile})`,
};
const examples: Readonly<Record<MetricType, readonly string[]>> = {
  counter: ['count==0', 'count<10'],
  rate: ['rate==1', 'rate>=0.9'],
  trend: ['p(95)<5000', 'max<30000', 'avg<1000'],
};

const expressionSchema = (type: MetricType): JsonSchema => ({
  type: 'string',
  pattern: `^\\s*${aggregations[type]}\\s*${operator}\\s*-?\\d+(?:\\.\\d+)?\\s*$`,
  examples: examples[type],
});

const thresholdsSchemaOf = (type: MetricType): JsonSchema => ({
  type: 'array',
  items: {
    anyOf: [
      { $ref: `#/$defs/${type}Expression` },
      {
        type: 'object',
        required: ['threshold'],
        additionalProperties: false,
        properties: {
          threshold: { $ref: `#/$defs/${type}Expression` },
          abortOnFail: { type: 'boolean', description: 'End the run as soon as the criterion fails' },
          delayAbortEval: {
            type: 'string',
            pattern: '^(?:\\d+(?:\\.\\d+)?(?:ms|s|m|h))+$',
            description: 'How long to wait before the run may end so, such as 10s',
          },
        },
      },
    ],
  },
});

const rows = Object.entries(metricsTable) as [name: string, row: MetricRow][];

/** The tags by which a metric's samples can be selected: by round only those that tell how many a round had. */
const selectableTags = (row: MetricRow): string[] => row.tags.filter((tag) => tag !== 'round' || row.byRound === true);

const valuePattern = (tag: string, singles: readonly string[]): string => {
  const { form } = tagForms[tag] ?? {};
  if (form !== undefined) return form;
  return `(?:${(tag === 'test' ? singles : (tagValues[tag] ?? [])).join('|')})`;
};

const selectorPattern = (name: string, row: MetricRow, singles: readonly string[]): string => {
  const tags = selectableTags(row);
  const part = `\\s*(?:${tags.map((tag) => `${tag}\\s*:\\s*${valuePattern(tag, singles)}`).join('|')})\\s*`;
  const noTagTwice = `(?!.*[{,]\\s*(${tags.join('|')})\\s*:.*,\\s*\\1\\s*:)`;
  return `^${noTagTwice}${name}\\{${part}(?:,${part})*\\}$`;
};

/** The classes of the shipped commands. */
const shippedClasses = (): string[] => [
  ...new Set([...posix.commands, countToThirty(false), highOutput(1, 1, false)].map((command) => command.class)),
];

/** The values of a tag that an editor offers. */
const offeredValues = (): Readonly<Record<string, readonly string[]>> => ({
  ...tagValues,
  round: ['each'],
  class: shippedClasses(),
});

/** The selectors that an editor offers: each metric, alone and with each value of one tag. */
const offeredSelectors = (name: string, row: MetricRow): string[] => {
  const offered = selectableTags(row).flatMap((tag) =>
    (offeredValues()[tag] ?? []).map((value) => `${name}{${tag}:${value}}`),
  );
  return [name, ...offered];
};

const describeMetric = ({ type, time, unit = time === true ? 'ms' : undefined, description }: MetricRow): string =>
  `${description} (${type}${unit === undefined ? '' : `, ${unit}`})`;

/** The JSON Schema of thresholds.json and of the files that replace it, where there are these scenarios. */
export const thresholdsSchema = (all: readonly ScenarioFacts[] = allScenarios()): JsonSchema =>
  thresholdsOf(singleNames(all));

const thresholdsOf = (singles: readonly string[]): JsonSchema => ({
  $schema: draft,
  title: 'Success criteria of websocket-mcp-stress',
  description: 'Criteria by scenario and metric; docs/thresholds.md says what they mean.',
  type: 'object',
  required: ['version', 'scenarios'],
  additionalProperties: false,
  properties: {
    $schema: editorReference,
    version: { const: 1 },
    extends: {
      const: 'default',
      description: 'Lays this file over the built-in criteria; there an empty list removes a criterion',
    },
    scenarios: {
      type: 'object',
      additionalProperties: false,
      properties: Object.fromEntries([
        ['*', { $ref: '#/$defs/criteria', description: 'Criteria of every scenario' }],
        ...singles.map((name) => [name, { $ref: '#/$defs/criteria', description: `Criteria of ${name}` }]),
      ]),
    },
  },
  if: { type: 'object', properties: { extends: true }, required: ['extends'] },
  else: {
    properties: {
      scenarios: {
        type: 'object',
        additionalProperties: { type: 'object', additionalProperties: { type: 'array', minItems: 1 } },
      },
    },
  },
  $defs: {
    criteria: {
      type: 'object',
      unevaluatedProperties: false,
      allOf: [
        {
          type: 'object',
          properties: Object.fromEntries(
            rows.flatMap(([name, row]) =>
              offeredSelectors(name, row).map((selector) => [
                selector,
                { $ref: `#/$defs/${row.type}`, description: describeMetric(row) },
              ]),
            ),
          ),
        },
        {
          type: 'object',
          patternProperties: Object.fromEntries(
            rows
              .filter(([, row]) => selectableTags(row).length > 0)
              .map(([name, row]) => [selectorPattern(name, row, singles), { $ref: `#/$defs/${row.type}` }]),
          ),
        },
      ],
    },
    ...Object.fromEntries(
      (['counter', 'rate', 'trend'] as const).flatMap((type) => [
        [type, thresholdsSchemaOf(type)],
        [`${type}Expression`, expressionSchema(type)],
      ]),
    ),
  },
});

const count: JsonSchema = { type: 'integer', minimum: 0 };
const someText: JsonSchema = { type: 'string', pattern: '\\S' };

/** The JSON Schema of a command set. */
export const commandSetSchema = (): JsonSchema => ({
  $schema: draft,
  title: 'Command set of websocket-mcp-stress',
  description: 'Commands that the sessions run in turn, and what proves that each ran; docs/command-sets.md.',
  type: 'object',
  required: ['version', 'commands'],
  additionalProperties: false,
  properties: {
    $schema: editorReference,
    version: { const: 1 },
    commands: { type: 'array', minItems: 1, items: { $ref: '#/$defs/command' } },
  },
  $defs: {
    command: {
      type: 'object',
      required: ['name', 'class', 'command', 'proof'],
      additionalProperties: false,
      properties: {
        name: { ...someText, description: 'What records and messages call it' },
        class: {
          type: 'string',
          pattern: `^${classForm}$`,
          maxLength: longestClass,
          examples: shippedClasses(),
          description: 'In kebab-case; criteria select commands by it',
        },
        command: { ...someText, description: "What the service runs; {session} is the session's number" },
        proof: { $ref: '#/$defs/proof' },
      },
    },
    proof: {
      type: 'object',
      description:
        'What must hold of the stdout and the end of the command, all of it; exit code 0 where none is given',
      additionalProperties: false,
      dependentSchemas: { lines: { type: 'object', properties: { numbered: false } } },
      properties: {
        exitCode: { type: 'integer', description: 'Expected exit code; 0 where absent' },
        lines: {
          type: 'array',
          items: { type: 'string' },
          description: 'Exactly these lines, in this order, and no others',
        },
        numbered: {
          type: 'object',
          description: 'Exactly these lines, {i} running from `from` to `to`, and no others',
          required: ['line', 'from', 'to'],
          additionalProperties: false,
          properties: {
            line: {
              type: 'string',
              pattern: '^(?:(?!\\{i\\})[\\s\\S])*\\{i\\}(?:(?!\\{i\\})[\\s\\S])*$',
              description: 'With {i} once',
            },
            from: count,
            to: count,
          },
        },
        pattern: {
          type: 'string',
          format: 'regex',
          description: 'A regular expression that at least one line matches',
        },
        each: { type: 'string', format: 'regex', description: 'A regular expression that every line matches' },
        count: { ...count, description: 'Exactly so many lines' },
        maxLines: { ...count, description: 'At most so many lines' },
        minDurationMs: { ...count, description: 'At least so long from the request to completion, milliseconds' },
      },
    },
  },
});

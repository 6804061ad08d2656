import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { metricsTable, type MetricRow } from '../../lib/load/metrics.ts';
import { settingMeaning } from '../shared/settings-options.ts';
import { settingsTable, type SettingRow } from '../../lib/load/settings.ts';
import { cloudSchema } from '../cloud/cloud-json-schema.ts';
import { k6Options, type K6Option } from '../run/k6-options.ts';
import { markdownTable } from '../shared/markdown.ts';
import { packageRoot } from '../shared/package-root.ts';
import { detailSchema, expectedFindingsJsonSchema, resultJsonSchema, runRecordSchema } from './record-json-schemas.ts';
import { commandSetSchema, thresholdsSchema } from './schemas.ts';

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  markdownTable(
    header,
    rows.map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|'))),
  ).join('\n');

const code = (text: string): string => `\`${text}\``;

/** A text that Markdown does not take for HTML. */
const escaped = (text: string): string => text.replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const settingCells = (row: SettingRow): string[] => {
  const unit = row.unit === undefined ? '' : `, ${row.unit}`;
  return [
    code(row.name),
    code(row.flag),
    `${row.type}${unit}`,
    row.default === undefined ? '' : code(row.default),
    `${escaped(settingMeaning(row))}${row.secret === true ? '. Secret: never shown or recorded' : ''}`,
    code(row.example),
  ];
};

const settingsDocument = (): string =>
  table(['Setting', 'Flag', 'Type', 'Default', 'Meaning', 'Example'], settingsTable().map(settingCells));

const metricCells = ([name, row]: [string, MetricRow]): string[] => [
  code(name),
  row.type,
  row.time === true ? 'ms' : (row.unit ?? ''),
  row.tags.filter((tag) => tag !== 'round' || row.byRound === true).join(', '),
  row.description,
];

const metricsDocument = (): string =>
  table(['Metric', 'Type', 'Unit', 'Tags', 'What it tells'], Object.entries(metricsTable).map(metricCells));

const k6OptionCells = ({ flag, short, variable, effect, guard }: K6Option): string[] => [
  [...(flag === undefined ? [] : [code(flag)]), ...(short === undefined ? [] : [code(short)])].join(', '),
  variable === undefined ? '' : code(variable),
  effect,
  guard === undefined ? 'passed on' : `refused, or ignored with a warning: ${guard}`,
];

const k6OptionsDocument = (): string =>
  table(['Option', 'Variable', 'Effect', 'With ws-stress run'], k6Options.map(k6OptionCells));

const read = (file: string): string => readFileSync(path.join(packageRoot, file), 'utf8');

/** An example file as a fenced block. */
const exampleDocument = (file: string): string =>
  `\`\`\`${path.extname(file).slice(1)}\n${read(`docs/examples/${file}`)}\`\`\``;

/** Puts a text between a document's two comments of that name; the rest is written by hand. */
const withSection = (file: string, document: string, name: string, text: string): string => {
  const [start, end] = [`<!-- ${name}: written by npm run generate -->`, `<!-- ${name}: end -->`];
  const [before, rest] = document.split(start);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new Error(`${file}: expected ${start} and ${end}, in this order`);
  return `${before}${start}\n\n${text}\n\n${end}${after}`;
};

const sections = (): [file: string, name: string, text: string][] => [
  ['docs/settings.md', 'settings', settingsDocument()],
  ['docs/k6-options.md', 'options', k6OptionsDocument()],
  ['docs/thresholds.md', 'metrics', metricsDocument()],
  ['docs/thresholds.md', 'example', exampleDocument('thresholds.json')],
  ['docs/command-sets.md', 'example', exampleDocument('commands.json')],
  ['docs/write-a-scenario.md', 'example', exampleDocument('pause-and-resume.ts')],
];

/** Every generated file, by its path from the top of the package, formatted as the rest of the project is. */
export const generatedFiles = async (): Promise<Map<string, string>> => {
  const contents = new Map([
    ['schemas/thresholds.schema.json', JSON.stringify(thresholdsSchema())],
    ['schemas/command-set.schema.json', JSON.stringify(commandSetSchema())],
    ['schemas/run.schema.json', JSON.stringify(runRecordSchema())],
    ['schemas/result.schema.json', JSON.stringify(resultJsonSchema())],
    ['schemas/record.schema.json', JSON.stringify(detailSchema())],
    ['schemas/cloud.schema.json', JSON.stringify(cloudSchema())],
    ['schemas/expected-findings.schema.json', JSON.stringify(expectedFindingsJsonSchema())],
  ]);
  for (const [file, name, text] of sections()) {
    contents.set(file, withSection(file, contents.get(file) ?? read(file), name, text));
  }
  const files = new Map<string, string>();
  for (const [file, content] of contents) {
    const filepath = path.join(packageRoot, file);
    files.set(file, await format(content, { ...(await resolveConfig(filepath)), filepath }));
  }
  return files;
};

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [file, content] of await generatedFiles()) writeFileSync(path.join(packageRoot, file), content);
}

import { existsSync } from 'node:fs';
import path from 'node:path';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { messageOf } from '../../lib/text/errors.ts';
import { outputProblems, writeOutput } from '../shared/output-file.ts';
import { noFailures, readFailures, type Failures } from '../run/closing-table.ts';
import { junitXml } from './junit.ts';
import { markdownSummary } from './markdown-summary.ts';
import type { RunFolder } from './run-folder.ts';

/** The forms in which a run is told to machines, by the option that asks for one. */
export const exportForms = {
  junit: junitXml,
  markdown: markdownSummary,
  json: (record: RunRecord): string => `${JSON.stringify(record, undefined, 2)}\n`,
} as const;

/** Which forms are asked for, and the file that each goes to. */
export type Exports = Partial<Record<keyof typeof exportForms, string>>;

/** The forms that options ask for, with their files. */
export const exportsAsked = (values: Exports): [keyof typeof exportForms, string][] =>
  (Object.keys(exportForms) as (keyof typeof exportForms)[]).flatMap((form) => {
    const file = values[form];
    return file === undefined ? [] : [[form, file]];
  });

/** What is wrong with the files that options name. */
export const exportProblems = (values: Exports): string[] =>
  outputProblems(Object.fromEntries(exportsAsked(values).map(([form, file]) => [`--${form}`, file])));

const failuresOf = async ({ records }: RunFolder, { cutShort }: RunRecord): Promise<Failures> =>
  existsSync(records) ? readFailures(records, cutShort) : noFailures();

/** Writes a run in the forms asked for, each that can be written; `-` is stdout. Throws why others can't. */
export const writeExports = async (values: Exports, record: RunRecord, folder: RunFolder): Promise<void> => {
  const failures = await failuresOf(folder, record);
  const problems: string[] = [];
  for (const [form, file] of exportsAsked(values)) {
    await writeOutput(file, exportForms[form](record, failures)).catch((error: unknown) =>
      problems.push(messageOf(error)),
    );
  }
  if (problems.length > 0) throw new Error(problems.join('; '));
};

/** Leaves a run in its folder as other programs read it: `junit.xml` and `summary.md`. */
export const writeForMachines = async (folder: RunFolder, record: RunRecord): Promise<void> => {
  await writeOutput(path.join(folder.path, 'junit.xml'), junitXml(record));
  await writeOutput(path.join(folder.path, 'summary.md'), markdownSummary(record, await failuresOf(folder, record)));
};

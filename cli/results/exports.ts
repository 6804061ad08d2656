import { visibleJson } from '../../lib/text/visible.ts';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import type { Result } from '../../lib/results/result-schema.ts';
import { messageOf } from '../../lib/text/errors.ts';
import { outputProblems, overwritingProblems, writeOutput } from '../shared/output-file.ts';
import { noFailures, readFailures, type Failures } from '../run/closing-table.ts';
import { githubAnnotations } from './annotations.ts';
import { badgeSvg } from './badge.ts';
import { junitXml } from './junit.ts';
import { markdownSummary } from './markdown-summary.ts';
import { readResult } from './result.ts';
import type { RunFolder } from './run-folder.ts';

/** The forms in which other programs read a run, by the option that asks for one. */
const forms = {
  junit: (record: RunRecord, _: Failures, result: Result): string => junitXml(record, result),
  markdown: markdownSummary,
  badge: (_record: RunRecord, _: Failures, result: Result): string => badgeSvg(result),
  annotations: (_record: RunRecord, _: Failures, result: Result): string => githubAnnotations(result),
  json: (record: RunRecord): string => `${visibleJson(record, 2)}\n`,
} as const;

/** The file for each form that is asked for. */
export type Exports = Readonly<Partial<Record<keyof typeof forms, string | undefined>>>;

/** The forms that are asked for, with their files. */
export const exportsAsked = ({
  junit,
  markdown,
  badge,
  annotations,
  json,
}: Exports): [form: keyof typeof forms, file: string][] =>
  Object.entries({ junit, markdown, badge, annotations, json }).filter(
    (each): each is [keyof typeof forms, string] => each[1] !== undefined,
  );

/** What is wrong with the files that options name. */
export const exportProblems = (values: Exports): string[] => {
  const files = Object.fromEntries(exportsAsked(values).map(([form, file]) => [`--${form}`, file]));
  return [...outputProblems(files), ...overwritingProblems(files)];
};

/** Writes a run in the forms asked for, each that can be written; `-` is stdout. Throws why others can't. */
export const writeExports = async (
  values: Exports,
  record: RunRecord,
  folder: RunFolder,
  known?: Result,
): Promise<void> => {
  const { records } = folder;
  const result = known ?? (await readResult(folder, record));
  const failures = existsSync(records) ? await readFailures(records, record.cutShort) : noFailures();
  const problems: string[] = [];
  for (const [form, file] of exportsAsked(values)) {
    await writeOutput(file, forms[form](record, failures, result)).catch((error: unknown) =>
      problems.push(messageOf(error)),
    );
  }
  if (problems.length > 0) throw new Error(problems.join('; '));
};

/** Leaves a run in its folder as other programs read it: `junit.xml` and `summary.md`. */
export const writeForMachines = (folder: RunFolder, record: RunRecord, result?: Result): Promise<void> => {
  const [junit, markdown] = [path.join(folder.path, 'junit.xml'), path.join(folder.path, 'summary.md')];
  return writeExports({ junit, markdown }, record, folder, result);
};

import { accessSync, constants, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { codeOf, innermostMessage } from '../../lib/text/errors.ts';
import { junitXml } from './junit.ts';
import { markdownSummary } from './markdown-summary.ts';
import { writeWhole, type RunFolder } from './run-folder.ts';

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

/** Why a file can't be written, as far as that can be told beforehand; undefined where it can. */
const writeProblem = (file: string): string | undefined => {
  try {
    const isFolder = statSync(file).isDirectory();
    if (isFolder) return `${file} is a folder`;
    accessSync(file, constants.W_OK);
    return undefined;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') return innermostMessage(error);
  }
  // Folders that are not there yet are made when it is written.
  return writeProblemOfFolder(path.dirname(path.resolve(file)));
};

const writeProblemOfFolder = (folder: string): string | undefined => {
  try {
    accessSync(folder, constants.W_OK);
    return undefined;
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? writeProblemOfFolder(path.dirname(folder)) : innermostMessage(error);
  }
};

/** What is wrong with the files that options name. */
export const exportProblems = (values: Exports): string[] =>
  exportsAsked(values)
    .filter(([, file]) => file !== '' && file !== '-')
    .flatMap(([form, file]) => {
      const problem = writeProblem(file);
      return problem === undefined ? [] : [`--${form}: expected a file that can be written: ${problem}`];
    });

/** Writes a file that an option names, and the folders above it; `-` is stdout. */
export const writeAsked = async (file: string, text: string): Promise<void> => {
  if (file === '-') {
    process.stdout.write(text);
    return;
  }
  await mkdir(path.dirname(path.resolve(file)), { recursive: true });
  // Not by way of another file: a pipe, a device or a link is to stay what it is.
  await writeFile(file, text);
};

/** Writes a run in the forms asked for; `-` is stdout. */
export const writeExports = async (values: Exports, record: RunRecord): Promise<void> => {
  for (const [form, file] of exportsAsked(values)) {
    await writeAsked(file, exportForms[form](record));
  }
};

/** Leaves a run in its folder as other programs read it: `junit.xml` and `summary.md`. */
export const leaveForMachines = async (folder: RunFolder, record: RunRecord): Promise<void> => {
  await writeWhole(path.join(folder.path, 'junit.xml'), junitXml(record));
  await writeWhole(path.join(folder.path, 'summary.md'), markdownSummary(record));
};

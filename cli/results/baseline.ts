import path from 'node:path';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { messageOf } from '../../lib/text/errors.ts';
import { printable } from '../shared/printable.ts';
import { declareCommand } from '../shared/command.ts';
import { asJson, resultsFolder } from '../shared/common-options.ts';
import { baselineDocument, baselineFile, readBaseline, writeBaseline, type Baseline } from './baseline-file.ts';
import { findRun, readRunRecord, runFolder } from './run-folder.ts';
import { provesNothing, unlike } from './run-likeness.ts';

/** The runs that are named, by scenario, and why some can't be a baseline. */
const namedRuns = async (
  base: string,
  names: readonly string[],
): Promise<{ by: Map<string, RunRecord[]>; ids: Map<RunRecord, string>; problems: string[] }> => {
  const by = new Map<string, RunRecord[]>();
  const ids = new Map<RunRecord, string>();
  const problems: string[] = [];
  for (const name of names) {
    try {
      const folder = await findRun(base, name);
      if (path.resolve(folder.path) !== path.resolve(runFolder(base, folder.id).path)) {
        throw new Error(`expected a run in ${path.join(base, 'runs')}, received ${name}`);
      }
      if ([...ids.values()].includes(folder.id)) throw new Error(`expected each run once, received ${name} twice`);
      const record = await readRunRecord(folder.run);
      const problem = provesNothing(record);
      if (problem !== undefined) throw new Error(`run ${folder.id}: ${problem}`);
      const first = by.get(record.test)?.[0] ?? record;
      for (const { what, first: one, other } of first === record ? [] : unlike(first, record)) {
        problems.push(`run ${folder.id}: expected a run like ${ids.get(first)}; ${what}: ${one}, ${other}`);
      }
      by.set(record.test, [...(by.get(record.test) ?? []), record]);
      ids.set(record, folder.id);
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  return { by, ids, problems };
};

const shown = (base: string, baseline: Baseline): string =>
  baseline.size === 0
    ? `no baseline is set in ${baselineFile(base)}: ws-stress baseline <run> sets one`
    : [...baseline].map(([test, runs]) => `${printable(test, 60)}  ${runs.join(', ')}`).join('\n');

export const baselineCommand = declareCommand({
  description: `Makes these runs the baseline of their scenario, with which ws-stress compare <run> compares others. Runs are given by their ids or folders; several runs of a scenario are one baseline. Without a run it shows the baselines.

Exit code: 0; 2 a run can't be a baseline, or wrong options.`,
  arguments: [{ name: 'run', variadic: true, isPath: true }],
  options: { folder: resultsFolder, json: asJson },
  notDone: 'No baseline was set',
  examples: ['ws-stress baseline 20261124-163104-18eced'],
  act: async ({ values, positionals, problems, refuse }) => {
    if (problems.length > 0) return refuse(problems);
    const base = path.resolve(values.folder ?? '.');
    try {
      if (positionals.length > 0) {
        const { by, ids, problems: unfit } = await namedRuns(base, positionals);
        if (unfit.length > 0) return refuse(unfit);
        for (const record of ids.keys()) {
          if (record.verdict === 'FAIL')
            console.error(`run ${ids.get(record)} came to FAIL: what it did not hold is no regression later`);
        }
        const set = [...by].map(([test, records]): [string, string[]] => [
          test,
          records.map((each) => ids.get(each) ?? ''),
        ]);
        await writeBaseline(base, new Map([...(await readBaseline(base)), ...set]));
      }
      const baseline = await readBaseline(base);
      console.log(values.json === true ? JSON.stringify(baselineDocument(baseline)) : shown(base, baseline));
      return 0;
    } catch (error) {
      return refuse([messageOf(error)]);
    }
  },
});

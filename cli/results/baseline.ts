import { visibleJson } from '../../lib/text/visible.ts';
import path from 'node:path';
import { messageOf } from '../../lib/text/errors.ts';
import { printable } from '../shared/printable.ts';
import { declareCommand } from '../shared/command.ts';
import { asJson, resultsFolder } from '../shared/common-options.ts';
import {
  baselineDocument,
  baselineFile,
  readBaseline,
  withBaseline,
  writeBaseline,
  type Baseline,
  type BaselineEntry,
} from './baseline-file.ts';
import { openResults } from './results-folder.ts';
import { resultsLayout } from './results-layout.ts';
import { unlike } from './run-differences.ts';
import { knownRunIds, readRun, runFolder, whyNoProof, type FoundRun } from './run-folder.ts';

/** The runs that are named, and why some can't be a baseline. */
const namedRuns = async (base: string, names: readonly string[]): Promise<{ runs: FoundRun[]; problems: string[] }> => {
  const runs: FoundRun[] = [];
  const problems: string[] = [];
  for (const name of names) {
    try {
      const run = await readRun(base, name);
      const { folder, record } = run;
      if (path.resolve(folder.path) !== path.resolve(runFolder(base, folder.id).path)) {
        throw new Error(`expected a run in ${resultsLayout(base).runs}, received ${name}`);
      }
      if (runs.some((each) => each.folder.id === folder.id)) {
        throw new Error(`expected each run once, received ${name} twice`);
      }
      const like = runs.find((each) => each.record.test === record.test) ?? run;
      const differences = like === run ? [] : unlike(like.record, record);
      problems.push(
        ...whyNoProof(run),
        ...differences.map(
          ({ what, before = 'not set', after = 'not set' }) =>
            `run ${folder.id}: expected a run like ${like.folder.id}; ${what}: ${before}, ${after}`,
        ),
      );
      runs.push(run);
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  return { runs, problems };
};

const nameOf = ({ test, address, load }: BaselineEntry): string =>
  [
    printable(test, 60),
    address === undefined ? '' : ` at ${printable(address, 200)}`,
    load === undefined ? '' : `, ${printable(load, 200)}`,
  ].join('');

const shown = (base: string, baseline: Baseline): string =>
  baseline.length === 0
    ? `no baseline is set in ${baselineFile(base)}: ws-stress baseline <run> sets one`
    : baseline.map((each) => `${nameOf(each)}: ${each.runs.join(', ')}`).join('\n');

export const baselineCommand = declareCommand({
  description: `Makes these runs the baseline of their scenario, address and load, with which ws-stress compare <run> compares others. Runs are given by their ids or folders; several runs of one kind are one baseline. Without a run it shows the baselines.

Exit code: 0; 2 a run can't be a baseline, or wrong options.`,
  arguments: [{ name: 'run', variadic: true, isPath: true, choices: knownRunIds }],
  options: { folder: resultsFolder, json: asJson },
  notDone: 'No baseline was set',
  examples: ['ws-stress baseline 20261124-163104-18eced'],
  act: async ({ values, positionals, problems, refuse }) => {
    if (problems.length > 0) return refuse(problems);
    const base = await openResults(values.folder);
    try {
      if (positionals.length > 0) {
        const { runs, problems: unfit } = await namedRuns(base, positionals);
        if (unfit.length > 0) return refuse(unfit);
        for (const { folder, record } of runs) {
          if (record.verdict === 'FAIL')
            console.error(`run ${folder.id} resulted in FAIL: what failed in it will not count as a regression later`);
        }
        const records = runs.map(({ folder, record }) => Object.assign({}, record, { run: folder.id }));
        await writeBaseline(base, withBaseline(await readBaseline(base), records));
      }
      const baseline = await readBaseline(base);
      console.log(values.json === true ? visibleJson(baselineDocument(baseline)) : shown(base, baseline));
      return 0;
    } catch (error) {
      return refuse([messageOf(error)]);
    }
  },
});

import { existsSync } from 'node:fs';
import path from 'node:path';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { messageOf } from '../../lib/text/errors.ts';
import { outputProblems, writeOutput } from '../shared/output-file.ts';
import { declareCommand } from '../shared/command.ts';
import { asJson, resultsFolder } from '../shared/common-options.ts';
import { readBaseline } from './baseline-file.ts';
import { bounds, compareSides, maxValues, type Side } from './compare-runs.ts';
import { comparisonDocument, comparisonText, type ToldComparison } from './compare-text.ts';
import { findRun, readRunRecord, type RunFolder } from './run-folder.ts';
import { alsoDifferent, provesNothing, unlike, type Difference } from './run-likeness.ts';
import { readRunValues } from './run-values.ts';

/** Several runs of one side are too many to be meant. */
const maxRuns = 100;

interface FoundRun {
  folder: RunFolder;
  record: RunRecord;
}

const findGroup = async (base: string, names: readonly string[]): Promise<FoundRun[]> => {
  if (names.length > maxRuns) throw new Error(`expected at most ${maxRuns} runs on a side, received ${names.length}`);
  const found: FoundRun[] = [];
  for (const name of names) {
    if (name === '') throw new Error('expected the ids or folders of runs with commas between, received an empty one');
    const folder = await findRun(base, name);
    if (found.some((each) => each.folder.run === folder.run)) {
      throw new Error(`expected each run once on a side, received ${name} twice`);
    }
    found.push({ folder, record: await readRunRecord(folder.run) });
  }
  return found;
};

/** The runs that an argument names; a folder may have a comma in its name. */
const namesIn = (argument: string): string[] => (existsSync(path.resolve(argument)) ? [argument] : argument.split(','));

/** What each side is, or a thrown problem. */
const findSides = async (base: string, [first = '', second]: readonly string[]): Promise<[FoundRun[], FoundRun[]]> => {
  if (second !== undefined) {
    return [await findGroup(base, namesIn(first)), await findGroup(base, namesIn(second))];
  }
  const b = await findGroup(base, namesIn(first));
  const test = b[0]?.record.test ?? '';
  const known = (await readBaseline(base)).get(test);
  if (known === undefined) {
    throw new Error(`expected a baseline of ${test}, found none: ws-stress baseline <run> sets it, or name two runs`);
  }
  return [await findGroup(base, known), b];
};

const words = (differences: readonly Difference[], where: string): string[] =>
  differences.map(({ what, first, other }) => `${where}: ${what}: ${first}, ${other}`);

/** Why the runs can't be compared: what nothing can force, and in what they are not alike. */
const refusals = (a: readonly FoundRun[], b: readonly FoundRun[]): { always: string[]; unlike: string[] } => {
  const all = [...a, ...b];
  const first = all[0]?.record;
  const always = all.flatMap(({ folder, record }) => {
    const problem = provesNothing(record);
    return problem === undefined ? [] : [`run ${folder.id}: ${problem}`];
  });
  const differences =
    first === undefined
      ? []
      : all
          .slice(1)
          .flatMap(({ folder, record }) => words(unlike(first, record), `${all[0]?.folder.id}, ${folder.id}`));
  return { always: [...new Set(always)], unlike: [...new Set(differences)] };
};

const sideOf = async (runs: readonly FoundRun[]): Promise<{ side: Side; notes: string[] }> => {
  const capacity = Math.ceil(maxValues / runs.length);
  const side: Side = { records: runs.map(({ record }) => record), values: [] };
  const notes: string[] = [];
  for (const { folder, record } of runs) {
    const values = await readRunValues(folder.records, record, capacity);
    side.values.push(values);
    if (values.problem !== undefined)
      notes.push(`run ${folder.id}: ${values.problem}: no durations of it are compared`);
    if (values.skipped !== undefined) notes.push(`run ${folder.id}: ${values.skipped}: skipped`);
  }
  return { side, notes };
};

const compare = async (
  a: readonly FoundRun[],
  b: readonly FoundRun[],
  tolerancePercent: number,
  forced: readonly string[],
): Promise<ToldComparison> => {
  const left = await sideOf(a);
  const right = await sideOf(b);
  const comparison = compareSides(left.side, right.side, tolerancePercent);
  const sampled = comparison.metrics.filter(({ seen, used }) => seen[0] > used[0] || seen[1] > used[1]);
  const [first, other] = [a[0]?.record, b[0]?.record];
  const runsCompared = Math.min(a.length, b.length) >= bounds.runs;
  return {
    ...comparison,
    a: a.map(({ folder }) => folder.id),
    b: b.map(({ folder }) => folder.id),
    tolerancePercent,
    notes: [
      ...forced.map((each) => `not alike: ${each}`),
      ...(first && other ? words(alsoDifferent(first, other), 'A, B') : []),
      ...new Set([...left.notes, ...right.notes]),
      ...(sampled.length > 0
        ? [`of ${sampled.length} metrics at most ${maxValues} values a side, drawn at random, were compared`]
        : []),
      runsCompared
        ? `a metric is worse only where the medians of runs say so too (p < ${bounds.runsP})`
        : `fewer than ${bounds.runs} runs on a side: what differs from run to run by chance is not known`,
    ],
  };
};

const isPercent = (text: string): boolean => /^\d{1,4}(\.\d+)?$/.test(text);

export const compareCommand = declareCommand({
  description: `Compares run B with run A, or one run with the baseline of its scenario. Each is the id of a run, its folder, or several of them with commas between: repeated runs.

Exit code: 0 no regression, 1 regression, 2 the runs can't be compared, or wrong options.`,
  arguments: [
    { name: 'A', required: true, isPath: true },
    { name: 'B', isPath: true },
  ],
  options: {
    folder: resultsFolder,
    tolerance: { takes: 'percent', description: 'By how much a median may be worse. Default: 10.' },
    force: { description: 'Compare runs that differ in scenario, settings, machine or k6 version.' },
    json: asJson,
    markdown: { takes: 'file', description: 'Write it to this file as Markdown too.' },
  },
  notDone: 'Nothing was compared',
  examples: ['ws-stress compare 20261124-163104-18eced 20261124-163110-8100a4'],
  act: async ({ values, positionals, problems: typed, refuse }) => {
    const { tolerance = '10' } = values;
    const problems = [
      ...(positionals.length === 0 || positionals.length > 2
        ? [`expected one run, or two, received ${positionals.length}: --help shows how`]
        : []),
      ...typed,
      ...(isPercent(tolerance)
        ? []
        : [`--tolerance: expected percent, such as 10, received ${JSON.stringify(tolerance)}`]),
      ...outputProblems({ '--markdown': values.markdown }),
    ];
    if (problems.length > 0) return refuse(problems);

    try {
      const [a, b] = await findSides(path.resolve(values.folder ?? '.'), positionals);
      const { always, unlike: differences } = refusals(a, b);
      if (always.length > 0) return refuse(always);
      if (differences.length > 0 && values.force !== true) {
        return refuse([...differences, 'expected runs that are alike in these; --force compares them all the same']);
      }
      const told = await compare(a, b, Number(tolerance), differences);
      if (values.markdown !== undefined) await writeOutput(values.markdown, comparisonDocument(told));
      console.log(
        values.json === true
          ? JSON.stringify({ type: 'comparison', version: 1, ...told }, undefined, 2)
          : comparisonText(told),
      );
      return told.verdict === 'regression' ? 1 : 0;
    } catch (error) {
      // 1 would say that there is a regression.
      return refuse([messageOf(error)]);
    }
  },
});

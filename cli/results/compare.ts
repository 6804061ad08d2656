import { visibleJson } from '../../lib/text/visible.ts';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../lib/text/errors.ts';
import { outputProblems, writeOutput } from '../shared/output-file.ts';
import { declareCommand } from '../shared/command.ts';
import { asJson, resultsFolder } from '../shared/common-options.ts';
import { problemsIn } from '../shared/refusal.ts';
import { baselineFor, readBaseline } from './baseline-file.ts';
import { bounds, compareSides, maxValues, type Side } from './compare-runs.ts';
import { comparisonDocument, comparisonText, type ToldComparison } from './compare-text.ts';
import { alsoDifferent, unlike, type Difference } from './run-differences.ts';
import { knownRunIds, readRun, whyNoProof, type FoundRun } from './run-folder.ts';
import { addressOf, loadOf } from './run-load.ts';
import { openResults } from './results-folder.ts';
import { readRunValues } from './run-values.ts';

/** Several runs of one side are too many to be meant. */
const maxRuns = 100;

const findGroup = async (base: string, names: readonly string[]): Promise<FoundRun[]> => {
  if (names.length > maxRuns) throw new Error(`expected at most ${maxRuns} runs on a side, received ${names.length}`);
  const found: FoundRun[] = [];
  for (const name of names) {
    if (name === '') throw new Error('expected the ids or folders of runs with commas between, received an empty one');
    const run = await readRun(base, name);
    if (found.some(({ folder }) => folder.run === run.folder.run)) {
      throw new Error(`expected each run once on a side, received ${name} twice`);
    }
    found.push(run);
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
  const record = b[0]?.record;
  const known = record && baselineFor(await readBaseline(base), record);
  if (known === undefined) {
    const of = record && `${record.test} at ${addressOf(record)}, ${loadOf(record)}`;
    throw new Error(`expected a baseline of ${of}, found none: ws-stress baseline <run> sets it, or name two runs`);
  }
  return [await findGroup(base, known), b];
};

const words = (differences: readonly Difference[], where: string, absent: string): string[] =>
  differences.map(({ what, before = absent, after = absent }) => `${where}: ${what}: ${before}, ${after}`);

/** In what the runs are not alike. */
const unlikeIn = ([first, ...others]: readonly FoundRun[]): string[] => [
  ...new Set(
    others.flatMap(({ folder, record }) =>
      first === undefined ? [] : words(unlike(first.record, record), `${first.folder.id}, ${folder.id}`, 'not set'),
    ),
  ),
];

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
      ...(first && other ? words(alsoDifferent(first, other), 'A, B', 'unknown') : []),
      ...new Set([...left.notes, ...right.notes]),
      ...(sampled.length > 0
        ? [`of ${sampled.length} metrics at most ${maxValues} values a side, drawn at random, were compared`]
        : []),
      ...(runsCompared ? [`a metric is worse only where the medians of runs say so too (p < ${bounds.runsP})`] : []),
    ],
  };
};

const isPercent = (text: string): boolean => /^\d{1,4}(\.\d+)?$/.test(text);

export const compareCommand = declareCommand({
  description: `Compares run B with run A, or one run with the baseline of its scenario, address and load. Each is the id of a run, its folder, or several of them with commas between: repeated runs.

Exit code: 0 no regression, 1 regression, 2 the runs can't be compared, or wrong options.`,
  arguments: [
    { name: 'A', required: true, isPath: true, choices: knownRunIds },
    { name: 'B', isPath: true, choices: knownRunIds },
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
      ...typed,
      ...problemsIn(
        (positionals.length === 0 || positionals.length > 2) &&
          `expected one run, or two, received ${positionals.length}: --help shows how`,
        !isPercent(tolerance) && `--tolerance: expected percent, such as 10, received ${JSON.stringify(tolerance)}`,
      ),
      ...outputProblems({ '--markdown': values.markdown }),
    ];
    if (problems.length > 0) return refuse(problems);

    try {
      const [a, b] = await findSides(await openResults(values.folder), positionals);
      const unproven = new Set([...a, ...b].flatMap(whyNoProof));
      if (unproven.size > 0) return refuse([...unproven]);
      const differences = unlikeIn([...a, ...b]);
      if (differences.length > 0 && values.force !== true) {
        return refuse([
          ...differences,
          'these runs were made under different conditions: use --force to compare them anyway',
        ]);
      }
      const told = await compare(a, b, Number(tolerance), differences);
      if (values.markdown !== undefined) await writeOutput(values.markdown, comparisonDocument(told));
      console.log(
        values.json === true ? visibleJson({ type: 'comparison', version: 1, ...told }, 2) : comparisonText(told),
      );
      return told.verdict === 'regression' ? 1 : 0;
    } catch (error) {
      // 1 would say that there is a regression.
      return refuse([messageOf(error)]);
    }
  },
});

import { visibleJson } from '../../lib/text/visible.ts';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { isRunId } from '../../lib/load/settings.ts';
import { extensible, type RunRecord } from '../../lib/results/record-schema.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { issueText } from '../shared/schema-issue.ts';
import { resultsLayout } from './results-layout.ts';
import { addressOf, loadOf } from './run-load.ts';
import { writeOutput } from '../shared/output-file.ts';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';

/** The file of a folder of results that says with which runs others are compared. */
export const baselineFile = (base: string): string => resultsLayout(base).baseline;

const entrySchema = extensible({
  test: v.string(),
  /** Absent, as the load, in baselines of earlier releases, which are of any. */
  address: v.optional(v.string()),
  load: v.optional(v.string()),
  runs: v.pipe(v.array(v.pipe(v.string(), v.check(isRunId, 'the id of a run'))), v.minLength(1)),
});

/** The ids of the runs with which runs of a scenario, at an address and under a load, are compared. */
export type BaselineEntry = v.InferOutput<typeof entrySchema>;
export type Baseline = readonly BaselineEntry[];

const schema = extensible({ type: v.literal('baseline'), version: v.literal(1), scenarios: v.array(entrySchema) });

const remedy = 'delete the file, and set the baselines again';

/** Reads the baseline of a folder of results; none where the file is not there. Throws what is wrong with it. */
export const readBaseline = async (base: string): Promise<Baseline> => {
  const file = baselineFile(base);
  if (!existsSync(file)) return [];
  let value: unknown;
  try {
    value = JSON.parse(withoutMark(await readFile(file, 'utf8')));
  } catch (error) {
    throw new Error(`${file}: expected a baseline: ${innermostMessage(error)}; ${remedy}`, { cause: error });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output.scenarios;
  throw new Error(`${file}: ${issueText(result.issues[0], 'the baseline')}; ${remedy}`);
};

/** The runs with which a run is compared; undefined where none are set. */
export const baselineFor = (baseline: Baseline, record: RunRecord): readonly string[] | undefined => {
  const [address, load] = [addressOf(record), loadOf(record)];
  const own = baseline.filter(({ test }) => test === record.test);
  return (
    own.find((each) => each.address === address && each.load === load) ?? own.find((each) => each.address === undefined)
  )?.runs;
};

/** A baseline in which these runs replace those of their scenario, address and load. */
export const withBaseline = (baseline: Baseline, records: readonly RunRecord[]): Baseline => {
  const set = new Map<string, BaselineEntry>();
  for (const record of records) {
    const { test, run } = record;
    const [address, load] = [addressOf(record), loadOf(record)];
    const key = JSON.stringify([test, address, load]);
    set.set(key, { test, address, load, runs: [...(set.get(key)?.runs ?? []), run] });
  }
  const isReplaced = ({ test, address, load }: BaselineEntry): boolean =>
    address === undefined ? records.some((each) => each.test === test) : set.has(JSON.stringify([test, address, load]));
  return [...baseline.filter((each) => !isReplaced(each)), ...set.values()];
};

/** A baseline as its file holds it. */
export const baselineDocument = (baseline: Baseline): v.InferOutput<typeof schema> => ({
  type: 'baseline',
  version: 1,
  scenarios: [...baseline],
});

/** Writes the baseline of a folder of results. */
export const writeBaseline = async (base: string, baseline: Baseline): Promise<void> => {
  await writeOutput(baselineFile(base), `${visibleJson(baselineDocument(baseline), 2)}\n`);
};

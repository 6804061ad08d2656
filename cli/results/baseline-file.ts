import { visibleJson } from '../../lib/text/visible.ts';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { isRunId } from '../../lib/load/settings.ts';
import { extensible } from '../../lib/results/record-schema.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { issueText } from '../shared/schema-issue.ts';
import { resultsLayout } from './results-layout.ts';
import { writeOutput } from '../shared/output-file.ts';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';

/** The file of a folder of results that says which runs others are held against. */
export const baselineFile = (base: string): string => resultsLayout(base).baseline;

/** The ids of the runs that a scenario's runs are held against, by scenario. */
export type Baseline = ReadonlyMap<string, readonly string[]>;

const schema = extensible({
  type: v.literal('baseline'),
  version: v.literal(1),
  scenarios: v.array(
    extensible({
      test: v.string(),
      runs: v.pipe(v.array(v.pipe(v.string(), v.check(isRunId, 'the id of a run'))), v.minLength(1)),
    }),
  ),
});

const remedy = 'delete the file, and set the baselines again';

/** Reads the baseline of a folder of results; none where the file is not there. Throws what is wrong with it. */
export const readBaseline = async (base: string): Promise<Baseline> => {
  const file = baselineFile(base);
  if (!existsSync(file)) return new Map();
  let value: unknown;
  try {
    value = JSON.parse(withoutMark(await readFile(file, 'utf8')));
  } catch (error) {
    throw new Error(`${file}: expected a baseline: ${innermostMessage(error)}; ${remedy}`, { cause: error });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return new Map(result.output.scenarios.map(({ test, runs }) => [test, runs]));
  throw new Error(`${file}: ${issueText(result.issues[0], 'the baseline')}; ${remedy}`);
};

/** A baseline as its file holds it. */
export const baselineDocument = (baseline: Baseline): v.InferOutput<typeof schema> => ({
  type: 'baseline',
  version: 1,
  scenarios: [...baseline].map(([test, runs]) => ({ test, runs: [...runs] })),
});

/** Writes the baseline of a folder of results. */
export const writeBaseline = async (base: string, baseline: Baseline): Promise<void> => {
  await writeOutput(baselineFile(base), `${visibleJson(baselineDocument(baseline), 2)}\n`);
};

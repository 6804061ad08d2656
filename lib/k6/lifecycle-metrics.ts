import { Counter } from 'k6/metrics';
import { selectedTags, type Criterion } from '../load/thresholds.ts';
import type { RunIdentity } from '../results/run.ts';
import { excused } from './case-metrics.ts';
import { evidence } from './metrics.ts';

const ownOptions = new Counter('own_options');
const segment = new Counter('segment');
const runs = new Counter('runs');

/** Lets the guard of a criterion hold that this run has no round or no cases for. */
export const skipCriterion = ({ guard, test }: Criterion): void => {
  const tags = { test, ...selectedTags(guard.selector) };
  evidence.add(1, tags);
  excused.add(1, { ...tags, as: 'not-run' });
};

/** Notes that k6's own options replaced our scenarios, for the summary, which can't see the options. */
export const markOwnOptions = (): void => ownOptions.add(1);

/** Notes that this process runs a segment of the load, for the summary, which can't see the options. */
export const markSegment = (): void => segment.add(1);

/** Counts that this process began a run: one sample, by which an output tells how many processes a test has, and which. */
export const markRun = ({ id, test }: RunIdentity): void => runs.add(1, { run: id, test });

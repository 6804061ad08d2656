import type { ExpectedComparison, RunRecord } from '../../lib/results/record-schema.ts';
import { meaningOf, verdictLine } from '../../lib/results/summary.ts';

/** A run's verdict, and what it rests on. */
type Judged = Pick<RunRecord, 'verdict' | 'cutShort' | 'expected'>;

const meaningOfExpected = ({ new: found, missing }: ExpectedComparison, verdict: RunRecord['verdict']): string => {
  if (verdict === 'PASS') return 'every criterion that was judged holds, apart from expected findings';
  return found.length + missing.length > 0
    ? `${found.length} new ${found.length === 1 ? 'finding' : 'findings'}, ${missing.length} vanished or changed`
    : 'the findings are as expected, but another criterion does not hold';
};

/** What a run's verdict means, in words. */
export const meaningOfRun = (run: Judged): string =>
  run.expected === undefined ? meaningOf(run) : meaningOfExpected(run.expected, run.verdict);

/** A run's verdict and what it means, as the last line of what a run says. */
export const verdictLineOf = (run: Judged, colour = false): string => verdictLine(run, colour, meaningOfRun(run));

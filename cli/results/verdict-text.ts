import type { ExpectedComparison, RunRecord, Saturation } from '../../lib/results/record-schema.ts';
import { meaningOf, verdictLine } from '../../lib/results/summary.ts';
import { printable } from '../shared/printable.ts';

/** A run's verdict, and what it rests on. */
type Judged = Pick<RunRecord, 'verdict' | 'cutShort' | 'resultLost' | 'expected'>;

const meaningOfExpected = ({ new: found, missing }: ExpectedComparison, verdict: RunRecord['verdict']): string => {
  if (verdict === 'PASS') return 'every criterion that was judged holds, apart from expected findings';
  return found.length + missing.length > 0
    ? `${found.length} new ${found.length === 1 ? 'finding' : 'findings'}, ${missing.length} vanished or changed`
    : 'the findings are as expected, but another criterion does not hold';
};

/** What a run's verdict means, in words. */
const meaningOfRun = (run: Judged): string =>
  run.expected === undefined ? meaningOf(run) : meaningOfExpected(run.expected, run.verdict);

/** A run's verdict and what it means, as the last line of what a run says. */
export const verdictLineOf = (run: Judged, colour = false): string => verdictLine(run, colour, meaningOfRun(run));

const wholePercent = (share: number): string => `${Math.round(Math.min(1, share) * 100)} %`;

const busiestText = (busiest: Saturation['busiest'], shown: (name: string) => string): string =>
  busiest === undefined
    ? ''
    : ` (the busiest: ${shown(busiest.name)}, process ${busiest.pid}, ${wholePercent(busiest.share)} of the whole run)`;

/** That others left the machine of a run too little processor time, what was seen of it and what to do, in a few sentences. */
export const saturationText = (
  saturation: Saturation,
  shown = (name: string): string => printable(name, 20),
): string => {
  const { seconds, watchedSeconds, othersShare, stolenShare, stoppedShare, waitedShare, runnable, busiest } =
    saturation;
  const seen = [
    othersShare !== undefined &&
      `other processes took ${wholePercent(othersShare)} of it${busiestText(busiest, shown)}`,
    stolenShare !== undefined && `the hypervisor gave ${wholePercent(stolenShare)} of it to other machines`,
    stoppedShare !== undefined &&
      `the CPU limit of this container stopped its processes in ${wholePercent(stoppedShare)} of its periods`,
    waitedShare !== undefined && `a process waited for a processor ${wholePercent(waitedShare)} of the time`,
    waitedShare === undefined &&
      runnable !== undefined &&
      `${runnable.toFixed(1)} processes on average wanted a processor`,
  ];
  const advice = [
    othersShare !== undefined && 'run again without those processes, unless one of them is the service under test',
    stolenShare !== undefined && 'run again on a machine that does not share its processors',
    stoppedShare !== undefined && 'raise the CPU limit',
  ];
  const [first, ...others] = advice.filter((each) => each !== false);
  const toDo = [`${first?.slice(0, 1).toUpperCase()}${first?.slice(1)}`, ...others].join(', and ');
  return `This machine was short of processor time for ${seconds.toFixed(1)} of ${watchedSeconds.toFixed(1)} s: ${seen.filter((each) => each !== false).join('; ')}. Times and timeouts may be the machine's, not the service's. ${toDo}.`;
};

import { pausesResumesCancels } from '../lib/cases/control-script.ts';
import { ownScripts } from '../lib/k6/own-scripts.ts';
import { replayKeptFailures } from '../lib/k6/replay.ts';
import { scenario } from '../lib/k6/scenario.ts';

export const { definition, options, setup, handleSummary, run } = scenario('recovery', {
  question: 'Does what failed in an earlier run work now? Each failure is kept as a case of its own.',
  needs: ['kept-failures'],
  notInCloud: 'the failures that it replays are kept in files of this machine',
  casesMs: ({ sessionTimeoutMs }, kept) => (kept + 1) * sessionTimeoutMs,
  cases: replayKeptFailures({ 'process-control': pausesResumesCancels, ...ownScripts }),
});

export default run;

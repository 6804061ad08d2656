import { countsLeftovers, leak, leakFinding, leftOver, leftovers } from '../lib/cases/memory.ts';
import { mostTimes, readingBefore, settlesMs, watchMemory } from '../lib/k6/memory-watch.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';
import { memoryReader, noFigures } from '../lib/k6/service.ts';
import { memoryRecord } from '../lib/results/memory-record.ts';

/** Does the service's memory grow with the sessions it has served, and is anything left when they have gone? */
export const { definition, options, setup, handleSummary, run } = scenario('memory', {
  casesMs: ({ memoryDurationMs, sessionTimeoutMs }) => mostTimes * (memoryDurationMs + sessionTimeoutMs) + settlesMs,
  cases: asks(async (stage) => {
    const read = memoryReader(stage.settings);
    if (!read) return stage.excuse([leak, leftovers], 'not-run', noFigures);
    const before = await readingBefore(stage, read);
    const { judgement, samples, ...load } = await watchMemory(stage, read);
    stage.record((run) => memoryRecord(run, 'memory', leak.name, { ...judgement, samples }));
    if (judgement.slopeBytes !== undefined) stage.figure('session_growth', leak, judgement.slopeBytes);
    const finding = leakFinding(judgement, load);
    if (finding.kind) stage.found(leak, finding.kind, finding.received);
    else stage.inconclusive(leak, finding.received);

    if (!countsLeftovers(before)) {
      return stage.excuse([leftovers], 'not-run', 'nobody counts its sessions or child processes');
    }
    const left = await stage.eventually(settlesMs, () => leftOver(before, read()));
    stage.found(leftovers, left === undefined ? 'conforming' : 'breaking', left ?? 'nothing is left');
  }),
});

export default run;

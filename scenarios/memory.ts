import { countsLeftovers, leak, leakFinding, leftOver, leftovers } from '../lib/cases/memory.ts';
import { maxTimes, readingBefore, settlesMs, watchMemory } from '../lib/k6/memory-watch.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { askCases } from '../lib/k6/case-context.ts';
import { memoryReader, noFigures } from '../lib/k6/service.ts';
import { memoryRecord } from '../lib/results/memory-record.ts';

export const { definition, options, setup, handleSummary, run } = scenario('memory', {
  question:
    "Does the service's memory grow with the sessions it has served, and is anything left when they have ended?",
  needs: ['memory-figures'],
  usesVus: true,
  serves: { 'output-memory': ['findings'] },
  figures: [{ label: 'memory a session', metric: 'session_growth', of: 'avg' }],
  casesMs: (settings) => maxTimes * (settings.memoryDurationMs + settings.sessionTimeoutMs) + settlesMs(settings),
  cases: askCases(async (context) => {
    const read = memoryReader(context.settings);
    if (!read) return context.skip([leak, leftovers], 'not-run', noFigures);
    const before = await readingBefore(context, read);
    const { judgement, samples, ...load } = await watchMemory(context, read);
    context.record((run) => memoryRecord(run, 'memory', leak.name, { ...judgement, samples }));
    if (judgement.slopeBytes !== undefined) context.figure('session_growth', leak, judgement.slopeBytes);
    const { kind, received } = leakFinding(judgement, load);
    context.report(leak, kind, received);

    if (!countsLeftovers(before)) {
      return context.skip([leftovers], 'not-run', 'nobody counts its sessions or child processes');
    }
    const left = await context.eventually(settlesMs(context.settings), () => leftOver(before, read()));
    context.report(leftovers, left === undefined ? 'conforming' : 'breaking', left ?? 'nothing is left');
  }),
});

export default run;

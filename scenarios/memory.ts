import { countsLeftovers, leak, leakFinding, leftOver, leftovers } from '../lib/cases/memory.ts';
import { mostTimes, watchMemory, wave } from '../lib/k6/memory-watch.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';
import { memoryReader } from '../lib/k6/service.ts';

const settlesMs = 10_000;

/** Does the service's memory grow with the sessions it has served, and is anything left when they have gone? */
export const { definition, options, setup, handleSummary, run } = scenario('memory', {
  casesMs: ({ memoryDurationMs, sessionTimeoutMs }) => mostTimes * (memoryDurationMs + sessionTimeoutMs) + settlesMs,
  cases: asks(async (stage) => {
    const read = memoryReader(stage.settings);
    if (!read) {
      const reason = 'no figures of its memory: neither /metrics nor --target-pid tells them';
      stage.excuse([leak, leftovers], 'not-run', reason);
      return;
    }
    // What a service starts with its first command and keeps is not left over.
    await wave(stage);
    const before = read();

    const { sessions, failed, judgement } = await watchMemory(stage, read);
    if (judgement.slopeBytes !== undefined) stage.figure('session_growth', leak, judgement.slopeBytes);
    const kind = leakFinding(judgement);
    if (failed > sessions / 10) stage.found(leak, 'breaking', `${failed} of ${sessions + failed} sessions failed`);
    else if (kind) stage.found(leak, kind, judgement.detail);
    else stage.inconclusive(leak, judgement.detail);

    if (!countsLeftovers(before)) {
      stage.excuse([leftovers], 'not-run', 'nobody counts its sessions or child processes');
      return;
    }
    const left = await stage.eventually(settlesMs, () => leftOver(before, read()));
    stage.found(leftovers, left === undefined ? 'conforming' : 'breaking', left ?? 'nothing is left');
  }),
});

export default run;

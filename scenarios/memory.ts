import { leak, leakFinding, leftOver, leftovers } from '../lib/cases/memory.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { memoryReader } from '../lib/k6/service.ts';
import { judgeLeak } from '../lib/memory/leak.ts';
import type { MemorySample } from '../lib/memory/trend.ts';

const hello = { name: 'echo', class: 'simple', command: 'echo hello', proof: { lines: ['hello'] } } as const;
const sessionsAtOnce = 10;
const settlesMs = 10_000;
const mostSamples = 2000;

/** Does the service's memory grow with the sessions it has served, and is anything left when they have gone? */
export const { definition, options, setup, handleSummary, run } = scenario('memory', {
  casesMs: ({ memoryDurationMs, sessionTimeoutMs }) => memoryDurationMs + 2 * sessionTimeoutMs + settlesMs,
  cases: async (stage) => {
    const { settings } = stage;
    const read = memoryReader(settings);
    if (!read) {
      const reason = 'no figures of its memory: neither /metrics nor --target-pid tells them';
      stage.excuse([leak, leftovers], 'not-run', reason);
      return;
    }
    const before = read();
    const samples: MemorySample[] = [];
    const startedAt = Date.now();
    const spacingMs = settings.memoryDurationMs / mostSamples;
    let sessions = 0;
    let failed = 0;
    while (Date.now() - startedAt < settings.memoryDurationMs) {
      const wave = Array.from(
        { length: settings.vus ?? sessionsAtOnce },
        () =>
          stage.open(leak.name, function* (session) {
            const execution = yield* session.execute(hello);
            yield* execution.completes();
          }).result,
      );
      for (const { outcome } of await Promise.all(wave)) outcome.kind === 'ok' ? sessions++ : failed++;
      // Read when all of a wave have gone: at equal load.
      const { residentBytes } = Date.now() - startedAt >= samples.length * spacingMs ? read() : {};
      if (residentBytes !== undefined) samples.push({ sessions, bytes: residentBytes });
    }
    const judgement = judgeLeak(samples, { toleratedBytes: settings.leakBytes });
    const kind = leakFinding(judgement);
    if (failed > sessions / 10) stage.found(leak, 'breaking', `${failed} of ${sessions + failed} sessions failed`);
    else if (kind) stage.found(leak, kind, judgement.detail);
    else stage.inconclusive(leak, judgement.detail);
    if (judgement.slopeBytes !== undefined) stage.figure('session_growth', leak, judgement.slopeBytes);

    const settledBy = Date.now() + settlesMs;
    let left = leftOver(before, read());
    while (left !== undefined && Date.now() < settledBy) {
      await stage.pause(250);
      left = leftOver(before, read());
    }
    stage.found(leftovers, left === undefined ? 'conforming' : 'breaking', left ?? 'nothing is left');
  },
});

export default run;

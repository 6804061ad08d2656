import { downCases, judgeBack, judgeCloses, judgeRefused } from '../lib/cases/down.ts';
import { openStreams, tries, untilBack } from '../lib/k6/outage.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';
import { helperOf } from '../lib/k6/service.ts';

/** Is a service that is down told as such, and is all well again when it went away under load and came back? */
export const { definition, options, setup, handleSummary, run } = scenario('service-down', {
  mayBeDown: true,
  casesMs: ({ recoveryTimeoutMs, sessionTimeoutMs }) => 300_000 + recoveryTimeoutMs + sessionTimeoutMs,
  cases: asks(async (stage) => {
    const { refused, closes, down, recovery } = downCases;
    stage.found(refused, ...judgeRefused(await tries(stage, refused.name, stage.settings.downUrl)));

    const helper = helperOf(stage.settings);
    if (!helper?.canRestart) {
      const reason = 'nobody can stop and start the service: give --stop-command and --start-command';
      stage.excuse([closes, down, recovery], 'not-run', reason);
      return;
    }
    const { endsBy } = await openStreams(stage, closes.name);
    stage.found(closes, ...judgeCloses(await endsBy(helper.stop, 10_000)));
    stage.found(down, ...judgeRefused(await tries(stage, down.name)));

    const startedAt = Date.now();
    const failure = helper.start();
    const { outcome, tookMs } = await untilBack(stage, recovery.name, startedAt);
    if (outcome.kind === 'ok') stage.figure('recovery_duration', recovery, tookMs);
    stage.found(recovery, ...judgeBack(outcome, tookMs, failure));
  }),
});

export default run;

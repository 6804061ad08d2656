import { downCases, evaluateBack, evaluateCloses, evaluateRefused } from '../lib/cases/down.ts';
import { openStreams, tries, untilBack } from '../lib/k6/outage.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { askCases } from '../lib/k6/case-context.ts';
import { helperOf } from '../lib/k6/service.ts';

export const { definition, options, setup, handleSummary, run } = scenario('service-down', {
  question:
    'Is a service that is down reported as such, and does everything work again after it went away under load and came back?',
  mayBeDown: true,
  uses: ['restart'],
  notInCloud: 'nobody there can stop and start the service',
  serves: { 'no-crashes': ['findings'] },
  figures: [{ label: 'back after', metric: 'recovery_duration', of: 'max' }],
  casesMs: ({ recoveryTimeoutMs, sessionTimeoutMs }) => 300_000 + recoveryTimeoutMs + sessionTimeoutMs,
  cases: askCases(async (context) => {
    const { refused, closes, down, recovery } = downCases;
    context.report(refused, ...evaluateRefused(await tries(context, refused.name, context.settings.downUrl)));

    const helper = helperOf(context.settings);
    if (!helper?.canRestart) {
      const reason = 'nobody can stop and start the service: give --stop-command and --start-command';
      context.skip([closes, down, recovery], 'not-run', reason);
      return;
    }
    const { endsBy } = await openStreams(context, closes.name);
    context.report(closes, ...evaluateCloses(await endsBy(helper.stop, 10_000), context.pace));
    context.report(down, ...evaluateRefused(await tries(context, down.name)));

    const startedAt = Date.now();
    const failure = helper.start();
    const { result, tookMs } = await untilBack(context, recovery.name, startedAt);
    if (result.outcome.kind === 'ok') context.figure('recovery_duration', recovery, tookMs);
    context.report(recovery, ...evaluateBack(result, tookMs, failure, context.pace));
  }),
});

export default run;

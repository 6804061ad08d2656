import { pausesResumesCancels } from '../lib/cases/control-script.ts';
import { askedOf, noCases, runsAgain } from '../lib/cases/recovery.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';
import { describeOutcome } from '../lib/session/outcome.ts';

/** Does what failed once hold now? Each kept failure is a case. */
export const { definition, options, setup, handleSummary, run } = scenario('recovery', {
  casesMs: ({ sessionTimeoutMs }, kept) => (kept + 1) * sessionTimeoutMs,
  cases: asks((stage) => {
    const kept = stage.recovery();
    if (stage.settings.recovery === undefined) stage.excuse([noCases], 'not-run', 'STRESS_RECOVERY names no index');
    else if (kept.length === 0) stage.excuse([noCases], 'not-applicable', 'no kept failure is left to be replayed');
    for (const [index, each] of kept.entries()) {
      const script = each.test === 'process-control' ? pausesResumesCancels : runsAgain;
      const { outcome } = stage.session(each.name, (session) => script(session, each.command));
      stage.found(askedOf(each), outcome.kind === 'ok' ? 'conforming' : 'breaking', describeOutcome(outcome));
      if (outcome.kind !== 'connect-failed') continue;
      stage.excuse(kept.slice(index + 1).map(askedOf), 'not-run', `no connection since ${each.name}`);
      return;
    }
  }),
});

export default run;

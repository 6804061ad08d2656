import { allowList, hasAllowList, validationCases } from '../lib/cases/validation.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';
import { describeOutcome } from '../lib/session/outcome.ts';

/** Where a service has an allow-list: does it hold, and does a rejected command leave its session unharmed? */
export const { definition, options, setup, handleSummary, run } = scenario('command-validation', {
  cases: asks((stage) => {
    const { allowedCommand, limitedUrl, url } = stage.settings;
    const cases = validationCases(allowedCommand);
    const target = limitedUrl ?? url;
    let isListed = false;
    const { outcome } = stage.session(
      allowList.name,
      function* (session) {
        isListed = yield* hasAllowList(session);
      },
      target,
    );
    if (outcome.kind !== 'ok') {
      stage.found(allowList, 'breaking', describeOutcome(outcome));
    } else if (isListed) {
      stage.ask(cases, target);
    } else if (limitedUrl !== undefined) {
      stage.found(allowList, 'bypass', 'it ran a command that no list has, though STRESS_LIMITED_URL is to have one');
    } else {
      stage.excuse(cases, 'not-applicable', 'the service runs whatever it is given: it has no allow-list');
    }
  }),
});

export default run;

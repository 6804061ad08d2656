import { allowList, hasAllowList, validationCases } from '../lib/cases/validation.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { askCases } from '../lib/k6/case-context.ts';
import { describeOutcome } from '../lib/session/outcome.ts';

export const { definition, options, setup, handleSummary, run } = scenario('command-validation', {
  question: 'Does the allow-list hold, and does a rejected command leave its session unharmed?',
  needs: ['allow-list'],
  cases: askCases((context) => {
    const { allowedCommand, limitedUrl, url } = context.settings;
    const cases = validationCases(allowedCommand);
    const target = limitedUrl ?? url;
    let isListed = false;
    const result = context.session(
      allowList.name,
      function* (session) {
        isListed = yield* hasAllowList(session);
      },
      target,
    );
    if (result.outcome.kind !== 'ok') {
      context.report(allowList, ...context.pace.evaluateFailure(result));
      const reason = `no session shows whether there is an allow-list: ${describeOutcome(result.outcome)}`;
      context.skip(cases, 'not-run', reason);
    } else if (isListed) {
      context.ask(cases, target);
    } else if (limitedUrl !== undefined) {
      context.report(
        allowList,
        'bypass',
        'it ran a command that no list has, though STRESS_LIMITED_URL is to have one',
      );
    } else {
      context.skip(cases, 'not-applicable', 'the service runs whatever it is given: it has no allow-list');
    }
  }),
});

export default run;

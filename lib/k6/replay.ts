import { caseOf, noCases } from '../cases/recovery.ts';
import { runsToItsEnd } from '../cases/run-command.ts';
import { askCases } from './case-context.ts';
import type { AskCases, ScenarioDefinition } from './definition.ts';

/**
 * Cases that replay each kept failure with the script of its scenario, by name; where none is given the failure's command is
 * run to its end.
 */
export const replayKeptFailures = (scripts: Readonly<Record<string, ScenarioDefinition['script']>>): AskCases =>
  askCases((context) => {
    const kept = context.recovery();
    if (context.settings.recovery === undefined) context.skip([noCases], 'not-run', 'STRESS_RECOVERY names no index');
    else if (kept.length === 0) context.skip([noCases], 'not-applicable', 'no kept failure is left to be replayed');
    for (const [index, each] of kept.entries()) {
      const script = scripts[each.test] ?? runsToItsEnd;
      const result = context.session(each.name, (session) => script(session, each.command));
      if (result.outcome.kind === 'ok') context.report(caseOf(each), 'conforming', 'ok');
      else context.report(caseOf(each), ...context.pace.evaluateFailure(result));
      if (result.outcome.kind !== 'connect-failed') continue;
      context.skip(kept.slice(index + 1).map(caseOf), 'not-run', `no connection since ${each.name}`);
      return;
    }
  });

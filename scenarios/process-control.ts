import { countToThirty } from '../lib/commands/count.ts';
import { controlCases } from '../lib/cases/control.ts';
import { pausesResumesCancels } from '../lib/cases/control-script.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';

/** Does PAUSE silence a running command, does RESUME lose nothing, does CANCEL end it? */
export const { definition, options, setup, handleSummary, run } = scenario('process-control', {
  rounds: [1],
  commands: ({ commands }) => [countToThirty(commands === 'python')],
  script: pausesResumesCancels,
  cases: asks((stage) => stage.ask(controlCases())),
});

export default run;

import { countToThirty } from '../lib/commands/count.ts';
import { controlCases } from '../lib/cases/control.ts';
import { pausesResumesCancels } from '../lib/cases/control-script.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { askCases } from '../lib/k6/case-context.ts';

export const { definition, options, setup, handleSummary, run } = scenario('process-control', {
  question: 'Does PAUSE silence a running command, does RESUME lose nothing, and does CANCEL end it?',
  needs: ['commands'],
  serves: { 'reliable-control': ['session_success', 'findings'] },
  figures: ['PAUSE', 'RESUME', 'CANCEL'].map((type) => ({
    label: `${type}, p95`,
    metric: 'control_duration',
    tag: `type:${type}`,
    of: 'p(95)',
  })),
  rounds: [1],
  commands: ({ commands }) => [countToThirty(commands === 'python')],
  script: pausesResumesCancels,
  cases: askCases((context) => context.ask(controlCases())),
});

export default run;

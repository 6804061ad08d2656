import { scenario } from '../lib/k6/scenario.ts';

export const { definition, options, setup, handleSummary, run } = scenario('concurrent', {
  question:
    'Do rounds of 5, 10 and 20 sessions that open together, each with one of five commands, succeed and stay quick?',
  takesLoad: true,
  needs: ['commands'],
  serves: {
    'concurrent-sessions': ['session_success'],
    'no-crashes': ['timeouts'],
    'response-times': ['command_duration'],
  },
  rounds: [5, 10, 20],
  commands: 'setting',
});

export default run;

import { helloFromStressTest } from '../lib/commands/echo.ts';
import { scenario } from '../lib/k6/scenario.ts';

export const { definition, options, setup, handleSummary, run } = scenario('single', {
  question: 'Does one session run one command, from the opening handshake to the close?',
  serves: { 'single-sessions': ['session_success'], 'response-times': ['command_duration'] },
  rounds: [1],
  commands: [helloFromStressTest],
});

export default run;

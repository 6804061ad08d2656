import { scenario } from '../lib/k6/scenario.ts';

/** Do rounds of sessions that open together, each with one of five rotating commands, succeed and stay quick? */
export const { definition, options, setup, handleSummary, run } = scenario('concurrent', {
  rounds: [5, 10, 20],
  commands: 'setting',
  *script(session, command) {
    const execution = yield* session.execute(command);
    yield* execution.completes();
  },
});

export default run;

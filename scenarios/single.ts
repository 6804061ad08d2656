import { scenario } from '../lib/k6/scenario.ts';

/** Does one session run one command, from the opening handshake to the close? */
export const { definition, options, setup, handleSummary, run } = scenario('single', {
  rounds: [1],
  commands: [
    {
      name: 'echo',
      class: 'simple',
      command: "echo 'Hello from stress test'",
      proof: { lines: ['Hello from stress test'] },
    },
  ],
  *script(session, command) {
    const execution = yield* session.execute(command);
    yield* execution.completes();
  },
});

export default run;

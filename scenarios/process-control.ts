import { countToThirty } from '../lib/commands/count.ts';
import { controlCases } from '../lib/cases/control.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';

/** Does PAUSE silence a running command, does RESUME lose nothing, does CANCEL end it? */
export const { definition, options, setup, handleSummary, run } = scenario('process-control', {
  rounds: [1],
  commands: ({ commands }) => [countToThirty(commands === 'python')],
  *script(session, command) {
    const count = yield* session.execute(command);
    yield* count.continuesFor(2000);

    yield* session.control('PAUSE');
    yield* count.staysSilentFor(2000);

    yield* session.control('RESUME');
    yield* count.continuesFor(2000);

    yield* session.control('CANCEL');
    yield* count.endsWithin(3000);

    const next = yield* session.execute({
      name: 'echo',
      class: 'control',
      command: 'echo ended',
      proof: { lines: ['ended'] },
    });
    yield* next.completes();
  },
  cases: asks((stage) => stage.ask(controlCases())),
});

export default run;

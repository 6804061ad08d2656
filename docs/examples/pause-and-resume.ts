import { scenario } from '../../lib/k6/scenario.ts';

/** Does a command that was paused for a second lose no line, and can the session then run another one? */
export const { options, setup, handleSummary, run } = scenario('pause-and-resume', {
  rounds: [2],
  commands: [
    {
      name: 'count',
      class: 'control',
      command: 'i=1; while [ $i -le 20 ]; do echo "Count $i of {session}"; i=$((i + 1)); sleep 0.1; done',
      proof: { numbered: { line: 'Count {i} of {session}', from: 1, to: 20 }, minDurationMs: 2800 },
    },
  ],
  *script(session, command) {
    const count = yield* session.execute(command);
    yield* session.sleep(300);
    yield* session.control('PAUSE');
    yield* session.sleep(1000);
    yield* session.control('RESUME');
    yield* count.completes();

    const again = yield* session.execute({
      name: 'echo',
      class: 'simple',
      command: 'echo again',
      proof: { lines: ['again'] },
    });
    yield* again.completes();
  },
});

export default run;

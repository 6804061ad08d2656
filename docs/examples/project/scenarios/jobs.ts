import { askCases, scenario, type Command } from 'websocket-mcp-stress';

/** A job as clients of your service run it. Its proof says what the job must print and how long it must take. */
const job: Command = {
  name: 'job',
  class: 'paced',
  command: 'for i in 1 2 3 4 5; do echo "session {session}: step $i of 5"; sleep 0.1; done',
  proof: { numbered: { line: 'session {session}: step {i} of 5', from: 1, to: 5 }, minDurationMs: 400 },
};

export const { definition, options, setup, handleSummary, run } = scenario('jobs', {
  question: 'Does every client get all output of its own job, and can it pause and resume the job?',
  needs: ['commands'],
  rounds: [2, 5],
  commands: [job],

  // What one client does, from top to bottom; a step that fails ends its session with the outcome.
  *script(session, command) {
    const running = yield* session.execute(command);
    yield* running.reaches(2);
    yield* session.control('PAUSE');
    yield* running.staysSilentFor(500);
    yield* session.control('RESUME');
    yield* running.completes();
  },

  // Questions that are asked once, each in a session of its own.
  cases: askCases((context) =>
    context.ask([
      {
        name: 'exit-code',
        section: 'our service: process.completed',
        expected: 'the exit code of a failed command is reported',
        *script(session) {
          const failing = yield* session.execute({ name: 'failing', class: 'simple', command: 'exit 3', proof: {} });
          const { exitCode } = yield* failing.ends();
          return { kind: exitCode === 3 ? 'conforming' : 'breaking', received: `exit code ${exitCode}` };
        },
      },
    ]),
  ),
});

export default run;

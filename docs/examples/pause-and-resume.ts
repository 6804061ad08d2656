import { askCases, scenario } from 'websocket-mcp-stress';

export const { definition, options, setup, handleSummary, run } = scenario('pause-and-resume', {
  question: 'Does a paused command stay silent and lose no line, and can its session then run another one?',
  needs: ['commands'],
  rounds: [2],
  commands: [
    {
      name: 'count',
      class: 'control',
      command: 'i=1; while [ $i -le 20 ]; do echo "Count $i of {session}"; i=$((i + 1)); sleep 0.1; done',
      proof: { numbered: { line: 'Count {i} of {session}', from: 1, to: 20 } },
    },
  ],
  *script(session, command) {
    const count = yield* session.execute(command);
    yield* count.reaches(3);
    yield* session.control('PAUSE');
    yield* count.staysSilentFor(1000);
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
  cases: askCases((context) =>
    context.ask([
      {
        name: 'hook-status',
        section: 'protocol: hook_status',
        expected: 'hook_status is answered by a result',
        *script(session) {
          const { error } = yield* session.request('hook_status');
          if (error) return { kind: 'deviating', received: `error ${error.code}` };
          return { kind: 'conforming', received: 'a result' };
        },
      },
    ]),
  ),
});

export default run;

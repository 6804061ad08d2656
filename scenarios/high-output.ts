import { judgeUnread, longLineCase, slowReaderCase, unreadMemory, type Unread } from '../lib/cases/output.ts';
import { highOutput } from '../lib/commands/high-output.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';
import { memoryReader, noFigures } from '../lib/k6/service.ts';

/** Does every one of 10,000 lines come, in order, alone and in several sessions at once, and to a slow reader too? */
export const { definition, options, setup, handleSummary, run } = scenario('high-output', {
  rounds: [1, 4],
  commands: ({ lines, width, commands }) => [highOutput(lines, width, commands === 'python')],
  *script(session, command) {
    const output = yield* session.execute(command);
    yield* output.completes();
  },
  // First, for memory that the rounds have taken and given back would hide what piles up.
  casesFirst: true,
  cases: asks((stage) => {
    const python = stage.settings.commands === 'python';
    stage.ask([longLineCase(python)]);

    const read = memoryReader(stage.settings);
    const before = read?.().residentBytes;
    let judged: ReturnType<typeof judgeUnread> | undefined;
    const stalled = (unread: Unread): void => {
      const after = read?.().residentBytes;
      if (before !== undefined && after !== undefined) judged = judgeUnread(before, after, unread);
    };
    stage.ask([slowReaderCase(python, stage.now, stalled)]);

    if (before === undefined) stage.excuse([unreadMemory], 'not-run', noFigures);
    else if (!judged) stage.excuse([unreadMemory], 'not-run', 'the output ended before the long pause of its reader');
    else if (judged.isHeldBack === undefined) stage.inconclusive(unreadMemory, judged.told);
    else stage.found(unreadMemory, judged.isHeldBack ? 'conforming' : 'breaking', judged.told);
  }),
});

export default run;

import { judgeUnread, longLineCase, slowReaderCase, unreadMemory } from '../lib/cases/output.ts';
import { highOutput } from '../lib/commands/high-output.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';
import { memoryReader } from '../lib/k6/service.ts';

/** Does every one of 10,000 lines come, in order, alone and in several sessions at once, and to a slow reader too? */
export const { definition, options, setup, handleSummary, run } = scenario('high-output', {
  rounds: [1, 4],
  commands: ({ lines, width, commands }) => [highOutput(lines, width, commands === 'python')],
  *script(session, command) {
    const output = yield* session.execute(command);
    yield* output.completes();
  },
  cases: asks((stage) => {
    const python = stage.settings.commands === 'python';
    stage.ask([longLineCase(python)]);

    const read = memoryReader(stage.settings);
    const before = read?.().residentBytes;
    const during: number[] = [];
    const look = (): void => {
      const bytes = read?.().residentBytes;
      if (bytes !== undefined) during.push(bytes);
    };
    stage.ask([slowReaderCase(python, look)]);

    if (before === undefined) {
      stage.excuse([unreadMemory], 'not-run', 'no figures of its memory: neither /metrics nor --target-pid tells them');
    } else if (during.length === 0) {
      stage.excuse([unreadMemory], 'not-run', 'the output of the slow reader ended before its memory could be read');
    } else {
      const { isHeldBack, told } = judgeUnread(before, during);
      stage.found(unreadMemory, isHeldBack ? 'conforming' : 'breaking', told);
    }
  }),
});

export default run;

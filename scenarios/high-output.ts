import { evaluateUnread, longLineCase, slowReaderCase, unreadMemory, type Unread } from '../lib/cases/output.ts';
import { highOutput } from '../lib/commands/high-output.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { askCases } from '../lib/k6/case-context.ts';
import { memoryReader, noFigures } from '../lib/k6/service.ts';

export const { definition, options, setup, handleSummary, run } = scenario('high-output', {
  question:
    'Does every one of 10,000 lines arrive, in order, alone and in several sessions at once, and at a slow reader too?',
  needs: ['commands'],
  uses: ['memory-figures'],
  serves: { 'output-memory': ['session_success', 'findings'] },
  figures: [
    { label: 'first output, p95', metric: 'first_output_duration', of: 'p(95)' },
    { label: 'output a session, median', metric: 'output_rate', of: 'med' },
    { label: 'output a session, median', metric: 'output_throughput', of: 'med' },
  ],
  rounds: [1, 4],
  commands: ({ lines, width, commands }) => [highOutput(lines, width, commands === 'python')],
  // First, for memory that the rounds have taken and given back would hide what piles up.
  casesFirst: true,
  cases: askCases((context) => {
    const python = context.settings.commands === 'python';
    context.ask([longLineCase(python)]);

    const read = memoryReader(context.settings);
    const before = read?.().residentBytes;
    let judged: ReturnType<typeof evaluateUnread> | undefined;
    const stalled = (unread: Unread): void => {
      const after = read?.().residentBytes;
      if (before !== undefined && after !== undefined) judged = evaluateUnread(before, after, unread);
    };
    context.ask([slowReaderCase(python, context.now, stalled)]);

    if (before === undefined) context.skip([unreadMemory], 'not-run', noFigures);
    else if (!judged) context.skip([unreadMemory], 'not-run', 'the session ended before the long pause of its reader');
    else if (judged.isHeldBack === undefined) context.inconclusive(unreadMemory, judged.told);
    else context.report(unreadMemory, judged.isHeldBack ? 'conforming' : 'breaking', judged.told);
  }),
});

export default run;

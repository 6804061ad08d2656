import { evaluateCount, evaluateEnds, evaluateFill, evaluateRefusals, limitCases } from '../lib/cases/limit.ts';
import { createSessionPool, reportNotFilled } from '../lib/k6/session-pool.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { askCases } from '../lib/k6/case-context.ts';

export const { definition, options, setup, handleSummary, run } = scenario('session-limit', {
  question: 'Is the session limit kept cleanly: refusals by error and close, nobody disturbed, every slot free again?',
  needs: ['limit'],
  cases: askCases(async (context) => {
    const url = context.settings.limitedUrl ?? context.settings.url;
    const pool = await createSessionPool(context, url);
    const { held, others, limit, problem, fill, expectFreeSlot } = pool;
    if (problem !== undefined) return context.skip(Object.values(limitCases), 'not-run', problem);
    const full = await fill(limit - others - 1);
    if (full && (held.length === 0 || full.outcome.kind !== 'rejected' || full.outcome.reason !== 'session limit')) {
      await reportNotFilled(context, held, full);
      return;
    }
    context.report(limitCases.fill, ...evaluateFill(held.length, limit - others, full));

    await pool.expectFreeSlotAfterVanished();

    await held.pop()?.close();
    await expectFreeSlot(limitCases.closed);

    const counted = await pool.countedSessions();
    if (counted === undefined) context.skip([limitCases.health], 'not-applicable', '/health counts no sessions');
    else context.report(limitCases.health, ...evaluateCount(counted, held.length + others));
    const working = await Promise.all(held.map((session) => session.runCommand()));
    const beyond = await pool.tryToOpen(3);
    const early = held.find(({ ended }) => ended)?.ended;
    context.report(limitCases.beyond, ...evaluateRefusals(beyond, early, context.pace));

    const first = await held.pop()?.close();
    await expectFreeSlot(limitCases.refused);

    const ends = await Promise.all(held.map((session) => session.close()));
    const all = first ? [first, ...ends] : ends;
    context.report(limitCases.undisturbed, ...evaluateEnds(all, working.includes(true), context.pace));
  }),
});

export default run;

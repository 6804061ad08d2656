import { judgeCount, judgeEnds, judgeFill, judgeRefusals, limitCases } from '../lib/cases/limit.ts';
import { emptyHouse, notFilled } from '../lib/k6/guest.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';
import { sessionsOf } from '../lib/k6/service.ts';

/** Is the session limit kept cleanly: refusals by error and close, nobody disturbed, every slot free again? */
export const { definition, options, setup, handleSummary, run } = scenario('session-limit', {
  cases: asks(async (stage) => {
    const url = stage.settings.limitedUrl ?? stage.settings.url;
    const { guests, others, limit, problem, fill, knock, slotAfter, slotAfterVanished } = await emptyHouse(stage, url);
    if (problem !== undefined) return stage.excuse(Object.values(limitCases), 'not-run', problem);
    const full = await fill(limit - others - 1);
    if (full !== undefined && (guests.length === 0 || !/session limit/.test(full))) {
      await notFilled(stage, guests, full);
      return;
    }
    stage.found(limitCases.fill, ...judgeFill(guests.length, limit - others, full));

    await slotAfterVanished();

    await guests.pop()?.leave();
    await slotAfter(limitCases.closed);

    const counted = sessionsOf(stage.settings, url).active;
    if (counted === undefined) stage.excuse([limitCases.health], 'not-applicable', '/health counts no sessions');
    else stage.found(limitCases.health, ...judgeCount(counted, guests.length + others));
    const working = await Promise.all(guests.map((guest) => guest.work()));
    stage.found(limitCases.beyond, ...judgeRefusals(await knock(3)));

    const first = await guests.pop()?.leave();
    await slotAfter(limitCases.refused);

    const ends = await Promise.all(guests.map((guest) => guest.leave()));
    stage.found(limitCases.undisturbed, ...judgeEnds(first ? [first, ...ends] : ends, working.includes(true)));
  }),
});

export default run;

import { judgeRefusal, limitCases, worstOf } from '../lib/cases/limit.ts';
import { enter, type Guest } from '../lib/k6/guest.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { sessionsOf, vanish } from '../lib/k6/service.ts';
import { describeOutcome } from '../lib/results/outcome.ts';

const mostSessions = 200;
const triesBeyond = 3;
const slotMs = 5000;

/** Is the session limit kept cleanly: refusals by error and close, nobody disturbed, every slot free again? */
export const { definition, options, setup, handleSummary, run } = scenario('session-limit', {
  cases: async (stage) => {
    const { settings } = stage;
    const url = settings.limitedUrl ?? settings.url;
    const asked = limitCases;
    const { most, active = 0 } = sessionsOf(settings, url);
    const limit = (settings.maxSessions ?? most ?? 0) - active;
    if (limit < 1 || limit > mostSessions) {
      const known = settings.maxSessions ?? most;
      const reason = `expected a limit of at most ${mostSessions} sessions and a free slot; it is ${known ?? 'not known'}, ${active} open: give --max-sessions, or --limited-url`;
      stage.excuse(Object.values(asked), 'not-run', reason);
      return;
    }
    const guests: Guest[] = [];
    // A slot may take a moment to be free again.
    const takeSlot = async (): Promise<string | undefined> => {
      for (const byMs = Date.now() + slotMs; ; await stage.pause(100)) {
        const guest = await enter(stage, url);
        if (guest.refused === undefined) return void guests.push(guest);
        if (Date.now() > byMs) return describeOutcome(guest.refused.outcome);
      }
    };
    const slotAfter = async (of: keyof typeof asked): Promise<void> => {
      const refused = await takeSlot();
      stage.found(
        asked[of],
        refused === undefined ? 'conforming' : 'breaking',
        refused ?? 'a new session was accepted',
      );
    };

    let full: string | undefined;
    while (guests.length < limit - 1 && full === undefined) full = await takeSlot();
    const filled = `${guests.length + 1} of ${limit}`;
    if (full === undefined) stage.found(asked.fill, 'conforming', filled);
    else stage.found(asked.fill, 'breaking', `${guests.length} of ${limit}, then ${full}`);

    vanish(settings, url);
    await slotAfter('vanished');

    await guests.pop()?.leave();
    await slotAfter('closed');

    const { active: counted } = sessionsOf(settings, url);
    if (counted === undefined) stage.excuse([asked.health], 'not-applicable', '/health counts no sessions');
    else
      stage.found(
        asked.health,
        counted === guests.length + active ? 'conforming' : 'breaking',
        `${counted} with ${guests.length + active} open`,
      );

    const beyond = await Promise.all(Array.from({ length: triesBeyond }, () => enter(stage, url)));
    const results = await Promise.all(beyond.map((guest) => guest.refused ?? guest.leave()));
    const worst = worstOf(results.map(judgeRefusal));
    if (worst) stage.found(asked.beyond, worst.kind, worst.received);

    await guests.pop()?.leave();
    await slotAfter('refused');

    const ends = await Promise.all(guests.map((guest) => guest.leave()));
    const disturbed = ends.find(({ outcome }) => outcome.kind !== 'ok');
    if (disturbed) stage.found(asked.undisturbed, 'breaking', describeOutcome(disturbed.outcome));
    else stage.found(asked.undisturbed, 'conforming', `${ends.length} sessions ended in order`);
  },
});

export default run;

import { downCases, judgeCloses, judgeRefused } from '../lib/cases/down.ts';
import type { Command } from '../lib/commands/command.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { helperOf } from '../lib/k6/service.ts';
import type { Script, Session } from '../lib/session/session.ts';
import { describeOutcome } from '../lib/results/outcome.ts';

const sessions = 5;
const closesMs = 10_000;
const count: Command = {
  name: 'count',
  class: 'paced',
  command: 'i=0; while [ $i -lt 6000 ]; do echo "Count $i"; i=$((i + 1)); sleep 0.01; done',
  proof: { numbered: { line: 'Count {i}', from: 0, to: 5999 } },
};
const hello: Command = { name: 'echo', class: 'simple', command: 'echo hello', proof: { lines: ['hello'] } };

const greets = function* (session: Session): Script {
  const execution = yield* session.execute(hello);
  yield* execution.completes();
};

/** Is a service that is down told as such, and is all well again when it went away under load and came back? */
export const { definition, options, setup, handleSummary, run } = scenario('service-down', {
  mayBeDown: true,
  casesMs: ({ recoveryTimeoutMs, sessionTimeoutMs }) => 300_000 + recoveryTimeoutMs + sessionTimeoutMs,
  cases: async (stage) => {
    const { refused, closes, down, recovery } = downCases;
    const { downUrl, recoveryTimeoutMs } = stage.settings;
    const nobody = judgeRefused(stage.session(refused.name, greets, downUrl));
    stage.found(refused, nobody.kind, nobody.received);

    const helper = helperOf(stage.settings);
    if (typeof helper !== 'object' || !helper.canRestart) {
      const reason = helper ?? 'nobody can stop and start the service: give --stop-command and --start-command';
      stage.excuse([closes, down, recovery], 'not-run', String(reason));
      return;
    }

    let streaming = 0;
    const open = Array.from({ length: sessions }, () =>
      stage.open(closes.name, function* (session) {
        const output = yield* session.execute(count);
        yield* output.reaches(5);
        streaming++;
        yield* output.completes();
      }),
    );
    const ends: (Awaited<(typeof open)[number]['result']> | undefined)[] = open.map(() => undefined);
    open.forEach(({ result }, index) => void result.then((end) => (ends[index] = end)));
    while (streaming + ends.filter((end) => end).length < sessions) await stage.pause(50);

    const problem = helper.stop();
    if (problem !== undefined) throw new Error(`the service could not be stopped: ${problem}`);
    const closedBy = Date.now() + closesMs;
    while (ends.some((end) => !end) && Date.now() < closedBy) await stage.pause(50);
    const seen = judgeCloses(ends.map((end) => end?.outcome));
    stage.found(closes, seen.kind, seen.received);

    const away = judgeRefused(stage.session(down.name, greets));
    stage.found(down, away.kind, away.received);

    const askedAt = Date.now();
    const failure = helper.start();
    let back = stage.session(recovery.name, greets);
    while (back.outcome.kind !== 'ok' && Date.now() - askedAt < recoveryTimeoutMs) {
      await stage.pause(100);
      back = stage.session(recovery.name, greets);
    }
    const tookMs = Date.now() - askedAt;
    if (back.outcome.kind === 'ok') {
      stage.figure('recovery_duration', recovery, tookMs);
      stage.found(recovery, 'conforming', `a session succeeded after ${tookMs} ms`);
    } else {
      stage.found(recovery, 'breaking', failure ?? `${describeOutcome(back.outcome)}, after ${tookMs} ms`);
    }
  },
});

export default run;

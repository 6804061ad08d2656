import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  activeSessions,
  addLatency,
  addLines,
  addSession,
  emptyTimeline,
  longerWidth,
  widened,
  type TimedSession,
} from '../cli/report/timeline.ts';

const timelineOf = (sessions: readonly TimedSession[]) => {
  const timeline = emptyTimeline();
  for (const session of sessions) addSession(timeline, session);
  return timeline;
};

const anySessions = fc.array(
  fc.record({
    startedMs: fc.integer({ min: 0, max: 200_000 }),
    tookMs: fc.integer({ min: 0, max: 100_000 }),
    outcome: fc.constantFrom('succeeded' as const, 'failed' as const, undefined),
  }),
  { maxLength: 60 },
);

test('however long a run is, its steps are at most three hundred, and nothing is lost when they become longer', () => {
  fc.assert(
    fc.property(anySessions, (made) => {
      const sessions = made.map(({ startedMs, tookMs, outcome }) => ({
        startedMs,
        endedMs: startedMs + tookMs,
        outcome,
      }));
      const { widthMs, steps } = timelineOf(sessions);
      assert.ok(steps.length <= 300);
      const sum = (of: (step: (typeof steps)[number]) => number): number =>
        steps.reduce((total, step) => total + of(step), 0);
      assert.equal(
        sum(({ started }) => started),
        sessions.length,
      );
      assert.equal(
        sum(({ ended }) => ended),
        sessions.length,
      );
      for (const outcome of ['succeeded', 'failed'] as const)
        assert.equal(
          sum((step) => step[outcome]),
          sessions.filter((each) => each.outcome === outcome).length,
        );
      for (const [at, { started }] of steps.entries())
        assert.equal(started, sessions.filter(({ startedMs }) => Math.floor(startedMs / widthMs) === at).length);
    }),
  );
});

test('the active sessions of a step are the mean of what was open in it', () => {
  fc.assert(
    fc.property(anySessions, (made) => {
      const sessions = made.map(({ startedMs, tookMs }) => ({
        startedMs,
        endedMs: startedMs + tookMs,
        outcome: undefined,
      }));
      const timeline = timelineOf(sessions);
      for (const [at, mean] of activeSessions(timeline).entries()) {
        const [from, to] = [at * timeline.widthMs, (at + 1) * timeline.widthMs];
        const openMs = sessions.reduce(
          (sum, { startedMs, endedMs }) => sum + Math.max(0, Math.min(to, endedMs) - Math.max(from, startedMs)),
          0,
        );
        assert.ok(Math.abs(mean - openMs / timeline.widthMs) < 1e-6, `step ${at}: ${mean}, ${openMs}`);
      }
    }),
  );
});

test('times before the run and sessions that end before they start count at once', () => {
  const timeline = timelineOf([
    { startedMs: -500, endedMs: -100, outcome: 'succeeded' },
    { startedMs: 50, endedMs: 20, outcome: 'failed' },
  ]);
  assert.deepEqual(activeSessions(timeline), [0]);
  assert.deepEqual([timeline.steps[0]?.succeeded, timeline.steps[0]?.failed], [1, 1]);
});

test('lines are spread over the time of their output', () => {
  const timeline = emptyTimeline();
  addLines(timeline, 50, 250, 100);
  assert.deepEqual(
    timeline.steps.map(({ lines }) => lines),
    [25, 50, 25],
  );
  addLines(timeline, 120, 120, 7);
  assert.equal(timeline.steps[1]?.lines, 57);
  addLines(timeline, 0, 7_200_000, 1000);
  const all = timeline.steps.reduce((sum, { lines }) => sum + lines, 0);
  assert.ok(Math.abs(all - 1107) < 1e-6, String(all));
});

test('times of commands stay with their class when steps are joined', () => {
  const timeline = emptyTimeline();
  for (const [at, name] of ['simple', 'burst', 'simple', 'simple'].entries())
    addLatency(timeline, at * 150, name, 10 * (at + 1));
  const [first, second] = widened(timeline, 200).steps;
  assert.deepEqual([first?.latencies.get('simple')?.count, first?.latencies.get('burst')?.max], [1, 20]);
  assert.deepEqual([second?.latencies.get('simple')?.count, second?.latencies.get('simple')?.min], [1, 30]);
  for (let at = 0; at < 100; at++) addLatency(timeline, 0, `class ${at}`, 1);
  assert.ok((timeline.steps[0]?.latencies.size ?? 0) <= 8);
});

test('each length of a step is a whole number of the one before', () => {
  let before = 100;
  for (let count = 0; count < 30; count++) {
    const next = longerWidth(before);
    assert.equal(next % before, 0, `${before} and ${next}`);
    assert.ok(next > before);
    before = next;
  }
});

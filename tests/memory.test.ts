import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { leakFinding, type WatchedLoad } from '../lib/cases/memory.ts';
import { evaluateUnread } from '../lib/cases/output.ts';
import { evaluateLeak, leakDefaults, troughsOf, type LeakJudgement } from '../lib/memory/leak.ts';
import {
  isRestarted,
  noReading,
  readHealth,
  readMemory,
  readMetrics,
  type MemoryReading,
} from '../lib/memory/reading.ts';
import { trendOf, twoSidedP, type MemorySample } from '../lib/memory/trend.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

const samplesOf = (ys: readonly number[], xs: readonly number[] = ys.map((_, index) => index + 1)): MemorySample[] =>
  ys.map((bytes, index) => ({ sessions: xs[index] ?? NaN, bytes }));

const near = (actual: number, expected: number, within: number): void =>
  assert.ok(Math.abs(actual - expected) <= within, `expected ${expected} ± ${within}, received ${actual}`);

test('the tail of the normal distribution is that of the tables', () => {
  for (const [z, p] of [
    [0, 1],
    [1, 0.3173105],
    [1.959964, 0.05],
    [2.5758293, 0.01],
    [4, 6.334248e-5],
    [6, 1.973175e-9],
  ] as const) {
    near(twoSidedP(z) / p, 1, 1e-6);
    assert.equal(twoSidedP(-z), twoSidedP(z));
  }
});

test('Theil–Sen: median slope and Sen’s interval as worked out by hand', () => {
  // Slopes: 2 ten times, 7.6, 9, 11⅓, 16, 30; var S = 6·5·17/18, so the interval's ranks of 15 are 2.284 and 13.716.
  const trend = trendOf(samplesOf([2, 4, 6, 8, 10, 40]));
  assert.equal(trend.slopeBytes, 2);
  assert.equal(trend.lowBytes, 2);
  near(trend.highBytes, 14.6763, 1e-3);
});

test('Mann–Kendall: S, its variance and p as worked out by hand', () => {
  // 10 < 15, 10 < 14, 10 < 20, 15 < 20, 14 < 20, and 15 > 14.
  const mixed = trendOf(samplesOf([10, 15, 14, 20]));
  assert.equal(mixed.s, 4);
  near(mixed.variance, (4 * 3 * 13) / 18, 1e-12);
  // z = (15 − 1) / √(85/3) = 2.6302.
  const rising = trendOf(samplesOf([2, 4, 6, 8, 10, 40]));
  assert.equal(rising.s, 15);
  near(rising.p, 0.008534, 2e-6);
});

const permutations = (values: readonly number[]): number[][] =>
  values.length < 2
    ? [[...values]]
    : values.flatMap((value, at) => permutations(values.toSpliced(at, 1)).map((rest) => [value].concat(rest)));

test('the variance of S is the one over all permutations, ties in sessions and bytes included', () => {
  const small = fc.integer({ min: 0, max: 3 });
  // Up to six samples count as independent, so the variance has no autocorrelation in it.
  const pairs = fc.array(fc.tuple(small, small), { minLength: 3, maxLength: 6 });
  fc.assert(
    fc.property(pairs, (drawn) => {
      const xs = drawn.map(([x]) => x).sort((a, b) => a - b);
      const ys = drawn.map(([, y]) => y);
      const squares = permutations(ys).map((order) => trendOf(samplesOf(order, xs)).s ** 2);
      near(trendOf(samplesOf(ys, xs)).variance, squares.reduce((a, b) => a + b) / squares.length, 1e-9);
    }),
    { numRuns: 60 },
  );
});

const bytes = fc.integer({ min: 0, max: 2 ** 33 });
const series = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 500 }), bytes), { minLength: 2, maxLength: 40 })
  .map((pairs) => pairs.map(([sessions, bytes]) => ({ sessions, bytes })))
  .filter((samples) => samples.some(({ sessions }) => sessions !== samples[0]?.sessions));

test('the slope is the median over all pairs, those of equal sessions left out', () => {
  fc.assert(
    fc.property(series, (samples) => {
      const slopes = samples
        .flatMap((a, at) => samples.slice(at + 1).map((b) => (b.bytes - a.bytes) / (b.sessions - a.sessions)))
        .filter((slope) => Number.isFinite(slope))
        .sort((a, b) => a - b);
      const middle = slopes.slice((slopes.length - 1) >> 1, (slopes.length >> 1) + 1);
      const { slopeBytes, lowBytes, highBytes } = trendOf(samples);
      assert.equal(slopeBytes, middle.reduce((a, b) => a + b, 0) / middle.length);
      assert.ok(lowBytes <= slopeBytes && slopeBytes <= highBytes);
    }),
    // Equal bytes of which the later one comes first: their slope is a zero with a sign here, and none in the trend.
    {
      examples: [
        [
          [
            { sessions: 5, bytes: 1 },
            { sessions: 3, bytes: 1 },
          ],
        ],
      ],
    },
  );
});

test('adding to all samples changes nothing, and a scale scales the slope alone', () => {
  // By powers of two, which round nothing.
  fc.assert(
    fc.property(series, bytes, fc.integer({ min: -8, max: 8 }), (samples, added, power) => {
      const trend = trendOf(samples);
      const moved = samples.map(({ sessions, bytes }) => ({ sessions: sessions + 64, bytes: bytes + added }));
      assert.deepEqual(trendOf(moved), trend);
      const scaled = samples.map(({ sessions, bytes }) => ({ sessions, bytes: bytes * 2 ** power }));
      assert.deepEqual(trendOf(scaled), {
        ...trend,
        slopeBytes: trend.slopeBytes * 2 ** power,
        lowBytes: trend.lowBytes * 2 ** power,
        highBytes: trend.highBytes * 2 ** power,
      });
      const fallen = trendOf(samples.map(({ sessions, bytes }) => ({ sessions, bytes: -bytes })));
      assert.equal(fallen.p, trend.p);
      assert.equal(fallen.slopeBytes, 0 - trend.slopeBytes);
    }),
  );
});

test('what only rises has a trend, however it rises', () => {
  const steps = fc.array(fc.integer({ min: 1, max: 2 ** 24 }), { minLength: 8, maxLength: 120 });
  fc.assert(
    fc.property(steps, (each) => {
      let total = 0;
      const trend = trendOf(samplesOf(each.map((step) => (total += step))));
      assert.ok(trend.p < 0.01, `p ${trend.p}`);
      assert.ok(trend.lowBytes > 0);
    }),
  );
});

test('neighbours alike widen the interval', () => {
  const apart = Array.from({ length: 60 }, (_, index) => (index * 37) % 60);
  const alike = Array.from({ length: 60 }, (_, index) => 30 * Math.sin(index / 6));
  near(trendOf(samplesOf(apart)).variance, (60 * 59 * 125) / 18, 1e-6);
  near(trendOf(samplesOf(alike)).variance, (10 * (60 * 59 * 125)) / 18, 1e-6);
});

test('without a pair there is no trend', () => {
  for (const samples of [[], samplesOf([1]), samplesOf([1, 2, 3], [7, 7, 7])]) {
    const { slopeBytes, lowBytes, highBytes, p } = trendOf(samples);
    assert.deepEqual([slopeBytes, lowBytes, highBytes, p], [NaN, -Infinity, Infinity, 1]);
  }
});

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
const randomFrom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

type Curve = (sessions: number, random: () => number) => number;

/** Memory of a service after each of 80 waves of 50 sessions: `curve` over 80 MiB, with noise of 1 MiB either way. */
const runOf = (seed: number, curve: Curve, waves = 80): MemorySample[] => {
  const random = randomFrom(seed);
  return Array.from({ length: waves }, (_, wave) => {
    const sessions = (wave + 1) * 50;
    return { sessions, bytes: Math.round(80 * MiB + curve(sessions, random) + (2 * random() - 1) * MiB) };
  });
};

const leaking =
  (bytesASession: number): Curve =>
  (sessions) =>
    bytesASession * sessions;
const saturating: Curve = (sessions) => 40 * MiB * (1 - Math.exp(-sessions / 500));
/** A heap that grows by 8 MiB until it is collected, every `period` sessions. */
const sawtooth =
  (period: number): Curve =>
  (sessions) =>
    8 * MiB * ((sessions / period) % 1);
const both =
  (...curves: Curve[]): Curve =>
  (sessions, random) =>
    curves.reduce((total, curve) => total + curve(sessions, random), 0);

const shapes: [string, LeakJudgement['verdict'], Curve, waves?: number][] = [
  ['a leak of 20 kB', 'LEAK', leaking(20_000)],
  ['a leak of 1 MiB', 'LEAK', leaking(MiB)],
  ['a leak of 20 kB behind a warm-up', 'LEAK', both(leaking(20_000), saturating)],
  ['a leak of 20 kB under a sawtooth', 'LEAK', both(leaking(20_000), sawtooth(330))],
  ['a leak of 5 kB under a sawtooth, in a longer run', 'LEAK', both(leaking(5000), sawtooth(330)), 400],
  ['a leak of 2 kB, in a longer run', 'LEAK', leaking(2000), 400],
  ['no growth', 'NO LEAK', () => 0],
  ['spikes', 'NO LEAK', (_, random) => (random() < 0.1 ? 60 * MiB : 0)],
  ['a rise that ends', 'NO LEAK', (sessions) => 20_000 * Math.min(sessions, 1900)],
  ['a rise that ends and falls back', 'NO LEAK', (sessions) => 20_000 * (sessions < 1900 ? sessions : 1500)],
  ['a rise that saturates', 'NO LEAK', saturating],
  ['one step late in the run', 'NO LEAK', (sessions) => (sessions > 3000 ? 3 * MiB : 0)],
  ['the sawtooth of a garbage collector', 'NO LEAK', sawtooth(330)],
  ['a fast sawtooth', 'NO LEAK', sawtooth(70)],
  ['a warm-up into a sawtooth', 'NO LEAK', both(saturating, sawtooth(260))],
  ['the sawtooth of a larger heap, in a longer run', 'NO LEAK', both(saturating, sawtooth(330), sawtooth(330)), 400],
  ['memory given back', 'NO LEAK', leaking(-3000)],
];

for (const [name, verdict, curve, waves] of shapes) {
  test(`${verdict}: ${name}`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const judgement = evaluateLeak(runOf(seed, curve, waves));
      assert.equal(judgement.verdict, verdict, `seed ${seed}: ${judgement.detail}`);
    }
  });
}

test('INCONCLUSIVE: a warm-up that has not ended slows down, which a leak does not', () => {
  const { verdict, detail } = evaluateLeak(
    samplesOf(
      Array.from({ length: 80 }, (_, wave) => 80 * MiB + 120 * MiB * (1 - Math.exp(-wave / 25))),
      Array.from({ length: 80 }, (_, wave) => wave * 50),
    ),
  );
  assert.equal(verdict, 'INCONCLUSIVE');
  assert.match(detail, /the growth slows down: run longer$/);
});

test('NO LEAK: a rise that reaches into the older half, and says so', () => {
  const { verdict, detail } = evaluateLeak(runOf(1, (sessions) => 20_000 * Math.min(sessions, 2800)));
  assert.equal(verdict, 'NO LEAK');
  assert.match(detail, /tolerated, and in the newer half there is no more$/);
});

test('INCONCLUSIVE: no more than a tooth or two of a large heap', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomFrom(seed);
    const [phase, period] = [random(), 700 + 800 * random()];
    const run = runOf(seed, (sessions) => 40 * MiB * ((phase + sessions / period) % 1), 60);
    const { verdict, detail } = evaluateLeak(run);
    assert.equal(verdict, 'INCONCLUSIVE', `seed ${seed}: ${detail}`);
  }
  const { detail } = evaluateLeak(runOf(1, (sessions) => 40 * MiB * ((sessions / 1510) % 1), 60));
  assert.match(detail, /, and 3\d\.\d MiB were given back before: run longer$/);
});

test('a trend is made of the lowest samples of groups of neighbours', () => {
  const ten = samplesOf([5, 3, 4, 9, 9, 8, 7, 6, 6, 1]);
  assert.deepEqual(troughsOf(ten, 3), [
    { sessions: 2, bytes: 3 },
    { sessions: 6, bytes: 8 },
    { sessions: 10, bytes: 1 },
  ]);
  assert.deepEqual(troughsOf(ten, 10), ten);
});

test('INCONCLUSIVE: a growth that is clear, and too small in all to be told from a warm-up', () => {
  const few = Array.from({ length: 40 }, (_, wave) => ({ sessions: wave * 50, bytes: wave * 50 * 4000 }));
  assert.equal(evaluateLeak(few).verdict, 'INCONCLUSIVE');
  const more = Array.from({ length: 400 }, (_, wave) => ({ sessions: wave * 50, bytes: wave * 50 * 4000 }));
  assert.equal(evaluateLeak(more).verdict, 'LEAK');
});

const judgedLeak = (count: number, sessionsEach: number): LeakJudgement =>
  evaluateLeak(
    Array.from({ length: count }, (_, index) => ({
      sessions: index * sessionsEach,
      bytes: index * sessionsEach * MiB,
    })),
  );

test('INCONCLUSIVE: too few samples or sessions, with what was expected', () => {
  assert.equal(judgedLeak(25, 100).verdict, 'LEAK');
  assert.equal(
    judgedLeak(20, 90).detail,
    'expected at least 12 samples over 900 sessions after the warm-up, received 10 over 810: run longer',
  );
  assert.equal(judgedLeak(100, 10).verdict, 'INCONCLUSIVE');
  assert.deepEqual([evaluateLeak([]).verdict, evaluateLeak([]).slopeBytes], ['INCONCLUSIVE', undefined]);
  assert.equal(evaluateLeak(samplesOf([1]), { leastSamples: 0, leastSessions: 0 }).verdict, 'INCONCLUSIVE');
});

test('options say what is tolerated, and how long the warm-up is', () => {
  const run = runOf(1, leaking(20_000));
  assert.equal(evaluateLeak(run, { toleratedBytes: 30_000 }).verdict, 'NO LEAK');
  assert.equal(evaluateLeak(run, { toleratedBytes: 20_000 }).verdict, 'INCONCLUSIVE');
  assert.equal(evaluateLeak(run, { toleratedGrowthBytes: 80 * MiB }).verdict, 'INCONCLUSIVE');
  assert.equal(evaluateLeak(run, { warmUpShare: 0 }).samples, 80);
  assert.equal(evaluateLeak(run, { warmUpShare: 0.25 }).sessions, 2950);
});

test('the judgement says growth, interval and what is tolerated in one sentence', () => {
  assert.equal(
    evaluateLeak(
      samplesOf(
        Array.from({ length: 41 }, (_, wave) => wave * MiB),
        Array.from({ length: 41 }, (_, wave) => wave * 64),
      ),
    ).detail,
    'growth 16.0 KiB a session (95 % interval 16.0 KiB to 16.0 KiB) over 1280 sessions; 9.6 KiB a session, 12.0 MiB in all, are tolerated',
  );
});

test('a judgement never throws, and its members agree', () => {
  fc.assert(
    fc.property(series, fc.integer({ min: 1, max: 100 }), (samples, stretch) => {
      const judgement = evaluateLeak(samples.map(({ sessions, bytes }) => ({ sessions: sessions * stretch, bytes })));
      const { verdict, lowBytes = -Infinity, highBytes = Infinity, toleratedBytes = 0, p = 1 } = judgement;
      if (verdict === 'LEAK') assert.ok(lowBytes > toleratedBytes && p < 0.01);
      assert.ok(lowBytes <= highBytes);
      assert.ok(verdict === 'INCONCLUSIVE' || judgement.samples >= leakDefaults.leastSamples);
    }),
  );
});

/** Runs of the reference target (Node 20): after each wave or every 250 ms `<sessions finished>:<resident KiB>`. */
const recorded = JSON.parse(
  readFileSync(new URL('fixtures/memory-of-reference-target.json', import.meta.url), 'utf8'),
) as Record<string, string>;

const recordedRun = (name: string): MemorySample[] =>
  (recorded[name] ?? assert.fail(`no run ${name}`)).split(' ').map((pair) => {
    const [sessions = NaN, kib = NaN] = pair.split(':').map(Number);
    return { sessions, bytes: kib * KiB };
  });

for (const name of Object.keys(recorded)) {
  const verdict = name.startsWith('leak') ? 'LEAK' : 'NO LEAK';
  test(`${verdict}: as recorded, ${name}`, () => {
    const { verdict: judged, detail } = evaluateLeak(recordedRun(name));
    assert.equal(judged, verdict, detail);
  });
}

test('cut off in its warm-up, no recorded run is judged', () => {
  for (const name of Object.keys(recorded)) {
    for (const most of [250, 500, 750, 1000, 1250, 1500]) {
      const judgement = evaluateLeak(recordedRun(name).filter(({ sessions }) => sessions <= most));
      assert.equal(judgement.verdict, 'INCONCLUSIVE', `${name}, ${most}: ${judgement.detail}`);
    }
  }
});

const nothing = { ...noReading };

test('Prometheus text is read: resident memory, open sessions, children', () => {
  const text = [
    '# HELP process_resident_memory_bytes Resident memory of the target itself in bytes.',
    '# TYPE process_resident_memory_bytes gauge',
    'process_resident_memory_bytes 8.3886e+07',
    'process_resident_memory_bytes_total 5',
    'target_active_sessions 3 1395066363000',
    'target_sessions_total 900',
    'target_children{kind="a } \\" b"} 2\r',
    'target_children{} 1',
    'process_start_time_seconds 1.7e+09',
    '',
  ].join('\n');
  assert.deepEqual(readMetrics(text), {
    ...nothing,
    residentBytes: 83_886_000,
    activeSessions: 3,
    children: 3,
    startedAt: 1_700_000_000,
  });
  assert.deepEqual(readMemory(text), readMetrics(text));
  assert.deepEqual(readMetrics('active_sessions 0'), { ...nothing, activeSessions: 0 });
});

test('a health object is read: open sessions, and resident memory by its usual names', () => {
  const text = '{"status":"healthy","active_sessions":4,"rss_bytes":52428800,"uptime_seconds":7.5}';
  assert.deepEqual(readHealth(text), { ...nothing, residentBytes: 50 * MiB, activeSessions: 4, uptimeSeconds: 7.5 });
  assert.deepEqual(readMemory(` ${text}`), readHealth(text));
  for (const name of ['memory_rss_bytes', 'resident_memory_bytes', 'process_resident_memory_bytes']) {
    assert.equal(readHealth(`{"${name}":7}`).residentBytes, 7);
  }
});

test('a service that was started anew is told by its time of start, or by how long it has been up', () => {
  const rows: [earlier: Partial<MemoryReading>, later: Partial<MemoryReading>, restarted: boolean][] = [
    [{ startedAt: 1000 }, { startedAt: 1000.4 }, false],
    [{ startedAt: 1000 }, { startedAt: 1002 }, true],
    [{ uptimeSeconds: 5 }, { uptimeSeconds: 6 }, false],
    [{ uptimeSeconds: 5 }, { uptimeSeconds: 4 }, true],
    [{ startedAt: 1000 }, { uptimeSeconds: 1 }, false],
    [{}, {}, false],
  ];
  for (const [earlier, later, restarted] of rows) {
    assert.equal(isRestarted({ ...nothing, ...earlier }, { ...nothing, ...later }), restarted, JSON.stringify(later));
  }
});

const calm: WatchedLoad = { sessions: 1000, failed: 0, firstFailure: undefined, tooSlow: 0, restarted: false };

test('what was watched comes to a finding: a leak, a restart, a load of which too much failed', () => {
  const noLeak = { verdict: 'NO LEAK', detail: 'growth 0 B' } as const;
  assert.deepEqual(leakFinding(noLeak, calm), { kind: 'conforming', received: 'growth 0 B' });
  assert.equal(leakFinding({ verdict: 'LEAK', detail: '' }, calm).kind, 'breaking');
  assert.equal(leakFinding({ verdict: 'INCONCLUSIVE', detail: '' }, calm).kind, undefined);
  const few = leakFinding(noLeak, { ...calm, failed: 100, firstFailure: 'closed (1006)' });
  assert.deepEqual(few, {
    kind: 'conforming',
    received: 'growth 0 B; 100 of 1100 sessions failed, the first by closed (1006)',
  });
  for (const verdict of ['NO LEAK', 'LEAK'] as const) {
    const many = leakFinding({ verdict, detail: '' }, { ...calm, failed: 200, firstFailure: 'exit code 1' });
    assert.deepEqual(many, {
      kind: undefined,
      received: 'too many sessions failed to judge the memory: 200 of 1200 sessions failed, the first by exit code 1',
    });
  }
  const slow = { ...calm, failed: 200, tooSlow: 190, firstFailure: 'timeout (acknowledgement)' };
  assert.equal(leakFinding(noLeak, slow).kind, undefined);
  assert.match(leakFinding(noLeak, slow).received, /too slow for this load: 200 of 1200 sessions failed/);
  assert.match(leakFinding(noLeak, { ...calm, restarted: true }).received, /started anew/);
  assert.equal(leakFinding(noLeak, { ...calm, restarted: true }).kind, 'breaking');
});

test('unread output is held back, piles up, or was too little to tell', () => {
  const judged = (grownMiB: number, unreadMiB: number): boolean | undefined =>
    evaluateUnread(10 * MiB, (10 + grownMiB) * MiB, { bytes: unreadMiB * MiB, stalledMs: 1500 }).isHeldBack;
  assert.equal(judged(5, 90), true);
  assert.equal(judged(80, 90), false);
  assert.equal(judged(5, 20), undefined);
  assert.equal(judged(80, 20), false);
  assert.equal(
    evaluateUnread(10 * MiB, 30 * MiB, { bytes: 90 * MiB, stalledMs: 1500 }).told,
    'grew by 20.0 MiB while nothing was read for 1.5 s, in which it prints 90.0 MiB',
  );
});

test('what is no reading leaves its member undefined', () => {
  for (const text of [
    '',
    'no metrics here',
    'process_resident_memory_bytes',
    'process_resident_memory_bytes many',
    'process_resident_memory_bytes NaN',
    'process_resident_memory_bytes +Inf',
    'process_resident_memory_bytes -1',
    'process_resident_memory_bytes{pid="1" 5',
    '{"rss_bytes":"5","active_sessions":null}',
    '{"rss_bytes":-1}',
    '{"rss_bytes":1e999}',
    '{"rss_bytes":',
    '[]',
    'null',
  ]) {
    assert.deepEqual(readMemory(text), nothing, text);
    assert.deepEqual(readHealth(text), nothing, text);
  }
});

test('no input makes reading throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.json()), (text) => {
      for (const read of [readMemory, readMetrics, readHealth]) {
        for (const value of Object.values(read(text))) {
          assert.ok(value === undefined || (Number.isFinite(value) && value >= 0));
        }
      }
    }),
  );
});

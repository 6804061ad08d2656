import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leastProportionsP, medianOf, proportionsTest, rankTest, wilsonInterval } from '../cli/results/statistics.ts';
import { twoSidedP } from '../lib/memory/trend.ts';

const isNear = (actual: number, expected: number, relative: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= relative * Math.abs(expected), `${what}: ${actual}, expected ${expected}`);

void test('Wilson’s interval is that of Newcombe, Statistics in Medicine 17 (1998), table I, method 3', () => {
  const published = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const;
  for (const [successes, trials, low, high] of published) {
    const interval = wilsonInterval(successes, trials);
    assert.equal(Math.round(interval.low * 1e4) / 1e4, low);
    assert.equal(Math.round(interval.high * 1e4) / 1e4, high);
  }
  // scipy 1.17.1, binomtest(10, 10).proportion_ci(method='wilson')
  isNear(wilsonInterval(10, 10).low, 0.7224672001371109, 1e-12, '10 of 10');
  assert.equal(wilsonInterval(10, 10).high, 1);
  assert.deepEqual(wilsonInterval(0, 0), { low: 0, high: 1 });
});

void test('the tails of the normal distribution are those of scipy 1.17.1, 2 * norm.sf(z)', () => {
  const expected = [
    [0, 1],
    [0.5, 0.6170750774519738],
    [1.96, 0.04999579029644087],
    [2.5758293035489004, 0.01],
    [5, 5.733031437583866e-7],
    [10, 1.523970604832094e-23],
    [30, 9.813427854295816e-198],
  ] as const;
  for (const [z, p] of expected) isNear(twoSidedP(z), p, 2e-7, `z ${z}`);
  assert.equal(twoSidedP(Infinity), 0);
});

const counts = (successful: number, failed: number) => ({ successful, failed });

void test('Fisher’s exact test gives what scipy 1.17.1 gives, fisher_exact(…).pvalue', () => {
  const expected = [
    // Fisher's tea tasting: 34 of 70 tables, The Design of Experiments (1935).
    [counts(3, 1), counts(1, 3), 34 / 70],
    // The example of scipy's documentation.
    [counts(8, 2), counts(1, 5), 0.034965034965034975],
    [counts(990, 10), counts(960, 40), 1.900947494329907e-5],
    [counts(10_000, 0), counts(9990, 10), 0.0019487333250303282],
    [counts(50, 0), counts(50, 0), 1],
    [counts(0, 5), counts(5, 0), 0.007936507936507938],
  ] as const;
  for (const [a, b, p] of expected) isNear(proportionsTest(a, b), p, 1e-6, JSON.stringify([a, b]));
  assert.equal(proportionsTest(counts(0, 0), counts(5, 5)), 1);
});

void test('large counts of both outcomes have the two-proportion test', () => {
  // 2 * norm.sf(|z|) with the pooled rate; scipy 1.17.1.
  const far = proportionsTest(counts(9_800_000, 200_000), counts(9_799_000, 201_000));
  isNear(far, 0.11065872142578176, 1e-6, 'ten million sessions');
  const near = proportionsTest(counts(900_000, 60_000), counts(900_000, 60_500));
  isNear(near, 0.1631791945740122, 1e-6, 'a million sessions');
  // The exact p of these is not far from it.
  isNear(near, 0.16374385048779616, 0.01, 'a million sessions');
});

void test('the least p that counts can come to tells which are too few', () => {
  assert.ok(leastProportionsP(counts(4, 0), 4) > 0.01);
  assert.ok(leastProportionsP(counts(5, 0), 5) < 0.01);
});

void test('the rank test gives what scipy 1.17.1 gives, mannwhitneyu', () => {
  // The example of scipy's documentation: exact.
  const males = [19, 22, 16, 29, 24];
  const females = [20, 11, 17, 12];
  const example = rankTest(females, males);
  assert.equal(example.u, 17);
  isNear(example.p, 1 / 9, 1e-12, 'example');
  isNear(rankTest([1, 2, 3, 4], [5, 6, 7, 8]).p, 2 / 70, 1e-12, '4 against 4');
  isNear(rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]).p, 2 / 252, 1e-12, '5 against 5');
  const seven = rankTest([2, 4, 6, 8, 20, 21, 22, 23, 24], [1, 3, 5, 7, 9, 11, 13]);
  assert.equal(seven.u, 18);
  isNear(seven.p, 0.1737762237762238, 1e-12, '7 against 9');
  // method='asymptotic', use_continuity=True
  const tied = rankTest([2, 3, 5, 5, 6, 7, 7, 8, 9, 9, 9, 10, 11], [1, 2, 2, 3, 3, 3, 4, 5, 5, 7, 8, 8]);
  assert.equal(tied.u, 34.5);
  isNear(tied.p, 0.01851004330955674, 1e-6, 'ties');
  const first = Array.from({ length: 200 }, (_, at) => at);
  const second = Array.from({ length: 150 }, (_, at) => at * 1.1 + 7);
  const large = rankTest(second, first);
  assert.equal(large.u, 16_581);
  isNear(large.p, 0.09156136513986557, 1e-6, '200 against 150');
  const far = rankTest(
    Array.from({ length: 100 }, (_, at) => at),
    Array.from({ length: 100 }, (_, at) => 500 + at),
  );
  assert.equal(far.delta, 1);
  isNear(far.p, 2.562143669163401e-34, 1e-6, 'far apart');
  assert.equal(rankTest(Array(20).fill(5), Array(20).fill(5)).p, 1);
  assert.deepEqual(rankTest([], [1]), { u: 0, delta: 0, p: 1 });
});

const samples = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 15 });

void test('Cliff’s delta is what counting pairs gives, and the other way round its negative; p is the same', () => {
  fc.assert(
    fc.property(samples, samples, (a, b) => {
      const { delta, p } = rankTest(a, b);
      const pairs = a.flatMap((x) => b.map((y) => Math.sign(y - x)));
      assert.ok(Math.abs(delta - pairs.reduce((sum, each) => sum + each, 0) / pairs.length) < 1e-12);
      const back = rankTest(b, a);
      assert.ok(Math.abs(back.delta + delta) < 1e-12 && Math.abs(back.p - p) < 1e-9);
      assert.ok(p > 0 && p <= 1);
    }),
  );
});

void test('the median is the middle, or half way between the two middle values', () => {
  assert.equal(medianOf([]), undefined);
  assert.equal(medianOf([3]), 3);
  assert.equal(medianOf([9, 1, 4]), 4);
  assert.equal(medianOf([10, 2, 4, 8]), 6);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowsOf, runInTurn, tableOf, type Comparison, type Contestant } from './bench/comparison.ts';

const contestant = (name: string, figures: (number | Error)[], order: string[] = []): Contestant => ({
  name,
  run: async () => {
    order.push(name);
    const figure = figures.shift() ?? 0;
    if (figure instanceof Error) throw figure;
    return figure;
  },
});

const told: string[] = [];
const tell = (text: string): void => void told.push(text);

test('all run in turn, each repeat beginning with another; one that fails is told and left out', async () => {
  const order: string[] = [];
  const all = [
    contestant('a', [1, 2], order),
    contestant('b', [3, new Error('no java')], order),
    contestant('c', [5, 6], order),
  ];
  const figures = await runInTurn(all, 2, tell);
  assert.deepEqual(order, ['a', 'b', 'c', 'b', 'c', 'a']);
  assert.deepEqual(
    [...figures],
    [
      ['a', [1, 2]],
      ['c', [5, 6]],
    ],
  );
  assert.ok(told.some((text) => text.includes('left out: b: no java')));
});

const comparison: Comparison = {
  work: 'w',
  unit: 'u/s',
  better: 'more',
  contestants: [contestant('us', []), contestant('them', []), contestant('others', [])],
  reach: { them: 2 },
};

test('a ratio is the median of those of each repeat, and reached or not by it', () => {
  const figures = new Map([
    ['us', [10, 40, 30]],
    ['them', [10, 10, 10]],
  ]);
  const [row, absent] = rowsOf(comparison, figures);
  assert.deepEqual(row?.ratio, [3, 1, 4]);
  assert.equal(row.isReached, true);
  assert.equal(absent?.isReached, undefined);
  assert.equal(rowsOf({ ...comparison, reach: { them: 3.5 } }, figures)[0]?.isReached, false);
  assert.equal(rowsOf({ ...comparison, better: 'less', reach: { them: 2 } }, figures)[0]?.isReached, false);
  const [alone, beside] = rowsOf({ ...comparison, own: 31 }, figures);
  assert.deepEqual([alone?.isReached, alone?.reach, beside?.against], [false, '≥ 31 u/s', 'them']);
  assert.equal(rowsOf({ ...comparison, better: 'less', own: 31 }, figures)[0]?.isReached, true);
  assert.match(
    tableOf([row]),
    /\| w \| 30\.0 u\/s \| them \| 10\.0 u\/s \| 3\.00 \(1\.00 to 4\.00\) \| ≥ 2 × \| yes \|/,
  );
});

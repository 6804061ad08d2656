import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineLoad, readTicks, saturationWarning } from '../cli/run/machine-watch.ts';

const stat = (line: string): string => `${line}\ncpu0 1 2 3 4\nintr 1`;

void test('processor time of a machine is read from /proc/stat', () => {
  assert.deepEqual(readTicks(stat('cpu  10 1 5 80 4 0 0 20 0 0')), { total: 120, idle: 84, stolen: 20 });
  assert.equal(readTicks('no such thing'), undefined);
  const [from, to] = [readTicks(stat('cpu  0 0 0 0 0 0 0 0')), readTicks(stat('cpu  60 0 30 5 0 0 0 5'))];
  assert.ok(from && to);
  assert.deepEqual(machineLoad(from, to), { busyShare: 0.95, stolenShare: 0.05 });
  assert.equal(machineLoad(to, to), undefined);
});

void test('a machine that others saturated is named, one that k6 itself used is not', () => {
  assert.match(
    saturationWarning({ busyShare: 0.99, stolenShare: 0 }, 0.1) ?? '',
    /99 % busy, 10 % by k6 .*machine's, not/,
  );
  assert.match(saturationWarning({ busyShare: 0.5, stolenShare: 0.3 }, 0.1) ?? '', /hypervisor gave 30 %/);
  assert.equal(saturationWarning({ busyShare: 0.99, stolenShare: 0 }, 0.8), undefined);
  assert.equal(saturationWarning({ busyShare: 0.6, stolenShare: 0 }, 0.1), undefined);
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  generatorFigures,
  generatorLine,
  generatorProblem,
  watchGenerator,
  type GeneratorSample,
} from '../cli/run/generator-watch.ts';

const MiB = 2 ** 20;

/** Samples twice a second of a process that takes such shares of two cores, one after the other, each for so many seconds. */
const samplesOf = (...parts: readonly [seconds: number, share: number][]): GeneratorSample[] => {
  const samples: GeneratorSample[] = [{ atMs: 0, cpuMs: 0, residentBytes: 50 * MiB }];
  for (const [seconds, share] of parts) {
    for (let half = 0; half < seconds * 2; half++) {
      const { atMs = 0, cpuMs = 0 } = samples.at(-1) ?? {};
      samples.push({ atMs: atMs + 500, cpuMs: cpuMs + 1000 * share, residentBytes: (60 + share) * MiB });
    }
  }
  return samples;
};

const problemOf = (...parts: readonly [seconds: number, share: number][]): string | undefined => {
  const figures = generatorFigures(samplesOf(...parts), 2);
  return figures && generatorProblem(figures);
};

test('a generator that had time to spare, or was busy for a moment, is no bottleneck', () => {
  assert.equal(problemOf([60, 0.8]), undefined);
  assert.equal(problemOf([55, 0.2], [5, 1]), undefined);
});

test('one that took nearly all there is for more than a tenth of the time makes the run INVALID', () => {
  assert.match(
    problemOf([40, 0.2], [20, 1]) ?? '',
    /^INVALID: k6 took more than 90 % of the 2 cores for 2\d % of the time/,
  );
});

test('a run of less than five seconds is not judged by it', () => {
  const figures = generatorFigures(samplesOf([4, 1]), 2);
  assert.equal(figures?.busiestShare, undefined);
  assert.equal(figures && generatorProblem(figures), undefined);
  assert.equal(figures && generatorLine(figures), 'generator: 8.0 s of processor time, 61 MiB');
  assert.equal(generatorFigures([], 2), undefined);
});

test('a line tells what it took', () => {
  const figures = generatorFigures(samplesOf([10, 0.25], [10, 0.5]), 2);
  assert.equal(
    figures && generatorLine(figures),
    'generator: 15.0 s of processor time, 50 % of 2 cores at most, 61 MiB',
  );
});

test(
  'a process is watched until it has ended, and one that is not there tells nothing',
  { skip: process.platform !== 'linux' },
  async () => {
    const child = spawn(process.execPath, ['-e', 'const end = Date.now() + 1200; while (Date.now() < end);'], {
      stdio: 'ignore',
    });
    const watch = watchGenerator(child.pid ?? 0, process.pid);
    await once(child, 'exit');
    watch.end();
    const figures = watch.figures();
    assert.ok(figures && figures.cpuSeconds > 0 && figures.residentBytes > MiB, JSON.stringify(figures));
    const samples = watch.samples('r1');
    assert.ok(samples && samples.atMs.length >= 2, JSON.stringify(samples));
    for (const list of [samples.generatorShare, samples.generatorBytes, samples.serviceBytes])
      assert.equal(list?.length, samples.atMs.length);
    assert.equal(samples.generatorShare[0], null);
    assert.ok((samples.generatorShare[1] ?? 0) > 0 && (samples.serviceBytes?.[0] ?? 0) > MiB);
    const nothing = watchGenerator(2 ** 30);
    nothing.end();
    assert.equal(nothing.figures(), undefined);
    assert.equal(nothing.samples('r1'), undefined);
  },
);

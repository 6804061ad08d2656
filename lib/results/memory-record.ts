import { visibleJson } from '../text/visible.ts';
import type { MemorySample } from '../memory/trend.ts';
import type { MemoryRecord } from './record-schema.ts';
import type { RunIdentity } from './run.ts';

/** The memory record: one line of JSON a load under which the service's memory was watched. */
export const memoryRecord = (run: RunIdentity, test: string, caseName: string, watched: WatchedMemory): string =>
  visibleJson({
    type: 'memory',
    version: 1,
    run: run.id,
    marker: run.marker,
    test,
    case: caseName,
    samples: evenly(watched.samples).map(({ atMs, sessions, bytes }) => [Math.round(atMs), sessions, bytes]),
    slopeBytes: finite(watched.slopeBytes),
    lowBytes: finite(watched.lowBytes),
    highBytes: finite(watched.highBytes),
  } satisfies MemoryRecord);

/** An interval may have no end, which JSON can't write as a number. */
const finite = (value: number | undefined): number | undefined => (Number.isFinite(value) ? value : undefined);

/** What was read of a service's memory under load; bytes a session where there is a slope. */
export interface WatchedMemory extends Pick<MemoryRecord, 'slopeBytes' | 'lowBytes' | 'highBytes'> {
  samples: readonly TimedMemorySample[];
}

/** A reading, and when it was taken: milliseconds since the load began. */
export interface TimedMemorySample extends MemorySample {
  atMs: number;
}

/** More samples would show no more in a picture. */
const maxSamples = 300;

/** So many of all at most, evenly, the first and the last among them. */
export const evenly = <Each>(all: readonly Each[], most = maxSamples): readonly Each[] => {
  const step = (all.length - 1) / (most - 1);
  return step <= 1 ? all : Array.from({ length: most }, (_, at) => all[Math.round(at * step)] as Each);
};

import { isObject } from '../jsonrpc/messages.ts';
import { parsedJson } from '../text/json.ts';

/** What a service tells about itself; undefined where it does not tell it, or not as a number that can be. */
export interface MemoryReading {
  /** Resident memory of the service. */
  residentBytes: number | undefined;
  /** Sessions open now. */
  activeSessions: number | undefined;
  /** Child processes alive now. */
  children: number | undefined;
  /** When its process started, on whatever scale; another value is another process. */
  startedAt: number | undefined;
  /** How long it has been up. */
  uptimeSeconds: number | undefined;
}

/** What a computed time of start may differ by between two readings of one process. */
const startJitter = 1;

/** Whether the service was started anew between two readings; it may also not tell. */
export const isRestarted = (earlier: MemoryReading, later: MemoryReading): boolean =>
  (earlier.startedAt !== undefined &&
    later.startedAt !== undefined &&
    Math.abs(later.startedAt - earlier.startedAt) > startJitter) ||
  (earlier.uptimeSeconds !== undefined &&
    later.uptimeSeconds !== undefined &&
    later.uptimeSeconds < earlier.uptimeSeconds);

type Quantity = keyof MemoryReading;

/** How each is called in the Prometheus text format, and in a health object. */
const names: Readonly<Record<Quantity, { metric: RegExp; members: readonly string[] }>> = {
  residentBytes: {
    metric: /^process_resident_memory_bytes$/,
    members: ['rss_bytes', 'memory_rss_bytes', 'resident_memory_bytes', 'process_resident_memory_bytes'],
  },
  activeSessions: { metric: /(^|_)active_sessions$/, members: ['active_sessions'] },
  children: { metric: /(^|_)children$/, members: ['children', 'active_children'] },
  startedAt: { metric: /^process_start_time_seconds$/, members: ['startedAtTicks', 'process_start_time_seconds'] },
  uptimeSeconds: { metric: /(^|_)uptime_seconds$/, members: ['uptime_seconds'] },
};

/** All that a reading may have. */
export const quantities = Object.keys(names) as readonly Quantity[];

/** A reading of a service that tells nothing. */
export const noReading = Object.freeze(
  Object.fromEntries(quantities.map((each) => [each, undefined])),
) as unknown as Readonly<MemoryReading>;

const readingOf = (valueOf: (quantity: Quantity) => number | undefined): MemoryReading => {
  const reading = { ...noReading };
  for (const quantity of quantities) {
    const value = valueOf(quantity);
    if (value !== undefined && Number.isFinite(value) && value >= 0) reading[quantity] = value;
  }
  return reading;
};

/** A sample of the Prometheus text format: name, labels, value, and perhaps a timestamp. */
const sampleLine =
  /^([a-zA-Z_:][\w:]*)[ \t]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?[ \t]+([-+.\w]+)(?:[ \t]+-?\d+)?[ \t]*$/;

/** Reads the Prometheus text format, version 0.0.4; samples of one quantity under several labels are added up. */
export const readMetrics = (text: string): MemoryReading => {
  const sums: Partial<Record<Quantity, number>> = {};
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = sampleLine.exec(line) ?? [];
    const quantity = quantities.find((each) => name !== undefined && names[each].metric.test(name));
    if (quantity !== undefined) sums[quantity] = (sums[quantity] ?? 0) + Number(value);
  }
  return readingOf((quantity) => sums[quantity]);
};

/** Reads a health object, as in `{"active_sessions": 3, "rss_bytes": 52428800}`. */
export const readHealth = (text: string): MemoryReading => {
  const health = parsedJson(text);
  const members = isObject(health) ? health : {};
  return readingOf((quantity) => {
    const values = names[quantity].members.map((name) => members[name]);
    return values.find((value): value is number => typeof value === 'number');
  });
};

/** Reads either, told apart by the first character. */
export const readMemory = (text: string): MemoryReading => (/^\s*\{/.test(text) ? readHealth(text) : readMetrics(text));

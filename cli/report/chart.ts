import { bytes, duration } from '../../lib/text/quantities.ts';
import type { ReportColour } from './style.ts';

/** What the values of an axis are. `log-ms` are milliseconds as their logarithm to base 10; `share` is from 0 to 1. */
export type Unit = 'seconds' | 'log-ms' | 'sessions' | 'ms' | 'bytes' | 'share' | 'per second' | 'count';

// oxlint-disable-next-line unicorn/no-null -- JSON has no undefined, and uPlot leaves a gap where it is null
export const unknown = null;

export interface Series {
  name: string;
  colour: ReportColour;
  /** One for each x; null where nothing is known. */
  values: (number | null)[];
  /** The area below it is filled. */
  isArea?: true;
  dash?: number[];
  /** A line in a chart of dots. */
  isLine?: true;
}

/** A line across a chart at an x, with a name. */
export interface Mark {
  x: number;
  name: string;
}

/** A chart as data: the page draws it without a script, and the script of the page draws it anew from the same data. */
export interface Chart {
  id: string;
  title: string;
  /** What it shows in a sentence or two, for all readers. */
  note: string;
  xUnit: Unit;
  unit: Unit;
  x: readonly number[];
  /** What an x is called, one for each, where it is a number of something. */
  xNames?: readonly string[];
  series: Series[];
  /** Steps of equal length, bars, dots; otherwise lines. */
  shape?: 'steps' | 'bars' | 'dots';
  marks?: Mark[];
  /** Where the x axis ends, if not at the last x. */
  xEnd?: number;
  /** The least value that the y axis ends at. */
  atLeast?: number;
  /** The y axis begins where the values do, not at 0. */
  isScaled?: true;
}

const compact = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
};

const clock = (seconds: number): string => {
  if (seconds < 120) return `${compact(seconds)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = rest > 0 ? ` ${rest} s` : '';
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min${tail}`;
};

/** A value as a chart writes it, with its unit. */
export const shown = (value: number, unit: Unit): string => {
  switch (unit) {
    case 'seconds':
      return clock(value);
    case 'log-ms':
      return duration(10 ** value);
    case 'ms':
      return value === 0 ? '0' : duration(value);
    case 'bytes':
      return value === 0 ? '0' : bytes(value);
    case 'share':
      return `${compact(value * 100)} %`;
    case 'per second':
      return `${compact(value)}/s`;
    case 'sessions':
    case 'count':
      break;
  }
  return compact(value);
};

const briefTime = (ms: number): string => {
  if (ms === 0) return '0';
  if (ms >= 120_000) return `${Number((ms / 60_000).toPrecision(3))} min`;
  return ms >= 1000 ? `${Number((ms / 1000).toPrecision(3))} s` : `${Number(ms.toPrecision(3))} ms`;
};

const mebibyte = 2 ** 20;

/** Values as an axis labels them: short, and times all in one unit. */
export const labels = (values: readonly number[], unit: Unit): string[] => {
  const isInMinutes = unit === 'seconds' && (values.at(-1) ?? 0) >= 120;
  return values.map((value) => (isInMinutes && value < 3600 ? `${compact(value / 60)} min` : label(value, unit)));
};

const label = (value: number, unit: Unit): string => {
  if (unit === 'ms') return briefTime(value);
  if (unit === 'log-ms') return briefTime(10 ** value);
  if (unit === 'per second') return compact(value);
  if (unit === 'bytes') {
    const gibibyte = mebibyte * 1024;
    if (Math.abs(value) >= gibibyte) return `${Number((value / gibibyte).toPrecision(3))} GiB`;
    return `${Number((value / mebibyte).toPrecision(4))} MiB`;
  }
  return shown(value, unit);
};

/** Of these, the first that is at least a length. */
const niceStep = (length: number, unit: Unit): number => {
  if (unit === 'seconds' && length > 30)
    return [60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 43_200, 86_400].find((each) => each >= length) ?? length;
  const base = unit === 'bytes' ? 2 ** (10 * Math.floor(Math.log2(length) / 10)) : 1;
  const scaled = length / base;
  const power = 10 ** Math.floor(Math.log10(scaled));
  return base * power * ([1, 2, 5, 10].find((each) => each * power >= scaled * 0.999) ?? 10);
};

/** Round values for the labels of an axis, within its range, at most as many as given. */
export const ticksOf = (from: number, to: number, unit: Unit, most: number): number[] => {
  if (unit === 'log-ms') return logTicks(from, to, most);
  if (!(to > from)) return [from];
  const step = niceStep((to - from) / most, unit);
  const ticks: number[] = [];
  for (let at = Math.ceil(from / step - 1e-9); at * step <= to + step * 1e-9; at++) ticks.push(at * step);
  return ticks;
};

const logTicks = (from: number, to: number, most: number): number[] => {
  for (const mantissas of [[1, 2, 5], [1, 3], [1]]) {
    const ticks: number[] = [];
    for (let power = Math.floor(from); power <= to; power++)
      for (const each of mantissas) ticks.push(power + Math.log10(each));
    const inside = ticks.filter((tick) => tick >= from - 1e-9 && tick <= to + 1e-9);
    if (inside.length > most) continue;
    if (inside.length > 2) return inside;
    // Within a few of their own size, times are as good as on a linear axis.
    return ticksOf(10 ** from, 10 ** to, 'ms', most).map((ms) => Math.log10(ms));
  }
  return ticksOf(Math.ceil(from), to, 'count', most);
};

/** How far the y axis of a chart reaches, from the values of these series. */
export const reach = ({
  series,
  atLeast = 0,
  isScaled,
}: Pick<Chart, 'series' | 'atLeast' | 'isScaled'>): [number, number] => {
  let [least, most] = [Infinity, -Infinity];
  for (const { values } of series)
    for (const value of values) if (value !== unknown) [least, most] = [Math.min(least, value), Math.max(most, value)];
  if (most < least) return [0, atLeast || 1];
  const from = isScaled === true ? least - (most - least) * 0.1 : Math.min(0, least);
  const to = Math.max(most + (most - from) * 0.06, atLeast);
  return to > from ? [from, to] : [from, from + 1];
};

/** How far the x axis of a chart reaches; bars are as wide as they are apart. */
export const width = ({ x, shape, xUnit, xEnd }: Pick<Chart, 'x' | 'shape' | 'xUnit' | 'xEnd'>): [number, number] => {
  const [first, last] = [x[0] ?? 0, x.at(-1) ?? 1];
  const half = shape === 'bars' && x.length > 1 ? (last - first) / (x.length - 1) / 2 : 0;
  const from = xUnit === 'seconds' || xUnit === 'sessions' ? Math.min(0, first) : first - half;
  const to = xEnd ?? last + half;
  return to > from ? [from, to] : [from, from + 1];
};

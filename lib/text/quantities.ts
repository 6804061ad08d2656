import { cutTo, plain } from './visible.ts';

/** What stands in place of a value that there is not. */
export const none = '–';

/** A time in milliseconds with its unit, rounded to what matters. */
export const duration = (ms: number | undefined): string => {
  if (ms === undefined) return none;
  if (ms >= 120_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
};

/** A time as a sentence has it: `5 s`, `2.1 s`, `380 ms`. */
export const roundTime = (ms: number): string => {
  if (ms >= 120_000) return `${trimmed(ms / 60_000)} min`;
  if (ms >= 999.5) return `${ms < 9950 ? trimmed(ms / 1000) : Math.round(ms / 1000)} s`;
  return `${ms < 9.95 ? trimmed(ms) : Math.round(ms)} ms`;
};

const trimmed = (value: number): string => value.toFixed(1).replace(/\.0$/, '');

/** An amount of memory with its unit. */
export const bytes = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 2 ** 30) return `${(value / 2 ** 30).toFixed(1)} GiB`;
  if (size >= 2 ** 20) return `${(value / 2 ** 20).toFixed(1)} MiB`;
  return size >= 10 * 2 ** 10 ? `${(value / 2 ** 10).toFixed(1)} KiB` : `${Math.round(value)} bytes`;
};

/** A share, 0 to 1, as percent to a tenth; one that is not whole never looks so. */
export const percent = (share: number | undefined): string => {
  if (share === undefined) return none;
  const tenths = Math.round(share * 1000);
  const below = share < 1 ? Math.min(999, tenths) : tenths;
  return `${(share > 0 ? Math.max(1, below) : below) / 10} %`;
};

/** A number of at most three digits behind the point. */
export const number = (value: number): string =>
  Math.abs(value) < 100 ? String(Math.round(value * 1000) / 1000) : String(Math.round(value));

/** A value with its unit; a time as `duration` writes it. */
export const quantity = (value: number | undefined, unit = ''): string => {
  if (value === undefined) return none;
  return unit === 'ms' ? duration(value) : `${number(value)} ${unit}`.trimEnd();
};

/** A number of things, in words: `1 session`, `2 sessions`. */
export const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? '' : 's'}`;

/** Texts as a sentence lists them: `a, b and c`; of many the first ones. */
export const listed = (texts: readonly string[], most = 4): string => {
  if (texts.length > most) return `${texts.slice(0, most - 1).join(', ')} and ${texts.length - most + 1} more`;
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} and ${texts.at(-1)}`;
};

/** `2026-11-24 16:31`, of an ISO time. */
export const minuteOf = (iso: string): string => cutTo(plain(iso.slice(0, 16).replace('T', ' ')), 16);

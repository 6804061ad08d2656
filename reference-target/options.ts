import { isIP } from 'node:net';
import { parseDuration } from '../lib/load/settings.ts';
import { allowListProblems } from './allow-list.ts';
import { dialects, isDialectName, type DialectName } from './dialect.ts';
import { faultNames, faultProblems } from './faults.ts';

/** What an option takes: its unit, its default, how it is typed, and which values it may have. */
interface Kind<Value> {
  /** Empty for one that takes no value. */
  unit: string;
  default: Value;
  /** The default, as help shows it. */
  shownDefault: string;
  /** An empty value means something. */
  mayBeEmpty?: true;
  /** Its values, where they are few. */
  choices?: readonly string[];
  /** What a shell completes its value with. */
  completions?: readonly string[];
  /** The value of all that was typed for the option, or the problem with it. */
  read(typed: readonly string[]): { value: Value } | { problem: string };
  /** What is wrong with a value. */
  problem(value: Value): string | undefined;
}

/** One option of the command line, in its help and among the target's options. */
export interface OptionRow<Value = unknown> extends Kind<Value> {
  /** Name on the command line, without the dashes. */
  name: string;
  description: string;
}

const readOne =
  <Value>(expected: string, parse: (text: string) => Value | undefined): Kind<Value>['read'] =>
  ([text = '', ...others]) => {
    if (others.length > 0) return { problem: `expected one value, received ${others.length + 1}` };
    const value = parse(text);
    return value === undefined ? { problem: `expected ${expected}, received ${JSON.stringify(text)}` } : { value };
  };

const text = <Value>(unit: string, fallback: Value, shownDefault: string): Kind<Value | string> => ({
  unit,
  default: fallback,
  shownDefault,
  read: readOne<Value | string>('a text', (typed) => typed),
  problem: () => undefined,
});

/** On where it is typed. */
const flag: Kind<boolean> = {
  unit: '',
  default: false,
  shownDefault: 'off',
  read: () => ({ value: true }),
  problem: () => undefined,
};

/** Each value is an item or, with a separator, a list of them. */
const list = <Value>(
  unit: string,
  fallback: Value,
  shownDefault: string,
  separator?: string,
): Kind<Value | readonly string[]> => ({
  unit,
  default: fallback,
  shownDefault,
  mayBeEmpty: true,
  read: (typed) => {
    const items = separator === undefined ? typed : typed.flatMap((each) => each.split(separator));
    return { value: items.map((item) => item.trim()).filter((item) => item !== '') };
  },
  problem: () => undefined,
});

const dialectNames = Object.keys(dialects);
const expectedDialect = `one of ${dialectNames.join(', ')}`;

const dialect: Kind<DialectName> = {
  unit: dialectNames.join('|'),
  choices: dialectNames,
  default: 'deployed',
  shownDefault: 'deployed',
  read: readOne(expectedDialect, (typed) => (isDialectName(typed) ? typed : undefined)),
  problem: (value) =>
    isDialectName(value) ? undefined : `expected ${expectedDialect}, received ${JSON.stringify(value)}`,
};

type Units = Readonly<Record<string, number>>;

const byteUnits: Units = { '': 1, KiB: 1_024, MiB: 1_048_576 };
const durationUnits: Units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A quantity in the largest unit that divides it. */
const inUnit = (quantity: number, units: Units): string => {
  const [unit, factor] = Object.entries(units).findLast(([, each]) => quantity % each === 0)!;
  return `${quantity / factor}${unit}`;
};

const parseBytes = (typed: string): number | undefined => {
  const [, number, unit = ''] = /^([0-9]+)([A-Za-z]*)$/.exec(typed) ?? [];
  const factor = Object.hasOwn(byteUnits, unit) ? byteUnits[unit] : undefined;
  return number === undefined || factor === undefined ? undefined : Number(number) * factor;
};

const parseWhole = (typed: string): number | undefined => (/^[0-9]+$/.test(typed) ? Number(typed) : undefined);

const range = (min: number, max: number, inWords: string) => ({
  problem: (value: number): string | undefined =>
    Number.isInteger(value) && value >= min && value <= max
      ? undefined
      : `expected a whole number from ${min} to ${max}${inWords}, received ${value}`,
});

const whole = (unit: string, min: number, max: number, fallback: number): Kind<number> => ({
  unit,
  default: fallback,
  shownDefault: String(fallback),
  read: readOne(`a whole number such as ${fallback}`, parseWhole),
  ...range(min, max, ''),
});

const bytes = (min: number, max: number, fallback: number): Kind<number> => ({
  unit: 'bytes',
  default: fallback,
  shownDefault: inUnit(fallback, byteUnits),
  read: readOne('a size such as 65536, 64KiB or 1MiB', parseBytes),
  ...range(min, max, ' bytes'),
});

const duration = (min: number, max: number, fallback: number): Kind<number> => ({
  unit: 'duration',
  default: fallback,
  shownDefault: inUnit(fallback, durationUnits),
  read: readOne('a duration such as 500ms, 30s, 5m or 1h', parseDuration),
  ...range(min, max, ' milliseconds'),
});

const row = <Value>(name: string, kind: Kind<Value>, description: string): OptionRow<Value> => ({
  ...kind,
  name,
  description,
});

/** The variable of the default token. */
export const tokenVariable = 'WS_STRESS_TARGET_TOKEN';
const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** Shorter tokens are quickly guessed. */
const minTokenLength = 4;
const minTokenLengthBeyondLoopback = 8;

/**
 * Every option, in the order of the help. Times are milliseconds, sizes bytes. Command line, help, defaults and checks follow
 * from it.
 */
const rows = {
  host: row(
    'host',
    text<string>('address', '127.0.0.1', '127.0.0.1'),
    'address to listen on; an address beyond loopback also needs --token and --allow',
  ),
  port: row('port', whole('port', 0, 65_535, 8003), 'port to listen on; 0 takes any free one'),
  dialect: row('dialect', dialect, 'form of the protocol: the deployed service, or its documentation'),
  /** Undefined allows every command. */
  allow: row(
    'allow',
    list('NAME,…', undefined, 'every command may run', ','),
    'the only commands that may run; the target checks every command word and refuses what it cannot judge',
  ),
  token: row(
    'token',
    text('secret', undefined, `$${tokenVariable}`),
    `bearer token that clients must send; prefer ${tokenVariable}, because other users can see arguments`,
  ),
  /** Without a token, lets every user of this machine connect, and not only the one who runs the target. */
  anyUser: row(
    'any-user',
    flag,
    'let every user of this machine run commands as you without a token, for example in a container of its own',
  ),
  origins: row(
    'origin',
    list<readonly string[]>('ORIGIN', [], 'none'),
    'web origin that may connect, such as https://example.org; repeatable; other origins get 403',
  ),
  maxSessions: row(
    'max-sessions',
    whole('sessions', 1, 100_000, 100),
    'most sessions open at once; the target refuses more with an error and close 1008',
  ),
  maxChildren: row(
    'max-children',
    whole('processes', 1, 100_000, 200),
    'most commands alive at once, including those that are ending; on Linux also processes that left the group of their command (setsid), which end with it, or at once above this limit',
  ),
  maxMessageBytes: row(
    'max-message',
    bytes(1_024, 67_108_864, 1_048_576),
    'longest message from a client; a longer one closes the session with 1009',
  ),
  maxCommandBytes: row('max-command', bytes(1, 131_071, 65_536), 'longest command'),
  maxLineBytes: row(
    'max-line',
    bytes(65_536, 268_435_456, 2_097_152),
    'longest line of output sent as one numbered line; a longer line is sent in pieces of this length',
  ),
  highWaterBytes: row(
    'high-water',
    bytes(65_536, 268_435_456, 262_144),
    'the most output to buffer for a client; above it the target stops reading its process, which then blocks',
  ),
  heartbeatMs: row('heartbeat', duration(1, dayMs, 30_000), 'interval of the ping notification'),
  pongTimeoutMs: row(
    'pong-timeout',
    duration(1, dayMs, 60_000),
    'time without a pong notification after which the target closes a session',
  ),
  sessionTimeoutMs: row('session-timeout', duration(1, dayMs, 3_600_000), 'longest life of a session'),
  killGraceMs: row('kill-grace', duration(0, hourMs, 10_000), 'time between SIGTERM and SIGKILL'),
  shutdownMs: row(
    'shutdown',
    duration(0, hourMs, 3_000),
    'time for sessions and processes to end when the target stops',
  ),
  faults: row(
    'fault',
    { ...list<readonly string[]>('NAME[@RANGE]', [], 'none'), completions: faultNames() },
    'misbehave on purpose, to test clients; repeatable; see below',
  ),
};

/** All options of a target; times in milliseconds, sizes in bytes. */
export type TargetOptions = { [Key in keyof typeof rows]: (typeof rows)[Key]['default'] };

type OptionKey = keyof TargetOptions;

/** Every option with its member of the options, in the order of the help. */
export const optionTable = Object.entries(rows).map(([key, each]) =>
  Object.assign({ key: key as OptionKey }, each as OptionRow),
);

export const defaultOptions = Object.freeze(
  Object.fromEntries(optionTable.map((each) => [each.key, each.default])),
) as Readonly<TargetOptions>;

/** Invalid options; the message lists every problem. */
export class TargetOptionsError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'TargetOptionsError';
    this.problems = problems;
  }
}

/** Whether only this machine can reach an address. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/** The problems of a token for a target at this address, one sentence each, which do not show it. */
export const tokenProblems = (token: string, host: string): string[] => {
  // RFC 6750 §2.1: the characters allowed after "Bearer".
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(token)) {
    return ['expected letters, digits or - . _ ~ + / (RFC 6750), received other characters'];
  }
  const min = isLoopback(host) ? minTokenLength : minTokenLengthBeyondLoopback;
  if (token.length >= min) return [];
  return [`expected at least ${min} characters, received ${token.length}; openssl rand -hex 16 makes a good one`];
};

/** Every problem of the options, one sentence each, with the option's name first. */
export const optionProblems = (options: TargetOptions): string[] => {
  const problems: string[] = [];
  const complain = (name: string, problem: string | undefined): void => {
    if (problem !== undefined) problems.push(`--${name}: ${problem}`);
  };
  for (const each of optionTable) complain(each.name, each.problem(options[each.key]));
  if (options.host === '') complain('host', 'expected an address such as 127.0.0.1, received an empty text');
  if (options.token !== undefined) {
    for (const problem of tokenProblems(options.token, options.host)) complain('token', problem);
    if (options.anyUser) complain('any-user', 'expected this or a token, received both');
  }
  for (const origin of options.origins) {
    if (!isOrigin(origin)) {
      complain('origin', `expected an origin such as https://example.org, received ${JSON.stringify(origin)}`);
    }
  }
  for (const problem of allowListProblems(options.allow ?? ['echo'])) complain('allow', problem);
  for (const problem of faultProblems(options.faults, isLoopback(options.host))) complain('fault', problem);
  if (!isLoopback(options.host)) {
    const missing = [
      ...(options.token === undefined ? [`--token (or ${tokenVariable})`] : []),
      ...(options.allow === undefined ? ['--allow, for example --allow echo,ls'] : []),
    ];
    if (missing.length > 0) {
      complain(
        'host',
        `${JSON.stringify(options.host)} is beyond loopback, where anyone could run commands: also pass ${missing.join(' and ')}, or listen on 127.0.0.1`,
      );
    }
  }
  return problems;
};

const isOrigin = (text: string): boolean => {
  if (text === 'null') return true;
  return URL.canParse(text) && new URL(text).origin === text;
};

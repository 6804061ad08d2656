import { isIP } from 'node:net';
import { allowListProblems } from './allow-list.ts';
import { dialects, type DialectName } from './dialect.ts';
import { faultProblems } from './faults.ts';

/** All options of a target; times in milliseconds, sizes in bytes. */
export interface TargetOptions {
  host: string;
  port: number;
  dialect: DialectName;
  /** Names of the commands that may run; undefined allows every command. */
  allow: readonly string[] | undefined;
  token: string | undefined;
  /** Without a token, lets every user of this machine connect, and not only the one who runs the target. */
  anyUser: boolean;
  origins: readonly string[];
  maxSessions: number;
  maxChildren: number;
  maxMessageBytes: number;
  maxCommandBytes: number;
  maxLineBytes: number;
  highWaterBytes: number;
  heartbeatMs: number;
  pongTimeoutMs: number;
  sessionTimeoutMs: number;
  killGraceMs: number;
  shutdownMs: number;
  faults: readonly string[];
}

export const defaultOptions: Readonly<TargetOptions> = Object.freeze({
  host: '127.0.0.1',
  port: 8003,
  dialect: 'deployed',
  allow: undefined,
  token: undefined,
  anyUser: false,
  origins: [],
  maxSessions: 100,
  maxChildren: 200,
  maxMessageBytes: 1_048_576,
  maxCommandBytes: 65_536,
  maxLineBytes: 8_388_608,
  highWaterBytes: 262_144,
  heartbeatMs: 30_000,
  pongTimeoutMs: 60_000,
  sessionTimeoutMs: 3_600_000,
  killGraceMs: 10_000,
  shutdownMs: 3_000,
  faults: [],
});

/** One row of the table from which the command line, its help and the checks follow. */
export type OptionRow = {
  /** Name on the command line, without the dashes. */
  name: string;
  unit: string;
  description: string;
} & (
  | { type: 'text'; key: 'host' | 'token' }
  | { type: 'flag'; key: 'anyUser' }
  | { type: 'choice'; key: 'dialect'; choices: readonly string[] }
  | { type: 'list'; key: 'allow' | 'origins' | 'faults'; separator: string | undefined }
  | { type: 'integer'; key: 'port' | 'maxSessions' | 'maxChildren'; min: number; max: number }
  | { type: 'bytes'; key: Extract<keyof TargetOptions, `${string}Bytes`>; min: number; max: number }
  | { type: 'duration'; key: Extract<keyof TargetOptions, `${string}Ms`>; min: number; max: number }
);

const dayMs = 86_400_000;
/** Shorter tokens are quickly guessed. */
const minTokenLength = 4;
const minTokenLengthBeyondLoopback = 8;

/** Every option, in the order of the help. */
export const optionTable: readonly OptionRow[] = [
  {
    name: 'host',
    key: 'host',
    type: 'text',
    unit: 'address',
    description: 'address to listen on; an address beyond loopback also needs --token and --allow',
  },
  {
    name: 'port',
    key: 'port',
    type: 'integer',
    min: 0,
    max: 65_535,
    unit: 'port',
    description: 'port to listen on; 0 takes any free one',
  },
  {
    name: 'dialect',
    key: 'dialect',
    type: 'choice',
    choices: Object.keys(dialects),
    unit: 'deployed|documented',
    description: 'form of the protocol: the deployed service, or its documentation',
  },
  {
    name: 'allow',
    key: 'allow',
    type: 'list',
    separator: ',',
    unit: 'NAME,…',
    description:
      'the only commands that may run; the target checks every command word and refuses what it cannot judge',
  },
  {
    name: 'token',
    key: 'token',
    type: 'text',
    unit: 'secret',
    description:
      'bearer token that clients must send; prefer WS_STRESS_TARGET_TOKEN, because other users can see arguments',
  },
  {
    name: 'any-user',
    key: 'anyUser',
    type: 'flag',
    unit: '',
    description:
      'let every user of this machine run commands as you without a token, for example in a container of its own',
  },
  {
    name: 'origin',
    key: 'origins',
    type: 'list',
    separator: undefined,
    unit: 'ORIGIN',
    description: 'web origin that may connect, such as https://example.org; repeatable; other origins get 403',
  },
  {
    name: 'max-sessions',
    key: 'maxSessions',
    type: 'integer',
    min: 1,
    max: 100_000,
    unit: 'sessions',
    description: 'most sessions open at once; the target refuses more with an error and close 1008',
  },
  {
    name: 'max-children',
    key: 'maxChildren',
    type: 'integer',
    min: 1,
    max: 100_000,
    unit: 'processes',
    description: 'most commands alive at once, including those that are ending',
  },
  {
    name: 'max-message',
    key: 'maxMessageBytes',
    type: 'bytes',
    min: 1_024,
    max: 67_108_864,
    unit: 'bytes',
    description: 'longest message from a client; a longer one closes the session with 1009',
  },
  {
    name: 'max-command',
    key: 'maxCommandBytes',
    type: 'bytes',
    min: 1,
    max: 131_071,
    unit: 'bytes',
    description: 'longest command',
  },
  {
    name: 'max-line',
    key: 'maxLineBytes',
    type: 'bytes',
    min: 65_536,
    max: 268_435_456,
    unit: 'bytes',
    description: 'longest line of output sent as one numbered line; a longer line is sent in pieces of this length',
  },
  {
    name: 'high-water',
    key: 'highWaterBytes',
    type: 'bytes',
    min: 65_536,
    max: 268_435_456,
    unit: 'bytes',
    description:
      'the most output to buffer for a client; above it the target stops reading its process, which then blocks',
  },
  {
    name: 'heartbeat',
    key: 'heartbeatMs',
    type: 'duration',
    min: 1,
    max: dayMs,
    unit: 'duration',
    description: 'interval of the ping notification',
  },
  {
    name: 'pong-timeout',
    key: 'pongTimeoutMs',
    type: 'duration',
    min: 1,
    max: dayMs,
    unit: 'duration',
    description: 'time without a pong notification after which the target closes a session',
  },
  {
    name: 'session-timeout',
    key: 'sessionTimeoutMs',
    type: 'duration',
    min: 1,
    max: dayMs,
    unit: 'duration',
    description: 'longest life of a session',
  },
  {
    name: 'kill-grace',
    key: 'killGraceMs',
    type: 'duration',
    min: 0,
    max: 3_600_000,
    unit: 'duration',
    description: 'time between SIGTERM and SIGKILL',
  },
  {
    name: 'shutdown',
    key: 'shutdownMs',
    type: 'duration',
    min: 0,
    max: 3_600_000,
    unit: 'duration',
    description: 'time for sessions and processes to end when the target stops',
  },
  {
    name: 'fault',
    key: 'faults',
    type: 'list',
    separator: undefined,
    unit: 'NAME[@RANGE]',
    description: 'misbehave on purpose, to test clients; repeatable; see below',
  },
];

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
  const complain = (name: string, problem: string): void => {
    problems.push(`--${name}: ${problem}`);
  };
  for (const row of optionTable) {
    if (row.type === 'choice') {
      const value = options[row.key];
      if (!row.choices.includes(value)) {
        complain(row.name, `expected one of ${row.choices.join(', ')}, received ${JSON.stringify(value)}`);
      }
    } else if (row.type === 'integer' || row.type === 'bytes' || row.type === 'duration') {
      const value = options[row.key];
      if (!Number.isInteger(value) || value < row.min || value > row.max) {
        const unit = row.type === 'duration' ? ' milliseconds' : row.type === 'bytes' ? ' bytes' : '';
        complain(row.name, `expected a whole number from ${row.min} to ${row.max}${unit}, received ${value}`);
      }
    }
  }
  if (options.host === '') complain('host', 'expected an address such as 127.0.0.1, received an empty text');
  if (options.token !== undefined) {
    for (const problem of tokenProblems(options.token, options.host)) complain('token', problem);
  }
  if (options.token !== undefined && options.anyUser) complain('any-user', 'expected this or a token, received both');
  for (const origin of options.origins) {
    if (!isOrigin(origin)) {
      complain('origin', `expected an origin such as https://example.org, received ${JSON.stringify(origin)}`);
    }
  }
  for (const problem of allowListProblems(options.allow ?? ['echo'])) complain('allow', problem);
  for (const problem of faultProblems(options.faults, isLoopback(options.host))) complain('fault', problem);
  if (!isLoopback(options.host)) {
    const missing = [
      ...(options.token === undefined ? ['--token (or WS_STRESS_TARGET_TOKEN)'] : []),
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

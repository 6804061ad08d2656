import { suggestion } from '../text/suggestion.ts';
import { isObject } from '../jsonrpc/messages.ts';
import { expectedZones, parseZones, type CloudSettings } from './cloud.ts';
import { testNames } from './scenario-names.ts';

/** What a run is asked to do, checked and frozen. Times are milliseconds. */
export interface Settings {
  url: string;
  headers: Readonly<Record<string, string>>;
  insecure: boolean;
  rounds: readonly number[] | undefined;
  vus: number | undefined;
  durationMs: number | undefined;
  rate: number | undefined;
  /** Sessions that each VU carries; undefined for one. */
  fleet: number | undefined;
  pauseMs: number;
  commands: string;
  thresholds: string | undefined;
  ackTimeoutMs: number;
  messageTimeoutMs: number;
  sessionTimeoutMs: number;
  executeTimeoutS: number | undefined;
  only: readonly string[] | undefined;
  skip: readonly string[] | undefined;
  limitedUrl: string | undefined;
  downUrl: string;
  lines: number;
  width: number;
  allowedCommand: string;
  maxSessions: number | undefined;
  recoveryTimeoutMs: number;
  memoryDurationMs: number;
  leakBytes: number;
  /** The index of the cases that recovery replays. */
  recovery: string | undefined;
  helperUrl: string | undefined;
  helperToken: string | undefined;
  trace: 'off' | 'failures';
  records: 'off' | 'failures' | 'all';
  result: string | undefined;
  runId: string | undefined;
  /** Only set-up knows it: a VU's plan has none. */
  cloud?: CloudSettings;
}

/** One row of the settings table: how a setting is written and what it means. */
export interface SettingRow {
  /** In k6's `-e` and in the environment. */
  name: `STRESS_${string}`;
  /** On `ws-stress run`'s command line; a boolean's takes no value. */
  flag: `--${string}`;
  type:
    | 'text'
    | 'name'
    | 'url'
    | 'duration'
    | 'number'
    | 'count'
    | 'counts'
    | 'boolean'
    | 'headers'
    | 'file'
    | 'commands'
    | 'choice'
    | 'tests'
    | 'zones'
    | 'http';
  choices?: readonly string[];
  /** Largest count that is taken for meant, where it is not that of sessions. */
  max?: number;
  default?: string;
  unit?: string;
  description: string;
  example: string;
  /** Never shown, recorded or repeated in an error. */
  secret?: boolean;
  /** Says where something is or goes, and not what is done: no part of the run record. */
  unrecorded?: boolean;
}

/** Largest number of VUs, sessions of a round, or sessions a second that is taken for meant. */
const maxCount = 100_000;

/** The only place where settings are described: parsing, `--help`, docs/settings.md and error texts come from it. */
export const settingsTable = (): readonly SettingRow[] => [
  {
    name: 'STRESS_URL',
    flag: '--url',
    type: 'url',
    default: 'ws://localhost:8003/ws/mcp',
    description: 'Address of the service under test, ws:// or wss://',
    example: 'ws://localhost:8003/ws/mcp',
    unrecorded: true,
  },
  {
    name: 'STRESS_ROUNDS',
    flag: '--rounds',
    type: 'counts',
    description: "Sessions of each round; a round's sessions open together. Default: the scenario's own",
    example: '5,10,20',
  },
  {
    name: 'STRESS_VUS',
    flag: '--vus',
    type: 'count',
    description:
      'One round of so many sessions; with a duration, so many at a time, opened again and again; with a rate, the VUs held ready',
    example: '50',
  },
  {
    name: 'STRESS_DURATION',
    flag: '--duration',
    type: 'duration',
    description: 'How long sessions are opened, with STRESS_VUS or STRESS_RATE',
    example: '1m',
  },
  {
    name: 'STRESS_RATE',
    flag: '--rate',
    type: 'number',
    unit: 'sessions/s',
    description: 'Open model: sessions started a second, whatever the service does; needs STRESS_DURATION',
    example: '20',
  },
  {
    name: 'STRESS_FLEET',
    flag: '--fleet',
    type: 'count',
    max: 10_000,
    description: 'Sessions that each VU carries at once, over k6/websockets: for very many open sessions. Default: one',
    example: '100',
  },
  {
    name: 'STRESS_PAUSE',
    flag: '--pause',
    type: 'duration',
    default: '1s',
    description: 'Pause between rounds',
    example: '1s',
  },
  {
    name: 'STRESS_COMMANDS',
    flag: '--commands',
    type: 'commands',
    default: 'posix',
    description: 'Commands of the concurrent sessions: posix, python, or a JSON file (docs/command-sets.md)',
    example: 'python',
  },
  {
    name: 'STRESS_THRESHOLDS',
    flag: '--thresholds',
    type: 'file',
    description: 'Criteria to judge by, in place of the built-in thresholds.json (docs/thresholds.md)',
    example: './my-thresholds.json',
  },
  {
    name: 'STRESS_TOKEN',
    flag: '--token',
    type: 'text',
    description: 'Bearer token, sent as the Authorization header',
    example: '"$TOKEN"',
    secret: true,
  },
  {
    name: 'STRESS_HEADERS',
    flag: '--headers',
    type: 'headers',
    default: '{}',
    description: 'Further headers of the opening handshake, a JSON object of texts',
    example: '{"X-Team":"core"}',
    secret: true,
  },
  {
    name: 'STRESS_SUBPROTOCOL',
    flag: '--subprotocol',
    type: 'text',
    description: 'Sec-WebSocket-Protocol to ask for',
    example: 'mcp',
  },
  {
    name: 'STRESS_INSECURE',
    flag: '--insecure',
    type: 'boolean',
    default: 'false',
    description: "Do not verify the service's TLS certificate",
    example: 'true',
  },
  {
    name: 'STRESS_ACK_TIMEOUT',
    flag: '--ack-timeout',
    type: 'duration',
    default: '30s',
    description: 'Longest wait for the connected message, a response, or the pong before closing',
    example: '10s',
  },
  {
    name: 'STRESS_MESSAGE_TIMEOUT',
    flag: '--message-timeout',
    type: 'duration',
    default: '30s',
    description: 'Longest silence of a running command; heartbeats do not count',
    example: '30s',
  },
  {
    name: 'STRESS_SESSION_TIMEOUT',
    flag: '--session-timeout',
    type: 'duration',
    default: '2m',
    description: 'Longest session, from opening the connection',
    example: '2m',
  },
  {
    name: 'STRESS_EXECUTE_TIMEOUT',
    flag: '--execute-timeout',
    type: 'count',
    unit: 'seconds',
    description:
      'Sent as `timeout` with each execute. Default: none is sent, and the service limits a command as it likes',
    example: '60',
  },
  {
    name: 'STRESS_ONLY',
    flag: '--only',
    type: 'tests',
    description: 'The suite runs these scenarios only',
    example: 'single,concurrent',
  },
  {
    name: 'STRESS_SKIP',
    flag: '--skip',
    type: 'tests',
    description: 'The suite leaves these scenarios out',
    example: 'memory,service-down',
  },
  {
    name: 'STRESS_LIMITED_URL',
    flag: '--limited-url',
    type: 'url',
    description:
      'A second instance of the service, with an allow-list and a small session limit, for command-validation and session-limit. Default: STRESS_URL',
    example: 'ws://localhost:8013/ws/mcp',
    unrecorded: true,
  },
  {
    name: 'STRESS_DOWN_URL',
    flag: '--down-url',
    type: 'url',
    default: 'ws://127.0.0.1:1/ws/mcp',
    description: 'An address where nothing listens, for service-down',
    example: 'ws://127.0.0.1:1/ws/mcp',
    unrecorded: true,
  },
  {
    name: 'STRESS_LINES',
    flag: '--lines',
    type: 'count',
    max: 10_000_000,
    default: '10000',
    description: 'Lines that each session of high-output prints',
    example: '100000',
  },
  {
    name: 'STRESS_WIDTH',
    flag: '--width',
    type: 'count',
    max: 10_000_000,
    unit: 'characters',
    default: '100',
    description: 'How many x each of these lines ends with',
    example: '1000',
  },
  {
    name: 'STRESS_ALLOWED_COMMAND',
    flag: '--allowed-command',
    type: 'text',
    default: 'echo',
    description: "A command that the service's allow-list has and that prints its arguments, for command-validation",
    example: 'echo',
  },
  {
    name: 'STRESS_MAX_SESSIONS',
    flag: '--max-sessions',
    type: 'count',
    unit: 'sessions',
    description: "The service's session limit, for session-limit. Default: what its /health says",
    example: '3',
  },
  {
    name: 'STRESS_RECOVERY_TIMEOUT',
    flag: '--recovery-timeout',
    type: 'duration',
    default: '60s',
    description: 'How long service-down waits for the service to be back',
    example: '2m',
  },
  {
    name: 'STRESS_MEMORY_DURATION',
    flag: '--memory-duration',
    type: 'duration',
    default: '20s',
    description: 'How long memory puts load on the service, hours if you like',
    example: '1h',
  },
  {
    name: 'STRESS_LEAK_BYTES',
    flag: '--leak-bytes',
    type: 'count',
    max: 10_000_000,
    unit: 'bytes/session',
    default: '256',
    description: 'Growth of resident memory that is no leak yet, for memory',
    example: '1024',
  },
  {
    name: 'STRESS_RECOVERY',
    flag: '--recovery',
    type: 'file',
    description: 'The failures that recovery replays',
    example: './recovery/index.json',
    unrecorded: true,
  },
  {
    name: 'STRESS_HELPER_URL',
    flag: '--helper-url',
    type: 'http',
    description:
      'Where a helper stops and starts the service and reads its memory; ws-stress run serves one (docs/service-down.md)',
    example: 'http://127.0.0.1:39001',
    unrecorded: true,
  },
  {
    name: 'STRESS_HELPER_TOKEN',
    flag: '--helper-token',
    type: 'text',
    description: 'What the helper asks for',
    example: '"$TOKEN"',
    secret: true,
  },
  {
    name: 'STRESS_TRACE',
    flag: '--trace',
    type: 'choice',
    choices: ['off', 'failures'],
    default: 'off',
    description: 'Show the first and last messages of failed sessions',
    example: 'failures',
    unrecorded: true,
  },
  {
    name: 'STRESS_RECORDS',
    flag: '--records',
    type: 'choice',
    choices: ['off', 'failures', 'all'],
    default: 'off',
    description:
      'Print a record a session, of those that failed or of all, and one a case: lines of JSON (docs/records.md)',
    example: 'all',
    unrecorded: true,
  },
  {
    name: 'STRESS_RESULT',
    flag: '--result',
    type: 'file',
    description: "Write the run's verdict and figures to this JSON file",
    example: 'result.json',
    unrecorded: true,
  },
  {
    name: 'STRESS_RUN_ID',
    flag: '--run-id',
    type: 'name',
    description: 'Id of the run in records and results. Default: a random one',
    example: 'nightly-42',
    unrecorded: true,
  },
  {
    name: 'STRESS_CLOUD_NAME',
    flag: '--cloud-name',
    type: 'text',
    description: "Name of the run's load test in Grafana Cloud k6 (docs/cloud.md). Default: that of the scenario",
    example: 'nightly',
    unrecorded: true,
  },
  {
    name: 'STRESS_CLOUD_PROJECT',
    flag: '--cloud-project',
    type: 'count',
    max: Number.MAX_SAFE_INTEGER,
    description: "Id of the run's project in Grafana Cloud k6. Default: the stack's default project",
    example: '123456',
    unrecorded: true,
  },
  {
    name: 'STRESS_CLOUD_ZONES',
    flag: '--cloud-zones',
    type: 'zones',
    description: 'Load zones of Grafana Cloud k6 with their percents of the load. Default: the one that it chooses',
    example: 'amazon:us:ashburn=60,amazon:de:frankfurt=40',
    unrecorded: true,
  },
];

const maxDurationMs = 7 * 24 * 3600 * 1000;

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration as k6 writes it (`1m30s`, `500ms`) in milliseconds, or undefined where the text is none. */
export const parseDuration = (text: string): number | undefined => {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * (unitsMs[unit ?? ''] ?? 0);
  }
  return total;
};

/** The parts of a ws:// or wss:// address, or undefined where it is none. `origin` is of http:// or https://. */
export const parseUrl = (url: string): { secure: boolean; host: string; origin: string } | undefined => {
  const [, scheme, host, port] =
    /^(wss?):\/\/(\[[0-9a-f:.]+\]|[^\s/?#:@[\]]+)(?::(\d{1,5}))?(?:[/?][^\s#]*)?$/i.exec(url) ?? [];
  if (scheme === undefined || host === undefined) return undefined;
  if (/%(?![0-9a-f]{2})/i.test(url)) return undefined;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return undefined;
  const secure = scheme.toLowerCase() === 'wss';
  const authority = port === undefined ? host : `${host}:${port}`;
  return { secure, host: authority, origin: `${secure ? 'https' : 'http'}://${authority}` };
};

/** An address fit to be shown: without its query, which may hold a secret. */
export const shownUrl = (url: string): string => url.replace(/\?.*$/, '?…').replace(/\/\/[^/]*@/, '//…@');

const isToken = (text: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text);
// oxlint-disable-next-line no-control-regex -- a header's value holds no control characters (RFC 9110 §5.5)
const isFieldValue = (text: string): boolean => !/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text);

const parseHeaders = (text: string): Record<string, string> | string => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!isObject(value)) return 'a JSON object of texts';
  for (const [name, field] of Object.entries(value)) {
    if (!isToken(name)) return `header names of letters, digits and hyphens (not ${JSON.stringify(name)})`;
    if (typeof field !== 'string' || !isFieldValue(field)) return `a text without line ends as the value of ${name}`;
  }
  return value as Record<string, string>;
};

/** Whether a text can be a run's id, which names its folder too. */
export const isRunId = (text: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(text);

/** The settings that shape a run, as they were written, by name: what its record tells of them. */
export const recordedSettings = (env: Readonly<Record<string, string | undefined>>): Record<string, string> => {
  const recorded: Record<string, string> = {};
  for (const { name, secret, unrecorded } of settingsTable()) {
    const text = env[name];
    if (text && secret !== true && unrecorded !== true) recorded[name] = text;
  }
  return recorded;
};

type Parsed = { value: unknown } | { expected: string };

const parseValue = (row: SettingRow, text: string): Parsed => {
  switch (row.type) {
    case 'url':
      if (parseUrl(text)) return { value: text };
      return /^https?:/i.test(text)
        ? { expected: 'ws:// in place of http://, or wss:// in place of https://' }
        : { expected: 'an address with ws:// or wss://, a host and a path' };
    case 'count': {
      const value = /^\d+$/.test(text) ? Number(text) : 0;
      const { max = maxCount } = row;
      return value >= 1 && value <= max ? { value } : { expected: `a whole number from 1 to ${max}` };
    }
    case 'counts': {
      const values = text.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : 0));
      const fine = values.length <= 100 && values.every((value) => value >= 1 && value <= maxCount);
      return fine
        ? { value: values }
        : { expected: `whole numbers from 1 to ${maxCount}, parted by commas, at most 100` };
    }
    case 'number': {
      const value = /^\d+(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
      return value > 0 && value <= maxCount
        ? { value }
        : { expected: `a number from 0.001 to ${maxCount} with at most three decimals` };
    }
    case 'duration': {
      const value = parseDuration(text) ?? 0;
      return value >= 1 && value <= maxDurationMs ? { value } : { expected: 'a duration of 1ms to 168h with its unit' };
    }
    case 'boolean':
      return text === 'true' || text === 'false' ? { value: text === 'true' } : { expected: 'true or false' };
    case 'headers': {
      const value = parseHeaders(text);
      return typeof value === 'string' ? { expected: value } : { value };
    }
    case 'commands':
      return text === 'posix' || text === 'python' || text.endsWith('.json')
        ? { value: text }
        : { expected: 'posix, python, or the path of a .json file' };
    case 'http':
      return /^https?:\/\/[^\s/?#]+$/.test(text)
        ? { value: text }
        : { expected: 'an address such as http://127.0.0.1:39001, without a path' };
    case 'choice':
      return row.choices?.includes(text) === true ? { value: text } : { expected: row.choices?.join(' or ') ?? '' };
    case 'tests': {
      const tests = text.split(',').map((name) => name.trim());
      const unknown = tests.find((name) => !testNames.includes(name));
      if (unknown === undefined) return { value: tests };
      return { expected: `scenarios (${testNames.join(', ')}), parted by commas${suggestion(unknown, testNames)}` };
    }
    case 'zones': {
      const value = parseZones(text);
      return value ? { value } : { expected: expectedZones };
    }
    case 'file':
      return { value: text };
    case 'name':
      return isRunId(text)
        ? { value: text }
        : { expected: 'up to 100 letters, digits, hyphens, underscores and dots, the first no dot or hyphen' };
    case 'text':
    default:
      return isFieldValue(text) ? { value: text } : { expected: 'a text without line ends' };
  }
};

/**
 * Reads the settings from `STRESS_…` variables; an empty variable counts as absent. All problems come at once, each
 * with what was expected, what came, and an example; secret values are never repeated.
 */
export const parseSettings = (
  env: Readonly<Record<string, string | undefined>>,
): { settings: Settings; problems: string[] } => {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const table = settingsTable();
  const names = table.map((row) => row.name as string);
  for (const name of Object.keys(env)) {
    if (name.startsWith('STRESS_') && !names.includes(name)) {
      problems.push(`${name}: no such setting${suggestion(name, names)}`);
    }
  }
  for (const row of table) {
    const text = env[row.name] || row.default;
    if (text === undefined) continue;
    const parsed = parseValue(row, text);
    if ('value' in parsed) {
      values[row.name] = parsed.value;
      continue;
    }
    const shown = row.type === 'url' ? shownUrl(text) : text;
    const received = row.secret === true ? 'something else (not shown)' : JSON.stringify(shown);
    problems.push(`${row.name}: expected ${parsed.expected}, such as ${row.example}; received ${received}`);
  }
  const { STRESS_ROUNDS: rounds, STRESS_VUS: vus, STRESS_DURATION: duration, STRESS_RATE: rate } = env;
  if (rounds && (vus || duration || rate)) {
    problems.push('STRESS_ROUNDS: expected alone; it does not go with STRESS_VUS, STRESS_DURATION or STRESS_RATE');
  }
  if (rate && !duration)
    problems.push('STRESS_RATE: expected together with STRESS_DURATION, such as STRESS_DURATION=1m');
  if (env.STRESS_FLEET && rate) {
    problems.push('STRESS_FLEET: expected without STRESS_RATE, which starts sessions one by one');
  }
  const { STRESS_FLEET: fleet, STRESS_VUS: wholeVus } = values;
  if (duration && typeof fleet === 'number' && typeof wholeVus === 'number' && wholeVus % fleet > 0) {
    problems.push(
      `STRESS_FLEET: expected to divide STRESS_VUS where there is a STRESS_DURATION, such as ${wholeVus}; received "${fleet}"`,
    );
  }
  if (duration && !vus && !rate) {
    problems.push('STRESS_DURATION: expected together with STRESS_VUS or STRESS_RATE, such as STRESS_VUS=50');
  }
  // k6 takes no executor of less than a second, and an open model is cut half a period short of its duration.
  const shortest = rate ? 2000 : 1000;
  const { STRESS_DURATION: durationMs } = values;
  if (typeof durationMs === 'number' && durationMs < shortest && (vus || rate)) {
    problems.push(`STRESS_DURATION: expected at least ${shortest / 1000}s here, such as 1m; received "${duration}"`);
  }
  const headers: Record<string, string> = { ...(values.STRESS_HEADERS as Record<string, string> | undefined) };
  if (values.STRESS_TOKEN !== undefined) headers.Authorization = `Bearer ${values.STRESS_TOKEN as string}`;
  if (values.STRESS_SUBPROTOCOL !== undefined) headers['Sec-WebSocket-Protocol'] = values.STRESS_SUBPROTOCOL as string;
  const settings = {
    url: values.STRESS_URL,
    headers: Object.freeze(headers),
    insecure: values.STRESS_INSECURE,
    rounds: values.STRESS_ROUNDS,
    vus: values.STRESS_VUS,
    durationMs: values.STRESS_DURATION,
    rate: values.STRESS_RATE,
    fleet: values.STRESS_FLEET,
    pauseMs: values.STRESS_PAUSE,
    commands: values.STRESS_COMMANDS,
    thresholds: values.STRESS_THRESHOLDS,
    ackTimeoutMs: values.STRESS_ACK_TIMEOUT,
    messageTimeoutMs: values.STRESS_MESSAGE_TIMEOUT,
    sessionTimeoutMs: values.STRESS_SESSION_TIMEOUT,
    executeTimeoutS: values.STRESS_EXECUTE_TIMEOUT,
    only: values.STRESS_ONLY,
    skip: values.STRESS_SKIP,
    limitedUrl: values.STRESS_LIMITED_URL,
    downUrl: values.STRESS_DOWN_URL,
    lines: values.STRESS_LINES,
    width: values.STRESS_WIDTH,
    allowedCommand: values.STRESS_ALLOWED_COMMAND,
    maxSessions: values.STRESS_MAX_SESSIONS,
    recoveryTimeoutMs: values.STRESS_RECOVERY_TIMEOUT,
    memoryDurationMs: values.STRESS_MEMORY_DURATION,
    leakBytes: values.STRESS_LEAK_BYTES,
    recovery: values.STRESS_RECOVERY,
    helperUrl: values.STRESS_HELPER_URL,
    helperToken: values.STRESS_HELPER_TOKEN,
    trace: values.STRESS_TRACE,
    records: values.STRESS_RECORDS,
    result: values.STRESS_RESULT,
    runId: values.STRESS_RUN_ID,
    cloud: {
      name: values.STRESS_CLOUD_NAME,
      project: values.STRESS_CLOUD_PROJECT,
      zones: values.STRESS_CLOUD_ZONES,
    },
  } as Settings;
  return { settings: Object.freeze(settings), problems };
};

/** The text that refuses a run: every problem on a line of its own. */
export const refusal = (problems: readonly string[]): string =>
  [
    `${problems.length === 1 ? 'A setting is' : `${problems.length} settings are`} wrong; nothing was run.`,
    ...problems.map((problem) => `  - ${problem}`),
  ].join('\n');

import { plain } from '../text/visible.ts';
import { suggestion } from '../text/suggestion.ts';
import { isObject } from '../jsonrpc/messages.ts';
import { parsedJson } from '../text/json.ts';
import {
  isReservedHeader,
  isToken,
  mergeHeaders,
  parseSubprotocols,
  shownSubprotocols,
  subprotocolHeader,
} from './headers.ts';
import { looksLikeToken } from '../text/token.ts';
import { expectedZones, parseZones, type CloudSettings, type ZoneShare } from './cloud.ts';
import { withoutMark } from '../text/byte-order-mark.ts';

/** A setting's name in k6's `-e` and in the environment. */
export type SettingName = `STRESS_${string}`;

/** The command sets that STRESS_COMMANDS can name; any other is a file. */
export const shippedCommandSets = ['posix', 'python'] as const;

/** The headings under which help lists settings, the most wanted first. */
export const settingGroups = [
  'Target service',
  'Scenarios and load',
  'Criteria and results',
  'Time limits',
  'Cases and service control',
  'k6 and the rest',
] as const;

type SettingGroup = (typeof settingGroups)[number];

/** What a row of the table says of its setting. */
interface Row {
  /** Its heading in help. */
  group: SettingGroup;
  type: SettingType;
  choices?: readonly string[];
  /** The largest count accepted, where it is not that of sessions. */
  max?: number;
  default?: string;
  /** The default in help and docs, where it is not a value. */
  defaultInWords?: string;
  unit?: string;
  description: string;
  /** Where the default is none. */
  example?: string;
  /** Never shown, recorded or repeated in an error. */
  secret?: boolean;
  /** Says where something is or goes, and not what is done: no part of the run record. */
  unrecorded?: boolean;
}

/** One row of the settings table, with what follows from it. */
export interface SettingRow extends Row {
  /** Its member of the settings' values. */
  key: SettingKey;
  name: SettingName;
  example: string;
  /** On `ws-stress run`'s command line; a boolean's takes no value. */
  flag: `--${string}`;
}

/** The largest number of VUs, sessions of a round, or sessions a second that is accepted. */
const maxCount = 100_000;

/** The rows under a heading. */
const inGroup = <const Named extends Readonly<Record<string, Omit<Row, 'group'>>>>(group: SettingGroup, named: Named) =>
  Object.fromEntries(Object.entries(named).map(([key, row]) => [key, { ...row, group }])) as {
    [Key in keyof Named]: Named[Key] & { group: SettingGroup };
  };

/**
 * The only place where settings are described: name, type, parser, default, flag, `--help`, docs/settings.md, error texts
 * and the member of `Settings` come from a setting's row. Times are milliseconds. A function, so that no VU keeps the table.
 */
const rows = () =>
  ({
    ...inGroup('Target service', {
      url: {
        type: 'url',
        default: 'ws://localhost:8003/ws/mcp',
        description: 'Address of the service under test, ws:// or wss://',
        unrecorded: true,
      },
      token: {
        type: 'text',
        description: 'Bearer token, sent as the Authorization header',
        example: '"$TOKEN"',
        secret: true,
      },
      headers: {
        type: 'headers',
        default: '{}',
        description: 'Additional headers of the opening handshake, a JSON object of texts',
        example: '{"X-Team":"core"}',
        secret: true,
      },
      subprotocol: {
        type: 'subprotocols',
        description:
          'Subprotocol to request, as Sec-WebSocket-Protocol; several are separated by commas; a token among them is not shown',
        example: 'mcp',
      },
      insecure: {
        type: 'boolean',
        default: 'false',
        description: "Do not verify the service's TLS certificate",
        example: 'true',
      },
      limitedUrl: {
        type: 'url',
        description:
          'A second instance of the service, with an allow-list and a small session limit, for command-validation and session-limit',
        defaultInWords: 'that of --url (STRESS_URL)',
        example: 'ws://localhost:8013/ws/mcp',
        unrecorded: true,
      },
    }),
    ...inGroup('Scenarios and load', {
      rounds: {
        type: 'counts',
        description: "Sessions of each round; a round's sessions open together",
        defaultInWords: "the scenario's own",
        example: '5,10,20',
      },
      vus: {
        type: 'count',
        description:
          'Sessions of a single round; with a duration, sessions open at a time, opened again and again; with a rate, VUs kept ready',
        example: '50',
      },
      durationMs: {
        type: 'duration',
        description: 'How long to open sessions; needs --vus (STRESS_VUS) or --rate (STRESS_RATE)',
        example: '1m',
      },
      rate: {
        type: 'number',
        description:
          'Sessions to start per second, however slow the service is (open model); needs --duration (STRESS_DURATION)',
        example: '20',
      },
      fleet: {
        type: 'count',
        max: 10_000,
        description: 'Sessions that each VU opens at once, over k6/websockets, for very many open sessions',
        defaultInWords: '1',
        example: '100',
      },
      pauseMs: {
        type: 'duration',
        default: '1s',
        description: 'Pause between rounds',
      },
      commands: {
        type: 'commands',
        default: 'posix',
        description: 'Commands of the concurrent sessions: posix, python, or a JSON file (docs/command-sets.md)',
        example: 'python',
      },
      only: {
        type: 'scenarios',
        description: 'Scenarios of the suite to run; it leaves out the others',
        example: 'single,concurrent',
      },
      skip: {
        type: 'scenarios',
        description: 'Scenarios of the suite to leave out',
        example: 'memory,service-down',
      },
      lines: {
        type: 'count',
        max: 10_000_000,
        default: '10000',
        description: 'Lines that the command of high-output prints in each session',
        example: '100000',
      },
      width: {
        type: 'count',
        max: 10_000_000,
        default: '100',
        description: 'Number of x at the end of each of these lines',
        example: '1000',
      },
      memoryDurationMs: {
        type: 'duration',
        default: '20s',
        description: 'How long memory puts load on the service; hours are possible',
        example: '1h',
      },
    }),
    ...inGroup('Criteria and results', {
      thresholds: {
        type: 'file',
        description: 'Criteria of your own, which replace or extend the built-in thresholds.json (docs/thresholds.md)',
        example: './my-thresholds.json',
      },
      trace: {
        type: 'choice',
        choices: ['off', 'failures'],
        default: 'off',
        description: 'Show the first and last messages of failed sessions',
        example: 'failures',
        unrecorded: true,
      },
      records: {
        type: 'choice',
        choices: ['off', 'failures', 'all'],
        default: 'off',
        description:
          'Print a line of JSON for each session that failed, or for all, and for each case (docs/records.md)',
        defaultInWords: "all, into the run's folder, with ws-stress run; off with plain k6",
        example: 'all',
        unrecorded: true,
      },
      result: {
        type: 'file',
        description: "Write the run's verdict and figures to this JSON file",
        example: 'result.json',
        unrecorded: true,
      },
      runId: {
        type: 'name',
        description: 'Id of the run in records and results',
        defaultInWords: 'date, time and a random number',
        example: 'nightly-42',
        unrecorded: true,
      },
    }),
    ...inGroup('Time limits', {
      ackTimeoutMs: {
        type: 'duration',
        default: '30s',
        description: 'Longest wait for the connected message, a response, or the pong before closing',
        example: '10s',
      },
      messageTimeoutMs: {
        type: 'duration',
        default: '30s',
        description: 'Longest silence of a running command; heartbeats do not count',
      },
      sessionTimeoutMs: {
        type: 'duration',
        default: '2m',
        description: 'Longest session, from opening the connection',
      },
      executeTimeoutS: {
        type: 'count',
        unit: 'seconds',
        description: 'Time limit for each command, sent as `timeout` with execute',
        defaultInWords: 'none is sent, and the service decides',
        example: '60',
      },
      recoveryTimeoutMs: {
        type: 'duration',
        default: '60s',
        description: 'How long service-down waits until the service is back',
        example: '2m',
      },
    }),
    ...inGroup('Cases and service control', {
      downUrl: {
        type: 'url',
        default: 'ws://127.0.0.1:1/ws/mcp',
        description: 'An address where nothing listens, for service-down',
        unrecorded: true,
      },
      allowedCommand: {
        type: 'text',
        default: 'echo',
        description: "A command on the service's allow-list that prints its arguments, for command-validation",
      },
      maxSessions: {
        type: 'count',
        description: "The service's session limit, for session-limit",
        defaultInWords: 'what its /health says',
        example: '3',
      },
      leakBytes: {
        type: 'count',
        max: 10_000_000,
        unit: 'bytes/session',
        default: '256',
        description: 'Largest growth of resident memory that memory does not call a leak',
        example: '1024',
      },
      recovery: {
        type: 'file',
        description: 'Index of the kept failures that recovery replays',
        example: './stress-results/recovery/index.json',
        unrecorded: true,
      },
      helperUrl: {
        type: 'http',
        description:
          'Address of a helper that stops and starts the service and reads its memory; ws-stress run serves one (docs/service-down.md)',
        example: 'http://127.0.0.1:39001',
        unrecorded: true,
      },
      helperToken: {
        type: 'text',
        description: 'Bearer token of the helper',
        example: '"$TOKEN"',
        secret: true,
      },
    }),
    ...inGroup('k6 and the rest', {
      cloudName: {
        type: 'text',
        description: "Name of the run's load test in Grafana Cloud k6 (docs/cloud.md)",
        defaultInWords: 'from the scenario',
        example: 'nightly',
        unrecorded: true,
      },
      cloudProject: {
        type: 'count',
        max: Number.MAX_SAFE_INTEGER,
        description: "Id of the run's project in Grafana Cloud k6",
        defaultInWords: "the stack's default project",
        example: '123456',
        unrecorded: true,
      },
      cloudZones: {
        type: 'zones',
        description: 'Load zones of Grafana Cloud k6, each with its percentage of the load',
        defaultInWords: 'its choice',
        example: 'amazon:us:ashburn=60,amazon:de:frankfurt=40',
        unrecorded: true,
      },
    }),
  }) as const satisfies Readonly<Record<string, Row>>;

type Rows = ReturnType<typeof rows>;

/** The member of a setting's value. */
export type SettingKey = keyof Rows;

/** A setting's name, from its member: that of `ackTimeoutMs` is `STRESS_ACK_TIMEOUT`. */
const nameOf = (key: SettingKey): SettingName =>
  `STRESS_${key
    .replace(/(Ms|S)$/, '')
    .replace(/[A-Z]/g, '_$&')
    .toUpperCase()}`;

/** The flag of a setting on the command line. */
export const flagOf = (name: SettingName): `--${string}` =>
  `--${name.slice('STRESS_'.length).toLowerCase().replaceAll('_', '-')}`;

/** All settings, in the order in which help and docs list them. */
export const settingsTable = (): readonly SettingRow[] => {
  const table = Object.entries(rows()) as [SettingKey, Row][];
  return table.map(([key, row]) => {
    const name = nameOf(key);
    return Object.assign({ example: row.default ?? '', key, name, flag: flagOf(name) }, row);
  });
};

/** The type of a row's value: one of its choices, or what the parser of its type returns. */
type ValueOf<R extends Row> = R extends { choices: readonly (infer Choice)[] }
  ? Choice
  : Extract<ReturnType<(typeof parsers)[R['type']]>, { value: unknown }>['value'];

/** The value of each setting; undefined where it is absent and has no default. */
type Values = {
  readonly [Key in SettingKey]: Rows[Key] extends { default: string }
    ? ValueOf<Rows[Key]>
    : ValueOf<Rows[Key]> | undefined;
};

/** The settings that are part of another member of `Settings` alone. */
type Combined = 'token' | 'subprotocol' | 'cloudName' | 'cloudProject' | 'cloudZones';

/** What a run is asked to do, checked and frozen. Times are milliseconds. */
export interface Settings extends Omit<Values, Combined> {
  /** Those of the opening handshake, the token and the subprotocol among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Only set-up knows it: a VU's plan has none. */
  readonly cloud?: CloudSettings;
}

/** The settings that follow from several rows. */
const combine = ({ token, subprotocol, cloudName, cloudProject, cloudZones, ...values }: Values): Settings => ({
  ...values,
  headers: Object.freeze(
    mergeHeaders(
      values.headers,
      token === undefined ? undefined : { Authorization: `Bearer ${token}` },
      subprotocol === undefined ? undefined : { [subprotocolHeader]: subprotocol },
    ),
  ),
  cloud: { name: cloudName, project: cloudProject, zones: cloudZones },
});

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

/** Whether a host is written as a number, as `127.1` or `0x7f000001`: an address for Node, a name for k6. */
const isNumber = (host: string): boolean => /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i.test(host) && !isDottedQuad(host);

const isDottedQuad = (host: string): boolean => {
  const parts = host.split('.');
  return parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
};

/** The parts of a ws:// or wss:// address, or undefined where it is none. `origin` is of http:// or https://. */
export const parseUrl = (url: string): { secure: boolean; host: string; origin: string } | undefined => {
  const [, scheme, host, port] =
    /^(wss?):\/\/(\[[0-9a-f:.]+\]|[^\s/?#:@[\]]+)(?::(\d{1,5}))?(?:[/?][^\s#]*)?$/i.exec(url) ?? [];
  if (scheme === undefined || host === undefined) return undefined;
  if (/%(?![0-9a-f]{2})/i.test(url)) return undefined;
  if (isNumber(host)) return undefined;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return undefined;
  const secure = scheme.toLowerCase() === 'wss';
  const authority = port === undefined ? host : `${host}:${port}`;
  return { secure, host: authority, origin: `${secure ? 'https' : 'http'}://${authority}` };
};

/** Host and port, as what is between // and the path must be. */
const isAuthority = (text: string): boolean => /^(?:\[[^\]]*\]|[^@:[\]]*)(?::\d*)?$/.test(text);

/**
 * An address fit to be shown, whatever is wrong with it: without user, password, query and fragment, which may hold a secret, and what looks like a token in its path.
 */
export const shownUrl = (url: string): string => {
  const [, scheme = '', rest = ''] = /^([a-z][a-z\d+.-]*:\/\/)?([^]*)$/i.exec(url) ?? [];
  const [authority = ''] = /^[^/?#]*/.exec(rest) ?? [];
  const end = authority.length + rest.slice(authority.length).search(/[?#]|$/);
  // Where the password has a character that belongs behind the host, what is behind it may have an @ of its own.
  const at = isAuthority(authority) ? -1 : rest.lastIndexOf('@', authority.includes('@') ? end - 1 : undefined);
  const shown = at < 0 ? rest : `…@${rest.slice(at + 1)}`;
  const [, address = '', query = ''] = /^([^?#]*)([?#]?)/.exec(shown) ?? [];
  const [host = '', ...path] = address.split('/');
  const segments = path.map((segment) => (looksLikeToken(segment) ? '…' : segment));
  return `${scheme}${[host, ...segments].join('/')}${query === '' ? '' : `${query}…`}`;
};

/** A text in which each address is fit to be shown. */
export const withShownUrls = (text: string): string => text.replace(/\b[a-z][a-z\d+.-]*:\/\/[^\s"'`]+/gi, shownUrl);

// oxlint-disable-next-line no-control-regex -- a header's value holds no control characters (RFC 9110 §5.5)
const isFieldValue = (text: string): boolean => !/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text);

const expectedSubprotocols = 'a subprotocol, or different ones separated by commas,';

const parseHeaders = (text: string): Record<string, string> | string => {
  const value = parsedJson(withoutMark(text));
  if (!isObject(value)) return 'a JSON object of texts';
  for (const [name, field] of Object.entries(value)) {
    if (!isToken(name)) return `header names of letters, digits and hyphens (not ${JSON.stringify(name)})`;
    if (isReservedHeader(name)) {
      return `headers that STRESS_HEADERS may set: not ${name}, which the client sets itself for each connection`;
    }
    if (typeof field !== 'string' || !isFieldValue(field)) return `a text without line ends as the value of ${name}`;
    if (name.toLowerCase() === subprotocolHeader.toLowerCase() && parseSubprotocols(field) === undefined) {
      return `${expectedSubprotocols} as the value of ${name}`;
    }
  }
  return value as Record<string, string>;
};

/** Whether a text can be the name of a scenario, as its file, its bundle and its tag have it. */
const isScenarioName = (text: string): boolean => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text);

/** Whether a text can be a run's id, which names its folder too. */
export const isRunId = (text: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(text);

/** The settings that shape a run, as they were written, by name: what its record tells of them. */
export const recordedSettings = (env: Readonly<Record<string, string | undefined>>): Record<string, string> => {
  const recorded: Record<string, string> = {};
  for (const { name, type, secret, unrecorded } of settingsTable()) {
    const text = env[name];
    if (text && secret !== true && unrecorded !== true)
      recorded[name] = type === 'subprotocols' ? shownSubprotocols(text) : text;
  }
  return recorded;
};

type Parsed<Value> = { value: Value } | { expected: string };

/** What is expected of a setting's text, by its type, and the value that it becomes. */
const parsers = {
  text: (text: string): Parsed<string> =>
    isFieldValue(text) ? { value: text } : { expected: 'a text without line ends' },
  name: (text: string): Parsed<string> =>
    isRunId(text)
      ? { value: text }
      : { expected: 'up to 100 letters, digits, hyphens, underscores and dots, the first no dot or hyphen' },
  url: (text: string): Parsed<string> => {
    // Schemes are case-insensitive (RFC 3986 §3.1); from here on there is one spelling.
    if (parseUrl(text)) return { value: text.replace(/^wss?/i, (scheme) => scheme.toLowerCase()) };
    const [, host = ''] = /^wss?:\/\/([^/?#:]*)/i.exec(text) ?? [];
    if (isNumber(host)) return { expected: 'an address whose host is a name or a whole IP address' };
    return /^https?:/i.test(text)
      ? { expected: 'ws:// in place of http://, or wss:// in place of https://' }
      : { expected: 'an address with ws:// or wss://, a host and a path' };
  },
  http: (text: string): Parsed<string> =>
    /^https?:\/\/[^\s/?#]+$/.test(text)
      ? { value: text }
      : { expected: 'an address such as http://127.0.0.1:39001, without a path' },
  file: (text: string): Parsed<string> => ({ value: text }),
  commands: (text: string): Parsed<string> =>
    shippedCommandSets.some((name) => name === text) || text.endsWith('.json')
      ? { value: text }
      : { expected: 'posix, python, or the path of a .json file' },
  choice: (text: string, { choices = [] }: Row): Parsed<string> =>
    choices.includes(text) ? { value: text } : { expected: choices.join(' or ') },
  boolean: (text: string): Parsed<boolean> =>
    text === 'true' || text === 'false' ? { value: text === 'true' } : { expected: 'true or false' },
  count: (text: string, { max = maxCount }: Row): Parsed<number> => {
    const value = /^\d+$/.test(text) ? Number(text) : 0;
    return value >= 1 && value <= max ? { value } : { expected: `a whole number from 1 to ${max}` };
  },
  counts: (text: string): Parsed<readonly number[]> => {
    const value = text.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : 0));
    const fine = value.length <= 100 && value.every((each) => each >= 1 && each <= maxCount);
    return fine ? { value } : { expected: `whole numbers from 1 to ${maxCount}, separated by commas, at most 100` };
  },
  number: (text: string): Parsed<number> => {
    const value = /^\d+(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
    return value > 0 && value <= maxCount
      ? { value }
      : { expected: `a number from 0.001 to ${maxCount} with at most three decimals` };
  },
  duration: (text: string): Parsed<number> => {
    const value = parseDuration(text) ?? 0;
    return value >= 1 && value <= maxDurationMs ? { value } : { expected: 'a duration of 1ms to 168h with its unit' };
  },
  headers: (text: string): Parsed<Readonly<Record<string, string>>> => {
    const value = parseHeaders(text);
    return typeof value === 'string' ? { expected: value } : { value };
  },
  subprotocols: (text: string): Parsed<string> => {
    if (!isFieldValue(text)) return { expected: 'a text without line ends' };
    const value = parseSubprotocols(text);
    return value === undefined ? { expected: expectedSubprotocols.slice(0, -1) } : { value };
  },
  scenarios: (text: string): Parsed<readonly string[]> => {
    const names = text.split(',').map((name) => name.trim());
    return names.every((name) => isScenarioName(name))
      ? { value: names }
      : { expected: 'names of scenarios, separated by commas' };
  },
  zones: (text: string): Parsed<readonly ZoneShare[]> => {
    const value = parseZones(text);
    return value ? { value } : { expected: expectedZones };
  },
};

type SettingType = keyof typeof parsers;

/** How the user spelled a setting, for an error that names it: `--vus` where it came as a flag. */
export type Spelling = (name: SettingName) => string;

/** Settings that came as variables. */
export const asVariables: Spelling = (name) => name;

/** The variable by which `ws-stress` names to k6 the settings that came as flags, separated by commas. */
export const flagsVariable = 'WS_STRESS_FLAGS';

/** The variable by which `ws-stress` has k6 write the run record to a second file, for where the first cannot be written. */
export const recordCopyVariable = 'WS_STRESS_RECORD_COPY';

/** The variable by which `ws-stress`, which prints the end of a run itself, keeps k6 from printing the summary: `off`. */
export const summaryVariable = 'WS_STRESS_SUMMARY';

/** How settings are spelled where k6 was started with `flagsVariable`, or by itself: those of `ws-stress` that no variable gave are flags. */
export const spellingFrom = (env: Readonly<Record<string, string | undefined>>): Spelling => {
  const flags = env[flagsVariable];
  if (flags === undefined) return asVariables;
  const names = flags.split(',');
  return (name) => (names.includes(name) || !env[name] ? flagOf(name) : name);
};

/** A setting with a value, as the user would write it. */
export const written = (spelled: string, value: string | number): string =>
  spelled.startsWith('--') ? `${spelled} ${value}` : `${spelled}=${value}`;

/** What is wrong with settings that do not go together. */
const conflicts = (
  given: Readonly<Record<string, string | undefined>>,
  { vus: wholeVus, fleet: wholeFleet, durationMs }: Partial<Values>,
  spelled: Spelling,
): string[] => {
  const { STRESS_ROUNDS: rounds, STRESS_VUS: vus, STRESS_DURATION: duration } = given;
  const { STRESS_RATE: rate, STRESS_FLEET: fleet } = given;
  const names = {
    rounds: spelled('STRESS_ROUNDS'),
    vus: spelled('STRESS_VUS'),
    duration: spelled('STRESS_DURATION'),
    rate: spelled('STRESS_RATE'),
    fleet: spelled('STRESS_FLEET'),
  };
  // k6 takes no executor of less than a second, and an open model is cut half a period short of its duration.
  const shortestMs = rate ? 2000 : 1000;
  const list: readonly [isConflict: unknown, problem: string][] = [
    [
      rounds && (vus || duration || rate),
      `${names.rounds}: expected alone; it does not go with ${names.vus}, ${names.duration} or ${names.rate}`,
    ],
    [
      rate && !duration,
      `${names.rate}: expected together with ${names.duration}, such as ${written(names.duration, '1m')}`,
    ],
    [fleet && rate, `${names.fleet}: expected without ${names.rate}, which starts sessions one by one`],
    [
      duration && wholeFleet !== undefined && wholeVus !== undefined && wholeVus % wholeFleet > 0,
      `${names.fleet}: expected to divide ${names.vus} where there is a ${names.duration}, such as ${wholeVus}; received "${wholeFleet}"`,
    ],
    [
      duration && !vus && !rate,
      `${names.duration}: expected together with ${names.vus} or ${names.rate}, such as ${written(names.vus, 50)}`,
    ],
    [
      durationMs !== undefined && durationMs < shortestMs && (vus || rate),
      `${names.duration}: expected at least ${shortestMs / 1000}s here, such as 1m; received "${duration}"`,
    ],
  ];
  return list.filter(([isConflict]) => Boolean(isConflict)).map(([, problem]) => problem);
};

/** The variables of which Kubernetes sets some for each Service of a namespace, by the end of their names. */
const serviceLinks = (): readonly [name: RegExp, value: RegExp][] => [
  [/^(STRESS.*)_SERVICE_HOST$/, /^[0-9A-Fa-f.:]+$|^None$/],
  [/^(STRESS.*)_SERVICE_PORT(?:_[A-Z0-9_]+)?$/, /^\d+$/],
  [/^(STRESS.*)_PORT_\d+_(?:TCP|UDP|SCTP)_ADDR$/, /^[0-9A-Fa-f.:]+$/],
  [/^(STRESS.*)_PORT_\d+_(?:TCP|UDP|SCTP)_PORT$/, /^\d+$/],
  [/^(STRESS.*)_PORT_\d+_(?:TCP|UDP|SCTP)_PROTO$/, /^(?:tcp|udp|sctp)$/],
  [/^(STRESS.*)_PORT(?:_\d+_(?:TCP|UDP|SCTP))?$/, /^(?:tcp|udp|sctp):\/\/\S+:\d+$/],
];

/** The Service for which Kubernetes set a variable, or undefined where the variable is none of that kind. */
const linkedService = (name: string, value: string | undefined): string | undefined => {
  for (const [ofName, ofValue] of serviceLinks()) {
    const [, service] = ofName.exec(name) ?? [];
    if (service !== undefined && ofValue.test(value ?? '')) return service.toLowerCase().replaceAll('_', '-');
  }
  return undefined;
};

/** Splits variables into those that a user may have set and, by Service, those that Kubernetes sets in each pod. */
const withoutServiceLinks = (
  env: Readonly<Record<string, string | undefined>>,
): { given: Readonly<Record<string, string | undefined>>; links: ReadonlyMap<string, readonly string[]> } => {
  const links = new Map<string, string[]>();
  const given: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(env)) {
    const service = name.startsWith('STRESS_') ? linkedService(name, value) : undefined;
    if (service === undefined) given[name] = value;
    else links.set(service, [...(links.get(service) ?? []), name]);
  }
  return { given, links };
};

const unknownSettings = (env: Readonly<Record<string, string | undefined>>, names: readonly string[]): string[] =>
  Object.keys(env)
    .filter((name) => name.startsWith('STRESS_') && !names.includes(name))
    .map((name) => `${name}: no such setting${suggestion(name, names)}`);

/** The value of a setting that is wrong, without what may be a secret. */
const shownSetting = ({ type }: SettingRow, text: string): string => {
  if (type === 'url' || type === 'http') return shownUrl(text);
  return type === 'subprotocols' ? shownSubprotocols(text) : withShownUrls(text);
};

/**
 * Reads the settings from `STRESS_…` variables; an empty variable counts as absent. All problems come at once, each
 * with the setting as the user spelled it, what was expected, what was received, and an example; secret values are never
 * repeated. What Kubernetes sets for a Service named stress-… is ignored, and a warning says so.
 */
export const parseSettings = (
  variables: Readonly<Record<string, string | undefined>>,
  spelled: Spelling = asVariables,
): { settings: Settings; problems: string[]; warnings: string[] } => {
  const table = settingsTable();
  const { given: env, links } = withoutServiceLinks(variables);
  const warnings = [...links].map(
    ([service, names]) =>
      `${names.toSorted().join(', ')}: ignored, for Kubernetes sets such variables for a Service named ${service}; "enableServiceLinks: false" in the pod's spec leaves them out`,
  );
  const problems = unknownSettings(
    env,
    table.map(({ name }) => name),
  );
  const values: Partial<Record<SettingKey, unknown>> = {};
  for (const row of table) {
    const text = env[row.name] || row.default;
    const parsed = text === undefined ? { value: undefined } : parsers[row.type](text, row);
    values[row.key] = 'value' in parsed ? parsed.value : undefined;
    if (text === undefined || 'value' in parsed) continue;
    const shown = shownSetting(row, text);
    const received = row.secret === true ? 'something else (not shown)' : JSON.stringify(shown);
    problems.push(`${spelled(row.name)}: expected ${parsed.expected}, such as ${row.example}; received ${received}`);
  }
  // The one place where the table's rows become its types: each value is under the key of its row.
  const checked = values as Values;
  problems.push(...conflicts(env, checked, spelled));
  return { settings: Object.freeze(combine(checked)), problems, warnings };
};

/** The text that refuses a run: every problem on a line of its own. */
export const refusal = (problems: readonly string[]): string =>
  [
    `${problems.length === 1 ? 'A setting is' : `${problems.length} settings are`} wrong; nothing was run.`,
    ...problems.map((problem) => `  - ${plain(problem)}`),
  ].join('\n');

import { asVariables, parseUrl, shownUrl, written, type Spelling } from './settings.ts';

/** The proxy of a connection, by Go's rules for environment variables, which are k6's. */
export interface Proxy {
  /** The variable that names it, as it is written there. */
  variable: string;
  /** http://, https:// or socks5://, with user and password where they are given. */
  url: string;
  /** Host and port, without user and password. */
  authority: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const isLoopback = (host: string): boolean =>
  host === 'localhost' || /^127(?:\.\d{1,3}){3}$/.test(host) || host === '::1';

const ipv4 = (text: string): number | undefined => {
  const bytes = /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) ? text.split('.').map(Number) : [];
  if (bytes.length !== 4 || bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((number, byte) => number * 256 + byte, 0);
};

const isInNetwork = (host: string, network: string): boolean => {
  const [base = '', bits] = network.split('/');
  const [address, first] = [ipv4(host), ipv4(base)];
  if (address === undefined || first === undefined || !/^\d{1,2}$/.test(bits ?? '') || Number(bits) > 32) return false;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(address / size) === Math.floor(first / size);
};

const hostAndPort = (text: string): { host: string; port: string | undefined } => {
  const [, bracketed, plain = text, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? [];
  return { host: bracketed ?? plain, port };
};

const isExcepted = (host: string, port: string, exceptions: string): boolean =>
  exceptions
    .split(',')
    .map((each) => each.trim().toLowerCase())
    .filter((each) => each !== '')
    .some((each) => {
      if (each === '*' || isInNetwork(host, each)) return true;
      const exception = hostAndPort(each);
      if (exception.port !== undefined && exception.port !== port) return false;
      const name = exception.host.replace(/^\*\./, '.');
      return name.startsWith('.') ? host.endsWith(name) : host === name || host.endsWith(`.${name}`);
    });

/** The proxy through which k6 reaches an address; never one for this machine itself. */
export const proxyOf = (url: string, env: Environment): Proxy | undefined => {
  const { secure, host: authority } = parseUrl(url) ?? { secure: false, host: '' };
  const { host: written, port = secure ? '443' : '80' } = hostAndPort(authority);
  const host = written.toLowerCase();
  const variables = secure ? ['HTTPS_PROXY', 'https_proxy'] : ['HTTP_PROXY', 'http_proxy'];
  const variable = variables.find((name) => env[name]);
  const value = variable === undefined ? undefined : env[variable];
  if (variable === undefined || value === undefined || isLoopback(host)) return undefined;
  if (isExcepted(host, port, env.NO_PROXY || env.no_proxy || '')) return undefined;
  const proxyUrl = /^(?:https?|socks5h?):\/\//i.test(value) ? value : `http://${value}`;
  const behindUser = proxyUrl.replace(/^[a-z0-9]+:\/\/(?:[^/?#]*@)?/i, '').replace(/[/?#][^]*$/, '');
  // Go, and so k6, ignores what is no address.
  if (!/^(?:\[[^\]]*\]|[^:[\]\s]+)(?::\d*)?$/.test(behindUser)) return undefined;
  return { variable, url: proxyUrl, authority: behindUser };
};

/** What the opening handshake was answered with, where not with 101; `reason` is a library's text where nothing came. */
export interface ConnectionFailure {
  status?: number;
  /** Of the answer. */
  location?: string;
  reason: string;
}

/** A refused handshake in words, for a session's outcome. */
export const describeRefusedHandshake = (status: number, location: string | undefined): string =>
  `expected status 101 to the opening handshake, received ${status}${location === undefined ? '' : `, Location ${shownUrl(location)}`}`;

/** A failure from the words of `describeRefusedHandshake`, or from those of a library. */
export const failureFrom = (reason: string): ConnectionFailure => {
  const [, status, location] = /opening handshake, received (\d{3})(?:, Location (\S+))?/.exec(reason) ?? [];
  return {
    reason,
    ...(status !== undefined && { status: Number(status) }),
    ...(location !== undefined && { location }),
  };
};

/** What explains a failure beside its own words. */
export interface FailureContext {
  url: string;
  /** The setting that has the address. */
  setting?: 'STRESS_URL' | 'STRESS_LIMITED_URL';
  spelled?: Spelling;
  proxy?: Proxy | undefined;
  /** Whether something listens on ::1 at the port of a service on localhost. */
  answersOnIPv6?: boolean;
}

/** What a failure to open a connection means: its kind, and what is said of it. */
export interface FailureMeaning {
  kind: string;
  /** What happened, without the library's words. */
  what: string;
  /** What to do. */
  advice: string;
}

type Explain = (context: Required<Pick<FailureContext, 'spelled'>> & FailureContext) => {
  what: string;
  advice: string;
};

const start: Explain = ({ spelled, setting = 'STRESS_URL' }) => ({
  what: '',
  advice: `Start the service there, or try the reference target: npx ws-stress target; another address: ${written(spelled(setting), 'ws://host:port/path')}`,
});

const saying =
  (what: string, advice: string): Explain =>
  () => ({ what, advice });

const certificate =
  (what: string, remedy: string): Explain =>
  ({ spelled }) => ({
    what,
    advice: `${remedy}, or verify none with ${written(spelled('STRESS_INSECURE'), 'true').replace(/ true$/, '')}`,
  });

const schemed = (url: string, scheme: string): string => shownUrl(url).replace(/^wss?:/i, `${scheme}:`);

/** The texts of Go (k6), of OpenSSL and of Node for one thing that can go wrong; the first row that matches explains it. */
const reasons = (): readonly [kind: string, texts: RegExp, explain: Explain][] => [
  [
    'blocked-by-k6',
    /is in a blacklisted range|is in a blocked pattern/i,
    saying(
      "k6's own options forbid it",
      "Check K6_BLACKLIST_IPS, K6_BLOCK_HOSTNAMES, --blacklist-ip, --block-hostnames and k6's configuration file",
    ),
  ],
  [
    'local-address',
    /bind: /,
    saying(
      'this machine lacks the address to connect from',
      "Check K6_LOCAL_IPS, --local-ips and k6's configuration file",
    ),
  ],
  [
    'certificate-expired',
    /certificate has expired|certificate is not yet valid/i,
    certificate('its TLS certificate is not valid at this time', "Renew it, check this machine's clock"),
  ],
  [
    'certificate-name',
    /x509: certificate is (?:valid for|not valid for any)|doesn't contain any IP SANs|legacy Common Name|altnames|Hostname\/IP does not match/i,
    certificate('its TLS certificate is for another name', 'Use a name that the certificate has'),
  ],
  [
    'client-certificate',
    /certificate required|bad certificate/i,
    saying(
      'it wants a TLS certificate of the client',
      'Use an address that needs none: ws-stress has no option for one',
    ),
  ],
  [
    'untrusted-certificate',
    /x509:|certificate/i,
    certificate('its TLS certificate cannot be verified', 'Trust its certificate with --ca FILE'),
  ],
  [
    'no-tls',
    /does not look like a TLS handshake|HTTP response to HTTPS client|wrong version number|packet length too long/i,
    ({ url }) => ({
      what: 'it does not speak TLS',
      advice: `It speaks no TLS: use ws:// in place of wss://, as in ${schemed(url, 'ws')}`,
    }),
  ],
  [
    'tls-port',
    /\\x15\\x03|HTTP request to an HTTPS server/i,
    ({ url }) => ({ what: 'it speaks TLS', advice: `Use wss:// in place of ws://, as in ${schemed(url, 'wss')}` }),
  ],
  [
    'no-such-host',
    /no such host|ENOTFOUND|EAI_AGAIN|server misbehaving|lookup \S+/i,
    (context) => ({ what: 'the name of its host cannot be resolved', advice: start(context).advice }),
  ],
  [
    'refused',
    /connection refused|ECONNREFUSED|actively refused/i,
    (context) =>
      context.answersOnIPv6 === true
        ? {
            what: 'nothing listens on 127.0.0.1',
            advice: `Something listens on ::1 only, and k6 takes the IPv4 address of a name: use ${shownUrl(context.url).replace(/localhost/i, '[::1]')}, or let the service listen on 127.0.0.1 too`,
          }
        : { what: 'connection refused', advice: start(context).advice },
  ],
  [
    'unreachable',
    /network is unreachable|no route to host|ENETUNREACH|EHOSTUNREACH/i,
    (context) => ({ what: 'its network cannot be reached from here', advice: start(context).advice }),
  ],
  ['timeout', /timeout|timed out|deadline exceeded|ETIMEDOUT|no answer/i, start],
  [
    'no-http',
    /EOF|malformed HTTP|socket hang up|Parse Error|reset|ECONNRESET|forcibly closed|ended without an answer/i,
    (context) => ({
      what: 'the connection ended without an answer',
      advice: `Something listens there, but speaks no plain HTTP: if it speaks TLS, use wss://; ${start(context).advice.replace(/^Start the service there, /, '')}`,
    }),
  ],
];

const ofStatus = (status: number, location: string | undefined): [kind: string, explain: Explain] => {
  if (status >= 300 && status < 400 && location !== undefined) {
    return [
      'redirect',
      ({ spelled, setting = 'STRESS_URL' }) => ({
        what: '',
        advice: `It redirects to ${shownUrl(location)}, and redirects are not followed: give the address that serves sessions with ${spelled(setting)}`,
      }),
    ];
  }
  if (status === 401 || status === 403) {
    return [
      'denied',
      ({ spelled }) => ({
        what: '',
        advice: `Check the path and the token (${written(spelled('STRESS_TOKEN'), '…')}) or headers (${written(spelled('STRESS_HEADERS'), '…')})`,
      }),
    ];
  }
  if (status < 200) {
    return [
      'interim',
      saying(
        '',
        'k6 takes an interim response (status 1xx) for the final one: let the service, or a proxy before it, send none',
      ),
    ];
  }
  if (status === 429) return ['busy', saying('', 'It limits how often it is asked: wait, or raise its limit')];
  if (status === 503) {
    return ['unavailable', saying('', "It, or a proxy before it, is not ready or has no room: see the service's log")];
  }
  if (status >= 500) return ['server-error', saying('', 'See the log of the service, or of a proxy before it')];
  return ['path', saying('', 'Check the path')];
};

const ofProxy = ({ variable, authority, url }: Proxy, reason: string): [kind: string, explain: Explain] | undefined => {
  const advice = `Start the proxy, unset ${variable}, or add the host of the service to NO_PROXY`;
  const dials =
    /proxyconnect|connection refused|ECONNREFUSED|no such host|ENOTFOUND|EAI_AGAIN|unreachable|no route|ETIMEDOUT/i;
  if (/unknown scheme|not supported/.test(reason)) {
    return [
      'proxy-kind',
      saying(
        `the proxy of ${variable} is of a kind that cannot be used`,
        `Expected http:// in ${variable}, received ${shownUrl(url)}`,
      ),
    ];
  }
  if (dials.test(reason)) return ['proxy-down', saying(`the proxy of ${variable} is not there: ${authority}`, advice)];
  // Gorilla keeps of the proxy's answer the text of its status alone.
  if (/^proxy answered|^[A-Z][a-z]+(?:[ -][A-Za-z]+)*$/.test(reason)) {
    return [
      'proxy-refused',
      saying(
        `the proxy of ${variable}, ${authority}, refuses to connect to it`,
        `Check what the proxy allows, unset ${variable}, or add the host of the service to NO_PROXY`,
      ),
    ];
  }
  return undefined;
};

/** What a failure to open a connection means. */
export const meaningOf = (failure: ConnectionFailure, context: FailureContext): FailureMeaning => {
  const whole = { ...context, spelled: context.spelled ?? asVariables };
  const { status, location, reason } = failure;
  const proxied = context.proxy && status === undefined ? ofProxy(context.proxy, reason) : undefined;
  const row =
    proxied ?? (status === undefined ? reasons().find(([, texts]) => texts.test(reason)) : ofStatus(status, location));
  if (row === undefined) return { kind: 'other', ...start(whole) };
  const explain = row.length === 3 ? row[2] : row[1];
  return { kind: row[0], ...explain(whole) };
};

/** Kinds of failure for which nobody was asked, or the one who was did answer. */
const isNoAbsence = /^(?:blocked-by-k6|local-address|no-tls|tls-port|proxy-.*|.*certificate.*)$/;

/** Why no session could be opened, and what to do: the same for k6 and Node but for the library's own words, in brackets. */
export const explainFailure = (failure: ConnectionFailure, context: FailureContext): string => {
  const { setting = 'STRESS_URL', spelled = asVariables } = context;
  const which = setting === 'STRESS_URL' ? '' : ` (${spelled(setting)})`;
  const at = `${shownUrl(context.url)}${which}`;
  const { status, reason } = failure;
  if (reason.startsWith('bad opening handshake')) return `The service at ${at} refuses a connection: ${reason}.`;
  const { kind, what, advice } = meaningOf(failure, context);
  if (status !== undefined) {
    return `The service at ${at} refuses a connection: it answered the opening handshake with status ${status} instead of 101. ${advice}.`;
  }
  const whole = what === '' ? reason : `${what} (${reason})`;
  const headline = isNoAbsence.test(kind) ? 'No connection to the service' : 'No service answers';
  return `${headline} at ${at}: ${whole}. ${advice}.`;
};

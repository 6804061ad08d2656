import { openWebSocket } from './connect.ts';
import { hide } from '../results/redact.ts';
import { plain } from '../text/visible.ts';
import { parsedJson } from '../text/json.ts';
import { ask, httpHeaders } from './http.ts';
import { askHandshake } from './service.ts';
import { explainFailure, proxyOf, type ConnectionFailure } from '../load/connection.ts';
import { parseUrl, shownUrl, type Settings, type Spelling } from '../load/settings.ts';

/** How long the service may take to answer before anything is run. */
const timeout = '10s';

/** What `/health` said of the service, where it said anything. */
export interface ServiceInfo {
  name?: string | undefined;
  version?: string | undefined;
}

const textOf = (value: unknown, secrets: readonly string[]): string | undefined =>
  typeof value === 'string' ? hide(value, secrets).slice(0, 80) : undefined;

/** Of a service that was not asked. */
export const unknownService: ServiceInfo = {};

/** What a service says of itself, and why `/health` says nothing where it should. */
interface Health {
  info: ServiceInfo;
  problem?: string;
}

const askHealth = (settings: Settings, origin: string, secrets: readonly string[]): Health => {
  const { status, body } = ask('GET', `${origin}/health`, httpHeaders(settings), timeout);
  if (status === 0) return { info: unknownService, problem: body };
  if (status !== 200) return { info: unknownService };
  const { service, version } = (parsedJson(body) ?? {}) as { service?: unknown; version?: unknown };
  return { info: { name: textOf(service, secrets), version: textOf(version, secrets) } };
};

const isTimeout = (problem: string): boolean => /timeout|deadline exceeded/.test(problem);

const tryHandshake = (settings: Settings, health: Health): ConnectionFailure | undefined => {
  // k6 waits a minute for the answer to a handshake, so a service that answers nothing is first asked by a request with a time limit.
  if (health.problem !== undefined && isTimeout(health.problem)) {
    const { status, body } = askHandshake(settings, settings.url, timeout);
    if (status === 0 && isTimeout(body)) return { reason: body };
  }
  const { status, error, location } = openWebSocket(settings, (socket) => socket.close(1000));
  if (error !== '') return { reason: error };
  return status === 101 ? undefined : { status, reason: '', ...(location !== undefined && { location }) };
};

/** Whether something answers on ::1 where nothing listens on the IPv4 address of localhost, the only one that k6 takes. */
const answersOnIPv6 = ({ url }: Settings, { reason }: ConnectionFailure): boolean => {
  const { origin = '' } = parseUrl(url) ?? {};
  if (!/^https?:\/\/localhost(?::|$)/i.test(origin) || !reason.includes('connection refused')) return false;
  const { status, body } = ask('GET', `${origin.replace(/localhost/i, '[::1]')}/health`, {}, '2s');
  return status !== 0 || !/^dial|refused|unreachable|cannot assign/.test(body);
};

/** A service that accepts connections. */
export interface FoundService {
  info: ServiceInfo;
  /** What the user should know of it. */
  warning?: string;
}

/**
 * Asks whether a service is there and accepts a connection, before any session is opened: the handshake decides, whatever
 * `/health` answers. Returns what it says of itself, or one message that says what is wrong and what to do.
 */
export const preflight = (
  settings: Settings,
  secrets: readonly string[],
  spelled: Spelling,
  setting: 'STRESS_URL' | 'STRESS_LIMITED_URL' = 'STRESS_URL',
): FoundService | string => {
  const { url } = settings;
  const health = askHealth(settings, parseUrl(url)?.origin ?? '', secrets);
  const failure = tryHandshake(settings, health);
  if (failure === undefined) {
    if (health.problem === undefined) return { info: health.info };
    const warning = `GET /health of ${shownUrl(url)} is not answered properly: ${plain(hide(health.problem, secrets))}; its sessions work, but its name and version are not known.`;
    return { info: health.info, warning };
  }
  // Of a connection through a proxy k6/ws shows the address alone; the HTTP client says that it was the proxy's.
  const reason = health.problem?.startsWith('proxyconnect') === true ? health.problem : failure.reason;
  const text = explainFailure(
    { ...failure, reason },
    { url, setting, spelled, proxy: proxyOf(url, __ENV), answersOnIPv6: answersOnIPv6(settings, failure) },
  );
  return plain(hide(text, secrets));
};

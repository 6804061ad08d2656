import { openWebSocket } from './connect.ts';
import { hide } from '../results/redact.ts';
import { parsedJson } from '../text/json.ts';
import { ask, httpHeaders } from './http.ts';
import { parseUrl, shownUrl, type Settings } from '../load/settings.ts';

/** How long the service may take to answer before anything is run. */
const timeout = '10s';

/** What `/health` said of the service, where it said anything. */
export interface ServiceInfo {
  name?: string | undefined;
  version?: string | undefined;
}

const start = (setting: string): string =>
  `Start the service there, or try the reference target: npx ws-stress target; another address: -e ${setting}=ws://host:port/path`;

const textOf = (value: unknown, secrets: readonly string[]): string | undefined =>
  typeof value === 'string' ? hide(value, secrets).slice(0, 80) : undefined;

/** Of a service that was not asked. */
export const unknownService: ServiceInfo = {};

/** A service need not speak plain HTTP: where it breaks the request off, the handshake decides. */
const brokenOff = /EOF|malformed HTTP|connection reset/;

const askHealth = (settings: Settings, origin: string, secrets: readonly string[]): ServiceInfo | string => {
  const { status, body } = ask('GET', `${origin}/health`, httpHeaders(settings), timeout);
  if (status === 0) return brokenOff.test(body) ? unknownService : body;
  if (status !== 200) return unknownService;
  const { service, version } = (parsedJson(body) ?? {}) as { service?: unknown; version?: unknown };
  const name = textOf(service, secrets);
  const ofVersion = textOf(version, secrets);
  // Set-up data is JSON, which turns an undefined member to null.
  return { ...(name !== undefined && { name }), ...(ofVersion !== undefined && { version: ofVersion }) };
};

const handshakeProblem = (settings: Settings): string | undefined => {
  const response = openWebSocket(settings, (socket) => socket.close(1000));
  if (response.error !== '') return `${response.error}.`;
  if (response.status === 101) return undefined;
  const hint =
    response.status === 401 || response.status === 403
      ? ' Check the path and the token (-e STRESS_TOKEN=…) or headers (-e STRESS_HEADERS=…).'
      : ' Check the path.';
  return `it answered the opening handshake with status ${response.status} instead of 101.${hint}`;
};

/**
 * Asks whether a service is there and accepts a connection, before any session is opened. Returns what it says of
 * itself, or one message that says what is wrong and what to do.
 */
export const preflight = (
  settings: Settings,
  secrets: readonly string[],
  setting = 'STRESS_URL',
): ServiceInfo | string => {
  const { origin } = parseUrl(settings.url) ?? { origin: '' };
  const shown = shownUrl(settings.url);
  const info = askHealth(settings, origin, secrets);
  if (typeof info === 'string') {
    const advice = /HTTP response to HTTPS client/.test(info)
      ? 'It speaks no TLS: use ws:// in place of wss://'
      : start(setting);
    const which = setting === 'STRESS_URL' ? '' : ` (${setting})`;
    return `No service answers at ${shown}${which}: ${hide(info, secrets)}. ${advice}.`;
  }
  const problem = handshakeProblem(settings);
  return problem === undefined ? info : `The service at ${shown} refuses a connection: ${hide(problem, secrets)}`;
};

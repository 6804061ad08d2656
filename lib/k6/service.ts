import { isObject } from '../jsonrpc/messages.ts';
import { plain } from '../text/visible.ts';
import { parsedJson } from '../text/json.ts';
import { noReading, quantities, readMemory, type MemoryReading } from '../memory/reading.ts';
import { parseUrl, type Settings } from '../load/settings.ts';
import { ask, httpHeaders, type Answer } from './http.ts';

const get = (settings: Settings, url: string, path: string): string | undefined => {
  const { status, body } = ask('GET', `${parseUrl(url)?.origin}${path}`, httpHeaders(settings));
  return status === 200 ? body : undefined;
};

/** What `/health` says of sessions, as far as it says anything. */
export const sessionsOf = (settings: Settings, url: string): { active?: number; most?: number } => {
  const health = parsedJson(get(settings, url, '/health') ?? '');
  const { active_sessions: active, max_sessions: most } = isObject(health) ? health : {};
  return { ...(typeof active === 'number' && { active }), ...(typeof most === 'number' && { most }) };
};

/** The answer to an opening handshake sent as an HTTP request, which has a time limit; its connection is dropped. */
export const askHandshake = (settings: Settings, url: string, most?: string): Answer => {
  const { origin } = parseUrl(url) ?? { origin: '' };
  const path = url.replace(/^wss?:\/\/[^/?]*/i, '');
  const headers = {
    ...settings.headers,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'd3Mtc3RyZXNzIHZhbmlzaA==',
  };
  const answer = ask('GET', origin + path, headers, most);
  // k6 does not know what to do with an upgraded connection, says so, and drops it: nothing else shows that it was one.
  const isUpgraded = answer.status === 0 && answer.body.startsWith('unsupported response status: 101');
  return isUpgraded ? { status: 101, body: '' } : answer;
};

/** A client that goes without a close frame: the opening handshake, and then the connection is dropped. Returns why not. */
export const vanish = (settings: Settings, url: string): string | undefined => {
  const { status, body } = askHandshake(settings, url);
  if (status === 101) return undefined;
  return status === 0 ? body : `the opening handshake was answered with status ${status}`;
};

/** The helper that the command line serves; it can do what a script can't. */
export interface Helper {
  canRestart: boolean;
  /** Makes the service go away; throws where that failed. */
  stop: () => void;
  /** Starts it again; returns why that failed. */
  start: () => string | undefined;
}

const askHelper = ({ helperUrl, helperToken }: Settings, method: 'GET' | 'POST', path: string): Answer =>
  ask(method, `${helperUrl}${path}`, { Authorization: `Bearer ${helperToken}` }, '60s');

/** What the helper says is wrong. */
const errorOf = ({ status, body }: Answer): string => {
  if (status === 0) return plain(body);
  const [, error] = /^\{"error":(".*")\}$/.exec(body) ?? [];
  return error === undefined ? `status ${status}: ${plain(body.slice(0, 200))}` : plain(String(JSON.parse(error)));
};

/** The helper of the settings, if they name one; throws where it does not answer. */
export const helperOf = (settings: Settings): Helper | undefined => {
  if (settings.helperUrl === undefined) return undefined;
  const answer = askHelper(settings, 'GET', '/capabilities');
  if (answer.status !== 200) throw new Error(`STRESS_HELPER_URL ${settings.helperUrl}: ${errorOf(answer)}`);
  const { stop, start } = JSON.parse(answer.body) as { stop?: boolean; start?: boolean };
  const act = (path: string): string | undefined => {
    const acted = askHelper(settings, 'POST', path);
    return acted.status === 200 ? undefined : errorOf(acted);
  };
  return {
    canRestart: stop === true && start === true,
    stop: () => {
      const failure = act('/stop');
      if (failure !== undefined) throw new Error(`the service could not be stopped: ${failure}`);
    },
    start: () => act('/start'),
  };
};

const merged = (from: readonly (() => string | undefined)[]): MemoryReading => {
  const reading: MemoryReading = { ...noReading };
  for (const source of from) {
    const told = readMemory(source() ?? '');
    for (const quantity of quantities) reading[quantity] ??= told[quantity];
  }
  return reading;
};

/** Why memory can't be judged where nobody tells it. */
export const noFigures = 'no figures of its memory: neither /metrics nor --target-pid tells them';

/**
 * Reads the service's memory, sessions and children from wherever they can be had: the helper, `/metrics`, `/health`.
 * Undefined where its memory can't be had at all.
 */
export const memoryReader = (settings: Settings): (() => MemoryReading) | undefined => {
  const sources: (() => string | undefined)[] = [
    () => {
      const { status, body } = askHelper(settings, 'GET', '/process');
      return status === 200 ? body.replace('residentBytes', 'rss_bytes') : undefined;
    },
    () => get(settings, settings.url, '/metrics'),
    () => get(settings, settings.url, '/health'),
  ].slice(settings.helperUrl === undefined ? 1 : 0);
  const useful = sources.filter((source) => Object.values(merged([source])).some((value) => value !== undefined));
  return merged(useful).residentBytes === undefined ? undefined : () => merged(useful);
};

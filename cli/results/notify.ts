import http from 'node:http';
import https from 'node:https';
import { parseSettings } from '../../lib/load/settings.ts';
import { closingOf } from '../../lib/results/closing.ts';
import { hide } from '../../lib/results/redact.ts';
import type { Result } from '../../lib/results/result-schema.ts';
import { secretsOf } from '../../lib/results/secrets.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { creating } from '../shared/node-connect.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';

export const notifyFormats = ['json', 'slack'] as const;
type NotifyFormat = (typeof notifyFormats)[number];

/** What is wrong with the address of a webhook and its format. The address is a secret and is not shown. */
export const notifyProblems = (url: string | undefined, format: string | undefined): string[] => {
  const isUrl = url === undefined || (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol));
  return [
    ...(isUrl ? [] : ['--notify: expected an address such as https://hooks.example.org/path']),
    ...(format !== undefined && !notifyFormats.some((each) => each === format)
      ? [`--notify-format: expected ${notifyFormats.join(' or ')}, received ${format}`]
      : []),
    ...(format !== undefined && url === undefined ? ['--notify-format: expected together with --notify'] : []),
  ];
};

const formatOf = (url: URL, asked: string | undefined): NotifyFormat => {
  if (asked === 'json' || asked === 'slack') return asked;
  return url.hostname === 'hooks.slack.com' ? 'slack' : 'json';
};

/** A text in which Slack finds no mention and no link. */
const ofSlack = (text: string): string =>
  printable(text, outcomeCharacters).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const slackText = (result: Result): string => {
  const { sentence, causes, more, proven } = closingOf(result);
  return [
    `*${ofSlack(sentence)}*`,
    ofSlack(`ws-stress ${result.test}, run ${result.run}, ${result.url}`),
    ...proven.map((each) => `• ${ofSlack(each)}`),
    ...causes.flatMap(({ sentence: cause, lines }) =>
      [`• ${ofSlack(cause)}`].concat(lines.map(({ label, text }) => `    ${label}: ${ofSlack(text)}`)),
    ),
    ...(more === undefined ? [] : [`• and ${ofSlack(more)}`]),
  ].join('\n');
};

/** Whatever texts a value holds, without secrets. */
const hidden = (value: unknown, secrets: readonly string[]): unknown => {
  if (typeof value === 'string') return hide(value, secrets);
  if (Array.isArray(value)) return value.map((each) => hidden(each, secrets));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, hidden(each, secrets)]));
};

/** A result as a webhook receives it: without traces, which may be long, and without secrets. */
const payloadOf = (result: Result, format: NotifyFormat, secrets: readonly string[]): string => {
  const shown = hidden(result, secrets) as Result;
  return format === 'slack'
    ? JSON.stringify({ text: slackText(shown) })
    : JSON.stringify(shown, (name, value: unknown) => (name === 'trace' ? undefined : value));
};

const post = (url: URL, body: string, timeoutMs: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const isSecure = url.protocol === 'https:';
    const webSocketUrl = `${isSecure ? 'wss' : 'ws'}://${url.host}/`;
    const request = (isSecure ? https : http).request(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
      signal: AbortSignal.timeout(timeoutMs),
      // Through the proxies and with the certificates that k6 uses too.
      createConnection: creating({ url: webSocketUrl, headers: {}, insecure: false }, timeoutMs),
      agent: false,
    });
    request.once('error', reject);
    request.once('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.end(body);
  });

/** Posts a result to a webhook; returns the message for the user. A failure is only reported. */
export const notify = async (
  result: Result,
  address: string,
  format: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  timeoutMs = 10_000,
): Promise<string> => {
  const url = new URL(address);
  const where = `${url.protocol}//${url.host}`;
  const failure = (why: string): string =>
    `warning: the result could not be posted to ${where}: ${why}; the verdict stays ${result.verdict}`;
  try {
    const secrets = secretsOf(parseSettings(env).settings, env);
    const status = await post(url, payloadOf(result, formatOf(url, format), secrets), timeoutMs);
    return status >= 200 && status < 300 ? `result posted to ${where}` : failure(`status ${status}`);
  } catch (error) {
    const isLate = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
    return failure(isLate ? `no answer within ${timeoutMs / 1000} s` : printable(innermostMessage(error), 300));
  }
};

import { secretSubprotocols, subprotocolHeader } from '../load/headers.ts';
import type { Settings } from '../load/settings.ts';
import { looksLikeToken } from '../text/token.ts';
import { visible } from '../text/visible.ts';

/** A value of a setting that is no secret by its name is one from this length on. */
const shortest = 4;

/** Names of headers and parameters whose value is a secret however short it is. */
const secretName = /auth|token|key|secret|pass|pwd|sig|cookie|credential|session|jwt|code/i;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The bytes of a text in UTF-8, each as a character. */
const bytesOf = (text: string): string =>
  encodeURIComponent(wellFormed(text)).replace(/%([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );

/** Without halves of surrogate pairs, which no encoding takes. */
const wellFormed = (text: string): string =>
  text.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\uFFFD');

const base64 = (text: string): string => {
  const bytes = bytesOf(text);
  let encoded = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b = 0, c = 0] = [0, 1, 2].map((offset) => bytes.charCodeAt(at + offset) || 0);
    const group = (a << 16) | (b << 8) | c;
    for (const shift of [18, 12, 6, 0]) encoded += alphabet[(group >> shift) & 63] ?? '';
  }
  const padding = (3 - (bytes.length % 3)) % 3;
  return padding === 0 ? encoded : encoded.slice(0, -padding);
};

/** The text of which this is the Base64 form, or undefined where it is none. */
const fromBase64 = (encoded: string): string | undefined => {
  const digits = encoded.replace(/=+$/, '').replaceAll('-', '+').replaceAll('_', '/');
  if (!/^[A-Za-z0-9+/]+$/.test(digits)) return undefined;
  let bits = 0;
  let held = 0;
  let bytes = '';
  for (const digit of digits) {
    bits = ((bits << 6) | alphabet.indexOf(digit)) & 0xff_ff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += String.fromCharCode((bits >> held) & 0xff);
  }
  const percent = Array.from(bytes, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
  return decoded(percent) ?? bytes;
};

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);

const escaped = (text: string, characters: RegExp): string =>
  text.replace(characters, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** As a JSON text has it: written by JavaScript, by Python, which escapes what is not ASCII, and by Go, which escapes <, > and &. */
const jsonForms = (text: string): string[] => {
  const written = inJson(text);
  const ascii = escaped(written, /[\u0080-\uFFFF]/g);
  return [written, visible(written), ascii, escaped(written, /[<>&]/g), written.replaceAll('/', String.raw`\/`)];
};

/** As a page of HTML has it. */
const htmlForm = (text: string, quote = '&#39;'): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", quote);

/** As an address has it. */
const addressForms = (text: string): string[] => {
  const encoded = encodeURIComponent(wellFormed(text));
  const lower = encoded.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase());
  const strict = encoded.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  return [encoded, lower, strict, encoded.replaceAll('%20', '+'), encodeURI(wellFormed(text))];
};

/** A text as others may write it. */
const formsOf = (text: string): string[] => {
  const plain = [text, text.trim(), ...(decoded(text) === undefined ? [] : [decoded(text) ?? ''])];
  const spaced = decoded(text.replaceAll('+', ' '));
  if (spaced !== undefined) plain.push(spaced);
  const forms: string[] = [];
  for (const each of plain) {
    const encoded = base64(each);
    const padded = encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=');
    const inAddresses = encoded.replaceAll('+', '-').replaceAll('/', '_');
    for (const form of [each, bytesOf(each), padded, encoded, inAddresses, ...addressForms(each)]) {
      forms.push(form, htmlForm(form), htmlForm(form, '&#x27;'), ...jsonForms(form), ...jsonForms(inJson(form)));
    }
  }
  return forms;
};

/** A secret, and whether it is one for sure: not only the value of a parameter or a header like any other. */
interface Secret {
  text: string;
  isSure: boolean;
}

const sure = (text: string): Secret => ({ text, isSure: true });

/** A user and password: both together, and the password. */
const ofCredentials = (credentials: string): Secret[] => {
  const password = /^[^:]*:([\s\S]*)$/.exec(credentials)?.[1];
  return [sure(credentials), ...(password === undefined ? [] : [sure(password)])];
};

/** The parts of a header's value that a service may take apart: behind the scheme, and of cookies and parameters. */
const ofSecretHeader = (value: string): Secret[] => {
  const [, scheme = '', rest = value] = /^([A-Za-z][\w-]*) +([\s\S]+)$/.exec(value) ?? [];
  const parts = rest
    .split(/[;,\s]+/)
    .map((part) => part.replace(/^[\w.-]+=(?=.)/, '').replace(/^"(.*)"$/, '$1'))
    .filter((part) => part.length >= shortest);
  const basic = scheme.toLowerCase() === 'basic' ? fromBase64(rest) : undefined;
  return [value, rest, ...parts].map(sure).concat(basic === undefined ? [] : ofCredentials(basic));
};

const named = (name: string, text: string): Secret => ({ text, isSure: secretName.test(name) });

const ofHeaders = (headers: Readonly<Record<string, string>>): Secret[] =>
  Object.entries(headers).flatMap(([name, value]) =>
    name === subprotocolHeader
      ? secretSubprotocols(value).map(sure)
      : secretName.test(name) || /^(?:Bearer|Basic) /i.test(value)
        ? ofSecretHeader(value)
        : [named(name, value)],
  );

const ofAddress = (address: string): Secret[] => {
  const [, userinfo] = /^[a-z\d]+:\/\/([^/?#]*)@/i.exec(address) ?? [];
  const segments = /^[^?#]*/.exec(address)?.[0].split('/').slice(3).filter(looksLikeToken) ?? [];
  const query = /\?([^#]*)/.exec(address)?.[1] ?? '';
  const parameters = query.split(/[&;]/).map((parameter): Secret => {
    const [, name = '', value = parameter] = /^([^=]*)=([\s\S]*)$/.exec(parameter) ?? [];
    return named(name, value);
  });
  return [
    ...(userinfo === undefined ? [] : ofCredentials(decoded(userinfo) ?? userinfo)),
    ...segments.map(sure),
    ...parameters,
  ];
};

/** The settings that hold secrets, or may. */
export type SecretSettings = Pick<Settings, 'url' | 'headers'> &
  Partial<Pick<Settings, 'limitedUrl' | 'downUrl' | 'helperUrl' | 'helperToken'>>;

type Environment = Readonly<Record<string, string | undefined>>;

/** User and password of each proxy that the environment names; without a scheme it is one of HTTP. */
const ofProxies = (env: Environment): Secret[] =>
  ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) =>
    [env[name], env[name.toLowerCase()]].flatMap((proxy) =>
      proxy ? ofAddress(proxy.includes('://') ? proxy : `http://${proxy}`) : [],
    ),
  );

const formsOfAll = (secrets: readonly Secret[]): string[] => {
  const counting = secrets.filter(({ text, isSure }) => text.length >= (isSure ? 1 : shortest));
  const forms = counting.flatMap(({ text }) =>
    formsOf(text).filter((form) => form === text || form.length >= Math.min(shortest, text.length)),
  );
  return [...new Set(forms)].filter((form) => form !== '').toSorted((a, b) => b.length - a.length);
};

const allOf = (
  { url, limitedUrl, downUrl, helperUrl, headers, helperToken = '' }: SecretSettings,
  env: Environment,
): Secret[] => [
  ...ofProxies(env),
  ...ofHeaders(headers),
  sure(helperToken),
  ...[url, limitedUrl, downUrl, helperUrl].flatMap((address) => (address === undefined ? [] : ofAddress(address))),
];

/**
 * All secrets of a run, each in every form in which a service may repeat it, the longest first: what its headers hold, tokens among
 * its subprotocols, user and password of the proxies that `env` names, the
 * helper's token, and user, password and query of each address. A token is one however short it is; the value of a
 * parameter or header whose name says nothing of a secret is one from four characters on.
 */
export const secretsOf = (settings: SecretSettings, env: Environment = {}): string[] =>
  formsOfAll(allOf(settings, env));

/** Those of what authorizes a request, as its header has it. */
export const secretsOfAuthorization = (authorization: string | undefined): string[] =>
  authorization === undefined ? [] : formsOfAll(ofSecretHeader(authorization));

/** Whether a value is more than a word or a number that a command may have by chance. */
const isTelling = ({ text, isSure }: Secret): boolean =>
  isSure || (text.length >= 8 && /\d/.test(text) && /\D/.test(text));

/** Those that a command of the run does not have by chance. */
export const secretsOfCommands = (settings: SecretSettings, env: Environment = {}): string[] =>
  formsOfAll(allOf(settings, env).filter(isTelling)).filter(({ length }) => length >= shortest);

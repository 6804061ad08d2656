/** Shorter texts are no secrets, and stand in many words. */
const shortest = 4;

/** The secrets in headers: each value, and the token of a bearer. */
export const secretsIn = (headers: Readonly<Record<string, string>>): string[] => {
  const values = Object.values(headers).flatMap((value) => [value, value.replace(/^Bearer /, '')]);
  return [...new Set(values)].filter(({ length }) => length >= shortest);
};

/** The secrets that a URL's query may hold: the value of each of its parameters. */
export const secretsInQuery = (url: string): string[] =>
  (/\?(.*)$/.exec(url)?.[1] ?? '')
    .split('&')
    .map((parameter) => parameter.replace(/^[^=]*=/, ''))
    .filter(({ length }) => length >= shortest);

/** All secrets of a run: what its headers and its URL's query hold, and the helper's token. */
export const secretsOf = ({
  url,
  headers,
  helperToken = '',
}: {
  url: string;
  headers: Readonly<Record<string, string>>;
  helperToken?: string | undefined;
}): string[] => [...secretsIn({ ...headers, helperToken }), ...secretsInQuery(url)];

/** What is cut off has this length at least. */
const shortestCut = 80;

/** Where a text may have been cut off, in its middle too. */
const cuts = /"?…|"|$/g;

/** Hides the beginning of a secret where the text was cut off within it. */
const hideBeginnings = (text: string, secret: string): string => {
  if (text.length < shortestCut) return text;
  let shown = '';
  let from = 0;
  for (const { index } of text.matchAll(cuts)) {
    let length = Math.min(secret.length - 1, index - from);
    while (length >= shortest && !text.startsWith(secret.slice(0, length), index - length)) length--;
    if (length < shortest) continue;
    shown += `${text.slice(from, index - length)}…`;
    from = index;
  }
  return shown + text.slice(from);
};

/**
 * Hides secrets in a text, for a service may repeat what it was told; as JSON writes them too, and where an excerpt was cut off
 * within one.
 */
export const hide = (text: string, secrets: readonly string[]): string =>
  secrets
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .reduce((shown, secret) => hideBeginnings(shown.replaceAll(secret, '…'), secret), text);

/** What JSON.stringify calls a replacer: it hides secrets in every string, and leaves names and numbers alone. */
export type Replacer = (name: string, value: unknown) => unknown;

/** A replacer that hides secrets; undefined where there are none to hide. */
export const hiding = (secrets: readonly string[]): Replacer | undefined =>
  secrets.length === 0 ? undefined : (_name, value) => (typeof value === 'string' ? hide(value, secrets) : value);

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

/** Hides secrets in a text, for a service may repeat what it was told; as JSON writes them too. */
export const hide = (text: string, secrets: readonly string[]): string =>
  secrets
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .reduce((shown, secret) => shown.replaceAll(secret, '…'), text);

/** What JSON.stringify calls a replacer: it hides secrets in every string, and leaves names and numbers alone. */
export type Replacer = (name: string, value: unknown) => unknown;

/** A replacer that hides secrets; undefined where there are none to hide. */
export const hiding = (secrets: readonly string[]): Replacer | undefined =>
  secrets.length === 0 ? undefined : (_name, value) => (typeof value === 'string' ? hide(value, secrets) : value);

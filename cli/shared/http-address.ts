/** Why a text is no address of HTTP without credentials and a query, or undefined; `credentials` says where they belong. */
export const httpAddressProblem = (
  flag: string,
  text: string | undefined,
  example: string,
  credentials: string,
): string | undefined => {
  const expected = `${flag}: expected an address such as ${example}`;
  if (text === undefined) return undefined;
  // What came may hold a secret where it is half an address: it is not shown.
  if (!URL.canParse(text)) return expected;
  const { protocol, username, password, search, hash } = new URL(text);
  if (!['http:', 'https:'].includes(protocol)) return `${expected}; received ${protocol}`;
  return username + password + search + hash === ''
    ? undefined
    : `${expected}, without a name or password in it, ? or #: ${credentials}`;
};

/** The `code` of a system error, such as `ENOENT`; undefined for every other value. */
export function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** What an error says at its innermost cause, which is where fetch and the like keep the reason. */
export function innermostMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return innermostMessage(error.cause);
  const code = errorCode(error);
  return error.message || (typeof code === 'string' ? code : error.name);
}

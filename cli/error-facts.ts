import { codeOf } from '../target/errors.ts';

/** What an error says at its innermost cause, which is where fetch and the like keep the reason. */
export function innermostMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return innermostMessage(error.cause);
  return error.message || (codeOf(error) ?? error.name);
}

import { cutTo, plain } from '../../lib/text/visible.ts';

/** Room for what was expected and received, each as an excerpt (lib/jsonrpc/messages.ts): nothing that tells them apart is cut off. */
export const outcomeCharacters = 500;

/** A text that came from elsewhere, on one line and of at most so many characters, fit for a terminal. */
export const printable = (text: string, maxLength: number): string =>
  cutTo(plain(text.replaceAll(/^[ \t\r\n]+|[ \t\r\n]+$/g, '')), maxLength);

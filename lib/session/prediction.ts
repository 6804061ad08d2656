import { isObject, parseMessage } from '../jsonrpc/messages.ts';
import { plainText, quoted } from '../text/pattern.ts';
import type { NumberedProgress } from '../commands/output-check.ts';

/** A whole text message but for the number in its line: `head + number + tail`. */
export interface MessageTemplate {
  head: string;
  tail: string;
  /** What its length has more than its line has bytes, line end included. */
  overhead: number;
}

const placeholder = '-';

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

/** The size of a text in UTF-8. */
export const utf8Bytes = (text: string): number => {
  // oxlint-disable-next-line no-control-regex -- ASCII begins with the control characters
  if (/^[\u0000-\u007f]*$/.test(text)) return text.length;
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_00_00 ? 3 : 4;
  }
  return bytes;
};

const isUnchunked = (params: Record<string, unknown>): boolean =>
  typeof params.total_chunks !== 'number' || params.total_chunks <= 1;

/**
 * Learns from a message that carried numbered line `progress.next - 1` what the following ones will be, letter by
 * letter, so that comparing the whole text verifies every byte without parsing. Returns undefined where it can't be
 * sure: with a placeholder for the number it must parse to exactly that line of stdout, and then it does so with any number.
 */
export const learnTemplate = (raw: string, data: string, progress: NumberedProgress): MessageTemplate | undefined => {
  const ending = data.endsWith('\n') ? '\n' : '';
  const lineHead = escaped(progress.head);
  const lineTail = escaped(progress.tail + ending);
  const literal = lineHead + (progress.next - 1) + lineTail;
  const at = raw.indexOf(literal);
  if (at < 0) return undefined;
  const head = raw.slice(0, at) + lineHead;
  const tail = lineTail + raw.slice(at + literal.length);
  // The literal may stand elsewhere in the message too (a duplicate member, another string, the digits of an escape): the
  // number must be that of the line which a parser sees. A placeholder that is no digit can't be a part of an escape.
  const next = parseMessage(head + placeholder + tail);
  if (next.kind !== 'notification' || next.method !== 'process.output' || !isObject(next.params)) return undefined;
  const { type, data: nextData } = next.params;
  const line = progress.head + placeholder + progress.tail + ending;
  if (type !== 'stdout' || nextData !== line || !isUnchunked(next.params)) return undefined;
  // Apart, for half a surrogate pair at the end of one and at the beginning of the other are no pair.
  const overhead = head.length + tail.length - utf8Bytes(progress.head) - utf8Bytes(progress.tail + ending);
  return { head, tail, overhead };
};

/** A message of one line of output but for what the line says, where that is plain: `head + plain text + tail`. */
export interface Envelope {
  head: string;
  tail: string;
  /** ASCII that JSON writes as it is. */
  plain: RegExp;
  /** The whole message with any line that the command's proof asks for, where that can only be plain text. */
  whole?: RegExp;
  /** Bytes of the line end that the tail has. */
  endingBytes: number;
}

/**
 * Learns from a message what surrounds the line that it carried, so that a message which differs in plain text alone need not
 * be parsed. Returns undefined where it can't be sure: with another text in the place of the line it must parse to that text
 * as a line of stdout, and then it does so with any plain text, for plain text ends no JSON string and escapes nothing. `form` is the
 * source of a regular expression that matches plain text alone, what every line must be.
 */
export const learnEnvelope = (raw: string, data: string, form?: string): Envelope | undefined => {
  const ending = data.endsWith('\n') ? '\n' : '';
  const literal = escaped(data.slice(0, data.length - ending.length));
  const at = literal === placeholder ? -1 : raw.indexOf(literal);
  if (at < 0) return undefined;
  const [head, tail] = [raw.slice(0, at), raw.slice(at + literal.length)];
  const message = parseMessage(head + placeholder + tail);
  if (message.kind !== 'notification' || message.method !== 'process.output') return undefined;
  const { type, data: parsed } = message.params;
  if (type !== 'stdout' || parsed !== placeholder + ending || !isUnchunked(message.params)) return undefined;
  const whole = form === undefined ? undefined : new RegExp(`^${quoted(head)}${form}${quoted(tail)}$`);
  return { head, tail, plain: new RegExp(`^${plainText}$`), ...(whole && { whole }), endingBytes: ending.length };
};

import { isObject, parseMessage } from '../jsonrpc/messages.ts';
import type { NumberedProgress } from '../commands/output-check.ts';

/** A whole text message but for the number in its line: `head + number + tail`. */
export interface MessageTemplate {
  head: string;
  tail: string;
}

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

const isUnchunked = (params: Record<string, unknown>): boolean =>
  typeof params.total_chunks !== 'number' || params.total_chunks <= 1;

/**
 * Learns from a message that carried numbered line `progress.next - 1` what the following ones will be, letter by
 * letter, so that comparing the whole text verifies every byte without parsing. Returns undefined where it can't be
 * sure: the template must parse, for the next number too, to exactly that line of stdout.
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
  // The literal may stand elsewhere in the message too (a duplicate member, another string): the number must be that
  // of the line which a parser sees.
  const next = parseMessage(head + progress.next + tail);
  if (next.kind !== 'notification' || next.method !== 'process.output' || !isObject(next.params)) return undefined;
  const { type, data: nextData } = next.params;
  const line = progress.head + progress.next + progress.tail + ending;
  return type === 'stdout' && nextData === line && isUnchunked(next.params) ? { head, tail } : undefined;
};

import { excerpt, excerptsOfDifference } from '../jsonrpc/messages.ts';
import type { NumberedLines, Proof } from './command.ts';

/** How far numbered lines have come: the next line is `head + next + tail`; past `to` none is due. */
export interface NumberedProgress {
  readonly head: string;
  readonly tail: string;
  next: number;
  readonly to: number;
}

const progressOf = ({ line, from, to }: NumberedLines): NumberedProgress => {
  const at = line.indexOf('{i}');
  return { head: line.slice(0, at), tail: line.slice(at + 3), next: from, to };
};

const mismatch = (lineNumber: number, expected: string, received: string): string =>
  `line ${lineNumber}: expected ${expected}, received ${received}`;

const numberedMismatch = (progress: NumberedProgress, from: number, text: string): string => {
  const { head, tail, next, to } = progress;
  const [due, shown] = next > to ? ['no more lines', excerpt(text)] : excerptsOfDifference(head + next + tail, text);
  const number = Number(text.slice(head.length, text.length - tail.length));
  const sameForm = Number.isInteger(number) && text === head + number + tail;
  const because = !sameForm ? '' : number < next ? ' (repeated or out of order)' : next <= to ? ' (a gap)' : '';
  return mismatch(next - from + 1, due, shown) + because;
};

/** Checks a command's stdout against its proof, line by line, in constant memory. */
export class OutputCheck {
  /** Where the proof is numbered lines: what the lines are made of and the number due next. */
  readonly numbered: NumberedProgress | undefined;
  private readonly proof: Proof;
  private readonly pattern: RegExp | undefined;
  private readonly each: RegExp | undefined;
  /** Neither numbered nor listed: all that counts of a line is its form and how many there were. */
  private readonly isFree: boolean;
  private readonly most: number;
  private matched: boolean;
  private count = 0;

  constructor(proof: Proof) {
    this.proof = proof;
    this.numbered = proof.numbered && progressOf(proof.numbered);
    this.pattern = proof.pattern === undefined ? undefined : new RegExp(proof.pattern);
    this.each = proof.each === undefined ? undefined : new RegExp(proof.each);
    this.matched = proof.pattern === undefined;
    this.isFree = !proof.numbered && !proof.lines;
    this.most = Math.min(proof.count ?? Infinity, proof.maxLines ?? Infinity);
  }

  /** Takes the next line, without its line end; returns the mismatch, or undefined. */
  line(text: string): string | undefined {
    const count = ++this.count;
    if (this.isFree && this.matched && count <= this.most) {
      return this.each === undefined || this.each.test(text) ? undefined : this.malformed(count, text);
    }
    const { numbered, proof } = this;
    if (!this.matched) this.matched = this.pattern?.test(text) === true;
    if (numbered) {
      if (numbered.next > numbered.to || text !== numbered.head + numbered.next + numbered.tail) {
        return numberedMismatch(numbered, proof.numbered?.from ?? 0, text);
      }
      numbered.next++;
    }
    const { lines, maxLines, count: exactly } = proof;
    if (lines && text !== lines[count - 1]) {
      const expected = lines[count - 1];
      if (expected === undefined) return mismatch(count, 'no more lines', excerpt(text));
      return mismatch(count, ...excerptsOfDifference(expected, text));
    }
    if (this.each?.test(text) === false) return this.malformed(count, text);
    if (exactly !== undefined && count > exactly) return mismatch(count, 'no more lines', excerpt(text));
    if (maxLines !== undefined && count > maxLines) return `expected at most ${maxLines} lines, received more`;
    return undefined;
  }

  private malformed(count: number, text: string): string {
    return mismatch(count, `a line that matches /${this.proof.each}/`, excerpt(text));
  }

  /** Call when the output is complete; returns what is missing, or undefined. */
  end(): string | undefined {
    const { count, numbered, proof } = this;
    const { lines, count: exactly } = proof;
    if (numbered && numbered.next <= numbered.to) {
      const from = proof.numbered?.from ?? 0;
      return `expected ${numbered.to - from + 1} lines, received ${numbered.next - from}: ${excerpt(numbered.head + numbered.next + numbered.tail)} is missing`;
    }
    if (lines && count < lines.length) {
      return `expected ${lines.length} lines, received ${count}: ${excerpt(lines[count] ?? '')} is missing`;
    }
    if (exactly !== undefined && count < exactly) return `expected ${exactly} lines, received ${count}`;
    if (!this.matched)
      return `expected a line that matches /${proof.pattern}/, received ${count} lines, none of which does`;
    return undefined;
  }
}

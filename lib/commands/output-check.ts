import { excerpt, excerptsOfDifference } from '../jsonrpc/messages.ts';
import { patternOf, plainForm, plainText } from '../text/pattern.ts';
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
  readonly numbered?: NumberedProgress;
  private readonly proof: Proof;
  private matched?: boolean;
  private count = 0;

  constructor(proof: Proof) {
    this.proof = proof;
    if (proof.numbered) this.numbered = progressOf(proof.numbered);
  }

  /** Source of a regular expression that each line must match whole, where that can only be plain text; any plain text where only the count counts. */
  get form(): string | undefined {
    const { each } = this.proof;
    return each === undefined ? plainText : plainForm(each);
  }

  /** How many lines may still come of which only the form counts; undefined where a line's own text counts. */
  get left(): number | undefined {
    const { numbered, lines, pattern, count = Infinity, maxLines = Infinity } = this.proof;
    if (numbered || lines || (pattern !== undefined && this.matched !== true)) return undefined;
    return Math.min(count, maxLines) - this.count;
  }

  /** Counts lines that were found to have the form. */
  skip(lines: number): void {
    this.count += lines;
  }

  /** Takes the next line, without its line end; returns the mismatch, or undefined. */
  line(text: string): string | undefined {
    const count = ++this.count;
    const { numbered, proof } = this;
    const { lines, pattern, each, maxLines, count: exactly } = proof;
    if (pattern !== undefined && this.matched !== true) this.matched = patternOf(pattern).test(text);
    if (numbered) {
      if (numbered.next > numbered.to || text !== numbered.head + numbered.next + numbered.tail) {
        return numberedMismatch(numbered, proof.numbered?.from ?? 0, text);
      }
      numbered.next++;
    }
    if (lines && text !== lines[count - 1]) {
      const expected = lines[count - 1];
      if (expected === undefined) return mismatch(count, 'no more lines', excerpt(text));
      return mismatch(count, ...excerptsOfDifference(expected, text));
    }
    if (each !== undefined && !patternOf(each).test(text)) return this.malformed(count, text);
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
    if (proof.pattern !== undefined && this.matched !== true)
      return `expected a line that matches /${proof.pattern}/, received ${count} lines, none of which does`;
    return undefined;
  }
}

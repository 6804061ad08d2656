import { patternOf, plainText, quoted } from '../text/pattern.ts';
import { isObject, parseMessage, type Incoming } from './messages.ts';

/** A number of JSON without an exponent (RFC 8259 §6). */
const decimal = String.raw`-?(?:0|[1-9]\d*)(?:\.\d+)?`;
/** An id as services make them: a UUID, or sixteen hexadecimal digits or more. */
const longId = '[0-9a-f][0-9a-f-]{15,}';

/** The strings and numbers of a JSON text, and what surrounds them. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[^"\d-]+/g;

/** A message in which each hole has a number in the place of its value. */
interface Skeleton {
  /** Source of the regular expression that matches all messages of this shape; each hole is a group. */
  source: string;
  /** Two messages of one shape have the same. */
  marked: string;
}

/** Before and behind the number that is in a string's hole of a marked text. */
const mark = '\u0001';
const escapedMark = String.raw`\u0001`;

/** Finds the holes of a message: numbers, long ids, and the plain beginning of strings named in `texts`. Undefined where a number can't be one. */
const skeletonOf = (text: string, texts: readonly string[]): Skeleton | undefined => {
  const found = text.match(tokens) ?? [];
  if (text.includes(escapedMark) || text.includes('__proto__') || found.join('') !== text) return undefined;
  let source = '';
  let marked = '';
  let holes = 0;
  let key = '';
  for (const [at, token] of found.entries()) {
    const isString = token.startsWith('"');
    const isKey = isString && /^\s*:/.test(found[at + 1] ?? '');
    if (isKey) key = token.slice(1, -1);
    if (/^[-\d]/.test(token)) {
      if (token.length > 15 || !patternOf(`^${decimal}$`).test(token)) return undefined;
      source += `(${decimal})`;
      marked += holes++;
    } else if (isString && !isKey && texts.includes(key)) {
      const [plain = '"'] = patternOf(`^"${plainText}`).exec(token) ?? [];
      const rest = token.slice(plain.length);
      source += `"(${plainText})${quoted(rest)}`;
      marked += `"${escapedMark}${holes++}${escapedMark}${rest}`;
    } else if (!isKey && patternOf(`^"${longId}"$`).test(token)) {
      source += `"(${longId})"`;
      marked += `"${escapedMark}${holes++}${escapedMark}"`;
    } else {
      source += quoted(token);
      marked += token;
    }
  }
  return { source, marked };
};

/** Where a captured value belongs. */
interface Hole {
  /** A member of params or result; undefined for the id of a response. */
  member: string | undefined;
  /** Which of the message's holes it is. */
  index: number;
  isNumber: boolean;
  /** What follows a captured text. */
  rest: string;
}

/** A whole message but for the values in its holes. */
export interface Shape {
  pattern: RegExp;
  /** In the order of the pattern's groups. */
  holes: readonly Hole[];
  message: Extract<Incoming, { kind: 'notification' | 'result' }>;
  members: Record<string, unknown>;
  /** The text whose values `message` has now. */
  text: string;
}

const holeOf = (member: string | undefined, value: unknown): Hole | undefined => {
  if (typeof value === 'number') return { member, index: value, isNumber: true, rest: '' };
  if (typeof value !== 'string' || !value.startsWith(mark)) return undefined;
  const [, index, rest = ''] = value.split(mark);
  return { member, index: Number(index), isNumber: false, rest };
};

const hasHole = (value: unknown): boolean =>
  holeOf(undefined, value) !== undefined || (typeof value === 'object' && Object.values(value ?? {}).some(hasHole));

/** Makes a shape of a marked message; undefined where its method has a hole, or a member that is read has one deeper in it. */
const shapeOf = ({ source, marked }: Skeleton, read: readonly string[]): Shape | undefined => {
  const message = parseMessage(marked);
  if (message.kind !== 'notification' && message.kind !== 'result') return undefined;
  if (message.kind === 'notification' && hasHole(message.method)) return undefined;
  const members = message.kind === 'notification' ? message.params : message.result;
  if (!isObject(members)) return undefined;
  const holes: Hole[] = [];
  for (const name of read) {
    const hole = holeOf(name, members[name]);
    if (hole) holes.push(hole);
    else if (hasHole(members[name])) return undefined;
  }
  const id = message.kind === 'result' ? holeOf(undefined, message.id) : undefined;
  if (id) holes.push(id);
  // A group that nobody reads captures nothing: that is cheaper.
  const isRead = new Set(holes.map((hole) => hole.index));
  let index = 0;
  const pattern = source.replaceAll(/\\.|\((?!\?)/g, (found) => (found !== '(' || isRead.has(index++) ? found : '(?:'));
  return {
    pattern: new RegExp(`^${pattern}$`),
    holes: holes.toSorted((a, b) => a.index - b.index),
    message,
    members,
    text: '',
  };
};

const maxShapes = 8;
/** Messages that are looked at to learn from. */
const maxLooks = 40;
const longest = 1000;
/** Sessions whose messages teach nothing: a shape takes some 46 KiB, which a VU with few sessions does not need. */
const firstSessions = 2;

/**
 * Recognises messages that are like earlier ones but for numbers, long ids and plain text: by one anchored regular expression for each
 * shape, learned from the second message that has it. Every character is verified, at a sixth of what parsing costs in k6.
 */
export class Shapes {
  private readonly reads: readonly string[];
  private readonly texts: readonly string[];
  private readonly shapes: Shape[] = [];
  private readonly seen: string[] = [];
  private sessions = 0;
  private looks = 0;
  /** The shape that the next message probably has. */
  private due = 0;

  /** `reads` names the members of params and results that are read; `texts`, those whose plain text varies. */
  constructor(reads: readonly string[], texts: readonly string[]) {
    this.reads = reads;
    this.texts = texts;
  }

  /** Notes that a session begins; the first ones teach nothing. */
  begin(): void {
    this.sessions++;
  }

  /**
   * Reads a message as `parseMessage` does. Of params and a result only the members that are read are right, and only until the next
   * message is read: all messages of a shape are one object.
   */
  read(text: string): Incoming {
    const known = this.shapeOf(text);
    if (known !== undefined) return known.message;
    const message = parseMessage(text);
    if (this.looks < maxLooks && this.sessions > firstSessions) this.learn(text, message);
    return message;
  }

  /** The shape of a message, which then has its values; undefined where none is known. */
  shapeOf(text: string): Shape | undefined {
    const { shapes } = this;
    const count = shapes.length;
    let at = this.due;
    // Messages come in the order in which their shapes were learned, or like the last one: so backwards from the one due.
    for (let turn = 0; turn < count; turn++) {
      const shape = shapes[at] as Shape;
      if (matches(shape, text)) {
        this.due = at + 1 < count ? at + 1 : 0;
        return shape;
      }
      at = at > 0 ? at - 1 : count - 1;
    }
    return undefined;
  }

  private learn(text: string, { kind }: Incoming): void {
    if ((kind !== 'notification' && kind !== 'result') || text.length > longest) return;
    this.looks++;
    const skeleton = skeletonOf(text, this.texts);
    if (skeleton === undefined) return;
    const { seen, shapes } = this;
    if (!seen.includes(skeleton.marked)) {
      seen.push(skeleton.marked);
      return;
    }
    const shape = shapeOf(skeleton, this.reads);
    if (shape) shapes.push(shape);
    if (shapes.length === maxShapes) this.looks = maxLooks;
    if (this.looks === maxLooks) seen.length = 0;
  }
}

/** Whether a message has a shape, which then has its values. */
export const matches = (shape: Shape, text: string): boolean => {
  // What some messages say is always the same.
  if (text === shape.text) return true;
  const found = shape.pattern.exec(text);
  if (found === null) return false;
  const { message, members, holes } = shape;
  shape.text = text;
  // Not `for … of`, which takes half a microsecond a turn in k6.
  for (let at = 0; at < holes.length; at++) {
    const { member, isNumber, rest } = holes[at] as Hole;
    const captured = found[at + 1] as string;
    const value = isNumber ? Number(captured) : captured + rest;
    if (member !== undefined) members[member] = value;
    else if (message.kind === 'result') message.id = value;
  }
  return true;
};

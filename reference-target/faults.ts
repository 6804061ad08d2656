import type { Interceptor, Outgoing, Received, Wire } from './fault-messages.ts';
import { faultTable, type FaultDefinition } from './fault-table.ts';
import { parsedJson } from '../lib/text/json.ts';
import { closest } from '../lib/text/suggestion.ts';

type Key = keyof typeof faultTable;
type Numbered = `${string}:${string}`;
/** Name of a fault that takes no number. */
export type FaultName = Exclude<Key, Numbered>;
/** Name of a fault that takes a number, without the number. */
export type NumberedFaultName = Key extends infer Name
  ? Name extends `${infer Bare}:${string}`
    ? Bare
    : never
  : never;

const definitions: Readonly<Record<string, FaultDefinition>> = faultTable;

/** One line for each fault, for help; * marks those whose ranges count opening handshakes. */
export const faultDescriptions = (): string[] =>
  Object.entries(definitions).map(
    ([name, { counts, description }]) => `${name}${counts === 'handshakes' ? '*' : ''}: ${description}`,
  );

/** The names of all faults; that of one that takes a number ends with a colon. */
export const faultNames = (): string[] => Object.keys(definitions).map((key) => key.replace(/:[A-Z]+$/, ':'));

/** The name of a fault without the number that it takes. */
const bare = (key: string): string => key.replace(/:.*$/, '');

/** The fault whose name is nearest to the one in `text`, in words. */
const nearestFault = (text: string): string => {
  const near = closest(text.replace(/[:@].*$/, ''), Object.keys(definitions).map(bare));
  const key = Object.keys(definitions).find((each) => bare(each) === near);
  return key === undefined ? '' : `; did you mean ${key}?`;
};

/** One `--fault`: the fault, its number, and the first and last ordinal that it applies to. */
interface FaultRequest {
  name: string;
  definition: FaultDefinition;
  number: number;
  first: number;
  last: number;
}

/** Reads `NAME` or `NAME:NUMBER` with an optional `@N`, `@N-M` or `@N-`; returns the problem as a string if it cannot. */
const readFault = (text: string): FaultRequest | string => {
  const match = /^([a-z0-9-]+)(:[1-9][0-9]{0,8})?(?:@([1-9][0-9]{0,8})(-([1-9][0-9]{0,8})?)?)?$/.exec(text);
  const [, name = '', number, first, dash, last] = match ?? [];
  const keys = number === undefined ? [name] : [`${name}:MS`, `${name}:BYTES`];
  const key = keys.find((one) => Object.hasOwn(definitions, one));
  const definition = key === undefined ? undefined : definitions[key];
  const from = first === undefined ? 1 : Number(first);
  const to = last !== undefined ? Number(last) : first === undefined || dash !== undefined ? Infinity : from;
  if (definition === undefined || from > to) {
    return (
      `expected NAME[@N|@N-M|@N-], for example exit-3@2 or slow:500@3-, received ${JSON.stringify(text)}` +
      `${definition === undefined ? nearestFault(text) : ''} (names: ${Object.keys(definitions).join(', ')})`
    );
  }
  return { name, definition, number: Number(number?.slice(1) ?? 0), first: from, last: to };
};

/** The problems of the values of `--fault`, one sentence each. */
export const faultProblems = (faults: readonly string[], isLoopback = true): string[] =>
  faults.map(readFault).flatMap((fault) => {
    if (typeof fault === 'string') return fault;
    if (isLoopback || fault.definition.loopbackOnly !== true) return [];
    return `"${fault.name}" would let others run any command: use it on a loopback address only`;
  });

/** The faults of one session. */
export class AppliedFaults {
  /** Sends a message through the faults; undefined if none of them changes messages. */
  readonly intercept: ((message: Outgoing, wire: Wire) => void) | undefined;
  private readonly requests: readonly FaultRequest[];
  private readonly interceptors: Map<FaultRequest, Interceptor>;
  private readonly cleaners: (() => void)[];

  constructor(
    requests: readonly FaultRequest[],
    earlier = new Map<FaultRequest, Interceptor>(),
    cleaners: (() => void)[] = [],
  ) {
    this.requests = inOrder(requests);
    this.cleaners = cleaners;
    const interceptors = new Map<FaultRequest, Interceptor>();
    for (const request of this.requests) {
      const made =
        earlier.get(request) ?? request.definition.intercept?.(request.number, (clean) => this.cleaners.push(clean));
      if (made !== undefined) interceptors.set(request, made);
    }
    this.interceptors = interceptors;
    this.intercept = interceptors.size === 0 ? undefined : chain([...interceptors.values()]);
  }

  has(name: FaultName): boolean {
    return this.requests.some((request) => request.name === name);
  }

  /** The number of a fault; undefined if the session does not have the fault. */
  number(name: NumberedFaultName): number | undefined {
    return this.requests.find((request) => request.name === name)?.number;
  }

  /** What a message from the client does to the session. */
  onMessage(data: Buffer, isBinary: boolean): 'drop' | 'hang' | undefined {
    const reactions = this.requests.flatMap(({ definition }) => definition.onMessage ?? []);
    if (reactions.length === 0) return undefined;
    const message: Received = { isBinary, value: isBinary ? undefined : parsedJson(data.toString('utf8')) };
    return reactions.map((react) => react(message)).find((reaction) => reaction !== undefined);
  }

  /** These faults and more; those of before keep their state. */
  and(requests: readonly FaultRequest[]): AppliedFaults {
    return new AppliedFaults([...this.requests, ...requests], this.interceptors, this.cleaners);
  }

  /** Stops the timers of the faults. */
  end(): void {
    for (const clean of this.cleaners) clean();
  }
}

/** All faults of a target, and the counts that their ranges refer to. */
export class FaultSchedule {
  private readonly requests: readonly FaultRequest[];
  private handshakes = 0;
  private executes = 0;

  /** Throws if a fault does not exist: check with `faultProblems` first. */
  constructor(faults: readonly string[]) {
    this.requests = faults.map((text) => {
      const fault = readFault(text);
      if (typeof fault === 'string') throw new Error(fault);
      return fault;
    });
  }

  /** Whether a fault applies to all sessions. */
  hasForAll(name: FaultName): boolean {
    return this.requests.some((request) => request.name === name && isForAll(request));
  }

  /** Whether a fault applies to the latest opening handshake, or to all of them. */
  hasNow(name: FaultName): boolean {
    return this.requests.some((request) => request.name === name && this.isForHandshake(request));
  }

  /** The faults of the next opening handshake, which its session has from the start, if any. */
  nextHandshake(): AppliedFaults | undefined {
    this.handshakes += 1;
    const requests = this.requests.filter((request) => this.isForHandshake(request));
    return requests.length === 0 ? undefined : new AppliedFaults(requests);
  }

  /** Adds the faults that begin with a session's first execute to those it has. */
  nextFirstExecute(current: AppliedFaults | undefined): AppliedFaults | undefined {
    this.executes += 1;
    const requests = this.requests.filter(
      (request) => !isForAll(request) && request.definition.counts === 'executes' && isFor(request, this.executes),
    );
    if (requests.length === 0) return current;
    return current === undefined ? new AppliedFaults(requests) : current.and(requests);
  }

  /** A fault for all sessions applies from the start of a session, whatever its range would count. */
  private isForHandshake(request: FaultRequest): boolean {
    return isForAll(request) || (request.definition.counts === 'handshakes' && isFor(request, this.handshakes));
  }
}

const isForAll = ({ first, last }: FaultRequest): boolean => first === 1 && last === Infinity;

const isFor = ({ first, last }: FaultRequest, ordinal: number): boolean => first <= ordinal && ordinal <= last;

const inOrder = (requests: readonly FaultRequest[]): readonly FaultRequest[] => {
  const order = Object.values(definitions);
  return [...requests].sort((a, b) => order.indexOf(a.definition) - order.indexOf(b.definition));
};

const chain =
  (interceptors: readonly Interceptor[]): ((message: Outgoing, wire: Wire) => void) =>
  (message, wire) => {
    const pass = (index: number, passed: Outgoing): void => {
      const interceptor = interceptors[index];
      if (interceptor === undefined) wire.send(JSON.stringify(passed.body));
      else interceptor(passed, (changed) => pass(index + 1, changed), wire);
    };
    pass(0, message);
  };

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Command, Proof } from '../lib/commands/command.ts';
import type { Shapes } from '../lib/jsonrpc/shapes.ts';
import { beginCommand } from '../lib/session/repeated-session.ts';
import { createShapes } from '../lib/session/session.ts';
import { countingParsed, executeAndComplete, service, startInMemory, type MemorySession } from './memory-socket.ts';

/** All that can happen to a session of one command, from its point of view. */
const alphabet = [
  'connected',
  'answer',
  'answer to request 2',
  'refusal',
  'process.started',
  'line',
  'wrong line',
  'line of stderr',
  'first chunk',
  'last chunk',
  'completed',
  'completed with exit code 3',
  'completed, other pid',
  'heartbeat',
  'pong',
  'malformed',
  'binary',
  'close 1000',
  'close 1006',
  'silence',
] as const;
type Event = (typeof alphabet)[number];

/** How a session may end, of a timeout with what was waited for. */
type Ended =
  'ok' | 'rejected' | 'closed' | 'protocol-violation' | 'failed-exit' | 'output-mismatch' | `timeout ${string}`;

const endsOfRunning: readonly Ended[] = [
  'ok',
  'closed',
  'protocol-violation',
  'failed-exit',
  'output-mismatch',
  'timeout message',
  'timeout drain',
];
const everyEnd: readonly Ended[] = [...endsOfRunning, 'rejected', 'timeout connected', 'timeout acknowledgement'];

/** Longer than a response may take, shorter than a running command may be silent; twice as long is longer than that. */
const silenceMs = 2000;
const limits = { ackTimeoutMs: 1000, messageTimeoutMs: 3000, sessionTimeoutMs: 60_000 };

/** A command, where in its output the sequences begin, and what the shared expressions do there. */
interface Setting {
  proof: Proof;
  /** Line `number` of its output, from 1; a fitting one as long as `number` is at most `lines`. */
  line: (number: number) => string;
  /** One that does not fit in the place of line `number`. */
  wrongLine: (number: number) => string;
  lines: number;
  /** What has happened before each sequence. */
  before: readonly Event[];
  longest: number;
  /** How many sequences that is: all but those that go on behind the end of the session. */
  sequences: number;
  /** In what they may end. */
  ends: readonly Ended[];
  /** Messages that right sessions need no parsing for, once expressions and lines are learned. */
  parsed: number;
  /** Lines go by without a look at the clock, so a timeout may be late by a quarter of it. */
  lateMs: number;
  /** A session that went right is remembered, and each sequence is compared with it too. */
  isRemembered?: true;
}

const repeat = (event: Event, count: number): Event[] => Array.from({ length: count }, () => event);

const settings: Record<string, Setting> = {
  'a command of two lines, from the beginning': {
    proof: { lines: ['Line 1 of 2', 'Line 2 of 2'] },
    line: (number) => `Line ${number} of 2`,
    wrongLine: (number) => `Line ${number - 1} of 2`,
    lines: 2,
    before: [],
    longest: 6,
    sequences: 219_940,
    ends: everyEnd,
    parsed: 0,
    lateMs: 0,
    isRemembered: true,
  },
  'a command of one numbered line, from the beginning': {
    proof: { numbered: { line: 'Line {i}: x', from: 1, to: 1 } },
    line: (number) => `Line ${number}: x`,
    wrongLine: (number) => `Line ${number - 1}: x`,
    lines: 1,
    before: [],
    longest: 5,
    sequences: 32_480,
    ends: everyEnd,
    parsed: 0,
    lateMs: 0,
    isRemembered: true,
  },
  'within numbered lines that are predicted': {
    proof: { numbered: { line: 'Line {i}: x', from: 1, to: 6 } },
    line: (number) => `Line ${number}: x`,
    wrongLine: (number) => `Line ${number - 1}: x`,
    lines: 6,
    before: ['connected', 'answer', ...repeat('line', 4)],
    longest: 5,
    sequences: 77_980,
    ends: endsOfRunning,
    parsed: 1,
    lateMs: 750,
  },
  'within lines of one form': {
    proof: { each: '^[a-f0-9]{4,}$', count: 14 },
    line: (number) => (4096 * (number % 15) + 7777).toString(16),
    wrongLine: () => 'no number',
    lines: 14,
    before: ['connected', 'answer', ...repeat('line', 13)],
    longest: 4,
    sequences: 10_780,
    ends: endsOfRunning,
    parsed: 1,
    lateMs: 750,
  },
};

// The oracle: what docs/protocol.md says, and what the limits are. It shares nothing with lib/.

/** What an observer of the protocol knows of a session. */
interface Seen {
  ended?: Ended;
  isConnected: boolean;
  /** The service refused the session and is to close it. */
  isRefused: boolean;
  isAnswered: boolean;
  completed?: { exitCode: number; isOther: boolean };
  /** Fitting lines of stdout. */
  fitting: number;
  isWrong: boolean;
  /** A chunk came of a line, the rest did not. */
  isOpen: boolean;
  hasStrayPong: boolean;
  /** What the end of the session waits for. */
  awaits?: 'pong' | 'answer to request 2';
  silentMs: number;
  // What the client has to show for it.
  lines: number;
  received: number;
  sent: readonly ('execute' | 'pong' | 'request 2')[];
}

const unseen: Seen = {
  isConnected: false,
  isRefused: false,
  isAnswered: false,
  fitting: 0,
  isWrong: false,
  isOpen: false,
  hasStrayPong: false,
  silentMs: 0,
  lines: 0,
  received: 0,
  sent: [],
};

const over = (seen: Seen, ended: Ended): Seen => ({ ...seen, ended });
const violated = (seen: Seen): Seen => over(seen, 'protocol-violation');

/** Whether output belongs to a command. */
const runs = ({ isConnected, isRefused, completed }: Seen): boolean => isConnected && !isRefused && !completed;

/** What a command has shown that was answered and has completed. */
const judged = (seen: Seen, { lines }: Setting): Seen => {
  const { isAnswered, completed, isWrong, fitting } = seen;
  if (!isAnswered || !completed) return seen;
  if (completed.isOther) return violated(seen);
  if (completed.exitCode !== 0) return over(seen, 'failed-exit');
  if (isWrong || fitting !== lines) return over(seen, 'output-mismatch');
  return { ...seen, awaits: 'pong' };
};

const withLine = (seen: Seen, fits: boolean, { lines }: Setting): Seen => ({
  ...seen,
  isOpen: false,
  lines: seen.lines + 1,
  fitting: seen.fitting + 1,
  isWrong: seen.isWrong || !fits || seen.fitting >= lines,
});

const withCompletion = (seen: Seen, completed: NonNullable<Seen['completed']>, setting: Setting): Seen => {
  if (!runs(seen) || seen.isOpen || (seen.isAnswered && completed.isOther)) return violated(seen);
  return judged({ ...seen, completed }, setting);
};

const afterSilence = (seen: Seen): Seen => {
  if (seen.isRefused) return over(seen, 'rejected');
  if (!seen.isConnected) return over(seen, 'timeout connected');
  if (seen.awaits === 'pong') return over(seen, 'timeout drain');
  if (seen.awaits !== undefined) return over(seen, 'ok');
  if (!seen.isAnswered) return over(seen, 'timeout acknowledgement');
  const silentMs = seen.silentMs + silenceMs;
  return silentMs >= limits.messageTimeoutMs ? over(seen, 'timeout message') : { ...seen, silentMs };
};

const afterPong = (seen: Seen): Seen => {
  if (seen.awaits === undefined) return { ...seen, hasStrayPong: true };
  if (seen.awaits !== 'pong') return seen;
  return seen.hasStrayPong
    ? { ...seen, awaits: 'answer to request 2', sent: [...seen.sent, 'request 2'] }
    : over(seen, 'ok');
};

const afterClose = (seen: Seen, code: number): Seen => {
  if (seen.isRefused) return over(seen, 'rejected');
  return over(seen, seen.awaits !== undefined && code === 1000 ? 'ok' : 'closed');
};

/** What is no message of the service. */
const noMessages: ReadonlySet<Event> = new Set<Event>(['pong', 'close 1000', 'close 1006', 'silence']);

/** What each event means. */
const meanings: Record<Event, (seen: Seen, setting: Setting) => Seen> = {
  connected: (seen) => {
    if (seen.isConnected) return violated(seen);
    return { ...seen, isConnected: true, sent: seen.isRefused ? seen.sent : [...seen.sent, 'execute'] };
  },
  answer: (seen, setting) => {
    if (!seen.isConnected || seen.isRefused || seen.isAnswered) return violated(seen);
    return judged({ ...seen, isAnswered: true }, setting);
  },
  'answer to request 2': (seen) => (seen.awaits === 'answer to request 2' ? over(seen, 'ok') : violated(seen)),
  refusal: (seen) => {
    if (!seen.isConnected) return { ...seen, isRefused: true };
    return seen.isRefused || seen.isAnswered ? violated(seen) : over(seen, 'rejected');
  },
  'process.started': (seen) => seen,
  line: (seen, setting) => (runs(seen) && !seen.isOpen ? withLine(seen, true, setting) : violated(seen)),
  'wrong line': (seen, setting) => (runs(seen) && !seen.isOpen ? withLine(seen, false, setting) : violated(seen)),
  'line of stderr': (seen) => (runs(seen) ? { ...seen, lines: seen.lines + 1 } : violated(seen)),
  'first chunk': (seen) => (runs(seen) && !seen.isOpen ? { ...seen, isOpen: true } : violated(seen)),
  'last chunk': (seen, setting) => (runs(seen) && seen.isOpen ? withLine(seen, true, setting) : violated(seen)),
  completed: (seen, setting) => withCompletion(seen, { exitCode: 0, isOther: false }, setting),
  'completed with exit code 3': (seen, setting) => withCompletion(seen, { exitCode: 3, isOther: false }, setting),
  'completed, other pid': (seen, setting) => withCompletion(seen, { exitCode: 0, isOther: true }, setting),
  heartbeat: (seen) => ({ ...seen, sent: [...seen.sent, 'pong'] }),
  pong: afterPong,
  malformed: violated,
  binary: violated,
  'close 1000': (seen) => afterClose(seen, 1000),
  'close 1006': (seen) => afterClose(seen, 1006),
  silence: afterSilence,
};

const after = (seen: Seen, event: Event, setting: Setting): Seen => {
  if (noMessages.has(event)) return meanings[event](seen, setting);
  // A heartbeat shows nothing of the command.
  const silentMs = event === 'heartbeat' ? seen.silentMs : 0;
  return meanings[event]({ ...seen, received: seen.received + 1, silentMs }, setting);
};

/** What becomes of a session to which nothing happens any more. */
const atRest = (seen: Seen): Seen => (seen.ended === undefined ? atRest(afterSilence(seen)) : seen);

const closesOf = (ended: Ended | undefined, events: readonly Event[]): number[] => {
  if (ended === 'protocol-violation') return [1002];
  return events.some((event) => event.startsWith('close')) ? [] : [1000];
};

// The session, over a socket in memory.

const outputOf = (params: object): string =>
  JSON.stringify({ jsonrpc: '2.0', method: 'process.output', params: { type: 'stdout', ...params } });

const chunk = (data: string, index: number): string =>
  outputOf({ data, truncated: false, chunk_index: index, total_chunks: 2 });

const startedNotification =
  '{"jsonrpc":"2.0","method":"process.started","params":{"status":"started","pid":8843,"pgid":8843,"exit_code":null,"error":null}}';

/** What another session of the VU reads meanwhile; all share the expressions. */
const ofAnotherSession = [service.completed(9, 1), service.started(1).replaceAll('8843', '1')];

const commandOf = ({ proof }: Setting): Command => ({ name: 'n', class: 'burst', command: 'n', proof });

/** Makes events happen to a session of a setting. */
class Player {
  readonly memory: MemorySession;
  readonly setting: Setting;
  lines = 0;
  private readonly isParsed: boolean;
  private blanks = '';

  /** `isParsed` writes each message of output as none before it was, so that it is parsed; `repeated` is a command whose session may be remembered. */
  constructor(setting: Setting, shapes: Shapes, isParsed: boolean, repeated?: Command) {
    const command = repeated ?? commandOf(setting);
    this.memory = startInMemory(executeAndComplete(command), {
      limits,
      shapes,
      ...(repeated && { begin: beginCommand(repeated) }),
    });
    this.setting = setting;
    this.isParsed = isParsed;
  }

  play(event: Event): void {
    happens[event](this);
  }

  message(text: string): void {
    this.memory.events.message(text);
  }

  output(text: string): void {
    this.message(this.isParsed ? text + (this.blanks += ' ') : text);
  }
}

const happens: Record<Event, (player: Player) => void> = {
  connected: (player) => player.message(service.connected),
  answer: (player) => player.message(service.started(1)),
  'answer to request 2': (player) => player.message(service.started(2)),
  refusal: (player) => player.message(service.error(-32_001, 'Command not allowed', 1)),
  'process.started': (player) => player.message(startedNotification),
  line: (player) => player.output(service.output(player.setting.line(++player.lines))),
  'wrong line': (player) => player.output(service.output(player.setting.wrongLine(player.lines + 1))),
  'line of stderr': (player) => player.output(service.output(player.setting.line(player.lines + 1), 'stderr')),
  'first chunk': (player) => player.output(chunk(player.setting.line(player.lines + 1).slice(0, 3), 0)),
  'last chunk': (player) => player.output(chunk(`${player.setting.line(++player.lines).slice(3)}\n`, 1)),
  completed: (player) => player.message(service.completed()),
  'completed with exit code 3': (player) => player.message(service.completed(3)),
  'completed, other pid': (player) => player.message(service.completed(0, 8844)),
  heartbeat: (player) => player.message('{"jsonrpc":"2.0","method":"ping","params":{}}'),
  pong: ({ memory }) => memory.events.pong(),
  malformed: (player) => player.message('{"jsonrpc":"2.0",'),
  binary: ({ memory }) => memory.events.binary(5),
  'close 1000': ({ memory }) => memory.events.closed(1000, 'as agreed'),
  'close 1006': ({ memory }) => memory.events.closed(1006, 'dropped'),
  silence: ({ memory }) => memory.pass(silenceMs),
};

const rightSession = ({ lines }: Setting): Event[] => [
  'connected',
  'answer',
  'process.started',
  ...repeat('line', lines),
  'completed',
  'pong',
];

/** Expressions that sessions have taught, eight as at most: those of a right session, of both chunks and of a failure. */
const taught = (setting: Setting): Shapes => {
  const shapes = createShapes();
  const failing: Event[] = ['connected', 'answer', 'first chunk', 'last chunk', 'completed with exit code 3'];
  for (const events of [failing, failing, failing, failing, rightSession(setting), rightSession(setting)]) {
    const player = new Player(setting, shapes, false);
    for (const event of events) player.play(event);
  }
  return shapes;
};

/** All that a session leaves, as text; of a timeout that may be late, without the time. */
const left = ({ result, sent, closed, pings, settledTimes }: MemorySession, isLate: boolean): string =>
  JSON.stringify(
    [result, sent, closed, pings, settledTimes],
    isLate ? (key, value: unknown) => (key === 'durationMs' ? undefined : value) : undefined,
  );

const kindOf = ({ result }: MemorySession): string | undefined => {
  const { outcome } = result ?? {};
  return outcome?.kind === 'timeout' ? `timeout ${outcome.phase}` : outcome?.kind;
};

/** What the oracle and a session say alike. */
const expectedOf = (seen: Seen, events: readonly Event[]) => ({
  ended: seen.ended,
  received: seen.received,
  sent: seen.sent,
  closes: closesOf(seen.ended, events),
  commands: seen.sent.includes('execute')
    ? [{ outcome: seen.awaits === undefined ? seen.ended?.split(' ')[0] : 'ok', lines: seen.lines }]
    : [],
});

const nameOf = (text: string): string =>
  /"execute"/.test(text) ? 'execute' : /"pong"/.test(text) ? 'pong' : /"id":2,/.test(text) ? 'request 2' : text;

const observedOf = (memory: MemorySession) => ({
  ended: kindOf(memory),
  received: memory.result?.messagesReceived,
  sent: memory.sent.map(nameOf),
  closes: memory.closed,
  commands: (memory.result?.commands ?? []).map(({ outcome, lines }) => ({ outcome: outcome.kind, lines })),
});

let known: { setting: Setting; command: Command; uses: number } | undefined;

/** A command of which a session is remembered that went right; after eight that go otherwise it would be remembered no more. */
const remembered = (setting: Setting, shapes: Shapes): Command => {
  if (known?.setting === setting && ++known.uses < 8) return known.command;
  const command = commandOf(setting);
  known = { setting, command, uses: 1 };
  const player = new Player(setting, shapes, false, command);
  for (const event of rightSession(setting)) player.play(event);
  return command;
};

/** Plays one sequence in four ways and compares what they say; `seen` is what the oracle knows at its end, `behind` is what happens then. */
const compare = (
  setting: Setting,
  shapes: Shapes,
  events: readonly Event[],
  seen: Seen,
  behind: readonly Event[],
): void => {
  const player = new Player(setting, shapes, false);
  for (const event of events) {
    player.play(event);
    for (const text of ofAnotherSession) shapes.read(text);
  }
  const repeated = setting.isRemembered && new Player(setting, shapes, false, remembered(setting, shapes));
  for (const event of repeated ? events : []) {
    if (repeated) repeated.play(event);
    for (const text of ofAnotherSession) shapes.read(text);
  }
  const parser = new Player(setting, createShapes(), true);
  for (const event of events) parser.play(event);
  const [{ memory: fast }, { memory: parsed }] = [player, parser];
  const isOver = seen.ended !== undefined;
  if (fast.events.isOver !== isOver || parsed.events.isOver !== isOver)
    assert.fail(`expected the session ${isOver ? '' : 'not '}to be over after ${events.join(', ')}`);
  if (repeated && repeated.memory.events.isOver !== isOver)
    assert.fail(`expected the repeated session ${isOver ? '' : 'not '}to be over after ${events.join(', ')}`);
  if (!isOver) {
    fast.pass(2 * limits.sessionTimeoutMs);
    parsed.pass(2 * limits.sessionTimeoutMs);
    if (repeated) repeated.memory.pass(2 * limits.sessionTimeoutMs);
  }
  const isLate = setting.lateMs > 0 && kindOf(parsed) === 'timeout message';
  const [ofFast, ofParsed] = [left(fast, isLate), left(parsed, isLate)];
  if (ofFast !== ofParsed) assert.deepEqual(JSON.parse(ofFast), JSON.parse(ofParsed), events.join(', '));
  const ofRepeated = repeated ? left(repeated.memory, isLate) : ofFast;
  if (ofRepeated !== ofFast)
    assert.deepEqual(JSON.parse(ofRepeated), JSON.parse(ofFast), `repeated: ${events.join(', ')}`);
  if (isLate) {
    const lateMs = (fast.result?.durationMs ?? NaN) - (parsed.result?.durationMs ?? NaN);
    assert.ok(lateMs >= 0 && lateMs <= setting.lateMs, `${events.join(', ')}: ${lateMs} ms late`);
  }
  const [observed, expected] = [observedOf(fast), expectedOf(atRest(seen), events)];
  if (JSON.stringify(observed) !== JSON.stringify(expected)) assert.deepEqual(observed, expected, events.join(', '));
  if (!isOver) return;
  for (const event of behind) {
    player.play(event);
    if (left(fast, isLate) !== ofFast) assert.fail(`${event} changes what came of ${events.join(', ')}`);
  }
};

describe('341,180 sequences of events: learned expressions, remembered sessions, parsing and an independent oracle agree', () => {
  for (const [name, setting] of Object.entries(settings)) {
    test(`${name}: all sequences of up to ${setting.longest} of ${alphabet.length} events`, () => {
      const shapes = taught(setting);
      const [, parsed] = countingParsed(() => {
        const player = new Player(setting, shapes, false);
        for (const event of rightSession(setting)) player.play(event);
        assert.equal(kindOf(player.memory), 'ok');
      });
      assert.equal(parsed, setting.parsed, 'messages parsed in a session like those before');
      let sequences = 0;
      const ways = new Set<string>();
      const goOn = (events: readonly Event[], seen: Seen, longest: number): void => {
        for (const event of alphabet) {
          const [longer, then] = [[...events, event], after(seen, event, setting)];
          const way = `${then.ended} by ${event}`;
          // What follows behind the end changes nothing: seen of each way to end and of some more, for all would take as long again.
          const behind = ways.has(way) && sequences % 50 > 0 ? [] : alphabet;
          compare(setting, shapes, longer, then, behind);
          sequences++;
          if (then.ended !== undefined) ways.add(way);
          else if (longest > 1) goOn(longer, then, longest - 1);
        }
      };
      const { before, longest } = setting;
      goOn(
        before,
        before.reduce((seen, event) => after(seen, event, setting), unseen),
        longest,
      );
      assert.equal(sequences, setting.sequences);
      assert.deepEqual([...new Set([...ways].map((way) => way.split(' by ')[0]))].toSorted(), setting.ends.toSorted());
    });
  }
});

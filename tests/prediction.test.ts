import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Command, Proof } from '../lib/commands/command.ts';
import { OutputCheck } from '../lib/commands/output-check.ts';
import { isObject, parseMessage } from '../lib/jsonrpc/messages.ts';
import { learnEnvelope, learnTemplate } from '../lib/session/prediction.ts';
import type { SessionResult } from '../lib/session/session.ts';
import { countingParsed, executeAndComplete, service, startInMemory } from './memory-socket.ts';

const { connected, started, completed } = service;

/** Plays messages to a session whose command has this proof; with `learn` off, every one is parsed. */
const playTo = (proof: Proof, messages: readonly string[], learn: boolean): SessionResult | undefined => {
  const command: Command = { name: 'n', class: 'burst', command: 'n', proof };
  const session = startInMemory(executeAndComplete(command));
  session.events.message(connected);
  session.events.message(started(1));
  for (const [index, message] of messages.entries()) {
    // Blanks before the object mean the same to a parser; as many as no message before had never are what was predicted.
    session.events.message(learn ? message : `${' '.repeat(index + 1)}${message}`);
  }
  session.events.message(completed());
  session.events.pong();
  return session.result;
};

const play = (line: string, to: number, messages: readonly string[], learn: boolean): SessionResult | undefined =>
  playTo({ numbered: { line, from: 0, to } }, messages, learn);

const judged = (result: SessionResult | undefined) => ({
  kind: result?.outcome.kind,
  detail: result?.outcome.kind === 'output-mismatch' ? result.outcome.detail : undefined,
  lines: result?.commands[0]?.lines,
  bytes: result?.commands[0]?.bytes,
});

const lineText = fc
  .oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 6 }))
  .filter((text) => !/[\n{}]/.test(text));
const blank = fc.constantFrom('', ' ', '\t', '  ');

/** A way to write a string in JSON: as JSON.stringify does, all escaped, or some characters escaped. */
const spell = (text: string, escapes: readonly boolean[]): string =>
  `"${[...Array.from({ length: text.length }).keys()]
    .map((index) => {
      const unit = text.charCodeAt(index);
      const surrogate = unit >= 0xd800 && unit <= 0xdfff;
      const plain = surrogate ? text[index] : JSON.stringify(text[index]).slice(1, -1);
      return escapes[index % Math.max(1, escapes.length)] ? `\\u${unit.toString(16).padStart(4, '0')}` : plain;
    })
    .join('')}"`;

/** One service's way to write process.output: blanks, member order, escapes, further members, line end or none. */
const writer = fc
  .record({
    blanks: fc.array(blank, { minLength: 6, maxLength: 6 }),
    dataFirst: fc.boolean(),
    paramsFirst: fc.boolean(),
    escapes: fc.oneof(fc.constant([]), fc.constant([]), fc.array(fc.boolean(), { maxLength: 7 })),
    ending: fc.constantFrom('\n', ''),
    extra: fc.constantFrom('', '"chunk_index":null,"total_chunks":null,', '"seen":"Line 1\\n",', '"total_chunks":1,'),
    duplicate: fc.constantFrom('none', 'data before', 'data after', 'method before'),
  })
  .map((form) => (line: string): string => {
    const [a, b, c, d, e, f] = form.blanks;
    const data = spell(line + form.ending, form.escapes);
    const wrong = JSON.stringify(`${line}${form.ending}`);
    const dataMember = `${form.duplicate === 'data before' ? `"data":${wrong},` : ''}"data"${a}:${b}${data}${
      form.duplicate === 'data after' ? `,"data":${data}` : ''
    }`;
    const params = form.dataFirst
      ? `{${form.extra}${dataMember},"type":"stdout"}`
      : `{"type"${c}:"stdout",${form.extra}${dataMember}}`;
    const method = `${form.duplicate === 'method before' ? '"method":"ping",' : ''}"method":${d}"process.output"`;
    return form.paramsFirst
      ? `{${e}"params":${params},${method}${f}}`
      : `{"jsonrpc":"2.0",${method},"params"${e}:${params}}${f}`;
  });

/** What may happen to a run of lines on its way. */
const damage = fc.constantFrom(
  (messages: string[]) => messages,
  (messages: string[], at: number) => messages.toSpliced(at, 1),
  (messages: string[], at: number) => messages.toSpliced(at, 0, messages[at] ?? ''),
  (messages: string[], at: number) => messages.toSpliced(at, 1, (messages[at] ?? '').replace('stdout', 'stderr')),
  (messages: string[], at: number) => messages.toSpliced(at, 1, (messages[at] ?? '').replace(/(\d)(?=\D*$)/, '7')),
  (messages: string[], at: number) => [...messages.slice(0, at), '{"method":"ping"}', ...messages.slice(at)],
);

test('property: predicted and parsed messages are judged alike, however they are written and damaged', () => {
  fc.assert(
    fc.property(
      lineText,
      lineText,
      writer,
      damage,
      fc.nat(119),
      fc.integer({ min: 2, max: 119 }),
      (head, tail, write, harm, at, to) => {
        const messages = Array.from({ length: to + 1 }, (_, number) => write(head + number + tail));
        const arrived = harm(messages, at % messages.length);
        assert.deepEqual(
          judged(play(`${head}{i}${tail}`, to, arrived, true)),
          judged(play(`${head}{i}${tail}`, to, arrived, false)),
        );
      },
    ),
    { numRuns: 1500 },
  );
});

test('property: a learnt template parses to its line for every number', () => {
  let learnt = 0;
  fc.assert(
    fc.property(
      lineText,
      lineText,
      writer,
      fc.nat(1_000_000),
      fc.nat(1_000_000),
      (head, tail, write, number, other) => {
        const { numbered } = new OutputCheck({ numbered: { line: `${head}{i}${tail}`, from: number, to: number + 1 } });
        assert.ok(numbered);
        numbered.next++;
        const raw = write(head + number + tail);
        const first = parseMessage(raw);
        if (first.kind !== 'notification' || typeof first.params.data !== 'string') return;
        const template = learnTemplate(raw, first.params.data, numbered);
        if (template === undefined) return;
        learnt++;
        const message = parseMessage(template.head + other + template.tail);
        assert.ok(message.kind === 'notification' && isObject(message.params));
        assert.equal(String(message.params.data).replace(/\n$/, ''), head + other + tail);
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(learnt > 500, `learnt only ${learnt} templates: the property would show nothing`);
});

const learn = (raw: string, line: string, number: number) => {
  const { numbered } = new OutputCheck({ numbered: { line, from: number, to: number + 9 } });
  assert.ok(numbered);
  numbered.next++;
  return learnTemplate(raw, line.replace('{i}', String(number)) + '\n', numbered);
};

test('a template is not learnt where the number begins with digits of an escape', () => {
  const raw = String.raw`{"method":"process.output","params":{"type":"stdout","data":"3\u00300000"}}`;
  const { numbered } = new OutputCheck({ numbered: { line: '{i}', from: 300_000, to: 400_000 } });
  assert.ok(numbered);
  numbered.next++;
  assert.equal(learnTemplate(raw, '300000', numbered), undefined);
  const plain = raw.replace(String.raw`3\u00300000`, '300000');
  assert.ok(learnTemplate(plain, '300000', numbered));
});

test('a template is not learnt where the number is not that of the line which a parser sees', () => {
  const rows: Record<string, string> = {
    'in a duplicate member that loses':
      '{"method":"process.output","params":{"type":"stdout","data":"Line 1\\n","data":"Line \\u0031\\n"}}',
    'in another string':
      '{"note":"Line 1\\n","method":"process.output","params":{"type":"stdout","data":"Line \\u0031\\n"}}',
    'in a member name': '{"Line 1\\n":0,"method":"process.output","params":{"type":"stdout","data":"Line \\u0031\\n"}}',
    'of stderr': '{"method":"process.output","params":{"type":"stderr","data":"Line 1\\n"}}',
    'of a chunk':
      '{"method":"process.output","params":{"type":"stdout","data":"Line 1\\n","chunk_index":0,"total_chunks":2}}',
    'of another method': '{"method":"process.started","params":{"type":"stdout","data":"Line 1\\n"}}',
  };
  for (const [name, raw] of Object.entries(rows)) assert.equal(learn(raw, 'Line {i}', 1), undefined, name);
  const plain = '{"method":"process.output","params":{"type":"stdout","data":"Line 1\\n"}}';
  const template = learn(plain, 'Line {i}', 1);
  assert.equal(template && template.head + 1 + template.tail, plain);
});

const dataOf = (message: string): string => (JSON.parse(message) as { params: { data: string } }).params.data;

test('adversarial lines: NUL, lone surrogates, quotes, escapes and huge numbers are judged alike on both paths', () => {
  for (const line of [
    '\u0000{i}\u0000',
    '\ud800{i}\udc00',
    '"{i}"',
    '\\{i}\\u0022',
    '0{i}',
    '{i}e5',
    '-{i}',
    '\u2028{i}',
    '\\u003{i}',
    '\ud83d{i}\ude00',
  ]) {
    const messages = Array.from({ length: 1101 }, (_, number) => service.output(line.replace('{i}', String(number))));
    assert.deepEqual(
      judged(play(line, 1100, messages, true)),
      { kind: 'ok', detail: undefined, lines: 1101, bytes: Buffer.byteLength(messages.map(dataOf).join('')) },
      line,
    );
    const altered = messages.with(777, service.output(line.replace('{i}', '778')));
    assert.deepEqual(judged(play(line, 1100, altered, true)), judged(play(line, 1100, altered, false)), line);
    assert.equal(judged(play(line, 1100, altered, true)).kind, 'output-mismatch');
  }
});

const anyLine = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.string({ unit: fc.constantFrom('a', 'z', ' ', '-', '~'), maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom('-', '', '"}}', '\\', '\u0000', '\u007f', '\ud800', '{"data":"x"}', '1e400', 'Line 1'),
);

test('property: lines that cannot be known are judged alike, parsed or not, however they are written and damaged', () => {
  fc.assert(
    fc.property(
      fc.array(
        anyLine.filter((text) => !text.includes('\n')),
        { minLength: 12, maxLength: 60 },
      ),
      writer,
      damage,
      fc.nat(59),
      fc.constantFrom('', '^[^z]*$', '^.{0,12}$'),
      (lines, write, harm, at, each) => {
        const arrived = harm(lines.map(write), at % lines.length);
        const proof = { count: lines.length, ...(each !== '' && { each }) };
        assert.deepEqual(judged(playTo(proof, arrived, true)), judged(playTo(proof, arrived, false)));
      },
    ),
    { numRuns: 1500 },
  );
});

const thousandOf = (line: string): string[] =>
  Array.from({ length: 1000 }, (_, index) => service.output(`${line} ${index}`));

test('of a thousand plain lines in a known envelope a few are parsed, of as many that are not plain all', () => {
  const proof = { count: 1000 };
  const [plain, parsed] = countingParsed(() => playTo(proof, thousandOf('plain ~'), true));
  assert.equal(plain?.outcome.kind, 'ok');
  assert.ok(parsed < 50, `${parsed} were parsed`);
  const [other, ofOther] = countingParsed(() => playTo(proof, thousandOf('not so plain: é'), true));
  assert.equal(other?.outcome.kind, 'ok');
  assert.ok(ofOther > 1000, `${ofOther} were parsed`);
});

test('an envelope is not learnt where the line is not what a parser sees of it', () => {
  const rows: Record<string, string> = {
    'in a duplicate member that loses':
      '{"method":"process.output","params":{"type":"stdout","data":"abc\\n","data":"\\u0061bc\\n"}}',
    'in another string': '{"note":"abc","method":"process.output","params":{"type":"stdout","data":"\\u0061bc\\n"}}',
    'of stderr': '{"method":"process.output","params":{"type":"stderr","data":"abc\\n"}}',
    'of a chunk':
      '{"method":"process.output","params":{"type":"stdout","data":"abc\\n","chunk_index":0,"total_chunks":2}}',
    'of another method': '{"method":"process.started","params":{"type":"stdout","data":"abc\\n"}}',
  };
  for (const [name, raw] of Object.entries(rows)) assert.equal(learnEnvelope(raw, 'abc\n'), undefined, name);
  const raw = '{"method":"process.output","params":{"type":"stdout","data":"abc\\n"}}';
  const envelope = learnEnvelope(raw, 'abc\n');
  assert.equal(envelope && `${envelope.head}abc${envelope.tail}`, raw);
});

test('the bytes of numbered lines are counted from the numbers, below zero too', () => {
  const numbers = Array.from({ length: 2211 }, (_, at) => at - 1110);
  const proof = { numbered: { line: 'n {i}', from: -1110, to: 1100 } };
  const result = playTo(
    proof,
    numbers.map((number) => service.output(`n ${number}`)),
    true,
  );
  assert.equal(result?.outcome.kind, 'ok');
  const bytes = numbers.reduce((sum, number) => sum + `n ${number}\n`.length, 0);
  assert.deepEqual([result.commands[0]?.lines, result.commands[0]?.bytes], [2211, bytes]);
});

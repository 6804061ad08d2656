import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { OutputCheck } from '../lib/commands/output-check.ts';
import { isObject, parseMessage, type Incoming } from '../lib/jsonrpc/messages.ts';
import { Shapes } from '../lib/jsonrpc/shapes.ts';
import { learnEnvelope } from '../lib/session/prediction.ts';
import { plainForm } from '../lib/text/pattern.ts';
import { countingParsed, service } from './memory-socket.ts';

const reads = ['pid', 'status', 'data', 'error'];

const readOf = (members: unknown): unknown =>
  isObject(members)
    ? Object.fromEntries(reads.filter((name) => name in members).map((name) => [name, members[name]]))
    : members;

/** What of a message is read: all but the other members of params and of a result. */
const view = (message: Incoming): unknown => {
  if (message.kind === 'notification') return { ...message, params: readOf(message.params) };
  return message.kind === 'result' ? { ...message, result: readOf(message.result) } : message;
};

/** Shapes of sessions that may learn. */
const eager = (): Shapes => {
  const shapes = new Shapes(reads, ['data']);
  for (let session = 0; session < 3; session++) shapes.begin();
  return shapes;
};

/** Reads a message and holds it against what a parser reads; returns whether it was recognised without one. */
const readAlike = (shapes: Shapes, text: string): boolean => {
  const [message, parsed] = countingParsed(() => shapes.read(text));
  // Strict: -0 is not 0.
  assert.deepStrictEqual(view(message), view(parseMessage(text)), text);
  return parsed === 0;
};

const notification = (params: string): string => `{"jsonrpc":"2.0","method":"m","params":${params}}`;

/** Messages of one shape, and others that are nearly so: which of them are recognised, once the first two have been read. */
const tables: [
  name: string,
  taught: readonly [string, string],
  recognised: readonly string[],
  others: readonly string[],
][] = [
  [
    'numbers',
    [notification('{"pid":1}'), notification('{"pid":22}')],
    [
      '0',
      '-0',
      '-1',
      '1.5',
      '-0.0',
      '1.50',
      '9007199254740993',
      '123456789012345678901234567890',
      '0.1234567890123456789',
    ].map((number) => notification(`{"pid":${number}}`)),
    [
      '1e3',
      '1E+3',
      '-1e-3',
      '1e400',
      '01',
      '-01',
      '00',
      '1.',
      '.5',
      '+1',
      '-',
      '--1',
      '0x1',
      'NaN',
      '1 ',
      '"1"',
      'null',
      '[1]',
    ].map((number) => notification(`{"pid":${number}}`)),
  ],
  [
    'plain text',
    [notification('{"data":"a\\n"}'), notification('{"data":"b\\n"}')],
    [
      '',
      ' ',
      '1',
      '0',
      '$1',
      '$&',
      '(a|b)*',
      '[x]{2}',
      '^.$',
      '~',
      '/',
      '__proto__x',
      '550e8400-e29b-41d4-a716-446655440000',
      'x'.repeat(5000),
    ].map((text) => notification(`{"data":"${text}\\n"}`)),
    [
      '\\n',
      '\\u0031',
      '\\u0001',
      '\\"',
      '\\\\',
      'é',
      '😀',
      '\u007f',
      '\u0001',
      '\t',
      '\n',
      '"',
      '\\',
      '\\x',
      '","pid":"',
    ].map((text) => notification(`{"data":"${text}\\n"}`)),
  ],
  [
    'ids of sessions',
    [
      notification('{"pid":"550e8400-e29b-41d4-a716-446655440000"}'),
      notification('{"pid":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}'),
    ],
    ['deadbeefdeadbeef', '0000000000000000', 'a---------------'].map((id) => notification(`{"pid":"${id}"}`)),
    ['DEADBEEFDEADBEEF', 'deadbeefdeadbee', '-deadbeefdeadbeef', 'deadbeefdeadbeeg', ''].map((id) =>
      notification(`{"pid":"${id}"}`),
    ),
  ],
  [
    'responses',
    [service.started(1), service.started(2)],
    [service.started(7), service.started(-1), service.started(1.5)],
    [
      service.started(1).replace('"id":1', '"id":"1"'),
      service.started(1).replace('"id":1', '"id":null'),
      service.started(1).replace(',"id":1', ''),
      service.started(1).replace('2.0', '2.1'),
      service.started(1).replace('"2.0"', '2.0'),
      service.started(1).replace('2.0', '2x0'),
      `[${service.started(1)}]`,
      `${service.started(1)},`,
      `${service.started(1)}${service.started(1)}`,
      service.started(1).replace('"result"', '"error"'),
      service.started(1).replace('{', '{"error":{"code":1,"message":"m"},'),
      service.started(1).replace('"id":1', '"id":1,"id":2'),
      service.started(1).replaceAll(',', ' ,'),
    ],
  ],
  [
    'duplicate members, of which the last counts',
    [notification('{"pid":1,"data":"a","pid":2,"data":"b"}'), notification('{"pid":3,"data":"c","pid":4,"data":"d"}')],
    [notification('{"pid":9,"data":"","pid":8,"data":"9"}')],
    [notification('{"pid":1,"data":"a","pid":2}'), notification('{"pid":1,"data":"a","pid":2,"data":3}')],
  ],
  [
    'escapes that write a digit behind plain text',
    [notification('{"pid":1,"data":"a\\u0031"}'), notification('{"pid":2,"data":"b\\u0031"}')],
    [notification('{"pid":3,"data":"c\\u0031"}'), notification('{"pid":4,"data":"\\u0031"}')],
    [notification('{"pid":3,"data":"c\\u0032"}'), notification('{"pid":4,"data":"c1"}')],
  ],
  [
    'characters with a meaning in regular expressions',
    [notification('{"pid":1,"(a|b)*[c]{2}^$.?+\\\\":1}'), notification('{"pid":2,"(a|b)*[c]{2}^$.?+\\\\":2}')],
    [notification('{"pid":3,"(a|b)*[c]{2}^$.?+\\\\":3}')],
    [notification('{"pid":3,"a[c]{2}^$.?+\\\\":3}'), notification('{"pid":3,"(a|b)*cc^$.?+\\\\":3}')],
  ],
];

/** Of these nothing can be learned. */
const unlearnable: [name: string, texts: readonly string[]][] = [
  ['a number in an array that is read', [notification('{"pid":[1]}'), notification('{"pid":[2]}')]],
  [
    'a number in an object that is read',
    [notification('{"pid":{"a":{"b":1}}}'), notification('{"pid":{"a":{"b":2}}}')],
  ],
  ['text in an array that is read', [notification('{"data":["a"]}'), notification('{"data":["b"]}')]],
  ['the escape that marks', [notification('{"pid":"\\u0001","a":1}'), notification('{"pid":"\\u0001","a":2}')]],
  ['the member __proto__', [notification('{"__proto__":{"pid":1}}'), notification('{"__proto__":{"pid":2}}')]],
  ['numbers with an exponent', [notification('{"pid":1e3}'), notification('{"pid":1e4}')]],
  ['numbers of 16 digits', [notification('{"pid":1234567890123456}'), notification('{"pid":1234567890123457}')]],
  ['errors', [service.error(-1, 'm', 1), service.error(-2, 'm', 2)]],
  ['batches', [`[${service.started(1)}]`, `[${service.started(2)}]`]],
  ['requests', ['{"method":"m","id":1}', '{"method":"m","id":2}']],
  ['another version', ['{"jsonrpc":"1.0","result":{"pid":1}}', '{"jsonrpc":"1.0","result":{"pid":2}}']],
  ['a result that is no object', ['{"id":1,"result":5}', '{"id":2,"result":6}']],
  ['methods like ids', ['{"method":"deadbeefdeadbeef","params":{}}', '{"method":"feedfeedfeedfeed","params":{}}']],
  [
    'long messages',
    [notification(`{"a":"${'é'.repeat(1000)}","pid":1}`), notification(`{"a":"${'é'.repeat(1000)}","pid":2}`)],
  ],
];

describe('messages of a learned shape are read as a parser reads them', () => {
  for (const [name, taught, recognised, others] of tables) {
    test(`${name}: recognised where alike, parsed where not`, () => {
      const shapes = eager();
      for (const text of taught) assert.ok(!readAlike(shapes, text), 'parsed to learn from it');
      // Twice and in both orders: the shape that comes first changes nothing.
      for (const text of [...recognised, ...recognised.toReversed()])
        assert.ok(readAlike(shapes, text), `recognised: ${text}`);
      for (const text of others) {
        assert.ok(!readAlike(shapes, text), `parsed: ${text}`);
        for (const again of taught) assert.ok(readAlike(shapes, again));
      }
    });
  }

  for (const [name, texts] of unlearnable) {
    test(`${name}: parsed each time`, () => {
      const shapes = eager();
      for (let round = 0; round < 4; round++) for (const text of texts) assert.ok(!readAlike(shapes, text), text);
    });
  }

  test('the first two sessions teach nothing, and no more than eight shapes are learned', () => {
    const shapes = new Shapes(reads, ['data']);
    for (let session = 0; session < 2; session++) {
      shapes.begin();
      for (let round = 0; round < 3; round++) assert.ok(!readAlike(shapes, service.started(1)));
    }
    shapes.begin();
    const kinds = Array.from(
      { length: 9 },
      (_, kind) => (pid: number) => notification(`{"kind":"${'x'.repeat(kind)}","pid":${pid}}`),
    );
    for (const pid of [1, 2]) for (const kind of kinds) readAlike(shapes, kind(pid));
    assert.deepEqual(
      kinds.map((kind) => readAlike(shapes, kind(3))),
      [...Array.from({ length: 8 }, () => true), false],
    );
  });
});

// Random families of messages: each has its own members, order, blanks and escapes; its messages differ in values.

const blank = fc.constantFrom('', '', '', ' ', '\n', '\t ');
const piece = fc.oneof(
  fc.string({ maxLength: 5 }).map((text) => JSON.stringify(text).slice(1, -1)),
  fc.constantFrom(
    '0',
    '1',
    '12',
    '-',
    'a',
    '\\n',
    '\\"',
    '\\\\',
    '\\/',
    '\\u0030',
    '\\u0031',
    '\\u0000',
    '\\u0022',
    '\\u005c',
    '\\ud83d',
    '\\b',
    'é',
    '😀',
    '$1',
    '$&',
    '(',
    ')',
    '(?:',
    '[',
    ']',
    '{2}',
    '^',
    '.',
    '*',
    '|',
    '/',
    '__proto__',
    '\\u0001',
    '\u2028',
    'deadbeefdeadbeef',
    '550e8400-e29b-41d4-a716-446655440000',
  ),
);
const spelled = fc.array(piece, { maxLength: 4 }).map((pieces) => `"${pieces.join('')}"`);
const numeral = fc.oneof(
  fc.integer().map(String),
  fc.nat(99).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.constantFrom(
    '-0',
    '0.0',
    '-0.0',
    '1.50',
    '1e3',
    '1E-2',
    '123456789012345',
    '9007199254740993',
    '0.10000000000000000001',
    '1e999',
  ),
);
const hexId = fc
  .string({ unit: fc.constantFrom(...'0123456789abcdef-'.split('')), minLength: 15, maxLength: 20 })
  .map((id) => `"${id}"`);
const plainSpelled = fc.stringMatching(/^[ !#-[\]-~]{0,8}$/).map((text) => `"${text}"`);

/** What a hole of a family may hold: values of one kind. */
const values: Record<string, fc.Arbitrary<string>> = { numeral, hexId, plainSpelled, spelled };

const leaf = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('numeral', 'hexId', 'plainSpelled', 'spelled').map((of) => ({ of })) },
  {
    weight: 2,
    arbitrary: fc.oneof(spelled, numeral, fc.constantFrom('null', 'true', '{}', '[]')).map((text) => ({ text })),
  },
);
interface Node {
  of?: string;
  text?: string;
  items?: Node[];
  members?: [string, Node][];
}
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...reads.map((read) => `"${read}"`)) },
  { weight: 1, arbitrary: fc.constantFrom('"p\\u0069d"', '"__proto__"', '"type"', '"deadbeefdeadbeef"', '"1"') },
  { weight: 1, arbitrary: spelled },
);
const node: fc.Arbitrary<Node> = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 5, arbitrary: leaf },
    { weight: 1, arbitrary: fc.record({ items: fc.array(tie('node'), { maxLength: 2 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ members: fc.array(fc.tuple(name, tie('node')), { maxLength: 2 }) }),
    },
  ),
})).node;
const members = fc.record({ members: fc.array(fc.tuple(name, node), { maxLength: 5 }) });
const text = (...texts: string[]): fc.Arbitrary<Node> => fc.constantFrom(...texts).map((each) => ({ text: each }));

const whole: fc.Arbitrary<Node> = fc
  .record({
    version: fc.option(fc.oneof({ weight: 9, arbitrary: text('"2.0"') }, { weight: 1, arbitrary: leaf })),
    content: fc.oneof(
      fc
        .tuple(
          fc.oneof({ weight: 5, arbitrary: text('"process.output"') }, { weight: 1, arbitrary: leaf }),
          fc.oneof({ weight: 5, arbitrary: members }, { weight: 1, arbitrary: node }),
        )
        .map(([method, params]): [string, Node][] => [
          ['"method"', method],
          ['"params"', params],
        ]),
      fc
        .tuple(
          fc.oneof({ weight: 5, arbitrary: fc.constant<Node>({ of: 'numeral' }) }, { weight: 1, arbitrary: leaf }),
          fc.oneof({ weight: 5, arbitrary: members }, { weight: 1, arbitrary: node }),
        )
        .map(([id, result]): [string, Node][] => [
          ['"id"', id],
          ['"result"', result],
        ]),
    ),
    more: fc.array(
      fc.tuple(fc.oneof(name, fc.constantFrom('"id"', '"method"', '"params"', '"result"', '"error"')), node),
      {
        maxLength: 1,
      },
    ),
  })
  .chain(({ version, content, more }) => {
    const all: [string, Node][] = [...(version ? [['"jsonrpc"', version] as [string, Node]] : []), ...content, ...more];
    return fc.shuffledSubarray(all, { minLength: all.length }).map((shuffled) => ({ members: shuffled }));
  });

/** A family: a message as JSON but for what its holes hold. */
const family = fc.tuple(whole, blank, blank);

const holesOf = ({ of, items = [], members: named = [] }: Node): string[] => [
  ...(of === undefined ? [] : [of]),
  ...items.flatMap(holesOf),
  ...named.flatMap(([, value]) => holesOf(value)),
];

const write = ({ text: fixed, items, members: named }: Node, held: string[], a: string, b: string): string => {
  if (fixed !== undefined) return fixed;
  if (items) return `[${a}${items.map((item) => write(item, held, a, b)).join(`${b},`)}]`;
  if (named) return `{${a}${named.map(([key, value]) => `${key}${a}:${b}${write(value, held, a, b)}`).join(`,${b}`)}}`;
  return held.shift() ?? 'null';
};

/** A family's messages. */
const messagesOf = ([root, a, b]: [Node, string, string], count: number): fc.Arbitrary<string[]> =>
  fc.array(
    fc.tuple(...holesOf(root).map((of) => values[of] ?? numeral)).map((held) => write(root, [...held], a, b)),
    { minLength: count, maxLength: count },
  );

const character = fc.constantFrom(
  ...'"\\{}[]:,0123456789-+.eE \n\tntu\u0001é'.split(''),
  '\\u0031',
  '00',
  '":"',
  '__proto__',
  '\ufeff',
);
/** One character changed, inserted or removed. */
const harm = fc.tuple(fc.nat(), fc.nat(1), character);
const harmed = (message: string, [at, removed, inserted]: [number, number, string], isRemoval: boolean): string => {
  const place = at % (message.length + 1);
  return message.slice(0, place) + (isRemoval ? '' : inserted) + message.slice(place + (isRemoval ? 1 : removed));
};

test('property: messages of random families and what is nearly one are read alike by shapes and by a parser', () => {
  let recognised = 0;
  fc.assert(
    fc.property(
      fc
        .array(family, { minLength: 1, maxLength: 2 })
        .chain((families) => fc.tuple(...families.map((each) => messagesOf(each, 8))))
        .map((messages) => messages.flat()),
      fc.array(fc.tuple(fc.nat(), harm, fc.boolean()), { minLength: 20, maxLength: 20 }),
      (messages, harms) => {
        const shapes = eager();
        for (const message of messages) if (readAlike(shapes, message)) recognised++;
        for (const [of, harmBy, isRemoval] of harms) {
          const message = messages[of % messages.length] ?? '';
          readAlike(shapes, harmed(message, harmBy, isRemoval));
          if (readAlike(shapes, message)) recognised++;
        }
      },
    ),
    { numRuns: 1500 },
  );
  assert.ok(recognised > 10_000, `recognised: ${recognised}`);
});

const originals = (pid: number): string[] => [
  service.connected.replace('"s"', `"550e8400-e29b-41d4-a716-44665544${1000 + pid}"`),
  service.started(pid),
  service.output(`Line ${pid}`),
  service.completed(0, pid),
  service.completed(pid, pid),
];

test('property: the protocol’s own messages with one character changed anywhere are read alike', () => {
  const shapes = eager();
  for (const pid of [1, 2]) for (const message of originals(pid)) readAlike(shapes, message);
  for (const message of originals(3)) assert.ok(readAlike(shapes, message), message);
  let mutants = 0;
  for (const message of originals(4)) {
    for (let at = 0; at <= message.length; at++) {
      for (const inserted of ['', '0', '-', '.', 'e1', '"', '\\', ' ', 'x', 'é', '\u0001', '{', ',']) {
        readAlike(shapes, message.slice(0, at) + inserted + message.slice(at));
        readAlike(shapes, message.slice(0, at) + inserted + message.slice(at + 1));
        mutants += 2;
      }
    }
  }
  assert.ok(mutants > 15_000, `${mutants} mutants`);
});

// Lines of a form.

/** Sources of regular expressions as command sets have them, and some that only look plain. */
const source = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.constantFrom(
          'a',
          'Z',
          '0',
          '_',
          ' ',
          '!',
          '#',
          '%',
          '&',
          "'",
          ',',
          '/',
          ':',
          ';',
          '<',
          '=',
          '>',
          '@',
          '~',
          '-',
        ),
        fc.constantFrom(
          '\\d',
          '\\w',
          '\\.',
          '[a-z]',
          '[A-F0-9]',
          '[0-9-]',
          '[a-z./:+*-]',
          '[()]',
          '[a-c-]',
          "[ '=]",
          '[A-Za-z_]',
        ),
        fc.constantFrom(
          '.',
          '"',
          '\\\\',
          '\\s',
          '\\D',
          '\\W',
          '[^a]',
          '[\\s]',
          '[!-~]',
          '[Z-a]',
          '[ -~]',
          '(a|b)',
          'é',
          '$',
          '^',
          '\\b',
          '\\n',
          '\\x22',
          '[a-z',
        ),
      ),
      fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{2,}', '*?', '{,2}'),
    ),
    { maxLength: 5 },
  )
  .map((atoms) => `^${atoms.map((atom) => atom.join('')).join('')}$`)
  .filter((each) => {
    try {
      return new RegExp(each).source !== '';
    } catch {
      return false;
    }
  });

const isPlain = (line: string): boolean => /^[\u0020-\u007e]*$/.test(line) && JSON.stringify(line) === `"${line}"`;

test('property: what a plain form matches is plain text, and whole messages are judged as their lines are', () => {
  let plain = 0;
  let matched = 0;
  fc.assert(
    fc.property(
      source.chain((each) =>
        fc.tuple(
          fc.constant(each),
          fc.array(
            fc.oneof(
              plainForm(each) === undefined ? fc.constant('') : fc.stringMatching(new RegExp(each)),
              fc.string({ unit: 'binary', maxLength: 4 }),
            ),
            {
              maxLength: 8,
            },
          ),
        ),
      ),
      fc.tuple(fc.nat(), fc.nat(1), character),
      ([each, lines], harmBy) => {
        const form = plainForm(each);
        if (form === undefined) return;
        plain++;
        const { whole: envelope } = learnEnvelope(service.output('taught'), 'taught\n', form) ?? {};
        assert.ok(envelope);
        const pattern = new RegExp(each);
        for (const line of lines.flatMap((text) => [text, harmed(text, harmBy, false)])) {
          const fits = pattern.test(line);
          if (fits) matched++;
          assert.ok(!fits || isPlain(line), `${each} matches ${JSON.stringify(line)}`);
          assert.equal(envelope.test(service.output(line)), fits, `${each}: ${JSON.stringify(line)}`);
          // With nothing escaped, so that a line's text may end the string.
          const bare = service.output('taught').replace('taught', () => line);
          assert.equal(envelope.test(bare), fits, `${each}: ${bare}`);
          if (!line.includes('\n')) assert.equal(new OutputCheck({ each }).line(line) === undefined, fits);
        }
      },
    ),
    { numRuns: 4000 },
  );
  assert.ok(plain > 500 && matched > 2000, `plain: ${plain}, matched: ${matched}`);
});

for (const each of [
  'a',
  '^a',
  'a$',
  '^.*$',
  '^[^a]$',
  '^"$',
  '^\\\\$',
  '^\\s$',
  '^é$',
  '^[!-~]$',
  '^[Z-a]$',
  '^a|b$',
  '^(a)$',
  '^a*?$',
  '^\\n$',
])
  test(`/${each}/ is no plain form`, () => assert.equal(plainForm(each), undefined));
for (const each of ['^$', '^a$', '^[a-z0-9]+$', '^Line \\d+: [a-f0-9]{8,} x*$', '^\\w+\\.log$', "^[A-Z]-[()'.-]?$"])
  test(`/${each}/ is a plain form`, () => assert.equal(plainForm(each), each.slice(1, -1)));

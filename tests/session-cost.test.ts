import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { packageRoot } from '../cli/shared/package-root.ts';
import type { Command, Proof } from '../lib/commands/command.ts';
import type { Shapes } from '../lib/jsonrpc/shapes.ts';
import { createShapes, startSession, type SessionResult } from '../lib/session/session.ts';
import { startTarget } from '../reference-target/server.ts';
import { runBundle } from './k6.ts';
import { countingParsed, executeAndComplete, service } from './memory-socket.ts';

/** What one session asks of its VU, each a count. */
interface Cost {
  /** Calls of JSON.parse: 20 µs each in k6 for a message of the protocol. */
  parsed: number;
  /** Regular expressions compiled: 46 KiB each in k6. */
  compiled: number;
  /** Timers asked for: a goroutine and a callback each in k6. */
  timers: number;
  /** Looks at the clock: a call from JavaScript to Go and back each in k6. */
  looks: number;
  /** Messages sent. */
  sent: number;
}

/** Runs something; returns how many regular expressions it compiled by their source. */
const countingCompiled = (run: () => void): number => {
  const { RegExp: original } = globalThis;
  let count = 0;
  globalThis.RegExp = new Proxy(original, {
    construct: (target, args: [string]) => {
      count++;
      return new target(...args);
    },
  });
  try {
    run();
    return count;
  } finally {
    globalThis.RegExp = original;
  }
};

/** Bundles a k6/ws that says on the console what each connection had of handlers and timers. */
const countingSockets: Plugin = {
  name: 'counting-sockets',
  setup: (bundler) => {
    bundler.onResolve({ filter: /^k6\/ws$/ }, ({ namespace }) =>
      namespace === 'counting' ? { path: 'k6/ws', external: true } : { path: 'k6/ws', namespace: 'counting' },
    );
    bundler.onLoad({ filter: /.*/, namespace: 'counting' }, () => ({
      contents: `
        import ws from 'k6/ws';
        const connect = (url, params, opened) => {
          const counts = {};
          const response = ws.connect(url, params, (socket) => opened(new Proxy({}, {
            get: (_, name) => (...args) => {
              const key = name === 'on' ? 'on ' + args[0] : name;
              counts[key] = (counts[key] ?? 0) + 1;
              return socket[name](...args);
            },
          })));
          if (__VU > 0) console.log('COUNTS ' + JSON.stringify(counts));
          return response;
        };
        export default { connect };`,
      loader: 'js',
    }));
  },
};

const commandOf = (proof: Proof): Command => ({ name: 'n', class: 'burst', command: 'n', proof });

/** Plays a right session; returns what it cost. */
const costOf = (proof: Proof, lines: readonly string[], shapes: Shapes): Cost => {
  const cost: Cost = { parsed: 0, compiled: 0, timers: 0, looks: 0, sent: 0 };
  let result: SessionResult | undefined;
  const limits = { ackTimeoutMs: 1000, messageTimeoutMs: 3000, sessionTimeoutMs: 60_000 };
  const texts = [
    service.connected,
    service.started(1),
    ...lines.map((line) => service.output(line)),
    service.completed(),
  ];
  cost.compiled = countingCompiled(() => {
    [, cost.parsed] = countingParsed(() => {
      const events = startSession(
        {
          send: () => cost.sent++,
          sendBinary: () => {},
          stall: () => {},
          ping: () => {},
          close: () => {},
          wakeAfter: () => cost.timers++,
          now: () => cost.looks++ / 1000,
        },
        executeAndComplete(commandOf(proof)),
        { startedAt: 0, limits, trace: false, shapes },
        (settled) => (result = settled),
      );
      for (const text of texts) events.message(text);
      events.pong();
    });
  });
  assert.deepEqual(result?.outcome, { kind: 'ok' });
  assert.equal(result.messagesReceived, texts.length);
  return cost;
};

const numbered = (count: number): string[] => Array.from({ length: count }, (_, at) => `Line ${at + 1}: x`);
const random = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => ((at * 7919) % 65_521).toString(16));

const sessions: [name: string, proof: Proof, lines: readonly string[], most: Cost][] = [
  ['of one line', { lines: ['hi'] }, ['hi'], { parsed: 0, compiled: 0, timers: 2, looks: 8, sent: 1 }],
  ['of a line that matches', { pattern: '^h' }, ['hi'], { parsed: 0, compiled: 0, timers: 2, looks: 8, sent: 1 }],
  [
    'of 1000 numbered lines, of which the first is parsed again to predict the others',
    { numbered: { line: 'Line {i}: x', from: 1, to: 1000 } },
    numbered(1000),
    { parsed: 1, compiled: 0, timers: 2, looks: 8, sent: 1 },
  ],
  [
    'of 1000 lines of a form, of which the tenth teaches the others',
    { each: '^[a-f0-9]+$', count: 1000 },
    random(1000),
    { parsed: 1, compiled: 2, timers: 2, looks: 17, sent: 1 },
  ],
  [
    'of 1000 lines that are counted, of which the tenth teaches the others',
    { count: 1000 },
    random(1000),
    { parsed: 1, compiled: 2, timers: 2, looks: 17, sent: 1 },
  ],
];

/** A line of k6's JSON output; samples of set-up have no scenario. */
interface Sample {
  type: string;
  metric: string;
  data: { tags: Record<string, string> };
}

/** Samples that k6 takes itself. */
const ofK6 = /^(?:http_|ws_|data_|iteration|vus|dropped_)/;

/** How often each method of a socket was called; `on` by its event. */
type Counts = Record<string, number>;

/** Five handlers, one request, one ping and one close: each call is one from JavaScript to Go. */
const callsOfSession: Counts = {
  'on message': 1,
  'on binaryMessage': 1,
  'on pong': 1,
  'on error': 1,
  'on close': 1,
  send: 1,
  ping: 1,
  close: 1,
};

/** A scenario whose session runs another command between two runs of its own. */
const otherCommand = `
import { scenario } from '${path.join(packageRoot, 'lib/k6/scenario.ts')}';

const commandOf = (name) => ({ name, class: 'simple', command: 'echo ' + name, proof: { lines: [name] } });

export const { definition, options, setup, handleSummary, run } = scenario('single', {
  question: 'Does each sample have the tags of its command?',
  rounds: [1],
  commands: [commandOf('own')],
  *script(session, command) {
    for (const each of [command, commandOf('other'), command]) {
      const execution = yield* session.execute(each);
      yield* execution.completes();
    }
  },
});

export default run;
`;

describe('what a session costs its VU, in counts', () => {
  for (const [name, proof, lines, most] of sessions) {
    test(`a warmed-up session ${name}`, () => {
      const shapes = createShapes();
      const first = costOf(proof, lines, shapes);
      assert.ok(first.parsed >= 4, 'the first session parses: what is counted counts');
      for (let session = 0; session < 5; session++) costOf(proof, lines, shapes);
      const cost = costOf(proof, lines, shapes);
      for (const key of ['parsed', 'compiled', 'timers', 'looks', 'sent'] as const)
        assert.ok(cost[key] <= most[key], `${key}: expected at most ${most[key]}, received ${cost[key]}`);
    });
  }

  test('a session in k6: its samples by metric, its handlers and its timers', async (t) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-test-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const target = await startTarget({ port: 0 });
    t.after(() => target.close());
    const { k6Build } = (await import(path.join(packageRoot, 'build.mjs'))) as {
      k6Build: (outdir: string, entries: readonly string[]) => Promise<BuildOptions>;
    };
    const options = await k6Build(folder, [path.join(packageRoot, 'scenarios/concurrent.ts')]);
    await build({ ...options, plugins: [countingSockets, ...(options.plugins ?? [])] });
    const commands = path.join(folder, 'commands.json');
    const echo = { name: 'hi', class: 'simple', command: 'echo hi', proof: { lines: ['hi'] } };
    await writeFile(commands, JSON.stringify({ version: 1, commands: [echo] }));
    const samples = path.join(folder, 'samples.json');
    const count = 20;
    const { code, stdout, stderr } = await runBundle(
      path.join(folder, 'concurrent.js'),
      target.url,
      { STRESS_COMMANDS: commands },
      ['--vus', '1', '--iterations', `${count}`, '--log-format', 'raw', '--out', `json=${samples}`],
    );
    assert.equal(code, 0, stdout + stderr);
    const ofVu: Record<string, number> = {};
    for (const line of (await readFile(samples, 'utf8')).split('\n')) {
      if (line === '') continue;
      const { type, metric, data } = JSON.parse(line) as Sample;
      if (type === 'Point' && data.tags.scenario !== undefined && !ofK6.test(metric))
        ofVu[metric] = (ofVu[metric] ?? 0) + 1;
    }
    const { generator_lag: looks = 0, ...others } = ofVu;
    assert.ok(looks <= count, `a look at most at the begin of each session: ${looks}`);
    const perSession = [
      'session_success',
      'sessions',
      'session_duration',
      'connect_duration',
      'command_duration',
      'command_ack_duration',
      'first_output_duration',
      'output_lines',
    ];
    // Begun and ended; and in each VU one sample of evidence of each metric that criteria rest on.
    const expected = {
      unsettled: 2 * count,
      evidence: 4,
      ...Object.fromEntries(perSession.map((name) => [name, count])),
    };
    assert.deepEqual(others, expected);
    const connections = [...stderr.matchAll(/^COUNTS (.*)$/gm)].map(([, counts = '']) => JSON.parse(counts) as Counts);
    assert.equal(connections.length, count);
    for (const { setTimeout: _, ...calls } of connections) assert.deepEqual(calls, callsOfSession);
    // Its own, of which one more looks at the generator's lag four times a second; a slow session needs more of them.
    const timers = connections.map(({ setTimeout = 0 }) => setTimeout).toSorted((one, other) => one - other);
    assert.ok((timers[count / 2] ?? 0) <= 2, `timers of each session: ${timers.join(', ')}`);
  });

  test('samples have the tags of their command, though a session has run another in between', async (t) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-test-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const target = await startTarget({ port: 0 });
    t.after(() => target.close());
    const { k6Build } = (await import(path.join(packageRoot, 'build.mjs'))) as {
      k6Build: (outdir: string, entries: readonly string[]) => Promise<BuildOptions>;
    };
    const entry = path.join(folder, 'other-command.ts');
    await writeFile(entry, otherCommand);
    await build(await k6Build(folder, [entry]));
    const samples = path.join(folder, 'samples.json');
    const bundle = path.join(folder, 'other-command.js');
    const { stdout, stderr } = await runBundle(bundle, target.url, {}, ['--out', `json=${samples}`]);
    const commands = (await readFile(samples, 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Sample)
      .filter(({ type, metric }) => type === 'Point' && metric === 'command_duration')
      .map(({ data }) => data.tags.command);
    assert.deepEqual(commands, ['own', 'other', 'own'], stdout + stderr);
  });
});

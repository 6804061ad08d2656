// `npm run bench`: what we do against what others do, side by side, in one run. On its own line: the figures are ratios, for the
// machine is shared and noisy; each is the median of several repeats, taken in turn.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../cli/shared/package-root.ts';
import { startTarget } from '../../reference-target/server.ts';
import { runBundle } from '../k6.ts';
import { rowsOf, runInTurn, tableOf, type Comparison, type Contestant, type Row } from './comparison.ts';
import { floor, memoryOf, ours, peer, plain, waitingOurs, waitingPlain, type Load } from './contestants.ts';
import { peers } from './peers.ts';
import { profileByFunction, profileByPart } from './profile/profile.ts';
import { startBenchServer, type BenchServer } from './server.ts';

const usage = `Usage: npm run bench [-- options]

Measures this project against others, side by side, and writes the table and the profile into docs/performance.md. Installs the other
tools on demand below runtime/build/bench; names and leaves out any that can't be installed. Takes some ten minutes.

  --only WORK,…     do only these: lines, random, sessions, processor-time, records, memory, target-lines,
                    target-sessions, growth
  --repeats N       repeat each N times; default 5
  --share S         do a share of the load, such as 0.1, to try it; then nothing is written
  --profile         only print where the JavaScript of a session takes its time, by part, beside the plain script
  --profile=functions
                    the same by function, with a k6 that is built for it (needs Go)
  --help            show this
`;

const folder = path.join(packageRoot, 'runtime/build/bench');
const records = path.join(folder, 'records.ndjson');
const document = path.join(packageRoot, 'docs/performance.md');
const oneLine = { STRESS_COMMANDS: path.join(packageRoot, 'tests/bench/one-line.json') };
const width = 100;

const lineLoad = (lines: number, form: 'numbered' | 'random', more: Load['output'] = {}): Load => ({
  sessions: 1,
  atOnce: 1,
  output: { lines, width, form, ...more },
});
const sessionLoad = (sessions: number): Load => ({ sessions, atOnce: 20, output: { lines: 1 } });

const numbered = (server: BenchServer, load: Load, name?: string): Contestant =>
  ours(
    server,
    'lines',
    load,
    'high-output',
    { STRESS_LINES: Number(load.output.lines), STRESS_WIDTH: width },
    name === undefined ? {} : { name },
  );

/** One session of many lines, from a server that writes them in large pieces, or each on its own. */
const linesWork = (
  server: BenchServer,
  share: number,
  work: string,
  reach: number,
  more: Load['output'] = {},
): Comparison => {
  const load = lineLoad(300_000 * share, 'numbered', more);
  return {
    work,
    unit: 'lines/s',
    better: 'more',
    contestants: [
      numbered(server, load),
      plain(server, 'lines', load),
      ...peers.filter(({ works }) => works.includes('lines')).map((of) => peer(server, 'lines', load, folder, of)),
    ],
    reach: { 'plain k6/ws script': reach },
  };
};

/** The same of lines that can't be known. */
const randomWork = async (server: BenchServer, share: number): Promise<Comparison> => {
  const load = lineLoad(300_000 * share, 'random');
  const commands = path.join(folder, 'random-lines.json');
  const proof = { each: '^Line \\d+: [A-Za-z0-9 .,:_/-]{100}$', count: 300_000 * share };
  const command = { name: 'random-lines', class: 'high-output', command: 'random lines', proof };
  await writeFile(commands, JSON.stringify({ version: 1, commands: [command] }));
  // No command of class simple is in it.
  const thresholds = path.join(folder, 'random-thresholds.json');
  await writeFile(
    thresholds,
    JSON.stringify({ version: 1, scenarios: { concurrent: { session_success: ['rate==1'] } } }),
  );
  return {
    work: 'one session, random lines, counted, each checked for its form',
    unit: 'lines/s',
    better: 'more',
    contestants: [
      ours(server, 'lines', load, 'concurrent', { STRESS_COMMANDS: commands, STRESS_THRESHOLDS: thresholds }),
      plain(server, 'lines', load),
    ],
    reach: { 'plain k6/ws script': 1.8 },
  };
};

/** Many short sessions. */
const sessionsWork = (server: BenchServer, share: number): Comparison => {
  const load = sessionLoad(4000 * share);
  const others = peers.filter(({ works }) => works.includes('sessions'));
  return {
    work: 'sessions of one line, 20 at a time, drained before the close',
    unit: 'sessions/s',
    better: 'more',
    contestants: [
      ours(server, 'sessions', load, 'concurrent', oneLine),
      plain(server, 'sessions', load),
      ...others.map((of) => peer(server, 'sessions', load, folder, of)),
    ],
    reach: { 'plain k6/ws script': 0.85, python: 1.1, artillery: 1, locust: 1.6, gatling: 2.2 },
  };
};

/** What a session takes of the processor. */
const processorWork = (server: BenchServer, share: number): Comparison => {
  // More than for the rate, since k6's start counts too.
  const sessions = 10_000 * share;
  const load = sessionLoad(sessions);
  return {
    work: `processor time of k6 per session, its start included, over ${sessions} sessions`,
    unit: 'µs',
    better: 'less',
    contestants: [
      ours(server, 'processor-time', load, 'concurrent', oneLine),
      plain(server, 'processor-time', load),
      floor(server, 'processor-time', load),
    ],
    reach: { 'plain k6/ws script': 1.25 },
  };
};

/** What a record of each session costs. */
const recordsWork = (server: BenchServer, share: number): Comparison => {
  const load = sessionLoad(4000 * share);
  const k6Options = ['--console-output', records, '--log-format', 'raw'];
  const settings = { ...oneLine, STRESS_RECORDS: 'all' };
  return {
    work: 'sessions of one line, with a record of each',
    unit: 'sessions/s',
    better: 'more',
    contestants: [
      ours(server, 'sessions', load, 'concurrent', settings, { name: 'with records', k6Options }),
      ours(server, 'sessions', load, 'concurrent', oneLine, { name: 'without records' }),
    ],
    reach: { 'without records': 0.95 },
  };
};

/** Many sessions that are open and wait. */
const memoryWork = (server: BenchServer, share: number): Comparison => {
  const sessions = 5000 * share;
  return {
    work: `${sessions} open sessions that wait, resident memory a session`,
    unit: 'KiB',
    better: 'less',
    contestants: [
      memoryOf(server, 'websocket-mcp-stress', sessions, waitingOurs(server, sessions, {})),
      memoryOf(server, 'plain k6/ws script', sessions, waitingPlain(server, sessions)),
    ],
    reach: { 'plain k6/ws script': 1.8 },
  };
};

/** The same in fleets, and what it saves. */
const fleetWork = (server: BenchServer, share: number): Comparison => {
  const sessions = 10_000 * share;
  const fleet = 100;
  const few = 2000 * share;
  return {
    work: `${sessions} open sessions that wait, ${fleet} a VU, resident memory a session`,
    unit: 'KiB',
    better: 'less',
    contestants: [
      memoryOf(server, 'fleet', sessions, waitingOurs(server, sessions / fleet, { STRESS_FLEET: fleet }), {
        GOGC: '25',
      }),
      memoryOf(server, `one session a VU, ${few} of them`, few, waitingOurs(server, few, {})),
    ],
    reach: {},
    own: 2 ** 20 / 10_000,
  };
};

/** What the reference target prints from a real process. */
const targetLines = (url: string, share: number): Comparison => ({
  work: 'reference target: one session, real lines from a real process, verified',
  unit: 'lines/s',
  better: 'more',
  contestants: [
    {
      name: 'websocket-mcp-stress',
      run: async () => {
        const settings = { STRESS_LINES: String(300_000 * share), STRESS_WIDTH: String(width) };
        const { code, stderr, result } = await runBundle('high-output', url, settings, [
          '--vus',
          '1',
          '--iterations',
          '1',
        ]);
        if (code !== 0) throw new Error(`expected exit code 0, received ${code}: ${stderr.slice(-500)}`);
        const told = result?.measured.find(({ unit }) => unit === 'lines/s');
        if (!told) throw new Error('expected the rate of its output in the result');
        return told.value;
      },
    },
  ],
  reach: {},
  own: 100_000,
});

const echo = async (): Promise<void> => {
  const child = spawn('sh', ['-c', 'echo hello'], { stdio: ['ignore', 'pipe', 'ignore'] });
  child.stdout.resume();
  await once(child, 'close');
};

/** What it costs to start processes, with a protocol around them and without. */
const targetSessions = (url: string, share: number): Comparison => {
  const count = 2000 * share;
  return {
    work: 'reference target: sessions with echo, 20 at a time',
    unit: 'sessions/s',
    better: 'more',
    contestants: [
      {
        name: 'websocket-mcp-stress',
        run: async () => {
          const startedAt = performance.now();
          const settings = { STRESS_COMMANDS: path.join(folder, 'echo.json') };
          await writeFile(
            settings.STRESS_COMMANDS,
            '{"version":1,"commands":[{"name":"echo","class":"simple","command":"echo hello","proof":{"lines":["hello"]}}]}',
          );
          const { code, stderr } = await runBundle('concurrent', url, settings, [
            '--vus',
            '20',
            '--iterations',
            `${count}`,
          ]);
          if (code !== 0) throw new Error(`expected exit code 0, received ${code}: ${stderr.slice(-500)}`);
          return count / ((performance.now() - startedAt) / 1000);
        },
      },
      {
        name: 'Node that spawns sh -c echo, 20 at a time',
        run: async () => {
          const startedAt = performance.now();
          let left = count;
          const worker = async (): Promise<void> => {
            while (left-- > 0) await echo();
          };
          await Promise.all(Array.from({ length: 20 }, worker));
          return count / ((performance.now() - startedAt) / 1000);
        },
      },
    ],
    reach: {},
  };
};

/** Whether a session, or a line, costs the same of many as of few. */
const growthWorks = (server: BenchServer, share: number): Comparison[] => {
  const sessions = (count: number, name: string): Contestant =>
    ours(server, 'sessions', sessionLoad(count), 'concurrent', oneLine, { name });
  return [
    {
      work: 'growth: 10,000 sessions',
      unit: 'sessions/s',
      better: 'more',
      contestants: [sessions(10_000 * share, 'ourselves'), sessions(1000 * share, 'ourselves, 1,000 sessions')],
      reach: { 'ourselves, 1,000 sessions': 0.85 },
    },
    {
      work: 'growth: 1,000,000 lines',
      unit: 'lines/s',
      better: 'more',
      contestants: [
        numbered(server, lineLoad(1_000_000 * share, 'numbered'), 'ourselves'),
        numbered(server, lineLoad(100_000 * share, 'numbered'), 'ourselves, 100,000 lines'),
      ],
      reach: { 'ourselves, 100,000 lines': 0.85 },
    },
  ];
};

const say = (text: string): void => console.error(text);

const compare = async (comparison: Comparison, repeats: number): Promise<Row[]> => {
  say(`${comparison.work}, ${comparison.unit}`);
  return rowsOf(comparison, await runInTurn(comparison.contestants, repeats, say));
};

const works = {
  lines: async (server: BenchServer, _: string, share: number) => [
    linesWork(server, share, 'one session, numbered lines, every byte verified', 3.5),
    linesWork(server, share, 'the same, each message written separately', 3.3, { piece: 1 }),
  ],
  random: async (server: BenchServer, _: string, share: number) => [await randomWork(server, share)],
  sessions: async (server: BenchServer, _: string, share: number) => [sessionsWork(server, share)],
  'processor-time': async (server: BenchServer, _: string, share: number) => [processorWork(server, share)],
  records: async (server: BenchServer, _: string, share: number) => [recordsWork(server, share)],
  memory: async (server: BenchServer, _: string, share: number) => [
    memoryWork(server, share),
    fleetWork(server, share),
  ],
  'target-lines': async (_: BenchServer, url: string, share: number) => [targetLines(url, share)],
  'target-sessions': async (_: BenchServer, url: string, share: number) => [targetSessions(url, share)],
  growth: async (server: BenchServer, _: string, share: number) => growthWorks(server, share),
} as const;

/** Puts texts into the document, each between the two comments of its name. */
const write = async (texts: Readonly<Record<string, string>>): Promise<void> => {
  let text = await readFile(document, 'utf8');
  for (const [name, written] of Object.entries(texts)) {
    const [begin, end] = [`<!-- ${name}: written by npm run bench -->`, `<!-- ${name}: end -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`expected ${begin} and ${end} in ${document}`);
    text = `${text.slice(0, from + begin.length)}\n\n${written}\n\n${text.slice(to)}`;
  }
  await writeFile(document, text);
  say(`written: ${path.relative(packageRoot, document)}`);
};

const profiles = { parts: profileByPart, functions: profileByFunction };

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    // It may be given without a value.
    args: process.argv.slice(2).map((arg) => (arg === '--profile' ? '--profile=parts' : arg)),
    options: {
      profile: { type: 'string' },
      only: { type: 'string', default: Object.keys(works).join(',') },
      repeats: { type: 'string', default: '5' },
      share: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  await mkdir(folder, { recursive: true });
  // k6 appends to it.
  await rm(records, { force: true });
  if (values.profile !== undefined) {
    if (!Object.hasOwn(profiles, values.profile)) {
      say(`--profile: expected no value, or functions; received ${values.profile}\n\n${usage}`);
      return 2;
    }
    console.log(await profiles[values.profile as keyof typeof profiles](folder));
    return 0;
  }
  const names = values.only.split(',');
  const unknown = names.filter((name) => !Object.hasOwn(works, name));
  const [repeats, share] = [Number(values.repeats), Number(values.share)];
  if (unknown.length > 0 || !Number.isInteger(repeats) || repeats < 1 || !(share > 0 && share <= 1)) {
    say(`expected works (${Object.keys(works).join(', ')}), repeats of 1 or more and a share up to 1\n\n${usage}`);
    return 2;
  }
  const server = await startBenchServer(folder);
  const target = await startTarget({ port: 0, maxSessions: 1000 });
  const rows: Row[] = [];
  try {
    for (const name of names) {
      for (const comparison of await works[name as keyof typeof works](server, target.url, share)) {
        rows.push(...(await compare(comparison, repeats)));
      }
    }
  } finally {
    await Promise.all([server.stop(), target.close()]);
  }
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const versions = peers.map(({ name, version }) => `${name}: ${version}`).join('; ');
  const about = `${new Date().toISOString().slice(0, 10)}; ${machine}; Node ${process.version}; ${repeats} repeats in turn. ${versions}.`;
  const table = `${about}\n\n${tableOf(rows)}`;
  console.log(table);
  if (share === 1 && names.length === Object.keys(works).length) {
    await write({ table, profile: `\`\`\`text\n${await profileByPart(folder)}\n\`\`\`` });
  }
  return 0;
};

process.exitCode = await main();

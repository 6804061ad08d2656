import { createReadStream, existsSync } from 'node:fs';
import { chosenScenarios } from '../../lib/load/inputs.ts';
import { planLoad } from '../../lib/load/profile.ts';
import { parseSettings } from '../../lib/load/settings.ts';
import { columns } from '../../lib/text/fold.ts';
import { counted, roundTime } from '../../lib/text/quantities.ts';
import { messageOf } from '../../lib/text/errors.ts';
import { addValue, emptyHistogram, quantile, type Histogram } from '../results/histogram.ts';
import { printable } from '../shared/printable.ts';
import { scenarioNamed } from '../shared/scenarios.ts';

const newline = 10;

/** How often a log says that a run goes on, and a terminal's line is written again. */
const intervalMs = { log: 10_000, terminal: 500 };

/** Longer lines are not looked into: a record is about 600 bytes, and one with all its messages may be megabytes. */
const longestBytes = 2 ** 20;

const clearLine = '\r\u001B[2K';

/** What a run is to do, as far as its settings say. */
export interface ExpectedLoad {
  /** Its scenarios in their order. */
  scenarios: readonly string[];
  /** Sessions of the rounds of each, where their number is known. */
  sessions: Readonly<Record<string, number>>;
  /** How long it lasts, where a duration was asked for. */
  durationMs?: number;
}

/** What a run is to do; undefined where k6's own options or wrong settings decide. */
export const expectedLoad = (
  scenario: string,
  env: Readonly<Record<string, string | undefined>>,
): ExpectedLoad | undefined => {
  const facts = scenarioNamed(scenario);
  const { settings, problems } = parseSettings(env);
  if (facts === undefined || problems.length > 0) return undefined;
  const scenarios = chosenScenarios(facts, settings);
  const parts = scenarios.flatMap((name) => scenarioNamed(name) ?? []);
  const { rounds, durationMs, owed } = planLoad(settings, parts);
  const sessions: Record<string, number> = {};
  for (const { test, sessions: more } of rounds) {
    if (more !== undefined) sessions[test] = (sessions[test] ?? 0) + more;
  }
  const lastsMs = owed === undefined ? durationMs : settings.durationMs;
  return { scenarios, sessions, ...(lastsMs !== undefined && { durationMs: lastsMs }) };
};

/** What the records of a run tell so far; the counts are of the scenario that runs now. */
export interface RunSoFar {
  scenario: string | undefined;
  /** Sessions of rounds that ended, and how many of them failed. */
  sessions: number;
  failed: number;
  /** Cases that were asked, and how many found something that breaks a client. */
  cases: number;
  broken: number;
  /** Times of simple commands, and of sessions. */
  simple: Histogram;
  times: Histogram;
  /** When the first session began, milliseconds since 1970. */
  firstMs: number | undefined;
}

const nothingYet = (): RunSoFar => ({
  scenario: undefined,
  sessions: 0,
  failed: 0,
  cases: 0,
  broken: 0,
  simple: emptyHistogram(),
  times: emptyHistogram(),
  firstMs: undefined,
});

/** As much of a record as is looked at. */
interface Glanced {
  type?: string;
  test?: string;
  case?: string;
  round?: number;
  startedAt?: string;
  durationMs?: number;
  finding?: string;
  outcome?: { kind?: string };
  commands?: { class?: string; durationMs?: number; outcome?: { kind?: string } }[];
}

const glance = (line: string): Glanced => {
  try {
    return JSON.parse(line) as Glanced;
  } catch {
    return {};
  }
};

const addRecord = (so: RunSoFar, line: string): void => {
  if (!line.startsWith('{"type":')) return;
  const { type, test, round, startedAt = '', durationMs, finding = '', outcome, commands = [] } = glance(line);
  if ((type !== 'session' && type !== 'finding') || test === undefined) return;
  if (test !== so.scenario) Object.assign(so, { ...nothingYet(), scenario: test, firstMs: so.firstMs });
  if (type === 'finding') {
    if (!finding.startsWith('not-')) so.cases++;
    if (finding === 'breaking' || finding === 'bypass') so.broken++;
    return;
  }
  so.firstMs ??= Date.parse(startedAt);
  if (round === undefined) return;
  so.sessions++;
  if (outcome?.kind !== 'ok') so.failed++;
  else if (durationMs !== undefined) addValue(so.times, durationMs);
  for (const { class: kind, durationMs: took, outcome: end } of commands) {
    if (kind === 'simple' && end?.kind === 'ok' && took !== undefined) addValue(so.simple, took);
  }
};

/** Reads what a file of records has gained since the last call; what was read is not read again. */
export const recordReader = (file: string): (() => Promise<RunSoFar>) => {
  const so = nothingYet();
  let read = 0;
  let pending: Buffer[] = [];
  let length = 0;
  const take = (): void => {
    if (length <= longestBytes) addRecord(so, Buffer.concat(pending).toString('utf8'));
    pending = [];
    length = 0;
  };
  const keep = (part: Buffer): void => {
    length += part.length;
    if (length <= longestBytes) pending.push(part);
    else pending = [];
  };
  return async () => {
    if (!existsSync(file)) return so;
    const chunks = createReadStream(file, { start: read, highWaterMark: 2 ** 18 }) as AsyncIterable<Buffer>;
    for await (const chunk of chunks) {
      read += chunk.length;
      let from = 0;
      for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
        keep(chunk.subarray(from, at));
        take();
        from = at + 1;
      }
      if (from < chunk.length) keep(Buffer.from(chunk.subarray(from)));
    }
    return so;
  };
};

/** What a line of progress is made of. */
export interface ProgressView {
  scenario: string;
  load: ExpectedLoad | undefined;
  /** Absent where no records tell. */
  so?: RunSoFar | undefined;
  /** Only failed sessions have records. */
  failuresOnly?: boolean;
  elapsedMs: number;
  nowMs: number;
}

/** Before a fifth of the sessions has ended, an estimate would be a guess. */
const leastShare = 0.2;

const leftMs = ({ load, so, nowMs, failuresOnly }: ProgressView, total: number | undefined): number | undefined => {
  if (load === undefined || load.scenarios.length > 1 || so?.firstMs === undefined) return undefined;
  const ranMs = nowMs - so.firstMs;
  if (load.durationMs !== undefined) return Math.max(0, load.durationMs - ranMs);
  const share = total === undefined || total === 0 || failuresOnly === true ? 0 : so.sessions / total;
  return share < leastShare || so.cases > 0 ? undefined : Math.max(0, (ranMs * (1 - share)) / share);
};

const seconds = (ms: number): string => (ms >= 120_000 ? roundTime(ms) : `${Math.round(ms / 1000)} s`);

/** `concurrent: 21 of 35 sessions, 2 failed, p95 131 ms, 8 s, about 4 s left` */
export const progressLine = (view: ProgressView): string => {
  const { scenario, load, so, failuresOnly, elapsedMs } = view;
  const now = so?.scenario ?? scenario;
  const all = load?.scenarios ?? [];
  const at = all.indexOf(now);
  const name = printable(now, 30);
  const total = load?.sessions[now];
  const failed = so && so.failed + so.broken;
  const p95 = so && (quantile(so.simple, 0.95) ?? quantile(so.times, 0.95));
  const left = leftMs(view, total);
  const done =
    so === undefined || failuresOnly === true || (so.sessions === 0 && so.cases > 0)
      ? undefined
      : total === undefined
        ? counted(so.sessions, 'session')
        : `${so.sessions} of ${counted(total, 'session')}`;
  return `${name}${all.length > 1 && at >= 0 ? ` (${at + 1} of ${all.length})` : ''}: ${[
    done,
    so && so.cases > 0 ? counted(so.cases, 'case') : undefined,
    failed === undefined ? undefined : `${failed} failed`,
    p95 === undefined ? undefined : `p95 ${roundTime(p95)}`,
    seconds(elapsedMs),
    left === undefined ? undefined : `about ${seconds(left)} left`,
  ]
    .filter((part) => part !== undefined)
    .join(', ')}`;
};

/** Where progress is shown: process.stderr, or a replacement in a test. */
export interface ProgressTarget {
  write: (text: string) => unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
}

/** Progress of a run while k6 runs. */
export interface RunProgress {
  /** Writes to a stream what is to stay, above the line of progress. */
  above: (stream: { write: (text: string) => unknown }, text: string) => void;
  end: () => Promise<void>;
}

/**
 * Shows that a run goes on: on a terminal one line that is rewritten, elsewhere a line every ten seconds. What it says comes from
 * the file of records, where it is known.
 */
export const showProgress = (
  target: ProgressTarget,
  {
    scenario,
    load,
    file,
    failuresOnly = false,
  }: { scenario: string; load: ExpectedLoad | undefined; file: string | undefined; failuresOnly?: boolean },
  everyMs?: number,
): RunProgress => {
  const startedAt = performance.now();
  const isTerminal = target.isTTY === true;
  const read = file === undefined ? undefined : recordReader(file);
  let line = '';
  let isEnded = false;
  let showing: Promise<void> | undefined;
  const draw = (): void => {
    // The last column stays free: some terminals begin a new line there.
    if (isTerminal) target.write(`${clearLine}${line.slice(0, (target.columns || columns) - 1)}`);
    else target.write(`${line}\n`);
  };
  const show = async (): Promise<void> => {
    const view = { scenario, load, elapsedMs: performance.now() - startedAt, nowMs: Date.now() };
    try {
      line = progressLine({ ...view, so: await read?.(), failuresOnly });
    } catch (error) {
      line = `${progressLine(view)}; its records can't be read: ${printable(messageOf(error), 200)}`;
    }
    showing = undefined;
    if (!isEnded) draw();
  };
  const timer = setInterval(() => (showing ??= show()), everyMs ?? intervalMs[isTerminal ? 'terminal' : 'log']);
  return {
    above: (stream, text) => {
      if (!isTerminal || line === '') {
        stream.write(text);
        return;
      }
      target.write(clearLine);
      stream.write(text);
      if (!isEnded) draw();
    },
    end: async () => {
      clearInterval(timer);
      isEnded = true;
      await showing;
      if (isTerminal && line !== '') target.write(clearLine);
      line = '';
    },
  };
};

import { constants } from 'node:os';
import type { GeneratorFigures, Saturation } from '../../lib/results/record-schema.ts';
import { spawnGuarded } from '../shared/guarded-process.ts';
import { watchGenerator, type GeneratorWatch } from './generator-watch.ts';
import { interruptedCode, onAbort, type InterruptingSignal, type Interruption } from './interruption.ts';
import { watchMachine } from './machine-watch.ts';
import { linesTo, relayTo, type OutputRelay } from './output-relay.ts';

/** k6 must not call out: no usage report, no download of extensions. */
const quiet = { K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' };

/** Exit codes with which k6 ends a run that it finished: each of its thresholds holds, or one does not. */
export const judgedCodes: ReadonlySet<number> = new Set([0, 99]);

/** How k6 ended, and what it took of this machine, where that can be seen. */
export interface K6End {
  code: number;
  /** The signal that ended it, where it did not exit. */
  signal?: NodeJS.Signals | undefined;
  /** Milliseconds since 1970. */
  startedAtMs: number;
  generator: GeneratorFigures | undefined;
  /** What was read meanwhile, for charts. */
  watch?: GeneratorWatch | undefined;
  /** Where others left this machine too little processor time. */
  saturation?: Saturation | undefined;
}

export interface K6Run {
  path: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  interruption: Interruption;
  /** A folder that is deleted where this process ends before k6. */
  temporary: string | undefined;
  /** The service's process, where it is known. */
  servicePid?: number | undefined;
  /** Takes the watch over k6 once it runs. */
  onWatch?: ((watch: GeneratorWatch) => void) | undefined;
  /** Where its lines go in place of the standard streams, and which of them; absent where all go there as they come. */
  output?: K6Output | undefined;
}

/** What is made of k6's output. */
export interface K6Output {
  out: (text: string) => unknown;
  err: (text: string) => unknown;
  isWanted: (line: string) => boolean;
}

/** What k6 says of criteria that ws-stress reports in its own words. */
const ofThresholds = /\bthresholds on metrics '.*' have been (?:crossed|breached)/;

/** Whether a line of k6 says something that the end of a run does not. */
export const isNews = (line: string): boolean => !ofThresholds.test(line);

const writeError = (text: string): unknown => process.stderr.write(text);

/** Takes k6's output by a file; a terminal that shows all of it gets it directly, as does a pipe for `-v`: too much for memory. */
const relayOf = (
  stream: NodeJS.WriteStream,
  write: ((text: string) => unknown) | undefined,
  { args, temporary, output }: K6Run,
  name: string,
): OutputRelay | undefined => {
  const isDirect = (stream.isTTY && output === undefined) || args.some((arg) => /^(-v|--verbose)$/.test(arg));
  if (isDirect || temporary === undefined) return undefined;
  try {
    if (output === undefined || write === undefined) return relayTo(stream, temporary, name);
    const lines = linesTo({ write }, output.isWanted);
    const relay = relayTo(lines, temporary, name);
    return {
      fd: relay.fd,
      end: () => {
        relay.end();
        lines.end();
      },
    };
  } catch {
    // A full disk takes no file.
    return undefined;
  }
};

/**
 * Runs k6 in the foreground and returns how it ended. It gets a signal only from here, and once: k6 ends the run gracefully at
 * the first one, and would lose its summary at a second one. A second interruption ends it by force.
 */
export const runK6 = (run: K6Run): Promise<K6End> =>
  new Promise((resolve, reject) => {
    const { path, args, env, interruption, temporary, servicePid, onWatch, output } = run;
    const startedAtMs = Date.now();
    const { first, again } = interruption;
    if (first.aborted) {
      resolve({ code: interruptedCode, startedAtMs, generator: undefined });
      return;
    }
    const [out, err] = [
      relayOf(process.stdout, output?.out, run, 'stdout'),
      relayOf(process.stderr, output?.err, run, 'stderr'),
    ];
    const child = spawnGuarded(path, args, {
      env: { ...env, ...quiet },
      stdio: ['inherit', out?.fd ?? 'inherit', err?.fd ?? 'inherit'],
      ends: 'process',
      temporary,
    });
    const machine = watchMachine();
    const watch = child.pid === undefined ? undefined : watchGenerator(child.pid, servicePid);
    if (watch !== undefined) onWatch?.(watch);
    const onResize = (): void => void child.kill('SIGWINCH');
    process.on('SIGWINCH', onResize);
    const ends: (() => unknown)[] = [
      onAbort(first, () => {
        const signal = first.reason as InterruptingSignal;
        (output?.err ?? writeError)(`${signal}: k6 is ending the run; a second signal ends it at once\n`);
        child.kill(signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
      }),
      onAbort(again, () => void child.kill('SIGKILL')),
      () => process.off('SIGWINCH', onResize),
      () => watch?.end(),
      () => err?.end(),
      () => out?.end(),
    ];
    const done = (): void => ends.forEach((end) => end());
    child.once('error', (error) => {
      done();
      machine();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      done();
      const ended = code ?? 128 + constants.signals[signal ?? 'SIGTERM'];
      resolve({
        code: first.aborted && signal !== null ? interruptedCode : ended,
        signal: signal ?? undefined,
        startedAtMs,
        generator: watch?.figures(),
        watch,
        saturation: machine(),
      });
    });
  });

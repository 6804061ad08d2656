import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { GeneratorFigures } from '../../lib/results/record-schema.ts';
import { watchGenerator } from './generator-watch.ts';

/** k6 must not call out: no usage report, no download of extensions. */
const quiet = { K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' };

/** PWD may name another directory than the one that relative paths are checked against: whoever changed it may not say so. */
const here = (): { PWD: string } => ({ PWD: process.cwd() });

/** How k6 ended, and what it took of this machine, where that can be seen. */
export interface K6End {
  code: number;
  /** Milliseconds since 1970. */
  startedAtMs: number;
  generator: GeneratorFigures | undefined;
}

/**
 * Runs k6 in the foreground and returns how it ended. A first SIGINT or SIGTERM lets k6 end the run gracefully: from
 * a terminal it reaches k6 by itself, otherwise it is passed on.
 */
export const runK6 = (k6: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<K6End> =>
  new Promise((resolve, reject) => {
    const startedAtMs = Date.now();
    const child = spawn(k6, args, { stdio: 'inherit', env: { ...env, ...quiet, ...here() } });
    const watched = child.pid === undefined ? () => undefined : watchGenerator(child.pid);
    const onInterrupt = (): void => {
      if (!process.stdin.isTTY && !process.stderr.isTTY) child.kill('SIGINT');
    };
    const onTerminate = (): void => void child.kill('SIGTERM');
    process.on('SIGINT', onInterrupt);
    process.on('SIGTERM', onTerminate);
    process.on('SIGHUP', onTerminate);
    const done = (): void => {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
      process.off('SIGHUP', onTerminate);
    };
    child.once('error', (error) => {
      done();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      done();
      resolve({ code: code ?? 128 + constants.signals[signal ?? 'SIGTERM'], startedAtMs, generator: watched() });
    });
  });

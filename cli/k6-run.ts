import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** k6 must not call out: no usage report, no download of extensions. */
const quiet = { K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' };

/**
 * Runs k6 in the foreground and returns its exit code. A first SIGINT or SIGTERM lets k6 end the run gracefully: from
 * a terminal it reaches k6 by itself, otherwise it is passed on.
 */
export const runK6 = (k6: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = spawn(k6, args, { stdio: 'inherit', env: { ...env, ...quiet } });
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
      resolve(code ?? 128 + constants.signals[signal ?? 'SIGTERM']);
    });
  });

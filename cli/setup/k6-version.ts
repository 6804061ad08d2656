import { basename } from 'node:path';
import { runGroup } from '../shared/process-group.ts';

/** The oldest k6 that runs the bundles. */
export const OLDEST_K6 = '2.0';

const VERSION_TIMEOUT_MS = 15_000;

/** A k6 version in parts; `text` is the whole version without the leading `v`. */
export interface K6Version {
  text: string;
  major: number;
  minor: number;
  patch: number;
  preRelease: string | undefined;
}

/** Whether an executable is a usable k6: its version, or the reason why not. */
export type Inspected = { usable: true; version: string } | { usable: false; reason: string };

/**
 * Reads the first line of `k6 version`, such as `k6 v2.2.0 (go1.26.8, linux/amd64)`; undefined if it is not from k6. k6
 * prints the name of its executable file there.
 */
export const parseK6Version = (output: string, fileName = 'k6'): K6Version | undefined => {
  const match = /^(\S+)\s+v?((\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?\S*)(?:\s+\(.*\bgo1\.)?/.exec(output.trimStart());
  if (match === null) return undefined;
  const [whole, name = '', text = '', major, minor, patch, preRelease] = match;
  const isK6 = name === 'k6' || (name === fileName && whole.endsWith('go1.'));
  if (!isK6) return undefined;
  return { text, major: Number(major), minor: Number(minor), patch: Number(patch), preRelease };
};

/** Whether a version is 2.0.0 or newer by semantic versioning, in which 2.0.0-rc1 precedes 2.0.0. */
export const isSupportedK6 = (version: K6Version): boolean => {
  const isBefore200 = version.minor === 0 && version.patch === 0 && version.preRelease !== undefined;
  return version.major > 2 || (version.major === 2 && !isBefore200);
};

/** A variable that k6 rejects, such as a wrong K6_SECRET_SOURCE, fails a run; it says nothing about the program. */
const withoutK6Options = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('K6_')));

/** Runs `<path> version` and checks the answer. */
export const inspectK6 = async (path: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Inspected> => {
  const run = await runGroup(path, ['version'], { env: withoutK6Options(env), signal, timeoutMs: VERSION_TIMEOUT_MS });
  if (run.failure !== undefined) {
    return { usable: false, reason: `${path} does not run: "${path} version" ${run.failure}${quoted(run.stderr)}` };
  }
  const version = parseK6Version(run.stdout, basename(path));
  if (version === undefined) {
    return {
      usable: false,
      reason: `${path} is not k6: expected "version" to print "k6 v<number>", received${quoted(run.stdout) || ' nothing'}`,
    };
  }
  if (!isSupportedK6(version)) {
    return { usable: false, reason: `${path} is k6 v${version.text}; expected ${OLDEST_K6} or newer` };
  }
  return { usable: true, version: version.text };
};

const quoted = (output: string): string => {
  const firstLine = output.trim().split('\n', 1)[0] ?? '';
  return firstLine === '' ? '' : `: ${firstLine.slice(0, 200)}`;
};

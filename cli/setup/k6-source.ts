import { createHash } from 'node:crypto';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Progress } from '../shared/progress.ts';

/** The k6 that `runtime/` pins. */
export interface K6Pin {
  /** With the leading `v`, as in go.mod and in the names of releases. */
  version: string;
  /** Hash of all files that determine the build. */
  hash: string;
}

/** The input of a way to get k6. */
export interface SourceContext {
  root: string;
  pin: K6Pin;
  env: NodeJS.ProcessEnv;
  platform: NodeJS.Platform;
  arch: string;
  /** An empty directory, removed afterwards in any case. */
  workDirectory: string;
  stallTimeoutMs: number;
  progress: Progress;
  signal: AbortSignal;
}

/** One way to get k6 failed; the message says why. */
export class SourceFailed extends Error {}

const PINNED_FILES = ['go.mod', 'go.sum', 'main.go'];

export const readK6Pin = (root: string): K6Pin => {
  const hash = createHash('sha256');
  for (const name of PINNED_FILES) {
    const content = readFileSync(join(root, 'runtime', name));
    hash.update(`${name} ${content.length}\n`).update(content);
  }
  const goMod = readFileSync(join(root, 'runtime', 'go.mod'), 'utf8');
  const version = /^\s*(?:require\s+)?go\.k6\.io\/k6(?:\/v\d+)?\s+(v\S+)/m.exec(goMod)?.[1];
  if (version === undefined) {
    throw new SourceFailed(`${join(root, 'runtime', 'go.mod')}: expected a line "require go.k6.io/k6/v2 v2.…"`);
  }
  return { version, hash: hash.digest('hex').slice(0, 16) };
};

/** Every executable of a name on a PATH, in order; ignores entries that are not absolute. */
export const findOnPath = (name: string, path: string | undefined): string[] => {
  const directories = (path ?? '').split(delimiter).filter((directory) => isAbsolute(directory));
  return [...new Set(directories)].map((directory) => join(directory, name)).filter((file) => isExecutable(file));
};

export const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // A file that cannot be read cannot be executed.
    return false;
  }
};

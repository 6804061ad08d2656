import { createHash } from 'node:crypto';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Progress } from '../shared/progress.ts';

/** The k6 that `runtime/` asks for. */
export interface K6Pin {
  /** With the leading `v`, as in go.mod and in the names of releases. */
  version: string;
  /** Of all that decides what is built; another hash, another k6. */
  hash: string;
}

/** What a way of getting k6 has to work with. */
export interface SourceContext {
  root: string;
  pin: K6Pin;
  env: NodeJS.ProcessEnv;
  platform: NodeJS.Platform;
  arch: string;
  /** A directory of its own, removed afterwards whatever happens. */
  workplace: string;
  stallTimeoutMs: number;
  progress: Progress;
  signal: AbortSignal;
}

/** One way of getting k6 did not work out; the message says why. */
export class SourceFailed extends Error {}

const PINNED_FILES = ['go.mod', 'go.sum', 'main.go'];

/** Reads which k6 the package pins. */
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

/** Every executable of a name on a PATH, in its order; entries that are not absolute are passed over. */
export const findOnPath = (name: string, path: string | undefined): string[] => {
  const directories = (path ?? '').split(delimiter).filter((directory) => isAbsolute(directory));
  return [...new Set(directories)].map((directory) => join(directory, name)).filter((file) => isExecutable(file));
};

/** Whether a path names a file that may be executed. */
export const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Every reason why it cannot be looked at is a reason why it cannot be executed.
    return false;
  }
};

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isObject } from '../../lib/jsonrpc/messages.ts';
import { packageRoot } from './package-root.ts';

/** A folder with scenarios of its own, beside a package.json that names this package. */
export interface Project {
  folder: string;
  /** Where its scenarios are. */
  scenarios: string;
  /** Where its bundles are. */
  dist: string;
}

const packageName = 'websocket-mcp-stress';

const namesThisPackage = (folder: string): boolean => {
  try {
    const manifest: unknown = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    if (!isObject(manifest)) return false;
    const { dependencies, devDependencies, peerDependencies } = manifest;
    return [dependencies, devDependencies, peerDependencies].some(
      (each) => isObject(each) && Object.hasOwn(each, packageName),
    );
  } catch {
    return false;
  }
};

/** What makes a folder a project, for messages. */
export const projectForm = `a folder with scenarios/ and a package.json that has ${packageName} among its dependencies; ws-stress init makes one`;

/** The project at this folder or above it. */
export const findProject = (start: string): Project | undefined => {
  for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
    const scenarios = path.join(folder, 'scenarios');
    if (folder !== packageRoot && existsSync(scenarios) && namesThisPackage(folder)) {
      return { folder, scenarios, dist: path.join(folder, 'dist') };
    }
    if (folder === path.dirname(folder)) return undefined;
  }
};

let current: { project: Project | undefined } | undefined;

/** The project that this process works in: the one of its working directory, unless `useProject` chose another. */
export const currentProject = (): Project | undefined => (current ??= { project: findProject(process.cwd()) }).project;

/** Works in this project from now on, or in none. */
export const useProject = (project: Project | undefined): void => {
  current = { project };
};

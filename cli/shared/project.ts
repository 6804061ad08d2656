import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { isObject } from '../../lib/jsonrpc/messages.ts';
import { packageRoot } from './package-root.ts';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';

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
    const manifest: unknown = JSON.parse(withoutMark(readFileSync(path.join(folder, 'package.json'), 'utf8')));
    if (!isObject(manifest)) return false;
    const { dependencies, devDependencies, peerDependencies } = manifest;
    return [dependencies, devDependencies, peerDependencies].some(
      (each) => isObject(each) && Object.hasOwn(each, packageName),
    );
  } catch {
    return false;
  }
};

/** Whether scenarios of this package are in a folder, or nothing yet: many a project has a scenarios/ for something else. */
const mayHaveScenarios = (folder: string): boolean => {
  if (!existsSync(folder)) return false;
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  return (
    files.length === 0 || files.some((name) => readFileSync(path.join(folder, name), 'utf8').includes(packageName))
  );
};

/** What makes a folder a project, for messages. */
export const projectForm = `a folder with scenarios/, whose files import from ${packageName}, and a package.json that has it among its dependencies; ws-stress init makes one`;

/** The project at this folder or above it. */
export const findProject = (start: string): Project | undefined => {
  for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
    const scenarios = path.join(folder, 'scenarios');
    if (folder !== packageRoot && namesThisPackage(folder) && mayHaveScenarios(scenarios)) {
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

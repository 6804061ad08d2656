import { existsSync } from 'node:fs';
import path from 'node:path';
import { BuildError, ensureBuilt } from '../build/project-build.ts';
import { packageRoot } from '../shared/package-root.ts';
import { findProject, projectForm, useProject } from '../shared/project.ts';
import { printable } from '../shared/printable.ts';

/** The scenario that a user named, by its name or its file, with its project built; or why there is none. */
export const scenarioFor = async (named: string): Promise<{ scenario: string } | { problems: readonly string[] }> => {
  const isFile = /[/\\]|\.[cm]?[jt]s$/.test(named);
  if (isFile) {
    const file = path.resolve(named);
    const problem = useProjectOf(file, named);
    if (problem !== undefined) return { problems: [problem] };
  }
  try {
    await ensureBuilt();
  } catch (error) {
    if (error instanceof BuildError) return { problems: error.problems };
    throw error;
  }
  return { scenario: isFile ? path.basename(named, path.extname(named)) : named };
};

/** Chooses the project that a scenario's file is in, or returns why there is none. */
const useProjectOf = (file: string, named: string): string | undefined => {
  const shown = printable(named, 200);
  if (!existsSync(file))
    return `${shown}: expected the file of a scenario, such as ./scenarios/mine.ts; there is no such file`;
  if (path.extname(file) !== '.ts') return `${shown}: expected the .ts file of a scenario; k6 run takes bundles`;
  const folder = path.dirname(file);
  if (folder === path.join(packageRoot, 'scenarios')) {
    useProject(undefined);
    return undefined;
  }
  const project = findProject(folder);
  if (project === undefined) return `${shown}: it is in no project, which is ${projectForm}`;
  if (folder !== project.scenarios) {
    return `${shown}: expected a file in ${project.scenarios}, where the scenarios of this project are`;
  }
  useProject(project);
  return undefined;
};

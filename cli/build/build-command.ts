import { watch } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../lib/text/errors.ts';
import { declareCommand, type Options } from '../shared/command.ts';
import { findProject, projectForm } from '../shared/project.ts';
import { BuildError, buildProject } from './project-build.ts';

const options = {
  watch: { description: 'Build again at each change of a file that the scenarios depend on; Ctrl-C ends it.' },
} as const satisfies Options;

export const buildCommand = declareCommand({
  description: `Builds the scenarios of your project: checks the types of scenarios/*.ts with the TypeScript of the project, and bundles each to dist/ for k6. dist/ also has the shipped scenarios, with the criteria of your thresholds.json. A build that fails leaves dist/ as it is.

ws-stress run builds what is stale, so it needs no build before it; k6 run dist/<scenario>.js does.`,
  arguments: [{ name: 'folder', isPath: true }],
  options,
  examples: ['ws-stress build', 'ws-stress build ./load-tests --watch'],
  notDone: 'Nothing was built',
  act: async ({ values, positionals, problems, refuse }) => {
    const [start = '.'] = positionals;
    const project = findProject(start);
    const missing = project === undefined ? [`${path.resolve(start)}: expected ${projectForm}`] : [];
    if (project === undefined || problems.length > 0) return refuse([...problems, ...missing]);
    const once = async (): Promise<string[] | undefined> => {
      try {
        return (await buildProject(project)).inputs;
      } catch (error) {
        for (const line of error instanceof BuildError ? error.problems : [messageOf(error)]) console.error(line);
        console.error('ws-stress build: nothing was built, dist/ is as it was');
        return undefined;
      }
    };
    if (values.watch !== true) return (await once()) === undefined ? 1 : 0;
    return buildAgain(once, [project.folder, project.scenarios]);
  },
});

const isSource = (name: string | null): boolean => name === null || /\.(ts|js|json)$/.test(name);

/** Builds, and again whenever a source in these folders changes, or in a folder of a file that a build depended on. */
const buildAgain = async (build: () => Promise<string[] | undefined>, folders: readonly string[]): Promise<never> => {
  const watched = new Set<string>();
  let hasChanged = false;
  let wake: (() => void) | undefined;
  const watchAlso = (more: readonly string[]): void => {
    for (const folder of more) {
      if (watched.has(folder)) continue;
      watched.add(folder);
      watch(folder, (_, name) => {
        if (!isSource(name)) return;
        hasChanged = true;
        wake?.();
      });
    }
  };
  watchAlso(folders);
  for (;;) {
    hasChanged = false;
    const inputs = await build();
    watchAlso((inputs ?? []).map((file) => path.dirname(file)));
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (hasChanged) resolve();
    });
    // What is saved together is built together.
    await delay(100);
  }
};

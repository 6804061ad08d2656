import { watch } from 'node:fs';
import path from 'node:path';
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
    for (let inputs = await once(); ; inputs = await once()) {
      await changeIn([project.folder, project.scenarios, ...(inputs ?? []).map((file) => path.dirname(file))]);
    }
  },
});

const isSource = (name: string | null): boolean => name === null || /\.(ts|js|json)$/.test(name);

/** Waits until a source in one of these folders changes, and for what else changes at the same time. */
const changeIn = async (folders: readonly string[]): Promise<void> => {
  const watchers = await new Promise<{ close: () => void }[]>((resolve) => {
    const all = [...new Set(folders)].map((folder) =>
      watch(folder, (_, name) => {
        if (isSource(name)) resolve(all);
      }),
    );
  });
  for (const watcher of watchers) watcher.close();
  await new Promise((resolve) => {
    setTimeout(resolve, 100);
  });
};

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { isObject } from '../../lib/jsonrpc/messages.ts';
import { innermostMessage, messageOf } from '../../lib/text/errors.ts';
import { declareCommand, type Options } from '../shared/command.ts';
import { writeOutput } from '../shared/output-file.ts';
import { packageRoot, packageVersion } from '../shared/package-root.ts';
import { withoutMark } from '../../lib/text/byte-order-mark.ts';

const template = path.join(packageRoot, 'docs/examples/project');

const options = {
  force: { description: 'Replace files that are there already; package.json is only added to.' },
} as const satisfies Options;

export const initCommand = declareCommand({
  description: `Makes a project for scenarios of your own: a scenario, criteria, a command set, a workflow for GitHub Actions, and what TypeScript and npm need. It replaces no file that is there already; an existing package.json gets what it lacks.`,
  arguments: [{ name: 'folder', isPath: true }],
  options,
  examples: ['ws-stress init', 'ws-stress init ./load-tests'],
  notDone: 'Nothing was written',
  act: async ({ values, positionals, problems, refuse }) => {
    const [to = '.'] = positionals;
    const folder = path.resolve(to);
    const files = templateFiles();
    const present = values.force === true ? [] : files.filter(({ name }) => existsSync(path.join(folder, name)));
    const all = [
      ...problems,
      ...present.map(({ name }) => `${path.join(folder, name)} is there already; --force replaces it`),
    ];
    let manifest;
    try {
      manifest = completedManifest(path.join(folder, 'package.json'));
    } catch (error) {
      all.push(messageOf(error));
    }
    if (all.length > 0 || manifest === undefined) return refuse(all);
    let written = 0;
    try {
      for (const { name, text } of [...files, { name: 'package.json', text: manifest }]) {
        await writeOutput(path.join(folder, name), text);
        written++;
        console.log(`wrote ${path.join(to, name)}`);
      }
    } catch (error) {
      if (written === 0) return refuse([messageOf(error)]);
      console.error(`${messageOf(error)}\nThe files above are written; --force replaces them when you try again.`);
      return 1;
    }
    console.log(nextSteps(to));
    return 0;
  },
});

const nextSteps = (folder: string): string => `
Next:
${folder === '.' ? '' : `  cd ${folder}\n`}  npm install
  npx ws-stress run jobs --with-target     runs scenarios/jobs.ts against the reference target
  npx ws-stress run jobs --url ws://…      runs it against your service`;

/** The files of a new project but its package.json; npm packs no .gitignore, so the template's has no dot. */
const templateFiles = (): { name: string; text: string }[] =>
  readdirSync(template, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !(entry.name === 'package.json'))
    .map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      const name = path.relative(template, file);
      return { name: name === 'gitignore' ? '.gitignore' : name, text: readFileSync(file, 'utf8') };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));

type Manifest = Record<string, unknown> & { devDependencies: Record<string, string> };

const membersOf = (manifest: Record<string, unknown>, name: string): Record<string, unknown> => {
  const value = manifest[name];
  return isObject(value) ? value : {};
};

/** The text of a package.json with what a project needs: its own, where there is one, with what it lacks. */
const completedManifest = (file: string): string => {
  const wanted = JSON.parse(readFileSync(path.join(template, 'package.json'), 'utf8')) as Manifest;
  wanted.devDependencies['websocket-mcp-stress'] = `^${packageVersion()}`;
  if (!existsSync(file)) return `${JSON.stringify(wanted, undefined, 2)}\n`;
  let own: unknown;
  try {
    own = JSON.parse(withoutMark(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new Error(`${file}: expected JSON: ${innermostMessage(error)}`, { cause: error });
  }
  if (!isObject(own)) throw new Error(`${file}: expected the package.json of a project`);
  const present = membersOf(own, 'dependencies');
  const lacking = Object.entries(wanted.devDependencies).filter(([name]) => !Object.hasOwn(present, name));
  const completed = {
    private: true,
    type: wanted.type,
    ...own,
    scripts: { ...membersOf(wanted, 'scripts'), ...membersOf(own, 'scripts') },
    devDependencies: { ...Object.fromEntries(lacking), ...membersOf(own, 'devDependencies') },
  };
  return `${JSON.stringify(completed, undefined, 2)}\n`;
};

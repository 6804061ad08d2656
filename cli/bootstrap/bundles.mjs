import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from '../shared/lock.mjs';
import { Failure, run } from './child.mjs';

const SOURCE_DIRECTORIES = ['cli', 'lib', 'reference-target', 'scenarios', 'schemas'];
const SOURCE_FILES = /^(build\.mjs|thresholds\.json|tsconfig\.json|package(-lock)?\.json)$/;

/** Builds dist/ unless it was built from the present sources. */
export const ensureBundles = async (root, { lock, say, onWait }) => {
  if (isBuiltFrom(hashOfSources(root), root)) return;
  await withLock(
    lock,
    async () => {
      if (isBuiltFrom(hashOfSources(root), root)) return;
      say('building dist/');
      await buildOnce(root, []);
    },
    { onWait },
  );
};

/** Builds dist/ in any case; with `--watch`, again at each change. */
export const build = async (root, args, { lock, onWait }) => {
  if (args.includes('--watch')) {
    rmSync(stampPath(root), { force: true });
    return (await run(process.execPath, ['build.mjs', ...args], { cwd: root })).code;
  }
  await withLock(lock, () => buildOnce(root, args), { onWait });
  return 0;
};

const buildOnce = async (root, args) => {
  // First, so that a change during the build makes it stale.
  const hash = hashOfSources(root);
  rmSync(stampPath(root), { force: true });
  const { code } = await run(process.execPath, ['build.mjs', ...args], { cwd: root });
  if (code !== 0) throw new Failure(`the build failed with exit code ${code}; see its output above`, code);
  // Last, so that an interrupted build has no stamp.
  const content = JSON.stringify({ hash, files: filesIn(root, 'dist') });
  writeFileSync(`${stampPath(root)}.new`, content);
  renameSync(`${stampPath(root)}.new`, stampPath(root));
};

const stampPath = (root) => join(root, 'dist', '.stamp');

const isBuiltFrom = (hash, root) => {
  const path = stampPath(root);
  if (!existsSync(path)) return false;
  const stamp = JSON.parse(readFileSync(path, 'utf8'));
  return stamp.hash === hash && stamp.files.every((file) => existsSync(join(root, file)));
};

const hashOfSources = (root) => {
  const files = readdirSync(root).filter((name) => SOURCE_FILES.test(name));
  files.push(...SOURCE_DIRECTORIES.flatMap((directory) => filesIn(root, directory)));
  const hash = createHash('sha256');
  for (const file of files) {
    const content = readFileSync(join(root, file));
    hash.update(`${file} ${content.length}\n`).update(content);
  }
  return hash.digest('hex');
};

const filesIn = (root, directory) => {
  if (!existsSync(join(root, directory))) return [];
  return readdirSync(join(root, directory), { recursive: true })
    .map((name) => join(directory, name))
    .filter((path) => statSync(join(root, path)).isFile())
    .sort();
};

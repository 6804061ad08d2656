import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withLock } from '../shared/lock.mjs';
import { Failure, run } from './child.mjs';

/** Installs the dependencies with `npm ci` unless node_modules is already what package-lock.json says. */
export const ensureDependencies = async (root, { lock, say, onWait }) => {
  if (whatIsWrong(root) === undefined) return;
  await withLock(
    lock,
    async () => {
      const reason = whatIsWrong(root);
      if (reason === undefined) return;
      say(`installing the dependencies with npm ci: ${reason}`);
      const stamp = stampPath(root);
      // Without them an installation that is interrupted cannot pass for a finished one.
      for (const path of [stamp, installedPath(root)]) rmSync(path, { force: true });
      const { code } = await runNpm(root, ['ci', '--include=dev']);
      if (code !== 0) throw new Failure(`npm ci failed with exit code ${code}; what it printed says why`, code);
      writeFileSync(`${stamp}.new`, stampOf(root));
      renameSync(`${stamp}.new`, stamp);
    },
    { onWait },
  );
};

/** Runs the npm that runs us, if one does, and otherwise the one on PATH. */
export const runNpm = async (root, args) => {
  const caller = process.env.npm_execpath;
  // Under yarn or pnpm this names those.
  const isNpm = caller !== undefined && /^npm(-cli)?\.c?js$/.test(basename(caller));
  return isNpm ? await run(process.execPath, [caller, ...args], { cwd: root }) : await run('npm', args, { cwd: root });
};

const stampPath = (root) => join(root, 'node_modules', '.websocket-mcp-stress-stamp');

/** What npm writes last of all when it has installed. */
const installedPath = (root) => join(root, 'node_modules', '.package-lock.json');

const stampOf = (root) => {
  const lock = readFileSync(join(root, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform}-${process.arch}\n`;
};

/** Why node_modules cannot be used as it is; undefined when it can. */
const whatIsWrong = (root) => {
  if (!existsSync(join(root, 'package-lock.json'))) {
    throw new Failure(
      `expected ${join(root, 'package-lock.json')}, and it is not there; restore it from the repository`,
    );
  }
  if (!existsSync(join(root, 'node_modules'))) return 'there is no node_modules';
  const stamp = stampPath(root);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === stampOf(root)) return undefined;
  return whyInstalledOtherwise(root);
};

/** Why what the user's own `npm ci` or `npm install` left differs from package-lock.json; undefined when it does not. */
const whyInstalledOtherwise = (root) => {
  const path = installedPath(root);
  if (!existsSync(path)) return 'node_modules is not complete';
  let installed;
  let wantedPackages;
  try {
    installed = packagesOf(path);
    wantedPackages = packagesOf(join(root, 'package-lock.json'));
  } catch (error) {
    // It may be in the middle of being written; and if the fault is package-lock.json's, npm ci says so best.
    return error.message;
  }
  const finishedAt = statSync(path).mtimeMs;
  for (const [name, wanted] of Object.entries(wantedPackages)) {
    if (name === '') continue;
    const found = installed[name];
    if (found === undefined) {
      // npm leaves out the packages for other platforms.
      if (wanted.optional === true || wanted.devOptional === true) continue;
      return `${name} is missing`;
    }
    if (found.version !== wanted.version || found.integrity !== wanted.integrity) {
      return `${name} is ${found.version}, package-lock.json has ${wanted.version}`;
    }
    if (!suits(found.os, process.platform) || !suits(found.cpu, process.arch)) return `${name} is for another platform`;
    const manifest = join(root, name, 'package.json');
    if (!existsSync(manifest)) return `${name} is missing`;
    // npm's own test for a node_modules that was changed since.
    if (statSync(join(root, name)).mtimeMs > finishedAt) return `${name} was changed since it was installed`;
  }
  return undefined;
};

const packagesOf = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch (error) {
    throw new Error(`${path} cannot be read: ${error.message}`, { cause: error });
  }
};

/** The `os` and `cpu` of a manifest: names that suit, or with a leading "!" names that do not. */
const suits = (list, value) => {
  if (list === undefined || list.length === 0) return true;
  if (list.includes(`!${value}`)) return false;
  return list.includes(value) || list.every((name) => name.startsWith('!'));
};

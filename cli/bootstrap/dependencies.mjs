import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withLock } from '../shared/lock.mjs';
import { Failure, run } from './child.mjs';

/** Installs the dependencies with `npm ci` unless node_modules already matches package-lock.json. */
export const ensureDependencies = async (root, { lock, say, onWait }) => {
  if (whatIsWrong(root) === undefined) return;
  await withLock(
    lock,
    async () => {
      const reason = whatIsWrong(root);
      if (reason === undefined) return;
      say(`installing the dependencies with npm ci: ${reason}`);
      const stamp = stampPath(root);
      // Without these two files an interrupted installation does not look finished.
      for (const path of [stamp, installedPath(root)]) rmSync(path, { force: true });
      const { code } = await runNpm(root, ['ci', ...everything]);
      if (code !== 0) throw new Failure(`npm ci failed with exit code ${code}; see its output above`, code);
      const missing = whyInstalledOtherwise(root);
      if (missing !== undefined) {
        throw new Failure(
          `npm ci succeeded, but ${missing}; look in "npm config list" for settings that leave packages out, such as omit, os, cpu or libc`,
        );
      }
      writeFileSync(`${stamp}.new`, stampOf(root));
      renameSync(`${stamp}.new`, stamp);
    },
    { onWait },
  );
};

/** npm's own settings may leave out packages that building needs: the compilers' programs are optional ones. */
const everything = ['--include=dev', '--include=optional', '--include=peer', '--dry-run=false'];

/** Runs the npm that started this process, if there is one, otherwise the npm on PATH. */
export const runNpm = async (root, args) => {
  const caller = process.env.npm_execpath;
  // Under yarn or pnpm the variable names those.
  const isNpm = caller !== undefined && /^npm(-cli)?\.c?js$/.test(basename(caller));
  return isNpm ? await run(process.execPath, [caller, ...args], { cwd: root }) : await run('npm', args, { cwd: root });
};

const stampPath = (root) => join(root, 'node_modules', '.websocket-mcp-stress-stamp');

/** The file that npm writes last when it installs. */
const installedPath = (root) => join(root, 'node_modules', '.package-lock.json');

const stampOf = (root) => {
  const lock = readFileSync(join(root, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform}-${process.arch}\n`;
};

/** The reason to install; undefined if node_modules matches package-lock.json. */
const whatIsWrong = (root) => {
  if (!existsSync(join(root, 'package-lock.json'))) {
    throw new Failure(`${join(root, 'package-lock.json')} is missing; restore it from the repository`);
  }
  if (!existsSync(join(root, 'node_modules'))) return 'there is no node_modules';
  const stamp = stampPath(root);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === stampOf(root)) return undefined;
  return whyInstalledOtherwise(root);
};

/** How the result of the user's own `npm ci` or `npm install` differs from package-lock.json; undefined if it does not. */
const whyInstalledOtherwise = (root) => {
  const path = installedPath(root);
  if (!existsSync(path)) return 'node_modules is incomplete';
  let installed;
  let wantedPackages;
  try {
    installed = packagesOf(path);
    wantedPackages = packagesOf(join(root, 'package-lock.json'));
  } catch (error) {
    // Another npm may be writing it; if package-lock.json is invalid, npm ci explains that best.
    return error.message;
  }
  const finishedAt = statSync(path).mtimeMs;
  for (const [name, wanted] of Object.entries(wantedPackages)) {
    if (name === '') continue;
    const found = installed[name];
    if (found === undefined) {
      const isOptional = wanted.optional === true || wanted.devOptional === true;
      if (isOptional && !isForThisPlatform(wanted)) continue;
      return `${name} is missing`;
    }
    if (found.version !== wanted.version || found.integrity !== wanted.integrity) {
      return `${name} is ${found.version}, package-lock.json has ${wanted.version}`;
    }
    if (!suits(found.os, process.platform) || !suits(found.cpu, process.arch)) return `${name} is for another platform`;
    const manifest = join(root, name, 'package.json');
    if (!existsSync(manifest)) return `${name} is missing`;
    // npm uses the same test for a node_modules that has changed.
    if (statSync(join(root, name)).mtimeMs > finishedAt) return `${name} was changed since it was installed`;
  }
  return undefined;
};

const packagesOf = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch (error) {
    throw new Error(`cannot read ${path}: ${error.message}`, { cause: error });
  }
};

/** Whether `os` or `cpu` of a manifest permits a value; a leading "!" excludes one. */
const suits = (list, value) => {
  if (list === undefined || list.length === 0) return true;
  if (list.includes(`!${value}`)) return false;
  return list.includes(value) || list.every((name) => name.startsWith('!'));
};

/** Whether a package has programs for this platform; npm leaves out those for others, and what only those need. */
const isForThisPlatform = ({ os, cpu, libc }) =>
  (os ?? cpu) !== undefined &&
  suits(os, process.platform) &&
  suits(cpu, process.arch) &&
  (libc === undefined || suits(libc, libcHere()));

const libcHere = () => {
  if (process.platform !== 'linux') return undefined;
  // Otherwise the report looks up the names of all connections.
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
};

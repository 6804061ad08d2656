// Bundles each scenario to dist/<name>.js for k6, and the command line to dist/cli.mjs for Node.
//   node build.mjs            type check, bundle, check the size budget
//   node build.mjs --watch    bundle again at each change (no type check: run `npm run typecheck`)
import { spawn } from 'node:child_process';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';

const root = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(root, 'dist');

/** The largest a bundle may be without its source map, KiB: each VU pays for what its bundle creates. */
const budgetKiB = (file) => (path.basename(file) === 'suite.js' ? 245 : 190);

/** The scenarios: `{ name: entry file }`, one bundle each. */
export const scenarioEntries = async () => {
  const files = await readdir(path.join(root, 'scenarios'));
  return Object.fromEntries(
    files
      .filter((file) => file.endsWith('.ts'))
      .toSorted()
      .map((file) => [file.slice(0, -3), path.join(root, 'scenarios', file)]),
  );
};

const forK6 = {
  bundle: true,
  platform: 'neutral',
  target: 'es2023',
  external: ['k6', 'k6/*'],
  sourcemap: 'inline',
  sourcesContent: false,
  charset: 'utf8',
  metafile: true,
  logLevel: 'warning',
};

/** Functions that are called once when a VU starts, and of which it is to keep only what they return: module and name. */
const passing = { plan: 'makePlan', ends: 'makeEnds' };

/**
 * Bundles each of these functions, with all that it imports, into its own body. Whatever a module creates, every VU holds for
 * as long as it lives; what a function creates goes when it has returned (docs/adr/0006-a-vu-keeps-a-plan.md).
 */
const keepsNothing = {
  name: 'keeps-nothing',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/lib\/k6\/(plan|ends)\.ts$/ }, async ({ path: file }) => {
      const name = passing[path.basename(file, '.ts')];
      const { outputFiles, metafile } = await esbuild.build({
        ...forK6,
        entryPoints: [file],
        outfile: file.replace(/\.ts$/, '.js'),
        write: false,
        format: 'cjs',
        banner: { js: `export const ${name} = (...args) => { const module = { exports: {} };` },
        footer: { js: `return module.exports.${name}(...args); };` },
      });
      return {
        // As k6 has it: esbuild would put its own in the place of a bare one.
        contents: outputFiles[0].text.replaceAll(/\brequire\("k6/g, 'globalThis.require("k6'),
        loader: 'js',
        watchFiles: Object.keys(metafile.inputs).map((input) => path.resolve(input)),
      };
    });
  },
};

/** esbuild's options for the k6 bundles. */
export const k6Build = async (outdir) => ({
  ...forK6,
  entryPoints: await scenarioEntries(),
  outdir,
  format: 'esm',
  plugins: [keepsNothing],
});

const cliBuild = {
  entryPoints: { cli: path.join(root, 'cli/main.ts') },
  outdir: dist,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  // What a command needs is loaded with it.
  splitting: true,
  chunkNames: 'cli/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
};

const run = (command, ...args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });

const typeCheck = async () => {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  for (const zone of ['tsconfig.json', 'lib/k6/tsconfig.json', 'cli/tsconfig.json']) {
    console.log(`type check  ${zone}`);
    if ((await run(process.execPath, tsc, '-p', zone)) !== 0) throw new Error(`type errors in the zone of ${zone}`);
  }
};

const checkBudgets = async (metafile) => {
  const over = [];
  for (const [file, output] of Object.entries(metafile.outputs)) {
    const code = Object.values(output.inputs).reduce((sum, { bytesInOutput }) => sum + bytesInOutput, 0);
    const size = `${(code / 1024).toFixed(1)} KiB`;
    console.log(`bundle      ${file}  ${size} of ${budgetKiB(file)}`);
    if (code > budgetKiB(file) * 1024) over.push(`${file} has ${size}, the budget is ${budgetKiB(file)} KiB`);
  }
  if (over.length > 0) throw new Error(`over the size budget: ${over.join('; ')}`);
};

const build = async () => {
  await typeCheck();
  await rm(dist, { recursive: true, force: true });
  await mkdir(dist);
  const { metafile } = await esbuild.build(await k6Build(dist));
  await checkBudgets(metafile);
  const { metafile: cli } = await esbuild.build({ ...cliBuild, metafile: true });
  const size = Object.entries(cli.outputs).reduce(
    (sum, [file, { bytes }]) => sum + (file.endsWith('.mjs') ? bytes : 0),
    0,
  );
  console.log(`bundle      dist/cli.mjs and dist/cli/  ${(size / 1024).toFixed(1)} KiB`);
};

const watch = async () => {
  const contexts = [
    await esbuild.context({ ...(await k6Build(dist)), logLevel: 'info' }),
    await esbuild.context({ ...cliBuild, logLevel: 'info' }),
  ];
  await Promise.all(contexts.map((context) => context.watch()));
  console.log('watching, without type checks (npm run build makes them); Ctrl-C ends it');
};

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await (process.argv.includes('--watch') ? watch() : build());
  } catch (error) {
    // esbuild has printed what it found.
    if (!(error instanceof Error && 'errors' in error)) console.error(`build failed: ${error.message ?? error}`);
    process.exitCode = 1;
  }
}

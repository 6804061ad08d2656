// Bundles each scenario to dist/<name>.js for k6, and the command line to dist/cli.mjs for Node.
//   node build.mjs            type check, bundle, check the size budget
//   node build.mjs --watch    bundle again at each change (no type check: run `npm run typecheck`)
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';
import * as esbuild from 'esbuild';

const root = path.dirname(fileURLToPath(import.meta.url));

/**
 * The most code that a bundle may keep in each VU, KiB, without what only VU 0 uses: it takes memory in each of them. A suite has
 * few VUs and the cases of all its scenarios.
 */
// 16 KiB over a round number: what recognises messages without parsing them, and what tells a service that is slow from one that hangs.
const keptBudgetKiB = ({ scenarios = [] }) => 124 + 10 * scenarios.length;

/** The scenarios of a folder: `{ name: entry file }`, one bundle each. */
export const scenarioEntries = async (folder = path.join(root, 'scenarios')) => {
  const files = await readdir(folder);
  return Object.fromEntries(
    files
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
      .toSorted()
      .map((file) => [file.slice(0, -3), path.join(folder, file)]),
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

/** Functions that VU 0 calls once when it starts, and of which it keeps only what they return: module and name. */
const passing = { plan: 'makePlan', lifecycle: 'makeLifecycle' };

/**
 * Finds what scenarios import from the package by its name in this very copy of it. Of a project, its criteria are the default
 * ones of the bundles, and kept failures are replayed with its scripts.
 */
const packageModules = (project) => ({
  name: 'package-modules',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^websocket-mcp-stress$/ }, () => ({ path: path.join(root, 'lib/k6/index.ts') }));
    onResolve({ filter: /^websocket-mcp-stress\/scenarios\/[a-z0-9-]+$/ }, ({ path: name }) => ({
      path: path.join(root, 'scenarios', `${path.posix.basename(name)}.ts`),
    }));
    if (project === undefined) return;
    onLoad({ filter: /[/\\]thresholds\.json$/ }, ({ path: file }) =>
      file === path.join(root, 'thresholds.json')
        ? { contents: JSON.stringify(project.thresholds), loader: 'json' }
        : undefined,
    );
    onLoad({ filter: /[/\\]own-scripts\.ts$/ }, ({ path: file }) =>
      file === path.join(root, 'lib/k6/own-scripts.ts')
        ? { contents: ownScripts(project.scripts), loader: 'js' }
        : undefined,
    );
  },
});

/** A module that has the scripts of these scenarios, `{ name: entry file }`. */
const ownScripts = (entries) => {
  const all = Object.entries(entries);
  const imports = all.map(([, file], index) => `import { definition as own${index} } from ${JSON.stringify(file)};`);
  const members = all.map(([name], index) => `${JSON.stringify(name)}: own${index}.script,`);
  return [...imports, 'export const ownScripts = {', ...members, '};'].join('\n');
};

/**
 * Bundles each of these functions, with all that it imports, into its own body. Every VU holds what a module creates for as long
 * as it lives; what a function creates goes when it has returned (docs/adr/0006-a-vu-keeps-a-plan.md).
 */
const keepsNothing = (project) => ({
  name: 'keeps-nothing',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/lib\/k6\/(plan|lifecycle)\.ts$/ }, async ({ path: file }) => {
      if (!file.startsWith(root)) return undefined;
      const name = passing[path.basename(file, '.ts')];
      const { outputFiles, metafile } = await esbuild.build({
        ...forK6,
        entryPoints: [file],
        outfile: file.replace(/\.ts$/, '.js'),
        write: false,
        format: 'cjs',
        plugins: [packageModules(project)],
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
});

/** esbuild's options for the k6 bundles of these scenarios; `project` has what a project replaces of the package. */
export const k6Build = async (outdir, entries, project) => ({
  ...forK6,
  entryPoints: entries ?? (await scenarioEntries()),
  outdir,
  format: 'esm',
  plugins: [packageModules(project), keepsNothing(project)],
});

/** What stands for k6's modules while the facts of scenarios are read: anything, of which anything can be called or made. */
const k6Stub = {
  name: 'k6-stub',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^k6(\/|$)/ }, ({ path: name }) => ({ path: name, namespace: 'k6-stub' }));
    onLoad({ filter: /.*/, namespace: 'k6-stub' }, () => ({
      contents: `
        const any = new Proxy(function () {}, {
          get: (_, name) => name === Symbol.iterator ? function* () { yield any; } : name === Symbol.toPrimitive ? () => '' : any,
          apply: () => any,
          construct: () => any,
        });
        module.exports = Object.create(any);`,
      loader: 'js',
    }));
  },
};

/** The facts of a scenario (lib/load/scenario-facts.ts), from its definition. Throws an Error that says what the file lacks. */
const readFacts = async (name, file) => {
  const { outputFiles } = await esbuild.build({
    stdin: {
      contents: `import * as scenario from ${JSON.stringify(file)};
        import { factsOf } from ${JSON.stringify(path.join(root, 'lib/load/scenario-facts.ts'))};
        export const facts = scenario.definition && JSON.stringify(factsOf(scenario.definition));`,
      resolveDir: root,
    },
    bundle: true,
    platform: 'neutral',
    target: 'es2023',
    format: 'cjs',
    write: false,
    plugins: [packageModules(), k6Stub],
    // What is wrong with a file is thrown, and printed by whoever catches it.
    logLevel: 'silent',
  });
  const where = path.relative(process.cwd(), file);
  const module = { exports: {} };
  const globals = { module, exports: module.exports, console, __VU: 1, __ITER: 0, __ENV: {}, open: () => '' };
  try {
    vm.runInNewContext(outputFiles[0].text, globals, { filename: file, timeout: 10_000 });
  } catch (error) {
    throw new Error(`${where}: its definition could not be read: ${error.message ?? error}`, { cause: error });
  }
  const { facts } = module.exports;
  if (typeof facts !== 'string') {
    throw new Error(`${where}: expected it to export the definition that scenario() or suite() returns`);
  }
  const read = JSON.parse(facts);
  if (read.name !== name)
    throw new Error(`${where}: expected scenario('${name}', …), as the file is called; it is '${read.name}'`);
  if (!read.question) throw new Error(`${where}: expected a question: one sentence that says what the scenario asks`);
  return read;
};

/**
 * What dist/scenarios.json holds: the facts of all scenarios, those that are known and those of these files. The members of the
 * first suite come first, in its order, and suites last.
 */
export const readManifest = async (entries, known = []) => {
  const read = await Promise.all(Object.entries(entries).map(([name, file]) => readFacts(name, file)));
  const all = [...known, ...read];
  const suites = all.filter(({ scenarios }) => scenarios !== undefined);
  const order = suites.flatMap(({ scenarios }) => scenarios);
  const rank = ({ name }) => (order.includes(name) ? order.indexOf(name) : order.length);
  const singles = all.filter(({ scenarios }) => scenarios === undefined).toSorted((a, b) => rank(a) - rank(b));
  return { version: 1, scenarios: [...singles, ...suites] };
};

const cliBuild = (outdir) => ({
  entryPoints: { cli: path.join(root, 'cli/main.ts') },
  outdir,
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
});

/** Writes report/ with the script of reports and its style sheet, each with the licence of what is in them: a page holds both and needs nothing else. */
const buildPage = async (outdir) => {
  const uplot = path.join(root, 'node_modules/uplot');
  const licence = `/*! uPlot\n${(await readFile(path.join(uplot, 'LICENSE'), 'utf8')).trim()}\n*/`;
  await esbuild.build({
    entryPoints: { 'report/page': path.join(root, 'cli/report/browser/client.ts') },
    outdir,
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    banner: { js: licence },
    logLevel: 'warning',
  });
  const css = await readFile(path.join(uplot, 'dist/uPlot.min.css'), 'utf8');
  await writeFile(path.join(outdir, 'report/page.css'), `${licence}\n${css.trim()}\n`);
};

const run = (command, ...args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });

const typeCheck = async (zone, ...options) => {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  console.log(`type check  ${zone}`);
  if ((await run(process.execPath, tsc, '-p', zone, ...options)) !== 0)
    throw new Error(`type errors in the zone of ${zone}`);
};

/** Checks the types of what runs in k6, and writes those that scenarios outside of this package need. */
const writeTypes = async (outdir) => {
  const emit = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--rootDir', root, '--outDir', outdir];
  await typeCheck('lib/k6/tsconfig.json', ...emit);
  await rm(path.join(outdir, 'docs'), { recursive: true, force: true });
  for (const name of await readdir(outdir, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue;
    const file = path.join(outdir, name);
    const text = await readFile(file, 'utf8');
    // Every version of TypeScript and every way to resolve modules finds the declarations behind .js.
    await writeFile(file, text.replaceAll(/((?:from |import\()['"]\.[^'"]*)\.ts(?=['"])/g, '$1.js'));
  }
};

/** Code of a bundle, KiB: all of it, and what each VU keeps. */
const sizesOf = ({ inputs }) => {
  let all = 0;
  let kept = 0;
  for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
    all += bytesInOutput / 1024;
    if (!/(^|\/)lib\/k6\/(plan|lifecycle)\.ts$/.test(file)) kept += bytesInOutput / 1024;
  }
  return { all, kept };
};

/** The size of each bundle, and what is over the budget. */
const checkBudgets = (metafile, { scenarios }) => {
  /** @type {string[]} */
  const sizes = [];
  /** @type {string[]} */
  const over = [];
  for (const [file, output] of Object.entries(metafile.outputs)) {
    const { all, kept } = sizesOf(output);
    const name = path.basename(file, '.js');
    const budget = keptBudgetKiB(scenarios.find((each) => each.name === name));
    sizes.push(`${name.padEnd(20)} ${all.toFixed(1)} KiB; each VU keeps ${kept.toFixed(1)} of ${budget} KiB`);
    if (kept > budget) {
      over.push(`${name} keeps ${kept.toFixed(1)} KiB of code in each VU, the budget is ${budget} KiB`);
    }
  }
  return { sizes, over };
};

/** Lets `make` fill a new folder, which takes the place of `folder` only once all of it is there. */
export const replaceFolder = async (folder, make) => {
  const [next, last] = [`${folder}.new-${process.pid}`, `${folder}.old-${process.pid}`];
  try {
    await rm(next, { recursive: true, force: true });
    await mkdir(next, { recursive: true });
    await make(next);
    if (existsSync(folder)) await rename(folder, last);
    await rename(next, folder);
  } finally {
    await rm(next, { recursive: true, force: true });
    await rm(last, { recursive: true, force: true });
  }
};

/**
 * Bundles scenarios for k6 and writes their facts to scenarios.json beside them. Returns the size of each bundle, what is over
 * the budget, and the files that all of it was made from.
 */
export const buildScenarios = async (outdir, entries, manifest, project) => {
  const { metafile } = await esbuild.build(await k6Build(outdir, entries, project));
  await writeFile(path.join(outdir, 'scenarios.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return {
    ...checkBudgets(metafile, manifest),
    inputs: Object.keys(metafile.inputs).map((file) => path.resolve(file)),
  };
};

const dist = path.join(root, 'dist');

const build = async () => {
  await typeCheck('tsconfig.json');
  await typeCheck('cli/tsconfig.json');
  await typeCheck('cli/report/browser/tsconfig.json');
  const entries = await scenarioEntries();
  let size = 0;
  await replaceFolder(dist, async (folder) => {
    await writeTypes(path.join(folder, 'types'));
    const { sizes, over } = await buildScenarios(folder, entries, await readManifest(entries));
    for (const line of sizes) console.log(`bundle      ${line}`);
    if (over.length > 0) {
      throw new Error(
        `${over.join('; ')}. Move what only set-up or the summary needs behind lib/k6/plan.ts or lib/k6/lifecycle.ts (CONTRIBUTING.md), or raise keptBudgetKiB in build.mjs and say why.`,
      );
    }
    await buildPage(folder);
    const { metafile } = await esbuild.build({ ...cliBuild(folder), metafile: true });
    for (const [file, { bytes }] of Object.entries(metafile.outputs)) size += file.endsWith('.mjs') ? bytes : 0;
  });
  console.log(`bundle      cli.mjs and cli/     ${(size / 1024).toFixed(1)} KiB`);
};

const watch = async () => {
  const entries = await scenarioEntries();
  await mkdir(dist, { recursive: true });
  await writeFile(path.join(dist, 'scenarios.json'), JSON.stringify(await readManifest(entries)));
  await buildPage(dist);
  const contexts = [
    await esbuild.context({ ...(await k6Build(dist, entries)), logLevel: 'info' }),
    await esbuild.context({ ...cliBuild(dist), logLevel: 'info' }),
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

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { build, type Metafile } from 'esbuild';
import { k6Build, scenarioEntries } from '../build.mjs';
import { packageRoot } from '../cli/shared/package-root.ts';

const maxLinesOfAScenario = 50;

const bundled = async (): Promise<Metafile['inputs']> => {
  const k6 = await build({ ...(await k6Build('dist')), plugins: [], write: false, metafile: true });
  const node = await build({
    entryPoints: ['cli/main.ts', 'reference-target/server.ts'],
    absWorkingDir: packageRoot,
    outdir: 'dist',
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    write: false,
    metafile: true,
  });
  for (const file of Object.keys(node.metafile.inputs)) {
    assert.match(file, /^(cli|reference-target|lib\/(?!k6\/))|\.json$/, `${file} is in what Node runs`);
  }
  for (const file of Object.keys(k6.metafile.inputs)) {
    assert.match(file, /^(scenarios|lib)\/|^thresholds\.json$/, `${file} is in a bundle for k6`);
  }
  return { ...k6.metafile.inputs, ...node.metafile.inputs };
};

const isK6 = (module: string): boolean => /^k6(\/|$)/.test(module);
const isNode = (module: string): boolean => module.startsWith('node:') || builtinModules.includes(module);

/** Which files, and which modules from outside, a folder's files may import. */
const zones: { of: RegExp; files: RegExp; modules: (name: string) => boolean }[] = [
  // Of this one, the rest of lib imports types only: the bundles for k6 have nothing from outside.
  { of: /^lib\/results\/(record|result)-schema\.ts$/, files: /^lib\/(?!k6\/)/, modules: (name) => name === 'valibot' },
  { of: /^lib\/(?!k6\/|results\/(?:record|result)-schema)/, files: /^lib\/(?!k6\/)/, modules: () => false },
  { of: /^lib\/k6\//, files: /^lib\/|^thresholds\.json$/, modules: isK6 },
  { of: /^scenarios\//, files: /^(lib|scenarios)\//, modules: isK6 },
  {
    of: /^reference-target\//,
    files: /^(reference-target|lib\/(?!k6\/))/,
    modules: (name) => isNode(name) || name === 'ws',
  },
  {
    of: /^cli\//,
    files: /^(cli|reference-target|lib\/(?!k6\/))/,
    modules: (name) => isNode(name) || ['ws', 'valibot', 'yaml', 'croner', 'nanotar', 'commander'].includes(name),
  },
];

void test('k6 and Node code never meet, and both point at the pure core', async () => {
  const inputs = Object.entries(await bundled()).filter(([file]) => !file.endsWith('.json'));
  for (const zone of zones) {
    const own = inputs.filter(([file]) => zone.of.test(file));
    assert.ok(own.length > 0, `no file of ${zone.of} is bundled: nothing is tested`);
    for (const [file, { imports }] of own) {
      for (const { path: to, external, original } of imports) {
        const allowed = external === true ? zone.modules(to) : zone.files.test(to);
        assert.ok(allowed, `${file} may not import ${original ?? to}`);
      }
    }
  }
  for (const [file] of inputs)
    assert.ok(
      zones.some(({ of }) => of.test(file)),
      `${file} is in no zone`,
    );
});

/** Bottom first: a folder of lib imports only itself and those before it. */
const layers = ['text', 'jsonrpc', 'commands', 'session', 'memory', 'cases', 'load', 'results', 'k6'];

void test('the lint rules keep the layers of lib apart', () => {
  const lib = readdirSync(path.join(packageRoot, 'lib'), { withFileTypes: true });
  const folders = lib.filter((each) => each.isDirectory()).map(({ name }) => name);
  assert.deepEqual(folders.toSorted(), layers.toSorted(), 'each folder of lib is a layer');
  const { overrides } = JSON.parse(readFileSync(path.join(packageRoot, '.oxlintrc.json'), 'utf8')) as {
    overrides: {
      files: string[];
      rules: { 'no-restricted-imports'?: [string, { patterns: [{ group: string[] }] }] };
    }[];
  };
  for (const [index, layer] of layers.slice(0, -1).entries()) {
    const rule = overrides.find(({ files }) => files.includes(`lib/${layer}/**`))?.rules['no-restricted-imports'];
    const allowed = layers.slice(0, index).map((each) => `!../${each}/*`);
    assert.deepEqual(rule?.[1].patterns[0].group, ['**', '!./*', ...allowed], `what lib/${layer} may import`);
  }
});

void test('every file of lib is in some bundle', async () => {
  const inputs = Object.keys(await bundled());
  const files = readdirSync(path.join(packageRoot, 'lib'), { recursive: true, encoding: 'utf8' });
  // One of types alone leaves nothing to bundle.
  const missing = files.filter(
    (file) =>
      /(?<!\.d)\.ts$/.test(file) &&
      !inputs.includes(`lib/${file}`) &&
      /^(export )?(const|class|function)/m.test(readFileSync(path.join(packageRoot, 'lib', file), 'utf8')),
  );
  assert.deepEqual(missing, []);
});

void test(`a scenario has at most ${maxLinesOfAScenario} lines`, async () => {
  for (const [name, file] of Object.entries(await scenarioEntries())) {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').length;
    assert.ok(lines <= maxLinesOfAScenario, `${name} has ${lines} lines: what it does belongs in lib`);
  }
});

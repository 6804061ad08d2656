// The same bundles as build.mjs makes, by webpack: `npx webpack` writes dist-webpack/<name>.js. Checks no types.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { scenarioEntries } from './build.mjs';

const root = path.dirname(fileURLToPath(import.meta.url));
const outdir = path.join(root, 'dist-webpack');

const config = (entry) => ({
  // Naming no platform: k6 is neither a browser nor Node.
  target: 'es2022',
  mode: 'production',
  context: root,
  entry,
  output: {
    path: outdir,
    filename: '[name].js',
    module: true,
    library: { type: 'module' },
    // As esbuild has it: k6 shows a source file by its path from the bundle.
    devtoolModuleFilenameTemplate: ({ absoluteResourcePath }) => path.relative(outdir, absoluteResourcePath),
  },
  experiments: { outputModule: true },
  externalsType: 'module',
  externals: /^k6(\/.*)?$/,
  module: { rules: [{ test: /\.ts$/, loader: 'esbuild-loader', options: { target: 'es2023' } }] },
  // k6 does not download its scripts; small names would only make its stack traces worse.
  optimization: { minimize: false },
  devtool: 'inline-nosources-source-map',
  performance: { hints: false },
});

// Each by itself: what several entries share webpack would keep apart, and take k6's modules as namespaces, which have no default.
export default async () => Object.entries(await scenarioEntries()).map(([name, file]) => config({ [name]: file }));

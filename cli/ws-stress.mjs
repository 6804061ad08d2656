#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const built = new URL('../dist/cli.mjs', import.meta.url);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`ws-stress: expected Node 20.19 or newer, this is ${process.version}; install a newer Node.`);
  process.exitCode = 2;
} else if (existsSync(fileURLToPath(built))) {
  const { main } = await import(built.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  console.error('ws-stress: dist/cli.mjs is not built; run `npm run build` in the checkout first.');
  process.exitCode = 2;
}

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf, innermostMessage } from '../../lib/text/errors.ts';

const PACKAGE_NAME = 'websocket-mcp-stress';

/** The directory of this package, given the URL of a module in it: a source file, a bundle or an installed copy. */
export const findPackageRoot = (moduleUrl: string): string => {
  const start = dirname(fileURLToPath(moduleUrl));
  for (let directory = start; ; directory = dirname(directory)) {
    if (packageNameIn(directory) === PACKAGE_NAME) return directory;
    if (directory === dirname(directory)) {
      throw new Error(`no package.json named "${PACKAGE_NAME}" in ${start} or above it; install the package again`);
    }
  }
};

const packageNameIn = (directory: string): unknown => {
  const path = join(directory, 'package.json');
  try {
    const manifest: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof manifest === 'object' && manifest !== null && 'name' in manifest ? manifest.name : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new Error(`cannot read ${path}: ${innermostMessage(error)}`, { cause: error });
  }
};

export const packageRoot: string = findPackageRoot(import.meta.url);

export const packageVersion = (): string =>
  (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;

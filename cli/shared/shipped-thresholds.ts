import { readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from './package-root.ts';

/** The package's own thresholds.json, as parsed from JSON. */
export const shippedThresholds = (): unknown =>
  JSON.parse(readFileSync(path.join(packageRoot, 'thresholds.json'), 'utf8'));

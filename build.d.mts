import type { BuildOptions } from 'esbuild';
import type { ScenarioFacts } from './lib/load/scenario-facts.ts';

/** Entry files of bundles, by name. */
type Entries = Record<string, string>;

/** What a project replaces of the package: the default criteria, as parsed from JSON, and the scenarios whose scripts replay failures. */
interface ProjectParts {
  thresholds: unknown;
  scripts: Entries;
}

interface Manifest {
  version: 1;
  scenarios: ScenarioFacts[];
}

interface Built {
  sizes: string[];
  over: string[];
  inputs: string[];
}

export const scenarioEntries: (folder?: string) => Promise<Entries>;
export const k6Build: (
  outdir: string,
  entries?: Entries,
  project?: ProjectParts,
) => Promise<BuildOptions & { metafile: true }>;
export const readManifest: (entries: Entries, known?: readonly ScenarioFacts[]) => Promise<Manifest>;
export const buildScenarios: (
  outdir: string,
  entries: Entries,
  manifest: Manifest,
  project?: ProjectParts,
) => Promise<Built>;
export const replaceFolder: (folder: string, make: (next: string) => Promise<void>) => Promise<void>;

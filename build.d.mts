import type { BuildOptions } from 'esbuild';
import type { ScenarioFacts } from './lib/load/scenario-facts.ts';

type Entries = Record<string, string>;

export const scenarioEntries: (folder?: string) => Promise<Entries>;
export const k6Build: (outdir: string, entries?: Entries) => Promise<BuildOptions & { metafile: true }>;
export const readManifest: (entries: Entries) => Promise<{ version: 1; scenarios: ScenarioFacts[] }>;

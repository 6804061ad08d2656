import type { BuildOptions } from 'esbuild';

export const scenarioEntries: () => Promise<Record<string, string>>;
export const k6Build: (outdir: string) => Promise<BuildOptions & { metafile: true }>;

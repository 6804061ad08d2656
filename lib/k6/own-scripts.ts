import type { ScenarioDefinition } from './definition.ts';

/** Scripts of scenarios outside of this package, by name: the build of a project puts its own here. */
export const ownScripts: Readonly<Record<string, ScenarioDefinition['script']>> = {};

/** The scenarios that exist: one file each in scenarios/, one bundle each in dist/. */
export const scenarioNames: readonly string[] = ['single', 'concurrent'];

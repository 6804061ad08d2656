/** The tests that exist, in the order in which the suite runs them: one file each in scenarios/, one bundle each in dist/. */
export const testNames: readonly string[] = [
  'single',
  'concurrent',
  'process-control',
  'high-output',
  'command-validation',
  'session-limit',
  'conformance',
  'memory',
  'recovery',
  'service-down',
];

/** Those of them that open no rounds of sessions: cases alone judge them. */
export const testsWithoutRounds: readonly string[] = [
  'command-validation',
  'session-limit',
  'conformance',
  'memory',
  'recovery',
  'service-down',
];

/** The tests that a scenario runs: itself, or all of them. */
export const testsOf = (scenario: string): readonly string[] => (scenario === 'suite' ? testNames : [scenario]);

/** What `k6 run dist/<name>.js` can run: a test, or all of them. */
export const scenarioNames: readonly string[] = [...testNames, 'suite'];

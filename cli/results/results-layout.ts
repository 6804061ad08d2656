import { existsSync } from 'node:fs';
import path from 'node:path';

/** The folder, in the working directory, that has everything that runs leave behind, unless `--folder` names another. */
export const defaultResults = 'stress-results';

/** Where everything is in a folder of results. */
export const resultsLayout = (base: string) => ({
  /** A folder for each run, by its id. */
  runs: path.join(base, 'runs'),
  /** What is known over many runs, and the pictures of HISTORY.md. */
  history: path.join(base, 'history'),
  /** Run records, one a line. */
  historyRuns: path.join(base, 'history', 'runs.jsonl'),
  /** Which runs others are compared with. */
  baseline: path.join(base, 'history', 'baseline.json'),
  historyDocument: path.join(base, 'HISTORY.md'),
  /** A file for each failure that was kept. */
  recovery: path.join(base, 'recovery'),
  /** The kept failures that are replayed. */
  recoveryIndex: path.join(base, 'recovery', 'index.json'),
});

/** The folder of results for a reader that changes nothing: results of an earlier release are in the working directory itself. */
export const resultsToRead = (): string => (existsSync(defaultResults) ? defaultResults : '.');

import { existsSync } from 'node:fs';
import path from 'node:path';
import { innermostMessage } from '../../lib/text/errors.ts';
import { folded } from '../../lib/text/fold.ts';
import { plainLines } from '../../lib/text/visible.ts';
import { moveResults } from './move-results.ts';
import { defaultResults, resultsToRead } from './results-layout.ts';

/**
 * The folder of results that a command works with, absolute: the one of `--folder`, or the default one. Into the default one it
 * first moves what an earlier release left in the working directory; where that can't be moved, it is used where it is.
 */
export const openResults = async (folder: string | undefined): Promise<string> => {
  if (folder !== undefined) return path.resolve(folder);
  try {
    const told = await moveResults(path.resolve('.'), path.resolve(defaultResults));
    if (told !== undefined)
      console.error(
        plainLines(told)
          .split('\n')
          .map((line) => folded(line))
          .join('\n'),
      );
    return path.resolve(defaultResults);
  } catch (error) {
    console.error(
      `results of an earlier release stay where they are: ${plainLines(innermostMessage(error))}; ${defaultResults}/ could not be made`,
    );
    return path.resolve(resultsToRead());
  }
};

/** The path of a file that may have moved with `openResults`: where it is now. */
export const whereMoved = (file: string, base: string): string => {
  const relative = path.relative('.', file);
  const moved = path.join(base, relative);
  return !existsSync(file) && !relative.startsWith('..') && existsSync(moved) ? moved : file;
};

import { messageOf } from '../../lib/text/errors.ts';
import { declareCommand } from '../shared/command.ts';
import { resultsFolder } from '../shared/common-options.ts';
import { exportProblems, exportsAsked, writeExports } from './exports.ts';
import { openResults } from './results-folder.ts';
import { knownRunIds, readRun } from './run-folder.ts';
import { problemsIn, refusalText } from '../shared/refusal.ts';

export const exportCommand = declareCommand({
  description: `Writes the results of a run for other programs, in at least one of these formats. The run is given by its id or its folder; the default is the latest. - as the file is stdout.

Exit code: 0; 1 the run can't be read or a file can't be written; 2 wrong options.`,
  arguments: [{ name: 'run', isPath: true, choices: knownRunIds }],
  options: {
    junit: { takes: 'file', description: 'JUnit XML: a test suite for each scenario, a test case for each criterion.' },
    markdown: { takes: 'file', description: "A summary in Markdown, for a pull request or a job's page." },
    badge: { takes: 'file', description: 'The verdict as a badge, SVG.' },
    annotations: {
      takes: 'file',
      description: 'The causes as annotations of GitHub Actions; - prints them, as a step must.',
    },
    json: { takes: 'file', description: 'The run record (schemas/run.schema.json).' },
    folder: resultsFolder,
  },
  notDone: 'Nothing was exported',
  examples: ['ws-stress export --markdown - >> "$GITHUB_STEP_SUMMARY"'],
  act: async ({ values, positionals: [named], problems: typed, refuse }) => {
    const asked = exportsAsked(values);
    const toStdout = asked.filter(([, file]) => file === '-').map(([form]) => `--${form}`);
    const problems = [
      ...typed,
      ...problemsIn(
        asked.length === 0 &&
          'expected --junit, --markdown, --badge, --annotations or --json with a file, received none of them',
        toStdout.length > 1 && `expected one of them on stdout, received - for ${toStdout.join(' and ')}`,
      ),
      ...exportProblems(values),
    ];
    if (problems.length > 0) return refuse(problems);
    try {
      const { folder, record } = await readRun(await openResults(values.folder), named);
      await writeExports(values, record, folder);
      return 0;
    } catch (error) {
      console.error(refusalText('nothing was exported, or not all of it', [messageOf(error)]));
      return 1;
    }
  },
});

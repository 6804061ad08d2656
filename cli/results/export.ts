import path from 'node:path';
import { messageOf } from '../../lib/text/errors.ts';
import { emptyOptions, helpEntry, readOptions, refuse } from '../shared/parse-options.ts';
import { exportProblems, exportsAsked, writeExports } from './exports.ts';
import { findRun, readRunRecord } from './run-folder.ts';
import { refusalText } from '../shared/refusal.ts';

const help = `Usage: ws-stress export [run] [options]

Writes what a run came to in forms that other programs read. The run is an id,
or the path of its folder; without one it is the latest. - as FILE is stdout.
Exit code: 0; 1 where the run can't be read or a file can't be written; 2 for
wrong options.

Options, at least one of the first three:
${helpEntry('--junit FILE', 'JUnit XML: a test suite a scenario, a test case a criterion.')}
${helpEntry('--markdown FILE', "A summary in Markdown, for a pull request or a job's page.")}
${helpEntry('--json FILE', 'The run record (schemas/run.schema.json).')}
${helpEntry('--folder DIR', 'The folder of results, as given to ws-stress run. Default: here.')}
${helpEntry('--help', 'Show this.')}

Example:
  ws-stress export --markdown - >> "$GITHUB_STEP_SUMMARY"
`;

const options = {
  junit: { type: 'string' },
  markdown: { type: 'string' },
  json: { type: 'string' },
  folder: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** `ws-stress export`: writes a run as JUnit XML, Markdown or JSON; returns the exit code. */
export const exportCommand = async (argv: string[]): Promise<number> => {
  const given = readOptions(argv, options, help);
  if (typeof given === 'number') return given;
  const { values, positionals } = given;
  const [named, ...extra] = positionals;
  const asked = exportsAsked(values);
  const toStdout = asked.filter(([, file]) => file === '-').map(([form]) => `--${form}`);
  const problems = [
    ...(extra.length > 0 ? [`expected one run, received also ${extra.join(' ')}`] : []),
    ...(asked.length === 0 ? ['expected --junit, --markdown or --json with a file, received none of them'] : []),
    ...(toStdout.length > 1 ? [`expected one of them on stdout, received - for ${toStdout.join(' and ')}`] : []),
    ...emptyOptions({ junit: values.junit, markdown: values.markdown, json: values.json, folder: values.folder }),
    ...exportProblems(values),
  ];
  if (problems.length > 0) return refuse(problems);
  try {
    const folder = await findRun(path.resolve(values.folder ?? '.'), named);
    await writeExports(values, await readRunRecord(folder.run), folder);
    return 0;
  } catch (error) {
    console.error(refusalText('nothing was exported, or not all of it', [messageOf(error)]));
    return 1;
  }
};

import { visibleJson } from '../../lib/text/visible.ts';
import { suggestion } from '../../lib/text/suggestion.ts';
import { printable } from '../shared/printable.ts';
import { declareCommand } from '../shared/command.ts';
import { asJson, resultsFolder } from '../shared/common-options.ts';
import { problemsIn } from '../shared/refusal.ts';
import { writeHistory } from './history-document.ts';
import { historyFile, readHistory } from './history-file.ts';
import { openResults } from './results-folder.ts';
import { historyOf, standingOf } from './history-summary.ts';
import { historyText } from './history-text.ts';

/** So many runs of a scenario are kept for the list, the trend and its picture. */
const maxRuns = 1000;

const isCount = (text: string): boolean => /^[1-9]\d{0,3}$/.test(text) && Number(text) <= maxRuns;

export const historyCommand = declareCommand({
  description: `Lists the runs of a folder of results by scenario, address and load, with what changed lately, their trend, and how many succeeded and failed.

Exit code: 0; 1 the history can't be read or written; 2 wrong options.`,
  options: {
    folder: resultsFolder,
    test: { takes: 'scenario', description: 'List this scenario only.' },
    last: { takes: 'n', description: `List the last n runs of each scenario, at most ${maxRuns}. Default: 10.` },
    json: asJson,
    write: { description: 'Write HISTORY.md into the folder, with what changed from run to run, and charts.' },
  },
  notDone: 'Nothing was listed',
  examples: ['ws-stress history --test concurrent --last 20'],
  act: async ({ values, problems: typed, refuse }) => {
    const { last = '10', test } = values;
    const problems = [
      ...typed,
      ...problemsIn(
        !isCount(last) && `--last: expected a number from 1 to ${maxRuns}, received ${JSON.stringify(last)}`,
      ),
    ];
    if (problems.length > 0) return refuse(problems);

    const base = await openResults(values.folder);
    const history = historyOf(maxRuns);
    for await (const read of readHistory(base)) {
      if ('problem' in read) console.error(printable(read.problem, 500));
      else history.add(read.record);
    }
    const all = history.scenarios();
    const scenarios = all.filter((each) => test === undefined || each.test === test);
    if (test !== undefined && scenarios.length === 0 && all.length > 0) {
      const known = [...new Set(all.map((each) => printable(each.test, 60)))];
      return refuse([
        `--test: expected a scenario of the history (${known.join(', ')}), received ${test}${suggestion(test, known)}`,
      ]);
    }
    // The document tells of all scenarios, whichever are listed.
    if (values.write === true) console.error(`written: ${await writeHistory(base, all)}`);
    if (values.json === true) {
      const told = scenarios.map((each) => ({ ...each, ...standingOf(each), runs: each.runs.slice(-Number(last)) }));
      console.log(visibleJson({ type: 'history', version: 1, scenarios: told }, 2));
    } else if (scenarios.length === 0) {
      console.log(`no run is in ${historyFile(base)} yet: ws-stress run <scenario> appends one at its end`);
    } else {
      console.log(historyText(scenarios, Number(last)));
    }
    return 0;
  },
});

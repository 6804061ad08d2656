import { visibleJson } from '../../lib/text/visible.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isCaseName } from '../../lib/commands/recovery-index.ts';
import { suggestion } from '../../lib/text/suggestion.ts';
import { printable } from '../shared/printable.ts';
import { settingsTyped } from '../run/k6-options.ts';
import { addressUnderTest, runOptions, runScenario } from '../run/run-command.ts';
import { problemsIn } from '../shared/refusal.ts';
import { declareCommand, type CommandGroup } from '../shared/command.ts';
import { asJson, resultsFolder } from '../shared/common-options.ts';
import { openResults } from './results-folder.ts';
import { resultsLayout } from './results-layout.ts';
import { belongsTo, faultText, type RecoveryCase } from './recovery-cases.ts';
import { changeCases, indexText, readCases } from './recovery-store.ts';

const find = async (base: string, name: string): Promise<RecoveryCase | undefined> => {
  const { cases, problems } = await readCases(base);
  const found = cases.find((each) => each.name === name);
  if (found) return found;
  const broken = problems.find((each) => each.name === name)?.problem;
  const near = suggestion(
    name,
    cases.map((each) => each.name),
  );
  console.error(
    `ws-stress: ${broken ?? `expected a case of ${resultsLayout(base).recovery}, received ${name}${near}`}`,
  );
  return undefined;
};

const row = (kept: RecoveryCase): string => {
  const { name, state, test, command, counts } = kept;
  const fared = `${state}, failed ${counts.failed}, held ${counts.heldInARow} in a row; ${test}: ${printable(command.name, 24)}`;
  const at = kept.address === undefined ? [] : [`  at ${printable(kept.address, 74)}`];
  return [name, `  ${printable(fared, 77)}`, ...at, `  ${printable(faultText(kept), 76)}`].join('\n');
};

const list = async (base: string, isJson: boolean): Promise<number> => {
  const { cases, problems } = await readCases(base);
  if (isJson) console.log(visibleJson(cases, 2));
  else if (cases.length === 0) console.log('no recovery cases: no run has left a failure here');
  else for (const each of cases) console.log(row(each));
  for (const { problem } of problems) console.error(`ws-stress: ${printable(problem, 400)}`);
  return problems.length > 0 ? 1 : 0;
};

const show = async (base: string, name: string, isJson: boolean): Promise<number> => {
  const found = await find(base, name);
  if (!found) return 1;
  if (isJson) console.log(visibleJson(found, 2));
  else {
    const { state, test, command, firstSeen, lastSeen, counts, settings, trace = [] } = found;
    const lines = [
      ['case', name],
      ['state', state],
      ['scenario', test],
      ['address', found.address ?? 'not recorded: any'],
      ['command', `${command.name} (${command.class}): ${command.command}`],
      ['proof', visibleJson(command.proof)],
      ['fault', faultText(found)],
      ['first seen', `${firstSeen.at} in ${firstSeen.run}`],
      ['last seen', `${lastSeen.at} in ${lastSeen.run}`],
      ['failed', `${counts.failed} runs, ${counts.sessions} sessions`],
      ['held', `${counts.held} runs, ${counts.heldInARow} in a row`],
      ...Object.entries(settings),
      ...trace.map((line) => ['message', line]),
    ];
    for (const [label = '', text = ''] of lines)
      console.log(`${printable(label, 40).padEnd(12)} ${printable(text, 400)}`);
  }
  return 0;
};

const retire = async (base: string, name: string, isJson: boolean): Promise<number> => {
  const found = await find(base, name);
  if (!found) return 1;
  await changeCases(base, ({ cases }) => ({
    written: cases.flatMap((each) => (each.name === name ? [{ ...each, state: 'retired' as const }] : [])),
    removed: [],
  }));
  const retired = { ...found, state: 'retired' } as const;
  console.log(isJson ? visibleJson(retired, 2) : `${name}: retired, replayed no more`);
  return 0;
};

const exitCode = 'Exit code: 0; 1 there is no such case or its file is broken, 2 wrong options.';

/** The names of the kept failures, for completion. */
const caseNames = async (base: string): Promise<readonly string[]> =>
  (await readCases(path.resolve(base))).cases.map(({ name }) => name);

const nameProblem = (name: string | undefined): string | false =>
  (name === undefined || !isCaseName(name)) &&
  `expected the name of a case, such as ws-stress recovery lists; received ${printable(name ?? 'none', 100)}`;

/** A command about one case. */
const caseCommand = (description: string, act: (base: string, name: string, isJson: boolean) => Promise<number>) =>
  declareCommand({
    description: `${description}\n\n${exitCode}`,
    arguments: [{ name: 'case', required: true, choices: caseNames }],
    options: { folder: resultsFolder, json: asJson },
    act: async ({ values, positionals: [name], problems: typed, refuse }) => {
      const problems = [...typed, ...problemsIn(nameProblem(name))];
      if (problems.length > 0) return refuse(problems);
      return act(await openResults(values.folder), name ?? '', values.json === true);
    },
  });

const listCases = declareCommand({
  description: `Lists the failures that earlier runs kept, with what became of their replays.\n\n${exitCode}`,
  options: { folder: resultsFolder, json: asJson },
  act: async ({ values, problems, refuse }) =>
    problems.length > 0 ? refuse(problems) : list(await openResults(values.folder), values.json === true),
});

const showCase = caseCommand('Shows a kept failure: what failed, when, and the first and last messages.', show);

const retireCase = caseCommand('Keeps a failure, but replays it no more.', retire);

const replayCase = declareCommand({
  description: `Runs the scenario recovery for all kept failures, or for the one that is named. Its options are those of ws-stress run, and so is its exit code.`,
  arguments: [{ name: 'case', choices: caseNames }],
  ...runOptions,
  examples: ['ws-stress recovery replay --url ws://localhost:8003/ws/mcp'],
  act: async (given) => {
    const { values, asked, positionals, problems: typed, refuse } = given;
    const [name] = positionals;
    const replayed = { ...given, positionals: ['recovery'] };
    if (name === undefined) return runScenario(replayed);
    const problems = [
      ...typed,
      ...problemsIn(
        nameProblem(name),
        asked.STRESS_RECOVERY !== undefined && '--recovery: expected without the name of a case',
      ),
    ];
    if (problems.length > 0) return refuse(problems);
    const found = await find(await openResults(values.folder), name);
    if (!found) return 1;
    const env = { ...process.env, ...asked, ...settingsTyped(given.k6Args).settings };
    const address = addressUnderTest(values['with-target'] === true, env);
    if (values['replay-all'] !== true && address !== undefined && !belongsTo(found, address)) {
      return refuse([
        `${found.name} failed at ${found.address}, and this run is for ${address}: name that address with --url, or replay it here with --replay-all`,
      ]);
    }
    const temporary = await mkdtemp(path.join(tmpdir(), 'ws-stress-replay-'));
    try {
      const index = path.join(temporary, 'index.json');
      await writeFile(index, indexText([found]));
      return await runScenario({ ...replayed, asked: { ...asked, STRESS_RECOVERY: index } });
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  },
});

/** `ws-stress recovery`: the failures that earlier runs kept. */
export const recoveryCommands: CommandGroup = {
  description: `Failures that earlier runs kept. ws-stress run suite and ws-stress run recovery replay each of them until it has passed ten times in a row for each time it failed. Without a command it lists them.`,
  commands: [
    { name: 'list', summary: 'list the kept failures', load: () => listCases },
    { name: 'show', summary: 'show one of them, with its messages', load: () => showCase },
    { name: 'replay', summary: 'run the kept failures again, or one of them', load: () => replayCase },
    { name: 'retire', summary: 'stop replaying one of them', load: () => retireCase },
  ],
  otherwise: 'list',
};

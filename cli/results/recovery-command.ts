import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isCaseName } from '../../lib/commands/recovery-index.ts';
import { suggestion } from '../../lib/text/suggestion.ts';
import { printable } from '../shared/printable.ts';
import { runCommand } from '../run/run-command.ts';
import { emptyOptions, helpEntry, readOptions, refuse } from '../shared/settings-options.ts';
import { faultText, type RecoveryCase } from './recovery-cases.ts';
import { changeCases, indexText, readCases } from './recovery-store.ts';

const help = `Usage: ws-stress recovery [list] [--json] [--folder DIR]
       ws-stress recovery show NAME [--json] [--folder DIR]
       ws-stress recovery replay [NAME] [options of ws-stress run]
       ws-stress recovery retire NAME [--folder DIR]

Failures that runs have left: each is replayed by ws-stress run suite and
ws-stress run recovery until it has held ten times in a row for each time it
failed. Exit code: 0; 1 where there is no such case or a file is none; 2 for
wrong options; replay's is that of ws-stress run.

Options:
${helpEntry('--folder DIR', 'Where recovery/ is. Default: here.')}
${helpEntry('--json', 'Print JSON.')}
${helpEntry('--help', 'Show this.')}
`;

const actions = ['list', 'show', 'replay', 'retire'];

const find = async (base: string, name: string): Promise<RecoveryCase | undefined> => {
  const { cases, problems } = await readCases(base);
  const found = cases.find((each) => each.name === name);
  if (found) return found;
  const broken = problems.find((each) => each.name === name)?.problem;
  const near = suggestion(
    name,
    cases.map((each) => each.name),
  );
  console.error(`ws-stress: ${broken ?? `expected a case of ${path.join(base, 'recovery')}, received ${name}${near}`}`);
  return undefined;
};

const row = ({ name, state, test, command, counts, fault }: RecoveryCase): string[] => [
  name,
  printable(
    `  ${state}, failed ${counts.failed}, held ${counts.heldInARow} in a row; ${test}: ${printable(command.name, 24)}`,
    79,
  ).replace(/^/, '  '),
  `  ${printable(faultText({ fault }), 76)}`,
];

const list = async (base: string, asJson: boolean): Promise<number> => {
  const { cases, problems } = await readCases(base);
  if (asJson) console.log(JSON.stringify(cases, undefined, 2));
  else if (cases.length === 0) console.log('no recovery cases: no run has left a failure here');
  else for (const each of cases) console.log(row(each).join('\n'));
  for (const { problem } of problems) console.error(`ws-stress: ${printable(problem, 400)}`);
  return problems.length > 0 ? 1 : 0;
};

const show = async (base: string, name: string, asJson: boolean): Promise<number> => {
  const found = await find(base, name);
  if (!found) return 1;
  if (asJson) console.log(JSON.stringify(found, undefined, 2));
  else {
    const { state, test, command, firstSeen, lastSeen, counts, settings, trace = [] } = found;
    const lines = [
      ['case', name],
      ['state', state],
      ['scenario', test],
      ['command', `${command.name} (${command.class}): ${command.command}`],
      ['proof', JSON.stringify(command.proof)],
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

const retire = async (base: string, name: string): Promise<number> => {
  const found = await find(base, name);
  if (!found) return 1;
  await changeCases(base, ({ cases }) => ({
    written: cases.flatMap((each) => (each.name === name ? [{ ...each, state: 'retired' as const }] : [])),
    removed: [],
  }));
  console.log(`${name}: retired, replayed no more`);
  return 0;
};

const baseIn = (args: readonly string[]): string => {
  const at = args.findLastIndex((arg) => arg === '--folder' || arg.startsWith('--folder='));
  const given = args[at]?.startsWith('--folder=') ? args[at].slice('--folder='.length) : args[at + 1];
  return path.resolve(at < 0 ? '.' : (given ?? '.'));
};

const replay = async (args: readonly string[]): Promise<number> => {
  const [name, ...rest] = args;
  if (name === undefined || name.startsWith('-')) return runCommand(['recovery', ...args]);
  if (!isCaseName(name))
    return refuse([`expected the name of a case, such as ws-stress recovery lists; received ${printable(name, 100)}`]);
  const ours = rest.slice(0, rest.indexOf('--') < 0 ? undefined : rest.indexOf('--'));
  if (ours.some((arg) => /^--recovery(=|$)/.test(arg)))
    return refuse(['--recovery: expected without the name of a case']);
  const found = await find(baseIn(ours), name);
  if (!found) return 1;
  const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-replay-'));
  try {
    const index = path.join(folder, 'index.json');
    await writeFile(index, indexText([found]));
    return await runCommand(['recovery', '--recovery', index, ...rest]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** `ws-stress recovery`: lists the failures that runs have left, shows, replays and retires them; returns the exit code. */
export const recoveryCommand = async (argv: string[]): Promise<number> => {
  if (argv[0] === 'replay' && argv[1] !== '--help') return replay(argv.slice(1));
  const options = { help: { type: 'boolean' }, json: { type: 'boolean' }, folder: { type: 'string' } } as const;
  const given = readOptions(argv, options, help);
  if (typeof given === 'number') return given;
  const { values, positionals } = given;
  const [action = 'list', name, ...extra] = positionals;
  const takesName = action === 'show' || action === 'retire';
  const problems = [
    ...(actions.includes(action)
      ? []
      : [`expected ${actions.join(', ')}; received ${printable(action, 60)}${suggestion(action, actions)}`]),
    ...(takesName && (name === undefined || !isCaseName(name))
      ? [`expected the name of a case, such as ws-stress recovery lists; received ${printable(name ?? 'none', 100)}`]
      : []),
    ...(action === 'list' && name !== undefined
      ? [`expected nothing behind list, received ${printable(name, 100)}`]
      : []),
    ...(extra.length > 0 ? [`expected one name, received also ${printable(extra.join(' '), 100)}`] : []),
    ...emptyOptions(values),
    ...(action === 'retire' && values.json === true ? ['--json: expected with list or show'] : []),
  ];
  if (problems.length > 0) return refuse(problems);
  const base = path.resolve(values.folder ?? '.');
  if (action === 'show') return show(base, name ?? '', values.json === true);
  if (action === 'retire') return retire(base, name ?? '');
  return list(base, values.json === true);
};

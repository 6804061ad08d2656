import { existsSync, readFileSync } from 'node:fs';
import { parseCommandSet } from '../../lib/commands/command-set.ts';
import { forSession, type Command } from '../../lib/commands/command.ts';
import { countToThirty } from '../../lib/commands/count.ts';
import { helloFromStressTest } from '../../lib/commands/hello.ts';
import { highOutput } from '../../lib/commands/high-output.ts';
import posix from '../../lib/commands/posix.json' with { type: 'json' };
import python from '../../lib/commands/python.json' with { type: 'json' };
import { mostRecoveryCases } from '../../lib/commands/recovery-index.ts';
import { parseSettings } from '../../lib/load/settings.ts';
import { folded } from '../../lib/text/fold.ts';
import { hide } from '../../lib/results/redact.ts';
import type { RunRecord, SessionRecord } from '../../lib/results/record-schema.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { isCutOff, isCutOffFinding } from '../run/closing-table.ts';
import { printable } from '../shared/printable.ts';
import { readRecords } from './record-reader.ts';
import { keyOf, mergeRun, mostCommandLength, type Failure } from './recovery-cases.ts';
import { changeCases } from './recovery-store.ts';
import type { RunFolder } from './run-folder.ts';

/** Different failures of one run that are looked at: enough for all that can be kept, and a bound. */
const mostFailures = 2 * mostRecoveryCases;

const setOf = (setting: string): readonly Command[] | string => {
  if (setting === 'posix') return posix.commands as Command[];
  if (setting === 'python') return python.commands as Command[];
  try {
    const parsed = parseCommandSet(readFileSync(setting, 'utf8'));
    return 'commands' in parsed ? parsed.commands : `${setting}: ${parsed.problems.join('; ')}`;
  } catch (error) {
    return `its command set can't be read: ${innermostMessage(error)}`;
  }
};

/** The commands that the sessions of a scenario ran in turn; or why they are not known. */
const commandsOf = (test: string, settings: Readonly<Record<string, string>>): readonly Command[] | string => {
  const { lines, width, commands } = parseSettings(settings).settings;
  const isPython = commands === 'python';
  if (test === 'single') return [helloFromStressTest];
  if (test === 'concurrent') return setOf(commands);
  if (test === 'process-control') return [countToThirty(isPython)];
  if (test === 'high-output') return [highOutput(lines, width, isPython)];
  return 'the commands of a scenario of your own are not known here';
};

/** The command that a session ran, with its number in it; or why it is not known. */
const commandOf = (
  { session = 0, commands: [first] }: SessionRecord,
  known: readonly Command[] | string,
  secrets: readonly string[],
): Command | string => {
  if (typeof known === 'string') return known;
  const due = known[session % known.length];
  const ran = first === undefined || first.name === due?.name ? due : known.find(({ name }) => name === first.name);
  if (!ran) return `its commands have no ${printable(first?.name ?? 'command', 60)}`;
  const command = forSession(ran, session);
  const text = JSON.stringify(command);
  if (hide(text, secrets) !== text) return 'its command holds a secret of the run, which is written nowhere';
  const { length } = text;
  return length <= mostCommandLength
    ? command
    : `its command and proof take ${length} characters, more than ${mostCommandLength}`;
};

/** A failed session of a round that says something of the service. */
const isFailure = ({ round, outcome }: SessionRecord, isCutShort: boolean): boolean =>
  round !== undefined &&
  outcome.kind !== 'ok' &&
  outcome.kind !== 'script-error' &&
  !(isCutShort && isCutOff({ outcome }));

/**
 * Keeps what failed in a run as recovery cases, but no command that holds one of its secrets, and counts how the cases fared that
 * it replayed; returns what to tell of it.
 */
export const keepFailures = async (
  folder: RunFolder,
  record: RunRecord,
  secrets: readonly string[] = [],
): Promise<string | undefined> => {
  if (record.verdict !== 'PASS' && record.verdict !== 'FAIL') return undefined;
  if (!existsSync(folder.records)) {
    return record.total.failed > 0 || record.test === 'recovery'
      ? 'recovery: nothing was kept or counted, for the run left no records of its sessions in its folder'
      : undefined;
  }
  const isCutShort = record.cutShort === true;
  const failures = new Map<string, Failure>();
  const replayed = new Map<string, 'held' | 'failed'>();
  const skipped = new Map<string, number>();
  const known = new Map<string, readonly Command[] | string>();
  const skip = (why: string): void => {
    if (skipped.size < 20 || skipped.has(why)) skipped.set(why, (skipped.get(why) ?? 0) + 1);
  };
  for await (const read of readRecords(folder.records)) {
    if (!('record' in read)) continue;
    const each = read.record;
    if (each.type === 'finding' && each.test === 'recovery' && replayed.size < mostRecoveryCases) {
      if (each.finding === 'conforming') replayed.set(each.case, 'held');
      if (each.finding === 'breaking' && !(isCutShort && isCutOffFinding(each))) replayed.set(each.case, 'failed');
    }
    if (each.type !== 'session' || !isFailure(each, isCutShort)) continue;
    const { test, outcome, trace } = each;
    if (!known.has(test)) known.set(test, commandsOf(test, record.settings));
    const command = commandOf(each, known.get(test) ?? [], secrets);
    if (typeof command === 'string') {
      skip(`${printable(test, 60)}: ${command}`);
      continue;
    }
    const key = keyOf(test, command.name, outcome);
    const before = failures.get(key);
    if (before) before.sessions++;
    else if (failures.size < mostFailures) failures.set(key, { test, command, outcome, trace, sessions: 1 });
    else skip(`more than ${mostFailures} different failures`);
  }
  const told: string[] = [];
  if (failures.size + replayed.size > 0) {
    const { changes, stored } = await changeCases(folder.base, ({ cases, problems }) =>
      mergeRun(cases, new Set(problems.map(({ name }) => name)), {
        failures: [...failures.values()],
        replayed,
        settings: record.settings,
        seen: { run: record.run, at: record.startedAt },
      }),
    );
    const { added, graduated, left } = changes;
    if (added.length > 0)
      told.push(
        `kept as recovery cases: ${added.slice(0, 5).join(', ')}${added.length > 5 ? ` and ${added.length - 5} more` : ''}`,
      );
    if (graduated.length > 0) told.push(`held often enough, replayed no more: ${graduated.join(', ')}`);
    if (left > 0)
      told.push(
        `${left} more failures are not kept: recovery/ holds ${mostRecoveryCases} cases, the most there may be; delete some`,
      );
    told.push(...stored.problems.map(({ problem }) => `not read: ${problem}`));
  }
  told.push(
    ...[...skipped].map(([why, sessions]) => `${sessions} failed session${sessions === 1 ? '' : 's'} not kept: ${why}`),
  );
  return told.length === 0 ? undefined : told.map((line) => folded(`recovery: ${line}`)).join('\n');
};

import { existsSync } from 'node:fs';
import type { Command } from '../../lib/commands/command.ts';
import { maxRecoveryCases } from '../../lib/commands/recovery-index.ts';
import { folded } from '../../lib/text/fold.ts';
import type { RunRecord, SessionRecord } from '../../lib/results/record-schema.ts';
import { isCutOff, isCutOffFinding } from '../../lib/results/failures.ts';
import { printable } from '../shared/printable.ts';
import { scenariosOf } from '../shared/scenarios.ts';
import { readRecords } from './record-reader.ts';
import { keyOf, mergeRun, maxCommandLength, type Failure } from './recovery-cases.ts';
import { changeCases } from './recovery-store.ts';
import { addressOf } from './run-load.ts';
import { watchMistakes } from './user-mistakes.ts';
import type { RunFolder } from './run-folder.ts';

/** Whether a scenario or suite replays kept failures. */
const replays = (name: string): boolean => scenariosOf(name).some(({ needs }) => needs.includes('kept-failures'));

/** Different failures of one run that are looked at: enough for all that can be kept, and a bound. */
const maxFailures = 2 * maxRecoveryCases;

/** The command to replay a failed session with; or why there is none. */
const commandOf = ({ command }: SessionRecord): Command | string => {
  if (command === undefined) return 'its record does not have the command that it ran';
  if (command === null) return 'its command holds a secret of the run, which is written nowhere';
  const { length } = JSON.stringify(command);
  return length <= maxCommandLength
    ? command
    : `its command and proof take ${length} characters, more than ${maxCommandLength}`;
};

/** A failed session of a round that says something of the service. */
const isFailure = ({ round, outcome }: SessionRecord, isCutShort: boolean): boolean =>
  round !== undefined &&
  outcome.kind !== 'ok' &&
  outcome.kind !== 'script-error' &&
  !(isCutShort && isCutOff({ outcome }));

const fewOf = (names: readonly string[]): string =>
  `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;

/**
 * Keeps what failed in a run as recovery cases and counts how the cases fared that
 * it replayed; returns what to tell of it.
 */
export const keepFailures = async (folder: RunFolder, record: RunRecord): Promise<string | undefined> => {
  if (record.verdict !== 'PASS' && record.verdict !== 'FAIL') return undefined;
  if (!existsSync(folder.records)) {
    return record.total.failed > 0 || replays(record.test)
      ? 'recovery: nothing was kept or counted, for the run left no records of its sessions in its folder'
      : undefined;
  }
  const isCutShort = record.cutShort === true;
  const failures = new Map<string, Failure>();
  const replayed = new Map<string, 'held' | 'failed'>();
  const skipped = new Map<string, number>();
  const skip = (why: string, sessions = 1): void => {
    if (skipped.size < 20 || skipped.has(why)) skipped.set(why, (skipped.get(why) ?? 0) + sessions);
  };
  const seen = watchMistakes(record);
  for await (const read of readRecords(folder.records)) {
    if (!('record' in read)) continue;
    const each = read.record;
    if (each.type === 'session') seen.add(each);
    if (each.type === 'finding' && replays(each.test) && replayed.size < maxRecoveryCases) {
      if (each.finding === 'conforming') replayed.set(each.case, 'held');
      if (each.finding === 'breaking' && !(isCutShort && isCutOffFinding(each))) replayed.set(each.case, 'failed');
    }
    if (each.type !== 'session' || !isFailure(each, isCutShort)) continue;
    const { test, outcome, trace } = each;
    const command = commandOf(each);
    if (typeof command === 'string') {
      skip(`${printable(test, 60)}: ${command}`);
      continue;
    }
    const key = keyOf(test, command.name, outcome);
    const before = failures.get(key);
    if (before) before.sessions++;
    else if (failures.size < maxFailures) failures.set(key, { test, command, outcome, trace, sessions: 1 });
    else skip(`more than ${maxFailures} different failures`);
  }
  for (const [key, { test, command, outcome, sessions }] of failures) {
    const mistake = seen.mistakeIn(test, command.name, outcome);
    if (mistake === undefined) continue;
    failures.delete(key);
    skip(`${printable(test, 60)}: ${printable(command.name, 60)}: ${printable(mistake, 200)}`, sessions);
  }
  const told: string[] = [];
  if (failures.size + replayed.size > 0) {
    const { changes, stored } = await changeCases(folder.base, ({ cases, problems }) =>
      mergeRun(cases, new Set(problems.map(({ name }) => name)), {
        failures: [...failures.values()],
        replayed,
        address: addressOf(record),
        settings: record.settings,
        seen: { run: record.run, at: record.startedAt },
      }),
    );
    const { added, again, graduated, left } = changes;
    if (added.length > 0) told.push(`kept as recovery cases: ${fewOf(added)}`);
    if (again.length > 0) told.push(`failed again: ${fewOf(again)}`);
    if (added.length + again.length > 0) told.push('ws-stress recovery retire NAME stops replaying one of them');
    if (graduated.length > 0) told.push(`held often enough, replayed no more: ${graduated.join(', ')}`);
    if (left > 0)
      told.push(
        `${left} more failures are not kept: recovery/ holds ${maxRecoveryCases} cases, the most there may be; delete some`,
      );
    told.push(...stored.problems.map(({ problem }) => `not read: ${problem}`));
  }
  told.push(
    ...[...skipped].map(([why, sessions]) => `${sessions} failed session${sessions === 1 ? '' : 's'} not kept: ${why}`),
  );
  return told.length === 0 ? undefined : told.map((line) => folded(`recovery: ${line}`)).join('\n');
};

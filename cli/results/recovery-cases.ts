import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { Command } from '../../lib/commands/command.ts';
import { commandProblems } from '../../lib/commands/command-set.ts';
import { isCaseName, maxRecoveryCases, type ReplayCase } from '../../lib/commands/recovery-index.ts';
import { extensible, outcomeSchema } from '../../lib/results/record-schema.ts';
import { describeOutcome, type Outcome } from '../../lib/session/outcome.ts';
import { outcomeCharacters, printable } from '../shared/printable.ts';
import { checkVersion1, parseJson } from './parse-record.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** A run, and when it began, ISO 8601. */
const seenSchema = extensible({ run: v.string(), at: v.string() });
export type Seen = v.InferOutput<typeof seenSchema>;

/** A command and its proof; what is wrong with one is said as it is of a command set's. */
const commandSchema = v.pipe(
  v.unknown(),
  v.rawTransform(({ dataset, addIssue, NEVER }): Command => {
    const problems = commandProblems(dataset.value, 'command');
    if (problems.length === 0) return dataset.value as Command;
    addIssue({ message: problems.join('; ') });
    return NEVER;
  }),
);

const caseSchema = extensible({
  version: v.literal(1),
  name: v.pipe(v.string(), v.check(isCaseName, 'a name in kebab-case, at most 100 characters')),
  state: v.picklist(['active', 'graduated', 'retired']),
  test: v.string(),
  /** Of the service that failed, without what may be secret; absent in cases of earlier releases, which belong to any. */
  address: v.optional(v.string()),
  command: commandSchema,
  settings: v.record(v.string(), v.string()),
  fault: outcomeSchema,
  trace: v.optional(v.array(v.string())),
  firstSeen: seenSchema,
  lastSeen: seenSchema,
  counts: extensible({ failed: count, held: count, heldInARow: count, sessions: count }),
});

/** A failure that was kept, version 1, as `recovery/<name>.json` holds it (docs/recovery.md). */
export type RecoveryCase = v.InferOutput<typeof caseSchema>;

/** A failure of a run: the first session that came to it, and how many did. */
export interface Failure {
  test: string;
  command: Command;
  outcome: Outcome;
  trace: readonly string[] | undefined;
  sessions: number;
}

/** A text as part of a name: letters and digits, whatever it holds otherwise. */
const slug = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 40)
    .replace(/-$/, '');

/** What a failure is about: a fixed word where it has one, else its reason without what differs from session to session. */
const aboutOf = (fault: Outcome): string =>
  fault.kind === 'timeout'
    ? fault.phase
    : ('reason' in fault ? fault.reason : '')
        .replaceAll(/"(?:[^"\\]|\\.)*"…?/g, '"…"')
        .replaceAll(/\d+/g, 'N')
        .slice(0, 200);

/** Failures of one key are equal, and kept once for each address. */
export const keyOf = (test: string, command: string, fault: Outcome, address?: string): string =>
  JSON.stringify([test, command, fault.kind, aboutOf(fault), ...(address === undefined ? [] : [address])]);

/** A case's name: kebab-case, at most 100 characters; where another failure has it, with the beginning of a hash. */
export const nameOf = (
  test: string,
  command: string,
  fault: Outcome,
  isTaken: (name: string) => boolean,
  address?: string,
): string => {
  const about = fault.kind === 'timeout' || fault.kind === 'rejected' ? aboutOf(fault) : '';
  const parts = [test, slug(command) || 'command', fault.kind, about].map(slug).filter((part) => part !== '');
  const name = parts.join('-').slice(0, 90).replace(/-$/, '');
  if (!isTaken(name)) return name;
  const hash = createHash('sha256')
    .update(keyOf(test, command, fault, address))
    .digest('hex')
    .slice(0, 8);
  return `${name}-${hash}`;
};

/** Reads a case from its file's text; throws what was expected. */
export const parseCase = (text: string, name: string): RecoveryCase => {
  const output = checkVersion1(caseSchema, parseJson(text, 'recovery case'), 'recovery case');
  if (output.name !== name)
    throw new Error(`expected the name of its file, ${name}; received ${printable(output.name, 100)}`);
  return output;
};

/** Longest text of an outcome that is kept, characters. */
const maxText = 500;

const faultOf = (outcome: Outcome): Outcome => ({
  ...outcome,
  ...('message' in outcome && { message: outcome.message.slice(0, maxText) }),
  ...('reason' in outcome && { reason: outcome.reason.slice(0, maxText) }),
  ...('detail' in outcome && { detail: outcome.detail.slice(0, maxText) }),
});

/** The fault of a case in words. */
export const faultText = ({ fault }: Pick<RecoveryCase, 'fault'>): string =>
  printable(describeOutcome(fault), outcomeCharacters);

/** Whether a run against a service may replay a case: it came from there, or from an earlier release, which kept no address. */
export const belongsTo = ({ address }: Pick<RecoveryCase, 'address'>, of: string): boolean =>
  address === undefined || address === of;

/** A case as a run replays it. */
export const replayOf = (kept: RecoveryCase): ReplayCase => ({
  name: kept.name,
  test: kept.test,
  fault: faultText(kept),
  command: kept.command,
});

/** A case held ten times in a row for each time it failed: it is replayed no more. */
const heldForEach = 10;

/** Largest command with its proof that is kept, characters of JSON. */
export const maxCommandLength = 16_384;

const failedOnce = (kept: RecoveryCase, seenIn: Seen, sessions: number): RecoveryCase => ({
  ...kept,
  // Whoever retired a case does not want it replayed.
  state: kept.state === 'retired' ? 'retired' : 'active',
  lastSeen: { ...seenIn },
  counts: { ...kept.counts, failed: kept.counts.failed + 1, heldInARow: 0, sessions: kept.counts.sessions + sessions },
});

const heldOnce = (kept: RecoveryCase): RecoveryCase => {
  const heldInARow = kept.counts.heldInARow + 1;
  const isSafe = heldInARow >= heldForEach * kept.counts.failed;
  return {
    ...kept,
    state: kept.state === 'active' && isSafe ? 'graduated' : kept.state,
    counts: { ...kept.counts, held: kept.counts.held + 1, heldInARow },
  };
};

/** What a run told: failures of its rounds, and of replayed cases whether they held. */
export interface Told {
  failures: readonly Failure[];
  replayed: ReadonlyMap<string, 'held' | 'failed'>;
  /** Of the service, as `addressOf` writes it. */
  address: string;
  settings: Readonly<Record<string, string>>;
  seen: Seen;
}

/** What changed of the cases: those to write, those to remove, and how many found no place. */
export interface Merged {
  written: RecoveryCase[];
  removed: string[];
  added: string[];
  /** Kept before, and failed once more. */
  again: string[];
  graduated: string[];
  left: number;
}

/** Merges what a run told into the cases that are kept; `blocked` are names of files that can't be read. A run counts once for a case. */
export const mergeRun = (kept: readonly RecoveryCase[], blocked: ReadonlySet<string>, told: Told): Merged => {
  const byName = new Map(kept.map((each) => [each.name, each]));
  const byKey = new Map(kept.map((each) => [keyOf(each.test, each.command.name, each.fault, each.address), each.name]));
  const merged: Merged = { written: [], removed: [], added: [], again: [], graduated: [], left: 0 };
  const changed = new Set<string>();
  const change = (next: RecoveryCase): void => {
    byName.set(next.name, next);
    changed.add(next.name);
  };
  for (const { test, command, outcome, trace, sessions } of told.failures) {
    const fault = faultOf(outcome);
    const { address } = told;
    const key = keyOf(test, command.name, fault, address);
    const known = byName.get(byKey.get(key) ?? byKey.get(keyOf(test, command.name, fault)) ?? '');
    if (known) {
      if (known.state !== 'retired') merged.again.push(known.name);
      change(failedOnce({ ...known, address }, told.seen, sessions));
      continue;
    }
    if (byName.size + blocked.size >= maxRecoveryCases) {
      const [oldest] = [...byName.values()]
        .filter(({ state }) => state === 'graduated')
        .toSorted((a, b) => (a.lastSeen.at < b.lastSeen.at ? -1 : 1));
      if (!oldest) {
        merged.left++;
        continue;
      }
      byName.delete(oldest.name);
      changed.delete(oldest.name);
      merged.removed.push(oldest.name);
    }
    const name = nameOf(test, command.name, fault, (each) => byName.has(each) || blocked.has(each), address);
    byKey.set(key, name);
    merged.added.push(name);
    change({
      version: 1,
      name,
      state: 'active',
      test,
      address,
      command,
      settings: { ...told.settings },
      fault,
      ...(trace && { trace: trace.slice(-30).map((line) => line.slice(0, 400)) }),
      firstSeen: { ...told.seen },
      lastSeen: { ...told.seen },
      counts: { failed: 1, held: 0, heldInARow: 0, sessions },
    });
  }
  for (const [name, came] of told.replayed) {
    const each = byName.get(name);
    // It failed in this run already: that counts once.
    if (!each || changed.has(name)) continue;
    if (came === 'failed' && each.state !== 'retired') merged.again.push(name);
    const next = came === 'held' ? heldOnce(each) : failedOnce(each, told.seen, 1);
    if (next.state === 'graduated' && each.state !== 'graduated') merged.graduated.push(name);
    change(next);
  }
  merged.written = [...changed].flatMap((name) => byName.get(name) ?? []);
  return merged;
};

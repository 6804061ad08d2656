import { failureFrom, meaningOf } from '../../lib/load/connection.ts';
import type { RunRecord, SessionRecord } from '../../lib/results/record-schema.ts';
import { isGeneratorLimit, type Outcome } from '../../lib/session/outcome.ts';
import { shippedScenarios } from '../shared/scenarios.ts';

/** Kinds of failure to connect that a service can have while its address, token and limits are as they should be. */
const mayBeTheService: ReadonlySet<string> = new Set([
  'refused',
  'unreachable',
  'timeout',
  'no-http',
  'server-error',
  'other',
]);

/** A shell's exit codes for a command that it can't run or doesn't find. */
const withoutCommand: ReadonlySet<number> = new Set([126, 127]);

/** More names than any command set has: a file that holds more is not kept in memory. */
const maxNames = 1000;

/** What is known of a run when all of its sessions have been seen. */
export interface Seen {
  add: (session: SessionRecord) => void;
  /** Why a failure is the user's to mend, and no case of the service's; undefined where it may be the service's. */
  mistakeIn: (test: string, command: string, outcome: Outcome) => string | undefined;
}

/** The file with the proofs of the user's own, where a scenario's commands come from one. */
const ownProofs = (test: string, { settings }: Pick<RunRecord, 'settings'>): string | undefined => {
  if (!shippedScenarios().some(({ name }) => name === test)) return `the scenario ${test}`;
  const { STRESS_COMMANDS: commands = '' } = settings;
  return commands.endsWith('.json') ? commands : undefined;
};

/** Tells failures that follow from limits, addresses and proofs of the user from those of the service. */
export const watchMistakes = (record: Pick<RunRecord, 'settings' | 'url'>): Seen => {
  let isConnected = false;
  /** Commands whose proof held in some session, or that failed after a control, which is no matter of the proof. */
  const sound = new Set<string>();
  const add = ({ test, connectedMs, commands, controls }: SessionRecord): void => {
    if (connectedMs !== undefined) isConnected = true;
    for (const { name, outcome } of commands)
      if ((outcome.kind === 'ok' || controls.length > 0) && sound.size < maxNames) sound.add(`${test}\n${name}`);
  };
  const mistakeIn = (test: string, command: string, outcome: Outcome): string | undefined => {
    if (isGeneratorLimit(outcome)) return 'this machine had no more files or ports to connect with';
    if (outcome.kind === 'connect-failed') {
      if (!isConnected) return 'no session of the run was connected; check the address';
      const { kind } = meaningOf(failureFrom(outcome.reason), { url: record.url });
      return mayBeTheService.has(kind)
        ? undefined
        : `not connected (${kind}); check the address, the token and the limits`;
    }
    if (outcome.kind === 'timeout' && (outcome.phase === 'connect' || outcome.phase === 'connected'))
      return isConnected ? undefined : 'no session of the run was connected; check the address';
    if (outcome.kind === 'rejected' && outcome.reason === 'session limit')
      return "the service's session limit; run fewer sessions at once, or raise it";
    if (outcome.kind === 'rejected' && outcome.reason === 'not allowed')
      return "the service's allow-list does not have its command";
    if (outcome.kind !== 'failed-exit' && outcome.kind !== 'output-mismatch') return undefined;
    if (outcome.kind === 'failed-exit' && withoutCommand.has(outcome.code ?? 0))
      return 'the service does not have its command';
    const proofs = ownProofs(test, record);
    return proofs === undefined || sound.has(`${test}\n${command}`)
      ? undefined
      : `no session of the run satisfied its proof; check the proof in ${proofs}`;
  };
  return { add, mistakeIn };
};

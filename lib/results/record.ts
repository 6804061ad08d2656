import { visibleJson } from '../text/visible.ts';
import type { Case } from '../cases/case.ts';
import type { Command } from '../commands/command.ts';
import type { SessionResult } from '../session/session.ts';
import type { FindingRecord, RanCommand, SessionRecord, StopRecord } from './record-schema.ts';
import { hide, hideInOutcome, hideInTrace } from './redact.ts';
import type { RunIdentity } from './run.ts';

/** Which session of a run a record is about. */
export interface SessionPlace extends Pick<SessionRecord, 'test' | 'round' | 'session' | 'case' | 'vu'> {
  /** When the opening handshake began, milliseconds since 1970. */
  startedAtMs: number;
}

const rounded = <Ms extends number | undefined>(ms: Ms): Ms => (ms && Math.round(ms * 1000) / 1000) as Ms;

/** What may not be shown of a run: its secrets, and those of them that no command of the run has by chance. */
export interface Hidden {
  secrets: readonly string[];
  ofCommands: readonly string[];
}

const nothing: Hidden = { secrets: [], ofCommands: [] };

/** What a failed session ran, so that it can be replayed; null where it holds a secret of the run. */
const replayable = (command: Command, { ofCommands }: Hidden): { command: RanCommand | null } => {
  const text = ofCommands.length === 0 ? '' : JSON.stringify(command);
  return { command: hide(text, ofCommands) === text ? (command as unknown as RanCommand) : null };
};

/** The session record: one line of JSON. `command` is what a session of a round ran. */
export const sessionRecord = (
  run: RunIdentity,
  place: SessionPlace,
  result: SessionResult,
  hidden: Hidden = nothing,
  command?: Command,
): string =>
  visibleJson({
    type: 'session',
    version: 1,
    run: run.id,
    marker: run.marker,
    test: place.test,
    round: place.round,
    session: place.session,
    case: place.case,
    vu: place.vu,
    startedAt: new Date(place.startedAtMs).toISOString(),
    outcome: hideInOutcome(result.outcome, hidden.secrets),
    openedMs: rounded(result.openedMs),
    connectedMs: rounded(result.connectedMs),
    durationMs: rounded(result.durationMs),
    messagesReceived: result.messagesReceived,
    dialect: result.dialect,
    controls: result.controls.map(({ type, durationMs }) => ({ type, durationMs: rounded(durationMs) })),
    commands: result.commands.map((command) => ({
      ...command,
      outcome: hideInOutcome(command.outcome, hidden.secrets),
      durationMs: rounded(command.durationMs),
      ackMs: rounded(command.ackMs),
      firstOutputMs: rounded(command.firstOutputMs),
      outputMs: rounded(command.outputMs),
    })),
    ...(command && result.outcome.kind !== 'ok' && replayable(command, hidden)),
    trace: hideInTrace(result.trace, hidden.secrets),
  } satisfies SessionRecord);

/** The finding record: one line of JSON a case. */
export const findingRecord = (
  run: RunIdentity,
  test: string,
  { name, section, expected }: Pick<Case, 'name' | 'section' | 'expected'>,
  finding: { kind: FindingRecord['finding']; received: string },
  { trace, hidden = nothing }: { trace?: string[] | undefined; hidden?: Hidden } = {},
): string =>
  visibleJson({
    type: 'finding',
    version: 1,
    run: run.id,
    marker: run.marker,
    test,
    case: name,
    section,
    expected,
    finding: finding.kind,
    received: hide(finding.received, hidden.secrets),
    trace: hideInTrace(trace, hidden.secrets),
  } satisfies FindingRecord);

/** The stop record: one line of JSON, where a run ends before it has done what it was to do. */
export const stopRecord = (run: RunIdentity, reason: string): string =>
  visibleJson({
    type: 'stop',
    version: 1,
    run: run.id,
    marker: run.marker,
    test: run.test,
    reason,
  } satisfies StopRecord);

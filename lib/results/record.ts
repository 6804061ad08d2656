import type { Case, FindingKind } from '../cases/case.ts';
import type { Excuse } from '../load/thresholds.ts';
import type { SessionResult } from '../session/session.ts';
import type { Replacer } from './redact.ts';
import type { RunIdentity } from './run.ts';

/** Which session of a run a record is about. */
export interface SessionPlace {
  test: string;
  /** The round, where it is one's. */
  round?: number;
  /** Counted from 0 in its round. */
  session?: number;
  /** The case that opened it, where one did. */
  case?: string;
  vu: number;
  /** When the opening handshake began, milliseconds since 1970. */
  startedAtMs: number;
}

const rounded = (ms: number | undefined): number | undefined => ms && Math.round(ms * 1000) / 1000;

/**
 * The session record, version 1 (docs/records.md): one line of JSON. It holds no header, no token and no output but
 * the excerpt that an outcome quotes.
 */
export const sessionRecord = (
  run: RunIdentity,
  place: SessionPlace,
  result: SessionResult,
  replacer?: Replacer,
): string =>
  JSON.stringify(
    {
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
      outcome: result.outcome,
      openedMs: rounded(result.openedMs),
      connectedMs: rounded(result.connectedMs),
      durationMs: rounded(result.durationMs),
      messagesReceived: result.messagesReceived,
      dialect: result.dialect,
      controls: result.controls.map(({ type, durationMs }) => ({ type, durationMs: rounded(durationMs) })),
      commands: result.commands.map((command) => ({
        ...command,
        durationMs: rounded(command.durationMs),
        ackMs: rounded(command.ackMs),
        firstOutputMs: rounded(command.firstOutputMs),
        outputMs: rounded(command.outputMs),
      })),
      trace: result.trace,
    },
    replacer,
  );

/** The finding record, version 1: one line of JSON a case, or why it was not asked. */
export const findingRecord = (
  run: RunIdentity,
  test: string,
  { name, section, expected }: Pick<Case, 'name' | 'section' | 'expected'>,
  finding: { kind: FindingKind | Excuse | 'inconclusive'; received: string },
  { trace, replacer }: { trace?: readonly string[] | undefined; replacer?: Replacer | undefined } = {},
): string =>
  JSON.stringify(
    {
      type: 'finding',
      version: 1,
      run: run.id,
      marker: run.marker,
      test,
      case: name,
      section,
      expected,
      finding: finding.kind,
      received: finding.received,
      trace,
    },
    replacer,
  );

import type { SessionResult } from '../session/session.ts';
import type { RunIdentity } from './run.ts';

/** Which session of a run a record is about. */
export interface SessionPlace {
  round: number;
  /** Counted from 0 in its round. */
  session: number;
  vu: number;
  /** When the opening handshake began, milliseconds since 1970. */
  startedAtMs: number;
}

const rounded = (ms: number | undefined): number | undefined => ms && Math.round(ms * 1000) / 1000;

/**
 * The session record, version 1 (docs/records.md): one line of JSON. It holds no header, no token and no output but
 * the excerpt that an outcome quotes.
 */
export const sessionRecord = (run: RunIdentity, place: SessionPlace, result: SessionResult): string =>
  JSON.stringify({
    type: 'session',
    version: 1,
    run: run.id,
    marker: run.marker,
    test: run.test,
    round: place.round,
    session: place.session,
    vu: place.vu,
    startedAt: new Date(place.startedAtMs).toISOString(),
    outcome: result.outcome,
    openedMs: rounded(result.openedMs),
    connectedMs: rounded(result.connectedMs),
    durationMs: rounded(result.durationMs),
    messagesReceived: result.messagesReceived,
    dialect: result.dialect,
    commands: result.commands.map((command) => ({
      ...command,
      durationMs: rounded(command.durationMs),
      ackMs: rounded(command.ackMs),
      firstOutputMs: rounded(command.firstOutputMs),
    })),
    trace: result.trace,
  });

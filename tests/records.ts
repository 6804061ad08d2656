import type { Outcome } from '../lib/session/outcome.ts';

const ofRun = { version: 1, run: 'r1', marker: 'WEBSOCKET_STRESS_20250625_143000' };

/** A session record's line; `more` takes the place of what it holds otherwise. */
export const sessionLine = (outcome: Outcome, more: object = { round: 1, session: 0 }): string =>
  JSON.stringify({
    type: 'session',
    ...ofRun,
    test: 'concurrent',
    vu: 1,
    startedAt: '2025-06-25T14:30:00.000Z',
    outcome,
    openedMs: 1,
    connectedMs: 2,
    durationMs: 10,
    messagesReceived: 4,
    controls: [],
    commands: [
      {
        name: 'echo',
        class: 'simple',
        outcome,
        durationMs: 9,
        ackMs: 1,
        firstOutputMs: 2,
        outputMs: 1,
        lines: 1,
        bytes: 6,
      },
    ],
    ...more,
  });

/** A finding record's line. */
export const findingLine = (name: string, more: object = {}): string =>
  JSON.stringify({
    type: 'finding',
    ...ofRun,
    test: 'command-validation',
    case: name,
    section: 's',
    expected: 'e',
    finding: 'bypass',
    received: 'r',
    ...more,
  });

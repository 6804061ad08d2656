import type { Command } from '../commands/command.ts';
import { echo } from '../commands/echo.ts';
import type { Script, Session } from '../session/session.ts';

/** Runs a command to its end. */
export const runsToItsEnd = function* (session: Session, command: Command): Script {
  const execution = yield* session.execute(command);
  yield* execution.completes();
};

/** One command, for a session that should work, or not even begin. */
export const greets = (session: Session): Script => runsToItsEnd(session, echo('hello'));

import type { Command } from '../commands/command.ts';
import { echo } from '../commands/echo.ts';
import type { Script, Session } from '../session/session.ts';

/** A session of process control: PAUSE silences a command that prints on and on, RESUME loses nothing, CANCEL ends it. */
export const pausesResumesCancels = function* (session: Session, command: Command): Script {
  const count = yield* session.execute(command);
  yield* count.continuesFor(2000);

  yield* session.control('PAUSE');
  yield* count.staysSilentFor(2000);

  yield* session.control('RESUME');
  yield* count.continuesFor(2000);

  yield* session.control('CANCEL');
  yield* count.endsWithin(3000);

  const next = yield* session.execute(echo('ended', 'control'));
  yield* next.completes();
};

import type { Command } from '../commands/command.ts';
import { count } from '../commands/count.ts';
import { echo } from '../commands/echo.ts';
import type { Response } from '../jsonrpc/correlation.ts';
import { excerpt } from '../jsonrpc/messages.ts';
import { describeOutcome, type Outcome } from '../session/outcome.ts';
import { graceMs } from '../session/execution-steps.ts';
import { SessionEnd, outcomeOf } from '../session/script.ts';
import type { ControlType, Execution, Script, Session } from '../session/session.ts';
import type { Case, Finding, FindingKind, Judgement } from './case.ts';

const section = 'protocol: control';

/** How long a paused process must stay silent at least, after a grace for what was under way, milliseconds. */
const silentMs = 300;

/** Lines of a command that shall be paused, before it is. */
const linesBefore = 2;

/** After CANCEL further executes are tried at these times: SIGTERM may take effect late, SIGKILL comes after 10 s. */
const triesAtMs = [0, 500, 1500, 3000, 5000, 8000, 10_500, 12_000];

/** A service may say that a process has completed before it has done with it, so that is asked several times. */
const completions = 3;

/** Long enough for what is asked while it runs, short enough to be waited for. */
const countedLines = 12;
const counting = count(countedLines, 0.1, false);

/** Where output comes later than this, that may have ended before its first line is seen: another lasts three times as long. */
const lateOutputMs = 400;
const longestMs = 10_000;
const lasting = (ms: number): Command => count(countedLines, Math.ceil(ms / countedLines / 100) / 10, false);

/** A process that was resumed prints a line within so long, and 2 s more at most. */
const goesOnMs = 300;

const noProcessCodes = new Set([-32_002, -32_003]);
const invalidParams = -32_602;

const describeError = ({ code, message }: { code: number; message: string }): string =>
  `error ${code} ${excerpt(message)}`;

const describeResponse = ({ error, result }: Response): string =>
  error ? describeError(error) : `result ${JSON.stringify(result)}`;

const ask = (session: Session, type: string): Script<Response> => session.request('control', { type });

/** Outlasts the tries after CANCEL, so that only CANCEL can have ended it. */
const outlasting = count(200, 0.1, false);

const runningUntilCanceled = function* (session: Session): Script<Execution> {
  const run = yield* session.execute(outlasting);
  yield* run.reaches(linesBefore);
  return run;
};

/** A command that has printed a few lines and runs on. */
const running = function* (session: Session): Script<Execution> {
  const run = yield* session.execute(counting);
  yield* run.reaches(linesBefore);
  if (run.latencyMs <= lateOutputMs) return run;
  yield* run.completes();
  const longer = yield* session.execute(lasting(Math.min(longestMs, 3 * run.latencyMs)));
  yield* longer.reaches(linesBefore);
  return longer;
};

interface Paused {
  run: Execution;
  /** Waits for output that a process which is not paused would have printed meanwhile. */
  staysSilent: () => Script;
}

/**
 * Controls a command that runs on for a second. A service may take longer than that: then the command has run to its end, as
 * it must, and nothing can be told.
 */
const controlled = function* (
  session: Session,
  run: Execution,
  type: ControlType,
  then: () => Script<Judgement>,
): Script<Judgement> {
  const outcome = yield* outcomeOf(session.control(type));
  if (outcome.kind === 'ok') return yield* then();
  const isLate = outcome.kind === 'rejected' && outcome.reason === 'no process' && run.isOver;
  if (isLate && (yield* outcomeOf(run.completes())).kind === 'ok') {
    const received = `could not tell, the service is slow: the process had run to its end before ${type} was answered`;
    return { kind: undefined, received };
  }
  throw new SessionEnd(outcome);
};

const whilePaused = function* (
  session: Session,
  then: (held: Paused) => Script<Judgement>,
  start: (session: Session) => Script<Execution> = running,
): Script<Judgement> {
  const run = yield* start(session);
  // A machine that is slow with the first lines is slow with the next one.
  const slowMs = Math.round(linesBefore * run.ageMs);
  const staysSilent = (): Script => run.staysSilentFor(Math.max(silentMs, slowMs));
  return yield* controlled(session, run, 'PAUSE', () => then({ run, staysSilent }));
};

/** What steps come to; a timeout ends the session, for that may be slowness, which is judged by all that the service did. */
const failureOf = function* (steps: Script): Script<Outcome> {
  try {
    yield* steps;
    return { kind: 'ok' };
  } catch (error) {
    if (error instanceof SessionEnd && error.outcome.kind !== 'timeout') return error.outcome;
    throw error;
  }
};

/** A process that was resumed runs on soon, and to its end. */
const goesOn = function* (run: Execution): Script {
  const outcome = yield* failureOf(run.continuesFor(goesOnMs));
  // It may have run to its end while a slow service answered; whether all its lines came is judged then.
  if (outcome.kind !== 'ok' && !run.isOver) throw new SessionEnd(outcome);
  yield* run.completes();
};

/** A paused process stays so, is resumed, and runs to its end with all its lines. */
const resumes = function* (session: Session, { run, staysSilent }: Paused): Script {
  yield* staysSilent();
  yield* session.control('RESUME');
  yield* goesOn(run);
};

/** What was received, if the process then does what it must to its end; otherwise something is broken. */
const unharmed = function* (toItsEnd: Script, kind: FindingKind, received: string): Script<Finding> {
  const outcome = yield* failureOf(toItsEnd);
  if (outcome.kind === 'ok') return { kind, received: `${received}; the process ran to its end, no line lost` };
  return { kind: 'breaking', received: `${received}; then ${describeOutcome(outcome)}` };
};

/** Whether the process has ended, for a further command runs. */
const hasEnded = function* (session: Session, run: Execution, received: string): Script<Finding> {
  let passedMs = 0;
  let last = '';
  // Its last lines may be under way.
  yield* session.sleep(graceMs + run.latencyMs);
  for (const atMs of triesAtMs) {
    yield* session.sleep(atMs - passedMs);
    passedMs = atMs;
    const { execution, rejection } = yield* session.attempt(echo('ended', 'control'));
    if (execution) {
      const outcome = yield* failureOf(execution.completes());
      if (outcome.kind === 'ok') return { kind: 'conforming', received: `${received}; a further execute ran` };
      return { kind: 'breaking', received: `${received}; then a further execute: ${describeOutcome(outcome)}` };
    }
    last = describeError(rejection);
    if (rejection.reason !== 'already running') break;
  }
  const kept = `the process stays, every further execute for ${passedMs / 1000} s was refused`;
  return { kind: 'breaking', received: `${received}; ${kept}: ${last}` };
};

const evaluateNoProcess = (response: Response): Finding => ({
  kind: response.error && noProcessCodes.has(response.error.code) ? 'conforming' : 'deviating',
  received: describeResponse(response),
});

const withoutProcess = (type: ControlType): readonly Case[] => [
  {
    name: `${type.toLowerCase()}-without-process`,
    section,
    expected: `${type} where no command was run is answered by the error for no process`,
    *script(session) {
      return evaluateNoProcess(yield* ask(session, type));
    },
  },
  {
    name: `${type.toLowerCase()}-after-completed`,
    section,
    expected: `${type} after the process has completed is answered by the error for no process`,
    *script(session) {
      let finding: Finding = { kind: 'conforming', received: '' };
      for (let round = 0; round < completions && finding.kind === 'conforming'; round++) {
        const run = yield* session.execute(echo('done', 'control'));
        yield* run.completes();
        finding = evaluateNoProcess(yield* ask(session, type));
      }
      return finding;
    },
  },
];

/** A control that changes nothing may be answered by a result or by an error: the protocol does not say. */
const evaluateNeedless = ({ error, result }: Response, status: string): FindingKind =>
  error || (result as { status?: unknown } | null)?.status === status ? 'conforming' : 'deviating';

const needless = (): readonly Case[] => [
  {
    name: 'pause-twice',
    section,
    expected: 'a second PAUSE is answered, and changes nothing: silence, and one RESUME lets the process run on',
    *script(session) {
      return yield* whilePaused(session, function* (held) {
        const again = yield* ask(session, 'PAUSE');
        return yield* unharmed(resumes(session, held), evaluateNeedless(again, 'paused'), describeResponse(again));
      });
    },
  },
  {
    name: 'resume-while-running',
    section,
    expected: 'RESUME of a process that runs is answered, and changes nothing',
    *script(session) {
      const run = yield* running(session);
      const response = yield* ask(session, 'RESUME');
      return yield* unharmed(run.completes(), evaluateNeedless(response, 'resumed'), describeResponse(response));
    },
  },
  {
    name: 'resume-twice',
    section,
    expected: 'a second RESUME is answered, and changes nothing',
    *script(session) {
      return yield* whilePaused(session, function* ({ run, staysSilent }) {
        yield* staysSilent();
        yield* session.control('RESUME');
        const again = yield* ask(session, 'RESUME');
        return yield* unharmed(goesOn(run), evaluateNeedless(again, 'resumed'), describeResponse(again));
      });
    },
  },
];

const cancels = (): readonly Case[] => [
  {
    name: 'cancel-while-paused',
    section,
    expected: 'CANCEL ends a paused process too: a further execute is accepted within 12 s',
    *script(session) {
      const canceled = function* ({ run, staysSilent }: Paused): Script<Judgement> {
        yield* staysSilent();
        return yield* hasEnded(session, run, `result ${JSON.stringify(yield* session.control('CANCEL'))}`);
      };
      return yield* whilePaused(session, canceled, runningUntilCanceled);
    },
  },
  {
    name: 'cancel-twice',
    section,
    expected: 'a second CANCEL is answered, the process ends, and a further execute is accepted within 12 s',
    *script(session) {
      const run = yield* runningUntilCanceled(session);
      return yield* controlled(session, run, 'CANCEL', function* () {
        return yield* hasEnded(session, run, describeResponse(yield* ask(session, 'CANCEL')));
      });
    },
  },
];

/** Tries a second command, whose output would stand among that of the first. */
const second = function* (session: Session): Script<Finding> {
  const { rejection } = yield* session.attempt(echo('second', 'control'));
  if (!rejection) return { kind: 'deviating', received: 'accepted beside the first' };
  return {
    kind: rejection.code === invalidParams ? 'conforming' : 'deviating',
    received: describeError(rejection),
  };
};

const seconds = (): readonly Case[] => [
  {
    name: 'execute-while-running',
    section: 'protocol: execute',
    expected: 'execute while a process runs is rejected by -32602, and the first is unharmed',
    *script(session) {
      const run = yield* running(session);
      const { kind, received } = yield* second(session);
      return yield* unharmed(run.completes(), kind, received);
    },
  },
  {
    name: 'execute-while-paused',
    section: 'protocol: execute',
    expected: 'execute while a process is paused is rejected by -32602, and the first is unharmed when it is resumed',
    *script(session) {
      return yield* whilePaused(session, function* (held) {
        const { kind, received } = yield* second(session);
        return yield* unharmed(resumes(session, held), kind, received);
      });
    },
  },
];

const unknownType: Case = {
  name: 'unknown-control',
  section,
  expected: 'a control of an unknown type is answered by -32602, and the process is unharmed',
  *script(session) {
    const run = yield* running(session);
    const response = yield* ask(session, 'REWIND');
    const kind = response.error?.code === invalidParams ? 'conforming' : 'deviating';
    return yield* unharmed(run.completes(), kind, describeResponse(response));
  },
};

/** The edge cases of process control, each a session of its own; they need `sh` and take some ten seconds. */
export const controlCases = (): readonly Case[] => [
  ...(['PAUSE', 'RESUME', 'CANCEL'] as const).flatMap(withoutProcess),
  ...needless(),
  ...cancels(),
  ...seconds(),
  unknownType,
];

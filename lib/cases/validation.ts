import type { Command } from '../commands/command.ts';
import { excerpt } from '../jsonrpc/messages.ts';
import { SessionEnd, outcomeOf } from '../session/script.ts';
import type { CommandEnd, Rejected, Script, Session } from '../session/session.ts';
import type { Case, FindingKind } from './case.ts';

const section = 'protocol: ALLOWED_COMMANDS';

/** Whether a service has an allow-list at all. */
export const allowList = {
  name: 'allow-list',
  section,
  expected: 'a command that no allow-list names runs, or is rejected',
};

/** The code for "not allowed" in the one dialect and in the other. */
const notAllowedCodes = new Set([-32_001, -32_002]);

/**
 * A program that a list would hardly name, and what only its run prints: no text of ours holds it. It reads and writes
 * nothing else.
 */
const smuggled = 'expr 4000 + 242';
const marker = '4242';

/** A file that is nowhere, so that nothing is read or written where a redirection is performed. */
const nowhere = '/ws-stress/nowhere';

const plain = (command: string): Command => ({ name: 'validation', class: 'simple', command, proof: {} });

/** A command of the allowed word. What other words than `echo` print is not known. */
const allowedCommand = (allowed: string): Command => ({
  ...plain(`${allowed} ws-stress`),
  proof: allowed === 'echo' ? { lines: ['ws-stress'] } : {},
});

/** Runs an allowed command to its end; ends the session where its output is wrong. */
const runAllowed = function* (session: Session, allowed: string): Script {
  const run = yield* session.execute(allowedCommand(allowed));
  const outcome = yield* outcomeOf(run.completes());
  // Of another word than `echo` it is not known with which code it ends.
  if (outcome.kind !== 'ok' && (allowed === 'echo' || outcome.kind !== 'failed-exit')) throw new SessionEnd(outcome);
};

/**
 * Whether a service has an allow-list: whether it rejects `:`, which every shell has built in, which does nothing, and
 * which no list has reason to name. That it is rejected is a response; that a shell fails to find something, which it
 * can't here, would be an exit code.
 */
export const hasAllowList = function* (session: Session): Script<boolean> {
  const { execution, rejection } = yield* session.attempt(plain(':'));
  if (execution) {
    yield* execution.ends();
    return false;
  }
  if (rejection.reason === 'not allowed') return true;
  // A service without a shell finds no `:`, and rejects it for that: then another program runs.
  const { execution: other } = yield* session.attempt(plain(smuggled));
  if (!other) return true;
  yield* other.ends();
  return false;
};

const describeRejection = ({ code, message }: Rejected): string => `rejected: ${code} ${excerpt(message)}`;

const describeEnd = ({ exitCode, beginning, error }: CommandEnd): string => {
  const output = beginning.length === 0 ? 'no output' : beginning.map((line) => excerpt(line)).join(', ');
  return error === undefined ? `${output}, exit code ${exitCode}` : `${output}, then process.error ${excerpt(error)}`;
};

/** Tries a command, and how it ended or that it was rejected; then runs one that is allowed, for the session must go on. */
const tries = function* (session: Session, command: string, allowed: string): Script<CommandEnd | Rejected> {
  const { execution, rejection } = yield* session.attempt(plain(command));
  const answer = execution ? yield* execution.ends() : rejection;
  yield* runAllowed(session, allowed);
  return answer;
};

/** Whether the end of a command shows that something ran which the list does not name. */
type HasRun = (end: CommandEnd) => boolean;

const printsMarker: HasRun = ({ beginning }) => beginning.some((line) => line.includes(marker));

/** It ran, or the shell looked for it in vain: where it is there, it would have run. */
const isReached: HasRun = (end) =>
  printsMarker(end) ||
  end.beginning.some((line) => /\bexpr\b/.test(line) && /not found|no such file|not recognized/i.test(line));

/** The shell was made to look for a program that is not there: what is there would have run. */
const isLookedFor: HasRun = ({ exitCode }) => exitCode === 126 || exitCode === 127;

/** The shell tried to open the file: where it stands for itself, its name comes with the sign before it. */
const isOpened: HasRun = ({ beginning }) =>
  beginning.some((line) => line.includes(nowhere) && !line.includes(`<${nowhere}`));

/** A command that is tried, and what its end or its rejection means. */
const triedCase =
  (allowed: string) =>
  (
    name: string,
    command: string,
    expected: string,
    evaluate: (answer: CommandEnd | Rejected) => FindingKind,
  ): Case => ({
    name,
    section,
    expected,
    *script(session) {
      const answer = yield* tries(session, command, allowed);
      const received = 'code' in answer ? describeRejection(answer) : `accepted: ${describeEnd(answer)}`;
      return { kind: evaluate(answer), received };
    },
  });

/** Ways in which a command that the list does not name may come behind, in, or before one that it does. */
const smuggling = (allowed: string): Readonly<Record<string, string>> => ({
  semicolon: `${allowed} a; ${smuggled}`,
  'and-list': `${allowed} a && ${smuggled}`,
  'or-list': `${allowed} a <${nowhere} || ${smuggled}`,
  pipe: `${allowed} a | ${smuggled}`,
  background: `${allowed} a & ${smuggled}`,
  newline: `${allowed} a\n${smuggled}`,
  substitution: `${allowed} $(${smuggled})`,
  'quoted-substitution': `${allowed} "$(${smuggled})"`,
  backticks: `${allowed} \`${smuggled}\``,
  'process-substitution': `${allowed} a > >(${smuggled})`,
  'here-document': `${allowed} a <<X\n$(${smuggled} >&2)\nX`,
  subshell: `(${smuggled})`,
  'brace-group': `{ ${smuggled}; }`,
  negation: `! ${smuggled}`,
  'if-clause': `if ${allowed} a; then ${smuggled}; fi`,
  'assignment-prefix': `X=1 ${smuggled}`,
  'assignment-like-word': `${allowed}=1 ${smuggled}`,
  'quoted-word': `'ex'${smuggled.slice(2)}`,
  'backslash-word': `\\${smuggled}`,
  'leading-redirection': `2>&1 ${smuggled}`,
  eval: `eval '${smuggled}'`,
  exec: `exec ${smuggled}`,
  command: `command ${smuggled}`,
  env: `env ${smuggled}`,
});

const ways = (allowed: string): readonly Case[] => {
  const tried = triedCase(allowed);
  const way = (name: string, command: string, hasRun: HasRun, expected: string): Case =>
    tried(name, command, expected, (answer) => ('code' in answer || !hasRun(answer) ? 'conforming' : 'bypass'));
  const another = 'rejected that only ends in an allowed name: what lies there is another program';
  return [
    ...Object.entries(smuggling(allowed)).map(([name, command]) =>
      way(name, command, isReached, `the command ${excerpt(command)} is rejected, or ${smuggled} does not run in it`),
    ),
    way(
      'redirection',
      `${allowed} a <${nowhere}`,
      isOpened,
      'a redirection is rejected, or not performed: it opens files that the list says nothing of',
    ),
    way('path-elsewhere', `/ws-stress/${allowed} a`, isLookedFor, `a path is ${another}`),
    way('relative-path', `./ws-stress/${allowed} a`, isLookedFor, `a relative path is ${another}`),
    way(
      'longer-word',
      `${allowed}-ws-stress a`,
      isLookedFor,
      'a word is rejected that only begins with an allowed name: it names another program',
    ),
    way(
      'system-path',
      `/bin/${allowed} a`,
      printsMarker,
      'the path of the allowed program itself is rejected or runs: it is the program that the list names',
    ),
    way(
      'leading-blanks',
      `  ${allowed} a`,
      printsMarker,
      'an allowed command behind blanks is rejected or runs: the shell sees no difference',
    ),
  ];
};

/** Commands that must be rejected by the code for it, after which the session goes on. */
const rejected = (allowed: string): readonly Case[] => {
  const tried = triedCase(allowed);
  const rejectedCase = (name: string, command: string, what: string, accepted: (end: CommandEnd) => FindingKind) =>
    tried(name, command, `${what} is rejected as not allowed, and the session goes on`, (answer) => {
      if (!('code' in answer)) return accepted(answer);
      return notAllowedCodes.has(answer.code) ? 'conforming' : 'deviating';
    });
  return [
    rejectedCase('not-allowed', smuggled, 'a command that is not on the list', (end) =>
      printsMarker(end) || isLookedFor(end) ? 'bypass' : 'deviating',
    ),
    ...Object.entries({ empty: '', blank: '   ', 'tab-and-newline': '\t\n' }).map(([name, command]) =>
      rejectedCase(name, command, `the command ${JSON.stringify(command)}`, () => 'deviating'),
    ),
  ];
};

/** What is asked of an allow-list that names a word, such as `echo`: nothing of it reads, writes or reaches anywhere. */
export const validationCases = (allowed: string): readonly Case[] => [
  {
    name: 'allowed',
    section,
    expected: 'an allowed command runs, and prints what it must',
    *script(session) {
      yield* runAllowed(session, allowed);
      return { kind: 'conforming', received: `${allowedCommand(allowed).command} ran to its end` };
    },
  },
  ...rejected(allowed),
  ...ways(allowed),
];

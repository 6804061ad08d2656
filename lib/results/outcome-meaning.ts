import { failureFrom, meaningOf as meaningOfConnection } from '../load/connection.ts';
import type { Phase } from '../session/outcome.ts';
import type { SessionRecord } from './record-schema.ts';

type Outcome = SessionRecord['outcome'];
type Failure = Exclude<Outcome, { kind: 'ok' }>;

/** What a failed session means for a reader. */
export interface OutcomeMeaning {
  /** In kebab-case, the same for all failures of one kind: a part of links. */
  id: string;
  /** What happened to it, after its subject: "5 sessions" `lost output lines`. */
  did: string;
  /** What should have happened. */
  expected: string;
  /** What to do, in a sentence. */
  advice: string;
}

type Row = [texts: RegExp, id: string, did: string, advice: string];

const inItsLog = "Look in the service's log at the time of these sessions.";
const isItsDefect = 'Load alone does not cause this: it is a defect of the service. Read the message that it sent.';

/** The first row whose text matches tells one failure of a kind from another. */
const mismatches: readonly Row[] = [
  [
    /expected no output after CANCEL/,
    'output-after-cancel',
    'received output after CANCEL',
    'The service reported the process as cancelled, but its output went on: check that CANCEL ends the process.',
  ],
  [
    /expected no output for/,
    'output-while-paused',
    'received output while the process was paused',
    'The service reported the process as paused, but its output went on: check that PAUSE stops the process.',
  ],
  [
    /expected the process to run on/,
    'ended-early',
    'found that a process had ended which should have run on',
    `The service ended the process itself. ${inItsLog}`,
  ],
  [
    /expected at least .* from the request to completion/,
    'completed-too-early',
    'received process.completed too early',
    'The service reported the end of a command that cannot have run to its end yet.',
  ],
  [
    /\(repeated or out of order\)|expected no more lines|received more$/,
    'repeated-lines',
    'received output lines twice or out of order',
    "Compare the line named below with the command's output: the service sends lines again, or in another order.",
  ],
  [
    /\(a gap\), (\d+) of \1 lines in all/,
    'swapped-lines',
    'received output lines out of order',
    "All lines came, but in another order: check how the service reads and sends a process's output.",
  ],
  [
    /is missing|expected \d+ lines, received \d+|\(a gap\), \d+ of \d+ lines in all/,
    'lost-lines',
    'lost output lines',
    'If it happens only under load, check how the service buffers output and what it does when a buffer is full.',
  ],
  [
    /\(a gap\)/,
    'missing-lines',
    'received output with lines missing or out of order',
    'A line did not come where it was due. If it happens only under load, check how the service buffers output.',
  ],
];

const violations: readonly Row[] = [
  [/no request had/, 'unknown-id', 'received a response with an id that no request had', isItsDefect],
  [/second response/, 'second-response', 'received a second response to one request', isItsDefect],
  [
    /process\.completed without a running command/,
    'completed-twice',
    'received process.completed when no command was running',
    isItsDefect,
  ],
  [
    /process\.output without a running command/,
    'output-after-completed',
    'received output when no command was running',
    isItsDefect,
  ],
  [/process\.completed of another process/, 'other-process', 'received the end of another process', isItsDefect],
  [
    /in the middle of a line|expected chunk/,
    'broken-chunks',
    'received the chunks of a long line incomplete or out of order',
    isItsDefect,
  ],
  [/binary message/, 'binary-message', 'received a binary message', isItsDefect],
  [
    /expected a JSON object|"jsonrpc":"2\.0"/,
    'no-json-rpc',
    'received a message that is not JSON-RPC 2.0',
    isItsDefect,
  ],
  [/the id of a request in each response/, 'no-id', 'received a response without the id of its request', isItsDefect],
];

/** What a row says of a text; where none matches, what is said of the kind. */
const rowOf = (rows: readonly Row[], text: string, others: Row): Pick<OutcomeMeaning, 'id' | 'did' | 'advice'> => {
  const [, id, did, advice] = rows.find(([texts]) => texts.test(text)) ?? others;
  return { id, did, advice };
};

const phaseRows: Readonly<Record<Phase, [did: string, expected: string, advice: string]>> = {
  connect: [
    'could not connect in time',
    'an answer to the opening handshake',
    "Check that the service accepts connections under this load: its backlog, its threads, and this machine's open files.",
  ],
  connected: [
    'received no connected message in time',
    'the connected message after the opening handshake',
    'The connection opened, and then the service said nothing. A slow service needs a longer --ack-timeout.',
  ],
  acknowledgement: [
    'received no response to a request in time',
    'a response to each request',
    'The service took the request and did not answer it. A slow service needs a longer --ack-timeout.',
  ],
  message: [
    'received no output or completion in time',
    'the next message of a running command',
    'The command started, and then the service sent nothing. A command that is silent for long needs a longer --message-timeout.',
  ],
  drain: [
    'received no pong to the ping before closing',
    'a pong to each ping (RFC 6455 §5.5.2)',
    'The service must answer WebSocket pings; also check proxies between.',
  ],
  session: [
    'did not finish in time',
    'the end of the session',
    'Messages kept coming, but the session did not end. A long command needs a longer --session-timeout.',
  ],
};

/** Timeouts of a script's own, within the phase of a running command. */
const messageTimeouts: readonly Row[] = [
  [
    /expected output to go on/,
    'no-output-after-resume',
    'received no output after RESUME',
    'The service reported the process as resumed, but its output did not go on: check that RESUME lets it run.',
  ],
  [
    /of CANCEL, received none/,
    'no-end-after-cancel',
    'received no process.completed after CANCEL',
    'The service reported the process as cancelled, but not that it ended: check that CANCEL ends the process.',
  ],
];

const rejections: Readonly<Record<string, [did: string, advice: string]>> = {
  'session limit': [
    'hit the session limit',
    "The service's session limit is below the load: raise it, or run fewer sessions at once (--vus or --rounds).",
  ],
  'not allowed': [
    'sent a command that the allow-list refuses',
    "Add the command to the service's allow-list, or choose commands that it allows (--commands).",
  ],
  'already running': [
    'found an earlier command still running',
    'The service did not end an earlier command of the session: find out why it is still running.',
  ],
  'no process': [
    'sent a control for which the service knew no process',
    'The command had ended before, or the service lost track of it.',
  ],
  'unknown method': [
    'called a method that the service does not know',
    'Check the path and the version of the service.',
  ],
};

const closes: Readonly<Record<number, [did: string, advice: string]>> = {
  1000: ['saw the service close the connection before they had finished', inItsLog],
  1001: ['saw the service go away (close 1001)', 'The service shut down or restarted during the run.'],
  1006: ['lost the connection without a close frame', `The service or a proxy dropped the connection. ${inItsLog}`],
  1008: [
    'saw the service close the connection for its policy (close 1008)',
    "Check the service's session limit, its allow-list and the token.",
  ],
  1011: ['saw the service fail and close the connection (close 1011)', inItsLog],
};

const connectAdvice = 'Check that the service runs and accepts connections under this load.';

const ofConnection = (reason: string): Pick<OutcomeMeaning, 'id' | 'did' | 'advice'> => {
  const failure = failureFrom(reason);
  const { kind, what, advice } = meaningOfConnection(failure, { url: '', spelled: flagOf });
  if (failure.status !== undefined) {
    return {
      id: `status-${failure.status}`,
      did: `got status ${failure.status} instead of a connection`,
      advice: `${advice}.`,
    };
  }
  const isOfAddress = advice.startsWith('Start the service there') || advice.includes('It speaks no TLS');
  return {
    id: kind,
    did: `could not connect${what === '' ? '' : `: ${what}`}`,
    advice: isOfAddress ? connectAdvice : `${advice}.`,
  };
};

/** A setting's name as a flag of the command line. */
const flagOf = (name: string): string =>
  `--${name
    .replace(/^STRESS_/, '')
    .toLowerCase()
    .replaceAll('_', '-')}`;

const ofFailedExit = ({ code, detail }: Extract<Failure, { kind: 'failed-exit' }>): OutcomeMeaning => {
  const expected = /^expected (exit code \d+)/.exec(detail)?.[1] ?? 'status completed';
  if (detail.startsWith('process.error')) {
    return {
      id: 'process-error',
      did: 'received process.error',
      expected,
      advice: `The service could not run the command. ${inItsLog}`,
    };
  }
  if (code === 127) {
    return {
      id: 'exit-127',
      did: 'ran a command that the service does not find (exit code 127)',
      expected,
      advice: "Install the command on the service's machine, or choose others with --commands.",
    };
  }
  return code === 0 || code === null
    ? { id: 'wrong-status', did: 'received another status than completed', expected, advice: inItsLog }
    : {
        id: `exit-${code}`,
        did: `ended with exit code ${code}`,
        expected,
        advice: 'Run the command on the service by hand, and read what it writes to stderr.',
      };
};

/** What became of a failed session, in words for a reader. */
// oxlint-disable-next-line typescript/consistent-return -- the compiler sees that every kind is there
export const meaningOfOutcome = (outcome: Failure): OutcomeMeaning => {
  switch (outcome.kind) {
    case 'failed-exit':
      return { ...ofFailedExit(outcome) };
    case 'rejected': {
      const { reason, code } = outcome;
      const [did, advice] = rejections[reason] ?? [`received error ${code}`, inItsLog];
      return { id: reason.replaceAll(' ', '-'), did, expected: 'a result', advice };
    }
    case 'output-mismatch':
      return {
        ...rowOf(mismatches, outcome.detail, [
          /^/,
          'wrong-output',
          'received wrong output',
          'Compare the line named below with what the command prints: the service changed it, or ran something else.',
        ]),
        expected: "the command's whole output, once and in order",
      };
    case 'timeout': {
      const { phase, detail } = outcome;
      const [did, expected, advice] = phaseRows[phase];
      const row = rowOf(phase === 'message' ? messageTimeouts : [], detail, [/^/, `timeout-${phase}`, did, advice]);
      return { ...row, expected };
    }
    case 'connect-failed':
      return { ...ofConnection(outcome.reason), expected: 'status 101 to the opening handshake' };
    case 'closed': {
      const [did, advice] = closes[outcome.code] ?? [
        `saw the service close the connection (close ${outcome.code})`,
        inItsLog,
      ];
      const expected = 'a connection that stays open until the session has finished';
      return { id: `close-${outcome.code}`, did, expected, advice };
    }
    case 'protocol-violation':
      return {
        ...rowOf(violations, outcome.reason, [
          /^/,
          'violation',
          'received a message that the protocol does not allow',
          isItsDefect,
        ]),
        expected: 'messages as the protocol defines them',
      };
    case 'script-error':
      return {
        id: 'script-error',
        did: "stopped by a bug in the scenario's script",
        expected: 'a script without bugs',
        advice: 'Fix the script: the stack trace names its line. The service is not at fault.',
      };
  }
};

/** What was expected and received, from the words of an outcome; without what it expected, that of its meaning. */
export const expectedAndReceived = (
  outcome: Failure,
  meaning: Pick<OutcomeMeaning, 'expected'>,
): { expected: string; received: string } => {
  const said =
    outcome.kind === 'rejected'
      ? `error ${outcome.code} ${outcome.message}`
      : 'detail' in outcome
        ? outcome.detail
        : outcome.reason;
  const [, where = '', expected, received] =
    /^((?:line \d+|control \w+|process\.\w+)(?:: ))?expected ([^]+?),? (?:but )?received ([^]+)$/.exec(said) ?? [];
  if (expected !== undefined && received !== undefined) return { expected: `${where}${expected}`, received };
  return { expected: meaning.expected, received: said };
};

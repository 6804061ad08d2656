import {
  afterAck,
  alter,
  continueLate,
  dataOf,
  hasFractionId,
  isCompleted,
  isDeep,
  isNoObject,
  isNotification,
  isOutput,
  loseOnResume,
  midOutput,
  notification,
  onId,
  onVictim,
  output,
  repeatOnResume,
  silentAfterError,
  spaced,
  sprinkle,
  swapLines,
  withErrorCode,
  withParams,
  type InterceptorMaker,
  type Outgoing,
  type Received,
} from './fault-messages.ts';

/** One way to misbehave. The target asks for it by its name, unless one of the functions here is all of it. */
export interface FaultDefinition {
  /** By what a range counts: opening handshakes, or sessions in the order of their first execute. */
  counts: 'handshakes' | 'executes';
  description: string;
  /** It lets commands run that the allow-list refuses, which only those on this machine may have. */
  loopbackOnly?: true;
  /** What it does to the messages of a session on their way out. */
  intercept?: InterceptorMaker;
  /** What it does to the session when a message comes in: drops the connection, or heeds nothing from then on. */
  onMessage?: (message: Received) => 'drop' | 'hang' | undefined;
}

/** Sessions that `warm-up` takes memory for. */
export const warmUpSessions = 200;

const dropAt =
  (holds: (message: Received) => boolean) =>
  (message: Received): 'drop' | undefined =>
    holds(message) ? 'drop' : undefined;

/**
 * Every fault by name, in the order in which messages pass through them; a name that ends in `:MS` or `:BYTES` takes a
 * number, as in `slow:250`.
 */
export const faultTable = {
  // Opening handshakes and the session limit.
  'tcp-silent': {
    counts: 'handshakes',
    description:
      'accepts the connection and never answers the opening handshake (without a range, nor any HTTP request)',
  },
  'handshake-403': { counts: 'handshakes', description: 'answers the opening handshake with 403' },
  limit: {
    counts: 'handshakes',
    description: 'refuses the session as over the session limit: error, then close 1008',
  },
  'limit-drop': {
    counts: 'handshakes',
    description: 'drops the TCP connection of a session over the limit without a close frame',
  },
  'limit-hang': { counts: 'handshakes', description: 'never says anything to a session over the limit' },
  'limit-close-only': {
    counts: 'handshakes',
    description: 'closes a session over the limit with 1008, without the error',
  },
  'limit-wrong-code': {
    counts: 'handshakes',
    description: 'closes a session over the limit with 1000, after the error',
  },
  'limit-disturbs': {
    counts: 'handshakes',
    description: 'closes the oldest open session too when it refuses one over the limit',
  },
  'limit-kills': {
    counts: 'handshakes',
    description: 'ends the processes of all open sessions when it refuses one over the limit',
  },
  'limit-off-by-one': { counts: 'handshakes', description: 'accepts one session more than max_sessions' },
  'slot-leak-vanished': {
    counts: 'handshakes',
    description: 'counts a session for ever that ended without a close frame',
  },
  'slot-leak-closed': {
    counts: 'handshakes',
    description: 'counts a session for ever that ended with a close frame',
  },
  'slot-leak-refused': { counts: 'handshakes', description: 'counts a session for ever that it has refused' },
  'health-miscounts': {
    counts: 'handshakes',
    description: 'has one active session too many in /health, while the latest handshake is in the range',
  },
  'no-pong': { counts: 'handshakes', description: 'never answers a WebSocket ping' },
  'heartbeat:MS': {
    counts: 'handshakes',
    description: 'sends its ping notification every MS milliseconds (no fault)',
  },
  'no-connected': {
    counts: 'handshakes',
    description: 'never sends connected, and answers nothing',
    intercept: () => () => {},
  },
  'close-1008': {
    counts: 'handshakes',
    description: 'closes with 1008 right after connected, without an error message',
    intercept: () => (message, next, wire) => {
      next(message);
      if (isNotification(message, 'connected')) wire.close(1008, 'Policy violation');
    },
  },

  // Memory and processes.
  'leak:BYTES': { counts: 'handshakes', description: 'keeps BYTES bytes of memory for ever for each session' },
  'warm-up:BYTES': {
    counts: 'handshakes',
    description: `keeps BYTES bytes of memory for each of its first ${warmUpSessions} sessions only (no fault)`,
  },
  'leak-children': {
    counts: 'executes',
    description: 'leaves a child behind each session that executes: its process if it runs still, otherwise a sleep',
  },
  'unbounded-buffer': {
    counts: 'executes',
    description: 'reads output however slow the client is, and keeps in memory what waits for it',
  },

  // JSON-RPC and the WebSocket protocol.
  'drop-on-malformed': {
    counts: 'handshakes',
    description: 'drops the TCP connection at malformed JSON',
    onMessage: dropAt(({ value, isBinary }) => value === undefined && !isBinary),
  },
  'drop-on-not-an-object': {
    counts: 'handshakes',
    description: 'drops the TCP connection at JSON that is no object, such as [1,2]',
    onMessage: dropAt(isNoObject),
  },
  'drop-on-binary': {
    counts: 'handshakes',
    description: 'drops the TCP connection at a binary message',
    onMessage: dropAt(({ isBinary }) => isBinary),
  },
  'drop-on-fraction-id': {
    counts: 'handshakes',
    description: 'drops the TCP connection at an id such as 1.5',
    onMessage: dropAt(hasFractionId),
  },
  'drop-on-deep-nesting': {
    counts: 'handshakes',
    description: 'drops the TCP connection at arrays or objects a hundred deep',
    onMessage: dropAt(isDeep),
  },
  'hang-on-batch': {
    counts: 'handshakes',
    description: 'answers nothing more in a session in which an array came',
    onMessage: ({ value }) => (Array.isArray(value) ? 'hang' : undefined),
  },
  'answers-notifications': {
    counts: 'handshakes',
    description: 'answers a faulty notification with an error without an id, in the documented dialect too',
  },
  'wrong-error-codes': {
    counts: 'handshakes',
    description: 'answers with -32603 wherever JSON-RPC has another code of its own',
    intercept: () => withErrorCode(-32_603),
  },
  'refuses-after-error': {
    counts: 'handshakes',
    description: 'sends nothing more in a session after an error',
    intercept: silentAfterError,
  },
  'null-id-dropped': {
    counts: 'handshakes',
    description: 'leaves a null id out of its answers, in the documented dialect too',
    intercept: () => (message, next) => {
      const { id, ...body } = message.body;
      next(id === null ? { ...message, body } : message);
    },
  },

  // The allow-list.
  'first-word-only': {
    counts: 'executes',
    description: 'holds only the first word of a command against the allow-list, so that echo a; id runs',
    loopbackOnly: true,
  },
  'allow-list-ignored': {
    counts: 'executes',
    description: 'runs every command, whatever the allow-list',
    loopbackOnly: true,
  },
  'no-empty-check': { counts: 'executes', description: 'runs an empty command' },
  'rejection-closes': {
    counts: 'executes',
    description: 'closes with 1008 after the error that refuses a command as not allowed or empty',
  },

  // Process control.
  'ignore-pause': { counts: 'executes', description: 'says paused but lets the process run' },
  'ignore-resume': { counts: 'executes', description: 'says resumed but leaves the process stopped' },
  'late-resume:MS': {
    counts: 'executes',
    description: 'says resumed at once but lets the process run MS milliseconds later',
  },
  'ignore-cancel': { counts: 'executes', description: 'says cancelled but lets the process run' },
  'cancel-leaves-running': {
    counts: 'executes',
    description: 'says cancelled and sends no more output, but the process runs on and keeps others from starting',
  },
  'stuck-cancel': {
    counts: 'executes',
    description: 'says cancelled of a paused process, but leaves it stopped and keeps others from starting',
  },
  'output-after-cancel': {
    counts: 'executes',
    description: 'ends a cancelled process, but goes on with lines like its last for two seconds',
    intercept: continueLate,
  },
  'double-line-on-resume': {
    counts: 'executes',
    description: 'repeats the last line of stdout when the process is resumed',
    intercept: repeatOnResume,
  },
  'lost-line-on-resume': {
    counts: 'executes',
    description: 'drops the first line of stdout after a resume',
    intercept: loseOnResume,
  },
  'slow-control:MS': { counts: 'executes', description: 'heeds and answers control MS milliseconds late' },
  'control-without-process-succeeds': {
    counts: 'executes',
    description: 'answers control with a result though no process runs',
  },
  'second-execute-kills': {
    counts: 'executes',
    description: 'refuses an execute while a process runs, but kills that process',
  },
  'second-execute-runs': { counts: 'executes', description: 'runs an execute beside a process that runs' },

  // Messages on their way out.
  silent: {
    counts: 'executes',
    description: 'sends connected, then nothing ever again',
    intercept: () => (message, next) => {
      if (isNotification(message, 'connected')) next(message);
    },
  },
  'exit-3': {
    counts: 'executes',
    description: 'says that the process failed with exit code 3',
    intercept: () => (message, next) => {
      if (isCompleted(message)) next(withParams(message, { status: 'failed', exit_code: 3 }));
      else next(message);
    },
  },
  'process-error': {
    counts: 'executes',
    description: 'sends process.error in place of process.completed',
    intercept: () => (message, next) => {
      if (isCompleted(message)) next(notification('process.error', { error: 'The service failed, as it was told to' }));
      else next(message);
    },
  },
  'lost-line': {
    counts: 'executes',
    description: 'drops the second line of stdout, or the only one',
    intercept: () => onVictim(() => {}),
  },
  'altered-line': {
    counts: 'executes',
    description: 'changes one character in the second line of stdout, or in the only one',
    intercept: () => onVictim((message, next) => next(withParams(message, { data: alter(dataOf(message)) }))),
  },
  'repeated-line': {
    counts: 'executes',
    description: 'sends the second line of stdout, or the only one, twice',
    intercept: () =>
      onVictim((message, next) => {
        next(message);
        next(message);
      }),
  },
  'swapped-lines': { counts: 'executes', description: 'swaps the first two lines of stdout', intercept: swapLines },
  'output-after-completed': {
    counts: 'executes',
    description: 'sends one more line of output after process.completed',
    intercept: () => (message, next) => {
      next(message);
      if (isCompleted(message)) next(output('late\n'));
    },
  },
  'never-completes': {
    counts: 'executes',
    description: 'sends everything but process.completed',
    intercept: () => (message, next) => {
      if (!isCompleted(message)) next(message);
    },
  },
  'duplicate-completed': {
    counts: 'executes',
    description: 'sends process.completed twice',
    intercept: () => (message, next) => {
      next(message);
      if (isCompleted(message)) next(message);
    },
  },
  'no-ack': {
    counts: 'executes',
    description: 'does not answer execute, though everything else comes',
    intercept: () => (message, next) => {
      if (message.kind !== 'ack') next(message);
    },
  },
  'wrong-id': {
    counts: 'executes',
    description: 'answers with the id plus 1000',
    intercept: () => onId((id) => (typeof id === 'number' ? id + 1000 : `${String(id)}1000`)),
  },
  'string-id': { counts: 'executes', description: 'answers with the id as a string', intercept: () => onId(String) },
  'duplicate-response': {
    counts: 'executes',
    description: 'answers execute twice',
    intercept: () => (message, next) => {
      next(message);
      if (message.kind === 'ack') next(message);
    },
  },
  'late-response': {
    counts: 'executes',
    description: 'answers execute a second time after process.completed',
    intercept: () => {
      let ack: Outgoing | undefined;
      return (message, next) => {
        next(message);
        if (message.kind === 'ack') ack = message;
        if (isCompleted(message) && ack !== undefined) next(ack);
      };
    },
  },
  'malformed-json': {
    counts: 'executes',
    description: 'sends a truncated JSON text after the answer to execute',
    intercept: () => afterAck('{"jsonrpc":"2.0","method":"process.out'),
  },
  'not-an-object': {
    counts: 'executes',
    description: 'sends [1,2] after the answer to execute',
    intercept: () => afterAck('[1,2]'),
  },
  'binary-message': {
    counts: 'executes',
    description: 'sends a binary message after the answer to execute',
    intercept: () => afterAck(Buffer.from('{"jsonrpc":"2.0","method":"ping","params":{}}')),
  },
  'slow:MS': {
    counts: 'executes',
    description: 'delays output and process.completed by MS milliseconds',
    intercept: (milliseconds, onEnd) => {
      const timers = new Set<NodeJS.Timeout>();
      onEnd(() => timers.forEach((timer) => clearTimeout(timer)));
      return (message, next) => {
        if (!isOutput(message) && !isCompleted(message)) return next(message);
        const timer = setTimeout(() => {
          timers.delete(timer);
          next(message);
        }, milliseconds);
        timers.add(timer);
      };
    },
  },
  'close-mid-output': {
    counts: 'executes',
    description: 'closes with 1011 after the first line of output, or in place of process.completed',
    intercept: () => midOutput((wire) => wire.close(1011, 'Internal error')),
  },
  'drop-mid-output': {
    counts: 'executes',
    description: 'ends the TCP connection after the first line of output without a closing handshake',
    intercept: () => midOutput((wire) => wire.drop()),
  },
  'reset-mid-output': {
    counts: 'executes',
    description: 'resets the TCP connection after the first line of output',
    intercept: () => midOutput((wire) => wire.reset()),
  },
  notifications: {
    counts: 'handshakes',
    description: 'sprinkles notifications that must not disturb a client (no fault)',
    intercept: sprinkle,
  },
  'bare-notifications': {
    counts: 'handshakes',
    description: 'leaves "jsonrpc" out of notifications, as the documentation prints them (no fault)',
    intercept: () => (message, next) => {
      if (message.kind !== 'notification') return next(message);
      const { jsonrpc: _, ...body } = message.body;
      next({ kind: message.kind, body });
    },
  },
  'spaced-json': {
    counts: 'handshakes',
    description: 'sends its messages with spaces and their members in another order (no fault)',
    intercept: () => (message, _next, wire) => wire.send(spaced(message.body)),
  },
} satisfies Readonly<Record<string, FaultDefinition>>;

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

/** One way to misbehave. `intercept` or `onMessage` implement a fault completely; the target looks up the others by name. */
export interface FaultDefinition {
  /** What a range counts: opening handshakes, or sessions in the order of their first execute. */
  counts: 'handshakes' | 'executes';
  description: string;
  /** Commands that the allow-list refuses run, so only clients on this machine may use it. */
  loopbackOnly?: true;
  /** Changes the messages that a session sends. */
  intercept?: InterceptorMaker;
  /** Reacts to a message from the client: drops the connection, or ignores everything from then on. */
  onMessage?: (message: Received) => 'drop' | 'hang' | undefined;
}

/** Number of sessions for which `warm-up` keeps memory. */
export const warmUpSessions = 200;

const perHandshake = (description: string, intercept?: InterceptorMaker): FaultDefinition => ({
  counts: 'handshakes',
  description,
  ...(intercept && { intercept }),
});

const perExecute = (description: string, intercept?: InterceptorMaker): FaultDefinition => ({
  ...perHandshake(description, intercept),
  counts: 'executes',
});

const dropsAt = (what: string, holds: (message: Received) => boolean): FaultDefinition => ({
  ...perHandshake(`drops the TCP connection when it receives ${what}`),
  onMessage: (message) => (holds(message) ? 'drop' : undefined),
});

/**
 * Every fault by name, in the order in which messages pass through them. A name that ends in `:MS` or `:BYTES` takes a
 * number, as in `slow:250`.
 */
export const faultTable = {
  // Opening handshakes and the session limit.
  'tcp-silent': perHandshake(
    'accepts the TCP connection and never answers the opening handshake (without a range, nor any HTTP request)',
  ),
  'handshake-403': perHandshake('answers the opening handshake with 403'),
  limit: perHandshake('refuses the session as if the session limit were reached: sends the error, closes with 1008'),
  'limit-drop': perHandshake('drops the TCP connection of a session over the limit, without a close frame'),
  'limit-hang': perHandshake('sends nothing to a session over the limit and keeps it open'),
  'limit-close-only': perHandshake('closes a session over the limit with 1008, without sending the error'),
  'limit-wrong-code': perHandshake('closes a session over the limit with 1000, after the error'),
  'limit-disturbs': perHandshake('also closes the oldest open session when it refuses one over the limit'),
  'limit-kills': perHandshake('ends the processes of all open sessions when it refuses one over the limit'),
  'limit-off-by-one': perHandshake('accepts one session more than max_sessions'),
  'slot-leak-vanished': perHandshake('never frees the slot of a session that ended without a close frame'),
  'slot-leak-closed': perHandshake('never frees the slot of a session that ended with a close frame'),
  'slot-leak-refused': perHandshake('takes a slot for each session that it refuses and never frees it'),
  'health-miscounts': perHandshake(
    'reports one active session too many in /health while the latest handshake is in the range',
  ),
  'no-pong': perHandshake('never answers a WebSocket ping'),
  'heartbeat:MS': perHandshake('sends its ping notification every MS milliseconds (not a fault)'),
  'no-connected': perHandshake('sends neither connected nor any answer', () => () => {}),
  'close-1008': perHandshake(
    'closes with 1008 right after connected, without an error message',
    () => (message, next, wire) => {
      next(message);
      if (isNotification(message, 'connected')) wire.close(1008, 'Policy violation');
    },
  ),

  // Memory and processes.
  'leak:BYTES': perHandshake('leaks BYTES bytes of memory for each session'),
  'warm-up:BYTES': perHandshake(
    `keeps BYTES bytes of memory for each of its first ${warmUpSessions} sessions only (not a fault)`,
  ),
  'leak-children': perExecute(
    'leaves a child process behind after each session that executes: its process if that is running, else a sleep',
  ),
  'unbounded-buffer': perExecute('keeps reading output when the client is slow and buffers it without limit'),

  // JSON-RPC and the WebSocket protocol.
  'drop-on-malformed': dropsAt('malformed JSON', ({ value, isBinary }) => value === undefined && !isBinary),
  'drop-on-not-an-object': dropsAt('JSON that is not an object, such as [1,2]', isNoObject),
  'drop-on-binary': dropsAt('a binary message', ({ isBinary }) => isBinary),
  'drop-on-fraction-id': dropsAt('an id such as 1.5', hasFractionId),
  'drop-on-deep-nesting': dropsAt('arrays or objects nested a hundred levels deep', isDeep),
  'hang-on-batch': {
    ...perHandshake('answers nothing more in a session once it has received an array'),
    onMessage: ({ value }) => (Array.isArray(value) ? 'hang' : undefined),
  },
  'answers-notifications': perHandshake(
    'answers an invalid notification with an error without an id, in the documented dialect too',
  ),
  'wrong-error-codes': perHandshake('answers with -32603 where JSON-RPC defines another code', () =>
    withErrorCode(-32_603),
  ),
  'refuses-after-error': perHandshake('sends nothing more in a session after an error', silentAfterError),
  'null-id-dropped': perHandshake(
    'leaves a null id out of its answers, in the documented dialect too',
    () => (message, next) => {
      const { id, ...body } = message.body;
      next(id === null ? { ...message, body } : message);
    },
  ),

  // The allow-list.
  'first-word-only': {
    ...perExecute('checks only the first word of a command against the allow-list, so that echo a; id runs'),
    loopbackOnly: true,
  },
  'allow-list-ignored': { ...perExecute('runs every command, whatever the allow-list says'), loopbackOnly: true },
  'no-empty-check': perExecute('runs an empty command'),
  'rejection-closes': perExecute('closes with 1008 after the error that refuses a forbidden or empty command'),

  // Process control.
  'ignore-pause': perExecute('reports paused but lets the process run'),
  'ignore-resume': perExecute('reports resumed but leaves the process stopped'),
  'late-resume:MS': perExecute('reports resumed at once but lets the process run MS milliseconds later'),
  'ignore-cancel': perExecute('reports cancelled but lets the process run'),
  'cancel-leaves-running': perExecute(
    'reports cancelled and sends no more output, but the process runs on and blocks the next execute',
  ),
  'stuck-cancel': perExecute(
    'reports a paused process as cancelled, but leaves it stopped and blocks the next execute',
  ),
  'output-after-cancel': perExecute(
    'ends a cancelled process, but sends more lines like its last one for two seconds',
    continueLate,
  ),
  'double-line-on-resume': perExecute('repeats the last line of stdout when the process is resumed', repeatOnResume),
  'lost-line-on-resume': perExecute('drops the first line of stdout after a resume', loseOnResume),
  'slow-control:MS': perExecute('carries out and answers control MS milliseconds late'),
  'control-without-process-succeeds': perExecute('answers control with a result although no process is running'),
  'second-execute-kills': perExecute('refuses an execute while a process is running, but kills that process'),
  'second-execute-runs': perExecute('runs an execute beside the process that is running'),

  // Messages that the target sends.
  silent: perExecute('sends connected and nothing more', () => (message, next) => {
    if (isNotification(message, 'connected')) next(message);
  }),
  'exit-3': perExecute('reports that the process failed with exit code 3', () => (message, next) => {
    if (isCompleted(message)) next(withParams(message, { status: 'failed', exit_code: 3 }));
    else next(message);
  }),
  'process-error': perExecute('sends process.error instead of process.completed', () => (message, next) => {
    if (isCompleted(message))
      next(notification('process.error', { error: 'The service failed (fault process-error)' }));
    else next(message);
  }),
  'lost-line': perExecute('drops the second line of stdout, or the only one', () => onVictim(() => {})),
  'altered-line': perExecute('changes one character in the second line of stdout, or in the only one', () =>
    onVictim((message, next) => next(withParams(message, { data: alter(dataOf(message)) }))),
  ),
  'repeated-line': perExecute('sends the second line of stdout, or the only one, twice', () =>
    onVictim((message, next) => {
      next(message);
      next(message);
    }),
  ),
  'swapped-lines': perExecute('swaps the first two lines of stdout', swapLines),
  'output-after-completed': perExecute(
    'sends one more line of output after process.completed',
    () => (message, next) => {
      next(message);
      if (isCompleted(message)) next(output('late\n'));
    },
  ),
  'never-completes': perExecute('sends everything but process.completed', () => (message, next) => {
    if (!isCompleted(message)) next(message);
  }),
  'duplicate-completed': perExecute('sends process.completed twice', () => (message, next) => {
    next(message);
    if (isCompleted(message)) next(message);
  }),
  'no-ack': perExecute('does not answer execute, but sends everything else', () => (message, next) => {
    if (message.kind !== 'ack') next(message);
  }),
  'wrong-id': perExecute('answers with the id plus 1000', () =>
    onId((id) => (typeof id === 'number' ? id + 1000 : `${String(id)}1000`)),
  ),
  'string-id': perExecute('answers with the id as a string', () => onId(String)),
  'duplicate-response': perExecute('answers execute twice', () => (message, next) => {
    next(message);
    if (message.kind === 'ack') next(message);
  }),
  'late-response': perExecute('answers execute a second time after process.completed', () => {
    let ack: Outgoing | undefined;
    return (message, next) => {
      next(message);
      if (message.kind === 'ack') ack = message;
      if (isCompleted(message) && ack !== undefined) next(ack);
    };
  }),
  'malformed-json': perExecute('sends truncated JSON after the answer to execute', () =>
    afterAck('{"jsonrpc":"2.0","method":"process.out'),
  ),
  'not-an-object': perExecute('sends [1,2] after the answer to execute', () => afterAck('[1,2]')),
  'binary-message': perExecute('sends a binary message after the answer to execute', () =>
    afterAck(Buffer.from('{"jsonrpc":"2.0","method":"ping","params":{}}')),
  ),
  'slow:MS': perExecute('delays output and process.completed by MS milliseconds', (milliseconds, onEnd) => {
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
  }),
  'close-mid-output': perExecute(
    'closes with 1011 after the first line of output, or instead of process.completed',
    () => midOutput((wire) => wire.close(1011, 'Internal error')),
  ),
  'drop-mid-output': perExecute(
    'ends the TCP connection after the first line of output, without a closing handshake',
    () => midOutput((wire) => wire.drop()),
  ),
  'reset-mid-output': perExecute('resets the TCP connection after the first line of output', () =>
    midOutput((wire) => wire.reset()),
  ),
  notifications: perHandshake('adds notifications that a client must ignore (not a fault)', sprinkle),
  'bare-notifications': perHandshake(
    'leaves "jsonrpc" out of notifications, as the documentation prints them (not a fault)',
    () => (message, next) => {
      if (message.kind !== 'notification') return next(message);
      const { jsonrpc: _, ...body } = message.body;
      next({ kind: message.kind, body });
    },
  ),
  'spaced-json': perHandshake(
    'sends its messages with spaces and their members in another order (not a fault)',
    () => (message, _next, wire) => wire.send(spaced(message.body)),
  ),
} satisfies Readonly<Record<string, FaultDefinition>>;

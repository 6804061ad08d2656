/** Where in its life a session waited when a timeout ended it. */
export const phases = ['connect', 'connected', 'acknowledgement', 'message', 'session', 'drain'] as const;
export type Phase = (typeof phases)[number];

/**
 * What became of a session or command; exactly one each. `script-error` is a bug in a script or in this suite, never
 * the service's failure; everything else but `ok` is.
 */
export type Outcome =
  | { kind: 'ok' }
  | { kind: 'failed-exit'; code: number | null; detail: string }
  | { kind: 'rejected'; code: number; message: string; reason: string }
  | { kind: 'output-mismatch'; detail: string }
  | { kind: 'timeout'; phase: Phase; detail: string }
  | { kind: 'connect-failed'; reason: string }
  | { kind: 'closed'; code: number; detail: string }
  | { kind: 'protocol-violation'; reason: string }
  | { kind: 'script-error'; detail: string };

/** Every kind of outcome, `ok` first. */
export const outcomeKinds = [
  'ok',
  'failed-exit',
  'rejected',
  'output-mismatch',
  'timeout',
  'connect-failed',
  'closed',
  'protocol-violation',
  'script-error',
] as const satisfies readonly Outcome['kind'][];

/** An outcome in a sentence, for logs and reports. */
// oxlint-disable-next-line typescript/consistent-return -- the compiler sees that every kind is there
export const describeOutcome = (outcome: Outcome): string => {
  switch (outcome.kind) {
    case 'ok':
      return 'ok';
    case 'failed-exit':
      return `failed-exit: ${outcome.detail}`;
    case 'rejected':
      return `rejected (${outcome.reason}): ${outcome.code} ${outcome.message}`;
    case 'output-mismatch':
      return `output-mismatch: ${outcome.detail}`;
    case 'timeout':
      return `timeout (${outcome.phase}): ${outcome.detail}`;
    case 'connect-failed':
      return `connect-failed: ${outcome.reason}`;
    case 'closed':
      return `closed (${outcome.code}): ${outcome.detail}`;
    case 'protocol-violation':
      return `protocol-violation: ${outcome.reason}`;
    case 'script-error':
      return `script-error: ${outcome.detail}`;
  }
};

/** Whether a connection failed for want of the generator's own file descriptors or ports, not by the service. */
export const isGeneratorLimit = (outcome: Outcome): boolean =>
  outcome.kind === 'connect-failed' &&
  /too many open files|cannot assign requested address|no buffer space/i.test(outcome.reason);

/**
 * Whether a duration says something of the service's speed: of a success alone. A failure that came fast would flatter the
 * statistics, and so would a timeout, which says how long was waited and not how long it would have taken (docs/adr/0007-time-criteria.md).
 */
export const hasMeaningfulDuration = ({ kind }: Pick<Outcome, 'kind'>): boolean => kind === 'ok';

/** A rate of output over fewer lines would say nothing. */
export const minLines = 100;

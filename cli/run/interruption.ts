/** SIGUSR2 and SIGXCPU are what batch systems announce the end of a job's time with. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGXCPU'] as const;

/** A signal by which a run is interrupted. */
export type InterruptingSignal = (typeof signals)[number];

/** Signals to a run, from its start to its end. */
export interface Interruption {
  /** Aborts at the first signal, which is its reason. */
  readonly first: AbortSignal;
  /** Aborts at the second. */
  readonly again: AbortSignal;
  /** From now on signals do again what they do by default. */
  end: () => void;
}

/** k6's exit code for a run that was interrupted. */
export const interruptedCode = 105;

/** timeout(1), npm and others send a signal to the process and to its group: what follows so soon is the same. */
const sameMs = 1000;

/** Takes signals from now on. The third one ends this process at once. */
export const takeSignals = (): Interruption => {
  const [first, again] = [new AbortController(), new AbortController()];
  let lastMs = -Infinity;
  const onSignal = (signal: InterruptingSignal): void => {
    const nowMs = performance.now();
    const isSame = nowMs - lastMs < sameMs;
    if (isSame) return;
    lastMs = nowMs;
    if (again.signal.aborted) process.exit(interruptedCode);
    (first.signal.aborted ? again : first).abort(signal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    first: first.signal,
    again: again.signal,
    end: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
};

/** Calls a listener at a signal, or now where it has come; what it returns ends that. */
export const onAbort = (signal: AbortSignal, listener: () => void): (() => void) => {
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
};

/** Where to show progress: process.stderr, or a replacement in a test. */
export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface Progress {
  /** Prints a line that stays. */
  note(text: string): void;
  /** Shows `describe(elapsedSeconds)` repeatedly until the work has ended. */
  during<T>(describe: (elapsedSeconds: number) => string, work: () => Promise<T>): Promise<T>;
}

const TERMINAL_INTERVAL_MS = 250;
const LOG_INTERVAL_MS = 5_000;
const CLEAR_LINE = '\r\u001B[2K';

/** On a terminal the status is one line that is rewritten; elsewhere a line every five seconds. */
export const progressOn = (stream: ProgressStream): Progress => {
  const isTerminal = stream.isTTY === true;
  const showStatus = (text: string): void => {
    if (isTerminal) stream.write(`${CLEAR_LINE}${text.slice(0, (stream.columns ?? 80) - 1)}`);
    else stream.write(`${text}\n`);
  };
  return {
    note: (text) => {
      stream.write(`${isTerminal ? CLEAR_LINE : ''}${text}\n`);
    },
    during: async (describe, work) => {
      const startedAt = performance.now();
      const show = (): void => showStatus(describe(Math.round((performance.now() - startedAt) / 1000)));
      const timer = setInterval(show, isTerminal ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS);
      try {
        return await work();
      } finally {
        clearInterval(timer);
        if (isTerminal) stream.write(CLEAR_LINE);
      }
    },
  };
};

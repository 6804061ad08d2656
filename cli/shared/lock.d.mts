/** Runs `work` while no other process of this machine runs work under the same lock directory. */
export function withLock<T>(
  directory: string,
  work: () => Promise<T>,
  options?: {
    /** Ends the waiting: its reason is thrown. */
    signal?: AbortSignal;
    /** Called once, with the holder's process id, when the lock is not free. */
    onWait?: (holder: number) => void;
  },
): Promise<T>;

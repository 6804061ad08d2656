/** k6's console; its types leave it to the DOM's, which k6 does not have. */
declare const console: Record<'log' | 'info' | 'warn' | 'error', (message: string) => void>;
/** k6's timers: a VU's iteration ends when none is pending. */
declare const setTimeout: (callback: () => void, ms: number) => number;
declare const clearTimeout: (timer: number) => void;

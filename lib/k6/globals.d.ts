/** k6's console; its types leave it to the DOM's, which k6 does not have. */
declare const console: Record<'log' | 'info' | 'warn' | 'error', (message: string) => void>;

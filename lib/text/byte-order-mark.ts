/** A file's text without the byte order mark that some editors put before it, which JSON does not allow (RFC 8259 §8.1). */
export const withoutMark = (text: string): string => (text.startsWith('\ufeff') ? text.slice(1) : text);

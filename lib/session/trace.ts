/** Keeps the first and the last messages of a session, cut short, for the trace of a failed one. */
export interface Trace {
  add: (direction: '>' | '<', text: string) => void;
  lines: () => string[];
}

const keptFirst = 10;
const keptLast = 20;
const maxLength = 300;

/** A trace that holds at most 30 messages of 300 characters, whatever comes. */
export const createTrace = (): Trace => {
  const first: string[] = [];
  const last: string[] = [];
  let dropped = 0;
  return {
    add: (direction, text) => {
      const line = `${direction} ${text.length > maxLength ? `${text.slice(0, maxLength)}…` : text}`;
      if (first.length < keptFirst) {
        first.push(line);
        return;
      }
      last.push(line);
      if (last.length > keptLast) {
        last.shift();
        dropped++;
      }
    },
    lines: () => (dropped > 0 ? [...first, `… ${dropped} messages …`, ...last] : [...first, ...last]),
  };
};

import type { Command } from './command.ts';

/** Prints `Line i: ` and so many x, for i from 0, as fast as it can; in POSIX `sh`, or in Python. */
export const highOutput = (lines: number, width: number, python: boolean): Command => ({
  name: 'high-output',
  class: 'high-output',
  command: python
    ? `python -c 'for i in range(${lines}): print(f"Line {i}: " + "x" * ${width})'`
    : `awk 'BEGIN { for (x = "x"; length(x) < ${width}; ) x = x x; x = substr(x, 1, ${width}); for (i = 0; i < ${lines}; i++) print "Line " i ": " x }'`,
  proof: { numbered: { line: `Line {i}: ${'x'.repeat(width)}`, from: 0, to: lines - 1 } },
});

/** Prints one line of so many y; in POSIX `sh`, or in Python. */
export const longLine = (bytes: number, python: boolean): Command => ({
  name: 'long-line',
  class: 'high-output',
  command: python ? `python -c 'print("y" * ${bytes})'` : `head -c ${bytes} /dev/zero | tr '\\0' y; echo`,
  proof: { lines: ['y'.repeat(bytes)] },
});

import type { Command } from './command.ts';

/** Prints `Count i` for i from 0, each flushed, with so many seconds after each; in POSIX `sh`, or in Python. */
export const count = (lines: number, pauseSeconds: number, python: boolean): Command => ({
  name: 'count',
  class: 'control',
  command: python
    ? `python -c 'import time; [print(f"Count {i}", flush=True) or time.sleep(${pauseSeconds}) for i in range(${lines})]'`
    : `i=0; while [ $i -lt ${lines} ]; do echo "Count $i"; i=$((i+1)); sleep ${pauseSeconds}; done`,
  proof: { numbered: { line: 'Count {i}', from: 0, to: lines - 1 } },
});

/** The command that process control is tested with: `Count i` each second, 30 times. */
export const countToThirty = (python: boolean): Command => count(30, 1, python);

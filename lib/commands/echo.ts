import type { Command } from './command.ts';

/** Prints a word. */
export const echo = (word: string, ofClass = 'simple'): Command => ({
  name: 'echo',
  class: ofClass,
  command: `echo ${word}`,
  proof: { lines: [word] },
});

/** The command of a single session. */
export const helloFromStressTest: Command = {
  ...echo('Hello from stress test'),
  command: "echo 'Hello from stress test'",
};

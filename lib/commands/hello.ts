import type { Command } from './command.ts';

/** The command of a single session. */
export const helloFromStressTest: Command = {
  name: 'echo',
  class: 'simple',
  command: "echo 'Hello from stress test'",
  proof: { lines: ['Hello from stress test'] },
};

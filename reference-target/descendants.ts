import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** By it the target finds all processes of a command, even those that left its process group (setsid). */
export const commandVariable = 'WS_STRESS_TARGET_COMMAND';

/** A process that a command started and that is in no process group of the target's. */
export interface Stray {
  pid: number;
  command: number;
}

/** Processes of this age may have ended, and others may have their ids. */
const forgetMs = 10_000;

interface Stat {
  state: string;
  parent: number;
  group: number;
  /** Clock ticks after the system's start; tells a process from a later one with the same id. */
  startedAt: string;
}

interface Known {
  /** The number of the command that it descends from; undefined if that is none of this target's. */
  command: number | undefined;
  startedAt: string;
}

/**
 * Finds the processes of commands in /proc (proc(5)), where the system has it: by a variable in their environment, or by a
 * parent that has it. What clears its environment and loses its parent between two looks is not found.
 */
export class Descendants {
  /** The value of the variable begins with it, and only for commands of this target. */
  readonly marker = randomBytes(16).toString('hex');
  readonly isAvailable = existsSync('/proc/self/environ');
  private readonly pattern = new RegExp(`(?:^|\0)${commandVariable}=${this.marker}\\.(\\d+)(?:\0|$)`);
  private known = new Map<number, Known>();
  private lookedAt = -Infinity;

  environmentOf(command: number): Readonly<Record<string, string>> {
    return { [commandVariable]: `${this.marker}.${command}` };
  }

  /** All processes of commands that are in none of these process groups. */
  strays(groups: ReadonlyMap<number, number>): Stray[] {
    if (!this.isAvailable) return [];
    const now = performance.now();
    if (now - this.lookedAt > forgetMs) this.known.clear();
    this.lookedAt = now;
    const seen = new Map<number, Known>();
    const found: Stray[] = [];
    for (const name of readdirSync('/proc')) {
      const pid = Number(name);
      if (!Number.isInteger(pid)) continue;
      let known = this.known.get(pid);
      // Most processes are others', and are looked at once.
      if (known !== undefined && known.command === undefined) {
        seen.set(pid, known);
        continue;
      }
      const stat = readStat(pid);
      if (stat === undefined || stat.state === 'Z') continue;
      if (known?.startedAt !== stat.startedAt) known = this.look(pid, stat, seen, groups);
      if (known === undefined) continue;
      seen.set(pid, known);
      if (known.command !== undefined && !groups.has(stat.group)) found.push({ pid, command: known.command });
    }
    this.known = seen;
    return found;
  }

  /** Looks at a new process; undefined if it shows nothing yet. */
  private look(
    pid: number,
    { parent, startedAt }: Stat,
    seen: ReadonlyMap<number, Known>,
    groups: ReadonlyMap<number, number>,
  ): Known | undefined {
    const environment = readProc(`${pid}/environ`);
    const marked = this.pattern.exec(environment ?? '')?.[1];
    const command =
      marked === undefined
        ? (groups.get(parent) ?? seen.get(parent)?.command ?? this.known.get(parent)?.command)
        : Number(marked);
    // In the middle of an exec a process has no environment; a kernel thread, a child of 2, never has one.
    if (command === undefined && environment === '' && parent > 2) return undefined;
    return { command, startedAt };
  }
}

const readProc = (name: string): string | undefined => {
  try {
    return readFileSync(`/proc/${name}`, 'latin1');
  } catch {
    // It has ended, or belongs to another user.
    return undefined;
  }
};

const readStat = (pid: number): Stat | undefined => {
  const text = readProc(`${pid}/stat`);
  if (text === undefined) return undefined;
  // The name in parentheses may have blanks and parentheses; after the last one comes field 3.
  const [state = '', parent, group, , , , , , , , , , , , , , , , , startedAt = ''] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ');
  return { state, parent: Number(parent), group: Number(group), startedAt };
};

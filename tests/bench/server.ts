import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { packageRoot } from '../../cli/shared/package-root.ts';
import { runProgram } from '../k6.ts';

/** What the bench's server saw of its clients (tests/bench/server/main.go). Times are milliseconds. */
export interface Figures {
  completed: number;
  spanMs: number;
  lines: number;
  outputMs: number;
}

/** The load server of the bench, running. */
export interface BenchServer {
  /** The address of a session that prints what the query says. */
  url: (query: Readonly<Record<string, string | number>>) => string;
  /** Forgets what was served. */
  forget: () => Promise<void>;
  figures: () => Promise<Figures>;
  /** Sessions open now. */
  open: () => Promise<number>;
  stop: () => Promise<void>;
}

/** Builds the server into a folder and starts it; throws where there is no Go. */
export const startBenchServer = async (folder: string): Promise<BenchServer> => {
  const program = path.join(folder, 'server');
  const cwd = path.join(packageRoot, 'tests/bench/server');
  const built = await runProgram('go', ['build', '-mod=readonly', '-o', program, '.'], { cwd, env: process.env });
  if (built.code !== 0) throw new Error(`the bench's server could not be built: ${built.stderr}`);
  const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [address] = (await once(child.stdout, 'data')) as [Buffer];
  const origin = `http://${address.toString().trim()}`;
  const ask = async (method: string, at: string): Promise<unknown> =>
    (await fetch(`${origin}${at}`, { method })).json() as Promise<unknown>;
  return {
    url: (query) => {
      const text = Object.entries(query).map(([name, value]) => `${name}=${value}`);
      return `${origin.replace('http', 'ws')}/ws/mcp?${text.join('&')}`;
    },
    forget: async () => void (await ask('DELETE', '/figures')),
    figures: () => ask('GET', '/figures') as Promise<Figures>,
    open: async () => ((await ask('GET', '/health')) as { active_sessions: number }).active_sessions,
    stop: async () => {
      const ended = once(child, 'exit');
      // It ends with its standard input.
      child.stdin.end();
      await ended;
    },
  };
};

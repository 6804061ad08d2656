import { suggestion } from '../../lib/text/suggestion.ts';
import { refuse } from '../shared/parse-options.ts';
import { deployCommand } from './deploy.ts';

const commands: Readonly<Record<string, (argv: readonly string[]) => Promise<number>>> = { deploy: deployCommand };

const help = `Usage: ws-stress cloud <command> [options]

Puts the scenarios into Grafana Cloud k6 (docs/cloud.md).

Commands:
  deploy   make load tests and schedules there what cloud.json says

ws-stress cloud <command> --help tells more. To run, upload or list load tests,
k6 has commands of its own: k6 cloud run, k6 cloud upload, k6 cloud test list.
`;

/** `ws-stress cloud`: what has to do with Grafana Cloud k6; returns the exit code. */
export const cloudCommand = async (argv: string[]): Promise<number> => {
  const [name = '--help', ...rest] = argv;
  if (name === '--help' || name === '-h') {
    process.stdout.write(help);
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command(rest);
  return refuse([`expected a command (deploy), received ${name}${suggestion(name, Object.keys(commands))}`]);
};

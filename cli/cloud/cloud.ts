import type { CommandGroup } from '../shared/command.ts';
import { deployCommand } from './deploy.ts';

export const cloudCommands: CommandGroup = {
  description: `Puts the scenarios into Grafana Cloud k6 (docs/cloud.md).

To run, upload or list load tests, use the commands of k6: k6 cloud run, k6 cloud upload, k6 cloud test list.`,
  commands: [
    {
      name: 'deploy',
      summary: 'create load tests and schedules as cloud.json describes them',
      load: () => deployCommand,
    },
  ],
};

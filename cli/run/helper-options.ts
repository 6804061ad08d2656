import type { Spelling } from '../../lib/load/settings.ts';
import type { HelperActions } from './helper.ts';
import { processIdProblems } from '../shared/process-figures.ts';
import type { Interruption } from './interruption.ts';
import { serviceCommands } from './service-control.ts';
import type { Options, Values } from '../shared/command.ts';

const group = 'Cases and service control';

/** The options by which a run can stop, start and measure the service. */
export const helperOptions = {
  'stop-command': {
    takes: 'command',
    description: 'Shell command that stops your service; needs --start-command (docs/service-down.md).',
    group,
  },
  'start-command': {
    takes: 'command',
    description: 'Shell command that starts it again; it may stay in the foreground until the run ends.',
    group,
  },
  'target-pid': {
    takes: 'pid',
    description: "Process id of your service on this machine, to measure the service's memory.",
    group,
  },
} as const satisfies Options;

/** What was given for the helper of a run. */
export type HelperOptions = Values<typeof helperOptions> & { readonly 'with-target'?: boolean | undefined };

/** What is wrong with it. */
export const helperProblems = (values: HelperOptions, env: NodeJS.ProcessEnv, spelled: Spelling): string[] => {
  const { 'stop-command': stop, 'start-command': start, 'target-pid': pid } = values;
  const own = Object.entries({ '--stop-command': stop, '--start-command': start, '--target-pid': pid })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  const missing = stop === undefined ? '--stop-command' : '--start-command';
  const other =
    values['with-target'] === true ? '--with-target' : env.STRESS_HELPER_URL && spelled('STRESS_HELPER_URL');
  return [
    ...((stop === undefined) === (start === undefined)
      ? []
      : [`${missing}: expected together with ${own[0]}, for what is stopped is started again`]),
    ...(other && own.length > 0 ? [`expected ${other} or ${own.join(', ')}, received both`] : []),
    ...(typeof pid === 'string' && pid !== '' ? processIdProblems(pid) : []),
  ];
};

/** What a helper can do for a run against somebody's own service; undefined where that is nothing. */
export const helperActions = (values: HelperOptions, interruption: Interruption): HelperActions | undefined => {
  const { 'stop-command': stopCommand, 'start-command': startCommand, 'target-pid': pid } = values;
  const commands =
    typeof stopCommand === 'string' && typeof startCommand === 'string'
      ? serviceCommands({
          stopCommand,
          startCommand,
          warn: (text) => console.error(`ws-stress: ${text}`),
          interruption,
        })
      : undefined;
  const processId = typeof pid === 'string' ? (): number => Number(pid) : undefined;
  return commands === undefined && processId === undefined ? undefined : { ...commands, processId };
};

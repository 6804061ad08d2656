import { setTimeout as sleep } from 'node:timers/promises';
import { generatorWatch, placeOf } from '../../lib/load/profile.ts';
import { folded } from '../../lib/text/fold.ts';
import { messageOf } from '../../lib/text/errors.ts';
import { printable } from '../shared/printable.ts';
import { bundleOf } from '../shared/scenarios.ts';
import { refusalText, refusing } from '../shared/refusal.ts';
import { declareCommand, type CommandDeclaration } from '../shared/command.ts';
import { helpEntry } from '../shared/help-entry.ts';
import { ensureK6 } from '../setup/setup.ts';
import { createApi, type CloudApi } from './api.ts';
import { makeArchive, type MadeArchive } from './archive.ts';
import { readCloudFile, type CloudFile, type CloudTest } from './cloud-file.ts';
import { changes, deploy, PartlyDeployed, planDeployment, stepLines, type WantedTest } from './deployment.ts';
import { CloudError, type ClientWorld, type CloudAccess } from './http-client.ts';
import { cloudShare } from './left-out.ts';

const defaultHost = 'https://api.k6.io';

/** Where the API is and who asks, from the environment, and what is wrong with that. */
export const cloudAccess = (
  env: Readonly<Record<string, string | undefined>>,
): { access: CloudAccess; problems: string[] } => {
  const { K6_CLOUD_TOKEN: token = '', K6_CLOUD_STACK_ID: stackId = '', K6_CLOUD_HOST_V6: host = '' } = env;
  const origin = host === '' ? defaultHost : host.replace(/\/$/, '');
  const isOrigin =
    URL.canParse(origin) &&
    new URL(origin).origin === origin &&
    /^https:|^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:|$)/.test(origin);
  const checks: readonly [isFine: boolean, problem: string][] = [
    [token !== '', 'K6_CLOUD_TOKEN: expected a token of Grafana Cloud k6 in the environment; received none'],
    [
      /^[\u0021-\u007e]*$/.test(token),
      'K6_CLOUD_TOKEN: expected a token without blanks and line ends; received something else (not shown)',
    ],
    [
      /^[1-9]\d{0,15}$/.test(stackId),
      `K6_CLOUD_STACK_ID: expected the number of a stack in the environment, such as 123456; received ${stackId === '' ? 'none' : JSON.stringify(stackId)}`,
    ],
    [isOrigin, `K6_CLOUD_HOST_V6: expected an address of https:// without a path; received ${JSON.stringify(host)}`],
  ];
  return {
    access: { host: origin, token, stackId },
    problems: checks.filter(([isFine]) => !isFine).map(([, problem]) => problem),
  };
};

/** A load that several load zones can't share, for its parts follow one another within one k6 process. */
const splitProblems = ({ name }: CloudTest, { options }: MadeArchive): string[] => {
  const { cloud, scenarios = {} } = options as {
    cloud?: { distribution?: object };
    scenarios?: Record<string, unknown>;
  };
  const zones = Object.keys(cloud?.distribution ?? {}).length;
  const parts = Object.keys(scenarios).filter((each) => each !== generatorWatch);
  if (zones < 2 || (parts.length === 1 && placeOf(parts[0] ?? '')?.round !== 'cases')) return [];
  return [
    `${JSON.stringify(name)}: STRESS_CLOUD_ZONES: expected one load zone, for rounds and cases follow one another within one k6 process; received ${zones}. For several give one round of sessions, such as STRESS_VUS=50, or a duration`,
  ];
};

/** The tests that the cloud can run, with their archives, and those that it can't. */
interface Gathered {
  wanted: WantedTest[];
  leftOut: { test: CloudTest; because: string }[];
  problems: string[];
}

const gather = async ({ project, tests }: CloudFile): Promise<Gathered> => {
  const gathered: Gathered = { wanted: [], leftOut: [], problems: [] };
  const { wanted, leftOut, problems } = gathered;
  let k6: string | undefined;
  for (const test of tests) {
    const share = cloudShare(test.scenario, test.settings);
    if ('because' in share) {
      leftOut.push({ test, because: share.because });
      continue;
    }
    k6 ??= (await ensureK6()).path;
    const settings = { ...share.settings, STRESS_CLOUD_NAME: test.name, STRESS_CLOUD_PROJECT: String(project) };
    try {
      const archive = await makeArchive(k6, bundleOf(test.scenario), settings);
      problems.push(...splitProblems(test, archive));
      wanted.push({ ...test, archive, without: share.without });
    } catch (error) {
      problems.push(`${JSON.stringify(test.name)}: k6 made no archive: ${messageOf(error)}`);
    }
  }
  if (wanted.length === 0 && problems.length === 0) {
    problems.push(
      'tests: expected one that the cloud can run; received none',
      ...leftOut.map(({ test, because }) => `${JSON.stringify(test.name)}: ${because}`),
    );
  }
  return gathered;
};

const say = (line: string): void => console.log(folded(printableLine(line)));

/** Names come from elsewhere; what a line begins with is ours. */
const printableLine = (line: string): string => {
  const [indent = ''] = /^ */.exec(line) ?? [];
  return indent + printable(line, 2000);
};

const refused = refusing('Nothing was changed in the cloud');

const theWorld: ClientWorld = {
  waitMs: (ms) => sleep(ms),
  tell: (text) => console.error(printableLine(`ws-stress: ${text}`)),
  answerTimeoutMs: 60_000,
};

const advice = (status: number | undefined): string => {
  if (status === 401)
    return ': K6_CLOUD_TOKEN was not accepted; expected a personal or stack token of Grafana Cloud k6';
  if (status === 403) return ': K6_CLOUD_TOKEN may not do this in the stack K6_CLOUD_STACK_ID';
  return '';
};

const failed = (error: unknown): number => {
  const cause = error instanceof PartlyDeployed ? error.cause : error;
  if (!(cause instanceof CloudError)) throw error;
  const why = `${cause.message}${advice(cause.status)}`;
  if (!(error instanceof PartlyDeployed)) {
    console.error(refusalText('Nothing was changed in the cloud', [why]));
    return 1;
  }
  console.error(
    [
      refusalText('Not all of it was deployed', [why]),
      refusalText('Done', error.done.length > 0 ? error.done : ['nothing']),
      refusalText('Not done, or not known to be', error.open),
      'Deploy again when that is mended: what is done is left as it is.',
    ].join('\n'),
  );
  return 1;
};

/** Shows what would be done and, unless that is all, does it; returns the exit code. */
const planAndDeploy = async (
  api: CloudApi,
  { project }: CloudFile,
  { wanted, leftOut }: Gathered,
  isDryRun: boolean,
): Promise<number> => {
  const plan = await planDeployment(api, project, wanted);
  if ('problems' in plan) return refused(plan.problems);
  say(`Project ${plan.project.id}, ${JSON.stringify(plan.project.name)}:`);
  for (const step of plan.steps) stepLines(step).forEach((line) => say(`  ${line}`));
  for (const { test, because } of leftOut) {
    say(`  ${'left out'.padEnd(9)}  ${JSON.stringify(test.name)} (${test.scenario})`);
    say(`    ${because}`);
  }
  if (!plan.steps.some(changes)) say('Nothing to change: the cloud has it all.');
  else if (isDryRun) say('Dry run: nothing was changed.');
  else {
    say('Deploying:');
    await deploy(api, plan, (done) => say(`  ${done}`));
    say('Deployed: the cloud has it all.');
  }
  return 0;
};

/** `ws-stress cloud deploy` in a world of its own, for tests. */
export const deployCommandIn = (world: ClientWorld): CommandDeclaration =>
  declareCommand({
    description: `Creates and updates the load tests and schedules of a project in Grafana Cloud k6 as a file describes them (docs/cloud.md); the default is cloud.json. Shows its plan first, and changes only what differs. Load tests that the file does not name, and notifications, are not touched.

Exit code: 0; 1 the cloud did only a part of it, which is reported, and a further call continues; 2 something is wrong and nothing was changed.`,
    arguments: [{ name: 'file', isPath: true }],
    options: { 'dry-run': { description: 'Stop after the plan.' } },
    notes: () =>
      [
        'Environment:',
        helpEntry('K6_CLOUD_TOKEN', 'A personal API token of Grafana Cloud k6, or one of a stack. Never shown.'),
        helpEntry('K6_CLOUD_STACK_ID', 'Number of the stack that the project is in.'),
      ].join('\n'),
    notDone: 'Nothing was changed in the cloud',
    examples: ['ws-stress cloud deploy --dry-run'],
    act: async ({ values, positionals: [file = 'cloud.json'], problems: typed, refuse }) => {
      if (typed.length > 0) return refuse(typed);
      const { access, problems } = cloudAccess(process.env);
      const read = readCloudFile(file);
      if ('problems' in read || problems.length > 0) {
        return refuse([...problems, ...('problems' in read ? read.problems : [])]);
      }
      const gathered = await gather(read.file);
      if (gathered.problems.length > 0) return refuse(gathered.problems);
      try {
        return await planAndDeploy(createApi(access, world), read.file, gathered, values['dry-run'] === true);
      } catch (error) {
        return failed(error);
      }
    },
  });

export const deployCommand = deployCommandIn(theWorld);

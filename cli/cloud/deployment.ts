import { CloudError } from './http-client.ts';
import type { CloudApi, LoadTest, LoadZone } from './api.ts';
import { readArchive, type MadeArchive } from './archive.ts';
import type { CloudTest } from './cloud-file.ts';
import {
  isSameSchedule,
  scheduleRequest,
  scheduleWords,
  type CloudSchedule,
  type ScheduleRequest,
} from './schedule.ts';

/** A test with its archive, as it should be in the cloud. */
export interface WantedTest extends CloudTest {
  archive: MadeArchive;
  /** Scenarios and parts that the cloud does not run. */
  without: readonly string[];
}

/** What becomes of a test's schedule. */
export type ScheduleStep =
  | { step: 'leave' }
  | { step: 'keep'; isPaused: boolean }
  | { step: 'set'; request: ScheduleRequest; before: CloudSchedule | undefined }
  | { step: 'remove'; before: CloudSchedule };

/** What becomes of a test. */
export interface Step {
  test: WantedTest;
  /** The load test in the cloud; undefined where it is to be made. */
  existing: LoadTest | undefined;
  /** Whether the script is uploaded. */
  isScriptNew: boolean;
  schedule: ScheduleStep;
  /** What a run costs, VU hours. */
  vuHours: number;
}

/** What a deployment would do. */
export interface DeploymentPlan {
  project: { id: number; name: string };
  steps: readonly Step[];
}

/** Whether a script of the cloud is what an archive is; one that can't be read is none. */
const isSameScript = (script: Uint8Array | undefined, archive: MadeArchive): boolean => {
  if (script === undefined) return false;
  try {
    return readArchive(script).fingerprint === archive.fingerprint;
  } catch {
    // Somebody uploaded something else in its place.
    return false;
  }
};

const planSchedule = ({ schedule }: CloudTest, before: CloudSchedule | undefined): ScheduleStep => {
  if (schedule === undefined) return { step: 'leave' };
  if (schedule === null) return before ? { step: 'remove', before } : { step: 'keep', isPaused: false };
  const request = scheduleRequest(schedule);
  return before && isSameSchedule(request, before)
    ? { step: 'keep', isPaused: before.deactivated }
    : { step: 'set', request, before };
};

/** The load zones that a test's options name, with their percents. */
const sharesOf = ({ archive }: WantedTest): { loadZone: string; percent: number }[] => {
  const { cloud } = archive.options as {
    cloud?: { distribution?: Record<string, { loadZone: string; percent: number }> };
  };
  return Object.values(cloud?.distribution ?? {});
};

const zonesOf = (test: WantedTest): string[] => sharesOf(test).map(({ loadZone }) => loadZone);

const zoneProblems = (zones: readonly string[], known: readonly LoadZone[], allowed: readonly LoadZone[]): string[] =>
  zones.flatMap((zone) => {
    const row = known.find((each) => each.k6_load_zone_id === zone);
    if (row === undefined) {
      const names = known.filter(({ available }) => available).map((each) => each.k6_load_zone_id);
      return [`STRESS_CLOUD_ZONES: no such load zone: ${zone}; there are ${names.join(', ') || 'none'}`];
    }
    if (!row.available) return [`STRESS_CLOUD_ZONES: ${zone} can't be used now`];
    const isAllowed = row.public || allowed.some((each) => each.k6_load_zone_id === zone);
    return isAllowed ? [] : [`STRESS_CLOUD_ZONES: the project may not use ${zone}, which is private`];
  });

const told = (test: CloudTest, problem: string): string => `${JSON.stringify(test.name)}: ${problem}`;

/**
 * Looks at what is in the cloud, and plans what has to be done so that it is as wanted. Changes nothing. All that is wrong comes
 * at once; throws a CloudError where the cloud does not answer.
 */
export const planDeployment = async (
  api: CloudApi,
  projectId: number,
  tests: readonly WantedTest[],
): Promise<DeploymentPlan | { problems: string[] }> => {
  const project = await api.project(projectId);
  if (project === undefined) {
    const problem = `expected a project of the stack K6_CLOUD_STACK_ID; there is none with id ${projectId}`;
    return { problems: [`project: ${problem}`] };
  }
  const problems: string[] = [];
  const zones = tests.map(zonesOf);
  const known = zones.some((each) => each.length > 0) ? await api.zones() : [];
  const hasPrivate = known.some((row) => !row.public && zones.some((each) => each.includes(row.k6_load_zone_id)));
  const allowed = hasPrivate ? await api.allowedZones(projectId) : [];
  const existing = await api.loadTests(projectId, new Set(tests.map(({ name }) => name)));
  const steps: Step[] = [];
  for (const [index, test] of tests.entries()) {
    const wrong = zoneProblems(zones[index] ?? [], known, allowed);
    problems.push(...wrong.map((problem) => told(test, problem)));
    const named = existing.filter(({ name }) => name === test.name);
    if (named.length > 1) {
      const ids = named.map(({ id }) => id).join(', ');
      problems.push(told(test, `expected one load test of that name; the project has ${named.length}: ${ids}`));
    }
    // The cloud would only say of unknown zones what is said already.
    const cost = wrong.length > 0 ? { vuHours: 0 } : await api.cost(projectId, test.archive.options);
    if ('problem' in cost) problems.push(told(test, `the cloud would not run it: ${cost.problem}`));
    const [found] = named;
    const script = found && (await api.script(found.id));
    const schedule = found && test.schedule !== undefined ? await api.schedule(found.id) : undefined;
    steps.push({
      test,
      existing: found,
      isScriptNew: !isSameScript(script, test.archive),
      schedule: planSchedule(test, schedule),
      vuHours: 'problem' in cost ? 0 : cost.vuHours,
    });
  }
  return problems.length > 0 ? { problems } : { project, steps };
};

/** Whether a step changes anything. */
export const changes = ({ isScriptNew, schedule: { step } }: Step): boolean =>
  isScriptNew || step === 'set' || step === 'remove';

/** A deployment that stopped: what was done before, what was not, and why. */
export class PartlyDeployed extends Error {
  readonly done: readonly string[];
  readonly open: readonly string[];

  constructor(message: string, done: readonly string[], open: readonly string[], cause: unknown) {
    super(message, { cause });
    this.done = done;
    this.open = open;
  }
}

/** Things to do to a test, each named by what has been done when it is over. */
type Task = [name: string, act: () => Promise<void>];

const scheduleTasks = (api: CloudApi, { test, schedule }: Step, idOf: () => number): Task[] => {
  const name = JSON.stringify(test.name);
  if (schedule.step === 'remove') {
    return [[`schedule of ${name} removed`, () => api.removeSchedule(schedule.before.id)]];
  }
  if (schedule.step !== 'set') return [];
  const { request, before } = schedule;
  let set: CloudSchedule | undefined;
  const replace = async (): Promise<void> => {
    set = await api.setSchedule(idOf(), request);
  };
  // Who paused it did not ask for runs.
  const pause = async (): Promise<void> => {
    if (set?.deactivated === false) await api.pauseSchedule(set.id);
  };
  return [
    [`schedule of ${name} ${before ? 'replaced' : 'set'}`, replace],
    ...(before?.deactivated ? [[`schedule of ${name} paused as it was`, pause] satisfies Task] : []),
  ];
};

const tasksOf = (api: CloudApi, projectId: number, step: Step): Task[] => {
  const { test, existing, isScriptNew } = step;
  const name = JSON.stringify(test.name);
  let id = existing?.id;
  const create = async (): Promise<void> => {
    const made = (await api.create(projectId, test.name, test.archive.bytes)) ?? (await madeMeanwhile());
    id = made.id;
  };
  // An answer that got lost leaves a test that is ours; anything else of that name is not.
  const madeMeanwhile = async (): Promise<LoadTest> => {
    const [found, ...others] = await api.loadTests(projectId, new Set([test.name]));
    if (found && others.length === 0 && isSameScript(await api.script(found.id), test.archive)) return found;
    throw new CloudError(`a load test named ${name} was made meanwhile, and it is another`, 409);
  };
  const idOf = (): number => {
    if (id === undefined) throw new Error(`${name} has not been made`);
    return id;
  };
  return [
    ...(existing === undefined ? [[`${name} created`, create] satisfies Task] : []),
    ...(existing !== undefined && isScriptNew
      ? [[`script of ${name} replaced`, () => api.replaceScript(idOf(), test.archive.bytes)] satisfies Task]
      : []),
    ...scheduleTasks(api, step, idOf),
  ];
};

/** Does what was planned, one thing after the other, and tells each when it is done. Throws a PartlyDeployed where one fails. */
export const deploy = async (
  api: CloudApi,
  { project, steps }: DeploymentPlan,
  tell: (done: string) => void,
): Promise<void> => {
  const tasks = steps.flatMap((step) => tasksOf(api, project.id, step));
  const done: string[] = [];
  for (const [name, act] of tasks) {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof CloudError)) throw error;
      const open = tasks.slice(done.length).map(([task]) => task);
      throw new PartlyDeployed(error.message, done, open, error);
    }
    done.push(name);
    tell(name);
  }
};

const scheduleText = (step: ScheduleStep, isNew: boolean): string => {
  switch (step.step) {
    case 'leave':
      return isNew ? 'no schedule' : 'schedule left alone';
    case 'keep':
      return `schedule as it is${step.isPaused ? ', paused' : ''}`;
    case 'remove':
      return `schedule removed: ${scheduleWords(step.before)}`;
    case 'set':
    default: {
      const before = step.before ? `, in place of ${scheduleWords(step.before)}` : '';
      return `schedule: ${scheduleWords(step.request)}${before}${step.before?.deactivated ? '; stays paused' : ''}`;
    }
  }
};

/** What a step does, one thing a line. */
export const stepLines = (step: Step): string[] => {
  const { test, existing, isScriptNew, vuHours } = step;
  const verb = existing ? (changes(step) ? 'update' : 'unchanged') : 'create';
  const zones = sharesOf(test).map(({ loadZone, percent }) => `${percent} % ${loadZone}`);
  return [
    `${verb.padEnd(9)}  ${JSON.stringify(test.name)} (${test.scenario})`,
    ...(existing ? [isScriptNew ? 'script: another, replaced' : 'script as it is'] : []).map((line) => `  ${line}`),
    `  ${scheduleText(step.schedule, !existing)}`,
    `  about ${vuHours} VU hours a run${zones.length > 0 ? `, from ${zones.join(', ')}` : ''}`,
    ...test.without.map((each) => `  without ${each}`),
  ];
};

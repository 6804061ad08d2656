import type { Need, ScenarioFacts } from '../../lib/load/scenario-facts.ts';
import type { ServiceFacts } from './service-facts.ts';

/** Whether a service can be put through a scenario. */
export interface Readiness {
  scenario: string;
  ready: 'yes' | 'no' | 'perhaps';
  /** What is missing, or left out. */
  why?: string;
}

type Answer = Omit<Readiness, 'scenario'>;

/** More sessions than these are not opened only to see where a limit is. */
const mostSessions = 200;

const yes: Answer = { ready: 'yes' };
const no = (why: string): Answer => ({ ready: 'no', why });
const perhaps = (why: string): Answer => ({ ready: 'perhaps', why });

/** Whether the service accepts as many sessions at once as the largest round has. */
const tooMany = ({ rounds }: ScenarioFacts, { health }: ServiceFacts): Answer | undefined => {
  const [sessions, limit] = [Math.max(0, ...rounds), health?.maxSessions];
  if (sessions <= 1 || limit === undefined || sessions <= limit) return undefined;
  return no(`it opens ${sessions} sessions at once, and the limit is ${limit}: --vus ${limit} opens fewer`);
};

const limited = 'name a second instance of it with --limited-url';

/** What the service lacks for each need of a scenario; undefined where nothing is missing. */
const lacks: Readonly<Record<Need, (facts: ServiceFacts) => Answer | undefined>> = {
  commands: ({ allowList }) => (allowList === true ? perhaps('its commands must be in the allow-list') : undefined),
  'allow-list': ({ allowList }) => {
    if (allowList === undefined) return perhaps('the doctor could not find out whether there is an allow-list');
    return allowList ? undefined : no(`there is no allow-list; ${limited}`);
  },
  limit: ({ health }) => {
    const max = health?.maxSessions;
    if (max === undefined) return no('/health has no max_sessions; give --max-sessions');
    return max <= mostSessions
      ? undefined
      : no(`its limit is ${max}, and at most ${mostSessions} sessions are opened; ${limited}`);
  },
  'memory-figures': ({ memory }) =>
    memory
      ? undefined
      : no('no figures of its memory: --target-pid on the same machine, or process_resident_memory_bytes at /metrics'),
  restart: () => ({ ready: 'yes', why: 'its restart needs --stop-command and --start-command' }),
  'kept-failures': () => ({ ready: 'yes', why: 'with the failures that earlier runs have left' }),
  frames: () => undefined,
};

const answerFor = (scenario: ScenarioFacts, facts: ServiceFacts): Answer => {
  if (facts.problem !== undefined && !scenario.mayBeDown) return no('it runs no command');
  const missing = scenario.needs.flatMap((need) => lacks[need](facts) ?? []);
  const parts = scenario.uses.flatMap((need) => lacks[need](facts) ?? []);
  return (
    tooMany(scenario, facts) ??
    missing.find(({ ready }) => ready === 'no') ??
    missing[0] ??
    (parts[0]?.why === undefined ? yes : { ready: 'yes', why: parts[0].why })
  );
};

/** For each scenario: whether the service can be put through it, and why not. */
export const readinessOf = (facts: ServiceFacts, scenarios: readonly ScenarioFacts[]): Readiness[] => {
  const rows: Readiness[] = [];
  for (const scenario of scenarios) {
    const { name, scenarios: members } = scenario;
    if (members === undefined) {
      rows.push({ scenario: name, ...answerFor(scenario, facts) });
      continue;
    }
    const left = rows.filter((row) => row.ready === 'no' && members.includes(row.scenario)).map((row) => row.scenario);
    const answer = facts.problem === undefined ? yes : no('it runs no command');
    rows.push({
      scenario: name,
      ...answer,
      ...(answer === yes && left.length > 0 && { why: `without ${left.join(', ')}` }),
    });
  }
  return rows;
};

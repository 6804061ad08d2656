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

/** Sessions that the rounds of a scenario have at once, by default. */
const atOnce: Readonly<Record<string, number>> = { concurrent: 20, 'high-output': 4 };

/** Whether so many sessions are let in at once. */
const tooMany = (scenario: string, { health }: ServiceFacts): Answer | undefined => {
  const [sessions, limit] = [atOnce[scenario], health?.maxSessions];
  if (sessions === undefined || limit === undefined || sessions <= limit) return undefined;
  return no(`it opens ${sessions} sessions at once, and the limit is ${limit}: --vus ${limit} opens fewer`);
};

const ownCommands = ({ allowList }: ServiceFacts): Answer =>
  allowList === true ? perhaps('its commands must be in the allow-list') : yes;

const limited = 'a second instance of it can be named with --limited-url';

const answers: Readonly<Record<string, (facts: ServiceFacts) => Answer>> = {
  single: () => yes,
  concurrent: (facts) =>
    facts.allowList === true ? perhaps('its commands must be in the allow-list; others: --commands') : yes,
  'process-control': ownCommands,
  'high-output': ownCommands,
  'command-validation': ({ allowList }) => {
    if (allowList === undefined) return perhaps('whether there is an allow-list cannot be told');
    return allowList ? yes : no(`there is no allow-list; ${limited}`);
  },
  'session-limit': ({ health }) => {
    const max = health?.maxSessions;
    if (max === undefined) return no('/health tells no max_sessions: --max-sessions does');
    return max <= mostSessions ? yes : no(`its limit is ${max}, and ${mostSessions} at most are opened; ${limited}`);
  },
  conformance: () => yes,
  memory: ({ memory }) =>
    memory
      ? yes
      : no('no figures of its memory: --target-pid on the same machine, or process_resident_memory_bytes at /metrics'),
  recovery: () => ({ ready: 'yes', why: 'with the failures that earlier runs have left' }),
  'service-down': () => ({ ready: 'yes', why: 'its restart needs --stop-command and --start-command' }),
};

/** For each of the scenarios named: whether the service can be put through it, and why not. */
export const readinessOf = (facts: ServiceFacts, scenarios: readonly string[]): Readiness[] => {
  const rows: Readiness[] = [];
  for (const scenario of scenarios) {
    if (scenario === 'suite') continue;
    const answer = answers[scenario] ?? ownCommands;
    const runs = facts.problem === undefined || scenario === 'service-down';
    rows.push({ scenario, ...(runs ? (tooMany(scenario, facts) ?? answer(facts)) : no('it runs no command')) });
  }
  if (!scenarios.includes('suite')) return rows;
  const left = rows.filter(({ ready }) => ready === 'no').map(({ scenario }) => scenario);
  const suite = facts.problem === undefined ? yes : no('it runs no command');
  return [
    ...rows,
    { scenario: 'suite', ...suite, ...(suite === yes && left.length > 0 && { why: `without ${left.join(', ')}` }) },
  ];
};

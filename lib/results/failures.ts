import { cutTo } from '../text/visible.ts';
import { expectedAndReceived, meaningOfOutcome, type OutcomeMeaning } from './outcome-meaning.ts';
import type { FindingRecord, SessionRecord } from './record-schema.ts';
import type { CauseExample } from './result-schema.ts';

/** What no finding tells: a failed session of a round; of a case what counts as a hang or violation, or was load. */
export const isTold = ({ case: name, outcome }: SessionRecord): boolean => {
  if (outcome.kind === 'ok') return false;
  return name === undefined || name === 'leak' || outcome.kind === 'timeout' || outcome.kind === 'protocol-violation';
};

/** Whether k6 itself closed a session, as it does where a run is interrupted: it looks like a service's close 1001. */
export const isCutOff = ({ outcome }: Pick<SessionRecord, 'outcome'>): boolean =>
  outcome.kind === 'closed' && outcome.code === 1001;

/** The same of what a case came to. */
export const isCutOffFinding = ({ received }: Pick<FindingRecord, 'received'>): boolean =>
  received.startsWith('closed (1001)');

/** Failures of one kind, as they are gathered from records. */
export interface FailureGroup {
  kind: Exclude<SessionRecord['outcome']['kind'], 'ok'> | Exclude<FindingRecord['finding'], 'conforming'>;
  /** In kebab-case, the same for all that is grouped. */
  id: string;
  thing: 'session' | 'case';
  did: string;
  expected: string;
  advice: string;
  section?: string;
  count: number;
  /** How many in each scenario. */
  scenarios: Map<string, number>;
  rounds: Set<number>;
  cases: Set<string>;
  commands: Set<string>;
  examples: CauseExample[];
}

const maxGroups = 200;
const maxNames = 100;
const maxExamples = 3;
/** Each case has its own reason, and all of them are looked for. */
const maxFindingExamples = 60;

type Made = Pick<FailureGroup, 'kind' | 'id' | 'thing' | 'did' | 'expected' | 'advice'> & {
  section?: string;
};

const addName = <Each>(names: Set<Each>, name: Each | undefined): void => {
  if (name !== undefined && names.size < maxNames) names.add(name);
};

/** The last message of a direction in a trace. */
const lastMessage = (trace: readonly string[], direction: '>' | '<'): string | undefined =>
  trace.findLast((line) => line.startsWith(`${direction} `))?.slice(2);

const messagesOf = (trace: string[] | undefined): Partial<CauseExample> => {
  if (trace === undefined || trace.length === 0) return {};
  const [sent, received] = [lastMessage(trace, '>'), lastMessage(trace, '<')];
  return {
    ...(sent !== undefined && { messageSent: sent }),
    ...(received !== undefined && { messageReceived: received }),
    trace,
  };
};

const outcomeText =
  /(failed-exit|output-mismatch|timeout \((\w+)\)|connect-failed|closed \((\d+)\)|protocol-violation|rejected \(([^)]+)\)): ([^]*)$/;

/** The outcome of a session that a finding tells of, as `describeOutcome` wrote it. */
const outcomeIn = (received: string): Exclude<SessionRecord['outcome'], { kind: 'ok' }> | undefined => {
  const [, head = '', phase, close, reason, rest = ''] = outcomeText.exec(received) ?? [];
  if (phase !== undefined) return { kind: 'timeout', phase: phase as 'connect', detail: rest };
  if (close !== undefined) return { kind: 'closed', code: Number(close), detail: rest };
  if (reason !== undefined) {
    const [, code, message] = /^(-?\d+) ?([^]*)$/.exec(rest) ?? [];
    return { kind: 'rejected', reason, code: Number(code ?? 0), message: message ?? rest };
  }
  if (head === 'connect-failed' || head === 'protocol-violation') return { kind: head, reason: rest };
  if (head === 'output-mismatch') return { kind: head, detail: rest };
  if (head !== 'failed-exit') return undefined;
  const code = /received (-?\d+)$/.exec(rest)?.[1];
  return { kind: head, code: code === undefined ? null : Number(code), detail: rest };
};

/** A text as the part of an id. */
export const kebab = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');

const findingAdvice: Readonly<Record<string, string>> = {
  bypass: 'A security hole: close it before anything else. Until then the allow-list protects nothing.',
  deviating: 'Clients that follow the specification may fail.',
  inconclusive: 'Run again as the reason says: a slow service needs longer timeouts, a memory test more time.',
  'not-run': 'Give what the reason names, and run again.',
  'not-applicable': 'Nothing, or name an instance of the service that has this feature (--limited-url).',
};

const ofFinding = (record: FindingRecord): Made => {
  const { test, case: name, finding, expected, section, received } = record;
  const kind = finding as FailureGroup['kind'];
  const made = {
    kind,
    thing: 'case',
    expected,
    section,
    advice: findingAdvice[finding] ?? '',
  } as const;
  if (finding === 'bypass') {
    return { ...made, id: `bypass-${kebab(test)}`, did: 'ran a command that the allow-list does not allow' };
  }
  if (finding === 'deviating')
    return { ...made, id: `deviating-${kebab(test)}`, did: 'deviated from the specification' };
  if (finding === 'inconclusive') {
    return { ...made, id: `inconclusive-${kebab(test)}`, did: 'could not be judged' };
  }
  if (finding === 'not-run' || finding === 'not-applicable') {
    const did = `${finding === 'not-run' ? 'could not be asked' : 'did not apply'}: ${received}`;
    return { ...made, id: `${finding}-${kebab(test)}-${kebab(received).slice(0, 40)}`, did };
  }
  const outcome = outcomeIn(received);
  if (outcome === undefined) {
    return {
      ...made,
      id: `breaking-${kebab(test)}-${kebab(name)}`,
      did: `failed: ${name} (${cutTo(received, 100)})`,
      advice: `A defect of the service: ${section} says what must happen.`,
    };
  }
  const meaning = meaningOfOutcome(outcome);
  return { ...made, id: `breaking-${meaning.id}`, did: meaning.did, advice: meaning.advice };
};

/** Sessions of rounds, and those that cases opened, are not one group: of the latter there is a finding too. */
const ofSession = (kind: FailureGroup['kind'], meaning: OutcomeMeaning, isOfCase: boolean): Made => ({
  ...meaning,
  id: isOfCase ? `case-${meaning.id}` : meaning.id,
  kind,
  thing: 'session',
});

/** Gathers the failures of a run from its records, in bounded memory; of a run that was cut short, k6's own closes are none. */
export const gatherFailures = (isCutShort: boolean) => {
  const groups = new Map<string, FailureGroup>();
  /** Failures of more kinds than are kept. */
  let beyond = 0;

  const groupFor = (made: Made): FailureGroup | undefined => {
    const key = `${made.thing} ${made.kind} ${made.id}`;
    const there = groups.get(key);
    if (there !== undefined) return there;
    if (groups.size >= maxGroups) {
      beyond++;
      return undefined;
    }
    const empty = { count: 0, scenarios: new Map(), rounds: new Set<number>(), cases: new Set<string>() };
    const group: FailureGroup = { ...made, ...empty, commands: new Set<string>(), examples: [] };
    groups.set(key, group);
    return group;
  };

  const countIn = (group: FailureGroup, scenario: string): void => {
    group.count++;
    if (group.scenarios.has(scenario) || group.scenarios.size < maxNames) {
      group.scenarios.set(scenario, (group.scenarios.get(scenario) ?? 0) + 1);
    }
  };

  return {
    session: (record: SessionRecord): void => {
      const { test, round, session, case: name, commands, outcome, trace } = record;
      if (outcome.kind === 'ok' || !isTold(record) || (isCutShort && isCutOff(record))) return;
      const meaning = meaningOfOutcome(outcome);
      const group = groupFor(ofSession(outcome.kind, meaning, round === undefined));
      if (group === undefined) return;
      countIn(group, test);
      const command = commands.at(-1)?.name ?? record.command?.name;
      addName(group.rounds, round);
      addName(group.cases, name);
      addName(group.commands, command);
      if (group.examples.length >= maxExamples) return;
      group.examples.push({
        scenario: test,
        ...(round !== undefined && { round }),
        ...(session !== undefined && { session }),
        ...(name !== undefined && { case: name }),
        ...(command !== undefined && { command }),
        ...expectedAndReceived(outcome, meaning),
        ...messagesOf(trace),
      });
    },
    finding: (record: FindingRecord): void => {
      if (record.finding === 'conforming' || (isCutShort && isCutOffFinding(record))) return;
      const { test, case: name, expected, received, trace } = record;
      const group = groupFor(ofFinding(record));
      if (group === undefined) return;
      countIn(group, test);
      addName(group.cases, name);
      if (group.examples.length >= maxFindingExamples) return;
      group.examples.push({ scenario: test, case: name, expected, received, ...messagesOf(trace) });
    },
    groups: (): { groups: FailureGroup[]; beyond: number } => ({ groups: [...groups.values()], beyond }),
  };
};

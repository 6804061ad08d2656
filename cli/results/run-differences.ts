import type { RunRecord } from '../../lib/results/record-schema.ts';
import { addressOf, effectiveSettings } from './run-load.ts';
import { bytes } from '../../lib/text/quantities.ts';

/** Something in which two runs differ; undefined where a run does not have it. */
export interface Difference {
  what: string;
  before: string | undefined;
  after: string | undefined;
}

type Facts = readonly (readonly [what: string, value: string | undefined])[];

const unknown = 'unknown';

/** In what two lists of facts differ; what is unknown counts as different. */
const differing = (first: Facts, other: Facts): Difference[] => {
  const [before, after] = [new Map(first), new Map(other)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((what) => ({ what, before: before.get(what), after: after.get(what) }))
    .filter((each) => each.before !== each.after || each.before === unknown);
};

/** The name and version of a service, as far as they are known. */
export const serviceName = ({ service }: Pick<RunRecord, 'service'>): string | undefined =>
  [service.name, service.version].filter((each) => each !== undefined).join(' ') || undefined;

// Of a tenth of a GiB: the memory of one machine differs a little from one start to the next.
const memoryOf = ({ machine }: RunRecord): string | undefined => machine && bytes(machine.memoryBytes);

/** What must be the same for two runs to be compared, apart from their settings, by what it is. */
const conditionsOf = (record: RunRecord): Facts => {
  const { machine, test, k6Version = unknown, cutShort } = record;
  return [
    ['scenario', test],
    ['address', addressOf(record)],
    ['system', machine?.system ?? unknown],
    ['processor', machine?.cpu ?? unknown],
    ['cores', machine ? String(machine.cores) : unknown],
    ['memory', memoryOf(record) ?? unknown],
    ['k6', k6Version],
    ['cut short', cutShort === true ? 'yes' : 'no'],
  ];
};

/** Runs of one key were made under the same conditions: scenario, address, settings, machine and k6 version. */
export const conditionsKey = (record: RunRecord): string => {
  const settings = [...effectiveSettings(record)].map(([name, value]) => `${name}=${value}`);
  return JSON.stringify([...conditionsOf(record), ...settings.toSorted()]);
};

const factsOf = (record: RunRecord): Facts => {
  const { machine, bundle, suiteVersion, k6Version } = record;
  return [
    ['bundle', bundle],
    ['suite version', suiteVersion],
    ['k6 version', k6Version],
    ['service', serviceName(record)],
    ['machine', machine && `${machine.system}, ${machine.cpu}, ${machine.cores} cores, ${memoryOf(record)}`],
  ];
};

const criteriaOf = ({ criteria }: RunRecord): Facts => {
  const by = new Map<string, string>();
  for (const { test, selector, expression } of criteria) {
    const name = `criterion ${test} ${selector}`;
    const before = by.get(name);
    by.set(name, before === undefined ? expression : `${before} and ${expression}`);
  }
  return [...by];
};

/** The settings in which two runs differ, as they were written; a default equals the same value spelled out. */
const settingsBetween = (before: RunRecord, after: RunRecord): Difference[] =>
  differing([...effectiveSettings(before)], [...effectiveSettings(after)]).map(({ what, ...values }) => ({
    what,
    before: before.settings[what] ?? values.before,
    after: after.settings[what] ?? values.after,
  }));

/** What differs in a run from an earlier one: settings, criteria, bundle, versions, service and machine. */
export const changesBetween = (before: RunRecord, after: RunRecord): Difference[] => [
  ...settingsBetween(before, after).map(({ what, before: from, after: to }) => ({
    what: `setting ${what}`,
    before: from,
    after: to,
  })),
  ...[criteriaOf, factsOf].flatMap((of) => differing(of(before), of(after))),
];

/** In what two runs differ that makes a comparison mean nothing; what is not known counts as different. */
export const unlike = (first: RunRecord, other: RunRecord): Difference[] => [
  ...differing(conditionsOf(first), conditionsOf(other)),
  ...settingsBetween(first, other),
];

/** In what else two runs differ, which may be why one is worse. */
export const alsoDifferent = (first: RunRecord, other: RunRecord): Difference[] =>
  differing(factsOf(first), factsOf(other)).filter(({ what }) => ['service', 'suite version', 'bundle'].includes(what));

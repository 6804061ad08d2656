import type { RunRecord } from '../../lib/results/record-schema.ts';
import { gibibytes, serviceName } from './history-summary.ts';

/** Something in which two runs differ. */
export interface Difference {
  what: string;
  first: string;
  other: string;
}

const unknown = 'unknown';

/** What must be the same for two runs to be compared, by what it is. */
const conditions = (record: RunRecord): Map<string, string> => {
  const { machine } = record;
  return new Map([
    ['scenario', record.test],
    ...Object.entries(record.settings).map(([name, value]): [string, string] => [name, value]),
    ['system', machine?.system ?? unknown],
    ['processor', machine?.cpu ?? unknown],
    ['cores', machine === undefined ? unknown : String(machine.cores)],
    ['memory', machine === undefined ? unknown : `${gibibytes(machine.memoryBytes)} GiB`],
    ['k6', record.k6Version ?? unknown],
    ['cut short', record.cutShort === true ? 'yes' : 'no'],
  ]);
};

const differing = (first: Map<string, string>, other: Map<string, string>, absent: string): Difference[] =>
  [...new Set([...first.keys(), ...other.keys()])]
    .map((what) => ({ what, first: first.get(what) ?? absent, other: other.get(what) ?? absent }))
    .filter((each) => each.first !== each.other || each.first === unknown);

/** In what two runs differ that makes a comparison mean nothing; what is not known counts as different. */
export const unlike = (first: RunRecord, other: RunRecord): Difference[] =>
  differing(conditions(first), conditions(other), 'not set');

const facts = (record: RunRecord): Map<string, string> =>
  new Map([
    ['service', serviceName(record) ?? 'not told'],
    ['suite', record.suiteVersion ?? 'not told'],
    ['bundle', record.bundle ?? 'not told'],
  ]);

/** In what else two runs differ, which may be why one is worse. */
export const alsoDifferent = (first: RunRecord, other: RunRecord): Difference[] =>
  differing(facts(first), facts(other), 'not told');

/** Why a run can't be compared at all, in words; undefined where it can. */
export const provesNothing = ({ verdict }: RunRecord): string | undefined =>
  verdict === 'PASS' || verdict === 'FAIL' ? undefined : `its verdict is ${verdict}: it proves nothing`;

import type { JudgedCriterion, RunRecord } from '../../lib/results/record-schema.ts';

/** An observed value with its unit, at most three digits behind the point; `nothing` where there was none. */
export const observedText = ({ observed, unit }: Pick<JudgedCriterion, 'observed' | 'unit'>): string => {
  if (observed === undefined) return 'nothing';
  return `${Math.round(observed * 1000) / 1000}${unit === undefined ? '' : ` ${unit}`}`;
};

/** The sessions of a run by what became of them, in words, such as `23 ok, 1 timeout`. */
export const outcomesText = ({ outcomes }: RunRecord): string =>
  Object.entries(outcomes)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ') || 'none';

/** What ran, against what and with what: names and values, in the order in which they are shown. */
export const runFacts = (record: RunRecord): [name: string, value: string][] => {
  const { service, machine } = record;
  const facts: [string, string | undefined][] = [
    ['run', record.run],
    ['marker', record.marker],
    ['scenario', record.test],
    ['verdict', record.verdict],
    ['url', record.url],
    ['service', service.name],
    ['service version', service.version],
    ['websocket-mcp-stress', record.suiteVersion],
    ['k6', record.k6Version],
    ['bundle', record.bundle],
    ['machine', machine && `${machine.system}, ${machine.cores} cores`],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
};

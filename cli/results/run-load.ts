import { chosenScenarios } from '../../lib/load/inputs.ts';
import { parseSettings, settingsTable, type SettingName, type Settings } from '../../lib/load/settings.ts';
import type { RunRecord } from '../../lib/results/record-schema.ts';
import { scenarioNamed, scenariosOf } from '../shared/scenarios.ts';

/** What stands for the address of a reference target that `ws-stress run --with-target` started: its port is another each time. */
const ofReferenceTarget = 'reference target';

const defaultPorts: Readonly<Record<string, string>> = { ws: '80', wss: '443' };

/** The address of a service, without what may be secret, in one spelling: as records, histories and recovery cases are told apart by it. */
export const addressOf = ({ url, withTarget }: Pick<RunRecord, 'url' | 'withTarget'>): string => {
  if (withTarget === true) return ofReferenceTarget;
  const [, scheme = '', authority = '', rest = ''] = /^(\w+):\/\/([^/?#]*)(.*)$/s.exec(url) ?? [];
  if (scheme === '') return url;
  const [name, port] = [scheme.toLowerCase(), /:(\d+)$/.exec(authority)?.[1]];
  const host = port === defaultPorts[name] ? authority.slice(0, -1 - (port?.length ?? 0)) : authority;
  return `${name}://${host.toLowerCase()}${rest.startsWith('/') ? rest : `/${rest}`}`;
};

const units: readonly [unit: string, ms: number][] = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

const durationText = (ms: number): string => {
  const [unit, size] = units.find(([, each]) => ms % each === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
};

const valueText = (type: string, value: unknown): string => {
  if (type === 'duration') return durationText(value as number);
  return Array.isArray(value) ? value.join(',') : String(value);
};

/** The sessions of each round, where rounds are what a run of these settings does. */
const roundsOf = (test: string, { vus, durationMs, rate, rounds }: Settings): readonly number[] | undefined => {
  if (durationMs !== undefined || rate !== undefined) return undefined;
  if (vus !== undefined || rounds !== undefined) return vus === undefined ? rounds : [vus];
  return ownRounds(test);
};

/** The rounds that a scenario has where no setting shapes them; of a suite, those that the settings would shape. */
const ownRounds = (test: string): readonly number[] | undefined => {
  const parts = scenariosOf(test).filter(({ takesLoad }, _, all) => all.length === 1 || takesLoad);
  const [first, ...others] = parts.map(({ rounds }) => rounds);
  return first !== undefined && first.length > 0 && others.every((each) => each.join() === first.join())
    ? first
    : undefined;
};

/** The settings that a run had, given or by default, each in one spelling: those that mean the same are equal. */
export const effectiveSettings = ({ test, settings: recorded }: Pick<RunRecord, 'test' | 'settings'>) => {
  const { settings } = parseSettings(recorded);
  const values = new Map<string, string>(Object.entries(recorded));
  for (const { name, key, type, secret, unrecorded } of settingsTable()) {
    const value = key in settings ? settings[key as keyof Settings] : undefined;
    if (secret !== true && unrecorded !== true && value !== undefined) values.set(name, valueText(type, value));
  }
  const set = (name: SettingName, value: string | undefined): void => {
    if (value === undefined) values.delete(name);
    else values.set(name, value);
  };
  if (settings.fleet === 1) values.delete('STRESS_FLEET');
  const facts = scenarioNamed(test);
  if (facts?.scenarios !== undefined) {
    const chosen = chosenScenarios(facts, settings);
    set('STRESS_ONLY', chosen.length === facts.scenarios.length ? undefined : chosen.join(','));
    set('STRESS_SKIP', undefined);
  }
  if (facts?.usesVus !== true && settings.durationMs === undefined && settings.rate === undefined) {
    // One round is what --vus means too.
    const rounds = roundsOf(test, settings);
    set('STRESS_ROUNDS', rounds !== undefined && rounds.length > 1 ? rounds.join(',') : undefined);
    set('STRESS_VUS', rounds?.length === 1 ? String(rounds[0]) : undefined);
  }
  return values;
};

const inShape: ReadonlySet<string> = new Set([
  'STRESS_ROUNDS',
  'STRESS_VUS',
  'STRESS_DURATION',
  'STRESS_RATE',
  'STRESS_FLEET',
]);

const shapeText = (values: ReadonlyMap<string, string>): string => {
  const [rounds, vus, duration, rate, fleet] = [...inShape].map((name) => values.get(name));
  const aVu = fleet === undefined ? '' : `, ${fleet} a VU`;
  if (rate !== undefined)
    return `${rate} sessions/s for ${duration ?? '?'}${vus === undefined ? '' : ` by ${vus} VUs`}${aVu}`;
  if (duration !== undefined) return `${vus ?? '?'} sessions at a time for ${duration}${aVu}`;
  if (rounds !== undefined) return `${rounds.replaceAll(',', ', ')} sessions at once${aVu}`;
  return vus === undefined ? 'its cases' : `${vus} ${vus === '1' ? 'session' : 'sessions at once'}${aVu}`;
};

/** The load of a run in words; runs of a scenario whose loads are equal have the same. */
export const loadOf = (record: Pick<RunRecord, 'test' | 'settings'>): string => {
  const [values, own] = [effectiveSettings(record), effectiveSettings({ ...record, settings: {} })];
  const differs = (name: string): boolean => values.get(name) !== own.get(name);
  const rows = settingsTable().filter(({ group }) => group === 'Scenarios and load');
  const others = rows
    .filter(({ name }) => !inShape.has(name) && differs(name))
    .map(({ name, flag }) => `${flag} ${values.get(name) ?? 'none'}`);
  const shape = shapeText(values);
  const isSuite = scenarioNamed(record.test)?.scenarios !== undefined;
  const usual = isSuite ? 'default' : `default (${shape})`;
  return [[...inShape].some(differs) ? shape : usual, ...others].join(', ');
};

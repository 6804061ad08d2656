import { flagOf, settingsTable, type SettingRow, type Spelling } from '../../lib/load/settings.ts';
import type { OptionDeclaration, Options, ParsedOption, SettingOption } from './command.ts';

const optionName = ({ flag }: SettingRow): string => flag.slice(2);

/** The headings under which help lists the settings of a run, the most wanted first. */
export const settingGroups = [
  'Target service',
  'Scenarios and load',
  'Criteria and results',
  'Time limits',
  'Cases and service control',
  'k6 and the rest',
] as const;

type SettingGroup = (typeof settingGroups)[number];

const flagsOf: Readonly<Partial<Record<SettingGroup, readonly string[]>>> = {
  'Target service': ['url', 'token', 'headers', 'subprotocol', 'insecure', 'limited-url'],
  'Scenarios and load': [
    'rounds',
    'vus',
    'duration',
    'rate',
    'fleet',
    'pause',
    'only',
    'skip',
    'commands',
    'lines',
    'width',
  ],
  'Criteria and results': ['thresholds', 'result', 'records', 'trace', 'run-id'],
  'Time limits': ['ack-timeout', 'message-timeout', 'session-timeout', 'execute-timeout', 'recovery-timeout'],
  'Cases and service control': [
    'down-url',
    'allowed-command',
    'max-sessions',
    'memory-duration',
    'leak-bytes',
    'recovery',
    'helper-url',
    'helper-token',
  ],
};

const groupOf = (row: SettingRow): SettingGroup =>
  settingGroups.find((group) => flagsOf[group]?.includes(optionName(row)) === true) ?? 'k6 and the rest';

/** All settings, under their headings. */
export const allSettings = (): SettingOption[] => settingsTable().map((row) => ({ row, group: groupOf(row) }));

const descriptionOf = ({ row, description, default: fallback = row.default }: SettingOption): string => {
  const unit = row.unit === undefined ? '' : `, ${row.unit}`;
  const otherwise = fallback === undefined ? '' : ` Default: ${fallback}.`;
  return `${description ?? `${row.description}${unit}`}.${otherwise} [${row.name}]`;
};

const optionOf = (setting: SettingOption): OptionDeclaration => {
  const { row, group } = setting;
  return {
    description: descriptionOf(setting),
    ...(row.type !== 'boolean' && { takes: row.type }),
    ...(row.choices !== undefined && { choices: row.choices }),
    ...(group !== undefined && { group }),
  };
};

/** The options by which these settings are given. */
export const settingsOptions = (settings: readonly SettingOption[]): Options =>
  Object.fromEntries(settings.map((setting) => [optionName(setting.row), optionOf(setting)]));

/** The `STRESS_…` variables of the settings that were given as options. */
export const settingsEnvironment = (
  values: Readonly<Record<string, ParsedOption>>,
  settings: readonly SettingOption[],
): Record<string, string> =>
  Object.fromEntries(
    settings.flatMap(({ row }) => {
      const value = values[optionName(row)];
      return value === undefined ? [] : [[row.name, `${value as string | boolean}`]];
    }),
  );

/**
 * How the settings were spelled, for errors: by the variable if only one of `variables` gave the setting, otherwise by the flag.
 * `asked` has what `settingsEnvironment` returned.
 */
export const spellingOf =
  (
    asked: Readonly<Record<string, string>>,
    variables: Readonly<Record<string, string | undefined>> = process.env,
  ): Spelling =>
  (name) =>
    asked[name] === undefined && variables[name] ? name : flagOf(name);

import { flagOf, settingsTable, type SettingRow, type Spelling } from '../../lib/load/settings.ts';
import type { OptionDeclaration, Options, ParsedOption, SettingOption } from './command.ts';

const optionName = ({ flag }: SettingRow): string => flag.slice(2);

/** What a command says of a setting. */
type OwnWords = Omit<SettingOption, 'row'>;

/** All settings, under their headings. */
export const allSettings = (own: OwnWords = {}): SettingOption[] =>
  settingsTable().map((row) => Object.assign({ row, group: row.group }, own));

/** The settings of these names, with what a command says of each. */
export const settingsNamed = (
  names: readonly SettingRow['name'][],
  own: (name: SettingRow['name']) => OwnWords = () => ({}),
): SettingOption[] => settingsTable().flatMap((row) => (names.includes(row.name) ? [{ row, ...own(row.name) }] : []));

/** A setting's description with its default, where that is not a value. */
export const settingMeaning = ({ description, defaultInWords }: SettingRow): string =>
  defaultInWords === undefined ? description : `${description}. Default: ${defaultInWords}`;

const descriptionOf = ({ row, description, isFlagOnly, isRequired, default: ownDefault }: SettingOption): string => {
  const variable = isFlagOnly === true ? '' : ` [${row.name}]`;
  const unit = row.unit === undefined ? '' : `, in ${row.unit}`;
  const inWords = description === undefined ? row.defaultInWords : undefined;
  const fallback = ownDefault ?? inWords ?? row.default;
  const otherwise = isRequired === true ? ' Required.' : fallback === undefined ? '' : ` Default: ${fallback}.`;
  return `${description ?? `${row.description}${unit}`}.${otherwise}${variable}`;
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

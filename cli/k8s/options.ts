import type { ScenarioFacts } from '../../lib/load/scenario-facts.ts';
import { parseSettings, settingsTable, shownUrl } from '../../lib/load/settings.ts';
import { shownSubprotocols } from '../../lib/load/headers.ts';
import type { Variable } from './manifest.ts';

/** Why an image's reference does not say exactly which image, or undefined: it needs a digest, or a tag with a whole version. */
export const imageProblem = (flag: string, reference: string | undefined): string | undefined => {
  if (reference === undefined) return undefined;
  const expected = `${flag}: expected an image with a digest or an exact version, such as grafana/k6:2.2.0; received ${JSON.stringify(reference)}`;
  const [, tag, digest] =
    /^[a-z0-9][a-z0-9._-]*(?::\d+)?(?:\/[a-z0-9][a-z0-9._-]*)*(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(
      reference,
    ) ?? [];
  if (digest !== undefined) return undefined;
  if (tag === undefined) return expected;
  return /(^|[^0-9.])\d+\.\d+\.\d+/.test(tag) ? undefined : `${expected}: ${tag} may be another image tomorrow`;
};

const cronField = String.raw`[0-9A-Za-z*/,?-]+`;

/** What the values of options are to be. A name is short: the operator and a schedule put up to 20 characters behind it. */
const forms = {
  '--name': [/^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/, 'at most 40 small letters, digits and hyphens, the first a letter'],
  '--namespace': [/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/, 'small letters, digits and hyphens'],
  '--cron': [
    new RegExp(String.raw`^(@(yearly|monthly|weekly|daily|hourly)|${cronField}( ${cronField}){4})$`),
    'five fields or @daily, such as "0 3 * * 1"',
  ],
  '--memory': [/^[1-9]\d{0,6}(Mi|Gi)$/, 'an amount such as 800Mi or 4Gi'],
  '--cpu': [/^([1-9]\d{0,2}(\.\d)?|[1-9]\d{1,5}m)$/, 'processors, such as 2 or 500m'],
} as const;

/** Why a value is not what its option expects, or undefined. */
export const formProblem = (flag: keyof typeof forms, text: string | undefined): string | undefined => {
  const [form, expected] = forms[flag];
  return text === undefined || form.test(text)
    ? undefined
    : `${flag}: expected ${expected}; received ${JSON.stringify(text)}`;
};

const mebibytesOf = (text: string): number => Number.parseInt(text) * (text.endsWith('Gi') ? 1024 : 1);

/** Variables that may hold a secret and be given to a runner by --secret. */
const isSecretVariable = (name: string): boolean =>
  settingsTable().some((row) => row.name === name) || /^K6_[A-Z0-9_]+$/.test(name);

/** A reference to a secret, `STRESS_TOKEN=secret-name/key`, as a variable, or what is wrong with it. */
export const secretOf = (text: string): Variable | string => {
  const [, name = '', secret, key] =
    /^([A-Z0-9_]+)=([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)\/([A-Za-z0-9._-]{1,253})$/.exec(text) ?? [];
  if (secret === undefined || key === undefined) {
    // It may be the secret itself.
    return '--secret: expected SETTING=secret/key, such as STRESS_TOKEN=ws-stress/token; received something else (not shown)';
  }
  return isSecretVariable(name)
    ? { name, secret: { name: secret, key } }
    : `--secret: expected a setting or a variable of k6, such as STRESS_TOKEN; received ${name}`;
};

/** Settings that say where something is on the machine that renders, or that are asked of a helper beside k6. */
const local: ReadonlySet<string> = new Set(['STRESS_RESULT', 'STRESS_HELPER_URL']);

/** What is wrong with settings for a pod, beside what is wrong with them anywhere. */
export const podSettingsProblems = (asked: Readonly<Record<string, string>>): string[] =>
  settingsTable().flatMap(({ name, flag, type, secret }) => {
    const value = asked[name];
    if (value === undefined) return [];
    if (secret === true) return [`${flag}: expected as --secret ${name}=secret/key: a manifest is no place for it`];
    if (local.has(name)) return [`${flag}: a pod has no such place; ws-stress gate judges the whole test`];
    if (value.includes('?') && /^wss?:/i.test(value)) {
      return [`${flag}: a query may hold a secret: expected as --secret ${name}=secret/key`];
    }
    const shown = type === 'subprotocols' ? shownSubprotocols(value) : type === 'url' ? shownUrl(value) : value;
    if (shown !== value) return [`${flag}: it holds a secret: expected as --secret ${name}=secret/key`];
    return [];
  });

/** How many sessions a runner carries at once, and in how many VUs, as far as the settings tell. */
const loadOf = (asked: Readonly<Record<string, string>>): { sessions: number; fleet: number } | undefined => {
  const { settings } = parseSettings(asked);
  const { vus, rounds, rate, fleet = 1 } = settings;
  const sessions = vus ?? (rounds && Math.max(...rounds)) ?? (rate === undefined ? undefined : Math.ceil(rate * 10));
  return sessions === undefined ? undefined : { sessions, fleet };
};

/** k6 itself, MiB. */
const baseMiB = 128;
/** A VU with its session, and a session of a fleet, KiB (docs/performance.md). */
const [vuKiB, fleetKiB] = [575, 104];
/** The suite and the scenarios by themselves have no more VUs than this. */
const usualSessions = 50;

/**
 * What a runner needs: the memory that was asked for, such as 800Mi, or else what was measured; half as much again as the limit,
 * for sessions that have much output.
 */
export const neededMiB = (
  asked: Readonly<Record<string, string>>,
  parallelism: number,
  memory?: string,
): { memoryMiB: number; memoryLimitMiB: number } => {
  const { sessions, fleet } = loadOf(asked) ?? { sessions: usualSessions, fleet: 1 };
  const each = Math.ceil(sessions / parallelism);
  const measured = Math.ceil(baseMiB + (each * (fleet > 1 ? fleetKiB : vuKiB)) / 1024);
  const memoryMiB = memory === undefined ? measured : mebibytesOf(memory);
  return { memoryMiB, memoryLimitMiB: Math.ceil(memoryMiB * 1.5) };
};

/** Why the sessions of a scenario can't be split over several runners. */
export const splitProblems = (
  { name, rounds: ownRounds, hasCases }: ScenarioFacts,
  asked: Readonly<Record<string, string>>,
  parallelism: number,
): string[] => {
  if (parallelism === 1) return [];
  const { STRESS_ROUNDS: rounds, STRESS_VUS: vus, STRESS_DURATION: duration } = asked;
  const oneRound = vus !== undefined || duration !== undefined || (rounds !== undefined && !rounds.includes(','));
  if (ownRounds.length === 0 || !oneRound) {
    return [
      `--parallelism: rounds and cases follow one another within one k6 process only: expected 1, or a scenario with rounds and one round of it, such as concurrent --vus 300; received ${parallelism}`,
    ];
  }
  if (hasCases && duration === undefined) {
    return [
      `--parallelism: ${name} has cases, which one k6 process asks: expected 1, or --duration, for which they are left out`,
    ];
  }
  const { sessions, fleet } = loadOf(asked) ?? { sessions: parallelism, fleet: 1 };
  return Math.ceil(sessions / fleet) < parallelism
    ? [`--parallelism: expected at most a runner a VU, ${Math.ceil(sessions / fleet)}; received ${parallelism}`]
    : [];
};

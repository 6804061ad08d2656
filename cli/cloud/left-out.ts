import { chosenTests } from '../../lib/load/inputs.ts';
import { parseSettings, settingsTable, type Settings } from '../../lib/load/settings.ts';

/** What the cloud can run of a test: its settings there, and what was left out of it; or why it can't run it at all. */
export type CloudShare = { settings: Record<string, string>; without: string[] } | { because: string };

const isLoopback = (url: string): boolean => {
  const { hostname } = new URL(url);
  return /^(localhost|.*\.localhost|127\..*|0\.0\.0\.0|\[::1?\]|\[::ffff:7f.*\])\.?$/.test(hostname);
};

/** The settings that name files of this machine. */
const localFiles = (settings: Readonly<Record<string, string>>): string[] =>
  settingsTable()
    .filter(({ name, type }) => {
      const text = settings[name];
      return text && (type === 'file' || (type === 'commands' && text.endsWith('.json')));
    })
    .map(({ name }) => name);

/** The scenarios that the cloud does not run, and why. */
const impossible: Readonly<Record<string, string>> = {
  recovery: 'the failures that it replays are kept in files of this machine',
  'service-down': 'nobody there can stop and start the service',
};

const loopbackSettings = ({ url, limitedUrl }: Settings): string[] => [
  ...(isLoopback(url) ? ['STRESS_URL'] : []),
  ...(limitedUrl !== undefined && isLoopback(limitedUrl) ? ['STRESS_LIMITED_URL'] : []),
];

/** What the cloud can run of a test whose settings are right. */
export const cloudShare = (scenario: string, given: Readonly<Record<string, string>>): CloudShare => {
  const { settings } = parseSettings(given);
  const files = localFiles(given);
  const loopback = loopbackSettings(settings);
  const because = [
    ...(impossible[scenario] === undefined ? [] : [impossible[scenario]]),
    ...files.map((name) => `${name} names a file of this machine`),
    ...loopback.map((name) => `${name} is an address of the machine that it is used on`),
    ...(settings.helperUrl === undefined ? [] : ['STRESS_HELPER_URL: a helper serves the machine that it runs on']),
  ];
  if (because.length > 0) return { because: because.join('; ') };
  if (scenario !== 'suite') return { settings: { ...given }, without: memoryNote(scenario) };
  const chosen = chosenTests(settings);
  const left = chosen.filter((name) => impossible[name] === undefined);
  const out = chosen.filter((name) => impossible[name] !== undefined);
  const without = out.map((name) => `${name}: ${impossible[name]}`);
  if (left.length === 0) return { because: `nothing else is in it than ${without.join('; ')}` };
  const skip = [...(settings.skip ?? []), ...out].join(',');
  return {
    settings: { ...given, ...(out.length > 0 && { STRESS_SKIP: skip }) },
    without: [...without, ...left.flatMap(memoryNote)],
  };
};

/** What a scenario does here and not there. */
const memoryNote = (scenario: string): string[] =>
  scenario === 'memory' ? ['memory by process id: only what the service tells at /metrics or /health'] : [];

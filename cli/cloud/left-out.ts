import { chosenScenarios } from '../../lib/load/inputs.ts';
import type { ScenarioFacts } from '../../lib/load/scenario-facts.ts';
import { parseSettings, settingsTable, type Settings } from '../../lib/load/settings.ts';
import { factsOrUnknown } from '../shared/scenarios.ts';

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

const loopbackSettings = ({ url, limitedUrl }: Settings): string[] => [
  ...(isLoopback(url) ? ['STRESS_URL'] : []),
  ...(limitedUrl !== undefined && isLoopback(limitedUrl) ? ['STRESS_LIMITED_URL'] : []),
];

/** What the cloud can run of a test whose settings are right. */
export const cloudShare = (scenario: string, given: Readonly<Record<string, string>>): CloudShare => {
  const { settings } = parseSettings(given);
  const run = factsOrUnknown(scenario);
  const files = localFiles(given);
  const loopback = loopbackSettings(settings);
  const because = [
    ...(run.notInCloud === undefined ? [] : [run.notInCloud]),
    ...files.map((name) => `${name} names a file of this machine`),
    ...loopback.map((name) => `${name} is an address of the machine that it is used on`),
    ...(settings.helperUrl === undefined ? [] : ['STRESS_HELPER_URL: a helper serves the machine that it runs on']),
  ];
  if (because.length > 0) return { because: because.join('; ') };
  if (run.scenarios === undefined) return { settings: { ...given }, without: memoryNote(run) };
  const chosen = chosenScenarios(run, settings).map(factsOrUnknown);
  const out = chosen.filter(({ notInCloud }) => notInCloud !== undefined);
  const left = chosen.filter((each) => !out.includes(each));
  const without = out.map(({ name, notInCloud }) => `${name}: ${notInCloud}`);
  if (left.length === 0) return { because: `nothing else is in it than ${without.join('; ')}` };
  const skip = [...(settings.skip ?? []), ...out.map(({ name }) => name)].join(',');
  return {
    settings: { ...given, ...(out.length > 0 && { STRESS_SKIP: skip }) },
    without: [...without, ...left.flatMap(memoryNote)],
  };
};

/** What a scenario does here and not there. */
const memoryNote = ({ needs }: ScenarioFacts): string[] =>
  needs.includes('memory-figures') ? ['memory by process id: only what the service tells at /metrics or /health'] : [];

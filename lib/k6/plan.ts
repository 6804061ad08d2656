import defaultThresholds from '../../thresholds.json';
import { chosenScenarios, readCriteria, readInputs, settingConflicts } from '../load/inputs.ts';
import { planLoad, type Profile, type ScenarioLoad } from '../load/profile.ts';
import { factsOf } from '../load/scenario-facts.ts';
import { refusal, spellingFrom } from '../load/settings.ts';
import { knownScenarios, selectedTags } from '../load/thresholds.ts';
import { secretsOf, secretsOfCommands } from '../results/secrets.ts';
import type { SessionLimits } from '../session/session.ts';
import type { Scenario } from './definition.ts';
import { readFile } from './read-file.ts';
import type { VuZeroPlan } from './run-plan.ts';

/** The load of a run that is refused. */
const nothing: Profile = { scenarios: {}, rounds: [], cases: [], before: {}, owed: undefined };

/** Cases wait for answers, and some slow ones are to be no reason to cut a run short. */
const defaultCasesMs = ({ ackTimeoutMs }: { ackTimeoutMs: number }): number => 300_000 + 20 * ackTimeoutMs;

/** Reads what a scenario or suite does in this run. Throws a text that lists everything wrong with the settings. */
export const makePlan = (root: Scenario): VuZeroPlan => {
  const inputs = readInputs(__ENV, readFile, defaultThresholds, spellingFrom(__ENV));
  const { cloud, ...settings } = inputs.settings;
  const run = factsOf(root);
  const all = root.members ?? [root];
  const names = chosenScenarios(run, settings);
  const conflicts = settingConflicts(run, settings, names, inputs.spelled);
  // A suite imports its scenarios, which must not refuse what is meant for it: they wait for their own set-up.
  if (root.members) inputs.problems.push(...conflicts);
  const chosen = all.filter(({ name }) => names.includes(name));
  const loads = chosen.map(({ name, rounds = [], takesLoad = false, cases, casesMs, casesFirst }): ScenarioLoad => ({
    name,
    rounds,
    takesLoad,
    ...(cases && { casesMs: casesMs?.(settings, inputs.recovery.length) ?? defaultCasesMs(settings) }),
    ...(casesFirst && { casesFirst }),
  }));
  const profile = inputs.problems.length > 0 ? nothing : planLoad(settings, loads);
  const roundsOf = (name: string): number => profile.rounds.filter((round) => round.test === name).length;
  const criteria = readCriteria(
    inputs,
    run.name,
    chosen.map(({ name, rounds, cases }) => ({
      name,
      rounds: (rounds && (roundsOf(name) || 100)) || 0,
      hasCases: cases !== undefined,
    })),
    knownScenarios(
      defaultThresholds,
      all.map(({ name }) => name),
    ),
  );
  // k6 shows a thrown text as it is, and an Error with its stack.
  // oxlint-disable-next-line typescript/only-throw-error -- see above
  if (inputs.problems.length > 0) throw refusal(inputs.problems);

  const limits: SessionLimits = {
    ackTimeoutMs: settings.ackTimeoutMs,
    messageTimeoutMs: settings.messageTimeoutMs,
    sessionTimeoutMs: settings.sessionTimeoutMs,
    ...(settings.executeTimeoutS !== undefined && { executeTimeoutS: settings.executeTimeoutS }),
  };
  const hidden = { secrets: secretsOf(settings, __ENV), ofCommands: secretsOfCommands(settings, __ENV) };
  const ownCriteria = [...new Set(criteria.flatMap(({ selector }) => selectedTags(selector).case ?? []))];
  const plan = { settings, limits, hidden, commands: inputs.commands, profile, ownCriteria, names };
  const replays = chosen.some(({ needs }) => needs?.includes('kept-failures'));
  return {
    plan,
    run,
    scenarios: all.map(factsOf),
    criteria,
    warnings: inputs.warnings,
    spelled: inputs.spelled,
    conflicts,
    recovery: replays ? inputs.recovery : [],
    cloud,
  };
};

import defaultThresholds from '../../thresholds.json';
import type { Command } from '../commands/command.ts';
import type { ReplayCase } from '../commands/recovery-index.ts';
import { chosenTests, readCriteria, readInputs, settingConflicts } from '../load/inputs.ts';
import type { CloudSettings } from '../load/cloud.ts';
import { planLoad, type Profile, type TestLoad } from '../load/profile.ts';
import { refusal, type Settings } from '../load/settings.ts';
import type { Criterion } from '../load/thresholds.ts';
import { secretsOf } from '../results/redact.ts';
import type { SessionLimits } from '../session/session.ts';
import type { Scenario } from './scenario.ts';
import { readFile } from './read-file.ts';

/** What a run is to do, as data: VU 0 reads and checks it for all, and the others keep no more than this (docs/adr/0006-a-vu-keeps-a-plan.md). */
export interface Plan {
  settings: Settings;
  limits: SessionLimits;
  /** Texts that nothing may show. */
  secrets: readonly string[];
  /** Those of STRESS_COMMANDS. */
  commands: readonly Command[];
  profile: Profile;
  /** The tests of the run. */
  names: readonly string[];
}

/** What is needed before and behind the sessions, in VU 0 alone. */
export interface WholePlan {
  plan: Plan;
  criteria: readonly Criterion[];
  /** What was asked of the tests that they can't do. */
  unfit: readonly string[];
  /** The service need not be there when the run begins. */
  mayBeDown: boolean;
  /** Those that recovery replays, where it is one of the tests. */
  recovery: readonly ReplayCase[];
  cloud: CloudSettings | undefined;
}

/** The load of a run that is refused. */
const nothing: Profile = { scenarios: {}, rounds: [], cases: [], before: {}, owed: undefined };

const casesMs = 300_000;

/** Reads what a run is to do. Throws a text that lists everything wrong with the settings. */
export const makePlan = (test: string, all: readonly Scenario[]): WholePlan => {
  const inputs = readInputs(__ENV, readFile, defaultThresholds);
  const { cloud, ...settings } = inputs.settings;
  const isSuite = test === 'suite';
  const unfit = settingConflicts(test, settings);
  // A suite imports its scenarios, which must not refuse what is meant for it: they wait for their own set-up.
  if (isSuite) inputs.problems.push(...unfit);
  const isThere = (name: string): boolean => all.some((each) => each.name === name);
  const absent = isSuite ? (settings.only ?? []).filter((name) => !isThere(name)) : [];
  inputs.problems.push(...absent.map((name) => `STRESS_ONLY: ${name} is not in scenarios/suite.ts; run it by itself`));
  const names = isSuite ? chosenTests(settings).filter(isThere) : [test];
  const chosen = all.filter(({ name }) => names.includes(name));
  const loads = chosen.map(({ name, rounds = [], cases, casesMs: longest, casesFirst }): TestLoad => ({
    name,
    rounds,
    ...(cases && { casesMs: longest?.(settings, inputs.recovery.length) ?? casesMs }),
    ...(casesFirst && { casesFirst }),
  }));
  const profile = inputs.problems.length > 0 ? nothing : planLoad(settings, loads);
  const roundsOf = (name: string): number => profile.rounds.filter((round) => round.test === name).length;
  const criteria = readCriteria(
    inputs,
    chosen.map(({ name, rounds }) => ({ name, rounds: (rounds && (roundsOf(name) || 100)) || 0 })),
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
  const mayBeDown = chosen.every((each) => each.mayBeDown);
  const secrets = secretsOf(settings);
  const plan = { settings, limits, secrets, commands: inputs.commands, profile, names };
  const recovery = names.includes('recovery') ? inputs.recovery : [];
  return { plan, criteria, unfit, mayBeDown, recovery, cloud };
};

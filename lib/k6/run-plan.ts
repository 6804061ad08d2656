import type { Command } from '../commands/command.ts';
import type { ReplayCase } from '../commands/recovery-index.ts';
import type { CloudSettings } from '../load/cloud.ts';
import type { Profile } from '../load/profile.ts';
import type { ScenarioFacts } from '../load/scenario-facts.ts';
import type { Settings, Spelling } from '../load/settings.ts';
import type { Criterion } from '../load/thresholds.ts';
import type { Hidden } from '../results/record.ts';
import type { SessionLimits } from '../session/session.ts';

/** What a run does, as data: VU 0 reads and checks it for all, and the others keep no more than this (docs/adr/0006-a-vu-keeps-a-plan.md). */
export interface Plan {
  settings: Settings;
  limits: SessionLimits;
  hidden: Hidden;
  /** Those of STRESS_COMMANDS. */
  commands: readonly Command[];
  profile: Profile;
  /** Cases that a criterion names, so that no other criterion needs them. */
  ownCriteria: readonly string[];
  /** The scenarios of the run. */
  names: readonly string[];
}

/** The plan, and what is needed before and after the sessions, in VU 0 alone. */
export interface VuZeroPlan {
  plan: Plan;
  /** What is run: a scenario or a suite. */
  run: ScenarioFacts;
  /** All scenarios that the bundle has. */
  scenarios: readonly ScenarioFacts[];
  criteria: readonly Criterion[];
  /** For the user, before the run begins. */
  warnings: readonly string[];
  /** How the user spelled a setting. */
  spelled: Spelling;
  /** Why the run can't do what the settings ask. */
  conflicts: readonly string[];
  /** The failures to replay, where a scenario of the run does that. */
  recovery: readonly ReplayCase[];
  cloud: CloudSettings | undefined;
}

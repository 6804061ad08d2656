import type { Command } from '../commands/command.ts';
import type { ReplayCase } from '../commands/recovery-index.ts';
import type { DeclaredFacts } from '../load/scenario-facts.ts';
import type { Settings } from '../load/settings.ts';
import type { Script, Session } from '../session/session.ts';
import type { ResultSink } from './result-sink.ts';
import type { Plan } from './run-plan.ts';

/** Asks the cases of a scenario; returns why none could be asked, where none could. Made by `askCases`. */
export type AskCases = (
  plan: Plan,
  scenario: string,
  sink: ResultSink,
  recovery: () => ReplayCase[],
) => Promise<string | undefined>;

/** What a scenario is: rounds of sessions, cases to ask the service, or both, and what others need to know of it. */
export interface ScenarioDefinition extends DeclaredFacts {
  /** The commands, one a session, in turn; or `setting` for those of STRESS_COMMANDS. */
  commands?: readonly Command[] | 'setting' | ((settings: Settings) => readonly Command[]);
  /** What a session of a round does; absent where it executes its command and waits until that has completed. */
  script?: (session: Session, command: Command) => Script;
  /** Asks the cases, after the rounds unless `casesFirst` says otherwise, in one VU: `askCases((context) => …)`. */
  cases?: AskCases;
  /** The cases are asked before the rounds. */
  casesFirst?: true;
  /** Longest time that the cases take, milliseconds, with this many kept failures to replay; 5 minutes and 20 acknowledgement timeouts where absent. */
  casesMs?: (settings: Settings, kept: number) => number;
}

/** A scenario with its name, or a suite with its scenarios. */
export interface Scenario extends ScenarioDefinition {
  name: string;
  members?: readonly Scenario[];
}

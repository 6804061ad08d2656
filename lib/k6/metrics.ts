import { Counter, Rate, Trend } from 'k6/metrics';
import { commandClasses } from '../commands/command.ts';
import { countsInTime } from '../results/outcome.ts';
import type { SessionResult } from '../session/session.ts';

const trend = (name: string): Trend => new Trend(name, true);

const sessionSuccess = new Rate('session_success');
const sessionDuration = trend('session_duration');
const commandDuration = trend('command_duration');
const connectDuration = trend('connect_duration');
const commandAckDuration = trend('command_ack_duration');
const firstOutputDuration = trend('first_output_duration');
const failureDuration = trend('failure_duration');
const sessions = new Counter('sessions');
const outputLines = new Counter('output_lines');
const protocolViolations = new Counter('protocol_violations');
const timeouts = new Counter('timeouts');
const unsettled = new Counter('unsettled');
const evidence = new Counter('evidence');
const generatorFailures = new Counter('generator_failures');
const ownOptions = new Counter('own_options');
const segment = new Counter('segment');

/** Counts what the generator itself could not do; any makes the run INVALID. */
export const countGeneratorFailures = (count: number): void => generatorFailures.add(count);

/** The tags of a session's samples. */
export interface SessionTags {
  [name: string]: string;
  test: string;
  round: string;
  class: string;
}

/** Counts a session as begun; `countSession` takes it back, so that what is left at the end was lost. */
export const countBegun = (): void => unsettled.add(1);

/** Feeds every metric of a session from its result: the only place that does. */
export const countSession = (result: SessionResult, tags: SessionTags): void => {
  const { outcome } = result;
  const ok = outcome.kind === 'ok';
  unsettled.add(-1);
  sessions.add(1, { ...tags, outcome: outcome.kind });
  sessionSuccess.add(ok, tags);
  evidence.add(1, { ...tags, of: 'session_success', real: 'yes' });
  if (countsInTime(outcome)) {
    sessionDuration.add(result.durationMs, tags);
    evidence.add(1, { ...tags, of: 'session_duration', real: 'yes' });
  }
  if (!ok) failureDuration.add(result.durationMs, { ...tags, outcome: outcome.kind });
  if (outcome.kind === 'protocol-violation') protocolViolations.add(1, tags);
  if (outcome.kind === 'timeout') timeouts.add(1, { ...tags, phase: outcome.phase });
  if (result.connectedMs !== undefined) connectDuration.add(result.connectedMs, tags);
  for (const command of result.commands) {
    const commandTags = { ...tags, class: command.class };
    if (countsInTime(command.outcome)) {
      commandDuration.add(command.durationMs, commandTags);
      evidence.add(1, { ...commandTags, of: 'command_duration', real: 'yes' });
    }
    if (command.ackMs !== undefined) commandAckDuration.add(command.ackMs, commandTags);
    if (command.firstOutputMs !== undefined) firstOutputDuration.add(command.firstOutputMs, commandTags);
    if (command.lines > 0) outputLines.add(command.lines, commandTags);
  }
};

/** Notes that k6's own options replaced our scenarios, for the summary, which can't see the options. */
export const markOwnOptions = (): void => ownOptions.add(1);

/** Notes that this process runs a segment of the load, for the summary, which can't see the options. */
export const markSegment = (): void => segment.add(1);

/** Lets the guards of a round that will not run hold, for k6 threw our scenarios away (`k6 run --vus …`). */
export const excuseRound = (test: string, round: number): void => {
  for (const of of ['session_success', 'session_duration', 'command_duration']) {
    for (const name of commandClasses) evidence.add(1, { of, test, round: String(round), class: name });
  }
};

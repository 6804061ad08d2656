import { Counter, Rate, Trend } from 'k6/metrics';
import { hasMeaningfulDuration, minLines } from '../session/outcome.ts';
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
const controlDuration = trend('control_duration');
const outputRate = new Trend('output_rate');
const outputThroughput = new Trend('output_throughput');
const outputLines = new Counter('output_lines');
const protocolViolations = new Counter('protocol_violations');
const timeouts = new Counter('timeouts');
const unsettled = new Counter('unsettled');
/** How many samples there were of what criteria rest on. */
export const evidence = new Counter('evidence');
const generatorFailures = new Counter('generator_failures');
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

/** Feeds what every session feeds, whether a round's or a case's. */
export const countOutcome = (
  { outcome }: SessionResult,
  tags: { test: string; [name: string]: string },
  isTry = false,
): void => {
  unsettled.add(-1);
  sessions.add(1, { ...tags, outcome: outcome.kind });
  evidence.add(1, { ...tags, of: 'sessions', real: 'yes' });
  if (isTry) return;
  if (outcome.kind === 'protocol-violation') protocolViolations.add(1, tags);
  if (outcome.kind === 'timeout') timeouts.add(1, { ...tags, phase: outcome.phase });
};

/** Feeds every metric of a round's session from its result: the only place that does. */
export const countSession = (result: SessionResult, tags: SessionTags): void => {
  const { outcome } = result;
  const ok = outcome.kind === 'ok';
  countOutcome(result, tags);
  sessionSuccess.add(ok, tags);
  evidence.add(1, { ...tags, of: 'session_success', real: 'yes' });
  if (hasMeaningfulDuration(outcome)) {
    sessionDuration.add(result.durationMs, tags);
    evidence.add(1, { ...tags, of: 'session_duration', real: 'yes' });
  }
  if (!ok) failureDuration.add(result.durationMs, { ...tags, outcome: outcome.kind });
  if (result.connectedMs !== undefined) connectDuration.add(result.connectedMs, tags);
  for (const { type, durationMs } of result.controls) controlDuration.add(durationMs, { ...tags, type });
  for (const command of result.commands) {
    const commandTags = { ...tags, class: command.class, command: command.name };
    if (hasMeaningfulDuration(command.outcome)) {
      commandDuration.add(command.durationMs, commandTags);
      evidence.add(1, { ...commandTags, of: 'command_duration', real: 'yes' });
    }
    if (command.ackMs !== undefined) commandAckDuration.add(command.ackMs, commandTags);
    if (command.firstOutputMs !== undefined) firstOutputDuration.add(command.firstOutputMs, commandTags);
    if (command.lines > 0) outputLines.add(command.lines, commandTags);
    if (command.lines >= minLines && command.outcome.kind === 'ok' && (command.outputMs ?? 0) > 0) {
      const seconds = (command.outputMs ?? 0) / 1000;
      outputRate.add(command.lines / seconds, commandTags);
      outputThroughput.add(command.bytes / seconds, commandTags);
    }
  }
};

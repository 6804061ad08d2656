import exec from 'k6/execution';
import { Counter, Rate, Trend } from 'k6/metrics';
import type { CommandResult } from '../session/execution.ts';
import { hasMeaningfulDuration, minLines, type Outcome } from '../session/outcome.ts';
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

/** The tags of the samples of a round's session. */
export interface SessionTags {
  test: string;
  round: string;
  class: string;
  command: string;
}

const tagNames = ['test', 'round', 'class', 'command'] as const;
let vuTags: Record<string, string | number | boolean> | undefined;
const current: Partial<SessionTags> = {};

/** What the samples with the VU's current tags have shown to have samples. */
let shown: Partial<Record<'sessions' | 'session_success' | 'session_duration' | 'command_duration', true>> = {};
const shownOf: Record<string, typeof shown> = {};

/**
 * Gives all samples of this VU these tags, k6's own too, or none: that is cheaper than tags on each sample. A tag is set where it
 * differs from that of the session before.
 */
export const tagSamples = (tags: Partial<SessionTags>): void => {
  if (
    tags.command === current.command &&
    tags.class === current.class &&
    tags.round === current.round &&
    tags.test === current.test
  )
    return;
  const all = (vuTags ??= exec.vu.metrics.tags);
  for (const name of tagNames) {
    const value = tags[name];
    if (value === current[name]) continue;
    if (value === undefined) {
      delete all[name];
      delete current[name];
    } else all[name] = current[name] = value;
  }
  shown = shownOf[JSON.stringify(current)] ??= {};
};

/** Adds to the evidence that a criterion rests on: one sample in each VU says as much as many. */
const show = (of: keyof typeof shown): void => {
  if (shown[of]) return;
  shown[of] = true;
  evidence.add(1, { of, real: 'yes' });
};

/** Counts a session as begun; `countSession` takes it back, so that what is left at the end was lost. */
export const countBegun = (): void => unsettled.add(1);

/** Feeds what a session of a case feeds. */
export const countCaseOutcome = (
  { outcome }: SessionResult,
  tags: { test: string; case: string },
  isTry: boolean,
): void => {
  unsettled.add(-1);
  sessions.add(1, { ...tags, outcome: outcome.kind });
  evidence.add(1, { ...tags, of: 'sessions', real: 'yes' });
  if (!isTry) countFailure(outcome, tags);
};

const countFailure = (outcome: Outcome, tags: Record<string, string>): void => {
  if (outcome.kind === 'protocol-violation') protocolViolations.add(1, tags);
  if (outcome.kind === 'timeout') timeouts.add(1, { ...tags, phase: outcome.phase });
};

const okTags = { outcome: 'ok' };

/** Feeds every metric of a round's session from its result: the only place that does. Each sample costs some 3 µs of k6's time. */
export const countSession = (result: SessionResult, tags: SessionTags): void => {
  const { outcome, commands, controls, connectedMs } = result;
  const ok = outcome.kind === 'ok';
  tagSamples(tags);
  unsettled.add(-1);
  sessionSuccess.add(ok);
  show('session_success');
  show('sessions');
  if (ok) {
    sessions.add(1, okTags);
    sessionDuration.add(result.durationMs);
    show('session_duration');
  } else {
    const failed = { outcome: outcome.kind };
    sessions.add(1, failed);
    failureDuration.add(result.durationMs, failed);
    countFailure(outcome, {});
  }
  if (connectedMs !== undefined) connectDuration.add(connectedMs);
  for (let at = 0; at < controls.length; at++) {
    const { type, durationMs } = controls[at] as (typeof controls)[number];
    controlDuration.add(durationMs, { type });
  }
  for (let at = 0; at < commands.length; at++) countCommand(commands[at] as CommandResult, tags);
};

const countCommand = (command: CommandResult, session: SessionTags): void => {
  const { ackMs, firstOutputMs, lines } = command;
  const isCompleted = hasMeaningfulDuration(command.outcome);
  // A script may have executed others than the session's own, before it and behind it.
  const isOwn = command.name === session.command && command.class === session.class;
  tagSamples(isOwn ? session : { ...session, class: command.class, command: command.name });
  if (isCompleted) {
    commandDuration.add(command.durationMs);
    show('command_duration');
  }
  if (ackMs !== undefined) commandAckDuration.add(ackMs);
  if (firstOutputMs !== undefined) firstOutputDuration.add(firstOutputMs);
  if (lines > 0) outputLines.add(lines);
  if (lines >= minLines && isCompleted && (command.outputMs ?? 0) > 0) {
    const seconds = (command.outputMs ?? 0) / 1000;
    outputRate.add(lines / seconds);
    outputThroughput.add(command.bytes / seconds);
  }
};

import { Counter, Rate, Trend } from 'k6/metrics';
import type { Finding } from '../cases/case.ts';
import { countsInTime } from '../results/outcome.ts';
import { selectedTags, type Criterion, type Excuse } from '../load/thresholds.ts';
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
const findings = new Counter('findings');
const excused = new Counter('excused');
/** Metrics that cases feed beside their findings. */
const caseTrends = {
  recovery_duration: trend('recovery_duration'),
  session_growth: new Trend('session_growth'),
};
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

/** Feeds what every session feeds, whether a round's or a case's. */
const countOutcome = ({ outcome }: SessionResult, tags: { test: string; [name: string]: string }): void => {
  unsettled.add(-1);
  sessions.add(1, { ...tags, outcome: outcome.kind });
  evidence.add(1, { ...tags, of: 'sessions', real: 'yes' });
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
  if (countsInTime(outcome)) {
    sessionDuration.add(result.durationMs, tags);
    evidence.add(1, { ...tags, of: 'session_duration', real: 'yes' });
  }
  if (!ok) failureDuration.add(result.durationMs, { ...tags, outcome: outcome.kind });
  if (result.connectedMs !== undefined) connectDuration.add(result.connectedMs, tags);
  for (const { type, durationMs } of result.controls) controlDuration.add(durationMs, { ...tags, type });
  for (const command of result.commands) {
    const commandTags = { ...tags, class: command.class };
    if (countsInTime(command.outcome)) {
      commandDuration.add(command.durationMs, commandTags);
      evidence.add(1, { ...commandTags, of: 'command_duration', real: 'yes' });
    }
    if (command.ackMs !== undefined) commandAckDuration.add(command.ackMs, commandTags);
    if (command.firstOutputMs !== undefined) firstOutputDuration.add(command.firstOutputMs, commandTags);
    if (command.lines > 0) outputLines.add(command.lines, commandTags);
    if (command.outcome.kind === 'ok' && command.outputMs !== undefined && command.outputMs > 0) {
      outputRate.add(command.lines / (command.outputMs / 1000), commandTags);
      outputThroughput.add(command.bytes / (command.outputMs / 1000), commandTags);
    }
  }
};

/** Counts a session that a case opened: its finding judges it, not the rates and times of the rounds. */
export const countCaseSession = (result: SessionResult, test: string, name: string): void =>
  countOutcome(result, { test, case: name });

/** Counts what a case came to. */
export const countFinding = (test: string, name: string, { kind }: Finding): void => {
  findings.add(1, { test, case: name, finding: kind });
  evidence.add(1, { test, case: name, of: 'findings', real: 'yes' });
};

/** A figure that a case measured. */
export const addCaseFigure = (metric: keyof typeof caseTrends, test: string, name: string, value: number): void => {
  caseTrends[metric].add(value, { test, case: name });
  evidence.add(1, { test, case: name, of: metric, real: 'yes' });
};

/** Counts that the cases of a test were asked to the end. */
export const countCasesAsked = (test: string): void => evidence.add(1, { test, of: 'cases' });

/** Says why a case was not asked, and lets the guards of what is judged by it hold. */
export const excuseCase = (test: string, name: string, as: Excuse): void => {
  for (const of of ['findings', 'sessions', ...Object.keys(caseTrends)]) {
    evidence.add(1, { test, case: name, of });
    excused.add(1, { test, case: name, of, as });
  }
};

/** Lets the guard of a criterion hold that this run has no round or no cases for. */
export const excuseCriterion = ({ guard, test }: Criterion): void => {
  const tags = { test, ...selectedTags(guard.selector) };
  evidence.add(1, tags);
  excused.add(1, { ...tags, as: 'not-run' });
};

/** Notes that k6's own options replaced our scenarios, for the summary, which can't see the options. */
export const markOwnOptions = (): void => ownOptions.add(1);

/** Notes that this process runs a segment of the load, for the summary, which can't see the options. */
export const markSegment = (): void => segment.add(1);

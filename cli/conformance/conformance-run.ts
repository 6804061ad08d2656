import { setTimeout as sleep } from 'node:timers/promises';
import { runCase, type Case, type Finding, type FindingKind, type Judgement } from '../../lib/cases/case.ts';
import { timesSlowest } from '../../lib/cases/pace.ts';
import { conformanceCases } from '../../lib/cases/conformance.ts';
import { rawConformanceCases, type RawCase } from '../../lib/cases/conformance-raw.ts';
import { askRaw, NoSessionError, probe } from './conformance-raw.ts';
import type { Connection } from '../shared/node-connect.ts';
import { runOverNode } from '../shared/node-session.ts';

/** A case of the table, over a session or over bytes. */
export type ConformanceCase = Case | RawCase;

/** The cases in their order: messages over sessions, then bytes; a question that both ask is asked by bytes. */
export const allCases = (): ConformanceCase[] => {
  const raw = rawConformanceCases();
  const names = new Set(raw.map(({ name }) => name));
  return [...conformanceCases().filter(({ name }) => !names.has(name)), ...raw];
};

/** What a case came to. */
export interface CaseReport {
  name: string;
  section: string;
  expected: string;
  /** Empty where it was not run. */
  received: string;
  /** Inconclusive where it could not tell, as of a service that was too slow. */
  finding: FindingKind | 'inconclusive' | 'NOT RUN';
}

/** What all of them came to. */
export interface ConformanceReport {
  cases: CaseReport[];
  /** The case after which the service accepted no session any more. */
  downAfter?: string;
}

/** How long is waited, milliseconds. */
export interface ConformanceLimits {
  /** For an answer; then it is a hang. */
  caseMs: number;
  /** For a service that accepts no session to accept one again. */
  recoveryMs: number;
}

/** The pause between two looks at a service that accepts no session, milliseconds. */
const lookEveryMs = 250;

const ask = async (each: ConformanceCase, service: Connection, caseMs: number): Promise<Judgement> => {
  if ('sender' in each) return askRaw(each, service, caseMs);
  const { script, finding } = runCase(each);
  const limits = { ackTimeoutMs: caseMs, messageTimeoutMs: caseMs, sessionTimeoutMs: caseMs * 4 };
  const result = await runOverNode(service, limits, script);
  const { outcome } = result;
  if (result.connectedMs === undefined) throw new NoSessionError(finding(result).received, { cause: outcome });
  return finding(result);
};

/** How long the service takes to accept a session and answer in it, now or within the time; undefined where it does not. */
const recovers = async (
  service: Connection,
  { caseMs, recoveryMs }: ConformanceLimits,
): Promise<number | undefined> => {
  const deadline = performance.now() + recoveryMs;
  for (;;) {
    const startedAt = performance.now();
    if ((await probe(service, caseMs)) === undefined) return performance.now() - startedAt;
    if (performance.now() > deadline) return undefined;
    await sleep(lookEveryMs);
  }
};

/** What a case means that is breaking, by how long it took and how long a request takes that is answered. */
const afterBreaking = (
  { received }: Finding,
  tookMs: number,
  answerMs: number,
  { caseMs }: ConformanceLimits,
): [finding: CaseReport['finding'], received: string] =>
  tookMs >= caseMs && caseMs < timesSlowest * answerMs
    ? [
        'inconclusive',
        `could not tell, the service is slow (${Math.round(answerMs)} ms for an answer that came): ${received}`,
      ]
    : ['breaking', received];

/** Asks the cases one after the other; a service that is down is asked no more. `told` hears of each. */
export const runConformance = async (
  cases: readonly ConformanceCase[],
  service: Connection,
  limits: ConformanceLimits,
  told: (report: CaseReport) => void,
): Promise<ConformanceReport> => {
  const reports: CaseReport[] = [];
  const add = (
    { name, section, expected }: ConformanceCase,
    finding: CaseReport['finding'],
    received: string,
  ): void => {
    const report = { name, section, expected, received, finding };
    reports.push(report);
    told(report);
  };
  let downAfter: string | undefined;
  let before: string | undefined;
  for (const each of cases) {
    if (downAfter !== undefined) {
      add(each, 'NOT RUN', '');
      continue;
    }
    const startedAt = performance.now();
    const finding = await askTwice(each, service, limits);
    if (finding === undefined) {
      downAfter = before ?? each.name;
      add(each, 'NOT RUN', '');
      continue;
    }
    if (finding.kind === 'breaking') {
      const tookMs = performance.now() - startedAt;
      const answerMs = await recovers(service, limits);
      if (answerMs === undefined) {
        add(each, 'breaking', `${finding.received}; then the service accepted no session`);
        downAfter = each.name;
      } else {
        add(each, ...afterBreaking(finding, tookMs, answerMs, limits));
      }
    } else {
      add(each, finding.kind ?? 'inconclusive', finding.received);
    }
    before = each.name;
  }
  return { cases: reports, ...(downAfter !== undefined && { downAfter }) };
};

/** Asks a case, once more where it got no session but the service has sessions again; undefined where it has none. */
const askTwice = async (
  each: ConformanceCase,
  service: Connection,
  limits: ConformanceLimits,
): Promise<Judgement | undefined> => {
  for (let tries = 1; ; tries++) {
    try {
      return await ask(each, service, limits.caseMs);
    } catch (error) {
      if (!(error instanceof NoSessionError)) throw error;
      if (tries === 2) return { kind: 'breaking', received: error.message };
      if ((await recovers(service, limits)) === undefined) return undefined;
    }
  }
};

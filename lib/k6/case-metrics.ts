import { Counter, Trend } from 'k6/metrics';
import type { Finding } from '../cases/case.ts';
import type { SkipReason } from '../load/thresholds.ts';
import type { SessionResult } from '../session/session.ts';
import { countCaseOutcome, evidence } from './metrics.ts';

const findings = new Counter('findings');
/** What could not be asked or told, and why. */
export const excused = new Counter('excused');
/** Metrics that cases feed beside their findings. */
const caseTrends = {
  recovery_duration: new Trend('recovery_duration', true),
  session_growth: new Trend('session_growth'),
};

/** Counts a session that a case opened: its finding judges it, not the rates and times of the rounds. */
export const countCaseSession = (result: SessionResult, test: string, name: string, isTry: boolean): void =>
  countCaseOutcome(result, { test, case: name }, isTry);

/** Counts what a case came to. */
export const countFinding = (test: string, name: string, { kind }: Finding): void => {
  findings.add(1, { test, case: name, finding: kind });
  evidence.add(1, { test, case: name, of: 'findings', real: 'yes' });
};

/** Counts a case that was asked and could not tell: what is judged over all cases then lacks it. */
export const countInconclusive = (test: string, name: string): void =>
  excused.add(1, { test, case: name, of: 'findings', as: 'inconclusive' });

/** A figure that a case measured. */
export const addCaseFigure = (metric: keyof typeof caseTrends, test: string, name: string, value: number): void => {
  caseTrends[metric].add(value, { test, case: name });
  evidence.add(1, { test, case: name, of: metric, real: 'yes' });
};

/** Counts that the cases of a test were asked to the end. */
export const countCasesAsked = (test: string): void => evidence.add(1, { test, of: 'cases' });

/** Says why a case was not asked, and lets the guards of what is judged by it hold. */
export const skipCase = (test: string, name: string, as: SkipReason): void => {
  for (const of of ['findings', 'sessions', ...Object.keys(caseTrends)]) {
    evidence.add(1, { test, case: name, of });
    excused.add(1, { test, case: name, of, as });
  }
};

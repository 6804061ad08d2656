import type { ScenarioFacts, SuccessCriterionId } from '../load/scenario-facts.ts';
import { parseExpression } from '../load/thresholds.ts';
import { criterionStatuses } from './criterion-status.ts';
import type { Figures, JudgedCriterion, SuccessCriterion } from './record-schema.ts';

const metricOf = ({ selector }: JudgedCriterion): string => selector.replace(/\{.*/, '');

/** What is lost where memory runs out: sessions, their output, or what cases find. Timeouts show slowness alone. */
const showsMemory: ReadonlySet<string> = new Set(['session_success', 'sessions', 'protocol_violations', 'findings']);

/** Each success criterion: its title, the criteria of thresholds.json that it consists of, and the ones that say most about it. */
const table: Readonly<
  Record<
    SuccessCriterionId,
    {
      title: string;
      includes: (criterion: JudgedCriterion, isServed: boolean) => boolean;
      saysMost: RegExp;
      /** Sessions that took too long, and failed in no other way, say nothing of it. */
      isNotOfTime?: true;
    }
  >
> = {
  'single-sessions': {
    title: 'All single session tests pass',
    includes: (_, isServed) => isServed,
    saysMost: /^session_success/,
  },
  'concurrent-sessions': {
    title: '90 %+ success rate for concurrent sessions',
    includes: (each, isServed) => isServed && metricOf(each) === 'session_success',
    saysMost: /round/,
  },
  'reliable-control': {
    title: 'Process control works reliably',
    includes: (_, isServed) => isServed,
    saysMost: /^session_success/,
  },
  'output-memory': {
    title: "High output doesn't cause memory issues",
    includes: (each, isServed) => isServed && showsMemory.has(metricOf(each)),
    saysMost: /case:leak/,
    isNotOfTime: true,
  },
  'no-crashes': {
    title: 'No crashes or hangs',
    includes: (each, isServed) =>
      ['timeouts', 'unsettled'].includes(metricOf(each)) ||
      /^sessions\{[^}]*outcome:closed/.test(each.selector) ||
      (isServed && /^findings\{[^}]*finding:breaking/.test(each.selector) && !each.selector.includes('case:')),
    saysMost: /^timeouts/,
  },
  'response-times': {
    title: 'Response times remain reasonable (<5 s for simple commands)',
    includes: (each) => metricOf(each) === 'command_duration' && each.selector.includes('class:simple'),
    saysMost: /^command_duration/,
  },
};

/** How far a criterion is from not holding, as a share of its limit; less is nearer. */
const margin = ({ expression, observed = 0 }: JudgedCriterion): number => {
  const { operator = '', limit = 0 } = parseExpression(expression) ?? {};
  const distance = operator.startsWith('>') || operator.startsWith('==') ? observed - limit : limit - observed;
  return distance / Math.max(1, Math.abs(limit));
};

/** Of several criteria the one that is nearest to not holding. */
const nearest = (criteria: readonly JudgedCriterion[]): JudgedCriterion | undefined => {
  const [first] = criteria.toSorted((a, b) => margin(a) - margin(b));
  return first;
};

/** Whether sessions of a test's rounds failed, and all of these by timing out. */
const merelyTimedOut = (rounds: readonly Figures[], test: string): boolean => {
  const failing = rounds.filter((round) => round.test === test && round.failed > 0);
  return failing.length > 0 && failing.every(({ failed, timedOut }) => timedOut === failed);
};

/** A criterion as one says something that is not about time: sessions that merely timed out are no data. */
const withoutSlowness = (each: JudgedCriterion, rounds: readonly Figures[]): JudgedCriterion =>
  each.status === 'FAIL' && metricOf(each) === 'session_success' && merelyTimedOut(rounds, each.test)
    ? { ...each, status: 'NO DATA' }
    : each;

/**
 * The six success criteria of the stress test, by the criteria of a suite's run: each is the worst of its parts, and NOT RUN
 * where a scenario that serves it was left out. `scenarios` are all of the suite, `chosen` those that were run, and `rounds`
 * what became of their sessions.
 */
export const successCriteria = (
  judged: readonly JudgedCriterion[],
  scenarios: readonly ScenarioFacts[],
  chosen: readonly string[],
  rounds: readonly Figures[],
): SuccessCriterion[] =>
  Object.entries(table).map(([id, { title, includes, saysMost, isNotOfTime }]) => {
    const serving = scenarios.flatMap(({ name, serves }) =>
      (serves[id as SuccessCriterionId] ?? []).map((metric) => ({ name, metric })),
    );
    // Where no failure is kept, what replays them leaves nothing out.
    const isIdle = ({ test, status }: JudgedCriterion): boolean =>
      status.startsWith('NOT ') &&
      scenarios.some(({ name, needs }) => name === test && needs.includes('kept-failures'));
    const mine = judged
      .filter(
        (each) =>
          includes(
            each,
            serving.some(({ name }) => name === each.test),
          ) && !isIdle(each),
      )
      .map((each) => (isNotOfTime === true ? withoutSlowness(each, rounds) : each));
    const missing = serving.filter(
      ({ name, metric }) => !mine.some((each) => each.test === name && metricOf(each) === metric),
    );
    const left = [...new Set(missing.map(({ name, metric }) => (chosen.includes(name) ? `${name} ${metric}` : name)))];
    const worst = criterionStatuses.find((status) => mine.some((each) => each.status === status)) ?? 'NOT RUN';
    const status =
      left.length > 0 && criterionStatuses.indexOf(worst) > criterionStatuses.indexOf('NOT RUN') ? 'NOT RUN' : worst;
    const deciding = mine.filter((each) => each.status === status);
    const decidedBy = nearest(deciding.filter(({ selector }) => saysMost.test(selector))) ?? nearest(deciding);
    return decidedBy ? { title, status, decidedBy, left } : { title, status, left };
  });
